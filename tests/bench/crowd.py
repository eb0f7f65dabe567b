"""A thousand enrolled nodes, and the processes that are them.

Enrolment goes through the hub's own code path with the hub stopped: a thousand commands would only measure how long an
interpreter takes to start.
"""

import asyncio
import contextlib
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

from nacl.signing import SigningKey

from deploy.process import CHECKOUT
from hub.datafolder import HubFolder
from hub.fleet import Device, Enrolment, Fleet
from protocol.enrolment import code_from_text, proof, secret_digest
from protocol.session.hub import HubIdentity
from runtime.version import SOFTWARE
from runtime.world import World

PROCESSES: Final = 2
_AT_ONCE: Final = 50


async def enrol(hub_folder: Path, count: int) -> dict[str, Any]:
    """Enrol `count` shops at a hub that is not running; gives what `Crowd` wants, but for the address."""
    folder, world = HubFolder(hub_folder), World()
    with folder.folder.lock():
        key = folder.signing_key()
        store = await folder.open_store()
        try:
            identity = HubIdentity((await store.history()).chain, key)
            fleet = Fleet(store, identity, world)
            nodes: list[tuple[str, str]] = []
            for first in range(0, count, _AT_ONCE):
                some = range(first, min(first + _AT_ONCE, count))
                nodes += await asyncio.gather(*(_enrol_one(fleet, world, each) for each in some))
        finally:
            await store.close()
    return {"chain": identity.chain.hex(), "hub_key": identity.public_key.hex(), "nodes": nodes}


async def _enrol_one(fleet: Fleet, world: World, number: int) -> tuple[str, str]:
    shop = f"shop{number:04d}"
    wish = Enrolment(name=shop, writes=(f"L-{shop}",), reads=(f"L-{shop}",))
    code = code_from_text(await fleet.enrol(wish))
    key, nonce = SigningKey.generate(), world.random_bytes(32)
    public_key = bytes(key.verify_key)
    shown = proof(secret_digest(code.secret), nonce, public_key)
    redeemed = await fleet.redeem(Device(code.id, public_key, nonce, shown, SOFTWARE))
    return redeemed.certificate.hex(), bytes(key).hex()


class Crowd:
    """Nodes in processes of their own; `open_sessions` is as they last said."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self._processes = processes
        self._told = [0] * len(processes)
        self._changed = asyncio.Event()
        self._changed_s = 0.0

    @property
    def open_sessions(self) -> int:
        return sum(self._told)

    async def reaches(self, count: int, within_s: float) -> float:
        """When the last of `count` sessions came about, by the monotonic clock.

        Raises:
            TimeoutError: fewer are open after `within_s`.
        """
        async with asyncio.timeout(within_s):
            while self.open_sessions < count:
                self._changed.clear()
                await self._changed.wait()
        return self._changed_s

    async def falls_to(self, count: int, within_s: float) -> None:
        """Return when at most `count` sessions are open. Raises: TimeoutError."""
        async with asyncio.timeout(within_s):
            while self.open_sessions > count:
                self._changed.clear()
                await self._changed.wait()

    async def listen(self, number: int) -> None:
        """Read what one process says, to its end."""
        stdout = self._processes[number].stdout
        assert stdout is not None
        while line := await stdout.readline():
            at_s, count = line.split()
            self._told[number] = int(count)
            self._changed_s = max(self._changed_s, float(at_s))
            self._changed.set()


@contextlib.asynccontextmanager
async def connecting(url: str, order: dict[str, Any], log: Path) -> AsyncIterator[Crowd]:
    """Have the nodes of an order connect, and end them with the block."""
    processes: list[Process] = []
    listeners: list[asyncio.Task[None]] = []
    try:
        with log.open("ab") as words:
            for number in range(PROCESSES):
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "tests.bench.idle_nodes"),
                    cwd=CHECKOUT,
                    stdin=PIPE,
                    stdout=PIPE,
                    stderr=words,
                )
                processes.append(process)
                mine = {**order, "url": url, "nodes": order["nodes"][number::PROCESSES]}
                assert process.stdin is not None
                process.stdin.write(json.dumps(mine).encode() + b"\n")
                await process.stdin.drain()
        crowd = Crowd(processes)
        listeners += [asyncio.create_task(crowd.listen(n)) for n in range(PROCESSES)]
        yield crowd
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
        for listener in listeners:
            listener.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)
        for process in processes:
            await process.communicate()


def now_s() -> float:
    """The clock that `reaches` answers by; processes of one machine share it."""
    return time.monotonic()
