"""A daemon's life, in real processes and over real sockets."""

import asyncio
import re
import signal
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from runtime import service
from runtime.bounds import Bounds
from runtime.folder import Folder
from runtime.metrics import new_registry
from runtime.service import STOP, is_loopback, listen_address, new_app, run, serve
from runtime.settings import SettingsError
from tests.runtime.daemon_process import Daemon


def test_the_first_line_is_the_address_and_the_daemon_answers_there(daemon: Daemon) -> None:
    assert re.fullmatch(r"listening on http://127\.0\.0\.1:[1-9][0-9]*\n", daemon.first_line)
    assert daemon.get("/slow") == (200, {"finished": True})
    assert daemon.folder.daemon_url() == daemon.url


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_finish_and_ends_with_zero(daemon: Daemon, number: int) -> None:
    answers: list[object] = []
    under_way = threading.Thread(target=lambda: answers.append(daemon.get("/slow")))
    under_way.start()
    time.sleep(0.3)
    code, output, words = daemon.end(number)
    under_way.join()
    assert answers == [(200, {"finished": True})]
    assert (code, output) == (0, "")
    assert words.splitlines() == [f"ready {daemon.url}", "ended"]
    assert not (daemon.folder.path / "daemon.json").exists()
    with pytest.raises(ConnectionRefusedError):
        daemon.get("/slow")


def test_a_request_without_end_does_not_keep_the_daemon(daemon: Daemon) -> None:
    port = urlsplit(daemon.url).port
    with socket.create_connection(("127.0.0.1", port)) as stuck:
        stuck.sendall(f"GET /endless HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        time.sleep(0.3)
        began_s = time.monotonic()
        code, _, _ = daemon.end()
        assert code == 0
        assert time.monotonic() - began_s < 3 * service.DRAIN_S


def test_every_address_is_announced_as_one_that_can_be_called(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "data", "0.0.0.0")
    try:
        port = urlsplit(daemon.url).port
        assert daemon.url == f"http://0.0.0.0:{port}"
        assert daemon.folder.daemon_url() == f"http://127.0.0.1:{port}"
    finally:
        code, _, _ = daemon.end()
    assert code == 0


async def test_an_address_in_use_is_an_error_and_nothing_is_announced(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        folder = await asyncio.to_thread(Folder, tmp_path / "data")
        app = new_app(list, new_registry())
        with pytest.raises(OSError, match="address already in use"):
            await serve(app, host="127.0.0.1", port=taken.getsockname()[1], folder=folder)
    assert await asyncio.to_thread(folder.daemon_url) is None


async def test_what_the_application_opened_is_closed_when_it_cannot_start(tmp_path: Path) -> None:
    events: list[str] = []

    async def resource(_app: web.Application):
        events.append("opened")
        yield
        events.append("closed")

    async def fails(_app: web.Application):
        raise RuntimeError("no start")
        yield

    app = new_app(list, new_registry())
    app.cleanup_ctx.extend([resource, fails])
    folder = await asyncio.to_thread(Folder, tmp_path / "data")
    with pytest.raises(RuntimeError, match="no start"):
        await serve(app, host="127.0.0.1", port=0, folder=folder)
    assert events == ["opened", "closed"]


async def test_a_stalled_head_is_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = new_app(list, new_registry(), bounds=Bounds(idle_s=0.3))
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    folder = await asyncio.to_thread(Folder, tmp_path / "data")
    serving = asyncio.create_task(
        serve(app, host="127.0.0.1", port=0, folder=folder, on_ready=ready.set_result)
    )
    url = await ready
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
    for byte in b"GET / HTT":
        writer.write(bytes([byte]))
        await asyncio.sleep(0.02)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    await writer.wait_closed()
    app[STOP].set()
    await serving
    assert capsys.readouterr().out == f"listening on {url}\n"


async def test_a_stalled_body_is_cut(aiohttp_client) -> None:
    reached: list[str] = []

    async def handler(_request: web.Request) -> web.Response:
        reached.append("handler")
        return web.Response()

    app = new_app(list, new_registry(), bounds=Bounds(body_s=0.3))
    app.router.add_post("/thing", handler)
    client = await aiohttp_client(TestServer(app, port=0))
    reader, writer = await asyncio.open_connection(client.host, client.port)
    head = (
        f"POST /thing HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nContent-Length: 100\r\n"
        "Content-Type: application/json\r\n\r\n{"
    )
    writer.write(head.encode())
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)
    writer.close()
    await writer.wait_closed()  # or its socket would outlive the test's loop
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert reached == []


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"Content-Encoding": "gzip"}, b"no gzip", 400, "malformed_body"),
        ({}, b"x" * 2_000, 413, "too_large"),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_problem(
    aiohttp_client, headers: dict[str, str], body: bytes, status: int, code: str
) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = new_app(list, new_registry(), body_bytes_max=1_000)
    app.router.add_post("/thing", handler)
    client = await aiohttp_client(TestServer(app, port=0))
    answer = await client.post(
        "/thing", data=body, headers={"Content-Type": "application/json", **headers}
    )
    assert (answer.status, (await answer.json(content_type=None))["code"]) == (status, code)
    good = await client.post(
        "/thing", data=b"y" * 500, headers={"Content-Type": "application/json"}
    )
    assert await good.read() == b"y" * 500


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:7300", ("127.0.0.1", 7300)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:7310", ("::1", 7310)),
        ("shop.example:65535", ("shop.example", 65535)),
    ],
)
def test_an_address_is_host_and_port(text: str, address: tuple[str, int]) -> None:
    assert listen_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7300",
        ":7300",
        "127.0.0.1",
        "127.0.0.1:",
        "::1:7300",
        "[]:1",
        "h:x",
        "h:-1",
        "h:65536",
        "h:\u0667",
    ],
)
def test_what_is_no_address_is_one_sentence(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^.*\.$"):
        listen_address(text)


@pytest.mark.parametrize(
    ("host", "is_it"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_only(host: str, is_it: bool) -> None:
    assert is_loopback(host) is is_it


def test_run_answers_the_exit_code() -> None:
    async def main() -> int:
        await asyncio.sleep(0)
        return 69

    assert run(main()) == 69
