"""What is shown of an order's and a transfer's course beside its stage: who decided what, which goods moved, what is missing.

Invariant: worked out from the document alone, so every node that holds it shows the same; and what is shown fits what is
declared here, whoever wrote it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from protocol.declarations.kinds import Choice, Code, Instant, Part, Record, Rows, Text, Whole
from protocol.declarations.vocabulary import Field, Set
from protocol.documents import Document
from protocol.limits import CODE_CHARS_MAX, NAME_CHARS_MAX, TOTAL_MAX
from protocol.workflows import differences, orders, transfers
from protocol.workflows.acknowledgement import ACKNOWLEDGED, ASKED
from protocol.workflows.differences import Difference, Matter
from protocol.workflows.order_table import DISPENSE, SUPPLY, Kind
from protocol.workflows.progress import (
    DECIDED,
    MOVED,
    Amounts,
    LineKey,
    Progress,
    minus,
    per_line,
    plus,
    read_items,
)
from protocol.workflows.transfer_table import (
    DAMAGE,
    DAMAGE_BACK,
    RECEIVE,
    RECEIVE_BACK,
    SHIP,
    SHORT,
    SHORT_BACK,
    TURN_BACK,
)

Row = dict[str, object]

_EVENT_CHARS_MAX: Final = NAME_CHARS_MAX + CODE_CHARS_MAX
_SIGNED: Final = Whole(-TOTAL_MAX, TOTAL_MAX)
_SKU: Final = Part("sku", Code("skus"), "Of what.", required=True)
_PLANNED: Final = Part("lot", Code(), "Which lot the line asks for; null leaves it open.")


def _amount(name: str, meaning: str) -> Part:
    return Part(name, Whole(), f"Base units {meaning}.", required=True)


def _rows(name: str, meaning: str, *parts: Part) -> Field:
    return Field(name, Rows(Record(parts)), meaning, set=Set.BY_STEPS, default=())


_LEG: Final = Part("leg", Text(), "What became of them.", required=True)
_LOT: Final = Part("lot", Code(), "Their lot; null for goods without one.")
_LINE_LOT: Final = Part("planned_lot", Code(), "The lot of the line that they are for; null: open.")
_QUANTITY: Final = Part("quantity", _SIGNED, "Base units; less than 0 takes back.", required=True)
_BY: Final = Part("by", Text(), "Whose token it was.")

DECISIONS: Final = _rows(
    "decisions",
    "Every decision that was ever taken, also one that did not stand.",
    Part("decision", Text(), "Which.", required=True),
    _BY,
    Part("at", Instant(), "When, by the clock there."),
)
EVENTS: Final = _rows(
    "events",
    "The goods that moved, a row for each event and lot.",
    Part("event", Text(_EVENT_CHARS_MAX), "What takes it back by its name.", required=True),
    _LEG,
    _SKU,
    _LOT,
    _LINE_LOT,
    _QUANTITY,
    Part("at", Instant(), "When, by the clock there; of a numbered parcel nobody says."),
)
DIFFERENCES: Final = _rows(
    "differences",
    "What somebody has to look at.",
    Part("matter", Choice(tuple(Matter)), "What it is about.", required=True),
    Part("sku", Code("skus"), "Of what; null where it is about the whole."),
    _LOT,
    Part("quantity", Whole(), "Base units; null where it is about the whole."),
)
ACKNOWLEDGEMENTS: Final = _rows(
    "acknowledgements",
    "Who was asked to say that it was seen, and who did.",
    Part("who", Code(), "A location's code, `supplier` or `customer`.", required=True),
    Part("until", Instant(), "By when; null for whenever, or who was not asked."),
    Part("by", Text(), "Who said so; null while nobody did."),
    Part("at", Instant(), "When."),
)
ORDERED: Final = _rows(
    "progress",
    "How far each line is, also one that somebody dropped since.",
    _SKU,
    _PLANNED,
    _amount("ordered", "that the line asks for"),
    Part("fulfilled", _SIGNED, "Base units that moved.", required=True),
    _amount("owed", "that are still to move"),
)
MOVED_PER_LINE: Final = _rows(
    "progress",
    "How far each line is, also one that somebody dropped since.",
    _SKU,
    _PLANNED,
    _amount("planned", "that the line asks for"),
    *(
        Part(name, _SIGNED, f"Base units that {meaning}.", required=True)
        for name, meaning in (
            ("shipped", "left the sender"),
            ("received", "arrived whole"),
            ("damaged", "arrived damaged, there or back"),
            ("turned_back", "the receiver turned back"),
            ("received_back", "came back whole"),
        )
    ),
    _amount("short", "that are lost: sent and not arrived when it was closed"),
    _amount("over", "that arrived beyond what was sent"),
)
INCOMING: Final = _rows(
    "incoming",
    "What is on its way to the receiver; less than 0 while it is there before its news.",
    _SKU,
    _LOT,
    _LINE_LOT,
    _QUANTITY,
)


def of_order(progress: Progress, kind: object) -> Mapping[str, object]:
    """The values of an order's fields that are told."""
    document = progress.document
    known = next((one for one in Kind if one == kind), None)
    return {
        **_of_any(document),
        ORDERED.name: _fitting(ORDERED, _ordered(progress)),
        DIFFERENCES.name: _differences(
            () if known is None else differences.of_order(progress, known)
        ),
        ACKNOWLEDGEMENTS.name: _fitting(ACKNOWLEDGEMENTS, _acknowledgements(document)),
    }


