"""What a report is made of: a moment, rows in pieces, totals, and notes about what is not in it.

Rules for whoever writes one:
- `piece` does bounded work: it looks at no more than `REPORT_EXAMINED_MAX` things for its rows, so a rare filter gives
  short pieces, not slow ones, and a cursor to go on from. Rows have a total order that the cursor continues.
- A row is flat: its members are texts, whole numbers, yes or no, money (`money`), or None for "not known". What is a list
  goes into rows of its own, or into the totals. So every row is a line of a table too.
- `totals` is about everything that was asked for, not about a piece, and is worked out for the first piece alone.
- A report object answers one request, of one snapshot: it may keep what it worked out for the totals or the next piece.
- Money of two currencies is never added up: totals hold one sum for each currency (`Sums`).
"""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from node.replica.kept import NONE_BESIDE_OWN, Kept
from protocol.certificate import Certificate
from protocol.limits import REPORT_NAMES_MAX

Row = Mapping[str, object]
"""As JSON shows it; see the rules above."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a report needs to know beside the snapshot."""

    now_ms: int
    """UTC milliseconds. The day at a location follows from it: `node.replica.lots.Lots(db, now_ms).today(location)`."""
    certificate: Certificate
    """Of the node that reports."""
    is_operator: bool
    """Whether it is shown to whoever administers the node: only they see what SKUs cost, see `sees_costs`."""
    kept: Kept = NONE_BESIDE_OWN
    """Of which locations it keeps movements, beside those that it writes."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is not in a report, or is not what it seems, and why."""

    code: str
    """Stable, as in `locations_not_read`."""
    detail: str
    """One sentence for a person."""
    count: int | None = None
    """How many things it is about."""
    names: tuple[str, ...] = ()
    """Which, in order; at most `REPORT_NAMES_MAX` of them."""


class Span(NamedTuple):
    """Which rows of a report."""

    limit: int
    cursor: str | None = None
    """Where the piece before ended; None begins. Made with `node.replica.cursors.write_cursor`."""


class Piece(NamedTuple):
    """Some rows of a report, in its order."""

    rows: Sequence[Row]
    following: str | None
    """Where to go on; None after the last."""
    notes: tuple[Note, ...] = ()
    """About these rows alone."""


class Report(Protocol):
    """One report, with all that was asked of it. Each function reads within one snapshot that it is given."""

    def notes(self, db: sqlite3.Connection, moment: Moment) -> tuple[Note, ...]:
        """What is not in it. Asked for with every piece, so it must be cheap."""

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object] | None:
        """About all that was asked for; None of a report that has none."""

    def piece(self, db: sqlite3.Connection, moment: Moment, span: Span) -> Piece:
        """The rows from the cursor on.

        Raises:
            Refusal: `validation_failed` for a cursor that no piece gave.
        """


class Sums:
    """Money added up, each currency by itself."""

    def __init__(self) -> None:
        self._sums: Counter[str] = Counter()

    def add(self, amount: int, currency: str) -> None:
        """Add so many minor units."""
        self._sums[currency] += amount

    def shown(self) -> list[dict[str, object]]:
        """One sum for each currency, by its code."""
        return [money(self._sums[currency], currency) for currency in sorted(self._sums)]

    def only(self) -> dict[str, object] | None:
        """The sum where all of it is of one currency, as a row shows it; else None."""
        shown = self.shown()
        return shown[0] if len(shown) == 1 else None


def money(amount: int, currency: str) -> dict[str, object]:
    """Money as reports show it, in minor units; it may be less than nothing."""
    return {"amount": amount, "currency": currency}


def note_of(code: str, detail: str, names: list[str]) -> Note:
    """A note about things that have names; the first of them are told."""
    return Note(code, detail, len(names), tuple(sorted(names)[:REPORT_NAMES_MAX]))


def note_json(note: Note) -> dict[str, object]:
    """A note as JSON shows it."""
    return {
        "code": note.code,
        "detail": note.detail,
        "count": note.count,
        "names": list(note.names),
    }
