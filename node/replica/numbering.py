"""How many documents each location has made, as far as this node knows: what the next number counts on from.

Invariant: a count only grows, is taken in the transaction that makes the document, and is never behind the number of a
document that is shown here. So a node that replaces another goes on where that one was, once it has its documents.
"""

import sqlite3
from typing import Final

from protocol.declarations import COLLECTIONS
from protocol.declarations.vocabulary import NUMBER
from protocol.documents import Document
from protocol.effects import DocumentKey
from protocol.numbering import COUNT_MAX, count_of, document_number
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "numbering.sql")
LOCATION_FIELD: Final = {
    name: one.locations[0] for name, one in COLLECTIONS.items() if one.field(NUMBER) is not None
}
"""Collections whose documents are numbered, and the field with the location that numbers them."""


def next_number(db: sqlite3.Connection, location: str, id_: str) -> str:
    """Take the location's next count and make the number of the document `id_` of it."""
    asked = {"location": location, "most": COUNT_MAX}
    (count,) = db.execute(_SQL["take"], asked).fetchone()
    return document_number(location, count, id_)


def note(db: sqlite3.Connection, key: DocumentKey, shown: Document) -> None:
    """A document is shown: its location's next number comes after it."""
    field = LOCATION_FIELD.get(key.collection)
    if field is None or NUMBER not in shown.fields or field not in shown.fields:
        return
    location = shown.fields[field].value
    count = count_of(shown.fields[NUMBER].value, location, key.id)
    if count is not None:
        db.execute(_SQL["raise"], {"location": location, "count": count})
