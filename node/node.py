"""The node: what every surface talks to. It owns the store, the uplink and whatever else works on the store.

Invariant: everything recorded goes through one writer and is durable before its answer leaves; nothing here waits for
the hub. The surfaces see plain values and `Refusal`, never SQL, sockets or the session.
"""

import asyncio
import sqlite3
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self, TypeVar

import structlog
from nacl.signing import SigningKey

from node import selfcheck
from node.alerting.alerts import Alerts
from node.alerting.settings import Alerting
from node.backup import begin_anew, is_copy
from node.callers import Callers
from node.commands import movements
from node.commands.answering import SEALED
from node.commands.movements import Here
from node.commands.noting import Who, note
from node.commands.requests import Answer, Caller, Movement, Refusal
from node.dialling import Dial, over_web_socket
from node.documents import Documents
from node.exceptions.exceptions import Exceptions
from node.housekeeping import Housekeeping
from node.joining import KEY_NAME
from node.live.stream import Stream
from node.live.tailer import Live
from node.metrics import NodeMetrics
from node.people import sessions
from node.people.people import People
from node.reading import Reading
from node.recalls import Recalls
from node.reconciling import Reconciling
from node.replica import DATABASE_NAME, SCHEMA, identity, tokens
from node.replica.identity import NotJoined
from node.replica.kept import NONE_BESIDE_OWN, Kept
from node.replica.retention import Retention
from node.reports.serving import Reports
from node.scanning import Scanning
from node.sealing.details import SealedDetails
from node.sealing.letters import Letters
from node.stocktakes import Stocktakes
from node.uplink import Uplink
from node.workflows import Workflows
from protocol.certificate import Certificate
from protocol.ids import OpId, ReplicaId, Scope
from protocol.notes import Note
from runtime.folder import Folder
from runtime.keys import load_or_create_signing_key
from runtime.store import Store
from runtime.verifier import Verifier
from runtime.version import VERSION
from runtime.world import World

T = TypeVar("T")
_RETENTION: Final = Retention()
_ALERTING: Final = Alerting()
_log = structlog.get_logger(__name__)


class Remembered(NamedTuple):
    """What a node keeps of whoever may call it."""

    tokens: Mapping[bytes, Caller]
    signed_in: sessions.Kept


