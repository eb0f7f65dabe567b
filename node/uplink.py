"""The uplink: a node's standing effort to be connected to the hub.

Invariant: coming back is a timer with full jitter, never an event, and never ends while the node runs; no failure of
the hub or of the line reaches a till. A wait doubles up to a minute, is never longer than the hub has been away already,
and starts afresh after a steady session.
"""

import asyncio
import sqlite3
import traceback
from collections.abc import Callable

import structlog
from nacl.signing import SigningKey

from node.checkpoints import CheckpointKeeper
from node.dialling import Dial
from node.hub_link import BesideTheLog, HubLink
from node.local import Local
from node.metrics import NodeMetrics
from node.replica import departures, identity, log, recovery, rows, scopes
from node.replica.identity import NodeIdentity, Position
from node.sealing.keeping import Keeping
from node.sealing.own_keys import OwnKeys
from node.sealing.rewrapping import Rewrapping
from protocol.departure import digest
from protocol.errors import Code, ProtocolError
from protocol.frames.handshake import Close, Hello
from protocol.ids import ReplicaId
from protocol.limits import RETRY_FIRST_S, RETRY_LAST_S, STEADY_AFTER_S
from protocol.session.node import Identity, NodeSession
from protocol.wire import FEATURES, VERSIONS
from runtime.store import Store, StoreError
from runtime.version import SOFTWARE
from runtime.world import World

_log = structlog.get_logger(__name__)
_AT_ONCE = Close(Code.NEW_REPLICA_REQUIRED, "the log continues under a new replica", 0)
ASKED_BACK = frozenset({Code.BUSY, Code.RESTARTING})
"""From the hub, these are no failures: it is there, and has said when it has time."""


