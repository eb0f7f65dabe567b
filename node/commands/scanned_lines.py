"""Lines of a plan and of a count that say what was scanned, or how many packs, worked out in base units.

Invariants:
- As of a movement's lines, once, in the transaction that records them, by `scanning.work_out` alone. A repeat is compared
  with what was asked.
- A plan and a count name the amount that is to be, so a barcode alone is no line of one.
"""

import sqlite3
from collections.abc import Mapping
from typing import Final

from node.commands.requests import Refusal, Said
from node.commands.scanning import Place, units_of_packs, work_out
from protocol.declarations.editing import Asked
from protocol.declarations.vocabulary import Collection, Entries, Scanned
from protocol.ids import NO_LOT, Lot, Sku
from protocol.workflows.progress import LineKey

_SAID: Final = ("barcode", "pack", "packs")
"""The members of a line that say it otherwise than by SKU and base units."""


def worked_out(
    db: sqlite3.Connection, place: Place, key: LineKey, amount: int | None, said: Said, now_ms: int
) -> tuple[LineKey, int]:
    """A line by its SKU and lot, and the amount of it in base units.

    Args:
        db: the transaction that records it.
        place: where the line is in the request.
        key: what it names itself; "" for nothing.
        amount: in base units, where it says so itself.
        said: what it says in their place.
        now_ms: UTC milliseconds.

    Raises:
        Refusal: see `scanning.work_out` and `scanning.units_of_packs`.
    """
    found = work_out(db, place, key.sku, key.planned, said, now_ms)
    if amount is None:
        assert said.packs is not None, "its model asks for one of them"
        amount = units_of_packs(found, said.packs, place)
    return LineKey(found.sku, found.lot), amount


def planned(
    db: sqlite3.Connection,
    place: Place,
    key: LineKey,
    quantity: int | None,
    said: Said,
    scanned: Scanned | None,
    now_ms: int,
) -> tuple[LineKey, int]:
    """The same of a line of a plan, which may leave the lot open that its barcode names.

    Raises:
        Refusal: as `worked_out`.
    """
    line, amount = worked_out(db, place, key, quantity, said, now_ms)
    return (line if scanned is Scanned.LOT else line._replace(planned=key.planned)), amount


def asked_in_base_units(
    db: sqlite3.Connection, collection: Collection, asked: Asked, now_ms: int
) -> Asked:
    """What is wanted of a document, with the lines of its plan as they are kept; as it is where all are so already.

    Raises:
        Refusal: as `worked_out`; `validation_failed` for more than a line may ask for.
    """
    for entries in collection.entries:
        given = asked.get(entries.name)
        if entries.scanned is None or not isinstance(given, list):
            continue
        if any(line.get(name) is not None for line in given for name in _SAID):
            lines = [_kept(db, entries, at, line, now_ms) for at, line in enumerate(given)]
            return {**asked, entries.name: lines}
    return asked


def _kept(
    db: sqlite3.Connection, entries: Entries, at: int, line: Mapping[str, object], now_ms: int
) -> Mapping[str, object]:
    barcode, pack, packs = (line.get(name) for name in _SAID)
    if barcode is pack is packs is None:
        return line
    said = Said(_text(barcode), _text(pack), _whole(packs))
    place: Place = (entries.name, at)
    key = LineKey(Sku(_text(line.get("sku")) or ""), Lot(_text(line.get("lot")) or NO_LOT))
    quantity = _whole(line.get("quantity"))
    key, quantity = planned(db, place, key, quantity, said, entries.scanned, now_ms)
    kept = {"note": line.get("note"), "sku": key.sku, "lot": key.planned or None}
    kept["quantity"] = quantity
    if fault := entries.value.fault(kept):
        error = {"loc": [*place], "msg": fault, "type": "value"}
        raise Refusal("validation_failed", f"line {at + 1} {fault}", errors=[error])
    return kept


def _text(value: object) -> str | None:
    assert value is None or isinstance(value, str), "its model says so"
    return value


def _whole(value: object) -> int | None:
    assert value is None or isinstance(value, int), "its model says so"
    return value
