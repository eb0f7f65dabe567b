"""S42: what is not this shop's TLS is refused, on both sides, and nothing falls back to plain HTTP."""

import contextlib
import json
import socket
import sqlite3
import ssl
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import pytest
from aiohttp import web
from nacl.signing import SigningKey

from node.enrolment import HubUnreachable, JoinRefused, enrol, hub_address
from node.lan.authority import Authority
from node.lan.names import names_given
from protocol.enrolment import CODE_ID_BYTES, EnrolmentCode
from protocol.operation import decode
from tests.node.enrolled import enrolled_folder
from tests.node.lan.shaking import client_of, forged, server_of, shake
from tests.node.processes import Served, call, out, serving

PATIENCE_S = 20.0
NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = names_given("127.0.0.1", ["localhost"])


@dataclass(frozen=True, slots=True)
class Shop:
    """A node that serves other machines too; its door for them is at `door`."""

    data: str
    daemon: Served
    door: str
    authority: bytes
    till: str
    """A token of this machine."""
    far_till: str
    operator: str

    @property
    def port(self) -> int:
        """Of the door."""
        return int(self.door.rpartition(":")[2])

    def asks(self, url: str, token: str, path: str = "/v1/stock") -> int:
        """The status of an answer."""
        request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {token}"})
        context = client_of(self.authority) if url.startswith("https") else None
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S, context=context) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


