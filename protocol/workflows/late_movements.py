"""Goods that moved before they were counted, and of which the count did not know.

A till that was cut off sells; the shelf is counted; then its sales arrive. The count took them for missing and corrected
that, so they are taken off twice, unless the goods were still on the shelf: only people know.

Invariant: the node that took a count says so in the stocktake, once for each movement; what it says joins like the rest.
Of a line only what is said of the count that stands matters, and only once it was corrected by. Two nodes of a shop may
count one line in the same round without hearing of each other: each knew of other movements, so what is said names the
count by who took it and when.

Field:

    late/<line>/<round>/<first operation>    {sku, lot, delta, movements, by, at}: base units on hand, of how many
                                             movements, and whose count did not know of them
"""

from typing import Final, NamedTuple

from protocol.ids import NO_LOT, Lot, Sku
from protocol.limits import TOTAL_MAX
from protocol.workflows.count_sheet import Count, Sheet, Stage, line_name
from protocol.workflows.progress import LineKey
from protocol.workflows.steps import FieldWrite

LATE: Final = "late/"


class Late(NamedTuple):
    """What the count of a line did not know of."""

    delta: int
    """Base units on hand; less than 0 left the shelf."""
    movements: int
    """How many."""


def mark(count: Count, first: str, late: Late) -> FieldWrite:
    """What is written of some movements that a count did not know of, the first of which names them."""
    key, who = count.key, {"by": count.by, "at": count.at_ms}
    value = {"sku": key.sku, "lot": key.planned or None, **late._asdict(), **who}
    return FieldWrite(f"{LATE}{line_name(key)}/{count.round}/{first}", value)


def of_sheet(sheet: Sheet) -> dict[LineKey, Late]:
    """By line what its count did not know of; {} while nothing was corrected by it."""
    if sheet.progress.stage != Stage.FINALISED:
        return {}
    found: dict[LineKey, Late] = {}
    for name, state in sorted(sheet.progress.document.fields.items()):
        if name.startswith(LATE) and (read := _read(sheet, name, state.value)) is not None:
            key, late = read
            held = found.get(key, Late(0, 0))
            found[key] = Late(held.delta + late.delta, held.movements + late.movements)
    return {key: late for key, late in found.items() if late.delta}


def _read(sheet: Sheet, name: str, value: object) -> tuple[LineKey, Late] | None:
    match value:
        case {"sku": str(sku), "delta": int(delta), "movements": int(movements), **others}:
            lot = others.get("lot")
            key = LineKey(Sku(sku), Lot(lot) if isinstance(lot, str) else NO_LOT)
            line = sheet.lines.get(key)
            if line is None or abs(delta) > TOTAL_MAX or not 0 < movements <= TOTAL_MAX:
                return None
            count = line.standing
            is_named = name.startswith(f"{LATE}{line_name(key)}/{count.round}/")
            # Those who wrote before marks named the count said nothing of whose it was.
            whose = others.get("by", count.by), others.get("at", count.at_ms)
            is_of_it = is_named and whose == (count.by, count.at_ms)
            return (key, Late(delta, movements)) if is_of_it else None
        case _:
            return None