class Node:
    """One node, open. Made by `open`; `start` connects it to the hub, `close` ends it.

    Surfaces let in whom `callers` knows, record here, read by `reading`, and follow what changes by `live`.
    """

    def __init__(
        self,
        world: World,
        store: Store,
        uplink: Uplink,
        held: Remembered,
        metrics: NodeMetrics,
        verifier: Verifier,
        retention: Retention,
        alerting: Alerting,
    ) -> None:
        self.metrics = metrics
        self.verifier = verifier
        self._world = world
        self._store = store
        self._uplink = uplink
        self.reading = Reading(store, world, uplink, verifier)
        self.reports = Reports(store, world, uplink.local)
        self.live = Live(store, metrics, self.reading.sync, world.now_ms)
        self.callers = Callers(
            self._write, world, held.tokens, self.live.end_revoked, self.live.change, self._here
        )
        self.people = People(
            store, world, uplink.local, self.callers, self._here, self._write, held.signed_in
        )
        self.documents = Documents(store, self._write, self._here)
        self.recalls = Recalls(store, self._write, self._here, uplink.local)
        self.workflows = Workflows(store, self._write, self._here)
        self.stocktakes = Stocktakes(store, self._write, self._here)
        self.scanning = Scanning(store, self._write, self._here)
        self.alerts = Alerts(store, world, uplink.local, alerting, self._write, self._here)
        self.exceptions = Exceptions(store, self._write, self._here)
        self.sealed = SealedDetails(
            uplink.own_keys,
            uplink.rewrapping,
            self._write,
            self._here,
            world,
            uplink.local.keys_changed,
        )
        self.letters = Letters(
            store,
            uplink.own_keys,
            uplink.rewrapping,
            self._write,
            self._here,
            uplink.local,
            world,
        )
        self._housekeeping = Housekeeping(store, world, uplink.local, retention)
        self._reconciling = Reconciling(
            store, uplink.local, self._here, uplink.wake, world.jitter_ms
        )
        self._background: list[asyncio.Task[None]] = []
        self._failure_listeners: list[Callable[[], None]] = []
        self.crashed = False
        """Whether a bug ended the uplink; the daemon then ends too, and is started again by whoever runs it."""

    @classmethod
    async def open(
        cls,
        folder: Folder,
        world: World,
        *,
        tls: ssl.SSLContext | None = None,
        verify_every_h: float = 0.0,
        retention: Retention = _RETENTION,
        alerting: Alerting = _ALERTING,
        kept: Kept = NONE_BESIDE_OWN,
    ) -> Self:
        """Open the node in a folder whose lock the caller holds.

        `tls` is what the hub's certificate is checked by, where the system's authorities are not the ones. Once
        started, it verifies its database every `verify_every_h` hours; 0 is never. `retention` is how long its log goes
        back, `alerting` whom it tells of its stock, `kept` of which locations it keeps movements beside those that it writes.

        Raises:
            NotJoined: the folder holds no node, or not the key that goes with it.
            StoreError: the database cannot be used.
        """
        metrics = NodeMetrics(world.monotonic_s)
        database = folder.path / DATABASE_NAME
        store = await Store.open(database, SCHEMA, observe=metrics.observe_commit)
        try:
            # Before a key is made in a folder that holds no node.
            await store.read(identity.read_identity)
            key = await asyncio.to_thread(load_or_create_signing_key, folder, KEY_NAME)
            verifier = Verifier("node", folder, database, every_h=verify_every_h, world=world)
            dial = over_web_socket(tls)
            node = await cls.over(store, key, world, metrics, dial, verifier, retention, alerting)
            node._uplink.checkpoints.outside = folder
            node.keep_history_of(kept)
            return node
        except BaseException:
            await store.close()
            raise

    @classmethod
    async def over(
        cls,
        store: Store,
        key: SigningKey,
        world: World,
        metrics: NodeMetrics,
        dial: Dial,
        verifier: Verifier,
        retention: Retention = _RETENTION,
        alerting: Alerting = _ALERTING,
    ) -> Self:
        """A node over an open store, which it closes in the end.

        Raises:
            NotJoined: the store holds no node, or not the one of this key.
        """
        who = await store.read(identity.read_identity)
        # First of all: a copy forgets the key that it carries when it becomes a node, and that may be the only one.
        if bytes(key.verify_key) != who.certificate.public_key:
            raise NotJoined(f"the key in {KEY_NAME} is not the one this node was enrolled with")
        if await store.read(is_copy):
            replica = ReplicaId(world.random_bytes(16))
            await store.write(lambda db: begin_anew(db, replica))
            _log.warning("this is a backup put in place by hand: it continues as a new replica")
        position = await store.read(identity.read_position)
        held = await store.read(lambda db: Remembered(tokens.read_all(db), sessions.read(db)))
        uplink = Uplink(store, world, key, who, position, metrics, dial)
        return cls(world, store, uplink, held, metrics, verifier, retention, alerting)

    def keep_history_of(self, kept: Kept) -> None:
        """Keep these locations' movements too; fetched from the next session with the hub on."""
        self._uplink.local.kept = kept

    async def start(self) -> None:
        """Begin to reach for the hub, to forget what is too old and to verify; returns at once."""
        self._uplink.start(self._uplink_crashed)
        self.live.start()
        self._reconciling.start()
        self.alerts.start()
        self.exceptions.watching.start()
        await self.people.start()
        self._background = [
            asyncio.create_task(self._housekeeping.run(), name="housekeeping"),
            asyncio.create_task(self._uplink.checkpoints.run(), name="signing"),
            asyncio.create_task(self.verifier.run(), name="verifier"),
            asyncio.create_task(self.scanning.keep_whole(), name="index"),
        ]

    async def close(self) -> None:
        """Leave the hub, finish what is queued, close the store."""
        await self.live.stop()
        await self._reconciling.stop()
        await self._uplink.stop()
        await self.alerts.stop()
        await self.exceptions.watching.stop()
        await self.people.stop()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._store.close()

    async def check(self) -> bool:
        """Look at the newest operations and at the clock before serving; whether all is well.

        Raises: StoreUnavailable for a log that cannot be continued; the node is closed then.
        """
        try:
            return await selfcheck.check(self._store, self._world)
        except BaseException:
            await self._store.close()
            raise

    def on_failure(self, listener: Callable[[], None]) -> None:
        """Have `listener()` called once this node must end: a failed fsync, a damaged file, or a bug in the uplink."""
        self._store.on_broken(listener)
        self._failure_listeners.append(listener)

    @property
    def writable(self) -> bool:
        """Whether the store takes writes, as far as is known."""
        return self._store.broken is None

    @property
    def world(self) -> World:
        """Its clocks and chance."""
        return self._world

    @property
    def database(self) -> Path:
        """Its file, in the data folder."""
        return self._store.path

    @property
    def certificate(self) -> Certificate:
        """What the hub says that this node is."""
        return self._uplink.local.identity.certificate

    async def is_ready(self) -> bool:
        """Whether what is sold now can be recorded; after a full disk, once a write has succeeded again."""
        return await self._store.takes_writes()

    async def show_metrics(self) -> None:
        """Bring the gauges up to date that are true only at a moment."""
        self.metrics.show(await self.reading.figures())
        self.metrics.show_alerts(await self.alerts.figures())

    async def log_start(self) -> None:
        """Write into the log which node this is."""
        position = await self._store.read(identity.read_position)
        _log.info(
            "the node starts",
            version=VERSION,
            folder=str(self.database.parent.absolute()),
            node=self._uplink.local.identity.certificate.name,
            hub=self._uplink.local.identity.hub_url,
            replica=position.replica.hex(),
            epoch=None if position.epoch is None else position.epoch.hex(),
        )

    # --- recording -------------------------------------------------------------------------------------------------

    async def record(self, caller: Caller, movement: Movement, key: str) -> Answer:
        """Record a movement; see `commands.movements.record`. Durable on return."""
        if SEALED in movement.details:
            return await self._record_sealed(caller, movement, key)
        return self._counted(
            await self._write(lambda db: movements.record(db, self._here(), caller, movement, key))
        )

    async def record_batch(
        self, caller: Caller, items: Sequence[tuple[str, Movement] | Refusal]
    ) -> list[Answer | Refusal]:
        """Record several movements in one transaction, in order. Durable on return."""
        has_sealed = any(isinstance(one, tuple) and SEALED in one[1].details for one in items)
        if has_sealed:
            items = [await self.sealed.sealed_item(caller, item) for item in items]
        recorded = await self._write(
            lambda db: movements.record_batch(db, self._here(), caller, items)
        )
        for each in recorded:
            if isinstance(each, Answer):
                self._counted(each)
        if has_sealed:
            self._uplink.local.keys_changed()
        return recorded

    async def reverse(
        self, caller: Caller, movement_id: bytes, key: str, *, witness: str | None = None
    ) -> Answer:
        """Append the opposite of a movement; see `commands.movements.reverse`. Durable on return."""
        id_ = OpId(movement_id)
        return self._counted(
            await self._write(
                lambda db: movements.reverse(db, self._here(), caller, id_, key, witness=witness)
            )
        )

    async def note(self, caller: Caller, told: Note) -> None:
        """Note what somebody did here that is no movement and no edit; see `commands.noting`. Durable on return."""
        await self._write(lambda db: note(db, self._here(), Who(caller.by, caller.name), told))

    # --- live ------------------------------------------------------------------------------------------------------

    async def open_stream(
        self,
        credential: bytes,
        wanted: frozenset[Scope] | None,
        has_gone: Callable[[], bool],
    ) -> Stream:
        """Make a live stream of the wanted scopes, None for everything shown; see `Live.open`.

        Raises:
            Refusal: `forbidden` for a scope that this node does not read; `unauthenticated` when the token was
                revoked meanwhile; `rate_limited`, `unavailable`.
        """
        if wanted is not None:
            await self.reading.require_read(wanted)
        now = self.callers.who(credential)
        if now is None:
            raise Refusal("unauthenticated", "the token was revoked")
        return self.live.open(now, credential, wanted, has_gone)

    # --- private ---------------------------------------------------------------------------------------------------

    async def _record_sealed(self, caller: Caller, movement: Movement, key: str) -> Answer:
        item = await self.sealed.sealed(caller, movement, key)
        answer = await self._write(lambda db: movements.record(db, self._here(), caller, item, key))
        self._uplink.local.keys_changed()
        return self._counted(answer)

    def _counted(self, answer: Answer) -> Answer:
        if answer.replayed:
            self.metrics.repeats.inc()
        return answer

    def _uplink_crashed(self) -> None:
        self.crashed = True
        for listener in self._failure_listeners:
            listener()

    async def _write(
        self,
        transaction: Callable[[sqlite3.Connection], T],
        *,
        background: bool = False,
        committed: Callable[[T], object] = lambda _: None,
    ) -> T:
        # The uplink is told by the writer, not by this caller, who may be cancelled between commit and answer.
        def told(found: T) -> None:
            self._uplink.wake()
            committed(found)

        return await self._store.write(transaction, background=background, committed=told)

    def _here(self) -> Here:
        local = self._uplink.local
        return Here(
            local.identity.chain,
            local.replica,
            local.identity.rights,
            local.clock_offset_ms,
            self._world.now_ms(),
        )
