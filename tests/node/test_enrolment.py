"""Joining: what a device believes of who answers as its hub, and what it leaves in its folder.

The hub here is the contract written down once more, right and in many wrong ways; `test_cli` joins a real one.
"""

import asyncio
import ssl
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from node.commands.requests import Authority, Caller, Line, Movement
from node.config import NodeSettings
from node.enrolment import HubUnreachable, JoinRefused, hub_address
from node.joining import join
from node.node import Node
from protocol.certificate import Certificate
from protocol.ids import NO_LOT, Location, Sku
from protocol.movements import MoveKind
from runtime.folder import Folder
from runtime.world import World
from tests.node.enrolled import enrolled_folder
from tests.node.hub_by_hand import (
    CODE,
    OTHER_CHAIN,
    OTHER_KEY,
    SECRET,
    TLS,
    Handler,
    HubByHand,
)


@pytest.fixture
def hub() -> HubByHand:
    """Give a hub that is right until a test changes it."""
    return HubByHand()


@pytest.fixture
async def url(hub: HubByHand) -> AsyncIterator[str]:
    """Give the hub's address."""
    async with TestServer(hub.app()) as server:
        yield f"ws://127.0.0.1:{server.port}"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Give an empty folder."""
    return Folder(tmp_path / "data")


async def _join(folder: Folder, url: str) -> Certificate:
    tls = await asyncio.to_thread(ssl.create_default_context)
    return (await join(folder, hub_address(url), CODE, World(), tls)).certificate


async def _is_joined(folder: Folder) -> bool:
    """Whether a node can be opened there."""
    try:
        node = await Node.open(folder, World())
    except Exception:
        return False
    await node.close()
    return True


async def test_join_leaves_a_node_and_its_secrets_in_private_files(
    folder: Folder, url: str, hub: HubByHand
) -> None:
    certificate = await _join(folder, url)
    assert (certificate.name, certificate.writes) == ("S01", ("S01",))
    for name in ("node.key", "operator.token", "node.sqlite"):
        assert stat.S_IMODE((folder.path / name).stat().st_mode) == 0o600
    token = await asyncio.to_thread(lambda: folder.read("operator.token").decode().strip())
    node = await Node.open(folder, World())
    try:
        caller = node.callers.authenticate(token)
        assert caller is not None
        assert caller.name == "operator"
        assert (await node.reading.sync_status())["hub"] == url
    finally:
        await node.close()
    assert SECRET.hex() not in str(hub.asked)


async def test_a_folder_in_which_nothing_was_recorded_can_join_again(
    folder: Folder, url: str
) -> None:
    await _join(folder, url)
    first = await asyncio.to_thread(folder.read, "operator.token")
    await _join(folder, url)
    assert await asyncio.to_thread(folder.read, "operator.token") != first
    assert await _is_joined(folder)


async def test_a_folder_that_has_recorded_keeps_its_log_and_continues_as_a_new_replica(
    folder: Folder, url: str
) -> None:
    await _join(folder, url)
    await _record_something(folder)
    before = await _sync_status(folder)
    old_token = (await asyncio.to_thread(folder.read, "operator.token")).decode().strip()
    await _join(folder, url)
    after = await _sync_status(folder)
    assert (before["pending"], after["pending"]) == (1, 1)
    assert before["replica"] != after["replica"]
    node = await Node.open(folder, World())
    assert node.callers.authenticate(old_token) is None
    assert (await node.reading.stock_row("S01", "A1") or {})["on_hand"] == -1
    await node.close()


async def test_a_log_is_not_carried_under_rights_that_do_not_cover_it(
    folder: Folder, url: str, hub: HubByHand
) -> None:
    """Its sales would be set aside at the hub as forbidden."""
    await _join(folder, url)
    await _record_something(folder)
    before = await _sync_status(folder)
    hub.certificate_changes = {"name": "S02", "writes": (Location("S02"),)}
    with pytest.raises(JoinRefused, match="movements at S01; the code is for node S02"):
        await _join(folder, url)
    assert await _sync_status(folder) == before


async def test_a_log_of_another_chain_is_not_carried_into_this_one(
    tmp_path: Path, url: str, hub: HubByHand
) -> None:
    """The code is not spent on it either."""
    shop = await asyncio.to_thread(enrolled_folder, tmp_path / "S01")
    await _record_something(shop.folder)
    with pytest.raises(JoinRefused, match="another chain"):
        await _join(shop.folder, url)
    assert hub.asked == []
    node = await Node.open(shop.folder, World())
    assert node.callers.authenticate(shop.operator_token) is not None
    await node.close()


async def _sync_status(folder: Folder) -> dict[str, object]:
    node = await Node.open(folder, World())
    status = await node.reading.sync_status()
    await node.close()
    return status


async def _record_something(folder: Folder) -> None:
    node = await Node.open(folder, World())
    line = Line(Sku("A1"), NO_LOT, delta=-1)
    movement = Movement(MoveKind.SALE, Location("S01"), (line,))
    await node.record(Caller("till-1", Authority.TILL), movement, "k")
    await node.close()


async def test_nothing_is_said_to_a_hub_with_another_key(
    folder: Folder, url: str, hub: HubByHand
) -> None:
    hub.hello_changes = {"public_key": bytes(OTHER_KEY.verify_key).hex()}
    hub.signing_key = OTHER_KEY
    with pytest.raises(JoinRefused, match="not the one the code was made by"):
        await _join(folder, url)
    assert hub.asked == []
    assert not await _is_joined(folder)


@pytest.mark.parametrize("part", ["key", "nonce", "chain", "signature"])
async def test_nothing_is_said_to_a_hub_that_does_not_hold_its_key(
    part: str, folder: Folder, url: str, hub: HubByHand
) -> None:
    match part:
        case "key":
            hub.signing_key = OTHER_KEY
        case "nonce":
            hub.hello_changes = {"nonce": "00" * 32}
        case "chain":
            hub.hello_changes = {"chain": OTHER_CHAIN.hex()}
        case _:
            hub.hello_changes = {"signature": "00" * 64}
    with pytest.raises(JoinRefused, match="signature does not fit"):
        await _join(folder, url)
    assert hub.asked == []


async def test_a_certificate_that_the_hubs_key_did_not_sign_is_refused(
    folder: Folder, url: str, hub: HubByHand
) -> None:
    hub.certificate_key = OTHER_KEY
    with pytest.raises(JoinRefused, match="signature does not fit"):
        await _join(folder, url)
    assert not await _is_joined(folder)


@pytest.mark.parametrize("changes", [{"public_key": b"k" * 32}, {"chain": OTHER_CHAIN}])
async def test_a_certificate_of_another_device_or_chain_is_refused(
    changes: dict[str, Any], folder: Folder, url: str, hub: HubByHand
) -> None:
    hub.certificate_changes = changes
    with pytest.raises(JoinRefused, match="another device or another chain"):
        await _join(folder, url)
    assert not await _is_joined(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"public_key": None},
        {"public_key": 5},
        {"public_key": "zz"},
        {"public_key": "00" * 31},
        {"nonce": ""},
        {"nonce": "00" * 65},
        {"signature": "00"},
        {"chain": "00" * 15},
    ],
)
async def test_a_hello_that_is_none_is_no_hub(
    changes: dict[str, Any], folder: Folder, url: str, hub: HubByHand
) -> None:
    hub.hello_changes = changes
    with pytest.raises(HubUnreachable, match="no hub of Everstock"):
        await _join(folder, url)
    assert hub.asked == []


def _text(text: str, status: int = 200) -> Handler:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=status)

    return handler


def _problem(status: int, detail: object) -> Handler:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"code": "x", "detail": detail}, status=status)

    return handler


async def _moved(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": "http://127.0.0.1:1/v1/enrol"})


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(1000):
        await response.write(b" " * 65536)
    return response


async def _cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


ANSWERS: dict[str, tuple[Handler, type[Exception], str]] = {
    "a page": (_text("<html>"), HubUnreachable, "no hub of Everstock"),
    "NaN": (_text('{"nonce": NaN}'), HubUnreachable, "no hub of Everstock"),
    "a list": (_text("[]"), HubUnreachable, "no hub of Everstock"),
    "endless": (_endless, HubUnreachable, "no hub of Everstock"),
    "cut": (_cut, HubUnreachable, "does not answer"),
    "busy": (_problem(503, "The store is full."), HubUnreachable, "The store is full."),
    "too often": (_problem(429, "try again in a minute"), HubUnreachable, "Try again in a minute."),
    "refused": (_problem(409, "the code was used"), JoinRefused, r"^The code was used\.$"),
    "refused in colour": (_problem(403, "\x1b[31mno\n"), JoinRefused, r"^ ?\[31mno\.$"),
    "refused at length": (_problem(403, "x" * 9000), JoinRefused, "^Xx{299}.$"),
    "refused in silence": (_text("", 404), JoinRefused, "without saying why"),
    "refused strangely": (_problem(403, 5), JoinRefused, "without saying why"),
    "moved": (_moved, HubUnreachable, "no hub of Everstock"),
}


@pytest.mark.parametrize("step", ["hello", "enrol"])
@pytest.mark.parametrize("name", ANSWERS)
async def test_any_other_answer_is_one_sentence(
    name: str, step: str, folder: Folder, url: str, hub: HubByHand
) -> None:
    handler, kind, sentence = ANSWERS[name]
    setattr(hub, f"answer_{step}", handler)
    with pytest.raises(kind, match=sentence):
        await _join(folder, url)
    assert not await _is_joined(folder)
    hub.answer_hello = hub.answer_enrol = None
    assert (await _join(folder, url)).name == "S01"


async def test_a_hub_behind_tls_must_show_a_certificate_that_is_vouched_for(
    folder: Folder, hub: HubByHand
) -> None:
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    await asyncio.to_thread(
        server_tls.load_cert_chain, TLS / "localhost.pem", TLS / "localhost.key"
    )
    settings = NodeSettings(hub_ca=TLS / "localhost.pem")
    vouched = await asyncio.to_thread(settings.hub_tls)
    unvouched = await asyncio.to_thread(NodeSettings().hub_tls)
    server = TestServer(hub.app(), scheme="https")
    await server.start_server(ssl=server_tls)
    try:
        by_name = hub_address(f"wss://localhost:{server.port}")
        with pytest.raises(HubUnreachable, match="certificate verify failed"):
            await join(folder, by_name, CODE, World(), unvouched)
        assert hub.asked == []
        assert (await join(folder, by_name, CODE, World(), vouched)).certificate.name == "S01"
    finally:
        await server.close()


async def test_a_hub_that_is_away_can_be_joined_later(folder: Folder) -> None:
    with pytest.raises(HubUnreachable, match="does not answer"):
        await _join(folder, "ws://127.0.0.1:1")
    assert not await _is_joined(folder)


@pytest.mark.parametrize(
    ("url", "http_url"),
    [
        ("ws://127.0.0.1:7300", "http://127.0.0.1:7300"),
        ("ws://localhost:7300/", "http://localhost:7300"),
        ("ws://[::1]:7300", "http://[::1]:7300"),
        ("wss://hub.example", "https://hub.example"),
        ("wss://hub.example/stock/", "https://hub.example/stock"),
    ],
)
def test_a_hub_address_names_sessions_and_enrolment(url: str, http_url: str) -> None:
    address = hub_address(url)
    assert (address.url, address.http_url) == (url.rstrip("/"), http_url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hub.example",
        "http://127.0.0.1:7300",
        "ws://hub.example",
        "ws://10.0.0.1:7300",
        "ws://127.0.0.1.evil.example",
        "ws://",
        "wss://user@hub.example",
        "wss://hub.example:99999",
        "wss://[::1",
        "wss://hub.example?x=1",
        "wss://hub.example#x",
    ],
)
def test_any_other_hub_address_is_refused(url: str) -> None:
    with pytest.raises(JoinRefused):
        hub_address(url)
