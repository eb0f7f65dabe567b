"""What a location should order of whom, and the drafts of it.

Invariant: a suggestion is worked out by a pure function from what one snapshot shows: levels, stock, what was used, and what
orders still expect. What was drafted counts as coming, so the same is not drafted again under another key.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

import orjson

from node.commands import documents as commands
from node.commands.documents import Written
from node.commands.movements import Here
from node.commands.requests import Caller, Refusal
from node.commands.rights import check
from node.replica import answers, documents, stock, usage
from node.replica.answers import Kept, Slot
from node.replica.documents import DocumentQuery, Held
from protocol.access.people import Resource
from protocol.access.table import action
from protocol.declarations.catalogue import SKUS
from protocol.declarations.naming import codes_of
from protocol.declarations.paperwork import ORDERS
from protocol.declarations.reading import entries_of, shown_value, shown_values
from protocol.declarations.shops import LEVELS
from protocol.declarations.vocabulary import ARCHIVED, Collection
from protocol.limits import (
    DOCUMENT_LINES_MAX,
    LIST_LIMIT_MAX,
    ORDERS_DRAFTED_MAX,
    SUGGESTED_SKUS_MAX,
)
from protocol.workflows.order_table import OPEN, Kind, Status
from protocol.workflows.replenishment import Position, Suggestion, suggest

ROUTE: Final = "orders/suggested"
_DAY_MS: Final = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to suggest."""

    location: str
    lead_days: int
    """Until goods ordered today can be sold."""
    used_days: int
    """Over how many days what was used is counted; at least 1."""


class Pack(NamedTuple):
    """What a SKU is ordered in."""

    name: str | None
    """None where it comes loose."""
    size: int


class Suggested(NamedTuple):
    """One order to draft, with the catalogue's words for it."""

    supplier: str | None
    lines: tuple[Suggestion, ...]
    packs: Mapping[str, Pack]


class Looked(NamedTuple):
    """What is known of the SKUs that a location keeps on purpose."""

    positions: list[Position]
    """By code."""
    packs: Mapping[str, Pack]
    """What each is ordered in."""
    is_whole: bool
    """Whether these are all of them."""


class _Coming(NamedTuple):
    expected: dict[str, int]
    drafted: dict[str, int]


def suggested(db: sqlite3.Connection, wanted: Wanted, now_ms: int) -> list[Suggested]:
    """What the location should order, by supplier; of a supplier with very many lines several orders."""
    looked = looked_at(db, wanted, now_ms)
    found = suggest(looked.positions, lead_days=wanted.lead_days, used_days=wanted.used_days)
    return [
        Suggested(supplier or None, lines[at : at + DOCUMENT_LINES_MAX], looked.packs)
        for supplier, lines in found.items()
        for at in range(0, len(lines), DOCUMENT_LINES_MAX)
    ]


def looked_at(db: sqlite3.Connection, wanted: Wanted, now_ms: int) -> Looked:
    """What suggestions for a location are worked out from.

    What it keeps on purpose are the SKUs of which it has a level. At most `SUGGESTED_SKUS_MAX` of them are looked at, in
    order of code.
    """
    used = usage.used(db, wanted.location, now_ms - wanted.used_days * _DAY_MS)
    coming = _coming(db, wanted.location)
    positions: list[Position] = []
    packs: dict[str, Pack] = {}
    levels = list(_levels(db, wanted.location))
    for sku, level in levels:
        described = documents.one(db, SKUS, sku)
        fields = {} if described is None else described.fields
        if fields.get(ARCHIVED) is True:
            continue
        packs[sku] = pack_of(fields)
        row = stock.totals(db, wanted.location, sku, now_ms)
        reorder = shown_value(LEVELS, "reorder_quantity", level.fields)
        supplier = shown_value(SKUS, "supplier", fields)
        positions.append(
            Position(
                sku,
                supplier if isinstance(supplier, str) else "",
                row.available,
                row.in_transit + coming.expected.get(sku, 0),
                coming.drafted.get(sku, 0),
                row.minimum,
                reorder if isinstance(reorder, int) else 0,
                used.get(sku, 0),
                packs[sku].size,
            )
        )
    return Looked(positions, packs, is_whole=len(levels) < SUGGESTED_SKUS_MAX)


