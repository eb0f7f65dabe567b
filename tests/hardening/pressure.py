"""What attacks cost the others: `python -m tests.hardening.pressure [--seconds 10] [ATTACK ...]`.

A till sells at a real node and a node delivers to a real hub, first alone, then under each attack, whose clients run in
a process of their own at the lowest priority: on a machine of two cores they would otherwise take the daemon's, which no
daemon can prevent. Prints a table; nothing here is asserted, the bounds are in the tests beside this file.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import aiohttp
from rich.console import Console
from rich.table import Table

from tests.hardening.attacks import ATTACKS, Attack, Score, assault, sale
from tests.hardening.line import Target
from tests.hardening.test_node import stocked
from tests.hardening.victim import CHECKOUT, HONEST, Victim, victim
from tests.hub.peer import Peer
from tests.store.shop import Shop

PAUSE_S: Final = 0.02
SETTLE_S: Final = 1.0
PERSON_S_MAX: Final = 10.0
"""Longer than this nobody waits; it is counted as so much."""

Work = Callable[[Victim, float], Coroutine[None, None, list[float]]]


@dataclass(frozen=True, slots=True)
class Measured:
    """Times of the honest client in milliseconds, and what the daemon held."""

    p50_ms: float
    p99_ms: float
    count: int
    memory_mb: float
    descriptors: int


async def till_sells(node: Victim, seconds: float) -> list[float]:
    """Sell one thing after another on one connection, coming back when it was cut; each sale's time to its answer."""
    times: list[float] = []
    until_s = time.monotonic() + seconds
    headers = {"Authorization": f"Bearer {node.target.token}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as http:
        while time.monotonic() < until_s:
            key, began_s = uuid4().hex, time.perf_counter()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PERSON_S_MAX):
                    while not await _recorded(http, node, key):
                        pass
            times.append(time.perf_counter() - began_s)
            await asyncio.sleep(PAUSE_S)
    return times


async def _recorded(http: aiohttp.ClientSession, node: Victim, key: str) -> bool:
    try:
        async with http.post(
            f"{node.url}/v1/movements", data=sale(0), headers={"Idempotency-Key": key}
        ) as answer:
            await answer.read()
            return answer.status == 201
    except aiohttp.ClientError:
        return False


async def node_delivers(hub: Victim, seconds: float) -> list[float]:
    """Send one operation after another in one session; each one's time to its acknowledgement."""
    times: list[float] = []
    until_s = time.monotonic() + seconds
    incarnation = time.time_ns()
    async with _session(hub, Shop(HONEST, incarnation=incarnation)) as peer:
        while time.monotonic() < until_s:
            peer.shop.sells("A1", 1)
            began_s = time.perf_counter()
            await peer.pushes()
            await peer.acknowledged()
            times.append(time.perf_counter() - began_s)
            await asyncio.sleep(PAUSE_S)
    return times


@contextlib.asynccontextmanager
async def _session(hub: Victim, shop: Shop) -> AsyncIterator[Peer]:
    async with (
        aiohttp.ClientSession() as http,
        Peer(http, f"{hub.url}/v1/session", shop) as peer,
    ):
        await peer.opens()
        yield peer


async def measured(work: Work, daemon: Victim, seconds: float) -> Measured:
    """Let the honest client work for so long."""
    times = sorted(await work(daemon, seconds))
    return Measured(
        times[len(times) // 2] * 1e3,
        times[int(len(times) * 0.99)] * 1e3,
        len(times),
        daemon.memory_mb,
        daemon.descriptors,
    )


async def attacked_by_others(attack: Attack, daemon: Victim, seconds: float) -> asyncio.Task[Score]:
    """Start the attackers' process; the task gives what became of them."""
    job = json.dumps([ATTACKS.index(attack), asdict(daemon.target), seconds])
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.hardening.pressure", "--attack", job),
        cwd=CHECKOUT,
        stdout=asyncio.subprocess.PIPE,
    )

    async def ended() -> Score:
        output, _ = await child.communicate()
        return Score(*json.loads(output)) if child.returncode == 0 else Score()

    return asyncio.create_task(ended())


def _attack(job: str) -> None:
    index, target, seconds = json.loads(job)
    os.nice(19)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    score = asyncio.run(assault(ATTACKS[index], Target(**target), seconds))
    print(json.dumps([score.opened, score.ended, score.refused]))


async def _all(names: list[str], seconds: float, table: Table) -> None:
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as running:
        daemons = {
            "node": running.enter_context(victim("node", Path(place) / "S01")),
            "hub": running.enter_context(victim("hub", Path(place) / "hub")),
        }
        await stocked(daemons["node"])
        work: dict[str, Work] = {"node": till_sells, "hub": node_delivers}
        for attack in ATTACKS:
            if names and attack.name not in names and f"{attack.daemon} {attack.name}" not in names:
                continue
            daemon = daemons[attack.daemon]
            alone = await measured(work[attack.daemon], daemon, seconds / 2)
            attackers = await attacked_by_others(attack, daemon, seconds + SETTLE_S)
            await asyncio.sleep(SETTLE_S)
            under = await measured(work[attack.daemon], daemon, seconds)
            score = await attackers
            _add(table, attack, alone, under, score)


def _add(table: Table, attack: Attack, alone: Measured, under: Measured, score: Score) -> None:
    row = (
        f"{attack.daemon}: {attack.at_once} x {attack.name}",
        f"{alone.p50_ms:.1f} / {alone.p99_ms:.1f}",
        f"{under.p50_ms:.1f} / {under.p99_ms:.1f}",
        f"{under.p99_ms / alone.p99_ms:.1f}",
        str(score.opened),
        str(score.ended),
        f"{alone.memory_mb:.0f} > {under.memory_mb:.0f}",
        f"{alone.descriptors} > {under.descriptors}",
    )
    table.add_row(*row)
    print("  ".join(row), file=sys.stderr, flush=True)


def main() -> None:
    """Run the attacks that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.hardening.pressure")
    parser.add_argument("names", nargs="*", help="'slow head', or 'hub slow head'; all without")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each attack")
    parser.add_argument("--attack", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.attack:
        return _attack(given.attack)
    table = Table(title="p50 / p99 in milliseconds of the honest client")
    for heading in (
        "attack",
        "without",
        "with",
        "p99 ratio",
        "opened",
        "ended",
        "MB",
        "descriptors",
    ):
        table.add_column(heading)
    asyncio.run(_all(given.names, given.seconds, table))
    Console(width=150).print(table)
    return None


if __name__ == "__main__":
    main()
