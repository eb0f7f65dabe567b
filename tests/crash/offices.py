"""What a recorded hub is made to do: take pushes of several nodes, enrol, change sessions; and write its WAL back meanwhile."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import aiohttp
from nacl.signing import SigningKey

from node.enrolment import NONCE_BYTES, enrol, hub_address
from protocol.enrolment import code_from_text
from tests.bench.shops import found_hub
from tests.crash.recorder import Recorder
from tests.crash.recording import Recording
from tests.hub.peer import Peer
from tests.store.shop import Shop, counted, edited

_NAMES: Final = ("S01", "S02", "S03")
_FLOOD_OPERATIONS: Final = 4_000
_FLOOD_BATCH: Final = 250

Work = Callable[[aiohttp.ClientSession, str, str, list[Shop]], Awaitable[Mapping[bytes, bytes]]]


async def pushes(place: Path, *, bug: str | None = None) -> Recording:
    """Three nodes push small batches, leave and come back; a device is enrolled meanwhile."""
    shops = [_shop(name, operations=18, skus=12) for name in _NAMES]
    return await _recorded("hub, pushes", shops, _pushes, place, bug=bug)


async def founding(place: Path, *, bug: str | None = None) -> Recording:
    """`init`, from an empty folder to the office's code."""
    hub = Recorder("hub", place / "hub", bug=bug)
    await hub.run("init")
    return await hub.read("hub, init", {"checker": "init"})


async def flood(place: Path) -> Recording:
    """Large batches until the WAL has been written back into the database in the middle of them."""
    shops = [_shop(name, operations=_FLOOD_OPERATIONS // 2, skus=1_500) for name in _NAMES[:2]]
    return await _recorded("hub, checkpoint", shops, _flood, place)


async def _recorded(
    title: str, shops: list[Shop], work: Work, place: Path, *, bug: str | None = None
) -> Recording:
    hub = Recorder("hub", place / "hub", bug=bug)
    await found_hub(hub.folder, shops)
    token = (hub.folder / "operator.token").read_text().strip()
    async with hub.serving() as daemon, aiohttp.ClientSession() as http:
        sessions = await work(http, daemon.url, token, shops)
    return await hub.read(title, {"checker": "hub", "sessions": sessions})


def _shop(name: str, *, operations: int, skus: int) -> Shop:
    shop = Shop(name)
    for number in range(operations):
        if number % 7 == 3:
            shop.records(edited(f"SKU{number % skus}", "name", f"{name} {number}", at=number + 1))
        else:
            at = number * 31
            lines = (counted(name, f"SKU{(at + line) % skus}", -1 - line) for line in range(3))
            shop.records(*lines)
    return shop


async def _pushes(
    http: aiohttp.ClientSession, url: str, token: str, shops: list[Shop]
) -> Mapping[bytes, bytes]:
    sessions: dict[bytes, bytes] = {}

    async def node(shop: Shop) -> None:
        for life in range(3):
            peer = Peer(http, f"{url}/v1/session", shop)
            peer.boot = bytes([life]) * 16
            async with peer:
                welcome = await peer.opens()
                sessions[welcome.session] = bytes(shop.replica)
                for _ in range(3):
                    await peer.pushes(2)
                await peer.acknowledged()

    await asyncio.gather(*map(node, shops), _enrols(http, url, token))
    return sessions


async def _flood(
    http: aiohttp.ClientSession, url: str, _token: str, shops: list[Shop]
) -> Mapping[bytes, bytes]:
    sessions: dict[bytes, bytes] = {}

    async def node(shop: Shop) -> None:
        async with Peer(http, f"{url}/v1/session", shop) as peer:
            welcome = await peer.opens()
            sessions[welcome.session] = bytes(shop.replica)
            while peer.session.sent < len(shop.log):
                await peer.pushes(_FLOOD_BATCH)
                await peer.acknowledged()

    await asyncio.gather(*map(node, shops))
    return sessions


async def _enrols(http: aiohttp.ClientSession, url: str, token: str) -> None:
    for number in range(2):
        wish = {"name": f"NEW{number}", "writes": [f"NEW{number}"]}
        headers = {"Authorization": f"Bearer {token}"}
        async with http.post(f"{url}/v1/operator/enrol", json=wish, headers=headers) as answer:
            assert answer.status in {200, 201}, await answer.text()
            code = code_from_text((await answer.json())["code"])
        key = SigningKey(bytes([number + 1]) * 32)
        address = hub_address(url.replace("http://", "ws://"))
        await enrol(address, code, key, bytes(NONCE_BYTES), ssl.create_default_context())
