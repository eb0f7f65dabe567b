"""The door itself: opened, shut, kept good, and no reason for the shop to stand still."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from node.commands.requests import Refusal
from node.lan.authority import RENEW_BEFORE, at
from node.lan.door import Lan, status, switch_off
from runtime.bounds import Bounds
from runtime.doors import door_of, is_from_elsewhere
from runtime.folder import Folder
from runtime.metrics import new_registry
from runtime.service import SERVING, STOP, new_app, serve
from runtime.world import World
from tests.node.lan.shaking import client_of

NOW_MS = World().now_ms()
PATIENCE_S = 20.0


@dataclass
class Clock:
    """The node's wall clock, moved by hand."""

    now_ms: int = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@dataclass
class House:
    """A daemon with a door for others."""

    lan: Lan
    data: Path
    clock: Clock
    url: str

    async def opens(self, listen: str = "127.0.0.1:0", **kwargs: bool) -> int:
        """Switch it on; answers the port."""
        new_ca = {"new_authority": False, **kwargs}
        found = await self.lan.turn_on(listen, None, **new_ca)
        assert found["listening"], found
        return int(str(found["listen"]).rpartition(":")[2])

    async def calls(self, port: int, path: str = "/where", host: str = "127.0.0.1") -> bytes:
        """One request from a till that trusts the authority."""
        trusted = await asyncio.to_thread((self.data / "lan" / "ca.pem").read_bytes)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_of(trusted))
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()
        )
        answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
        writer.close()
        await writer.wait_closed()
        return answer


async def where(request: web.Request) -> web.Response:
    """Where somebody came in."""
    names = ",".join(sorted(door_of(request).names))
    return web.Response(text=f"elsewhere={is_from_elsewhere(request)} names={names}")


async def endless(_request: web.Request) -> web.Response:
    """Answer never."""
    await asyncio.sleep(3_600)
    return web.Response()


@asynccontextmanager
async def housed(folder: Path, bounds: Bounds | None = None) -> AsyncIterator[House]:
    """Serve a small application with a door that is looked after ten times a second."""
    clock, data = Clock(), await asyncio.to_thread(Folder, folder)
    app = new_app(list, new_registry(), bounds=bounds)
    app.router.add_get("/where", where)
    app.router.add_get("/endless", endless)
    lan = Lan(folder, World(now_ms=clock), app[SERVING], look_s=0.1, retry_s=0.1)
    keeping = asyncio.create_task(lan.run())
    app.on_shutdown.append(lambda _: lan.close())
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve(app, host="127.0.0.1", port=0, folder=data, on_ready=ready.set_result)
    )
    try:
        yield House(lan, folder, clock, await ready)
    finally:
        keeping.cancel()
        app[STOP].set()
        await asyncio.wait_for(serving, PATIENCE_S)
        await asyncio.wait([keeping])


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Give a daemon whose door is shut."""
    async with housed(tmp_path / "data") as running:
        yield running


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something."""
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():  # noqa: ASYNC110 - of another connection
            await asyncio.sleep(0.05)


async def test_whoever_comes_in_by_it_is_from_elsewhere(house: House) -> None:
    port = await house.opens()
    answer = await house.calls(port)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"elsewhere=True" in answer
    assert b"127.0.0.1" in answer.rpartition(b"names=")[2]


