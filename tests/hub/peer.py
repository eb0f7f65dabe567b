"""A node's end of a session over a real socket, driven by the node's own half of the protocol."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Self, TypeVar

import aiohttp

from protocol.chain import CHAIN_START, extend_all
from protocol.frames.feed import Page
from protocol.frames.handshake import Close, Cursor, Hello, Welcome
from protocol.frames.repair import Question
from protocol.ids import NO_SALT, ChainHash, Epoch, HubSeq, Scope, Seq
from protocol.session.hello import LocalLog
from protocol.session.node import Identity, NodeSession, fill_batch
from protocol.session.node_actions import (
    Action,
    CompareLog,
    Ended,
    Send,
    StoreCaughtUp,
    StoreCertificate,
    StorePage,
    Welcomed,
)
from protocol.wire import SUBPROTOCOL, VERSIONS
from tests.store.shop import CHAIN, HUB_KEY, NOW_MS, Shop, name_bytes

PATIENCE_S = 30.0
T = TypeVar("T")


class Peer:
    """One connection of a shop's node; what the hub says is kept in `heard`, in order."""

    def __init__(self, http: aiohttp.ClientSession, url: str, shop: Shop) -> None:
        self.shop = shop
        self.replica = shop.replica
        self.heard: list[Action] = []
        self.welcome: Welcome | None = None
        self.rows: dict[object, int] = {}
        self.boot = name_bytes("boot", shop.name)
        self.certificate: bytes | None = None
        self.epoch: Epoch | None = None
        self.cursor: Cursor = (HubSeq(0), NO_SALT)
        self.exceptions: dict[Scope, Cursor] = {}
        self.status_seen = Seq(0)
        self.acked_seen = Seq(0)
        self.log_base = Seq(1)
        self.departed: bytes | None = None
        self.hub_key = bytes(HUB_KEY.verify_key)
        self._http = http
        self._url = url
        self.session: NodeSession
        self.line: aiohttp.ClientWebSocketResponse

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.line.close()

    async def connect(self) -> None:
        """Open the line; nothing is said yet, and what was heard on an earlier one is forgotten."""
        self.heard.clear()
        self.line = await self._http.ws_connect(
            self._url, protocols=[SUBPROTOCOL], max_msg_size=0, compress=0
        )
        certificate = self.certificate or self.shop.opening().certificate_bytes
        identity = Identity(certificate, self.shop.key, CHAIN, self.hub_key)
        self.session = NodeSession(identity, self._hello(), name_bytes("nonce", length=32))

    async def reconnect(self) -> None:
        """Open another line, in place of the one there is."""
        await self.line.close()
        await self.connect()

    async def opens(self) -> Welcome:
        """Go on until the hub said WELCOME."""
        await self.hears(Welcomed)
        assert self.welcome is not None
        return self.welcome

    async def hears(self, kind: type[Action], count: int = 1) -> Action:
        """Receive until the hub has said this, `count` times in all; gives the last."""
        async with asyncio.timeout(PATIENCE_S):
            while len(found := [each for each in self.heard if isinstance(each, kind)]) < count:
                await self.receive()
        return found[-1]

    async def receive(self) -> None:
        """Take one message."""
        message = await self.line.receive()
        if message.type is not aiohttp.WSMsgType.BINARY:
            raise ConnectionResetError(f"the hub closed the line: {self.line.close_code}")
        await self._carry_out(self.session.receive(message.data, NOW_MS))

    async def closed(self) -> Close:
        """Receive until the hub has said why the session ends."""
        ended = await self.hears(Ended)
        assert isinstance(ended, Ended)
        return ended.close

    async def pushes(self, count: int | None = None) -> None:
        """Send the next operations; the answer is heard later."""
        at = self.session.sent
        items = fill_batch(self.shop.log[at:][:count])
        await self._carry_out(self.session.push(self._chain(at), items))

    async def asks(self, question: Question) -> None:
        """Ask; the answer is heard later."""
        await self._carry_out(self.session.ask(question))

    async def tells_departures(self, records: Sequence[bytes]) -> None:
        """Hand the hub what it signed once."""
        await self._carry_out(self.session.tell_departures(records))

    async def acknowledged(self) -> Seq:
        """Receive until everything that was sent is acknowledged."""
        async with asyncio.timeout(PATIENCE_S):
            while self.session.acked < self.session.sent:
                await self.receive()
        return self.session.acked

    async def caught_up(self, at: int) -> None:
        """Receive until the hub has sent everything up to `at`."""
        async with asyncio.timeout(PATIENCE_S):
            while self.cursor[0] < at:
                await self.receive()

    def pages(self, scope: str) -> list[Page]:
        """Pages of a scope so far."""
        return [
            each.page
            for each in self.heard
            if isinstance(each, StorePage) and each.page.scope == scope
        ]

    async def _carry_out(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                await self.line.send_bytes(action.data)
                continue
            self.heard.append(action)
            match action:
                case Welcomed(welcome, _):
                    self.welcome = welcome
                    self.epoch = welcome.epoch
                    if welcome.reset:
                        self.cursor = (HubSeq(0), NO_SALT)
                    await self._compare(welcome.acked, welcome.chain)
                case CompareLog(acked, chain):
                    await self._compare(acked, chain)
                case StorePage(page):
                    self.rows |= {row.key: getattr(row, "total", row.hub_seq) for row in page.rows}
                case StoreCaughtUp(caught_up):
                    assert caught_up.at >= self.cursor[0], "a cursor never goes back"
                    self.cursor = (caught_up.at, caught_up.salt)
                case StoreCertificate(certificate):
                    self.certificate = certificate
                case _:
                    pass

    async def _compare(self, acked: Seq, chain: ChainHash) -> None:
        last = Seq(len(self.shop.log))
        known = self._chain(acked) if acked <= last else None
        log = LocalLog(last, self.log_base, self.acked_seen, known)
        await self._carry_out(self.session.log_compared(chain, log))

    def _chain(self, at: int) -> ChainHash:
        return extend_all(CHAIN_START, [item.body for item in self.shop.log[:at]])

    def _hello(self) -> Hello:
        return Hello(
            self.replica,
            self.boot,
            VERSIONS,
            (),
            "test 1",
            Seq(len(self.shop.log)),
            self.log_base,
            self.acked_seen,
            self.epoch,
            self.cursor,
            self.exceptions,
            self.status_seen,
            NOW_MS,
            self.departed,
        )


async def eventually(read: Callable[[], Awaitable[T]], expected: T) -> None:
    """Wait until what is read is what is expected, and fail with what it was when patience ends."""
    found = await read()
    for _ in range(int(PATIENCE_S / 0.01)):
        if found == expected:
            return
        await asyncio.sleep(0.01)
        found = await read()
    assert found == expected
