"""What a node's database shows, as tests compare it: read by statements of their own."""

import sqlite3
from collections import defaultdict

from protocol.codec import unpack
from protocol.documents import Document, fields_from_wire
from protocol.effects import CounterKey, DocumentKey, FieldEffect, effects_from_wire
from tests.node.replica.whole_hub import Key

Shown = dict[Key, object]
"""Of each counter that is not 0 its value, and of each document that has fields those."""


def is_kept(before: object, after: object) -> bool:
    """Whether a row shows what it showed; edits that had left the view may have been joined into a document again."""
    if isinstance(before, dict):
        return isinstance(after, dict) and before.keys() <= after.keys()
    return before == after


def pending_edits(db: sqlite3.Connection) -> dict[DocumentKey, list[FieldEffect]]:
    """The edits on top of each document."""
    found: dict[DocumentKey, list[FieldEffect]] = defaultdict(list)
    for row in db.execute("SELECT * FROM pending_edit ORDER BY seq"):
        effects = effects_from_wire(unpack(row["effects"]))
        edits = [effect for effect in effects if isinstance(effect, FieldEffect)]
        found[DocumentKey(row["collection"], row["id"])] += edits
    return found


def plain(due: object) -> object:
    """A row as it is compared; None for what a row that is not there would show."""
    if isinstance(due, Document):
        return {name: state.value for name, state in due.fields.items()} or None
    return due or None


def shown(db: sqlite3.Connection) -> Shown:
    """Everything that is shown."""
    found: Shown = {}
    for row in db.execute("SELECT * FROM counter WHERE value <> 0"):
        key = CounterKey(row["location"], row["sku"], row["lot"], row["account"])
        found[key] = row["value"]
    for row in db.execute("SELECT * FROM document"):
        fields = fields_from_wire(unpack(row["shown"]))
        found[DocumentKey(row["collection"], row["id"])] = plain(Document(fields, frozenset()))
    return {key: value for key, value in found.items() if value is not None}
