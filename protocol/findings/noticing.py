"""From what is shown to what people have to look at.

Invariant: pure, and whole: given the same document, shelf or operation, everything that there is to find in it is found, so
what is not found again has gone.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from protocol.declarations.catalogue import LOTS, SKUS
from protocol.declarations.editing import days_said
from protocol.declarations.naming import codes_of, id_of
from protocol.declarations.paperwork import ORDERS, STOCKTAKES, TRANSFERS
from protocol.declarations.reading import entries_of
from protocol.declarations.vocabulary import ARCHIVED
from protocol.documents import Document
from protocol.effects import CounterEffect, FieldEffect
from protocol.errors import Code as ErrorCode
from protocol.findings.finding import Code, Finding, source_of
from protocol.operation import Operation
from protocol.workflows import count_sheet, differences, late_movements, orders, transfers
from protocol.workflows.differences import Difference, Matter
from protocol.workflows.order_table import Kind
from protocol.workflows.progress import Progress
from protocol.workflows.steps import field_value

SHELF: Final = "shelf"
SET_ASIDE: Final = "set_aside"
NOTICED: Final = (ORDERS.name, TRANSFERS.name, STOCKTAKES.name, LOTS.name, SKUS.name)
"""The collections in whose documents there may be something to find."""


def of_shelf(
    location: str, sku: str, below: Mapping[str, int], *, is_described: bool
) -> tuple[Finding, ...]:
    """What there is to find of a SKU that was ever counted at a location.

    Args:
        location: where.
        sku: of what.
        below: the lots that show less than nothing, "" being goods without one, and how much: less than 0.
        is_described: whether the catalogue has a document of the SKU.
    """
    source = source_of(SHELF, id_of([location, sku]))
    found = [
        Finding(
            Code.BELOW_ZERO,
            source,
            location=location,
            sku=sku,
            lot=lot,
            facts={"quantity": -below[lot]},
        )
        for lot in sorted(below)
    ]
    if not is_described:
        found.append(Finding(Code.UNKNOWN_SKU, source, location=location, sku=sku))
    return tuple(found)


SIGNS: Final[Mapping[str, bytes]] = {
    SKUS.name: b"unconfirmed_barcodes/",
    LOTS.name: b"expiry_said/",
}
"""Of collections whose documents come by the ten thousand: what is among the bytes of one of which there is anything to find."""


def of_document(collection: str, id_: str, document: Document) -> tuple[Finding, ...]:
    """What there is to find in a document; () of a collection in which nothing is looked for."""
    match collection:
        case ORDERS.name:
            return _of_order(id_, document)
        case TRANSFERS.name:
            return _of_transfer(id_, document)
        case STOCKTAKES.name:
            return tuple(_of_stocktake(id_, document))
        case LOTS.name:
            return tuple(_of_lot(id_, document))
        case SKUS.name:
            return tuple(_of_sku(id_, document))
        case _:
            return ()


def of_set_aside(
    operation: Operation, code: str, detail: str, homes: Collection[str]
) -> tuple[Finding, ...]:
    """What there is to find in an operation that the hub could not take.

    Args:
        operation: which.
        code: the hub's, which may be of a newer version.
        detail: the hub's sentence.
        homes: the locations that its author writes; () for an office.
    """
    counters = [one for one in operation.effects if isinstance(one, CounterEffect)]
    edits = [one for one in operation.effects if isinstance(one, FieldEffect)]
    named = [one.location for one in counters]
    # Of a location that its author may not write nobody there could say what became of it.
    location = next((one for one in named if one in homes), min(homes, default=""))
    skus = {one.sku for one in counters}
    about = edits[0].key if edits else None
    is_repeat = code == ErrorCode.REPEAT_DIFFERS
    found = Finding(
        Code.REPEAT_DIFFERS if is_repeat else Code.QUARANTINED,
        source_of(SET_ASIDE, operation.op_id.hex()),
        location=location,
        sku=skus.pop() if len(skus) == 1 else "",
        collection="" if about is None else about.collection,
        document="" if about is None else about.id,
        operation=operation.op_id.hex(),
        facts={"kind": operation.kind, "reason": code, "detail": detail},
    )
    return (found,)


# --- documents with a course ----------------------------------------------------------------------------------


def _of_order(id_: str, document: Document) -> tuple[Finding, ...]:
    kind = next((one for one in Kind if one == field_value(document, "kind")), None)
    if kind is None:
        return ()  # of a newer version
    progress = orders.read(document)
    places = _places(document, "location", "from_location")
    found = differences.of_order(progress, kind)
    return tuple(_of_course(ORDERS.name, id_, progress, places, found, Code.ORDER_DIFFERENCE))


def _of_transfer(id_: str, document: Document) -> tuple[Finding, ...]:
    progress = transfers.read(document)
    places = _places(document, "source", "destination")
    found = differences.of_transfer(progress)
    return tuple(_of_course(TRANSFERS.name, id_, progress, places, found, Code.TRANSFER_DIFFERENCE))


def _of_stocktake(id_: str, document: Document) -> Iterator[Finding]:
    sheet = count_sheet.read(document)
    places = _places(document, "location")
    found = differences.of_stocktake(sheet)
    yield from _of_course(
        STOCKTAKES.name, id_, sheet.progress, places, found, Code.CONFLICTING_STATUS
    )
    for key, late in late_movements.of_sheet(sheet).items():
        yield Finding(
            Code.LATE_MOVEMENT,
            source_of(STOCKTAKES.name, id_),
            location=places[0],
            sku=key.sku,
            lot=key.planned,
            collection=STOCKTAKES.name,
            document=id_,
            facts={
                "quantity": late.delta,
                "movements": late.movements,
                "counted": sheet.lines[key].standing.counted,
            },
        )


def _of_course(
    collection: str,
    id_: str,
    progress: Progress,
    places: tuple[str, str],
    found: Iterable[Difference],
    code: Code,
) -> Iterator[Finding]:
    quantities: dict[tuple[Matter, str, str], int] = {}
    for one in found:
        about = (one.matter, str(one.sku), str(one.lot))
        quantities[about] = quantities.get(about, 0) + one.quantity
    location, other = places
    for (matter, sku, lot), quantity in sorted(quantities.items()):
        is_conflict = matter is Matter.CONFLICTING_STATUS
        facts: dict[str, object] = {"quantity": quantity} if quantity else {}
        if is_conflict:
            facts = {"decisions": sorted(progress.decided), "moved": _moved(progress)}
        yield Finding(
            Code.CONFLICTING_STATUS if is_conflict else code,
            source_of(collection, id_),
            matter="" if is_conflict else matter.value,
            location=location,
            other_location=other,
            sku=sku,
            lot=lot,
            collection=collection,
            document=id_,
            facts=facts,
        )


def _moved(progress: Progress) -> int:
    """How much moved in all, in base units."""
    return sum(abs(amount) for goods in progress.moved.values() for amount in goods.values())


def _places(document: Document, first: str, second: str = "") -> tuple[str, str]:
    values = (field_value(document, name) if name else None for name in (first, second))
    location, other = (value if isinstance(value, str) else "" for value in values)
    return location, other


# --- the catalogue --------------------------------------------------------------------------------------------


def _of_lot(id_: str, document: Document) -> Iterator[Finding]:
    days = days_said("expiry", document)
    if len(days) < 2 or field_value(document, ARCHIVED) is True:
        return
    codes = codes_of(LOTS, id_)
    yield Finding(
        Code.TWO_EXPIRIES,
        source_of(LOTS.name, id_),
        sku=codes.get("sku", ""),
        lot=codes.get("code", ""),
        collection=LOTS.name,
        document=id_,
        facts={"days": list(days), "stands": field_value(document, "expiry")},
    )


def _of_sku(id_: str, document: Document) -> Iterator[Finding]:
    values = {name: state.value for name, state in document.fields.items()}
    if values.get(ARCHIVED) is True:
        return
    (declared,) = (one for one in SKUS.entries if one.name == "unconfirmed_barcodes")
    for barcode, location in entries_of(declared, values).items():
        yield Finding(
            Code.UNCONFIRMED_BARCODE,
            source_of(SKUS.name, id_),
            matter=barcode,
            location=location,
            sku=id_,
            collection=SKUS.name,
            document=id_,
        )
