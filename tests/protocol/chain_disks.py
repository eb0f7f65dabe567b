"""The disks of `chain_model`: what a hub and a node store, with the merge that is `protocol`'s.

Invariant: a disk is changed by one frame or one record at a time, whole; a copy of it is independent.
"""

import itertools
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from protocol import chain, documents, merge, operation
from protocol.chain import CHAIN_START
from protocol.documents import EMPTY, Document
from protocol.effects import CounterEffect, CounterKey, DocumentKey, FieldEffect, scopes_of
from protocol.errors import Code
from protocol.frames.feed import Page
from protocol.frames.log import Operations
from protocol.ids import NO_SALT, ChainHash, Epoch, HubSeq, OpId, ReplicaId, Salt, Scope, Seq
from protocol.merge import NO_ENTRY, Entry
from protocol.operation import Operation
from protocol.rows import CounterRow, DocumentRow, Row

SCOPES = (Scope("stock:S01"), Scope("stock:S02"), Scope("docs:S01"))
Key = CounterKey | DocumentKey
_fresh = itertools.count(1)


def fresh(length: int = 16) -> bytes:
    """Bytes that nobody has had before."""
    return next(_fresh).to_bytes(length)


@dataclass
class Log:
    """What the hub has of one replica; bodies are only ever added."""

    session: bytes = b""
    boot: bytes | None = None
    bodies: tuple[bytes, ...] = ()
    chain: ChainHash = CHAIN_START


@dataclass
class HubDisk:
    """What the hub has stored."""

    epoch: Epoch
    head: int = 0
    logs: dict[ReplicaId, Log] = field(default_factory=dict)
    counted: dict[OpId, Operation] = field(default_factory=dict)
    entries: dict[CounterKey, dict[ReplicaId, Entry]] = field(default_factory=dict)
    documents: dict[DocumentKey, Document] = field(default_factory=dict)
    changed: dict[Key, HubSeq] = field(default_factory=dict)
    writers: dict[Scope, frozenset[ReplicaId]] = field(default_factory=dict)
    salts: dict[HubSeq, Salt] = field(default_factory=lambda: {HubSeq(0): NO_SALT})

    def copied(self) -> Self:
        """A backup."""
        other = copy(self)
        other.logs = {replica: copy(log) for replica, log in self.logs.items()}
        other.entries = {key: dict(entries) for key, entries in self.entries.items()}
        other.counted, other.changed = dict(self.counted), dict(self.changed)
        other.documents = dict(self.documents)
        other.writers, other.salts = dict(self.writers), dict(self.salts)
        return other

    def total(self, key: CounterKey) -> int:
        """What the hub shows."""
        return merge.total(self.entries.get(key, {}))

    def page(self, scope: Scope, base: int, limit: int) -> Page:
        """The scope's rows after `base`, at most `limit`."""
        after = [key for key, at in self.changed.items() if at > base]
        every = map(self._row, sorted(after, key=self.changed.__getitem__))
        rows = [row for row in every if scope in row.scopes]
        more, kept = len(rows) > limit, tuple(rows[:limit])
        to = kept[-1].hub_seq if more else HubSeq(max(self.head, base))
        inside = {
            replica: Seq(len(self.logs[replica].bodies)) for replica in self.writers.get(scope, ())
        }
        return Page(
            scope,
            HubSeq(base),
            to,
            self.salts.get(to, NO_SALT),
            more,
            dict(sorted(inside.items())),
            kept,
        )

    def _row(self, key: Key) -> Row:
        at = self.changed[key]
        if isinstance(key, CounterKey):
            return CounterRow(*key, at, self.total(key))
        return DocumentRow(*key, at, self.documents[key])

    def take(self, replica: ReplicaId, batch: Operations) -> Code | None:
        """Commit a batch; else why it does not continue the log."""
        log = self.logs[replica]
        acked = len(log.bodies)
        if batch.first != acked + 1:
            return Code.GAP if batch.first > acked + 1 else Code.REWIND
        if batch.prev != log.chain:
            return Code.FORK
        touched: dict[Key, None] = {}
        for seq, item in enumerate(batch.items, start=batch.first):
            fact = operation.decode(item.body)
            for effect in fact.effects:
                for scope in scopes_of(effect):
                    self.writers[scope] = self.writers.get(scope, frozenset()) | {replica}
            if self.counted.setdefault(fact.op_id, fact) is fact:
                touched |= dict.fromkeys(self._fold(replica, Seq(seq), fact))
        bodies = [item.body for item in batch.items]
        log.bodies, log.chain = (*log.bodies, *bodies), chain.extend_all(log.chain, bodies)
        salt = Salt(fresh(8))
        for key in touched:
            self.head += 1
            self.changed[key], self.salts[HubSeq(self.head)] = HubSeq(self.head), salt
        return None

    def _fold(self, replica: ReplicaId, seq: Seq, fact: Operation) -> Iterator[Key]:
        for effect in fact.effects:
            if isinstance(effect, CounterEffect):
                row = self.entries.setdefault(effect.key, {})
                row[replica] = merge.extend(row.get(replica, NO_ENTRY), seq, effect.delta)
            else:
                held = self.documents.get(effect.key, EMPTY)
                self.documents[effect.key] = documents.apply(held, [effect])
            yield effect.key


