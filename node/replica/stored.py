"""The hub's rows as they are stored, put together again: what the digest was computed over.

Invariant: a row comes back with exactly the bytes it was received with, its tail included.
"""

import sqlite3

from protocol.codec import unpack
from protocol.documents import Document, fields_from_wire
from protocol.effects import CounterKey, DocumentKey
from protocol.ids import HubSeq
from protocol.rows import CounterRow, DocumentRow


def stored_counter(key: CounterKey, held: sqlite3.Row | None) -> CounterRow | None:
    """The hub's row as it is stored; None where the hub never sent one."""
    if held is None or held["hub_seq"] == 0:
        return None
    tail = () if held["tail"] is None else tuple(unpack(held["tail"]))  # type: ignore[arg-type]
    return CounterRow(*key, HubSeq(held["hub_seq"]), held["total"], tail)


def stored_document(key: DocumentKey, held: sqlite3.Row | None) -> DocumentRow | None:
    """The hub's document as it is stored; None where the hub never sent one."""
    if held is None or held["hub_seq"] == 0:
        return None
    document = Document(fields_from_wire(unpack(held["fields"])), frozenset(unpack(held["scopes"])))  # type: ignore[call-overload]
    tail = () if held["tail"] is None else tuple(unpack(held["tail"]))  # type: ignore[arg-type]
    return DocumentRow(*key, HubSeq(held["hub_seq"]), document, tail)
