"""Expiring: the lots on the shelves that have expired or will within so many days, and what is at risk with them.

Invariants:
- The day is that of the location where a lot lies, and a lot may be used on its last day: as selling judges it.
- A lot is worth what its SKU costs, or where that is not known or not to be seen what it sells for; each sum says which of
  the two it is. Costs, prices and currencies are never added together, and what nobody priced is counted.
- Lots without a known last day are not in it; the totals say how many of them there are.
"""

import sqlite3
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple

from node.commands.requests import Refusal
from node.replica.cursors import read_texts, write_cursor
from node.replica.lots import Lots
from node.reports.coverage import cost_notes, location_notes
from node.reports.frame import Moment, Note, Piece, Row, Span
from node.reports.ordered import Once
from node.reports.positions import Wanted
from node.reports.sayings import Money, Said, Sayings
from protocol.limits import REPORT_LOTS_MAX
from protocol.picking import Standing, standing
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "expiring.sql")
_LAST: Final = "\U0010ffff"
"""Sorts behind every code."""


class _There(NamedTuple):
    """What lies on one shelf of one lot."""

    sku: str
    location: str
    lot: str
    on_hand: int


class _Lot(NamedTuple):
    """Goods of one lot on one shelf."""

    expiry: str
    location: str
    sku: str
    lot: str
    on_hand: int
    days_left: int
    standing: Standing
    said: Said

    @property
    def key(self) -> tuple[str, ...]:
        """Its place: what expires first stands first."""
        return self[:4]

    @property
    def is_expired(self) -> bool:
        """Whether its last day is over there."""
        return self.days_left < 0

    @property
    def unit(self) -> tuple[str, Money] | None:
        """What a base unit of it counts, and which of cost and price that is."""
        if self.said.cost is not None:
            return "cost", self.said.cost
        return None if self.said.price is None else ("price", self.said.price)


@dataclass(frozen=True, slots=True)
class _Found:
    """Everything asked for."""

    lots: list[_Lot]
    """By key."""
    undated: int
    """Lots there without a known last day."""


class _Risk:
    """Lots added up."""

    def __init__(self) -> None:
        self._lots = self._quantity = self._unpriced_lots = self._unpriced_quantity = 0
        self._values: Counter[tuple[str, str]] = Counter()

    def add(self, lot: _Lot) -> None:
        """Add one."""
        self._lots += 1
        self._quantity += lot.on_hand
        match lot.unit:
            case None:
                self._unpriced_lots += 1
                self._unpriced_quantity += lot.on_hand
            case valued_at, (amount, currency):
                self._values[valued_at, currency] += lot.on_hand * amount

    def shown(self) -> dict[str, object]:
        """As JSON."""
        values = [
            {"amount": self._values[key], "currency": key[1], "valued_at": key[0]}
            for key in sorted(self._values)
        ]
        return {
            "lots": self._lots,
            "quantity": self._quantity,
            "values": values,
            "unpriced_lots": self._unpriced_lots,
            "unpriced_quantity": self._unpriced_quantity,
        }


