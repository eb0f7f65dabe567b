"""Enrolment over HTTP: the hub's side of `protocol.enrolment`.

Invariant: a nonce is given out once and taken back once, within a minute; there are never more than NONCES_MAX, and one
address cannot have them all. A code's secret is never sent here, so nothing worth stealing passes.
"""

from collections import OrderedDict
from typing import Annotated, Final

import structlog
from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from hub.fleet import Device, Fleet
from hub.sessions import Sessions
from hub.shown import missing_since_ms
from hub.store.interface import Refused
from hub.store.records import Replacement
from protocol.enrolment import CODE_ID_BYTES, sign_hello
from protocol.errors import Code, ProtocolError
from protocol.ids import check_code
from protocol.limits import ENROLMENT_BYTES_MAX, NAME_CHARS_MAX
from protocol.session.hub import HubIdentity
from runtime.addresses import client_address, site_of
from runtime.bodies import read_json
from runtime.problems import Problem
from runtime.world import World

NONCE_BYTES: Final = 32
NONCES_MAX: Final = 1_000
NONCE_LIVES_MS: Final = 60_000
REQUESTS_PER_ADDRESS_MAX: Final = 600
"""In a minute, two a device: behind a proxy that is not trusted a whole chain has one address. 120 random bits are not guessed at any rate."""
ADDRESSES_MAX: Final = 10_000
_WINDOW_MS: Final = 60_000

STATUS_BY_CODE: Final = {
    Code.CODE_UNKNOWN: 403,
    Code.CODE_USED: 409,
    Code.CODE_EXPIRED: 410,
    Code.LOCATION_TAKEN: 409,
    Code.NAME_TAKEN: 409,
    Code.NOT_FOUND: 404,
    Code.BAD_VALUE: 422,
    Code.TOO_LARGE: 413,
    Code.TIMED_OUT: 403,
}

_log = structlog.get_logger(__name__)


def _from_hex(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be text")
    try:
        return bytes.fromhex(value)
    except ValueError as error:
        raise ValueError("must be hexadecimal digits") from error


_Hex = Annotated[bytes, BeforeValidator(_from_hex)]


class Request(BaseModel):
    """What a device sends with its code."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    code_id: Annotated[_Hex, Field(min_length=CODE_ID_BYTES, max_length=CODE_ID_BYTES)]
    public_key: Annotated[_Hex, Field(min_length=32, max_length=32)]
    nonce: Annotated[_Hex, Field(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
    proof: Annotated[_Hex, Field(min_length=32, max_length=32)]
    software: Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)]


class Nonces:
    """Nonces that were given out and not taken back yet, and how often each address asked."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._given: OrderedDict[bytes, int] = OrderedDict()
        self._asked: dict[str, int] = {}
        self._window_ends_ms = 0

    def give(self) -> bytes:
        """A fresh nonce; the oldest is forgotten when there are too many."""
        now_ms = self._world.now_ms()
        while self._given and (
            len(self._given) >= NONCES_MAX or next(iter(self._given.values())) < now_ms
        ):
            self._given.popitem(last=False)
        nonce = self._world.random_bytes(NONCE_BYTES)
        self._given[nonce] = now_ms + NONCE_LIVES_MS
        return nonce

    def take(self, nonce: bytes) -> bool:
        """Whether a nonce is ours and still good; it is not good again."""
        return self._given.pop(nonce, 0) >= self._world.now_ms()

    def count(self, address: str) -> bool:
        """Count a request of an address; False when it has had its share of this minute."""
        now_ms = self._world.now_ms()
        if not now_ms < self._window_ends_ms <= now_ms + _WINDOW_MS:
            self._asked.clear()
            self._window_ends_ms = now_ms + _WINDOW_MS
        if address not in self._asked and len(self._asked) >= ADDRESSES_MAX:
            return False
        self._asked[address] = self._asked.get(address, 0) + 1
        return self._asked[address] <= REQUESTS_PER_ADDRESS_MAX


class EnrolmentRoutes:
    """`GET` and `POST /v1/enrol`; public, since a device has no token before it."""

    def __init__(
        self, fleet: Fleet, sessions: Sessions, identity: HubIdentity, world: World
    ) -> None:
        self._fleet = fleet
        self._sessions = sessions
        self._identity = identity
        self._nonces = Nonces(world)

    async def hello(self, request: web.Request) -> web.Response:
        """Prove the hub's key over the device's nonce, and give one of ours."""
        self._admit(request)
        try:
            device_nonce = bytes.fromhex(request.query.get("nonce", ""))
        except ValueError:
            device_nonce = b""
        if not 16 <= len(device_nonce) <= 64:
            raise Problem("validation_failed", "nonce must be 16 to 64 bytes in hexadecimal.")
        nonce = self._nonces.give()
        identity = self._identity
        signature = sign_hello(identity.signing_key, device_nonce, nonce, identity.chain)
        return web.json_response(
            {
                "chain": identity.chain.hex(),
                "public_key": identity.public_key.hex(),
                "nonce": nonce.hex(),
                "signature": signature.hex(),
            }
        )

    async def enrol(self, request: web.Request) -> web.Response:
        """Give a certificate for a code that is proved."""
        self._admit(request)
        raw = await request.read()
        if len(raw) > ENROLMENT_BYTES_MAX:
            raise Problem("too_large", f"The body has at most {ENROLMENT_BYTES_MAX} bytes.")
        body = Request.model_validate(read_json(raw))
        if not self._nonces.take(body.nonce):
            raise problem_of(Refused(Code.TIMED_OUT, "the nonce is not one of this minute"))
        try:
            check_code(body.software, "software", chars_max=NAME_CHARS_MAX)
            device = Device(body.code_id, body.public_key, body.nonce, body.proof, body.software)
            redeemed = await self._fleet.redeem(device)
        except (Refused, ProtocolError) as error:
            _log.warning("an enrolment was refused", why=error.code.value)
            raise problem_of(error) from error
        for grant in redeemed.reduced:
            self._sessions.regrant(grant)
        _log.info("a device was enrolled", node=redeemed.name)
        answer = {
            "certificate": redeemed.certificate.hex(),
            "chain": self._identity.chain.hex(),
            "name": redeemed.name,
            "replaces": _replaced(await self._fleet.predecessor(redeemed.name)),
        }
        return web.json_response(answer, status=201)

    def _admit(self, request: web.Request) -> None:
        if not self._nonces.count(site_of(client_address(request))):
            raise Problem(
                "rate_limited",
                "Too many enrolments from this address; try again in a minute.",
                headers={"Retry-After": "60"},
            )


def _replaced(old: Replacement | None) -> dict[str, object] | None:
    """What a spare tells its shop: what the old node recorded after `heard_at`, the hub may never have had."""
    return None if old is None else {"name": old.replaced, "heard_at": missing_since_ms(old)}


def problem_of(error: Refused | ProtocolError) -> Problem:
    """The HTTP form of a refusal, with the protocol's own code."""
    detail = error.detail[:1].upper() + error.detail[1:] + "."
    return Problem(error.code.value, detail, status=STATUS_BY_CODE.get(error.code, 422))
