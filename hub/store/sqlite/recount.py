"""Folds the whole ledger again, apart from the hub's own tables, to compare the two.

Invariant: memory does not grow with the ledger. What is folded goes to a private database that SQLite keeps in a
temporary file and deletes; of the hub's database everything is streamed.
"""

import json
import sqlite3
from collections.abc import Iterator
from itertools import zip_longest
from typing import Final

from hub.store.sqlite.commit import same_effects
from hub.store.sqlite.feed import document_of
from protocol import documents
from protocol.clock import clamp
from protocol.codec import pack, unpack
from protocol.documents import Document, fields_from_wire, fields_to_wire
from protocol.effects import CounterEffect, FieldEffect, scopes_of
from protocol.errors import Code, ProtocolError
from protocol.ids import Scope
from protocol.operation import Operation, decode, home_of
from runtime.queries import load_queries

SQL: Final = load_queries(__file__, "recount.sql")
KEPT_MAX: Final = 20_000
"""Rows folded in memory before they go to the private database."""

_CounterKey = tuple[str, str, str, int]


class Recount:
    """The rows that the ledger says there should be.

    Args:
        db: the hub's database, inside one read transaction.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self.counted = 0
        self._db = db
        self._scratch = sqlite3.connect("", isolation_level=None)
        for table in ("scratch_entry", "scratch_document", "scratch_writer"):
            self._scratch.execute(SQL[table])
        self._entries: dict[tuple[_CounterKey, int], tuple[int, int, int]] = {}
        self._documents: dict[tuple[str, str], Document] = {}
        self._writers: set[tuple[Scope, int]] = set()

    def close(self) -> None:
        """Delete the private database."""
        self._scratch.close()

    def add(self, row: sqlite3.Row) -> Iterator[str]:
        """Fold one row of the ledger; gives what is wrong with it."""
        try:
            operation = decode(bytes(row["body"]))
        except ProtocolError:
            if row["code"] != Code.UNDECODABLE:
                yield "cannot be decoded, but was when it was taken"
            return
        if row["code"] == Code.UNDECODABLE:
            yield "can be decoded, but could not when it was taken"
            return
        if row["code"] in {Code.FORBIDDEN, Code.OUT_OF_RANGE}:
            return
        yield from self._check_applied(row, operation)
        for effect in operation.effects:
            self._writers.update((scope, row["replica"]) for scope in scopes_of(effect))
        if row["repeats"] is None:
            self.counted += 1
            self._fold(row, operation)
        if len(self._entries) + len(self._documents) + len(self._writers) > KEPT_MAX:
            yield from self.flush()

    def flush(self) -> Iterator[str]:
        """Move what is in memory to the private database."""
        for (key, replica), (seq, plus, minus) in self._entries.items():
            location, sku, lot, account = key
            values = {"location": location, "sku": sku, "lot": lot, "account": account}
            counter = self._db.execute(SQL["counter_id"], values).fetchone()
            if counter is None:
                yield f"counter {'/'.join(map(str, key))} is missing"
                continue
            entry = {"counter": counter[0], "replica": replica, "seq": seq}
            self._scratch.execute(SQL["add_entry"], entry | {"plus": plus, "minus": minus})
        for (collection, document_id), state in self._documents.items():
            scopes = json.dumps(sorted(state.scopes))
            values = {"collection": collection, "document_id": document_id, "scopes": scopes}
            fields = pack(fields_to_wire(state.fields))
            self._scratch.execute(SQL["put_document"], values | {"fields": fields})
        self._scratch.executemany(
            SQL["add_writer"],
            [{"scope": scope, "replica": replica} for scope, replica in self._writers],
        )
        self._entries.clear()
        self._documents.clear()
        self._writers.clear()

    def differences(self) -> Iterator[str]:
        """Where entries, documents or writers are not what the ledger says; `flush` first."""
        yield from self._compare("entries", "entries", "an entry of counter {0}, replica {1}")
        yield from self._compare("scope_writers", "writers", "the writer {1} of {0}")
        expected = self._scratch.execute(SQL["count_documents"]).fetchone()[0]
        stored = 0
        for id_, collection, document_id, fields in self._db.execute(SQL["documents"]):
            stored += 1
            held = self._stored_document(collection, document_id)
            state = document_of(self._db, id_, fields)
            if held is None or pack(fields_to_wire(held.fields)) != bytes(fields):
                yield f"document {collection}/{document_id} has other fields than the ledger gives"
            elif held.scopes != state.scopes:
                yield f"document {collection}/{document_id} is in other scopes than the ledger gives"
        if stored != expected:
            yield f"there are {stored} documents, and the ledger gives {expected}"

    def _check_applied(self, row: sqlite3.Row, operation: Operation) -> Iterator[str]:
        values = {"op_id": operation.op_id, "home": home_of(operation)}
        applied = self._db.execute(SQL["applied_at"], values).fetchone()
        position = row["position"] if row["repeats"] is None else row["repeats"]
        if applied is None or applied[0] != position:
            yield "its op_id is not the one that counts at its home"
        if row["repeats"] is None:
            return
        if not row["repeats"] < row["position"] or row["counted"] is None:
            yield "repeats what is not before it"
        elif same_effects(decode(bytes(row["counted"])), operation) == (row["code"] is not None):
            yield "is not the repeat that it is called"

    def _fold(self, row: sqlite3.Row, operation: Operation) -> None:
        replica, seq, accepted_at = row["replica"], row["seq"], row["accepted_at"]
        for effect in operation.effects:
            if isinstance(effect, CounterEffect):
                key = (effect[:4], replica)
                _, plus, minus = self._entries.get(key, (0, 0, 0))
                delta = effect.delta
                self._entries[key] = (seq, plus + max(delta, 0), minus + max(-delta, 0))
            else:
                self._edit(effect, accepted_at)

    def _edit(self, effect: FieldEffect, accepted_at: int) -> None:
        key = (effect.collection, effect.id)
        state = self._documents.get(key) or self._stored_document(*key) or documents.EMPTY
        stamp = clamp(effect.stamp, now_ms=accepted_at, accepted_at_ms=accepted_at)
        self._documents[key] = documents.apply(state, [effect._replace(stamp=stamp)])

    def _stored_document(self, collection: str, document_id: str) -> Document | None:
        values = {"collection": collection, "document_id": document_id}
        row = self._scratch.execute(SQL["get_document"], values).fetchone()
        if row is None:
            return None
        fields = fields_from_wire(unpack(row[0]))
        return Document(fields, frozenset(map(Scope, json.loads(row[1]))))

    def _compare(self, stored: str, expected: str, what: str) -> Iterator[str]:
        """Walk two equally ordered lists side by side; only the first difference of a kind is sure to be one."""
        pairs = zip_longest(self._db.execute(SQL[stored]), self._scratch.execute(SQL[expected]))
        for held, due in pairs:
            if held is None or due is None or tuple(held) != tuple(due):
                first = min(tuple(row) for row in (held, due) if row is not None)
                yield f"{what.format(*first)} differs from what the ledger gives"
                return