@dataclass(frozen=True, slots=True)
class Expiring:
    """The report."""

    wanted: Wanted
    within_days: int
    """0 is what may be used today for the last time."""
    _once: Once[_Found] = field(default_factory=Once, init=False, compare=False)

    def notes(self, db: sqlite3.Connection, moment: Moment) -> tuple[Note, ...]:
        """See Report."""
        return (*location_notes(db, moment, self.wanted.location), *cost_notes(moment))

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object]:
        """See Report; the locations by code."""
        found = self._found(db, moment)
        by_location: dict[str, tuple[_Risk, _Risk]] = {}
        whole = _Risk(), _Risk()
        for lot in found.lots:
            here = by_location.setdefault(lot.location, (_Risk(), _Risk()))
            for expired, expiring in (whole, here):
                (expired if lot.is_expired else expiring).add(lot)
        return {
            **_risks(whole),
            "locations": [
                {"location": code, **_risks(by_location[code])} for code in sorted(by_location)
            ],
            "undated_lots": found.undated,
        }

    def piece(self, db: sqlite3.Connection, moment: Moment, span: Span) -> Piece:
        """See Report: by last day, location, SKU and lot."""
        lots = self._found(db, moment).lots
        after = () if span.cursor is None else tuple(read_texts(span.cursor, 4))
        first = bisect_right(lots, after, key=attrgetter("key"))
        shown = lots[first : first + span.limit]
        is_last = first + span.limit >= len(lots)
        rows = [_row(lot) for lot in shown]
        return Piece(rows, None if is_last else write_cursor(shown[-1].key))

    def _found(self, db: sqlite3.Connection, moment: Moment) -> _Found:
        return self._once.get(lambda: self._look(db, moment))

    def _look(self, db: sqlite3.Connection, moment: Moment) -> _Found:
        calendar, sayings = _Calendar(Lots(db, moment.now_ms)), Sayings(db, moment)
        found: list[_Lot] = []
        undated = 0
        for sku, rows in self._rows(db):
            said = sayings.of(sku)
            if not self.wanted.fits(said):
                continue
            dated = calendar.dated(sku, said, rows)
            undated += len(rows) - len(dated)
            found += (lot for lot in dated if lot.days_left <= self.within_days)
            if len(found) > REPORT_LOTS_MAX:
                told = "there are too many lots; ask for one location or for fewer days"
                raise Refusal("too_large", told)
        found.sort(key=attrgetter("key"))
        return _Found(found, undated)

    def _rows(self, db: sqlite3.Connection) -> Iterator[tuple[str, list[_There]]]:
        """What lies where of each SKU's lots."""
        sku = self.wanted.sku
        first, last = ("", _LAST) if sku is None else (sku, sku)
        asked = {"sku_first": first, "sku_last": last, "location": self.wanted.location}
        for code, rows in groupby(db.execute(_SQL["lots_on_hand"], asked), key=itemgetter(0)):
            yield code, [_There(*row) for row in rows]


class _Calendar:
    """How far it is to the last day of lots, where they lie."""

    def __init__(self, goods: Lots) -> None:
        self._goods = goods
        self._today: dict[str, date] = {}

    def dated(self, sku: str, said: Said, rows: list[_There]) -> list[_Lot]:
        """Those of which the last day is known."""
        facts = self._goods.facts(sku, {there.lot for there in rows})
        found = []
        for _, location, lot, on_hand in rows:
            last_day = _day(facts[lot].expiry)
            if last_day is None:
                continue
            if location not in self._today:
                self._today[location] = date.fromisoformat(self._goods.today(location))
            today, expiry = self._today[location], last_day.isoformat()
            state = standing(facts[lot], today.isoformat())
            days_left = (last_day - today).days
            found.append(_Lot(expiry, location, sku, lot, on_hand, days_left, state, said))
        return found


def _day(text: str | None) -> date | None:
    """None also for what is no day: another device's words are not looked at before they are asked for."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        return None


def _risks(risks: tuple[_Risk, _Risk]) -> dict[str, object]:
    expired, expiring = risks
    return {"expired": expired.shown(), "expiring": expiring.shown()}


def _row(lot: _Lot) -> Row:
    valued_at, unit = lot.unit or (None, None)
    return {
        "expiry": lot.expiry,
        "days_left": lot.days_left,
        "expired": lot.is_expired,
        "location": lot.location,
        "sku": lot.sku,
        "name": lot.said.name,
        "category": lot.said.category,
        "lot": lot.lot,
        "standing": lot.standing.value,
        "on_hand": lot.on_hand,
        "valued_at": valued_at,
        "currency": unit and unit.currency,
        "unit_value": unit and unit.amount,
        "value": unit and unit.amount * lot.on_hand,
    }