def of_transfer(progress: Progress) -> Mapping[str, object]:
    """The values of a transfer's fields that are told."""
    coming = transfers.incoming(progress)
    return {
        **_of_any(progress.document),
        MOVED_PER_LINE.name: _fitting(MOVED_PER_LINE, _moved(progress)),
        INCOMING.name: _fitting(
            INCOMING,
            (
                {
                    "sku": item.sku,
                    "lot": item.lot or None,
                    "planned_lot": item.planned or None,
                    "quantity": amount,
                }
                for item, amount in coming.items()
            ),
        ),
        DIFFERENCES.name: _differences(differences.of_transfer(progress)),
    }


def _of_any(document: Document) -> Mapping[str, object]:
    return {
        DECISIONS.name: _fitting(DECISIONS, _decisions(document)),
        EVENTS.name: _fitting(EVENTS, _events(document)),
    }


def _fitting(field: Field, rows: Iterable[Row]) -> list[Row]:
    kind = field.kind
    assert isinstance(kind, Rows), "all that is told here are rows"
    return [row for row in rows if kind.row.fault(row) is None]


def _decisions(document: Document) -> Iterable[Row]:
    for name, state in sorted(document.fields.items()):
        decision = name.removeprefix(DECIDED)
        if name.startswith(DECIDED) and isinstance(state.value, Mapping):
            said = state.value
            yield {"decision": decision, "by": said.get("by"), "at": said.get("at")}


def _events(document: Document) -> Iterable[Row]:
    for name, state in sorted(document.fields.items()):
        leg, slash, piece = name.removeprefix(MOVED).partition("/")
        if not name.startswith(MOVED) or not slash or not isinstance(state.value, Mapping):
            continue
        for item, quantity in read_items(state.value.get("items")).items():
            yield {
                "event": piece.partition("+")[0],
                "leg": leg,
                "sku": item.sku,
                "lot": item.lot or None,
                "planned_lot": item.planned or None,
                "quantity": quantity,
                "at": state.value.get("at"),
            }


def _differences(found: Sequence[Difference]) -> list[Row]:
    return _fitting(
        DIFFERENCES,
        (
            {
                "matter": one.matter.value,
                "sku": one.sku or None,
                "lot": one.lot or None,
                "quantity": one.quantity or None,
            }
            for one in found
        ),
    )


def _acknowledgements(document: Document) -> Iterable[Row]:
    names = (ASKED, ACKNOWLEDGED)
    sides = {
        name.removeprefix(prefix)
        for name in document.fields
        for prefix in names
        if name.startswith(prefix)
    }
    for who in sorted(sides):
        asked, said = (_said(document, f"{prefix}{who}") for prefix in names)
        yield {"who": who, "until": asked.get("until"), "by": said.get("by"), "at": said.get("at")}


def _said(document: Document, name: str) -> Mapping[str, object]:
    state = document.fields.get(name)
    return state.value if state is not None and isinstance(state.value, Mapping) else {}


def _ordered(progress: Progress) -> Iterable[Row]:
    moved = per_line(progress.goods(SUPPLY), progress.goods(DISPENSE))
    owed = per_line(orders.owed(progress))
    for key in _keys(progress.lines, moved):
        yield {
            **_line(key),
            "ordered": progress.lines.get(key, 0),
            "fulfilled": moved.get(key, 0),
            "owed": owed.get(key, 0),
        }


def _moved(progress: Progress) -> Iterable[Row]:
    goods = progress.goods
    due = transfers.due(progress)
    arrived = plus(goods(RECEIVE), goods(DAMAGE))
    lost = plus(_above(transfers.matched(due[SHORT])), _above(transfers.matched(due[SHORT_BACK])))
    columns = {
        "planned": dict(progress.lines),
        "shipped": per_line(goods(SHIP)),
        "received": per_line(goods(RECEIVE)),
        "damaged": per_line(goods(DAMAGE), goods(DAMAGE_BACK)),
        "turned_back": per_line(goods(TURN_BACK)),
        "received_back": per_line(goods(RECEIVE_BACK)),
        "short": per_line(lost),
        "over": per_line(_above(transfers.matched(minus(arrived, goods(SHIP))))),
    }
    for key in _keys(*columns.values()):
        yield {**_line(key), **{name: amounts.get(key, 0) for name, amounts in columns.items()}}


def _above(amounts: Amounts) -> Amounts:
    return {item: amount for item, amount in amounts.items() if amount > 0}


def _keys(*columns: Mapping[LineKey, int]) -> list[LineKey]:
    return sorted({key for amounts in columns for key, amount in amounts.items() if amount})


def _line(key: LineKey) -> Row:
    return {"sku": key.sku, "lot": key.planned or None}
