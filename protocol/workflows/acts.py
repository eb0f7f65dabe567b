"""Acts: what a person does with a document, and the operations that come of it whatever the document is.

Invariant: of the operations of one act at most one has no name, so one idempotency key names the whole act. Goods, the
decision they stand for and new lines are that one operation; goods of a numbered parcel are named one by one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from protocol.codec import pack
from protocol.documents import Document, fields_to_wire
from protocol.effects import Join
from protocol.ids import Location, code_fault
from protocol.limits import (
    DELTA_MAX,
    DOCUMENT_BYTES_MAX,
    DOCUMENT_LINES_MAX,
    FIELDS_PER_DOCUMENT_MAX,
)
from protocol.workflows.bookkeeping import Leg, Places, move, move_back, move_parcel
from protocol.workflows.progress import (
    DECIDED,
    LINES,
    STAGE,
    Amounts,
    LineKey,
    check_goods,
    line_id,
)
from protocol.workflows.steps import (
    EDIT,
    Fault,
    FieldWrite,
    Party,
    Step,
    StepRefused,
    after,
    field_value,
)

AMEND: Final = "amend"
REVERSE: Final = "reverse"
_RESERVED: Final = frozenset("+~")
"""What is put behind the name of an event: a further piece of it, and its taking back."""
_FIELDS_KEPT_FREE: Final = 100
_BYTES_KEPT_FREE: Final = 24 * 1024


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody does with a document."""

    verb: str
    by: str
    at_ms: int
    """The time on the wall there; it orders nothing."""
    event: str = ""
    """Names the goods of this act: unique for ever, such as the operation's id in hexadecimal. Of `reverse` the event
    that is taken back."""
    parcel: str = ""
    """The number on the parcel, when it has one: then each of its items counts once, whoever scans it."""
    lines: Mapping[LineKey, int] = field(default_factory=dict)
    """Lines of the plan to add or change; quantity 0 takes one back."""
    items: Amounts = field(default_factory=dict)
    damaged: Amounts = field(default_factory=dict)


def mark(act: Act, what: str) -> FieldWrite:
    """That somebody decided so, kept even where the decision loses by rank."""
    return FieldWrite(f"{DECIDED}{what}", {"by": act.by, "at": act.at_ms})


def decision(act: Act, stage: str, ranks: Mapping[str, int]) -> tuple[FieldWrite, ...]:
    """The fields of a decision: the stage, by its rank, and who took it."""
    return (FieldWrite(STAGE, stage, Join.MAX, ranks[stage]), mark(act, stage))


def first_steps(
    document: Document,
    places: Places,
    home: Location,
    parties: Collection[Party],
    act: Act,
    legs: Mapping[str, Leg],
    moved: Mapping[str, Amounts],
    writes: tuple[FieldWrite, ...],
) -> tuple[Step, ...]:
    """What the act itself comes to, before what the books ask for.

    Args:
        document: as the actor sees it.
        places: which location each party writes.
        home: where an operation that moves no goods is listed.
        parties: whose part the actor takes.
        act: what is done.
        legs: the document kind's movements.
        moved: goods by leg, {} for an act that moves none; all legs have one home.
        writes: the decision.

    Raises:
        StepRefused: the goods or lines are not ones that a document takes.
    """
    assert not act.lines or act.verb == AMEND, "only who amends the plan gives lines of it"
    writes = (*_line_writes(document, act.lines), *writes)
    edit = (Step(EDIT, home, (), writes),) if writes else ()
    if act.verb == REVERSE:
        steps = move_back(document, places, legs, parties, act.event)
        if not steps:
            raise StepRefused(Fault.NOTHING_TO_DO, "there is no such event, or it was taken back")
        return steps
    if not moved:
        return edit
    some = {leg: amounts for leg, amounts in moved.items() if amounts}
    for amounts in some.values() or [{}]:
        check_goods(amounts)
    if act.parcel:
        if fault := code_fault(act.parcel):
            raise StepRefused(Fault.BAD_CODE, f"the parcel's number {fault}")
        steps = (*edit, *move_parcel(places, legs, some, act.verb, act.parcel))
    else:
        assert act.event, "an event of goods has a name of its own"
        assert not _RESERVED.intersection(act.event), "which says nothing about pieces of it"
        step = move(places, legs, some, act.event, at=act.at_ms)
        steps = (Step(step.kind, step.location, step.counters, (*writes, *step.writes)),)
    check_room(after(document, steps))
    return steps


def cause_of(act: Act, moved: Mapping[str, Amounts], first: Sequence[Step]) -> str:
    """What the entries are named by that an act asks for: what happens only once.

    A decision is taken once in a document's life, goods move once in an event's, and are taken back once on a leg: an item
    of a numbered parcel that is taken back on one leg may move on another, and be taken back there too.

    Args:
        act: what is done; no amendment and no parcel, of which nothing happens only once.
        moved: goods by leg, as for `first_steps`.
        first: what that gave.
    """
    if act.verb == REVERSE:
        assert first[0].name is not None, "each leg is taken back by a step with a name"
        return first[0].name[1]
    return f"{act.verb}/{act.event}" if moved else act.verb


def check_room(document: Document) -> None:
    """Refuse what leaves no room for what colleagues who are cut off add meanwhile, and for what ends the document.

    The hub sets aside what makes a document larger than a page: goods and counts must never come to that.

    Raises:
        StepRefused: `document_full`.
    """
    fields = fields_to_wire(document.fields)
    roomy = len(fields) <= FIELDS_PER_DOCUMENT_MAX - _FIELDS_KEPT_FREE
    if not roomy or len(pack(fields)) > DOCUMENT_BYTES_MAX - _BYTES_KEPT_FREE:
        detail = "the document holds as many events as it can; record the rest in another"
        raise StepRefused(Fault.DOCUMENT_FULL, detail)


def _line_writes(document: Document, lines: Mapping[LineKey, int]) -> tuple[FieldWrite, ...]:
    writes = []
    for key, quantity in lines.items():
        if code_fault(key.sku) or (key.planned and code_fault(key.planned)):
            raise StepRefused(Fault.BAD_CODE, "a line names a SKU, and a lot or none")
        if not 0 <= quantity <= DELTA_MAX:
            raise StepRefused(Fault.BAD_QUANTITY, f"a quantity is between 0 and {DELTA_MAX}")
        name = f"{LINES}{line_id(key.sku, key.planned)}"
        held = field_value(document, name)
        said = dict(held) if isinstance(held, Mapping) else {}  # a note, a price
        plan = {"sku": key.sku, "lot": key.planned or None, "quantity": quantity}
        writes.append(FieldWrite(name, {**said, **plan}))
    there = {name for name in document.fields if name.startswith(LINES)}
    if len(there | {write.field for write in writes}) > DOCUMENT_LINES_MAX:
        detail = f"a document has at most {DOCUMENT_LINES_MAX} lines"
        raise StepRefused(Fault.TOO_MANY_LINES, detail)
    return tuple(writes)
