"""What counts found: each counted line of the stocktakes that were finalised in a period, or the shrinkage they add up to.

Rules:
- A stocktake belongs to the instant at which it was finalised; what is counted, expected and different was frozen when it
  was counted (`protocol.workflows.stocktakes`). What is still under way is not in it.
- Who verified a line is whoever stood for its count, else whoever finalised, if that is another person.
- Short and over are added up apart: what is missing on one shelf is not made good by what is too much on another.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from node.commands.answering import time_to_text
from node.replica import documents
from node.replica.documents import Held
from node.reports import papers
from node.reports.coverage import cost_notes
from node.reports.frame import Moment, Note, Piece, Row, Span, Sums
from node.reports.ordered import Keyed, Once, piece_of
from node.reports.sayings import Said, add_worth, remembered
from protocol.declarations.paperwork import STOCKTAKES
from protocol.declarations.reading import shown_value
from protocol.declarations.vocabulary import NUMBER
from protocol.effects import DocumentKey
from protocol.limits import REPORT_PAPERS_MAX
from protocol.workflows.count_sheet import Count, Line, Sheet, Stage, read

By = Literal["line", "sku", "category", "location", "reason"]
_KEY: Final = (str, str, str)
_NAMED: Final = ("stocktake", "number", "location", "finalised_at", "finalised_by", "sku", "name")
_SAID: Final = ("category", "lot", "reason", "counted_by", "counted_at", "verified_by", "round")


class Found(NamedTuple):
    """One counted line."""

    stocktake: str
    number: str | None
    location: str
    finalised_ms: int
    """By the clock there; the newest edit, where nobody said."""
    finalised_by: str | None
    lot: str
    line: Line

    @property
    def standing(self) -> Count:
        """The count that stands."""
        return self.line.standing


class _Read(NamedTuple):
    found: list[Found]
    stocktakes: int
    is_cut: bool


@dataclass(frozen=True, slots=True)
class CountVariance:
    """What was asked for; None does not restrict. Times are UTC milliseconds, `until_ms` is excluded."""

    by: By = "line"
    location: str | None = None
    sku: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    differing: bool = False
    """Only lines that differ."""
    _read: Once[_Read] = field(default_factory=Once, compare=False, repr=False)

    def notes(self, db: sqlite3.Connection, moment: Moment) -> tuple[Note, ...]:
        """What is not in it."""
        found = (*cost_notes(moment), *papers.unread_notes(db, moment, self.location))
        return (*found, papers.cut_note(STOCKTAKES)) if self._counts(db).is_cut else found

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object]:
        """Over all lines asked for."""
        read = self._counts(db)
        said, total = remembered(db, moment), _Sum()
        for one in read.found:
            total.add(one.standing, said(one.standing.key.sku))
        return {
            "stocktakes": read.stocktakes,
            "lines": total.lines,
            "differing": total.differing,
            "short": total.short,
            "over": total.over,
            "difference": total.over - total.short,
            "values": total.values.shown(),
            "values_at_cost": total.costs.shown(),
        }

    def piece(self, db: sqlite3.Connection, moment: Moment, span: Span) -> Piece:
        """By stocktake, SKU and lot, or by what they are summed up by."""
        found, said = self._counts(db).found, remembered(db, moment)
        rows = _listed(found, said) if self.by == "line" else _summed(found, self.by, said)
        return piece_of(sorted(rows, key=lambda row: row[0]), span, _KEY)

    def _counts(self, db: sqlite3.Connection) -> _Read:
        return self._read.get(lambda: self._look(db))

    def _look(self, db: sqlite3.Connection) -> _Read:
        matching: dict[str, object] = {"stage": Stage.FINALISED.value}
        if self.location is not None:
            matching["location"] = self.location
        found: list[Found] = []
        stocktakes = 0
        for examined, held in enumerate(papers.read(db, STOCKTAKES, matching)):
            if examined == REPORT_PAPERS_MAX:
                return _Read(found, stocktakes, is_cut=True)
            sheet = read(documents.states(db, DocumentKey(STOCKTAKES.name, held.id)))
            at_ms = held.updated_ms if sheet.final is None else sheet.final.at_ms
            if not self._is_in(at_ms):
                continue
            stocktakes += 1
            found += [one for one in _of(held, sheet, at_ms) if self._is_asked_for(one)]
        return _Read(found, stocktakes, is_cut=False)

    def _is_in(self, at_ms: int) -> bool:
        return (self.since_ms is None or at_ms >= self.since_ms) and (
            self.until_ms is None or at_ms < self.until_ms
        )

    def _is_asked_for(self, one: Found) -> bool:
        is_of_sku = self.sku is None or one.standing.key.sku == self.sku
        return is_of_sku and (not self.differing or one.standing.delta != 0)


def _of(held: Held, sheet: Sheet, finalised_ms: int) -> Iterator[Found]:
    number = shown_value(STOCKTAKES, NUMBER, held.fields)
    location = shown_value(STOCKTAKES, "location", held.fields)
    for key, line in sheet.lines.items():
        yield Found(
            held.id,
            number if isinstance(number, str) else None,
            str(location),
            finalised_ms,
            sheet.final and sheet.final.by,
            key.planned,
            line,
        )


def _listed(found: list[Found], said: Callable[[str], Said]) -> Iterator[Keyed]:
    for one in found:
        count = one.standing
        facts = said(count.key.sku)
        total = _Sum()
        total.add(count, facts)
        row: Row = {
            "stocktake": one.stocktake,
            "number": one.number,
            "location": one.location,
            "finalised_at": time_to_text(one.finalised_ms),
            "finalised_by": one.finalised_by,
            "sku": count.key.sku,
            "name": facts.name,
            "category": facts.category,
            "lot": one.lot or None,
            "reason": one.line.reason,
            "counted_by": count.by,
            "counted_at": time_to_text(count.at_ms),
            "verified_by": one.line.verified_by,
            "round": count.round,
            **total.shown(),
        }
        yield (one.stocktake, count.key.sku, one.lot), row


def _summed(found: list[Found], by: By, said: Callable[[str], Said]) -> Iterator[Keyed]:
    groups: dict[str, _Sum] = {}
    for one in found:
        facts = said(one.standing.key.sku)
        names = {
            "sku": one.standing.key.sku,
            "category": facts.category,
            "location": one.location,
            "reason": one.line.reason,
        }
        groups.setdefault(names[by] or "", _Sum()).add(one.standing, facts)
    for name, total in groups.items():
        shown_name = said(name).name if by == "sku" else None
        head = {**dict.fromkeys((*_NAMED, *_SAID)), "name": shown_name, by: name or None}
        yield (name, "", ""), {**head, **total.shown()}


class _Sum:
    """Counts added up."""

    def __init__(self) -> None:
        self.lines = self.differing = self.expected = self.counted = self.short = self.over = 0
        self.values, self.costs = Sums(), Sums()

    def add(self, count: Count, said: Said) -> None:
        """Add the count that stands of one line."""
        delta = count.delta
        self.lines += 1
        self.differing += delta != 0
        self.expected += count.counted - delta
        self.counted += count.counted
        self.short += max(0, -delta)
        self.over += max(0, delta)
        add_worth(self.values, said.price, delta)
        add_worth(self.costs, said.cost, delta)

    def shown(self) -> Row:
        """What a row says of them; a sum in two currencies is no value."""
        return {
            "lines": self.lines,
            "expected": self.expected,
            "counted": self.counted,
            "difference": self.over - self.short,
            "short": self.short,
            "over": self.over,
            "value": self.values.only(),
            "value_at_cost": self.costs.only(),
        }
