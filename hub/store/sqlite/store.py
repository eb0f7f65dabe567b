"""The SQLite store: `HubStore` over runtime's one writer.

Invariant: every method is one transaction. What the hub holds in memory about rows it learns from `listen`, after the
commit and in its order.
"""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final, Self

from hub.store.fleet import Access, Grant, NewCode, NodeRecord, Redeemed, Redemption
from hub.store.interface import (
    Change,
    Committed,
    Counts,
    Fenced,
    History,
    Opened,
    Opening,
    Push,
    QuarantinedOperation,
    ScopeDigest,
    Standing,
    SteppedBack,
)
from hub.store.records import (
    BackupRecord,
    HeldCredential,
    KnownDeparture,
    Replacement,
    Retirement,
    VerifiedBackup,
)
from hub.store.sqlite import (
    backups,
    codes,
    credentials,
    departures,
    feed,
    ledger,
    nodes,
    questions,
    sealed,
    sessions,
    trail,
    witness,
)
from hub.store.sqlite.commit import commit
from hub.store.trail import Place, TrailPage
from hub.store.witness import HubNote, KeptCheckpoint
from protocol.audit import Wanted
from protocol.checkpoint import Checkpoint
from protocol.frames.feed import Page
from protocol.frames.keys import Keys
from protocol.frames.log import StatusEntry
from protocol.frames.repair import Buckets, Claimed, Digests, Ledger
from protocol.ids import (
    ChainHash,
    ChainId,
    Epoch,
    HubSeq,
    Location,
    NodeId,
    OpId,
    ReplicaId,
    Scope,
    Seq,
)
from protocol.sealed_keys import RecordKey
from runtime.migrations import load_schema
from runtime.queries import load_queries
from runtime.store import Store

SCHEMA: Final = load_schema(Path(__file__).parent)
SQL: Final = load_queries(__file__, "store.sql")
READERS: Final = 2
"""Pages are read while the writer works; more readers would only wait for the processor."""


