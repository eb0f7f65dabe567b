"""Lines that say what was scanned, or how many packs, worked out as SKUs and base units.

Invariants:
- A line is worked out once, in the transaction that records it. A repeat is compared with what was asked, so a catalogue
  that has changed meanwhile does not make another request of it.
- What a code does not say changes nothing, and what the line says itself stands over the code.
- Nothing is guessed: a barcode on several SKUs is refused with the choices, one on none with how to link it.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from node.commands.requests import Line, Movement, Refusal, Said
from node.replica import documents, search, skus
from node.replica.skus import Choice
from protocol.barcodes import Barcode, Form, read_barcode
from protocol.declarations.catalogue import SKUS
from protocol.ids import NO_LOT, Lot, Sku
from protocol.movements import RULES, MoveKind, Sign

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_OF: Final = {Sign.IN: 1, Sign.OUT: -1}
"""What one scan stands for, where the kind says which way the goods go."""
Place = tuple[str | int, ...]
"""Where a line is in its request, as errors name it."""


class WorkedOut(NamedTuple):
    """What a line is about that says what was scanned, or packs."""

    sku: Sku
    lot: Lot
    units: int | None
    """Base units of one pack, or of what one scan stands for; None where nobody has described the pack."""
    facts: Mapping[str, object]
    """`pack`, `packs`, `barcode`: kept with what is recorded."""
    expiry: str | None = None
    """The last day that the code says; a matter of whoever takes goods in."""


def read_scan(scanned: str, now_ms: int) -> Barcode:
    """Read a scan at this moment, which decides the century of its dates."""
    return read_barcode(scanned, year=(_EPOCH + timedelta(milliseconds=now_ms)).year)


def units_of(choice: Choice, barcode: Barcode) -> int | None:
    """How many base units one scan of a code stands for; None where nobody has described its pack.

    A weight counts where the SKU is kept in grams, or else the scan is one piece of whatever weight.
    """
    if barcode.quantity is None and barcode.weight_g and choice.held.fields.get("unit") == "g":
        return barcode.weight_g
    return None if choice.multiple is None else choice.multiple * (barcode.quantity or 1)


def in_base_units(db: sqlite3.Connection, movement: Movement, now_ms: int) -> Movement:
    """The same movement with the SKU, lot and delta (or count) of every line; as it is where all have them.

    Raises:
        Refusal: see `work_out` and `units_of_packs`.
    """
    if all(line.said is None for line in movement.lines):
        return movement
    lines = tuple(
        line if line.said is None else _line(db, movement.kind, at, line, line.said, now_ms)
        for at, line in enumerate(movement.lines)
    )
    return replace(movement, lines=lines)


def work_out(
    db: sqlite3.Connection, place: Place, sku: Sku, lot: Lot, said: Said, now_ms: int
) -> WorkedOut:
    """What one line of any request is about that says what was scanned, or packs.

    Args:
        db: the transaction that records it.
        place: where the line is in the request.
        sku: what it names itself, "" for nothing; of several that a barcode is on, the one that is meant.
        lot: what it names itself; NO_LOT leaves it to the code.
        said: what it says in their place.
        now_ms: UTC milliseconds; decides the century of a code's dates.

    Raises:
        Refusal: `unknown_barcode`, `ambiguous_barcode`; `unavailable` while the index is being made.
    """
    given = {"pack": said.pack, "packs": said.packs}
    facts = {name: value for name, value in given.items() if value is not None}
    if said.barcode is None:
        held = documents.one(db, SKUS, sku)
        units = None if held is None else skus.multiple_of(held, said.pack)
        return WorkedOut(sku, lot, units, facts)
    barcode = read_scan(said.barcode, now_ms)
    choice = _chosen(db, place, sku, barcode)
    units = units_of(choice, barcode)
    if said.pack is not None:
        multiple = skus.multiple_of(choice.held, said.pack)
        units = None if multiple is None else multiple * (barcode.quantity or 1)
    elif choice.pack is not None:
        facts = {"pack": choice.pack, **facts}
    facts["barcode"] = barcode.text
    found = lot or Lot(barcode.lot or NO_LOT)
    return WorkedOut(Sku(choice.held.id), found, units, facts, barcode.expiry)


def units_of_packs(found: WorkedOut, packs: int, place: Place) -> int:
    """Base units of so many packs.

    Raises:
        Refusal: `validation_failed` for a pack that the SKU has not.
    """
    if found.units is None:
        raise Refusal(
            "validation_failed",
            f"{_name(place)} names a pack that nobody has described on its SKU",
            errors=[_error(place, "pack", "is not a pack of this SKU", "pack")],
        )
    return packs * found.units


def _line(
    db: sqlite3.Connection, kind: MoveKind, at: int, line: Line, said: Said, now_ms: int
) -> Line:
    place = ("lines", at)
    found = work_out(db, place, line.sku, line.lot, said, now_ms)
    facts = {**line.facts, **found.facts}
    if kind is MoveKind.RECEIVE and found.expiry is not None:
        facts.setdefault("expiry", found.expiry)
    line = replace(line, sku=found.sku, lot=found.lot, facts=facts, said=None)
    if line.delta is not None or line.counted is not None:
        return line
    packs = _ONE_OF.get(RULES[kind].sign) if said.packs is None else said.packs
    assert packs is not None, "whoever asked has said how many, or the kind says which way"
    units = units_of_packs(found, packs, place)
    return replace(line, counted=units) if kind is MoveKind.COUNT else replace(line, delta=units)


def _chosen(db: sqlite3.Connection, place: Place, sku: Sku, barcode: Barcode) -> Choice:
    found = skus.choices(db, barcode)
    if sku:  # the line itself says which of them
        found = [one for one in found if sku in (one.held.id, one.replaces)]
    match found:
        case [choice]:
            return choice
        case []:
            raise _unknown(db, place, sku, barcode)
        case _:
            raise _ambiguous(place, found)


def _unknown(db: sqlite3.Connection, place: Place, sku: Sku, barcode: Barcode) -> Refusal:
    if not search.is_whole(db):
        return Refusal("unavailable", "the index of barcodes is being made; try again in a moment")
    on = f"not on {sku}" if sku else "on no SKU here"
    detail = (
        f"the barcode of {_name(place)} is {on}; link it by POST /v1/skus/{{code}}/barcodes, "
        "or send its sku and how many"
    )
    if barcode.form is Form.GS1 and barcode.gtin is None:
        detail = f"the code of {_name(place)} names no article; send its sku and how many"
    errors = [_error(place, "barcode", f"is {on}", "unknown")]
    return Refusal("unknown_barcode", detail, errors=errors)


def _ambiguous(place: Place, found: Sequence[Choice]) -> Refusal:
    return Refusal(
        "ambiguous_barcode",
        f"the barcode of {_name(place)} is on several SKUs; send it again with the sku that it is",
        errors=[_error(place, "sku", one.held.id, "choice") for one in found],
    )


def _name(place: Place) -> str:
    """A line as people call it; a request may be of one alone."""
    return f"line {place[-1] + 1}" if place and isinstance(place[-1], int) else "the line"


def _error(place: Place, name: str, message: str, kind: str) -> dict[str, object]:
    return {"loc": [*place, name], "msg": message, "type": kind}
