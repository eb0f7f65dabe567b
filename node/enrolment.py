"""How this device becomes a node: the joining side of `protocol.enrolment`, over HTTP.

Invariant: nothing of ours is sent before the hub has proved the key whose fingerprint is in the code, and nothing the
hub sends is kept before that key's signature on it was checked. The device's key never leaves it.
"""

import ssl
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar
from urllib.parse import urlsplit

import aiohttp
from nacl.signing import SigningKey
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from node.replica.identity import Predecessor
from protocol.certificate import Certificate, verify
from protocol.enrolment import EnrolmentCode, check_hello, proof, secret_digest
from protocol.errors import ProtocolError
from protocol.ids import ChainId
from protocol.limits import (
    CERTIFICATE_BYTES_MAX,
    HANDSHAKE_S_MAX,
    NAME_CHARS_MAX,
    TIME_MS_MAX,
)
from runtime.bodies import read_json
from runtime.problems import Problem
from runtime.service import is_loopback
from runtime.version import SOFTWARE

NONCE_BYTES: Final = 32
ANSWER_BYTES_MAX: Final = 4 * CERTIFICATE_BYTES_MAX  # hexadecimal doubles it
DETAIL_CHARS_MAX: Final = 300

_NO_HUB: Final = "What answers there is no hub of Everstock."


class JoinRefused(Exception):
    """The hub, or what it sent, is not accepted, or the hub refuses; the message is one sentence."""


class HubUnreachable(Exception):
    """No hub answers there now; trying again later may help."""


@dataclass(frozen=True, slots=True)
class HubAddress:
    """Where the hub is: `url` as given, for sessions, and the same for HTTP."""

    url: str
    http_url: str


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What enrolment gives a device."""

    chain: ChainId
    hub_public_key: bytes
    certificate_bytes: bytes
    certificate: Certificate
    predecessor: Predecessor | None = None
    """Whose work it takes over."""


def _bytes(value: object) -> bytes:
    if type(value) is not str:
        raise ValueError("must be hexadecimal")
    return bytes.fromhex(value)


def _is_long(length: int) -> AfterValidator:
    def check(value: bytes) -> bytes:
        if len(value) != length:
            raise ValueError(f"must be {length} bytes")
        return value

    return AfterValidator(check)


_Hex = Annotated[bytes, BeforeValidator(_bytes)]


class _Reply(BaseModel):
    # A newer hub may say more.
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class _Hello(_Reply):
    chain: Annotated[_Hex, _is_long(16)]
    public_key: Annotated[_Hex, _is_long(32)]
    nonce: Annotated[_Hex, Field(min_length=16, max_length=64)]
    signature: Annotated[_Hex, _is_long(64)]


class _Replaced(_Reply):
    name: Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)]
    heard_at: Annotated[int, Field(ge=0, le=TIME_MS_MAX)] | None = None


class _Issued(_Reply):
    certificate: Annotated[_Hex, Field(max_length=CERTIFICATE_BYTES_MAX)]
    replaces: _Replaced | None = None


R = TypeVar("R", bound=_Reply)


def hub_address(url: str) -> HubAddress:
    """Check the hub's address: `ws://` to this machine only, `wss://` to any.

    Raises: JoinRefused.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise JoinRefused("The hub's address is not one.") from None
    if parts.scheme not in {"ws", "wss"} or not host or "@" in parts.netloc:
        raise JoinRefused("The hub's address must be ws://HOST:PORT or wss://HOST.")
    if parts.query or parts.fragment:
        raise JoinRefused("The hub's address must end with its host, port or path.")
    if parts.scheme == "ws" and not is_loopback(host):
        raise JoinRefused("ws:// is for a hub on this machine; elsewhere it must be wss://.")
    base = url.rstrip("/")
    return HubAddress(base, "http" + base.removeprefix("ws"))


