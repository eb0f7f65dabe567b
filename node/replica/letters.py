"""Letters as this node holds them: documents whose fields are signed bytes, verified by whoever reads them.

Invariant: what comes out was signed by the node that it is said to be of; a document whose letter does not verify comes out
as one that was refused, and its text is not looked at.
"""

import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from node.replica.cursors import number_of, read_texts, write_cursor
from protocol.certificate import Certificate
from protocol.codec import unpack
from protocol.documents import fields_from_wire
from protocol.errors import ProtocolError
from protocol.ids import OpId
from protocol.letters import COLLECTION, Letter, Receipt, read_letter, read_receipt
from protocol.limits import INT_MAX
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "letters.sql")
LETTER: Final = "letter"
RECEIPT: Final = "read/"


@dataclass(frozen=True, slots=True)
class HeldLetter:
    """One letter, verified."""

    letter: Letter
    sender: Certificate
    sent: bytes
    receipts: tuple[Receipt, ...]
    """By who read it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A document that holds no letter of whom it says."""

    id: str
    why: str


def one(db: sqlite3.Connection, id_: OpId, hub_public_key: bytes) -> HeldLetter | Refused | None:
    """A letter by its id; None where there is none."""
    row = db.execute(_SQL["one"], {"collection": COLLECTION, "id": id_.hex()}).fetchone()
    return None if row is None else _held(row, hub_public_key)


def newest(
    db: sqlite3.Connection, hub_public_key: bytes, limit: int, cursor: str | None
) -> tuple[list[HeldLetter | Refused], str | None]:
    """Those that changed last first, at most `limit`, and the cursor of the next page if there may be one.

    Raises:
        Refusal: `validation_failed` for a cursor that this did not give.
    """
    changed, before = INT_MAX, ""
    if cursor is not None:
        number, before = read_texts(cursor, 2)
        changed = number_of(number)
    values = {"collection": COLLECTION, "changed": changed, "before": before, "limit": limit}
    rows = db.execute(_SQL["newest"], values).fetchall()
    is_last = len(rows) < limit
    following = None if is_last else write_cursor([str(rows[-1]["changed"]), rows[-1]["id"]])
    return [_held(row, hub_public_key) for row in rows], following


def is_any_wrapped_for(db: sqlite3.Connection, key_ids: Collection[bytes]) -> bool:
    """Whether a letter is wrapped for one of these keys: its wraps are in the log, and never change."""
    for row in db.execute(_SQL["all"], {"collection": COLLECTION}):
        sent = fields_from_wire(unpack(row["shown"])).get(LETTER)
        value = None if sent is None else sent.value
        # An id of 8 random bytes is in nothing else of it but by one chance in many.
        if isinstance(value, bytes) and any(each in value for each in key_ids):
            return True
    return False


def _held(row: sqlite3.Row, hub_public_key: bytes) -> HeldLetter | Refused:
    fields = fields_from_wire(unpack(row["shown"]))
    sent = fields[LETTER].value if LETTER in fields else None
    try:
        letter, sender = read_letter(sent, OpId(bytes.fromhex(row["id"])), hub_public_key)
    except (ProtocolError, ValueError) as error:
        return Refused(row["id"], error.detail if isinstance(error, ProtocolError) else "no id")
    assert isinstance(sent, bytes)
    values = [state.value for name, state in sorted(fields.items()) if name.startswith(RECEIPT)]
    receipts = tuple(_receipts(values, letter, sent, hub_public_key))
    return HeldLetter(letter, sender, sent, receipts)


def _receipts(
    values: list[object], letter: Letter, sent: bytes, hub_public_key: bytes
) -> Iterator[Receipt]:
    for value in values:
        try:
            yield read_receipt(value, letter, sent, hub_public_key)
        except ProtocolError:
            continue  # nobody's word that it was read
