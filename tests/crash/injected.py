"""The disk refuses one call of a daemon at work: it must not say that anything was recorded that was not.

`python -m tests.crash.injected --help` strikes each call of a short morning in turn. Rule: whatever call fails, and with whatever error,
the daemon serves on or ends with 74 and a sentence; what it answered is in the folder afterwards, and the folder opens.
"""

import argparse
import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import aiohttp

from deploy.client import Client, NoAnswerError
from hub.datafolder import DATABASE
from node.replica import DATABASE_NAME
from protocol.chain import CHAIN_START, extend_all
from runtime.service import EXIT_IO, EXIT_OK
from tests.bench.shops import found_hub
from tests.crash import recording, tracing
from tests.crash.explore import Checker, Scratch
from tests.crash.hubs import HubChecker
from tests.crash.nodes import NodeChecker
from tests.crash.streams import Acknowledged, Answered, Fact
from tests.crash.tracing import Traced
from tests.hub.peer import Peer
from tests.node.enrolled import enrolled_folder
from tests.store.shop import Shop, counted

CALLS: Final = ("pwrite64", "fdatasync", "fsync", "ftruncate")
ERRORS: Final = ("EIO", "ENOSPC", "EINTR")
_SALES: Final = 5
_BATCHES: Final = 5
_ANSWER_S_MAX: Final = 5.0
_INJECTED: Final = "(INJECTED)"
_CRASHED: Final = "Traceback"
_BROKEN: Final = "writing has ended until restart"
_TICK_S: Final = 0.05
_NEVER: Final = 0
_END_TICKS: Final = 200

_LINES: Final = [{"sku": f"SKU-{at}", "quantity": 3} for at in range(2)]
_PAPERS: Final[Sequence[tuple[str, dict[str, Any], Sequence[tuple[str, dict[str, Any]]]]]] = (
    (
        "orders",
        {"kind": "customer", "location": "S01", "lines": _LINES},
        (("/place", {}), ("/fulfil", {"lines": _LINES[:1]})),
    ),
    (
        "transfers",
        {"source": "S01", "destination": "S02", "lines": _LINES},
        (("/allocate", {}), ("/ship", {"lines": _LINES, "parcel": "P1"})),
    ),
    (
        "stocktakes",
        {"location": "S01"},
        (("/lines", {"sku": "SKU-0", "counted": 4}), ("/submit", {}), ("/finalise", {})),
    ),
)
"""What is drafted, and what is done with it then."""

Module = Literal["node", "hub"]


class Fault(NamedTuple):
    """The call of this name that fails, counted from 1 in each thread, and how; number 0 never comes."""

    module: Module
    call: str
    error: str
    at: int

    def __str__(self) -> str:
        """As in a list."""
        return f"{self.module}: {self.call} number {self.at} fails with {self.error}"


class Morning(NamedTuple):
    """A daemon's folder, what it is asked to do, and who judges the folder afterwards."""

    folder: Path
    database: str
    checker: Callable[[Path, Mapping[str, object]], Checker]
    work: Callable[[aiohttp.ClientSession, str, list[Fact]], Awaitable[int]]
    """Given the daemon's address, adds to the facts what was told; how often it was refused."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one fault."""

    struck: bool
    """False where no thread made so many calls."""
    answered: int
    refused: int
    ended: str
    """`served on`, `ended with 74`, `did not start`; anything else is in `problems` too."""
    problems: tuple[str, ...]


async def strike(fault: Fault) -> Outcome:
    """Run a short morning of a daemon in which this one call fails, and look at what is left."""
    with Scratch() as place:
        return await _strike(place, fault)


async def calls_made(module: Module, call: str) -> int:
    """How many calls of that name the busiest thread makes in an undisturbed morning."""
    with Scratch() as place:
        outcome = await _strike(place, Fault(module, call, "EIO", _NEVER))
        assert not outcome.problems, outcome.problems
        lines = (place / "trace").read_text().splitlines()
    threads = Counter(line.split()[0] for line in lines if re.match(rf"\d+ +{call}\(", line))
    return max(threads.values(), default=0)