class SqliteHubStore:
    """See `HubStore`; opened by `open`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners: list[Callable[[Change], None]] = []

    @classmethod
    async def open(cls, path: Path, *, observe: Callable[[int, float], None] | None = None) -> Self:
        """Open the database, bringing an older one to the present schema; the caller holds the folder's lock."""
        return cls(await Store.open(path, SCHEMA, reader_count=READERS, observe=observe))

    async def found(self, chain: ChainId, epoch: Epoch) -> None:
        """Write down, once, which chain this is."""
        rows = [{"key": "chain", "value": chain}, {"key": "epoch", "value": epoch}]

        def write(db: sqlite3.Connection) -> None:
            db.executemany(SQL["found"], rows)

        await self._store.write(write)

    def on_broken(self, listener: Callable[[], None]) -> None:
        """Have `listener()` called once nothing can be stored until restart: a failed fsync, a damaged file."""
        self._store.on_broken(listener)

    async def takes_writes(self) -> bool:
        """Whether what is pushed now can be stored; after a full disk, once a write has succeeded again."""
        return await self._store.takes_writes()

    @property
    def path(self) -> Path:
        """The database's file."""
        return self._store.path

    @property
    def is_writable(self) -> bool:
        """False when a failed disk has ended writing until restart."""
        return self._store.broken is None

    def listen(self, listener: Callable[[Change], None]) -> None:
        """See `HubStore`."""
        self._listeners.append(listener)

    async def history(self) -> History:
        """See `HubStore`."""
        return await self._store.read(feed.read_history)

    async def commit(self, push: Push) -> Committed | SteppedBack | Fenced:
        """See `HubStore`."""
        return await self._store.write(lambda db: commit(db, push), committed=self._tell)

    async def standing(self, replica: ReplicaId, cursors: Collection[HubSeq]) -> Standing:
        """See `HubStore`."""
        return await self._store.read(lambda db: sessions.read_standing(db, replica, cursors))

    async def open_session(self, opening: Opening) -> Opened:
        """See `HubStore`."""
        return await self._store.write(lambda db: sessions.open_session(db, opening))

    async def quarantined_of(self, replica: ReplicaId, after: Seq, limit: int) -> list[StatusEntry]:
        """See `HubStore`."""
        return await self._store.read(
            lambda db: sessions.read_quarantined(db, replica, after, limit)
        )

    async def claim(self, node: NodeId, op_ids: Sequence[OpId]) -> Claimed:
        """See `HubStore`."""
        return await self._store.read(lambda db: questions.read_claim(db, node, op_ids))

    async def digests(self, scopes: Sequence[Scope]) -> Digests:
        """See `HubStore`."""
        return await self._store.read(lambda db: questions.read_digests(db, scopes))

    async def buckets(self, scope: Scope) -> Buckets:
        """See `HubStore`."""
        return await self._store.read(lambda db: questions.read_buckets(db, scope))

    async def bucket_rows(self, scope: Scope, buckets: bytes, base: HubSeq) -> Page:
        """See `HubStore`."""
        return await self._store.read(
            lambda db: questions.read_bucket_rows(db, scope, buckets, base)
        )

    async def ledger(self, location: Location, but: ReplicaId, after: int, limit: int) -> Ledger:
        """See `HubStore`."""
        return await self._store.read(
            lambda db: questions.read_ledger(db, location, but, after, limit)
        )

    async def keep_keys(
        self, node: NodeId, announcement: bytes, location: Location, keys: Sequence[RecordKey]
    ) -> None:
        """See `HubStore`."""
        await self._store.write(
            lambda db: sealed.keep_keys(db, node, announcement, location, keys), background=True
        )

    async def keys(self, location: Location, after: int) -> Keys:
        """See `HubStore`."""
        return await self._store.read(lambda db: sealed.read_keys(db, location, after))

    async def keep_recovery_key(self, public: bytes) -> None:
        """See `HubStore`."""
        await self._store.write(lambda db: sealed.keep_recovery_key(db, public))

    async def note_seen(self, node: NodeId, pending: int | None, now_ms: int) -> None:
        """See `HubStore`."""
        await self._store.write(
            lambda db: sessions.note_seen(db, node, pending, now_ms), background=True
        )

    async def page(self, scope: Scope, base: HubSeq) -> Page:
        """See `HubStore`."""
        return await self._store.read(lambda db: feed.read_page(db, scope, base))

    async def digest(self, scope: Scope) -> ScopeDigest:
        """See `HubStore`."""
        return await self._store.read(lambda db: feed.read_digest(db, scope))

    async def node(self, node: NodeId) -> NodeRecord | None:
        """See `HubStore`."""
        return await self._store.read(lambda db: nodes.read_node(db, node))

    async def nodes(self) -> list[NodeRecord]:
        """See `HubStore`."""
        return await self._store.read(nodes.read_nodes)

    async def add_code(self, code: NewCode) -> None:
        """See `HubStore`."""
        await self._store.write(lambda db: codes.add_code(db, code))

    async def redeem(self, redemption: Redemption) -> Redeemed:
        """See `HubStore`."""
        return await self._store.write(lambda db: codes.redeem(db, redemption))

    async def change_access(self, access: Access) -> Grant:
        """See `HubStore`."""
        return await self._store.write(lambda db: nodes.change_access(db, access))

    async def retire(self, retirement: Retirement) -> Grant:
        """See `HubStore`."""
        return await self._store.write(lambda db: departures.retire(db, retirement))

    async def departures(self) -> dict[NodeId, bytes]:
        """See `HubStore`."""
        return await self._store.read(departures.read_departures)

    async def keep_departures(self, kept: Sequence[KnownDeparture], now_ms: int) -> None:
        """See `HubStore`."""
        await self._store.write(lambda db: departures.keep(db, kept, now_ms))

    async def people_held(self, node: NodeId) -> list[str]:
        """See `HubStore`."""
        return await self._store.read(lambda db: credentials.held_by(db, node))

    async def to_reset(self, node: NodeId) -> list[HeldCredential]:
        """See `HubStore`."""
        return await self._store.read(lambda db: departures.to_reset(db, node))

    async def replacements(self) -> list[Replacement]:
        """See `HubStore`."""
        return await self._store.read(departures.read_replacements)

    async def record_backup(self, backup: VerifiedBackup) -> None:
        """See `HubStore`."""
        await self._store.write(lambda db: backups.record(db, backup))

    async def stable(self) -> dict[ReplicaId, Seq]:
        """See `HubStore`."""
        return await self._store.read(backups.read_stable)

    async def backups(self, limit: int) -> list[BackupRecord]:
        """See `HubStore`."""
        return await self._store.read(lambda db: backups.read_newest(db, limit))

    async def begin_again(self, epoch: Epoch) -> int:
        """See `HubStore`."""
        return await self._store.write(lambda db: backups.begin_again(db, epoch))

    async def quarantine(self, after: int, limit: int) -> list[QuarantinedOperation]:
        """See `HubStore`."""
        return await self._store.read(lambda db: ledger.read_quarantine(db, after, limit))

    async def add_note(self, note: HubNote) -> None:
        """See `HubStore`."""
        await self._store.write(lambda db: witness.add_note(db, note))

    async def epoch(self) -> Epoch:
        """See `HubStore`."""
        return await self._store.read(feed.read_epoch)

    async def make_checkpoint(
        self, sign: Callable[[Checkpoint], bytes], now_ms: int, every_ms: int
    ) -> bool:
        """See `HubStore`."""
        return await self._store.write(
            lambda db: witness.make_checkpoint(db, sign, now_ms, every_ms), background=True
        )

    async def checkpoint(self, number: int) -> bytes | None:
        """See `HubStore`."""
        return await self._store.read(lambda db: witness.read_checkpoint(db, number))

    async def checkpoints(self, after: int, limit: int) -> list[KeptCheckpoint]:
        """See `HubStore`."""
        return await self._store.read(lambda db: witness.read_checkpoints(db, after, limit))

    async def log_end(self, replica: ReplicaId) -> tuple[Seq, ChainHash]:
        """See `HubStore`."""
        return await self._store.read(lambda db: witness.read_log_end(db, replica))

    async def keep_head(self, replica: ReplicaId, seq: Seq, record: bytes) -> None:
        """See `HubStore`."""
        await self._store.write(
            lambda db: witness.keep_head(db, replica, seq, record), background=True
        )

    async def operations_trail(
        self, wanted: Wanted, node: NodeId | None, place: Place | None, limit: int
    ) -> TrailPage:
        """See `HubStore`."""
        return await self._store.read(
            lambda db: trail.read_operations(db, wanted, node, place, limit)
        )

    async def notes_trail(self, wanted: Wanted, place: Place | None, limit: int) -> TrailPage:
        """See `HubStore`."""
        return await self._store.read(lambda db: trail.read_notes(db, wanted, place, limit))

    async def counts(self, now_ms: int) -> Counts:
        """See `HubStore`."""
        return await self._store.read(lambda db: ledger.read_counts(db, now_ms))

    async def close(self) -> None:
        """See `HubStore`."""
        await self._store.close()

    def _tell(self, result: Committed | SteppedBack | Fenced) -> None:
        if isinstance(result, Committed) and result.change is not None:
            for listener in self._listeners:
                listener(result.change)
