"""What the register has of one SKU at one location: its lots, each with its entries and the balance after each.

Invariant: the balance after the last entry of a lot is what is shown on hand of it, whatever was asked for; see `register`.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, NamedTuple

from node.commands.answering import id_to_text, time_to_text
from node.replica.documents import Held
from node.replica.movements import Recorded, recorded
from node.reports.balances import balances
from node.reports.frame import Row
from node.reports.ordered import Keyed
from node.reports.told import TOLD, reversals, told
from protocol.declarations.catalogue import SKUS
from protocol.declarations.reading import shown_value
from protocol.effects import Account, CounterEffect
from protocol.ids import OpId
from protocol.limits import REGISTER_MOVEMENTS_MAX
from protocol.movements import MoveKind
from protocol.operation import Operation
from protocol.witness import WITNESS, WITNESSED
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "register.sql")
_DIRECT: Final = frozenset({MoveKind.ADJUST.operation_kind, MoveKind.COUNT.operation_kind})
_WITNESSED: Final = frozenset(kind.operation_kind for kind in WITNESSED)
_NO_ENTRY: Final = dict.fromkeys(
    (
        *("id", "recorded_at", "occurred_at", "quantity_in", "quantity_out", "counted"),
        *(*TOLD, "witness", "reversed_by"),
    )
) | dict.fromkeys(("witness_missing", "is_direct", "is_set_aside"), False)


class Asked(NamedTuple):
    """Which entries; None does not restrict. Times are UTC milliseconds."""

    location: str
    lot: str | None
    since_ms: int | None
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Book:
    """Of one SKU."""

    sku: str
    rows: list[Keyed]
    """By lot and order of arrival; a key is the SKU, the lot and the position, 0 for what is brought forward."""
    examined: int
    """How many movements were read for it."""
    is_cut: bool
    """Whether there are more than are looked at."""
    is_unexplained: bool
    """Whether something is brought forward that no entry explains."""


class _Entry(NamedTuple):
    """What one movement did to one lot."""

    found: Recorded
    is_set_aside: bool
    came: int
    left: int
    counted: int | None

    @property
    def delta(self) -> int:
        """What of it counts."""
        return 0 if self.is_set_aside else self.came - self.left


def read_book(db: sqlite3.Connection, held: Held, asked: Asked) -> Book:
    """Read a controlled SKU's."""
    limit = REGISTER_MOVEMENTS_MAX + 1
    where = {"sku": held.id, "location": asked.location}
    listed = db.execute(_SQL["entries"], {**where, "limit": limit}).fetchall()
    by_lot: dict[str, list[_Entry]] = defaultdict(list)
    for row in reversed(listed[:REGISTER_MOVEMENTS_MAX]):
        for lot, entry in _entries(row, held.id, asked.location):
            by_lot[lot].append(entry)
    on_hand: Mapping[str, int] = dict(db.execute(_SQL["on_hand"], where).fetchall())
    rows: list[Keyed] = []
    is_unexplained = False
    for lot in sorted({*by_lot, *on_hand}):
        if asked.lot is None or asked.lot == lot:
            entries = by_lot.get(lot, [])
            left = balances(on_hand.get(lot, 0), [entry.delta for entry in entries])
            is_unexplained |= left[0] != 0
            rows += _rows(held, asked, lot, entries, left)
    return Book(held.id, rows, len(listed), len(listed) == limit, is_unexplained)


def _entries(row: sqlite3.Row, sku: str, location: str) -> Iterator[tuple[str, _Entry]]:
    """What a movement did to each lot of the SKU, by lot."""
    found = recorded(row)
    on_hand = [
        effect
        for effect in found.operation.effects
        if isinstance(effect, CounterEffect) and effect.account == Account.ON_HAND
    ]
    by_lot: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for place, effect in enumerate(on_hand):
        if (effect.sku, effect.location) == (sku, location):
            by_lot[effect.lot].append((place, effect.delta))
    for lot, lines in by_lot.items():
        came = sum(delta for _, delta in lines if delta > 0)
        left = -sum(delta for _, delta in lines if delta < 0)
        counted = _counted(found.operation, lines[-1][0])
        yield lot, _Entry(found, bool(row["is_set_aside"]), came, left, counted)


def _counted(operation: Operation, place: int) -> int | None:
    facts = operation.details.get("lines")
    said = facts.get(str(place)) if isinstance(facts, Mapping) else None
    counted = said.get("counted") if isinstance(said, Mapping) else None
    return counted if isinstance(counted, int) else None


def _rows(
    held: Held, asked: Asked, lot: str, entries: Sequence[_Entry], left: Sequence[int]
) -> Iterator[Keyed]:
    """What is brought forward, and the entries of the time asked for with the balance after each."""
    first, beyond = 0, len(entries)
    if (since_ms := asked.since_ms) is not None:
        first = sum(1 for _ in takewhile(lambda one: _recorded_ms(one) < since_ms, entries))
    if (until_ms := asked.until_ms) is not None:
        late = takewhile(lambda one: _recorded_ms(one) >= until_ms, reversed(entries))
        beyond -= sum(1 for _ in late)
    shelf = {
        "location": asked.location,
        "sku": held.id,
        "name": shown_value(SKUS, "name", held.fields),
        "lot": lot or None,
    }
    if left[first] != 0 or (first and first < beyond):
        row = {**shelf, "row": "brought_forward", **_NO_ENTRY, "balance": left[first]}
        yield (held.id, lot, 0), row
    needs_witness = shown_value(SKUS, "witness", held.fields) is True
    back_by = reversals(one.found.operation for one in entries)
    for at in range(first, beyond):
        entry = entries[at]
        by = back_by.get(entry.found.operation.op_id)
        said = _said(entry, by, needs_witness=needs_witness)
        row = {**shelf, "row": "entry", **said, "balance": left[at + 1]}
        yield (held.id, lot, entry.found.position), row


def _recorded_ms(entry: _Entry) -> int:
    return entry.found.operation.recorded_at


def _said(entry: _Entry, back_by: OpId | None, *, needs_witness: bool) -> Row:
    operation = entry.found.operation
    witness = operation.details.get(WITNESS)
    is_witnessed = operation.kind in _WITNESSED and entry.left > 0
    return {
        "id": id_to_text(operation.op_id),
        "recorded_at": time_to_text(operation.recorded_at),
        "occurred_at": time_to_text(operation.occurred_at),
        **told(operation),
        "quantity_in": entry.came,
        "quantity_out": entry.left,
        "counted": entry.counted,
        "witness": witness,
        "reversed_by": None if back_by is None else id_to_text(back_by),
        "witness_missing": needs_witness and is_witnessed and witness is None,
        "is_direct": operation.kind in _DIRECT and bool(entry.came or entry.left),
        "is_set_aside": entry.is_set_aside,
    }