def draft(
    db: sqlite3.Connection,
    here: Here,
    caller: Caller,
    wanted: Wanted,
    found: Sequence[Suggested],
    key: str,
) -> Written:
    """Draft purchase orders of what was suggested, or answer again what was answered to this key.

    At most `ORDERS_DRAFTED_MAX`; what is left is suggested again. All of them or none. Durable with the transaction.

    Raises:
        Refusal: `forbidden`, `idempotency_key_reused`.
    """
    slot = Slot(caller.name, ROUTE, key)
    request = answers.request_digest([wanted.location, wanted.lead_days, wanted.used_days])
    if (kept := answers.find(db, slot)) is not None:
        if kept.request != request:
            raise Refusal("idempotency_key_reused", "this key was used before, for another request")
        return Written("", kept.status, kept.body, replayed=True)
    places = Resource(frozenset({wanted.location}))
    check(caller, action("orders.create"), places)
    made = []
    for at, one in enumerate(found[:ORDERS_DRAFTED_MAX]):
        lines = [{"sku": line.sku, "quantity": line.quantity} for line in one.lines]
        asked: dict[str, object] = {
            "kind": Kind.PURCHASE.value,
            "location": wanted.location,
            "lines": lines,
        }
        if one.supplier is not None:
            asked["supplier"] = one.supplier
        written = commands.create(db, here, caller, ORDERS, asked, f"{ROUTE}/{key}/{at}")
        made.append(orjson.loads(written.body))
    body = orjson.dumps({"orders": made})
    answers.keep(db, slot, Kept(request, 201, body), here.now_ms)
    return Written("", 201, body, replayed=False)


def pack_of(sku: Mapping[str, object]) -> Pack:
    """The smallest pack that holds more than one: what a shop can order without being sent much more than it needs."""
    (packs,) = (one for one in SKUS.entries if one.name == "packs")
    sizes = [
        Pack(name, pack["multiple"])
        for name, pack in entries_of(packs, sku).items()
        if pack["multiple"] > 1
    ]
    return min(sizes, key=lambda one: (one.size, one.name), default=Pack(None, 1))


def _levels(db: sqlite3.Connection, location: str) -> Iterator[tuple[str, Held]]:
    for held in islice(_all(db, LEVELS, {"location": location}), SUGGESTED_SKUS_MAX):
        yield codes_of(LEVELS, held.id)["sku"], held


def _coming(db: sqlite3.Connection, location: str) -> _Coming:
    """What open purchase orders of the location still expect, and what is on those not placed yet; by SKU."""
    found = _Coming({}, {})
    matching = {"location": location, "kind": Kind.PURCHASE, "status": Status.PENDING}
    for held in _all(db, ORDERS, matching):
        shown = shown_values(ORDERS, held.fields, None)
        total, amount = (
            (found.expected, "owed") if shown["stage"] in OPEN else (found.drafted, "ordered")
        )
        for line in shown["progress"]:  # type: ignore[attr-defined] # rows
            total[line["sku"]] = total.get(line["sku"], 0) + line[amount]
    return found


def _all(
    db: sqlite3.Connection, collection: Collection, matching: Mapping[str, object]
) -> Iterator[Held]:
    query = DocumentQuery(collection, matching, archived=False, limit=LIST_LIMIT_MAX)
    while True:
        page = documents.page(db, query)
        yield from page.items
        if page.following is None:
            return
        query = DocumentQuery(
            collection, matching, archived=False, limit=LIST_LIMIT_MAX, cursor=page.following
        )
