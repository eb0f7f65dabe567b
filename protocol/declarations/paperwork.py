"""Documents with a course: orders, transfers, stocktakes. They are drafted here; `protocol.workflows` has their steps.

Invariant: no stage is written by hand. What a step writes (decisions, goods that moved, what was booked) are fields of
the same documents that these declarations do not name.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from protocol.clock import Stamp
from protocol.declarations import courses
from protocol.declarations.kinds import (
    Choice,
    Code,
    Day,
    Flag,
    Id,
    Instant,
    Part,
    Record,
    Text,
    Whole,
)
from protocol.declarations.vocabulary import (
    NUMBER,
    OWN_ATTRIBUTES,
    STAGE,
    Collection,
    Entries,
    Field,
    Only,
    Place,
    Rule,
    Scanned,
    Set,
    Writers,
)
from protocol.documents import Document, FieldState
from protocol.effects import Join
from protocol.ids import ReplicaId
from protocol.limits import (
    DELTA_MAX,
    DOCUMENT_LINES_MAX,
    DOCUMENT_NUMBER_CHARS_MAX,
    NOTE_CHARS_MAX,
    REASON_CHARS_MAX,
    REFERENCE_CHARS_MAX,
)
from protocol.workflows import count_sheet, order_table, orders, transfer_table, transfers
from protocol.workflows.progress import Progress

Values = Mapping[str, object]

_NEVER: Final = Stamp(0, 0, ReplicaId(bytes(16)))


def _lines(scanned: Scanned) -> Entries:
    return Entries(
        "lines",
        Text(16),
        Record(
            (
                Part("sku", Code("skus"), "Of what.", required=True),
                Part("lot", Code(), "Which lot; null leaves it to whoever picks."),
                Part("quantity", Whole(1, DELTA_MAX), "Base units.", required=True),
                Part("note", Text(REASON_CHARS_MAX), "About this line."),
            )
        ),
        "What it is about: one line for each SKU and lot.",
        entries_max=DOCUMENT_LINES_MAX,
        named_by=("sku", "lot"),
        scanned=scanned,
    )


_NUMBER: Final = Field(
    NUMBER,
    Text(DOCUMENT_NUMBER_CHARS_MAX),
    "What people call it: short, and final from the moment it is made, also offline.",
    rule=Rule.FIRST,
    set=Set.BY_NODE,
)
_REFERENCE: Final = Field(
    "reference", Text(REFERENCE_CHARS_MAX), "What others call it: a number on their paper."
)
_NOTE: Final = Field("note", Text(NOTE_CHARS_MAX, lines=True), "For whoever reads it.")


def _stage(stages: type[StrEnum]) -> Field:
    return Field(
        STAGE,
        Choice(tuple(stages)),
        "How far it is.",
        rule=Rule.FURTHEST,
        set=Set.BY_STEPS,
        default=next(iter(stages)).value,
    )


def _of_order(fields: Values) -> Values:
    return _derived_of_order(orders.read(_document(fields)))


def _derived_of_order(progress: Progress) -> Values:
    return {
        STAGE: orders.stage_of(progress),
        "status": orders.status_of(progress).value,
        "fulfilled_at": orders.fulfilled_at(progress.document),
    }


def _of_transfer(fields: Values) -> Values:
    return {STAGE: transfers.stage_of(transfers.read(_document(fields)))}


def _told_of_order(fields: Values) -> Values:
    progress = orders.read(_document(fields))
    return {**_derived_of_order(progress), **courses.of_order(progress, fields.get("kind"))}


def _told_of_transfer(fields: Values) -> Values:
    progress = transfers.read(_document(fields))
    return {STAGE: transfers.stage_of(progress), **courses.of_transfer(progress)}


def _document(fields: Values) -> Document:
    """A document of values: a workflow reads nothing else of it."""
    states = {name: FieldState(Join.LWW, 0, value, _NEVER) for name, value in fields.items()}
    return Document(states, frozenset())


ORDERS: Final = Collection(
    name="orders",
    one="order",
    model="Order",
    meaning="Goods that a location is to get from a supplier or another location, or that a customer is to get there.",
    identity=(),
    place=Place.LOCATIONS,
    writers=Writers.OF_ITS_LOCATIONS,
    fields=(
        _NUMBER,
        Field(
            "kind",
            Choice(("purchase", "customer", "internal")),
            "Who is to deliver to whom.",
            set=Set.AT_CREATION,
            required=True,
        ),
        Field(
            "location", Code("locations"), "Whose order it is.", set=Set.AT_CREATION, required=True
        ),
        Field(
            "from_location",
            Code("locations"),
            "Of an internal order: who is asked to deliver.",
            set=Set.AT_CREATION,
        ),
        Field("supplier", Id("suppliers"), "Of a purchase order: who is to deliver."),
        Field("expected_on", Day(), "When the goods should be there."),
        _REFERENCE,
        _NOTE,
        _stage(order_table.Stage),
        Field(
            "status",
            Choice(tuple(order_table.Status)),
            "The same in three words.",
            rule=Rule.FURTHEST,
            set=Set.BY_STEPS,
            default=order_table.Status.PENDING.value,
        ),
        Field("fulfilled_at", Instant(), "When the last of its goods moved.", set=Set.BY_STEPS),
        courses.ORDERED,
        courses.ACKNOWLEDGEMENTS,
        courses.DECISIONS,
        courses.EVENTS,
        courses.DIFFERENCES,
    ),
    entries=(_lines(Scanned.SKU), OWN_ATTRIBUTES),
    example={
        "kind": "purchase",
        "location": "S01",
        "expected_on": "2026-12-01",
        "lines": [{"sku": "PARACETAMOL-500-TAB", "quantity": 1_000}],
    },
    locations=("location", "from_location"),
    only=(
        Only("from_location", "kind", "internal", required=True),
        Only("supplier", "kind", "purchase"),
    ),
    distinct=("location", "from_location"),
    filters=(NUMBER, "kind", "location", "from_location", "supplier", "stage", "status"),
    derived=_of_order,
    told=_told_of_order,
    open_while=("draft",),
)

TRANSFERS: Final = Collection(
    name="transfers",
    one="transfer",
    model="Transfer",
    meaning="Goods on their way from one location to another.",
    identity=(),
    place=Place.LOCATIONS,
    writers=Writers.OF_ITS_LOCATIONS,
    fields=(
        _NUMBER,
        Field("source", Code("locations"), "Who sends.", set=Set.AT_CREATION, required=True),
        Field(
            "destination", Code("locations"), "Who receives.", set=Set.AT_CREATION, required=True
        ),
        Field("expected_on", Day(), "When the goods should be there."),
        _REFERENCE,
        _NOTE,
        _stage(transfer_table.Stage),
        courses.MOVED_PER_LINE,
        courses.INCOMING,
        courses.DECISIONS,
        courses.EVENTS,
        courses.DIFFERENCES,
    ),
    entries=(_lines(Scanned.LOT), OWN_ATTRIBUTES),
    example={
        "source": "S01",
        "destination": "S02",
        "lines": [{"sku": "PARACETAMOL-500-TAB", "lot": "L-2211", "quantity": 200}],
    },
    locations=("source", "destination"),
    distinct=("source", "destination"),
    filters=(NUMBER, "source", "destination", "stage"),
    derived=_of_transfer,
    told=_told_of_transfer,
    open_while=("draft",),
)

STOCKTAKES: Final = Collection(
    name="stocktakes",
    one="stocktake",
    model="Stocktake",
    meaning="A count of a location's shelves.",
    identity=(),
    place=Place.LOCATIONS,
    writers=Writers.OF_ITS_LOCATIONS,
    fields=(
        _NUMBER,
        Field("location", Code("locations"), "Where.", set=Set.AT_CREATION, required=True),
        Field("name", Text(), "What people call it."),
        Field("category", Text(), "Only SKUs of this category; without one, all."),
        Field("blind", Flag(), "Whether who counts is not shown what is expected.", default=False),
        _NOTE,
        _stage(count_sheet.Stage),
    ),
    entries=(OWN_ATTRIBUTES,),
    example={"location": "S01", "name": "Aisle 3", "blind": True},
    locations=("location",),
    filters=(NUMBER, "location", "stage"),
    open_while=("open",),
)

COLLECTIONS: Final = (ORDERS, TRANSFERS, STOCKTAKES)