async def test_its_names_are_good_there_and_nowhere_else(house: House) -> None:
    port = await house.opens()
    found = await house.lan.status()
    host = next(iter(found["names"]))  # type: ignore[call-overload]
    assert (await house.calls(port, host=host)).startswith(b"HTTP/1.1 200 ")
    assert (await house.calls(port, host="evil.example")).startswith(b"HTTP/1.1 421 ")
    own = int(house.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", own)
    writer.write(f"GET /where HTTP/1.1\r\nHost: {host}:{own}\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 421 ")
    writer.close()
    await writer.wait_closed()


async def test_a_crowd_at_it_takes_no_place_of_this_machines_tills(tmp_path: Path) -> None:
    async with housed(tmp_path / "data", Bounds(connections_max=2)) as house:
        port, own = await house.opens(), int(house.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", own)
        request = f"GET /where HTTP/1.1\r\nHost: 127.0.0.1:{own}\r\n\r\n".encode()
        writer.write(request)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        trusted = await asyncio.to_thread((house.data / "lan" / "ca.pem").read_bytes)
        crowd = [
            await asyncio.open_connection("127.0.0.1", port, ssl=client_of(trusted))
            for _ in range(10)
        ]
        writer.write(request)
        async with asyncio.timeout(PATIENCE_S):
            assert b"HTTP/1.1 200 " in await reader.readuntil(b"\r\n\r\n")
        for _, each in crowd:
            assert not each.is_closing()
        for each in (writer, *(one for _, one in crowd)):
            each.transport.abort()


async def test_shut_it_takes_every_connection_with_it(house: House) -> None:
    port = await house.opens()
    under_way = asyncio.create_task(house.calls(port, "/endless"))
    await asyncio.sleep(0.2)
    found = await house.lan.turn_off()
    assert (found["on"], found["listening"]) == (False, False)
    ended = (await asyncio.gather(under_way, return_exceptions=True))[0]
    assert isinstance(ended, ConnectionError | ssl.SSLError) or ended == b"", ended
    with pytest.raises(ConnectionRefusedError):
        await house.calls(port)
    assert (await asyncio.to_thread(status, house.data))["on"] is False


async def test_open_against_the_kept_wish_it_is_shut(house: House) -> None:
    """As when whoever asked for it went away after it was opened and before that was kept."""
    port = await house.opens()
    await asyncio.to_thread(switch_off, house.data)

    async def is_shut() -> bool:
        return (await house.lan.status())["listening"] is False

    await until(is_shut)
    with pytest.raises(ConnectionRefusedError):
        await house.calls(port)


async def test_on_again_asks_nobody_to_trust_another_authority(house: House) -> None:
    await house.opens()
    before = (await house.lan.status())["ca_fingerprint"]
    await house.lan.turn_off()
    await house.opens()
    assert (await house.lan.status())["ca_fingerprint"] == before
    await house.opens(new_authority=True)
    assert (await house.lan.status())["ca_fingerprint"] != before


async def test_a_certificate_is_renewed_before_it_ends_and_connections_go_on(house: House) -> None:
    port = await house.opens()
    trusted = await asyncio.to_thread((house.data / "lan" / "ca.pem").read_bytes)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_of(trusted))

    async def shown() -> str:
        # Unchecked: to this machine's own clock the next one is not good yet.
        return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))

    first = await shown()
    house.clock.now_ms += int(timedelta(days=61).total_seconds() * 1000)

    async def is_renewed() -> bool:
        return await shown() != first

    await until(is_renewed)
    ends = str((await house.lan.status())["certificate_ends_at"])
    assert ends >= (at(house.clock.now_ms) + RENEW_BEFORE).isoformat()
    writer.write(f"GET /where HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    writer.transport.abort()


async def test_an_address_that_is_taken_is_a_refusal_and_what_was_open_stays_open(
    house: House,
) -> None:
    port = await house.opens()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Refusal, match="is in use"):
            await house.lan.turn_on(listen, None, new_authority=False)
    found = await house.lan.status()
    assert (found["on"], found["listening"]) == (True, True)
    again = int(str(found["listen"]).rpartition(":")[2])
    assert (await house.calls(again)).startswith(b"HTTP/1.1 200 ")
    assert port, "at port 0 it may be another one"


@pytest.mark.parametrize(
    ("listen", "names"),
    [
        ("nonsense", None),
        ("127.0.0.1", None),
        ("127.0.0.1:0", ["*.example.com"]),
        ("127.0.0.1:0", ["a b"]),
        ("a b:0", None),
    ],
)
async def test_what_is_no_address_or_name_is_a_refusal(
    listen: str, names: list[str] | None, house: House
) -> None:
    with pytest.raises(Refusal) as refused:
        await house.lan.turn_on(listen, names, new_authority=False)
    assert refused.value.code == "validation_failed"
    assert (await house.lan.status())["on"] is False


async def test_a_door_that_cannot_be_opened_is_told_and_tried_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with housed(data) as house:
        port = await house.opens()
        await house.opens(f"127.0.0.1:{port}")
    taken = socket.create_server(("127.0.0.1", port))
    async with housed(data) as house:
        with taken:

            async def is_told() -> bool:
                return (await house.lan.status())["problem"] is not None

            await until(is_told)
            found = await house.lan.status()
            assert (found["on"], found["listening"]) == (True, False)

        async def is_open() -> bool:
            return (await house.lan.status())["listening"] is True

        await until(is_open)
        assert (await house.lan.status())["problem"] is None
        assert (await house.calls(port)).startswith(b"HTTP/1.1 200 ")


async def test_files_that_others_may_read_are_not_used(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with housed(data) as house:
        await house.opens()
    await asyncio.to_thread((data / "lan" / "ca.key").chmod, 0o644)
    async with housed(data) as house:

        async def is_told() -> bool:
            return "others may read" in str((await house.lan.status())["problem"])

        await until(is_told)
        assert (await house.lan.status())["listening"] is False
    await asyncio.to_thread(switch_off, data)
    assert [each.stat().st_mode & 0o777 for each in (data / "lan").iterdir()].count(0o600) == 3