async def enrol(
    hub: HubAddress,
    code: EnrolmentCode,
    key: SigningKey,
    nonce: bytes,
    tls: ssl.SSLContext,
    *,
    chain: ChainId | None = None,
) -> Enrolled:
    """Prove the code to the hub and get a certificate for `key`; the code is then used up.

    A hub of another chain than `chain`, if that is given, is refused before the code is spent.

    Raises: JoinRefused, HubUnreachable.
    """
    timeout = aiohttp.ClientTimeout(total=2 * HANDSHAKE_S_MAX)
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
        try:
            hello = await _say_hello(http, hub, code, nonce)
            if chain is not None and hello.chain != chain:
                raise JoinRefused("This folder holds what was recorded for another chain.")
            return await _ask_certificate(http, hub, code, key, hello)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise HubUnreachable(
                f"The hub at {hub.url} does not answer: {_words(error)}"
            ) from error
        except ProtocolError as error:
            raise JoinRefused(_sentence(error.detail)) from error


async def _say_hello(
    http: aiohttp.ClientSession, hub: HubAddress, code: EnrolmentCode, nonce: bytes
) -> _Hello:
    async with http.get(
        f"{hub.http_url}/v1/enrol", params={"nonce": nonce.hex()}, allow_redirects=False
    ) as reply:
        hello = await _read(reply, _Hello, 200)
    check_hello(code, hello.public_key, nonce, hello.nonce, ChainId(hello.chain), hello.signature)
    return hello


async def _ask_certificate(
    http: aiohttp.ClientSession,
    hub: HubAddress,
    code: EnrolmentCode,
    key: SigningKey,
    hello: _Hello,
) -> Enrolled:
    public_key = bytes(key.verify_key)
    body = {
        "code_id": code.id.hex(),
        "public_key": public_key.hex(),
        "nonce": hello.nonce.hex(),
        "proof": proof(secret_digest(code.secret), hello.nonce, public_key).hex(),
        "software": SOFTWARE,
    }
    async with http.post(f"{hub.http_url}/v1/enrol", json=body, allow_redirects=False) as reply:
        issued = await _read(reply, _Issued, 201)
    certificate = verify(issued.certificate, hello.public_key)
    if certificate.public_key != public_key or certificate.chain != hello.chain:
        raise JoinRefused("The hub's certificate is for another device or another chain.")
    old = issued.replaces
    return Enrolled(
        ChainId(hello.chain),
        hello.public_key,
        issued.certificate,
        certificate,
        None if old is None else Predecessor(_printable(old.name), old.heard_at),
    )


async def _read(reply: aiohttp.ClientResponse, model: type[R], expected: int) -> R:
    content = await _content(reply)
    if reply.status >= 500 or reply.status == 429:
        raise HubUnreachable(f"The hub cannot enrol now: {_detail(content)}")
    if reply.status >= 400:
        raise JoinRefused(_detail(content))
    if reply.status != expected:
        raise HubUnreachable(_NO_HUB)
    try:
        return model.model_validate(read_json(content))
    except (Problem, ValidationError):
        raise HubUnreachable(_NO_HUB) from None


async def _content(reply: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for piece in reply.content.iter_any():
        content += piece
        if len(content) > ANSWER_BYTES_MAX:
            raise HubUnreachable(_NO_HUB)
    return bytes(content)


def _detail(content: bytes) -> str:
    """The sentence of a problem answer, fit for a terminal."""
    try:
        problem = read_json(content)
    except Problem:
        problem = None
    if not isinstance(problem, dict) or not isinstance(problem.get("detail"), str):
        return "The hub refuses without saying why."
    return _sentence(problem["detail"])


def _sentence(text: str) -> str:
    shown = _printable(text[:DETAIL_CHARS_MAX]).strip()
    return f"{shown[:1].upper()}{shown[1:].rstrip('.')}."


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _words(error: Exception) -> str:
    return _sentence(str(error) or type(error).__name__)
