"""Movements of before a count that came after it: what this node's counts knew, and what turned out to be missing in them.

Invariants:
- A count that was taken here is kept with how far every other log was inside what was shown in that very transaction. A
  movement that another replica recorded is judged against it once, in the transaction that lists it.
- Nothing of it is on the way of a sale: own movements are in what is shown when they are answered, and are not judged.

Judged when it comes and not when somebody asks: by then nobody knows any more what was inside.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from protocol.codec import pack, unpack
from protocol.effects import Account, CounterEffect
from protocol.frames.repair import LedgerItem
from protocol.ids import Location, Lot, OpId, Sku, stock_scope
from protocol.operation import Operation
from protocol.workflows.count_sheet import Count
from protocol.workflows.progress import LineKey
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "late.sql")
COUNTS_KEPT_DAYS: Final = 400
"""How long a count is kept: no till is cut off for longer."""
_DAY_MS: Final = 86_400_000


class Missing(NamedTuple):
    """A movement that a count did not know of."""

    key: LineKey
    round: int
    op_id: OpId
    delta: int


def note_count(
    db: sqlite3.Connection,
    location: Location,
    stocktake: str,
    count: Count,
    clock_offset_ms: int | None,
) -> None:
    """Keep what is inside the stock of a location now, for a count that was taken in this transaction.

    It stands in place of what was counted of the line here in the same round, and so of what that missed.
    """
    row = db.execute(_SQL["inside"], {"scope": stock_scope(location)}).fetchone()
    # Before the scope was read to its end under this version nobody knows; then only what is listed later is late.
    known = None if row is None else row["inside"]
    at_ms = count.at_ms + (clock_offset_ms or 0)
    values = {
        "location": location,
        "sku": count.key.sku,
        "lot": count.key.planned,
        "stocktake": stocktake,
        "round": count.round,
        "counted_at": at_ms,
        "inside": pack([]) if known is None else known,
    }
    db.execute(_SQL["note_count"], values)
    db.execute(_SQL["forget_missing"], values)
    db.execute(_SQL["forget_counts"], {"before": at_ms - COUNTS_KEPT_DAYS * _DAY_MS})


def judge(db: sqlite3.Connection, item: LedgerItem, operation: Operation) -> None:
    """Find the counts taken here that should have known of another replica's movement, and did not."""
    occurred_ms = operation.occurred_at + (operation.clock_offset_ms or 0)
    for effect in operation.effects:
        if not isinstance(effect, CounterEffect) or effect.account != Account.ON_HAND:
            continue
        shelf = {"location": effect.location, "sku": effect.sku, "lot": effect.lot}
        for row in db.execute(_SQL["counted_since"], {**shelf, "occurred": occurred_ms}).fetchall():
            inside = dict(unpack(row["inside"]))  # type: ignore[call-overload]
            if item.seq > inside.get(item.replica, 0):
                values = {
                    **dict(zip(("stocktake", "round"), row[:2], strict=True)),
                    "sku": effect.sku,
                    "lot": effect.lot,
                    "op_id": operation.op_id,
                    "delta": effect.delta,
                }
                db.execute(_SQL["add"], values)


def stocktakes(db: sqlite3.Connection, after: str, limit: int) -> list[str]:
    """The stocktakes whose counts miss something that is not said in them yet, by id."""
    found = db.execute(_SQL["stocktakes"], {"after": after, "limit": limit})
    return [row["stocktake"] for row in found]


def missing(db: sqlite3.Connection, stocktake: str, limit: int) -> list[Missing]:
    """What the counts of a stocktake miss, by line, at most `limit` movements."""
    return [
        Missing(
            LineKey(Sku(row["sku"]), Lot(row["lot"])),
            row["round"],
            OpId(row["op_id"]),
            row["delta"],
        )
        for row in db.execute(_SQL["missing"], {"stocktake": stocktake, "limit": limit})
    ]


def forget(db: sqlite3.Connection, stocktake: str, said: Sequence[Missing]) -> None:
    """The stocktake says so now, or nothing is corrected by it."""
    db.executemany(
        _SQL["forget"],
        [
            {
                "stocktake": stocktake,
                "sku": one.key.sku,
                "lot": one.key.planned,
                "round": one.round,
                "op_id": one.op_id,
            }
            for one in said
        ],
    )
