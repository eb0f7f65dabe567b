"""What is no request gets a problem and one line in the log: nothing echoed, no traceback, no flood."""

import asyncio
import json
import socket
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from runtime.metrics import new_registry
from runtime.service import new_app
from tests.runtime.daemon_process import Daemon

MARK = "zebra"
HOST = "Host: 127.0.0.1:PORT\r\n"
MALFORMED = {
    "host with a space": f"GET /slow HTTP/1.1\r\nHost: {MARK} {MARK}\r\nConnection: close\r\n\r\n",
    "two hosts": f"GET /slow HTTP/1.1\r\n{HOST}Host: {MARK}\r\n\r\n",
    "no host": "GET /slow HTTP/1.1\r\n\r\n",
    "control character": f"GET /slow HTTP/1.1\r\n{HOST}X: {MARK}\x01\r\n\r\n",
    "long header": f"GET /slow HTTP/1.1\r\n{HOST}X: {MARK * 4_000}\r\n\r\n",
    "long address": f"GET /{MARK * 4_000} HTTP/1.1\r\n{HOST}\r\n",
    "method": f"{MARK}\x02 /slow HTTP/1.1\r\n{HOST}\r\n",
    "length and chunks": (
        f"POST /echo HTTP/1.1\r\n{HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
        f"\r\n0\r\n\r\n{MARK}"
    ),
    "chunk size": (
        f"POST /echo HTTP/1.1\r\n{HOST}Content-Type: application/json\r\n"
        f"Transfer-Encoding: chunked\r\n\r\n{MARK}\r\n"
    ),
    "expectation": f"GET /slow HTTP/1.1\r\n{HOST}Expect: {MARK}\r\nConnection: close\r\n\r\n",
    "no request at all": f"\x16\x03\x01{MARK}\r\n\r\n",
}


def raw(daemon: Daemon, text: str) -> bytes:
    """Send bytes as they are; everything that comes back."""
    port = urlsplit(daemon.url).port
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(text.replace("PORT", str(port)).encode("latin-1"))
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    return answer


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_request_is_a_problem_that_echoes_nothing(daemon: Daemon, text: str) -> None:
    answer = raw(daemon, text)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert 400 <= int(head.split()[1]) < 500, answer
    assert b"application/problem+json" in head
    assert b"nosniff" in head
    assert b"aiohttp" not in head.lower()
    problem = json.loads(body)
    assert set(problem) == {"type", "title", "status", "code", "detail", "errors"}
    assert MARK.encode() not in answer.lower()
    assert daemon.get("/slow")[0] == 200
    _, _, words = daemon.end()
    assert "Traceback" not in words
    assert MARK not in words


def test_many_malformed_requests_are_one_line_in_the_log(daemon: Daemon) -> None:
    for _ in range(50):
        raw(daemon, MALFORMED["two hosts"])
    _, _, words = daemon.end()
    lines = [line for line in words.splitlines() if "malformed" in line]
    assert 1 <= len(lines) <= 3, words
    assert "Traceback" not in words


def test_a_client_that_leaves_amid_its_requests_is_no_event(daemon: Daemon) -> None:
    port = urlsplit(daemon.url).port
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            request = f"GET /slow HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
            connection.sendall(request.encode() * 20)
    assert daemon.get("/slow")[0] == 200
    _, _, words = daemon.end()
    assert words.splitlines() == [f"ready {daemon.url}", "ended"]


async def fine(_request: web.Request) -> web.Response:
    return web.json_response({"done": True})


@pytest.fixture
async def client(aiohttp_client):
    app = new_app(list, new_registry(), body_bytes_max=1_000)
    app.router.add_get("/thing", fine)
    app.router.add_get("/thing/{name}", fine)
    app.router.add_post("/thing", fine)
    app.router.add_get("/read", fine)
    return await aiohttp_client(TestServer(app, port=0))


async def test_a_body_declared_too_large_is_refused_before_it_comes(client) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    head = (
        f"POST /thing HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nContent-Length: 1001\r\n"
        "Content-Type: application/json\r\n\r\n"
    )
    writer.write(head.encode())
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 2)
    writer.close()
    await writer.wait_closed()  # or its socket would outlive the test's loop
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json; charset=utf-16", 415),
        ("application/json; charset=latin-1", 415),
        ("application/json; charset=UTF-8", 200),
        ('application/json; charset="utf-8"', 200),
    ],
)
async def test_a_body_is_utf_8(client, content_type: str, status: int) -> None:
    answer = await client.post("/thing", data=b"{}", headers={"Content-Type": content_type})
    assert answer.status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_method_that_an_address_does_not_take_is_405_whatever_the_type(
    client, method: str
) -> None:
    answer = await client.request(
        method, "/read", data=b"x", headers={"Content-Type": "text/plain"}
    )
    assert (answer.status, (await answer.json(content_type=None))["code"]) == (
        405,
        "method_not_allowed",
    )
    assert answer.headers["Allow"] == "GET,HEAD"


async def test_an_empty_write_needs_no_type_but_may_not_be_a_forms(client) -> None:
    skip = {"skip_auto_headers": ["Content-Type"]}
    assert (await client.post("/thing", **skip)).status == 200
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await client.post("/thing", headers=form)).status == 415


@pytest.mark.parametrize("escape", ["%ff", "%ed%a0%80", "%C3", "a%80b"])
@pytest.mark.parametrize("path", ["/thing/{}", "/thing?q={}", "/thing?{}=1", "/none/{}"])
async def test_escapes_that_are_not_utf_8_are_refused(client, path: str, escape: str) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    head = f"GET {path.format(escape)} HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\n"
    writer.write(f"{head}Connection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()  # or its socket would outlive the test's loop
    assert answer.startswith(b"HTTP/1.1 422 ")
    assert b"validation_failed" in answer


async def test_escapes_of_utf_8_are_taken(client) -> None:
    assert (await client.get("/thing/%C3%A9%20100%25?q=%e2%82%ac")).status == 200


@pytest.mark.parametrize(("path", "status"), [("/thing", 200), ("/none", 404)])
async def test_no_answer_names_the_versions_of_what_serves_it(
    client, path: str, status: int
) -> None:
    answer = await client.get(path)
    assert (answer.status, answer.headers["Server"]) == (status, "everstock")
