"""Goods of orders and transfers that say what was scanned, or how many packs, worked out in base units.

Invariants:
- As of a movement's lines, once, in the transaction that records them, by `scanning.work_out` alone. A repeat is compared
  with what was asked.
- Where goods move, a barcode alone is one of what it is on; a plan says how many (see `scanned_lines`).
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from node.commands.courses import Goods, Request
from node.commands.requests import Refusal
from node.commands.scanned_lines import planned
from node.commands.scanning import units_of_packs, work_out
from protocol.declarations.vocabulary import Collection
from protocol.workflows.progress import LineKey


def in_base_units(
    db: sqlite3.Connection,
    request: Request,
    collection: Collection,
    now_ms: int,
    *,
    takes_goods_in: bool = False,
) -> Request:
    """The same request with the SKU, lot and quantity of all its goods.

    Of goods that come from outside the last day that a code says is kept with them.

    Raises:
        Refusal: see `scanning.work_out` and `scanning.units_of_packs`; `validation_failed` for a line of the plan that is
            given twice.
    """
    lines = None
    if request.lines is not None:
        lines = _goods(db, request.lines, "lines", now_ms, takes_expiry=takes_goods_in)
    damaged = _goods(db, request.damaged, "damaged", now_ms, takes_expiry=False)
    plan = _plan(db, request, collection, now_ms)
    return replace(request, lines=lines, damaged=damaged, plan=plan)


def _plan(
    db: sqlite3.Connection, request: Request, collection: Collection, now_ms: int
) -> tuple[tuple[LineKey, int], ...]:
    scanned = next((one.scanned for one in collection.entries if one.scanned is not None), None)
    plan = []
    for at, one in enumerate(request.plan):
        if not isinstance(one, Goods):
            plan.append(one)
            continue
        assert one.said is not None, "a line in base units is no goods of a plan"
        key = LineKey(one.sku, one.lot)
        plan.append(planned(db, ("lines", at), key, one.quantity, one.said, scanned, now_ms))
    if len(plan) != len(dict(plan)):
        fault = {"loc": ["lines"], "msg": "name one SKU and lot twice", "type": "repeated"}
        raise Refusal("validation_failed", "a line is given twice", errors=[fault])
    return tuple(plan)


def _goods(
    db: sqlite3.Connection, goods: Sequence[Goods], name: str, now_ms: int, *, takes_expiry: bool
) -> tuple[Goods, ...]:
    moved = []
    for at, one in enumerate(goods):
        if one.said is None:
            moved.append(one)
            continue
        place = (name, at)
        found = work_out(db, place, one.sku, one.lot, one.said, now_ms)
        quantity = one.quantity
        if quantity is None:
            packs = 1 if one.said.packs is None else one.said.packs
            quantity = units_of_packs(found, packs, place)
        facts = {**one.facts, **found.facts}
        if takes_expiry and found.expiry is not None:
            facts.setdefault("expiry", found.expiry)
        moved.append(Goods(found.sku, quantity, found.lot, one.planned, facts))
    return tuple(moved)
