"""The days on which something happened at a shop, the newest first, with how much.

Rule: a day without a movement is not there. What is counted are movements by their kind, without a look into them; what one
day came to is for `day`.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from node.commands.answering import time_to_text
from node.commands.requests import Refusal
from node.replica.cursors import read_texts, write_cursor
from node.replica.lots import time_zone_of, zone
from node.reports.day_book import place_of
from node.reports.frame import Moment, Note, Piece, Row, Span
from node.reports.local_day import BEYOND_MS, LocalDay, day_of, local_day
from protocol.limits import DAYS_COUNTED_MAX
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "days.sql")


@dataclass(frozen=True, slots=True)
class DayList:
    """What was asked for."""

    location: str | None = None
    """None for the only one that the node writes."""

    def notes(self, _db: sqlite3.Connection, _moment: Moment) -> tuple[Note, ...]:
        """It leaves nothing out."""
        return ()

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object]:
        """Whose days they are."""
        location = place_of(moment, self.location)
        return {"location": location, "time_zone": zone(time_zone_of(db, location)).key}

    def piece(self, db: sqlite3.Connection, moment: Moment, span: Span) -> Piece:
        """The newest first, at most `DAYS_COUNTED_MAX`."""
        location = place_of(moment, self.location)
        time_zone = time_zone_of(db, location)
        before_ms = BEYOND_MS
        if span.cursor is not None:
            before_ms = local_day(_read(span.cursor), time_zone).begins_ms
        limit = min(span.limit, DAYS_COUNTED_MAX)
        days = _days(db, location, time_zone, before_ms)
        shown = [day for day, _ in zip(days, range(limit), strict=False)]
        rows = [_row(db, location, day) for day in shown]
        following = write_cursor([shown[-1].date]) if len(shown) == limit else None
        return Piece(rows, following)


def _days(
    db: sqlite3.Connection, location: str, time_zone: str, before_ms: int
) -> Iterator[LocalDay]:
    while True:
        asked = {"location": location, "before": before_ms}
        row = db.execute(_SQL["newest_before"], asked).fetchone()
        if row is None:
            return
        day = day_of(row["occurred_at"], time_zone)
        yield day
        before_ms = day.begins_ms


def _row(db: sqlite3.Connection, location: str, day: LocalDay) -> Row:
    asked = {"location": location, "begins": day.begins_ms, "ends": day.ends_ms}
    counts = db.execute(_SQL["count_of_day"], asked).fetchone()
    return {
        "date": day.date,
        "begins_at": time_to_text(day.begins_ms),
        "ends_at": time_to_text(day.ends_shown_ms),
        **dict(counts),
    }


def _read(cursor: str) -> str:
    (text,) = read_texts(cursor, 1)
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise Refusal("validation_failed", "the cursor is not one that this list gave") from error
