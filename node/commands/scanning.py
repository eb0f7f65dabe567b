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
from typing import Final

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
        Refusal: `unknown_barcode`, `ambiguous_barcode`; `validation_failed` for a pack that the SKU has not;
            `unavailable` while the index is being made.
    """
    if all(line.said is None for line in movement.lines):
        return movement
    lines = tuple(
        line if line.said is None else _worked_out(db, movement.kind, at, line, line.said, now_ms)
        for at, line in enumerate(movement.lines)
    )
    return replace(movement, lines=lines)


def _worked_out(
    db: sqlite3.Connection, kind: MoveKind, at: int, line: Line, said: Said, now_ms: int
) -> Line:
    if said.barcode is None:
        held = documents.one(db, SKUS, line.sku)
        units = None if held is None else skus.multiple_of(held, said.pack)
        return _counted(kind, at, line, said, units, _facts(line, said, said.pack))
    barcode = read_scan(said.barcode, now_ms)
    choice = _chosen(db, at, line, barcode)
    pack, units = choice.pack, units_of(choice, barcode)
    if said.pack is not None:
        pack, multiple = said.pack, skus.multiple_of(choice.held, said.pack)
        units = None if multiple is None else multiple * (barcode.quantity or 1)
    facts = _facts(line, said, pack) | {"barcode": barcode.text}
    if kind is MoveKind.RECEIVE and barcode.expiry is not None:
        facts.setdefault("expiry", barcode.expiry)
    named = replace(
        line, sku=Sku(choice.held.id), lot=line.lot or Lot(barcode.lot or NO_LOT), said=None
    )
    return _counted(kind, at, named, said, units, facts)


def _counted(
    kind: MoveKind,
    at: int,
    line: Line,
    said: Said,
    units: int | None,
    facts: Mapping[str, object],
) -> Line:
    line = replace(line, facts=facts, said=None)
    if line.delta is not None or line.counted is not None:
        return line
    packs = _ONE_OF.get(RULES[kind].sign) if said.packs is None else said.packs
    assert packs is not None, "whoever asked has said how many, or the kind says which way"
    if units is None:
        raise Refusal(
            "validation_failed",
            f"line {at + 1} names a pack that nobody has described on its SKU",
            errors=[_error(at, "pack", "is not a pack of this SKU", "pack")],
        )
    if kind is MoveKind.COUNT:
        return replace(line, counted=packs * units)
    return replace(line, delta=packs * units)


def _facts(line: Line, said: Said, pack: str | None) -> dict[str, object]:
    given = {"pack": pack, "packs": said.packs}
    return {**line.facts, **{name: value for name, value in given.items() if value is not None}}


def _chosen(db: sqlite3.Connection, at: int, line: Line, barcode: Barcode) -> Choice:
    found = skus.choices(db, barcode)
    if line.sku:  # the line itself says which of them
        found = [one for one in found if line.sku in (one.held.id, one.replaces)]
    match found:
        case [choice]:
            return choice
        case []:
            raise _unknown(db, at, line, barcode)
        case _:
            raise _ambiguous(at, found)


def _unknown(db: sqlite3.Connection, at: int, line: Line, barcode: Barcode) -> Refusal:
    if not search.is_whole(db):
        return Refusal("unavailable", "the index of barcodes is being made; try again in a moment")
    on = f"not on {line.sku}" if line.sku else "on no SKU here"
    detail = (
        f"the barcode of line {at + 1} is {on}; link it by POST /v1/skus/{{code}}/barcodes, "
        "or send sku and delta"
    )
    if barcode.form is Form.GS1 and barcode.gtin is None:
        detail = f"the code of line {at + 1} names no article; send sku and delta"
    return Refusal("unknown_barcode", detail, errors=[_error(at, "barcode", f"is {on}", "unknown")])


def _ambiguous(at: int, found: Sequence[Choice]) -> Refusal:
    return Refusal(
        "ambiguous_barcode",
        f"the barcode of line {at + 1} is on several SKUs; send the line again with the sku that it is",
        errors=[_error(at, "sku", one.held.id, "choice") for one in found],
    )


def _error(at: int, name: str, message: str, kind: str) -> dict[str, object]:
    return {"loc": ["lines", at, name], "msg": message, "type": kind}
