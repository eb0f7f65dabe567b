"""What was on hand at an instant: what is shown now, less what happened after it.

Rules:
- When something happened is what the movement says: the clock of whoever recorded it, or the time that they gave. So an
  answer about last Monday changes when a till that was cut off on Monday sends what it sold, or somebody enters a receipt of
  Monday today: it is what lay there, as far as is known by now, and not what the screen showed then. A till whose clock is
  wrong puts its sales at the wrong instant; the sum of all of them, and so what is shown now, is right all the same.
- What is said to happen after this node's clock counts as having happened just now. So the stock as of now is what is shown.
- Only a node that keeps the movements of a location can say: others refuse. What is shown and what is held of its movements
  are compared where there are not too many, and each row says by how much they differ (`unexplained`).
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from node.commands.answering import time_to_text
from node.commands.requests import Refusal
from node.replica import history
from node.replica.catalogued import Catalogued
from node.replica.history import Happened, Shelf
from node.reports import holding
from node.reports.frame import Moment, Note, Piece, Row, Span
from node.reports.ordered import Keyed, Once, piece_of
from protocol.limits import REPORT_CHECKED_MOVEMENTS_MAX, REPORT_MOVEMENTS_MAX

_KEY: Final = (str, str, str)
_MOST: Final = REPORT_MOVEMENTS_MAX + 1


class Lay(NamedTuple):
    """One SKU and lot of a location, in base units."""

    then: int
    now: int
    unexplained: int | None
    """What is shown now and no movement held here came to; None where that was not looked at."""


class _Read(NamedTuple):
    shelves: Mapping[tuple[str, str, str], Lay]
    """By location, SKU and lot, in this order; all that were ever counted."""
    walked: int
    """Movements that happened after the instant."""
    ahead: int
    """Those of them that are said to happen after now."""


@dataclass(frozen=True, slots=True)
class StockAsOf:
    """What was asked for; None does not restrict."""

    at_ms: int
    """UTC milliseconds; what happened at it is included."""
    location: str | None = None
    sku: str | None = None
    _read: Once[_Read] = field(default_factory=Once, compare=False, repr=False)

    def notes(self, db: sqlite3.Connection, moment: Moment) -> tuple[Note, ...]:
        """What of it is doubtful."""
        read = self._lay(db, moment)
        found = []
        if missing := sum(bool(lay.unexplained) for lay in read.shelves.values()):
            told = "Not every movement of these rows is held here: `unexplained` says how much is missing of what is shown."
            found.append(Note("movements_missing", told, missing))
        if any(lay.unexplained is None for lay in read.shelves.values()):
            told = "There are too many movements to compare what all of them came to with what is shown."
            found.append(Note("not_checked", told))
        if read.ahead:
            told = "Movements are dated after this node's clock: they count as having happened now."
            found.append(Note("dated_ahead", told, read.ahead))
        return tuple(found)

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object]:
        """Over all rows."""
        read = self._lay(db, moment)
        skus = {(code, sku) for (code, sku, _), lay in read.shelves.items() if lay.then}
        return {
            "at": time_to_text(self.at_ms),
            "skus": len(skus),
            "on_hand": sum(lay.then for lay in read.shelves.values()),
            "on_hand_now": sum(lay.now for lay in read.shelves.values()),
            "movements_since": read.walked,
        }

    def piece(self, db: sqlite3.Connection, moment: Moment, span: Span) -> Piece:
        """By location, SKU and lot; not what was neither there then nor is now.

        Raises:
            Refusal: `movements_not_held`; `too_large` when more happened since than is walked back over.
        """
        shelves = self._lay(db, moment).shelves
        rows: list[Keyed] = [(key, _row(key, lay)) for key, lay in shelves.items() if any(lay)]
        piece = piece_of(rows, span, _KEY)
        catalogue = Catalogued(db)
        named = [{**row, "name": catalogue.sku(str(row["sku"])).name} for row in piece.rows]
        return Piece(named, piece.following)

    def _lay(self, db: sqlite3.Connection, moment: Moment) -> _Read:
        return self._read.get(lambda: self._look(db, moment))

    def _look(self, db: sqlite3.Connection, moment: Moment) -> _Read:
        shelves: dict[tuple[str, str, str], Lay] = {}
        walked = ahead = checked = 0
        for location in holding.require_kept(db, moment, self.location):
            since = _Since(moment.now_ms)
            if self.at_ms < moment.now_ms:
                since.add(
                    location,
                    history.at_shelves(db, location, self.sku, self.at_ms, _MOST),
                    REPORT_MOVEMENTS_MAX - walked,
                )
            walked, ahead = walked + since.count, ahead + since.ahead
            count, explained = self._explained(db, location, REPORT_CHECKED_MOVEMENTS_MAX - checked)
            checked += count
            for shelf, now in history.on_hand_at(db, location, self.sku):
                unexplained = None if explained is None else now - explained[shelf]
                shelves[location, *shelf] = Lay(now - since.changes[shelf], now, unexplained)
        return _Read(shelves, walked, ahead)

    def _explained(
        self, db: sqlite3.Connection, location: str, most: int
    ) -> tuple[int, Counter[Shelf] | None]:
        """How many movements are held of a location, and what they come to; 0 and None for more than `most`."""
        if self.sku is None and history.count_at(db, location, most + 1) > most:
            return 0, None
        found = list(history.at_shelves(db, location, self.sku, history.BEGINNING, most + 1))
        if len(found) > most:
            return 0, None
        return len(found), history.changes_at(location, found)


class _Since:
    """What happened after an instant, added up."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self.changes: Counter[Shelf] = Counter()
        self.count = self.ahead = 0

    def add(self, location: str, found: Iterator[Happened], most: int) -> None:
        """Add what happened at a location.

        Raises:
            Refusal: `too_large` for more than `most` movements.
        """
        self.changes.update(history.changes_at(location, self._counted(found, most)))

    def _counted(self, found: Iterator[Happened], most: int) -> Iterator[Happened]:
        for each in found:
            self.count += 1
            self.ahead += each.at_ms > self._now_ms
            if self.count > most:
                told = f"more than {REPORT_MOVEMENTS_MAX} movements happened since; ask for a later instant, or one SKU"
                raise Refusal("too_large", told)
            yield each


def _row(key: tuple[str, str, str], lay: Lay) -> Row:
    location, sku, lot = key
    return {
        "location": location,
        "sku": sku,
        "name": None,
        "lot": lot or None,
        "on_hand": lay.then,
        "on_hand_now": lay.now,
        "change": lay.now - lay.then,
        "unexplained": lay.unexplained,
    }