def until_listening(folder: Path) -> dict[str, str]:
    """The status of a door that is wished for; a daemon opens it once it serves its own machine."""
    give_up_s = time.monotonic() + PATIENCE_S
    while True:
        status = json.loads(call("lan", "status", "--data", str(folder), "--json").stdout)
        if status["listening"]:
            return status
        assert time.monotonic() < give_up_s, status
        time.sleep(0.05)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Give a node with `lan on`."""
    folder = tmp_path_factory.mktemp("lan") / "S01"
    made = enrolled_folder(folder)
    data = ("--data", str(folder))
    assert call("lan", "on", *data, "--listen", "127.0.0.1:0").returncode == 0
    till = out("token", *data, "--name", "till-1")
    with serving(folder) as daemon:
        status = until_listening(folder)
        yield Shop(
            str(folder),
            daemon,
            f"https://{status['listen']}",
            Path(status["ca_file"]).read_bytes(),
            till,
            call("token", *data, "--name", "till-2", "--lan").stdout.strip(),
            made.operator_token,
        )


def test_s42_who_trusts_the_shops_authority_is_served(shop: Shop) -> None:
    assert shop.asks(shop.door, shop.far_till) == HTTPStatus.OK
    assert shop.asks(shop.daemon.url, shop.till) == HTTPStatus.OK


def test_s42_a_token_counts_at_the_door_that_it_was_made_for_and_at_no_other(shop: Shop) -> None:
    for token in (shop.till, shop.operator):
        assert shop.asks(shop.daemon.url, token) == HTTPStatus.OK
        assert shop.asks(shop.door, token) == HTTPStatus.UNAUTHORIZED
    assert shop.asks(shop.daemon.url, shop.far_till) == HTTPStatus.UNAUTHORIZED
    for forged_token in (
        shop.till.replace("till_", "lan_"),
        shop.far_till.replace("lan_", "till_"),
    ):
        for url in (shop.door, shop.daemon.url):
            assert shop.asks(url, forged_token) == HTTPStatus.UNAUTHORIZED


def test_s42_a_device_has_one_token_and_a_lost_one_ends_at_once(shop: Shop) -> None:
    token = ("token", "--data", shop.data, "--name", "till-3")
    first = call(*token, "--lan").stdout.strip()
    assert shop.asks(shop.door, first) == HTTPStatus.OK
    second = call(*token, "--lan")
    assert second.stderr == "", "no older one works still"
    assert shop.asks(shop.door, first) == HTTPStatus.UNAUTHORIZED
    assert shop.asks(shop.door, second.stdout.strip()) == HTTPStatus.OK
    assert call(*token, "--revoke").returncode == 0
    assert shop.asks(shop.door, second.stdout.strip()) == HTTPStatus.UNAUTHORIZED


def test_s42_who_does_not_trust_the_authority_sends_nothing(shop: Shop) -> None:
    other = Authority.found("other", NAMES, NOW).certificate_pem
    for context in (ssl.create_default_context(), client_of(other)):
        with (
            socket.create_connection(("127.0.0.1", shop.port), PATIENCE_S) as line,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            context.wrap_socket(line, server_hostname="127.0.0.1")


def test_s42_plain_http_at_the_door_gets_no_answer(shop: Shop) -> None:
    with socket.create_connection(("127.0.0.1", shop.port), PATIENCE_S) as line:
        line.sendall(f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{shop.port}\r\n\r\n".encode())
        with contextlib.suppress(ConnectionResetError):
            assert b"HTTP" not in line.recv(4096)


def test_s42_tls_at_the_loopback_address_gets_no_answer(shop: Shop) -> None:
    port = int(shop.daemon.url.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE_S) as line,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        client_of(shop.authority).wrap_socket(line, server_hostname="127.0.0.1")


def outdated(certificate_pem: bytes) -> ssl.SSLContext:
    """A client that speaks nothing newer than TLS 1.1."""
    client = client_of(certificate_pem)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client.minimum_version = ssl.TLSVersion.TLSv1
        client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("ALL:@SECLEVEL=0")
    return client


def test_s42_tls_before_1_2_is_refused(shop: Shop, tmp_path: Path) -> None:
    with (
        socket.create_connection(("127.0.0.1", shop.port), PATIENCE_S) as line,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        outdated(shop.authority).wrap_socket(line, server_hostname="127.0.0.1")
    # It is the version: a server that speaks it is taken by this client.
    authority = Authority.found("old", NAMES, NOW)
    server = server_of(authority.certify(NAMES, NOW), tmp_path)
    with pytest.raises(ssl.SSLError, match=r"VERSION|PROTOCOL"):
        shake(server, outdated(authority.certificate_pem), "localhost")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        server.minimum_version = ssl.TLSVersion.TLSv1
    server.set_ciphers("ALL:@SECLEVEL=0")
    assert shake(server, outdated(authority.certificate_pem), "localhost") == "TLSv1.1"


def test_s42_nothing_but_loopback_is_served_without_it(tmp_path: Path) -> None:
    folder = tmp_path / "S01"
    enrolled_folder(folder)
    for listen in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0"):
        done = call("serve", "--data", str(folder), "--listen", listen)
        assert (done.returncode, done.stdout) == (78, "")
        assert len(done.stderr.splitlines()) == 1
        assert "can be reached from other machines" in done.stderr
        assert "`everstock-node lan on`" in done.stderr
    assert not (folder / "lan").exists()


def test_s42_steps_to_trust_are_told_and_off_is_off(tmp_path: Path) -> None:
    folder = tmp_path / "S01"
    enrolled_folder(folder)
    told = call("lan", "on", "--data", str(folder), "--listen", "127.0.0.1:0").stdout
    status = json.loads(call("lan", "status", "--data", str(folder), "--json").stdout)
    for words in (
        status["ca_fingerprint"],
        status["ca_file"],
        "curl --cacert",
        "Windows",
        "Android",
    ):
        assert words in told
    assert call("lan", "off", "--data", str(folder)).returncode == 0
    with serving(folder):
        assert json.loads(call("lan", "status", "--data", str(folder), "--json").stdout) == {
            **status,
            "on": False,
        }


@pytest.mark.parametrize(
    "arguments",
    [
        ("--listen", "nonsense"),
        ("--listen", "127.0.0.1:0", "--name", "two words"),
        ("--listen", "127.0.0.1:0", "--name", "*"),
    ],
)
def test_a_door_that_cannot_be_is_2_and_one_sentence(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    folder = tmp_path / "S01"
    enrolled_folder(folder)
    done = call("lan", "on", "--data", str(folder), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert json.loads(call("lan", "status", "--data", str(folder), "--json").stdout)["on"] is False


# The other side: a node and its hub.

CODE = EnrolmentCode(bytes(CODE_ID_BYTES), bytes(15), bytes(15))


@contextlib.asynccontextmanager
async def listening(context: ssl.SSLContext | None) -> AsyncIterator[tuple[str, list[str]]]:
    """What answers in the place of a hub: its address, and what it was asked."""
    heard: list[str] = []

    async def take(request: web.BaseRequest) -> web.Response:
        heard.append(request.path)
        return web.Response(status=404)

    runner = web.ServerRunner(web.Server(take))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"wss://localhost:{runner.addresses[0][1]}", heard
    await runner.cleanup()


async def joins(url: str, trusted: ssl.SSLContext) -> None:
    """Ask for a certificate there. Raises: HubUnreachable."""
    await enrol(hub_address(url), CODE, SigningKey.generate(), bytes(32), trusted)


@pytest.mark.blocking("makes certificates")
@pytest.mark.parametrize(
    ("host", "days", "words"),
    [
        ("localhost", (-60, -30), "expired"),
        ("localhost", (30, 60), "not yet valid"),
        ("other.local", (-1, 30), "is not valid for"),
    ],
)
async def test_s42_a_hub_whose_certificate_is_not_good_is_told_nothing(
    host: str, days: tuple[int, int], words: str, tmp_path: Path
) -> None:
    authority = Authority.found("hub", NAMES, NOW)
    server = server_of(forged(authority, host, NOW, days=days), tmp_path)
    async with listening(server) as (url, heard):
        with pytest.raises(HubUnreachable, match=words):
            await joins(url, client_of(authority.certificate_pem))
        assert heard == []


@pytest.mark.blocking("makes certificates")
async def test_s42_a_hub_of_another_authority_is_told_nothing_and_its_own_is_asked(
    tmp_path: Path,
) -> None:
    authority, other = (Authority.found("hub", NAMES, NOW) for _ in range(2))
    async with listening(server_of(authority.certify(NAMES, NOW), tmp_path)) as (url, heard):
        for context in (client_of(other.certificate_pem), ssl.create_default_context()):
            with pytest.raises(HubUnreachable, match="certificate verify failed"):
                await joins(url, context)
        assert heard == []
        with pytest.raises(JoinRefused):
            await joins(url, client_of(authority.certificate_pem))
        assert heard == ["/v1/enrol"], "so it was the certificate"


async def test_s42_a_hub_of_wss_that_speaks_no_tls_is_not_fallen_back_to() -> None:
    async with listening(None) as (url, heard):
        with pytest.raises(HubUnreachable):
            await joins(url, ssl.create_default_context())
        assert heard == []


def test_who_opened_and_shut_the_door_is_noted(tmp_path: Path) -> None:
    folder = tmp_path / "S01"
    enrolled_folder(folder)
    data = ("--data", str(folder))
    assert call("lan", "on", *data, "--listen", "127.0.0.1:0").returncode == 0
    with serving(folder):
        until_listening(folder)
        assert call("lan", "off", *data).returncode == 0
    with contextlib.closing(sqlite3.connect(folder / "node.sqlite")) as db:
        log = [decode(body) for (body,) in db.execute("SELECT body FROM log")]
    assert [(one.actor, one.kind) for one in log] == [
        ("operator", "note.lan_opened"),
        ("operator", "note.lan_closed"),
    ]
