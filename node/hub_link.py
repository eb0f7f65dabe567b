"""One connection to the hub: it carries out what the node's half of the session decides.

Invariant: actions are carried out in the order given. Pages, acknowledgements and CAUGHT_UP are stored in the order they
came, by the intake, while the next frames are read; whatever else an action stores or asks of the store comes after all
of them and is done before the next frame is looked at. So the cursor is never ahead of the rows.
"""

import asyncio
import sqlite3
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import structlog

from node import departing
from node.claiming import Claiming
from node.inquiry import Ends, Inquiry
from node.intake import Intake, Step
from node.metrics import NodeMetrics
from node.pulling import Pulling
from node.repairing import Repairing
from node.replica import identity, incidents, log, recovery, rows, scopes, view
from node.replica.identity import NodeIdentity
from node.replica.incidents import IncidentCode
from protocol.certificate import verify
from protocol.errors import Code, ProtocolError
from protocol.frames.feed import CaughtUp, Page
from protocol.frames.handshake import Close, Welcome
from protocol.frames.log import StatusEntry
from protocol.ids import ChainHash, ReplicaId, Scope, Seq
from protocol.limits import BATCH_OPERATIONS_MAX, CLOCK_EXCHANGE_S, HANDSHAKE_S_MAX
from protocol.session.hello import LocalLog
from protocol.session.node import NodeSession, State, fill_batch
from protocol.session.node_actions import (
    Action,
    Answered,
    ClockMeasured,
    CompareLog,
    Ended,
    Send,
    StartNewReplica,
    StoreAcknowledged,
    StoreCaughtUp,
    StoreCertificate,
    StoreDepartures,
    StorePage,
    StoreQuarantined,
    StoreScopes,
    Welcomed,
)
from runtime.line import Line, TextReceived
from runtime.store import Store
from runtime.world import World

