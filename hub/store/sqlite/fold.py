"""One batch folded into rows in memory, then written at once.

Invariant: an operation is folded whole or not at all, and what `write` stores is what the operations do one after
another. Rows take their hub_seq in `write` only, after everything else is known, in the order they were first touched.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hub.store.interface import Change, Head
from protocol import documents
from protocol.clock import clamp
from protocol.codec import pack, unpack
from protocol.digest import Digest, from_bytes, row_hash, to_bytes
from protocol.documents import Document, fields_from_wire, fields_to_wire
from protocol.effects import CounterEffect, DocumentKey, Effect, FieldEffect
from protocol.ids import NO_SALT, HubSeq, Location, Lot, Salt, Scope, Sku, stock_scope
from protocol.limits import (
    INSIDE_REPLICAS_MAX,
    INT_MAX,
    TOTAL_MAX,
)
from protocol.rows import CounterRow, DocumentRow
from runtime.queries import load_queries

SQL: Final = load_queries(__file__, "fold.sql")
_DIGEST_MODULUS: Final = 2**128


@dataclass(slots=True)
class _Counter:
    """A counter while it is folded; `seq` 0 until an operation of this batch has touched it."""

    id: int | None
    total: int
    plus: int
    minus: int
    old_total: int
    old_hub_seq: int
    seq: int = 0


@dataclass(slots=True)
class _Document:
    id: int | None
    state: Document
    old: Document
    old_hub_seq: int


@dataclass(slots=True)
class _Scope:
    rows: int
    digest: int
    hub_seq: int
    writers: int
    writes: bool
    """This replica is registered as a writer."""
    is_touched: bool = False
    is_new_writer: bool = False


_FULL: Final = f"the scope already has {INSIDE_REPLICAS_MAX} writing replicas"

_CounterKey = tuple[Location, Sku, Lot, int]
_DocumentKey = tuple[str, str]


class Fold:
    """The rows that a batch of one replica touches.

    Args:
        db: inside the transaction of the commit.
        replica: the replica's short id.
        now_ms: the hub's clock.
    """

    def __init__(self, db: sqlite3.Connection, replica: int, now_ms: int) -> None:
        self._db = db
        self._replica = replica
        self._now_ms = now_ms
        self._counters: dict[_CounterKey, _Counter] = {}
        self._documents: dict[_DocumentKey, _Document] = {}
        self._scopes: dict[Scope, _Scope] = {}
        self._stock_scopes: dict[Location, _Scope] = {}

    def add(self, seq: int, effects: Sequence[Effect], accepted_at_ms: int) -> str | None:
        """Fold an operation; None when it is in, else why the rows cannot take it, and nothing of it is in."""
        scopes = self._concerned(effects)
        if _is_one_full(scopes):
            return _FULL
        undo: list[tuple[_Counter, int, int, int, int]] = []
        edits: list[FieldEffect] = []
        for effect in effects:
            if isinstance(effect, CounterEffect):
                counter = self._counters.get(effect[:4]) or self._load_counter(effect[:4])
                undo.append((counter, counter.total, counter.plus, counter.minus, counter.seq))
                if not _count(counter, seq, effect.delta):
                    _restore(undo)
                    return "a total would leave the range of whole numbers that every reader knows"
            else:
                edits.append(effect)
        if edits and (fault := self._edit(edits, accepted_at_ms)) is not None:
            _restore(undo)
            return fault
        self._register(scopes)
        return None

    def present(self, effects: Sequence[Effect]) -> dict[DocumentKey, frozenset[Scope]]:
        """The scopes that the documents of an operation's edits are in by now; new documents are left out."""
        found: dict[DocumentKey, frozenset[Scope]] = {}
        for effect in effects:
            if isinstance(effect, FieldEffect):
                key = (effect.collection, effect.id)
                held = self._documents.get(key) or self._load_document(key)
                if held.state.scopes:
                    found[effect.key] = held.state.scopes
        return found

    def touch(self, effects: Sequence[Effect]) -> str | None:
        """Note a repeat: it changes no row, but readers learn that this replica's log is inside its scopes.

        None when they will, else why they cannot.
        """
        scopes = self._concerned(effects)
        if _is_one_full(scopes):
            return _FULL
        self._register(scopes)
        return None

    def write(self, salt: Salt) -> Change | None:
        """Give the changed rows their hub_seq and store everything; None when no scope was concerned."""
        if not any(scope.is_touched for scope in self._scopes.values()):
            return None
        head = read_head(self._db)
        last = HubSeq(self._write_documents(self._write_counters(head.hub_seq)))
        if last > head.hub_seq:
            head = Head(last, salt)
            values = {"last_hub_seq": last, "salt": salt, "now_ms": self._now_ms}
            self._db.execute(SQL["salt"], values)
        touched = {name: scope for name, scope in self._scopes.items() if scope.is_touched}
        self._write_scopes(touched)
        return Change({name: HubSeq(scope.hub_seq) for name, scope in touched.items()}, head)

    # --- folding ---------------------------------------------------------------------------------------------

    def _concerned(self, effects: Sequence[Effect]) -> list[_Scope]:
        found: list[_Scope] = []
        for effect in effects:
            if isinstance(effect, CounterEffect):
                location = effect.location
                scope = self._stock_scopes.get(location)
                if scope is None:
                    scope = self._stock_scopes[location] = self._scope(stock_scope(location))
                found.append(scope)
            else:
                found.extend(map(self._scope, effect.scopes))
        return found

    def _register(self, scopes: Sequence[_Scope]) -> None:
        for scope in scopes:
            scope.is_touched = True
            if not scope.writes:
                scope.writes = scope.is_new_writer = True
                scope.writers += 1

    def _edit(self, edits: Sequence[FieldEffect], accepted_at_ms: int) -> str | None:
        changed: dict[_DocumentKey, Document] = {}
        for effect in edits:
            key = (effect.collection, effect.id)
            held = self._documents.get(key) or self._load_document(key)
            stamp = clamp(effect.stamp, now_ms=self._now_ms, accepted_at_ms=accepted_at_ms)
            state = changed.get(key, held.state)
            changed[key] = documents.apply(state, [effect._replace(stamp=stamp)])
        for state in changed.values():
            if (fault := documents.size_fault(state)) is not None:
                return fault
        for key, state in changed.items():
            self._documents[key].state = state
        return None

    # --- loading ---------------------------------------------------------------------------------------------

    def _load_counter(self, key: _CounterKey) -> _Counter:
        location, sku, lot, account = key
        row = self._db.execute(
            SQL["counter"],
            {
                "replica": self._replica,
                "location": location,
                "sku": sku,
                "lot": lot,
                "account": account,
            },
        ).fetchone()
        if row is None:
            counter = _Counter(None, 0, 0, 0, 0, 0)
        else:
            id_, total, hub_seq, plus, minus = row
            counter = _Counter(id_, total, plus or 0, minus or 0, total, hub_seq)
        self._counters[key] = counter
        return counter

    def _load_document(self, key: _DocumentKey) -> _Document:
        values = {"collection": key[0], "document_id": key[1]}
        row = self._db.execute(SQL["document"], values).fetchone()
        if row is None:
            document = _Document(None, documents.EMPTY, documents.EMPTY, 0)
        else:
            scopes = self._db.execute(SQL["document_scopes"], {"document": row["id"]})
            state = Document(
                fields_from_wire(unpack(row["fields"])),
                frozenset(Scope(scope) for (scope,) in scopes),
            )
            document = _Document(row["id"], state, state, row["hub_seq"])
        self._documents[key] = document
        return document

    def _scope(self, name: Scope) -> _Scope:
        scope = self._scopes.get(name)
        if scope is None:
            row = self._db.execute(
                SQL["scope"], {"scope": name, "replica": self._replica}
            ).fetchone()
            if row is None:
                scope = _Scope(0, 0, 0, 0, writes=False)
            else:
                rows, digest, hub_seq, writers, writes = row
                scope = _Scope(rows, from_bytes(digest), hub_seq, writers, bool(writes))
            self._scopes[name] = scope
        return scope

    # --- writing ---------------------------------------------------------------------------------------------

    def _write_counters(self, hub_seq: int) -> int:
        db, replica = self._db, self._replica
        next_id = db.execute(SQL["last_counter"]).fetchone()[0] + 1
        new: list[dict[str, object]] = []
        changed: list[dict[str, object]] = []
        entries: list[dict[str, object]] = []
        for (location, sku, lot, account), counter in self._counters.items():
            if not counter.seq:
                continue
            hub_seq += 1
            id_, total = counter.id, counter.total
            if id_ is None:
                id_, next_id = next_id, next_id + 1
                new.append(
                    {"id": id_, "location": location, "sku": sku, "lot": lot, "account": account}
                    | {"total": total, "hub_seq": hub_seq}
                )
            else:
                changed.append({"id": id_, "total": total, "hub_seq": hub_seq})
            entries.append(
                {
                    "counter": id_,
                    "replica": replica,
                    "seq": counter.seq,
                    "plus": counter.plus,
                    "minus": counter.minus,
                }
            )
            scope = self._stock_scopes[location]
            row = CounterRow(location, sku, lot, account, HubSeq(hub_seq), total)
            added = row_hash(row)
            if counter.old_hub_seq:
                old = row._replace(hub_seq=HubSeq(counter.old_hub_seq), total=counter.old_total)
                added -= row_hash(old)
            else:
                scope.rows += 1
            scope.digest += added
            scope.hub_seq = hub_seq
        db.executemany(SQL["add_counter"], new)
        db.executemany(SQL["set_counter"], changed)
        db.executemany(SQL["set_entry"], entries)
        return hub_seq

    def _write_documents(self, hub_seq: int) -> int:
        if not self._documents:
            return hub_seq
        next_id = self._db.execute(SQL["last_document"]).fetchone()[0] + 1
        for (collection, document_id), held in self._documents.items():
            fields = pack(fields_to_wire(held.state.fields))
            if held.state.scopes == held.old.scopes and fields == pack(
                fields_to_wire(held.old.fields)
            ):
                continue  # every edit lost its join
            hub_seq += 1
            if held.id is None:
                held.id, next_id = next_id, next_id + 1
            self._db.execute(
                SQL["set_document"],
                {"id": held.id, "collection": collection, "document_id": document_id}
                | {"fields": fields, "hub_seq": hub_seq},
            )
            placed = [
                {"document": held.id, "scope": scope, "hub_seq": hub_seq}
                for scope in sorted(held.state.scopes)
            ]
            self._db.executemany(SQL["set_document_scope"], placed)
            self._digest_document(collection, document_id, held, hub_seq)
        return hub_seq

    def _digest_document(
        self, collection: str, document_id: str, held: _Document, hub_seq: int
    ) -> None:
        new = row_hash(DocumentRow(collection, document_id, HubSeq(hub_seq), held.state))
        old = 0
        if held.old_hub_seq:
            old = row_hash(DocumentRow(collection, document_id, HubSeq(held.old_hub_seq), held.old))
        for name in held.state.scopes:
            scope = self._scope(name)
            scope.is_touched = True
            scope.hub_seq = hub_seq
            scope.digest += new
            if name in held.old.scopes:
                scope.digest -= old
            else:
                scope.rows += 1

    def _write_scopes(self, touched: dict[Scope, _Scope]) -> None:
        states: list[dict[str, object]] = []
        writers: list[dict[str, object]] = []
        for name, scope in touched.items():
            digest = to_bytes(Digest(scope.rows, scope.digest % _DIGEST_MODULUS).value)
            states.append(
                {"scope": name, "rows": scope.rows, "digest": digest}
                | {"hub_seq": scope.hub_seq, "writers": scope.writers}
            )
            if scope.is_new_writer:
                writers.append({"scope": name, "replica": self._replica})
        self._db.executemany(SQL["set_scope"], states)
        self._db.executemany(SQL["add_writer"], writers)


def read_head(db: sqlite3.Connection) -> Head:
    """The newest hub_seq and its salt; zeros before the first commit."""
    row = db.execute(SQL["head"]).fetchone()
    return Head(HubSeq(0), NO_SALT) if row is None else Head(HubSeq(row[0]), Salt(row[1]))


def _is_one_full(scopes: Sequence[_Scope]) -> bool:
    """Whether one of the scopes takes no further writer: a page could not name it."""
    return any(not scope.writes and scope.writers >= INSIDE_REPLICAS_MAX for scope in scopes)


def _count(counter: _Counter, seq: int, delta: int) -> bool:
    """Add, and say whether the result can be stored and shown."""
    total = counter.total + delta
    counter.total = total
    counter.seq = seq
    if delta >= 0:
        counter.plus += delta
    else:
        counter.minus -= delta
    return -TOTAL_MAX <= total <= TOTAL_MAX and max(counter.plus, counter.minus) <= INT_MAX


def _restore(undo: list[tuple[_Counter, int, int, int, int]]) -> None:
    for counter, total, plus, minus, seq in reversed(undo):
        counter.total, counter.plus, counter.minus, counter.seq = total, plus, minus, seq
