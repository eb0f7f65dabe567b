"""What movements did to what is on hand, as far as this node holds them; the other half of what is shown.

Invariants:
- Both are read in the caller's one snapshot. What is shown, less what every movement of this list did to it, is what came
  about by movements that are not held here: others' that were not fetched, or that no node of this version can read.
- What the hub has set aside counts in no total, and so is in no history.
- Goods leave and reach a shelf by movements that are listed at that location; no leg of a document changes what is on
  hand anywhere else (`protocol.workflows.*_table`), so a location's history is the list of that location.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from node.replica.movements import Recorded, recorded
from protocol.effects import Account, CounterEffect
from protocol.limits import LIST_LIMIT_MAX, USED_MOVEMENTS_MAX
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "history.sql")
BEGINNING: Final = -1
"""An instant before every movement's."""
_AMOUNTS_MAX: Final = 100_000
"""Lots of one SKU, at all locations together: more than any trade has."""

Shelf = tuple[str, str]
"""A SKU and a lot, "" for goods without one."""


class Happened(NamedTuple):
    """A movement, and the kind of the one that it takes back."""

    movement: Recorded
    taken_back: str | None
    """The operation's kind: `move.sale`; None when it takes none back, or one of a document."""

    @property
    def at_ms(self) -> int:
        """When, by the clock of whoever recorded it, or as they said."""
        return self.movement.operation.occurred_at


class Line(NamedTuple):
    """What one line of a movement did to a shelf."""

    happened: Happened
    place: int
    """Among the movement's lines that change what is on hand, from 0."""
    effect: CounterEffect

    @property
    def order(self) -> tuple[int, int, int]:
        """By when it happened; of one instant by arrival here, then as it was recorded."""
        return (self.happened.at_ms, self.happened.movement.position, self.place)


class Amount(NamedTuple):
    """What is shown of a SKU and lot at a location, in base units."""

    location: str
    lot: str
    on_hand: int


def at_location(
    db: sqlite3.Connection, location: str, after_ms: int, limit: int
) -> Iterator[Happened]:
    """What happened at a location after an instant, the latest first, at most `limit`; read as it is asked for.

    Of one instant what arrived here last comes first.
    """
    asked = {"location": location, "after": after_ms, "limit": limit}
    return map(happened, db.execute(_SQL["at_location"], asked))


def at_shelves(
    db: sqlite3.Connection, location: str, sku: str | None, after_ms: int, limit: int
) -> Iterator[Happened]:
    """The same of a location, or of the movements of one SKU there, with all their lines."""
    if sku is None:
        return at_location(db, location, after_ms, limit)
    return _of_sku(db, sku, None, location, after_ms, limit)


def lines_of(
    db: sqlite3.Connection, sku: str, lot: str | None, location: str | None, after_ms: int
) -> tuple[list[Line], bool]:
    """What happened after an instant to a SKU, or to one lot of it, at one location or wherever its movements are held.

    Oldest first, of the newest `USED_MOVEMENTS_MAX` movements; and whether there are more.
    """
    found = list(_of_sku(db, sku, lot, location, after_ms, USED_MOVEMENTS_MAX + 1))
    wanted = [
        line
        for line in lines(found[:USED_MOVEMENTS_MAX])
        if line.effect.sku == sku
        and lot in (None, line.effect.lot)
        and location in (None, line.effect.location)
    ]
    wanted.sort(key=lambda line: line.order)
    return wanted, len(found) > USED_MOVEMENTS_MAX


def lines(found: Iterable[Happened]) -> Iterator[Line]:
    """Each line of some movements that changed what is on hand."""
    for each in found:
        effects = (
            effect
            for effect in each.movement.operation.effects
            if isinstance(effect, CounterEffect) and effect.account == Account.ON_HAND
        )
        for place, effect in enumerate(effects):
            yield Line(each, place, effect)


def changes_at(location: str, found: Iterable[Happened]) -> Counter[Shelf]:
    """What some movements came to on the shelves of a location, by SKU and lot."""
    total: Counter[Shelf] = Counter()
    for line in lines(found):
        if line.effect.location == location:
            total[line.effect.sku, line.effect.lot] += line.effect.delta
    return total


def count_at(db: sqlite3.Connection, location: str, most: int) -> int:
    """How many movements are listed at a location; counting stops at `most`."""
    asked = {"location": location, "most": most}
    count: int = db.execute(_SQL["count_at_location"], asked).fetchone()[0]
    return count


def on_hand_at(
    db: sqlite3.Connection, location: str, sku: str | None
) -> Iterator[tuple[Shelf, int]]:
    """What is shown of the shelves of a location, or of one SKU there, by SKU and lot."""
    if sku is not None:
        for amount in on_hand_of(db, sku, None, location):
            yield (sku, amount.lot), amount.on_hand
        return
    asked = {"location": location, "sku_after": "", "lot_after": "", "limit": LIST_LIMIT_MAX}
    while page := db.execute(_SQL["on_hand_at"], asked).fetchall():
        for row in page:
            yield (row["sku"], row["lot"]), row["value"]
        asked = {**asked, "sku_after": page[-1]["sku"], "lot_after": page[-1]["lot"]}


def on_hand_of(
    db: sqlite3.Connection, sku: str, lot: str | None, location: str | None
) -> list[Amount]:
    """What is shown of a SKU, wherever it was ever counted, by location and lot."""
    asked = {"sku": sku, "lot": lot, "location": location, "limit": _AMOUNTS_MAX}
    return [Amount(*row) for row in db.execute(_SQL["on_hand_of"], asked)]


def is_fetched(db: sqlite3.Connection, location: str) -> bool:
    """Whether what others had recorded at a location, whose movements this node keeps, was read.

    What another till records there meanwhile comes some seconds after the stock that it changes.
    """
    return bool(db.execute(_SQL["is_fetched"], {"location": location}).fetchone()[0])


def happened(row: sqlite3.Row) -> Happened:
    """A movement from the columns `position, replica, seq, body, taken_back`."""
    return Happened(recorded(row), row["taken_back"])


def _of_sku(
    db: sqlite3.Connection,
    sku: str,
    lot: str | None,
    location: str | None,
    after_ms: int,
    limit: int,
) -> Iterator[Happened]:
    asked = {"sku": sku, "lot": lot, "location": location, "after": after_ms, "limit": limit}
    return map(happened, db.execute(_SQL["of_sku"], asked))
