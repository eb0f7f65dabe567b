"""What the catalogue says of lots, and which of the goods on a shelf may not be used today.

Invariants: made for one answer or one movement, in its transaction and of one instant, so every part of it agrees on what
day it is. A lot's day is that of the location where it lies. An archived lot has no last day, but what was held or
recalled stays so: to put a document away must not put goods back on sale.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from node.replica import documents
from protocol.codec import unpack
from protocol.declarations.catalogue import LOCATIONS, LOTS
from protocol.declarations.naming import codes_of, id_of
from protocol.declarations.reading import Values, shown_value
from protocol.declarations.vocabulary import ARCHIVED
from protocol.ids import Lot
from protocol.limits import LOTS_COMPARED_MAX
from protocol.picking import UNDESCRIBED, LotFacts, Standing, facts_of, standing
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "lots.sql")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Lots:
    """Those of one node at one instant, UTC milliseconds."""

    def __init__(self, db: sqlite3.Connection, now_ms: int) -> None:
        self._db = db
        self._now_ms = now_ms
        self._days: dict[str, str] = {}

    def today(self, location: str) -> str:
        """The day at a location, YYYY-MM-DD; in UTC where nobody said, or this machine does not know, its time zone."""
        if location not in self._days:
            self._days[location] = day_at(self._now_ms, time_zone_of(self._db, location))
        return self._days[location]

    def facts(self, sku: str, lots: Iterable[str]) -> dict[str, LotFacts]:
        """What the documents of some lots say, by lot; those that nobody described say nothing."""
        ids = {id_of([sku, lot]): lot for lot in lots}
        found = dict.fromkeys(ids.values(), UNDESCRIBED)
        if ids:
            asked = {"ids": orjson.dumps(list(ids)).decode()}
            for id_, shown in self._db.execute(_SQL["said"], asked):
                found[ids[id_]] = _facts(packed_values(shown))
        return found

    def standings(self, location: str, sku: str, lots: Iterable[str]) -> dict[str, Standing]:
        """Whether each of some lots may be used at a location today."""
        # The day is looked up only for lots that have a last one.
        return {
            lot: standing(said, "" if said.expiry is None else self.today(location))
            for lot, said in self.facts(sku, lots).items()
        }

    def held(self, location: str, sku: str, on_hand: Mapping[Lot, int]) -> int:
        """How much of what lies there is of lots that may not be used."""
        goods = {lot: amount for lot, amount in on_hand.items() if lot and amount > 0}
        standings = self.standings(location, sku, goods)
        return sum(goods[lot] for lot in goods if standings[lot] is not Standing.OK)


def on_hand(db: sqlite3.Connection, location: str, sku: str) -> dict[Lot, int]:
    """What is shown of each lot of a SKU at a location, but for those of which nothing is left."""
    return dict(db.execute(_SQL["on_hand"], {"location": location, "sku": sku}).fetchall())


def known(db: sqlite3.Connection, sku: str) -> set[str]:
    """The lots of a SKU that were ever counted anywhere, as far as this node reads, or are described."""
    first = id_of([sku, ""])
    asked = {"sku": sku, "limit": LOTS_COMPARED_MAX, "first": first, "beyond": first[:-1] + "0"}
    found = {lot for (lot,) in db.execute(_SQL["counted"], asked)}
    ids = [id_ for (id_,) in db.execute(_SQL["described"], asked)]
    return found | {codes_of(LOTS, id_)["code"] for id_ in ids}


def time_zone_of(db: sqlite3.Connection, location: str) -> str:
    """The name of a location's time zone; UTC where nobody said it."""
    held = documents.one(db, LOCATIONS, location)
    said = None if held is None else shown_value(LOCATIONS, "time_zone", held.fields)
    return said if isinstance(said, str) else "UTC"


def day_at(now_ms: int, time_zone: str) -> str:
    """The day in a time zone, YYYY-MM-DD; in UTC for a zone that this machine does not know."""
    instant = _EPOCH + timedelta(milliseconds=now_ms)
    try:
        return instant.astimezone(zone(time_zone)).date().isoformat()
    except OverflowError:  # on the last day of the year 9999
        return instant.date().isoformat()


def packed_values(packed: bytes) -> dict[str, object]:
    """The values of a document's packed fields, which were checked on the way in."""
    rows = unpack(packed)
    return {name: value for name, _join, _rank, value, _stamp in rows}  # type: ignore[attr-defined]


@lru_cache(maxsize=128)
def zone(name: str) -> ZoneInfo:
    """A time zone by its name; UTC for one that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _facts(values: Values) -> LotFacts:
    expiry = None if values.get(ARCHIVED) is True else values.get("expiry")
    return facts_of(values.get("status"), expiry)
