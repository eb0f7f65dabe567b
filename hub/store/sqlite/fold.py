"""One batch folded into rows in memory, then written at once.

Invariant: an operation is folded whole or not at all, and what `write` stores is what the operations do one after
another. Rows take their hub_seq in `write` only, after everything else is known, in the order they were first read.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from hub.store.interface import Change, Head
from hub.store.sqlite.counters import Counters
from protocol import documents
from protocol.clock import clamp
from protocol.codec import pack, unpack
from protocol.digest import Digest, from_bytes, row_hash, to_bytes
from protocol.documents import Document, fields_from_wire, fields_to_wire
from protocol.effects import CounterEffect, DocumentKey, Effect, FieldEffect
from protocol.ids import NO_SALT, HubSeq, Location, Salt, Scope, stock_scope
from protocol.limits import INSIDE_REPLICAS_MAX
from protocol.rows import DocumentRow
from runtime.queries import load_queries

SQL: Final = load_queries(__file__, "fold.sql")
_DIGEST_MODULUS: Final = 2**128


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
        self._counters = Counters(db, replica)
        self._documents: dict[_DocumentKey, _Document] = {}
        self._scopes: dict[Scope, _Scope] = {}
        self._stock_scopes: dict[Location, _Scope] = {}

    def expect(self, operations: Iterable[Sequence[Effect]]) -> None:
        """Read the counters of operations to come, in one statement. Only for speed: `add` reads what is missing."""
        self._counters.expect(
            effect
            for effects in operations
            for effect in effects
            if isinstance(effect, CounterEffect)
        )

    def add(self, seq: int, effects: Sequence[Effect], accepted_at_ms: int) -> str | None:
        """Fold an operation; None when it is in, else why the rows cannot take it, and nothing of it is in."""
        scopes = self._concerned(effects)
        if _is_one_full(scopes):
            return _FULL
        counted = [effect for effect in effects if isinstance(effect, CounterEffect)]
        edited: dict[_DocumentKey, Document] = {}
        if len(counted) < len(effects):
            edits = [effect for effect in effects if isinstance(effect, FieldEffect)]
            edited = self._edited(edits, accepted_at_ms)
            for state in edited.values():
                if (fault := documents.size_fault(state)) is not None:
                    return fault
        if (fault := self._counters.add(seq, counted)) is not None:
            return fault
        for key, state in edited.items():
            self._documents[key].state = state
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
        counted = self._counters.write(head.hub_seq, self._stock_scopes)
        last = HubSeq(self._write_documents(counted))
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

    def _edited(
        self, edits: Sequence[FieldEffect], accepted_at_ms: int
    ) -> dict[_DocumentKey, Document]:
        """What documents would become."""
        clamped: dict[_DocumentKey, list[FieldEffect]] = {}
        for effect in edits:
            stamp = clamp(effect.stamp, now_ms=self._now_ms, accepted_at_ms=accepted_at_ms)
            own = effect if stamp is effect.stamp else effect._replace(stamp=stamp)
            clamped.setdefault((effect.collection, effect.id), []).append(own)
        return {
            key: documents.apply((self._documents.get(key) or self._load_document(key)).state, own)
            for key, own in clamped.items()
        }

    # --- loading ---------------------------------------------------------------------------------------------

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
    # No generator: it is asked for each operation, nearly always of one scope.
    for scope in scopes:  # noqa: SIM110
        if not scope.writes and scope.writers >= INSIDE_REPLICAS_MAX:
            return True
    return False
