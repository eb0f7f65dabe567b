"""A small chain: a hub, `join` and a node under strace, with another shop's node beside.

One morning gives three recordings: how a node comes to be, and how hub and node work with each other, acknowledgements and
pages of rows included.
"""

import asyncio
from pathlib import Path
from typing import Final

import aiohttp

from deploy.client import Client
from deploy.process import Daemon, free_port, run_command
from node.joining import KEY_NAME
from runtime.folder import Folder
from runtime.keys import load_or_create_signing_key
from tests.crash import acts
from tests.crash.acts import Act
from tests.crash.recorder import Recorder
from tests.crash.recording import Recording

_SALES: Final = 10
_SETTLED_S_MAX: Final = 30.0


async def morning(place: Path) -> list[Recording]:
    """From enrolment to closing time: the hub's work, the node's joining, its work."""
    hub, node = Recorder("hub", place / "hub"), Recorder("node", place / "S01")
    await run_command("hub", "init", "--data", str(hub.folder))
    address = f"127.0.0.1:{free_port()}"
    address_of_hub = ("--hub", f"ws://{address}")
    beside = Daemon("node", place / "S02", place / "S02.log")
    async with hub.serving(address):
        codes = [await _code(hub.folder, name) for name in ("S01", "S02")]
        await node.run("join", *address_of_hub, "--code", codes[0])
        key = load_or_create_signing_key(Folder(node.folder), KEY_NAME)
        joined = await node.read("node, join", {"checker": "join", "key": bytes(key.verify_key)})
        code = ("--code", codes[1])
        await run_command("node", "join", "--data", str(beside.data), *address_of_hub, *code)
        await beside.start()
        try:
            async with node.serving() as working:
                done = await _trade(working.url, node.folder, beside)
        finally:
            await beside.kill()
    return [
        await hub.read("hub, a morning", {"checker": "hub"}),
        joined,
        await node.read("node, a morning", {"checker": "node", "acts": done}),
    ]


async def _code(hub: Path, name: str) -> str:
    return await run_command("hub", "enrol", "--data", str(hub), "--name", name, "--writes", name)


async def _trade(url: str, folder: Path, beside: Daemon) -> list[Act]:
    """Sell and do paperwork at both; the acts of the one at `url`, which gets what the other one ships."""
    async with aiohttp.ClientSession() as http:
        here = Client(http, url, (folder / "operator.token").read_text().strip())
        there = Client(http, beside.url, (beside.data / "operator.token").read_text().strip())
        for number in range(_SALES):
            for client, location in ((here, "S01"), (there, "S02")):
                lines = [{"sku": f"SKU-{(number + at) % 6}", "delta": -1} for at in range(3)]
                sale = {"kind": "sale", "location": location, "lines": lines}
                await client.record(f"{location}-{number}", sale)
        _, done = await asyncio.gather(
            acts.morning(there, "S02", "S01"), acts.morning(here, "S01", "S02")
        )
        async with asyncio.timeout(_SETTLED_S_MAX):
            while not await _is_settled(here):  # noqa: ASYNC110 - the node's own word is awaited
                await asyncio.sleep(0.05)
        return done


async def _is_settled(here: Client) -> bool:
    """Whether everything is acknowledged, and the other shop's sales and what it shipped have come."""
    rows = [row async for row in here.rows("/v1/stock", location="S02")]
    pending = (await here.get("/v1/sync"))["pending"]
    sold = sum(row["on_hand"] for row in rows if row["sku"].startswith("SKU"))
    coming = [row async for row in here.rows("/v1/transfers", destination="S01", stage="shipped")]
    return pending == 0 and sold == -3 * _SALES and len(coming) == 1
