"""Sessions: admission, and the ends that come from outside.

Invariant: whoever is turned away or ended is told why and when to come back, with a wait of its own, so that a herd
does not return at once. Nothing here decides about data; `session.py` drives one session.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from aiohttp import web

from hub.admission import Admission, Crowded
from hub.config import HubSettings
from hub.doorstep import Doorstep, UnprovenEnds
from hub.opening import COME_ONCE_MORE, RETIRE_RETRY_MS, Hub
from hub.session import Session
from hub.store.fleet import Grant
from protocol.certificate import verify
from protocol.errors import Code
from protocol.limits import FRAME_BYTES_MAX, HEARTBEAT_S, UNPROVEN_BYTES_MAX
from protocol.session.hub import HubSession
from protocol.wire import SUBPROTOCOL
from runtime.addresses import client_address
from runtime.guards import check_upgrade
from runtime.line import Line, WebSocketLine
from runtime.problems import Problem
from runtime.turns import limit_intake

FULL_RETRY_MS: Final = 60_000
RESTART_RETRY_MS: Final = 2_000
CLOSE_S: Final = 2.0
"""How long a peer gets to answer the closing of the WebSocket; a gone one never does."""


class Sessions:
    """Every session of this hub."""

    def __init__(self, hub: Hub, settings: HubSettings) -> None:
        self._hub = hub
        self._sessions_max = settings.sessions_max
        # Those who wait for their turn have proved a key already, so they are no more than the nodes there are.
        self._admission = Admission(
            at_once=settings.handshakes_max, waiting_max=settings.sessions_max
        )
        self._doorstep = Doorstep(
            waiting_max=settings.unproven_max,
            per_address_max=settings.unproven_of_one_address_max(),
        )
        self._unproven_ends = UnprovenEnds(hub.metrics)
        self._ending = asyncio.Event()
        self._open = 0
        self._one_closed = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Take a request for a session, and serve the WebSocket it becomes to its end."""
        if "Origin" in request.headers:
            raise Problem("foreign_origin", "Sessions are for nodes, not for web pages.")
        check_upgrade(request)
        offered = ",".join(request.headers.getall("Sec-WebSocket-Protocol", ()))
        if SUBPROTOCOL not in map(str.strip, offered.split(",")):
            raise Problem("bad_request", f"A session is a WebSocket that speaks {SUBPROTOCOL}.")
        socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            # permessage-deflate pins 121 KiB a connection (SYNC, section 7); frames compress themselves.
            compress=False,
            # The library refuses what has this size, without a word; one byte too many is told as too large.
            max_msg_size=FRAME_BYTES_MAX + 2,
            heartbeat=HEARTBEAT_S,
            timeout=CLOSE_S,
            # The library answers a thousand pings without a pause; the session pauses after each.
            autoping=False,
        )
        await socket.prepare(request)
        limit_intake(request, UNPROVEN_BYTES_MAX)
        await self.serve(
            WebSocketLine(socket),
            client_address(request),
            when_proven=lambda: limit_intake(request, None),
        )
        return socket

    async def serve(
        self, line: Line, address: str | None, *, when_proven: Callable[[], None]
    ) -> None:
        """Serve one open line, from its first frame to its last; it is closed on return.

        Args:
            address: the peer's, as far as it is known.
            when_proven: called once the peer has proved a key.
        """
        world = self._hub.world
        half = HubSession(self._hub.identity, world.random_bytes(32), world.random_bytes(16))
        session = Session(line, half, self._hub)
        self._open += 1
        try:
            await self._admit(session, address, when_proven)
        finally:
            session.leave()
            if (why := session.unproven_end) is not None:
                self._unproven_ends.count(why)
            await line.close()
            self._open -= 1
            self._one_closed.set()

    async def end_all(self, within_s: float) -> None:
        """Tell everybody that the hub goes away and admit nobody any more; returns when they are gone, or in time."""
        self._ending.set()
        for session in self._hub.live:
            retry_ms = self._hub.world.jitter_ms(RESTART_RETRY_MS)
            session.stop(Code.RESTARTING, "the hub restarts", retry_ms=retry_ms)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._open:
                    self._one_closed.clear()
                    await self._one_closed.wait()

    def retire(self, grant: Grant) -> None:
        """Hand a retiring node its certificate and have it come back, so that it tells anew how long its log is."""
        self.regrant(grant)
        for session in self._hub.live.of_node(grant.node):
            retry_ms = self._hub.world.jitter_ms(RETIRE_RETRY_MS)
            session.stop(Code.RESTARTING, COME_ONCE_MORE, retry_ms=retry_ms)

    def regrant(self, grant: Grant) -> None:
        """Hand a newer certificate to the node's open sessions, which go on under it at once."""
        certificate = verify(grant.certificate, self._hub.identity.public_key)
        for session in self._hub.live.of_node(grant.node):
            session.regrant(certificate, grant.certificate)

    async def _admit(
        self, session: Session, address: str | None, when_proven: Callable[[], None]
    ) -> None:
        if self._ending.is_set():
            return await self._refuse_for_restart(session)
        if len(self._hub.live) >= self._sessions_max:
            retry_ms = self._hub.world.jitter_ms(FULL_RETRY_MS)
            return await session.refuse(Code.BUSY, "the hub has all the nodes it takes", retry_ms)
        proof = await session.hear_proof(self._doorstep, address)
        if proof is None:
            return None
        when_proven()
        try:
            async with self._admission.turn():
                if self._ending.is_set():
                    return await self._refuse_for_restart(session)
                is_open = await session.shake_hands(proof)
        except Crowded as crowded:
            detail = "the hub takes nodes back one after another"
            return await session.refuse(Code.BUSY, detail, crowded.retry_ms)
        if is_open:
            self._hub.metrics.sessions.inc()
            await session.live_on()
        return None

    async def _refuse_for_restart(self, session: Session) -> None:
        retry_ms = self._hub.world.jitter_ms(RESTART_RETRY_MS)
        await session.refuse(Code.RESTARTING, "the hub restarts", retry_ms)
