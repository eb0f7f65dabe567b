"""A hub's enrolment answered by hand, so that a test can make any part of it wrong."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from nacl.signing import SigningKey

from protocol.certificate import ALL, Certificate, Role, issue
from protocol.enrolment import (
    EnrolmentCode,
    fingerprint,
    proof_is_right,
    secret_digest,
    sign_hello,
)
from protocol.ids import ChainId, Location, NodeId

TLS = Path(__file__).with_name(
    "tls"
)  # a certificate for localhost and 127.0.0.1, its own authority
HUB_KEY = SigningKey(b"h" * 32)
OTHER_KEY = SigningKey(b"o" * 32)
CHAIN = ChainId(b"c" * 16)
OTHER_CHAIN = ChainId(b"d" * 16)
SECRET = b"s" * 15
CODE = EnrolmentCode(b"code1", SECRET, fingerprint(bytes(HUB_KEY.verify_key)))

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HubByHand:
    """Answers as a hub must, but for what a test changes; `asked` is every body it was sent."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.hello_changes: dict[str, Any] = {}
        self.signing_key = HUB_KEY
        self.certificate_changes: dict[str, Any] = {}
        self.certificate_key = HUB_KEY
        self.answer_hello: Handler | None = None
        self.answer_enrol: Handler | None = None

    def app(self) -> web.Application:
        """The two addresses."""
        app = web.Application()
        app.router.add_get("/v1/enrol", self._hello)
        app.router.add_post("/v1/enrol", self._enrol)
        return app

    async def _hello(self, request: web.Request) -> web.StreamResponse:
        if self.answer_hello is not None:
            return await self.answer_hello(request)
        nonce, hub_nonce = bytes.fromhex(request.query["nonce"]), os.urandom(32)
        answer = {
            "chain": CHAIN.hex(),
            "public_key": bytes(HUB_KEY.verify_key).hex(),
            "nonce": hub_nonce.hex(),
            "signature": sign_hello(self.signing_key, nonce, hub_nonce, CHAIN).hex(),
            "from_a_newer_hub": 1,
        }
        return web.json_response({**answer, **self.hello_changes})

    async def _enrol(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        if self.answer_enrol is not None:
            return await self.answer_enrol(request)
        key, nonce = bytes.fromhex(body["public_key"]), bytes.fromhex(body["nonce"])
        assert body["code_id"] == CODE.id.hex()
        assert proof_is_right(bytes.fromhex(body["proof"]), secret_digest(SECRET), nonce, key)
        certificate = Certificate(
            CHAIN, NodeId(b"n" * 16), key, "S01", Role.STORE, (Location("S01"),), (ALL,), 1, 1
        )._replace(**self.certificate_changes)
        signed = issue(certificate, self.certificate_key)
        answer = {"certificate": signed.hex(), "chain": CHAIN.hex(), "name": "S01"}
        return web.json_response(answer, status=201)