async def _strike(place: Path, fault: Fault) -> Outcome:
    morning = await (_at_the_tills if fault.module == "node" else _at_the_door)(place)
    daemon = _daemon(place, fault, morning)
    told: list[Fact] = []
    refused = 0
    try:
        await daemon.start()
        if started := await daemon.listens():
            async with aiohttp.ClientSession() as http:
                refused = await morning.work(http, daemon.url, told)
        ended, problems = await _ended(daemon, started=started)
    finally:
        await daemon.kill()
    checked = place / "checked"
    checked.mkdir()
    checker = morning.checker(checked, {})
    for fact in told:
        checker.note(fact)
    problems += checker.problems(recording.snapshot(morning.folder))
    struck = _INJECTED in (place / "trace").read_text()
    return Outcome(struck, len(told), refused, ended, tuple(problems))


async def _at_the_tills(place: Path) -> Morning:
    shop = enrolled_folder(place / "node")
    work = partial(_sell, shop.operator_token)
    return Morning(shop.folder.path, DATABASE_NAME, NodeChecker, work)


async def _at_the_door(place: Path) -> Morning:
    shop = Shop("S01")
    for number in range(_BATCHES * 2):
        shop.records(*(counted("S01", f"SKU-{(number + at) % 5}", -1) for at in range(2)))
    await found_hub(place / "hub", [shop])
    return Morning(place / "hub", DATABASE, HubChecker, partial(_push, shop))


async def _sell(token: str, http: aiohttp.ClientSession, url: str, told: list[Fact]) -> int:
    client, refused = Client(http, url, token), 0
    for number in range(_SALES):
        sku_lines: list[dict[str, Any]] = [{"sku": f"SKU-{at}", "delta": -1} for at in range(2)]
        sale = {"kind": "sale", "location": "S01", "lines": sku_lines}
        try:
            answer = await client.send(
                "/v1/movements", sale, f"sale-{number}", timeout_s=_ANSWER_S_MAX
            )
        except NoAnswerError:
            refused += 1  # 503, or it ended
            continue
        if answer.status == 201:
            told.append(Answered(201, answer.body))
        else:
            refused += 1
    return refused + await _act(client, told)


async def _act(client: Client, told: list[Fact]) -> int:
    """A short day's paperwork; what could not be drafted is not gone on with. How often it was refused."""
    refused = 0
    for collection, fields, verbs in _PAPERS:
        path = f"/v1/{collection}"
        for verb, body in (("", fields), *verbs):
            try:
                answer = await client.send(
                    f"{path}{verb}", body, f"{collection}{verb}", timeout_s=_ANSWER_S_MAX
                )
            except NoAnswerError:
                answer = None  # 503, or it ended
            if answer is None or answer.status not in {200, 201}:
                refused += 1
                break
            told.append(Answered(answer.status, answer.body))
            path = path if verb else f"{path}/{answer.json()['id']}"
    return refused


async def _push(shop: Shop, http: aiohttp.ClientSession, url: str, told: list[Fact]) -> int:
    refused = 0
    for visit in range(3):
        peer = Peer(http, f"{url}/v1/session", shop)
        peer.boot = bytes([visit]) * 16
        try:
            async with asyncio.timeout(_ANSWER_S_MAX), peer:
                welcome = await peer.opens()
                acked = welcome.acked
                told.append(Acknowledged(acked, bytes(welcome.chain)))
                while acked < len(shop.log):
                    await peer.pushes(2)
                    acked = await peer.acknowledged()
                    told.append(Acknowledged(acked, _chain(shop, acked)))
                return refused
        except (aiohttp.ClientError, ConnectionError, TimeoutError):
            refused += 1
    return refused


def _chain(shop: Shop, acked: int) -> bytes:
    return bytes(extend_all(CHAIN_START, [item.body for item in shop.log[:acked]]))


