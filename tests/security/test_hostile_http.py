"""S20: whatever bytes come in the place of HTTP, a daemon answers in its shape or hangs up, and goes on."""

import asyncio
import logging
from pathlib import Path

import pytest

from protocol.wire import SUBPROTOCOL
from tests.hardening.victim import Kind
from tests.hub.conftest import Running
from tests.node.api.caller import ApiCaller
from tests.security import hostile

SEED = 20261122


@pytest.mark.parametrize("kind", ["node", "hub"])
@pytest.mark.parametrize(
    "requests", [150, pytest.param(5_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
def test_s20_damaged_requests_are_refused_and_harm_nothing(
    kind: Kind, requests: int, tmp_path: Path
) -> None:
    print("seed", SEED)
    outcome = hostile.run(kind, tmp_path / kind, requests, SEED, lambda _: None)
    assert outcome.faults == []
    assert outcome.sent >= requests
    # They were damaged, and not all of them at the first byte.
    refused = sum(count for status, count in outcome.statuses.items() if 400 <= status < 500)
    taken = sum(count for status, count in outcome.statuses.items() if 100 <= status < 300)
    assert refused > requests / 10
    assert taken > 0


HANDSHAKE = {
    b"Connection": b"Upgrade",
    b"Upgrade": b"websocket",
    b"Sec-WebSocket-Version": b"13",
    b"Sec-WebSocket-Key": b"dGhlIHNhbXBsZSBub25jZQ==",
    b"Sec-WebSocket-Protocol": SUBPROTOCOL.encode(),
}


async def shaken(port: int, path: bytes, headers: dict[bytes, bytes]) -> int:
    """The status of a handshake, byte for byte."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = b"".join(b"%b: %b\r\n" % each for each in headers.items())
    writer.write(b"GET %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%b\r\n" % (path, port, lines))
    line = await asyncio.wait_for(reader.readline(), 20)
    writer.close()
    await writer.wait_closed()
    return int(line.split()[1])


@pytest.mark.parametrize("name", HANDSHAKE)
async def test_s19_a_handshake_that_is_no_ascii_is_the_clients_fault(
    name: bytes, till: ApiCaller, running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    token = {b"Authorization": f"Bearer {till.token}".encode()}
    damaged = HANDSHAKE | {name: HANDSHAKE[name] + b"\xf7"}
    with caplog.at_level(logging.ERROR):
        assert await shaken(till.http.port, b"/v1/live", damaged | token) == 400
        assert await shaken(running.server.port, b"/v1/session", damaged) == 400
    assert caplog.records == []
    assert await shaken(till.http.port, b"/v1/live", HANDSHAKE | token) == 101
