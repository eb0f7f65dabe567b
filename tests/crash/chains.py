"""A small chain: a hub, `join` and a node under strace, with another shop's node beside.

One morning gives three recordings: how a node comes to be, and how hub and node work with each other, acknowledgements and
pages of rows included.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import aiohttp

from deploy.client import Client
from deploy.process import Daemon, free_port, run_command
from node.joining import KEY_NAME
from runtime.folder import Folder
from runtime.keys import load_or_create_signing_key
from tests.crash import recording
from tests.crash.recording import Recording
from tests.crash.tracing import Traced

_SALES: Final = 10
_SETTLED_S_MAX: Final = 30.0


async def morning(place: Path) -> list[Recording]:
    """From enrolment to closing time: the hub's work, the node's joining, its work."""
    hub, node = Recorded("hub", place / "hub"), Recorded("node", place / "S01")
    await run_command("hub", "init", "--data", str(hub.folder))
    address = f"127.0.0.1:{free_port()}"
    beside = Daemon("node", place / "S02", place / "S02.log")
    try:
        serving = await hub.start("serve", "--data", str(hub.folder), "--listen", address)
        url = f"ws://{address}"
        codes = [await _code(hub.folder, name) for name in ("S01", "S02")]
        await node.run("join", "--data", str(node.folder), "--hub", url, "--code", codes[0])
        key = load_or_create_signing_key(Folder(node.folder), KEY_NAME)
        joined = await node.read("node, join", {"checker": "join", "key": bytes(key.verify_key)})
        await run_command(
            "node", "join", "--data", str(beside.data), "--hub", url, "--code", codes[1]
        )
        await beside.start()
        working = await node.start("serve", "--data", str(node.folder), "--listen", "127.0.0.1:0")
        await _trade(working.url, node.folder, beside)
        assert await working.stop() == 0, working.words()
        await beside.kill()
        assert await serving.stop() == 0, serving.words()
    finally:
        await node.kill()
        await beside.kill()
        await hub.kill()
    return [
        await hub.read("hub, a morning", {"checker": "hub"}),
        joined,
        await node.read("node, a morning", {"checker": "node"}),
    ]


class Recorded:
    """One folder, and the process that is at work on it."""

    def __init__(self, module: str, folder: Path) -> None:
        self.folder = folder
        self._module = module
        self._trace = folder.with_suffix(".trace")
        self._before: Mapping[str, bytes] = {}
        self._process: Traced | None = None

    async def start(self, *arguments: str) -> Traced:
        """Start a daemon; it listens on return."""
        process = await self._begin(arguments)
        assert await process.listens(), process.words()
        return process

    async def run(self, *arguments: str) -> None:
        """Run a command to its end."""
        process = await self._begin(arguments)
        code, _ = await process.wait()
        assert code == 0, process.words()

    async def read(self, title: str, knowledge: Mapping[str, object]) -> Recording:
        """What the process, which has ended, did to the folder."""
        return await asyncio.to_thread(
            recording.read,
            self._trace,
            self.folder,
            title=title,
            before=self._before,
            knowledge=knowledge,
        )

    async def kill(self) -> None:
        """End it, however far it came."""
        if self._process is not None:
            await self._process.kill()

    async def _begin(self, arguments: tuple[str, ...]) -> Traced:
        self._trace.unlink(missing_ok=True)
        self._before = recording.snapshot(self.folder)
        log = self.folder.with_suffix(".log")
        assert self._module in {"hub", "node"}
        module = "hub" if self._module == "hub" else "node"
        self._process = Traced(module, arguments, trace=self._trace, log=log)
        await self._process.start()
        return self._process


async def _code(hub: Path, name: str) -> str:
    return await run_command("hub", "enrol", "--data", str(hub), "--name", name, "--writes", name)


async def _trade(url: str, folder: Path, beside: Daemon) -> None:
    async with aiohttp.ClientSession() as http:
        here = Client(http, url, (folder / "operator.token").read_text().strip())
        there = Client(http, beside.url, (beside.data / "operator.token").read_text().strip())
        for number in range(_SALES):
            for client, location in ((here, "S01"), (there, "S02")):
                lines = [{"sku": f"SKU-{(number + at) % 6}", "delta": -1} for at in range(3)]
                sale = {"kind": "sale", "location": location, "lines": lines}
                await client.record(f"{location}-{number}", sale)
        async with asyncio.timeout(_SETTLED_S_MAX):
            while not await _is_settled(here):  # noqa: ASYNC110 - the node's own word is awaited
                await asyncio.sleep(0.05)


async def _is_settled(here: Client) -> bool:
    """Whether everything is acknowledged, and the other shop's sales have come."""
    rows = [row async for row in here.rows("/v1/stock", location="S02")]
    pending = (await here.get("/v1/sync"))["pending"]
    return pending == 0 and sum(row["on_hand"] for row in rows) == -3 * _SALES