_IN_PASSING: Final = (Send, StoreAcknowledged, StorePage, StoreCaughtUp)
"""What does not wait until all that came before is stored."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Local:
    """What the node knows of itself without asking the store; the link keeps it up to date."""

    identity: NodeIdentity
    replica: ReplicaId
    clock_offset_ms: int | None
    connected: bool = False
    last_error: str | None = None


class HubLink:
    """Drives one session over one open line until either ends."""

    def __init__(
        self,
        line: Line,
        session: NodeSession,
        store: Store,
        world: World,
        local: Local,
        metrics: NodeMetrics,
        wake: asyncio.Event,
    ) -> None:
        self._line = line
        self._session = session
        self._store = store
        self._world = world
        self._local = local
        self._metrics = metrics
        self._wake = wake
        self._closed: Close | None = None
        self._intake = Intake(store)
        self._pages_heard = 0
        self._leaving: set[Scope] = set()
        self._inquiry = self._new_inquiry()

    async def run(self) -> Close:
        """Carry the session to its end and say why it ended.

        Raises:
            ProtocolError, FeedGap: the hub sent what cannot be taken.
            StoreError: this node's disk cannot take it.
        """
        tasks = [
            asyncio.create_task(self._receive(), name="from the hub"),
            asyncio.create_task(self._intake.run(), name="into the store"),
            asyncio.create_task(self._push(), name="to the hub"),
            asyncio.create_task(self._compare_clocks(), name="clocks"),
            asyncio.create_task(self._inquiry.run(), name="questions"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                await task
        except ProtocolError as error:
            await self._do(self._session.close(error.code, error.detail))
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._closed or Close(Code.UNREACHABLE, "the line to the hub broke", 0)

    def _new_inquiry(self) -> Inquiry:
        ends, wake = Ends(), asyncio.Event()
        claiming = Claiming(self._store, self._intake, ends, wake)
        repairing = Repairing(
            self._store, self._world, self._metrics, self._local.replica, ends, wake
        )
        pulling = Pulling(
            self._store,
            self._local.replica,
            lambda: self._local.identity.certificate.writes,
            ends,
        )
        askers = (claiming, repairing, pulling)
        return Inquiry(self._session, self._carry_out, wake, ends, askers)

    async def _receive(self) -> None:
        while self._closed is None:
            live = self._session.state is State.LIVE
            try:
                async with asyncio.timeout(None if live else HANDSHAKE_S_MAX):
                    data = await self._line.receive()
            except TextReceived:
                raise ProtocolError(Code.BAD_FRAME, "frames are binary") from None
            except ConnectionError:
                break
            await self._carry_out(self._session.receive(data, self._world.now_ms()))
        # What arrived is kept, so that over a line that breaks again and again a download still ends.
        await self._intake.drain()

    async def _push(self) -> None:
        """Send what is recorded as soon as it is: nothing waits in order to batch, four batches at most unanswered."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._session.wants_operations:
                sent = self._session.sent
                prev, items = await self._store.read(
                    partial(log.outbox, sent=sent, limit=BATCH_OPERATIONS_MAX)
                )
                if not items:
                    break
                # While the log was read the hub may have stepped back; then this read was for nothing.
                if self._session.wants_operations and self._session.sent == sent:
                    batch = fill_batch(items)
                    self._metrics.batch.observe(len(batch))
                    await self._carry_out(self._session.push(prev, batch))

    async def _compare_clocks(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_EXCHANGE_S)
            if self._session.state is State.LIVE:
                pending = await self._store.read(_count_pending)
                await self._carry_out(self._session.ping(self._world.now_ms(), pending))

    async def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            await self._do(action)

    async def _do(self, action: Action) -> None:  # noqa: C901, PLR0912 - one case for each action of the session
        if not isinstance(action, _IN_PASSING):
            await self._intake.drain()
        match action:
            case Send(data):
                await self._line.send(data)
            case StoreAcknowledged():
                await self._acknowledged(action)
            case StorePage(page):
                await self._take_in(page)
            case StoreCaughtUp(caught_up):
                await self._caught_up(caught_up)
            case Welcomed(welcome, clock_offset_ms):
                await self._welcomed(welcome, clock_offset_ms)
            case CompareLog(acked, chain):
                await self._compare(acked, chain)
            case StoreScopes(changed):
                await self._store.write(lambda db: scopes.begin(db, changed.add), background=True)
                self._inquiry.scopes_begun(changed.add)
                await self._let_go(changed.drop)
            case StoreQuarantined(entries):
                await self._quarantined(list(entries))
            case StoreCertificate(certificate):
                await self._take_certificate(certificate)
            case StoreDepartures(records):
                await departing.keep(self._store, self._local.identity, records)
            case ClockMeasured(offset_ms):
                await self._clock_measured(offset_ms)
            case Answered(answer):
                await self._inquiry.answered(answer)
            case StartNewReplica(detail, history_gap):
                if history_gap:
                    await self._note_gap(detail)
                self._closed = Close(Code.NEW_REPLICA_REQUIRED, detail, 0)
            case Ended(close):
                self._closed = close

    async def _note_gap(self, detail: str) -> None:
        _log.error("the hub lost operations that were cut off this log", reason=detail)
        note = partial(
            incidents.note,
            code=IncidentCode.HISTORY_GAP,
            detail=detail,
            now_ms=self._world.now_ms(),
        )
        await self._store.write(note, background=True)

    async def _welcomed(self, welcome: Welcome, clock_offset_ms: int) -> None:
        def take_up(db: sqlite3.Connection) -> tuple[set[Scope], LocalLog]:
            position, now_ms = identity.read_position(db), self._world.now_ms()
            # First, since a new epoch takes off what is shown where no scope is read.
            scopes.begin(db, welcome.scopes)
            if position.epoch != welcome.epoch and (position.epoch or welcome.reset):
                is_ours = log.chain_at(db, welcome.acked) == welcome.chain
                recovery.begin_epoch(db, welcome.acked if is_ours else None)
            else:
                scopes.start_over(db, welcome.reset)
            # In one transaction: an old `acked` beside the new epoch would make the hub mint another one each time.
            identity.save_epoch(db, welcome.epoch, clock_offset_ms, now_ms)
            identity.save_acked(db, welcome.acked, welcome.stable, now_ms)
            self._leaving = recovery.left_behind(db)
            return self._out_of_reach(db, welcome), log.compare(db, welcome.acked, position.acked)

        gone, local_log = await self._store.write(take_up, background=True)
        self._metrics.feed_lag.begin_session(welcome.epoch)
        self._local.clock_offset_ms = clock_offset_ms
        await self._go_on(welcome.acked, welcome.chain, local_log)
        untold = await departing.unknown_to(self._store, welcome.departed)
        await self._carry_out(self._session.tell_departures(untold))
        await self._let_go(sorted(gone))
        self._inquiry.begin(welcome.features)

    def _out_of_reach(self, db: sqlite3.Connection, welcome: Welcome) -> set[Scope]:
        """Scopes that this node may no longer read.

        That the hub does not name one is not enough: put back to an old backup, it may not have heard of this shop's
        own shelf yet.
        """
        reads = self._local.identity.certificate.reads_scope
        unnamed = scopes.held(db).keys() - set(welcome.scopes)
        return {scope for scope in unnamed if not reads(scope)}

    async def _compare(self, acked: Seq, chain: ChainHash) -> None:
        local_log = await self._store.read(
            lambda db: log.compare(db, acked, identity.read_position(db).acked)
        )
        await self._go_on(acked, chain, local_log)

    async def _go_on(self, acked: Seq, chain: ChainHash, local_log: LocalLog) -> None:
        await self._carry_out(self._session.log_compared(chain, local_log))
        if self._session.state is not State.LIVE:
            return
        if acked < local_log.acked_seen:
            _log.warning("the hub has less than it acknowledged; sending again", acked=acked)
        self._local.connected = True
        self._local.last_error = None
        self._metrics.connected.set(1)
        self._metrics.sessions.inc()
        _log.info("a session with the hub opened", acked=acked, last=local_log.last_seq)
        self._wake.set()

    async def _acknowledged(self, action: StoreAcknowledged) -> None:
        def keep(db: sqlite3.Connection) -> None:
            log.acknowledge(db, action.acked, action.accepted_at_ms)
            identity.save_acked(db, action.acked, action.stable, self._world.now_ms())

        self._wake.set()
        await self._intake.put(Step(keep, lambda: None))
        for scope in sorted(self._leaving):
            await self._intake.put(Step(partial(self._finish_leaving, scope=scope), lambda: None))

    def _finish_leaving(self, db: sqlite3.Connection, scope: Scope) -> None:
        if recovery.let_acknowledged_go(db, scope):
            self._leaving.discard(scope)

    async def _take_in(self, page: Page) -> None:
        """Have a page stored in pieces, so that a till never waits long; the cursor moves with the last."""
        self._pages_heard += 1
        self._metrics.feed_lag.heard_page(page.to)
        *others, last = rows.pieces(page)
        take_in = partial(rows.take_in, page=page, replica=self._local.replica)
        for piece in others:
            store = partial(take_in, rows=piece, finish=False)
            await self._intake.put(Step(store, lambda: None, len(piece)))
        store = partial(take_in, rows=last, finish=True)
        await self._intake.put(
            Step(store, lambda: self._metrics.page.observe(len(page.rows)), len(last))
        )
        await self._inquiry.page_put(page)

    async def _caught_up(self, caught_up: CaughtUp) -> None:
        pages_heard = self._pages_heard

        def advance(db: sqlite3.Connection) -> None:
            scopes.advance_all(db, caught_up)
            identity.save_contact(db, self._world.now_ms())

        def advanced() -> None:
            # A page that arrived meanwhile has begun a lag that this does not end.
            if self._pages_heard == pages_heard:
                self._metrics.feed_lag.heard_all(caught_up.at)

        await self._intake.put(Step(advance, advanced))
        await self._inquiry.all_put(caught_up.at)

    async def _quarantined(self, entries: list[StatusEntry]) -> None:
        def take_out(db: sqlite3.Connection) -> None:
            log.quarantine(db, entries, self._world.now_ms())
            for entry in entries:
                view.forget_quarantined(db, entry.seq)
                identity.save_status_seen(db, entry.seq)

        await self._store.write(take_out, background=True)
        for entry in entries:
            _log.warning(
                "the hub could not take an operation",
                seq=entry.seq,
                code=entry.code,
                detail=entry.detail,
            )

    async def _take_certificate(self, data: bytes) -> None:
        who = self._local.identity
        certificate = verify(data, who.hub_public_key)
        if certificate.node != who.certificate.node:
            raise ProtocolError(Code.UNEXPECTED, "the certificate is another node's")
        # The same serial with other bytes: a hub put back to a backup has issued it a second time.
        if certificate.serial < who.certificate.serial or data == who.certificate_bytes:
            return
        await self._store.write(lambda db: identity.save_certificate(db, data), background=True)
        self._local.identity = replace(who, certificate_bytes=data, certificate=certificate)
        if self._session.state is State.LIVE:
            # The hub says SCOPES for what it has; put back to an old backup, it may not have heard of a scope held here.
            held = await self._store.read(scopes.held)
            await self._let_go([each for each in sorted(held) if not certificate.reads_scope(each)])

    async def _clock_measured(self, offset_ms: int) -> None:
        self._local.clock_offset_ms = offset_ms
        await self._store.write(
            lambda db: identity.save_clock_offset(db, offset_ms, self._world.now_ms()),
            background=True,
        )

    async def _let_go(self, dropped: tuple[Scope, ...] | list[Scope]) -> None:
        for scope in dropped:
            piece = partial(scopes.let_go_piece, scope=scope)
            while not await self._store.write(piece, background=True):
                pass
            self._leaving.add(scope)


def _count_pending(db: sqlite3.Connection) -> int:
    return max(0, log.head(db).seq - identity.read_position(db).acked)
