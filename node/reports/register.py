"""The controlled-drug register: every entry of every controlled SKU, lot by lot, with who saw it and what was left.

Rules:
- Entries stand in the order in which they came to be known here, which never changes: one that happened earlier and came
  late stands where it came. None is ever edited or removed. A correction is an entry of its own that names the one which it
  takes back, and both stay; one that names none (an adjustment, a count) is marked as direct.
- The balance is walked back from what is shown on hand, so the last one of a lot is exactly that. What no entry held here
  explains is brought forward in a row of its own: a gap is seen, never closed.
- What the hub has set aside is listed and changes no balance.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from node.commands.requests import Refusal
from node.replica import documents
from node.replica.cursors import read_texts, write_cursor
from node.replica.documents import Held
from node.reports import holding
from node.reports.day_book import place_of
from node.reports.frame import Moment, Note, Piece, Span, note_of
from node.reports.ordered import Keyed
from node.reports.register_book import Asked, Book, read_book
from protocol.codec import pack
from protocol.declarations.catalogue import SKUS
from protocol.declarations.reading import shown_value
from protocol.effects import Join
from protocol.limits import LIST_LIMIT_MAX, REGISTER_MOVEMENTS_MAX, REPORT_EXAMINED_MAX
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "register.sql")
_NOT_FETCHED: Final = "What other nodes recorded at this location was not read from the hub yet; it is brought forward."
_UNEXPLAINED: Final = (
    "More or less was there than the entries held here explain: it is brought forward."
)
_CUT: Final = f"Only the newest {REGISTER_MOVEMENTS_MAX} movements are listed; those before are brought forward."
_DIGITS_MAX: Final = 18


@dataclass(frozen=True, slots=True)
class ControlledRegister:
    """What was asked for; None does not restrict. Times are UTC milliseconds, `until_ms` is excluded."""

    location: str | None = None
    """None for the only one that the node writes."""
    sku: str | None = None
    lot: str | None = None
    """"" for goods without one; only with `sku`."""
    since_ms: int | None = None
    """By when an entry was recorded, as is `until_ms`."""
    until_ms: int | None = None
    _books: dict[str, Book] = field(default_factory=dict, compare=False, repr=False)

    def notes(self, db: sqlite3.Connection, moment: Moment) -> tuple[Note, ...]:
        """Whether others' entries are missing."""
        location = place_of(moment, self.location)
        if holding.is_held(db, moment, location):
            return ()
        return (Note("movements_not_fetched", _NOT_FETCHED),)

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object]:
        """Whose register it is, and of how many SKUs."""
        location = place_of(moment, self.location)
        return {"location": location, "controlled_skus": sum(1 for _ in self._skus(db, ""))}

    def piece(self, db: sqlite3.Connection, moment: Moment, span: Span) -> Piece:
        """By SKU, lot, and the order in which entries came."""
        location, after = place_of(moment, self.location), _read(span.cursor)
        found: list[Keyed] = []
        examined, books = 0, []
        for held in self._skus(db, after[0]):
            book = self._book(db, location, held)
            books.append(book)
            examined += book.examined
            found += [keyed for keyed in book.rows if keyed[0] > after]
            if len(found) > span.limit or (found and examined >= REPORT_EXAMINED_MAX):
                break
        else:
            if len(found) <= span.limit:
                return Piece([row for _, row in found], None, self._notes_of(books))
        shown = found[: span.limit]
        following = write_cursor([str(part) for part in shown[-1][0]])
        return Piece([row for _, row in shown], following, self._notes_of(books))

    def _skus(self, db: sqlite3.Connection, first: str) -> Iterator[Held]:
        """The controlled ones that were asked for, by code, from one on."""
        if self.sku is not None:
            held = documents.one(db, SKUS, self.sku)
            if held is not None and shown_value(SKUS, "controlled", held.fields) is True:
                yield held
            return
        while True:
            asked = {
                "first": first,
                "by_store": _packed(0),
                "by_office": _packed(1),
                "limit": LIST_LIMIT_MAX,
            }
            ids = [id_ for (id_,) in db.execute(_SQL["controlled"], asked)]
            for id_ in ids:
                held = documents.one(db, SKUS, id_)
                if held is not None and shown_value(SKUS, "controlled", held.fields) is True:
                    yield held
            if len(ids) < LIST_LIMIT_MAX:
                return
            first = ids[-1] + "\0"

    def _book(self, db: sqlite3.Connection, location: str, held: Held) -> Book:
        """That of a SKU: read once, also where its rows are several pieces of one table."""
        if held.id not in self._books:
            self._books.clear()
            asked = Asked(location, self.lot, self.since_ms, self.until_ms)
            self._books[held.id] = read_book(db, held, asked)
        return self._books[held.id]

    def _notes_of(self, books: list[Book]) -> tuple[Note, ...]:
        cut = [book.sku for book in books if book.is_cut]
        opened = [book.sku for book in books if book.is_unexplained and not book.is_cut]
        found = [note_of("movements_cut", _CUT, cut)] if cut else []
        if opened and self.since_ms is None:
            found.append(note_of("opening_not_explained", _UNEXPLAINED, opened))
        return tuple(found)


def _packed(rank: int) -> bytes:
    """The field as it stands in a packed document; a later form of it is found by the name of the SKU alone."""
    return b"".join(pack(part) for part in ("controlled", int(Join.MAX), rank, True))


def _read(cursor: str | None) -> tuple[str, str, int]:
    if cursor is None:
        return ("", "", -1)
    sku, lot, position = read_texts(cursor, 3)
    if not (position.isascii() and position.isdigit() and len(position) <= _DIGITS_MAX):
        raise Refusal("validation_failed", "the cursor is not one that this report gave")
    return (sku, lot, int(position))