def _daemon(place: Path, fault: Fault, morning: Morning) -> Traced:
    folder, database = morning.folder, morning.database
    names = (database, f"{database}-wal", f"{database}-journal", "daemon.json", "lock")
    paths = [str(folder), *(str(folder / name) for name in names)]
    inject = f"inject={fault.call}:error={fault.error}:when={fault.at}"
    return Traced(
        fault.module,
        ("serve", "--data", str(folder), "--listen", "127.0.0.1:0"),
        trace=place / "trace",
        log=place / "log",
        options=(
            *("-e", f"trace={fault.call}"),
            *(() if fault.at == _NEVER else ("-e", inject)),
            *(argument for path in paths for argument in ("-P", path)),
        ),
    )


async def _ended(daemon: Traced, *, started: bool) -> tuple[str, list[str]]:
    """How it ended, and what is wrong with that."""
    problems = []
    is_broken = _BROKEN in daemon.words()
    for _ in range(_END_TICKS if is_broken or not started else 0):
        if not daemon.running:
            break
        await asyncio.sleep(_TICK_S)
    else:
        if is_broken:
            problems.append("it can record nothing until it is started again, and does not end")
    code = await daemon.stop()
    if code not in {EXIT_OK, EXIT_IO} or (is_broken and code != EXIT_IO):
        problems.append(f"it ended with {code}: {daemon.words()[-600:]}")
    if not started and code == EXIT_OK:
        problems.append("it neither served nor said why")
    if _CRASHED in daemon.words():
        problems.append(f"it did not expect this: {daemon.words()[-600:]}")
    if not started:
        return "did not start", problems
    return ("served on" if code == EXIT_OK else f"ended with {code}"), problems


async def faults(modules: Sequence[Module], every: int, errors: Sequence[str]) -> list[Fault]:
    """Each `every`-th call of an undisturbed morning, with each error; calls that sync or cut are never left out."""
    found = []
    for module in modules:
        for call in CALLS:
            step = every if call == "pwrite64" else 1
            numbers = range(1, await calls_made(module, call) + 1, step)
            found += [Fault(module, call, error, at) for error in errors for at in numbers]
    return found


async def strike_all(wanted: Sequence[Fault], jobs: int) -> list[tuple[Fault, Outcome]]:
    """Strike with all of them, some at once; in their order."""
    turn = asyncio.Semaphore(jobs)

    async def one(fault: Fault) -> tuple[Fault, Outcome]:
        async with turn:
            return fault, await strike(fault)

    return await asyncio.gather(*map(one, wanted))


def summary(outcomes: Sequence[tuple[Fault, Outcome]]) -> Iterator[str]:
    """For people."""
    for module in dict.fromkeys(fault.module for fault, _ in outcomes):
        mine = [outcome for fault, outcome in outcomes if fault.module == module]
        ended = ", ".join(f"{n} {how}" for how, n in Counter(o.ended for o in mine).most_common())
        wrong = sum(bool(outcome.problems) for outcome in mine)
        answered, refused = (sum(o.answered for o in mine), sum(o.refused for o in mine))
        yield f"{module}: {len(mine)} faults, {ended}; answered {answered}, refused {refused}, violations {wrong}"


def main() -> int:
    """Read the command line, strike, answer the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.injected", description=__doc__)
    parser.add_argument("--modules", nargs="+", choices=["node", "hub"], default=["node", "hub"])
    parser.add_argument("--every", type=int, default=1, help="each N-th write only")
    parser.add_argument("--errors", nargs="+", choices=ERRORS, default=list(ERRORS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE")
    wish = parser.parse_args()
    if refusal := tracing.refusal():
        print(refusal, file=sys.stderr)
        return 2

    async def work() -> list[tuple[Fault, Outcome]]:
        wanted = await faults(wish.modules, wish.every, wish.errors)
        print(f"{len(wanted)} faults", flush=True)
        return await strike_all(wanted, wish.jobs)

    outcomes = asyncio.run(work())
    print("\n".join(summary(outcomes)))
    wrong = [(fault, outcome) for fault, outcome in outcomes if outcome.problems]
    for fault, outcome in wrong:
        print(f"{fault}: {outcome.problems[0]}")
    if wish.json is not None:
        listed = [{**fault._asdict(), **asdict(outcome)} for fault, outcome in outcomes]
        wish.json.write_text(json.dumps(listed, indent=1) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
