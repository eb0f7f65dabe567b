"""One connection to the hub: it carries out what the node's half of the session decides.

Invariant: actions are carried out in the order given. Pages, acknowledgements and CAUGHT_UP are stored in the order they
came, by the intake, while the next frames are read; whatever else an action stores or asks of the store comes after all
of them and is done before the next frame is looked at. So the cursor is never ahead of the rows.
"""

import asyncio
import itertools
import sqlite3
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

import structlog

from node import departing, setbacks
from node.checkpoints import CheckpointKeeper
from node.claiming import Claiming
from node.feeding import Feeding
from node.inquiry import Ends, Inquiry
from node.intake import Intake
from node.local import Local, take_certificate, take_clock_offset, take_let_go
from node.metrics import NodeMetrics
from node.pulling import Pulling
from node.reach import Reach
from node.repairing import Repairing
from node.replica import identity, log, resuming
from node.sealing.keeping import Keeping
from protocol.errors import Code, ProtocolError
from protocol.frames.handshake import Close, Welcome
from protocol.ids import ChainHash, Scope, Seq
from protocol.limits import (
    BATCH_OPERATIONS_MAX,
    CHECKPOINT_EVERY_S,
    CLOCK_EXCHANGE_S,
    HANDSHAKE_S_MAX,
)
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
    StoreCheckpoints,
    StoreDepartures,
    StorePage,
    StoreQuarantined,
    StoreScopes,
    Welcomed,
)
from protocol.wire import CHECKPOINTS, SEALED
from runtime.line import Line, TextReceived
from runtime.store import Store
from runtime.world import World

_EXCHANGES_A_CHECKPOINT: Final = round(CHECKPOINT_EVERY_S / CLOCK_EXCHANGE_S)
_IN_PASSING: Final = (Send, StoreAcknowledged, StorePage, StoreCaughtUp)
"""What does not wait until all that came before is stored."""

_log = structlog.get_logger(__name__)


class BesideTheLog(NamedTuple):
    """What a session exchanges with the hub that is no part of the log."""

    keys: Keeping
    """Those of sealed records."""
    checkpoints: CheckpointKeeper
    """What either side signed of its history."""


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
        beside: BesideTheLog,
    ) -> None:
        self._line = line
        self._session = session
        self._store = store
        self._world = world
        self._local = local
        self._metrics = metrics
        self._wake = wake
        self._keeping, self._checkpoints = beside
        self._hub_witnesses = False
        """Whether the hub takes this log's signed head, and tells its checkpoints."""
        self._closed: Close | None = None
        self._intake = Intake(store)
        self._inquiry = self._new_inquiry()
        self._feeding = Feeding(self._intake, self._inquiry, metrics, world, local)
        self._reach = Reach(store, self._intake, local)

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
        pulling = Pulling(self._store, self._local, ends)
        askers = (claiming, repairing, self._keeping, pulling)
        self._local.look_at_keys = wake.set
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
        for exchange in itertools.count(1):
            await asyncio.sleep(CLOCK_EXCHANGE_S)
            if self._session.state is State.LIVE:
                pending = await self._store.read(_count_pending)
                await self._carry_out(self._session.ping(self._world.now_ms(), pending))
                if exchange % _EXCHANGES_A_CHECKPOINT == 0:
                    await self._tell_head()

    async def _tell_head(self) -> None:
        if self._hub_witnesses:
            head, newest = await self._checkpoints.own_head(), await self._checkpoints.newest()
            await self._carry_out(self._session.tell_head(head, newest))

    async def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            await self._do(action)

    async def _do(self, action: Action) -> None:  # noqa: C901, PLR0912, PLR0915 - one case for each action of the session
        if not isinstance(action, _IN_PASSING):
            await self._intake.drain()
        match action:
            case Send(data):
                await self._line.send(data)
            case StoreAcknowledged():
                self._wake.set()
                await self._feeding.acknowledged(action)
                await self._reach.acknowledged()
            case StorePage(page):
                await self._feeding.page(page)
            case StoreCaughtUp(caught_up):
                await self._feeding.caught_up(caught_up)
            case Welcomed(welcome, clock_offset_ms):
                await self._welcomed(welcome, clock_offset_ms)
            case CompareLog(acked, chain):
                await self._compare(acked, chain)
            case StoreScopes(changed):
                await self._reach.begin(changed.add)
                self._inquiry.scopes_begun(changed.add)
                await self._reach.let_go(changed.drop)
            case StoreQuarantined(entries):
                await setbacks.set_aside(self._store, self._world, entries)
            case StoreCertificate(certificate):
                await self._take_certificate(certificate)
            case StoreDepartures(records):
                await departing.keep(self._store, self._local.identity, records)
            case StoreCheckpoints(told):
                await self._checkpoints.take(told)
            case ClockMeasured(offset_ms):
                await take_clock_offset(self._store, self._world, self._local, offset_ms)
            case Answered(answer):
                await self._inquiry.answered(answer)
            case StartNewReplica(detail, history_gap):
                if history_gap:
                    await setbacks.note_gap(self._store, self._world, detail)
                self._closed = Close(Code.NEW_REPLICA_REQUIRED, detail, 0)
            case Ended(close, proved):
                self._closed = close
                if proved and close.code is Code.RETIRED:
                    await take_let_go(self._store, self._world, self._local)

    async def _welcomed(self, welcome: Welcome, clock_offset_ms: int) -> None:
        def take_up(db: sqlite3.Connection) -> tuple[set[Scope], LocalLog]:
            local_log = resuming.take_up(db, welcome, clock_offset_ms, self._world.now_ms())
            return self._reach.resume(db, welcome), local_log

        gone, local_log = await self._store.write(take_up, background=True)
        self._metrics.feed_lag.begin_session(welcome.epoch)
        self._local.clock_offset_ms = clock_offset_ms
        self._local.identity = replace(self._local.identity, let_go_at_ms=None)
        await self._go_on(welcome.acked, welcome.chain, local_log)
        untold = await departing.unknown_to(self._store, welcome.departed)
        await self._carry_out(self._session.tell_departures(untold))
        await self._reach.let_go(sorted(gone))
        self._keeping.begin(welcome.epoch, is_offered=SEALED in welcome.features)
        self._inquiry.begin(welcome.features)
        self._hub_witnesses = CHECKPOINTS in welcome.features
        await self._tell_head()

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

    async def _take_certificate(self, data: bytes) -> None:
        is_news = await take_certificate(self._store, self._local, data)
        if is_news and self._session.state is State.LIVE:
            await self._reach.let_go_unread()
            self._local.keys_changed()  # the chain may have a recovery key since


def _count_pending(db: sqlite3.Connection) -> int:
    return max(0, log.head(db).seq - identity.read_position(db).acked)
