"""The variance report of a stocktake: what was expected of each line, what was counted, and what the difference is worth.

Invariants:
- What was expected is what the node showed when the count was taken, so what is sold meanwhile changes no line.
- Of a blind count a till is shown nothing to count towards until the stocktake has ended, also not while a recount is
  awaited; who reviews it, an operator, sees everything at every moment.
- A difference is worth the selling price, as in `count_limits`; what it costs is shown to the office's operators alone.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from node.commands.answering import time_to_text
from node.commands.count_limits import Money, declared_limits, limits_of
from node.commands.depicting import sees_office_part
from node.commands.requests import Caller, Refusal
from node.commands.rights import has_right
from node.replica import documents
from node.replica.documents import Held
from protocol.access.table import action
from protocol.declarations.catalogue import SKUS
from protocol.declarations.paperwork import STOCKTAKES
from protocol.declarations.reading import shown_value
from protocol.declarations.vocabulary import NUMBER
from protocol.effects import DocumentKey
from protocol.ids import Location, Sku
from protocol.workflows.count_sheet import Count, Line, Sheet, Stage, line_name, read
from protocol.workflows.progress import LineKey
from protocol.workflows.stocktakes import Limits, needs_second_person

_EXPECTED: Final = action("stocktakes.expected")
_ENDED: Final = (Stage.FINALISED, Stage.CANCELLED)


class _Sku(NamedTuple):
    """What the catalogue says of a SKU."""

    name: object
    price: Money | None
    cost: Money | None


def report(db: sqlite3.Connection, caller: Caller, id_: str) -> dict[str, object]:
    """The report as REST shows it, as this caller may see it; lines by SKU and lot.

    Raises:
        Refusal: `not_found`.
    """
    held = documents.one(db, STOCKTAKES, id_)
    if held is None:
        raise Refusal("not_found", "there is no such stocktake here")
    sheet = read(documents.states(db, DocumentKey(STOCKTAKES.name, id_)))
    location = Location(str(held.fields.get("location")))
    limits = limits_of(db, location, {key.sku for key in sheet.lines})
    units, value = declared_limits(db, location)
    skus = _skus(db, caller, sheet)
    hidden = is_hidden(caller, held, sheet)
    lines = [
        _line_json(key, line, skus[key.sku], limits, hidden=hidden)
        for key, line in sorted(sheet.lines.items())
    ]
    return {
        "id": id_,
        "location": location,
        "number": shown_value(STOCKTAKES, NUMBER, held.fields),
        "name": shown_value(STOCKTAKES, "name", held.fields),
        "stage": sheet.progress.stage,
        "blind": shown_value(STOCKTAKES, "blind", held.fields),
        "hidden": hidden,
        "limits": {"units": units, "value": value},
        "totals": _totals(sheet, skus, hidden=hidden),
        "lines": lines,
    }


def line_of(db: sqlite3.Connection, caller: Caller, id_: str, key: LineKey) -> dict[str, object]:
    """One counted line as whoever counted it is shown it: of a blind count without what was expected."""
    held = documents.one(db, STOCKTAKES, id_)
    assert held is not None, "a line of it was just counted"
    sheet = read(documents.states(db, DocumentKey(STOCKTAKES.name, id_)))
    count = sheet.lines[key].standing
    hidden = is_blind(held) and (
        not has_right(caller, _EXPECTED) or sheet.progress.stage == Stage.COUNTING
    )
    named = {"line": line_name(key), "sku": key.sku, "lot": key.planned or None}
    return {**named, **_count_json(count, hidden=hidden)}


def is_blind(held: Held) -> bool:
    """Whether whoever counts is not shown what is expected."""
    return shown_value(STOCKTAKES, "blind", held.fields) is True


def is_hidden(caller: Caller, held: Held, sheet: Sheet) -> bool:
    """Whether what was expected is kept from this caller for now."""
    is_counter = not has_right(caller, _EXPECTED)
    return is_blind(held) and is_counter and sheet.progress.stage not in _ENDED


def _skus(db: sqlite3.Connection, caller: Caller, sheet: Sheet) -> dict[Sku, _Sku]:
    found = {}
    for sku in {key.sku for key in sheet.lines}:
        held = documents.one(db, SKUS, sku)
        if held is None:
            found[sku] = _Sku(None, None, None)
            continue
        office = held.office_fields if sees_office_part(caller) else None
        price = shown_value(SKUS, "price", held.fields)
        cost = None if office is None else shown_value(SKUS, "cost", office)
        found[sku] = _Sku(shown_value(SKUS, "name", held.fields), _money(price), _money(cost))
    return found


def _money(value: object) -> Money | None:
    return value if isinstance(value, Mapping) else None


def _line_json(
    key: LineKey, line: Line, sku: _Sku, limits: Limits, *, hidden: bool
) -> dict[str, object]:
    count = line.standing
    above = needs_second_person(line, limits)
    return {
        "line": line_name(key),
        "sku": key.sku,
        "name": sku.name,
        "lot": key.planned or None,
        **_count_json(count, hidden=hidden),
        "price": sku.price,
        "value": None if hidden else _times(sku.price, count.delta),
        "cost": sku.cost,
        "value_at_cost": None if hidden else _times(sku.cost, count.delta),
        "reason": line.reason,
        "verified_by": line.verified_by,
        "recount_asked": line.is_awaited,
        "needs_second_person": None if hidden else above and line.verified_by is None,
        "rounds": [_count_json(one, hidden=hidden) for one in line.counts],
    }


def _count_json(count: Count, *, hidden: bool) -> dict[str, object]:
    return {
        "round": count.round,
        "counted": count.counted,
        "expected": None if hidden else count.counted - count.delta,
        "difference": None if hidden else count.delta,
        "counted_by": count.by,
        "counted_at": time_to_text(count.at_ms),
    }


def _totals(sheet: Sheet, skus: Mapping[Sku, _Sku], *, hidden: bool) -> dict[str, object]:
    deltas = [(key.sku, line.standing.delta) for key, line in sheet.lines.items()]
    shown = [] if hidden else deltas
    over = sum(delta for _, delta in shown if delta > 0)
    short = -sum(delta for _, delta in shown if delta < 0)
    return {
        "lines": len(deltas),
        "awaited": sum(line.is_awaited for line in sheet.lines.values()),
        "differing": None if hidden else sum(delta != 0 for _, delta in deltas),
        "units_over": None if hidden else over,
        "units_short": None if hidden else short,
        "values": _sums((skus[sku].price, delta) for sku, delta in shown),
        "values_at_cost": _sums((skus[sku].cost, delta) for sku, delta in shown),
    }


def _times(money: Money | None, delta: int) -> dict[str, object] | None:
    if money is None:
        return None
    return {"amount": _amount(money) * delta, "currency": money["currency"]}


def _sums(worth: Iterable[tuple[Money | None, int]]) -> list[dict[str, object]]:
    """One sum for each currency, by its code."""
    sums: Counter[str] = Counter()
    for money, delta in worth:
        if money is not None:
            sums[str(money["currency"])] += _amount(money) * delta
    return [{"amount": sums[currency], "currency": currency} for currency in sorted(sums)]


def _amount(money: Money) -> int:
    amount = money["amount"]
    assert isinstance(amount, int), "its kind says so"
    return amount