class Uplink:
    """Keeps one session with the hub open, or tries to. Made stopped."""

    def __init__(
        self,
        store: Store,
        world: World,
        key: SigningKey,
        who: NodeIdentity,
        position: Position,
        metrics: NodeMetrics,
        dial: Dial,
    ) -> None:
        self._store = store
        self._world = world
        self._key = key
        self._metrics = metrics
        self._dial = dial
        self._boot = world.random_bytes(16)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._hub_is_there = False
        self.local = Local(who, position.replica, position.clock_offset_ms)
        self.own_keys = OwnKeys(store, world, key, self.local)
        self.rewrapping = Rewrapping(store, world, self.local, self.own_keys)
        self.checkpoints = CheckpointKeeper(store, world, key, self.local, self.wake)

    @property
    def connected(self) -> bool:
        """Whether a session is open and both sides agree where they stand."""
        return self.local.connected

    def start(self, when_crashed: Callable[[], None]) -> None:
        """Begin; returns at once. `when_crashed()` is called if a bug ends it: selling unsynced would not be noticed."""
        assert self._task is None, "started once"

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                # Places only: to print the lines as well would read files on the event loop.
                frames = traceback.walk_tb(error.__traceback__)
                where = [f"{frame.f_code.co_filename}:{line}" for frame, line in frames]
                _log.critical("the uplink has crashed", error=repr(error), where=where)
                when_crashed()

        self._task = asyncio.create_task(self._run(), name="uplink")
        self._task.add_done_callback(ended)

    async def stop(self) -> None:
        """End the session and every try; what was not sent waits in the log."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Something was recorded: send it now if a session is open."""
        self._wake.set()

    async def _run(self) -> None:
        failures, there_s = 0, self._world.monotonic_s()
        while True:
            began_s = self._world.monotonic_s()
            close = await self._try()
            now_s = self._world.monotonic_s()
            lasted_s = now_s - began_s
            there_s = now_s if self._hub_is_there else there_s
            failures = failures_after(failures, lasted_s, hub_is_there=self._hub_is_there)
            if close is not _AT_ONCE:
                longest_ms = longest_wait_ms(failures, away_s=now_s - there_s)
                jitter_ms = self._world.jitter_ms(longest_ms)
                await asyncio.sleep((close.retry_ms + jitter_ms) / 1000)

    async def _try(self) -> Close:
        """One session, from connecting to its end; whatever ends it comes back as a Close."""
        is_fault = True
        try:
            close = await self._session()
            is_fault = False
        except ProtocolError as error:
            close = Close(error.code, error.detail, 0)
        except rows.FeedGap as error:
            close = Close(Code.GAP, str(error), 0)
        except StoreError as error:
            close = Close(Code.BUSY, f"this node's store cannot take it in: {error}", 0)
        except TimeoutError:
            is_fault = False
            close = Close(
                Code.TIMED_OUT, f"{self.local.identity.hub_url} does not answer in time", 0
            )
        except OSError as error:
            is_fault = False
            close = Close(Code.UNREACHABLE, f"nobody answers at {self.local.identity.hub_url}", 0)
            _log.debug("connecting failed", error=repr(error))
        finally:
            was_live, self.local.connected = self.local.connected, False
            self.local.heard_all = False
            self._metrics.connected.set(0)
            self._metrics.feed_lag.lost()
        # What one side cannot take from the other will come again: that is no session to forgive failures for.
        self._hub_is_there = not is_fault and (was_live or close.code in ASKED_BACK)
        self._metrics.session_ends[close.code].inc()
        if close.code is Code.NEW_REPLICA_REQUIRED:
            return await self._begin_replica(close)
        await self._note_error(close)
        return close

    async def _session(self) -> Close:
        hello = await self._store.read(self._hello)
        who = self.local.identity
        trusted = Identity(who.certificate_bytes, self._key, who.chain, who.hub_public_key)
        session = NodeSession(trusted, hello, self._world.random_bytes(32))
        async with self._dial(who.hub_url) as line:
            keeping = Keeping(
                self._store, self.local, self.own_keys, self.rewrapping, self._world.monotonic_s
            )
            link = HubLink(
                line,
                session,
                self._store,
                self._world,
                self.local,
                self._metrics,
                self._wake,
                BesideTheLog(keeping, self.checkpoints),
            )
            return await link.run()

    def _hello(self, db: sqlite3.Connection) -> Hello:
        position = identity.read_position(db)
        cursor, exceptions = scopes.cursors(db)
        return Hello(
            replica=position.replica,
            boot=self._boot,
            versions=VERSIONS,
            features=FEATURES,
            software=SOFTWARE,
            last_seq=log.head(db).seq,
            log_base=log.base(db),
            acked_seen=position.acked,
            epoch=position.epoch,
            cursor=cursor,
            exceptions=exceptions,
            status_seen=position.status_seen,
            clock_ms=self._world.now_ms(),
            departed=digest(departures.read_all(db).values()),
            head=identity.read_head_seen(db),
        )

    async def _begin_replica(self, close: Close) -> Close:
        replica = ReplicaId(self._world.random_bytes(16))
        try:
            await self._store.write(lambda db: recovery.begin_replica(db, replica))
        except StoreError as error:
            _log.warning("a new replica could not be begun", reason=str(error))
            return close
        _log.warning(
            "the log continues under a new replica", reason=close.detail, replica=replica.hex()
        )
        self.local.replica = replica
        # The hub let the node in as far as its log: what an earlier session ended with, such as `revoked`, holds no more.
        self.local.last_error = None
        self._metrics.replicas.inc()
        return _AT_ONCE

    async def _note_error(self, close: Close) -> None:
        error = f"{close.code}: {close.detail}"
        _log.info("the session with the hub ended", reason=error)
        if error != self.local.last_error:
            self.local.last_error = error
            try:
                await self._store.write(
                    lambda db: identity.save_error(db, error, self._world.now_ms()), background=True
                )
            except StoreError as failure:
                _log.warning("the reason could not be kept", reason=str(failure))


def longest_wait_ms(failures: int, *, away_s: float) -> int:
    """The bound that a wait is drawn below, on top of what the hub asked for: it doubles up to a minute.

    A hub that has been away for `away_s` is waited for as long again at most: whoever drew short waits, and so failed
    often within a short while, would otherwise be back long after all others.
    """
    doubled_s = RETRY_FIRST_S * 2.0 ** min(failures, 10)
    return int(1000 * min(RETRY_LAST_S, doubled_s, max(RETRY_FIRST_S, away_s)))


def failures_after(failures: int, lasted_s: float, *, hub_is_there: bool) -> int:
    """How many failures the next wait goes by.

    A steady session forgives all. One that came about and broke soon forgives half, and so does a hub that asks to come
    back later: it is there, but one that falls over again and again must not find everybody at its door at once.
    """
    if not hub_is_there:
        return failures + 1
    return 0 if lasted_s >= STEADY_AFTER_S else failures // 2