class Held(NamedTuple):
    """A row as a node keeps it; `at` 0: of the hub's former history."""

    total: int
    at: int
    own: int


class HeldDocument(NamedTuple):
    """A document as a node keeps it; `at` 0: of the hub's former history."""

    document: Document
    at: int


@dataclass
class NodeDisk:
    """What a node has stored."""

    replica: ReplicaId
    bodies: tuple[bytes, ...] = ()
    acked: int = 0
    epoch: Epoch | None = None
    held: dict[CounterKey, Held] = field(default_factory=dict)
    documents: dict[DocumentKey, HeldDocument] = field(default_factory=dict)
    cursors: dict[Scope, tuple[HubSeq, Salt]] = field(default_factory=dict)
    marks: dict[Scope, int] = field(default_factory=dict)
    caught_up: frozenset[Scope] = frozenset()

    def copied(self) -> Self:
        """A backup, or the disk of a clone."""
        other = copy(self)
        other.held, other.cursors = dict(self.held), dict(self.cursors)
        other.marks, other.documents = dict(self.marks), dict(self.documents)
        return other

    def hash_at(self, seq: int) -> ChainHash | None:
        """The log's hash; None where it does not reach."""
        return chain.extend_all(CHAIN_START, self.bodies[:seq]) if seq <= len(self.bodies) else None

    def ids(self) -> set[OpId]:
        """Every operation of the log."""
        return {operation.decode(body).op_id for body in self.bodies}

    def view(self, key: CounterKey) -> int:
        """What is shown."""
        held = self.held.get(key, Held(0, 0, 0))
        mark = self.marks.get(Scope(f"stock:{key.location}"), 0)
        pending = [
            effect.delta
            for seq, body in enumerate(self.bodies, start=1)
            for effect in operation.decode(body).effects
            if isinstance(effect, CounterEffect)
            and effect.key == key
            and merge.is_on_top(seq, row_own=held.own, scope_own=mark)
        ]
        return merge.counter_view(held.total, pending)

    def shows(self, key: DocumentKey) -> Document:
        """A document as it is shown: the hub's, with every own edit joined in, once or again."""
        held = self.documents.get(key, HeldDocument(EMPTY, 0))
        own = [
            effect
            for body in self.bodies
            for effect in operation.decode(body).effects
            if isinstance(effect, FieldEffect) and effect.key == key
        ]
        return merge.document_view(held.document, own)

    def begin_epoch(self) -> None:
        """Another history of the hub: what is shown waits to be sent again."""
        self.documents = {key: held._replace(at=0) for key, held in self.documents.items()}
        self.held = {key: held._replace(at=0, own=0) for key, held in self.held.items()}
        self.cursors, self.marks, self.caught_up = {}, {}, frozenset()

    def begin_replica(self) -> None:
        """The same log under another id."""
        self.replica, self.acked, self.marks = ReplicaId(fresh()), 0, {}
        self.held = {key: held._replace(own=0) for key, held in self.held.items()}

    def take(self, page: Page) -> None:
        """Rows, marks and cursor; a page beyond the cursor is left."""
        at, _ = self.cursors.get(page.scope, (HubSeq(0), NO_SALT))
        if page.base > at:
            return
        own = page.inside.get(self.replica, 0)
        for row in page.rows:
            self._store(row, own)
        if page.to < at:
            return
        self.cursors[page.scope] = (page.to, page.salt)
        if not page.more:
            self.marks[page.scope] = max(own, self.marks.get(page.scope, 0))
            if page.scope not in self.caught_up:
                self.caught_up |= {page.scope}
                self._drop_what_was_not_sent_again(page.scope)

    def _store(self, row: Row, own: int) -> None:
        if isinstance(row, CounterRow):
            if row.hub_seq > self.held.get(row.key, Held(0, 0, 0)).at:
                self.held[row.key] = Held(row.total, row.hub_seq, own)
        elif row.hub_seq > self.documents.get(row.key, HeldDocument(EMPTY, 0)).at:
            self.documents[row.key] = HeldDocument(row.document, row.hub_seq)

    def _drop_what_was_not_sent_again(self, scope: Scope) -> None:
        self.held = {
            key: held
            for key, held in self.held.items()
            if held.at or scope != f"stock:{key.location}"
        }
        self.documents = {
            key: held
            for key, held in self.documents.items()
            if held.at or scope not in held.document.scopes
        }
