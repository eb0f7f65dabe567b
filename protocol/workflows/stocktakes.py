"""Stocktakes: what is on the shelves is counted while the shop trades, reviewed, and then corrected once.

Invariants:
- A count is frozen when it is taken: its `delta` is what was counted less what the node showed at that moment. What is
  sold later does not change it, and nothing stops for it.
- Of a line the count of the latest round stands, and of one round the later. The correction due on the book `counted`
  follows from the counts alone, so two who finalise, or a recount that comes late, end in one correction.
- Lines that nobody counted are left as they are.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from protocol.documents import Document
from protocol.effects import Account, Join
from protocol.ids import code_fault
from protocol.limits import (
    COUNT_ROUNDS_MAX,
    DELTA_MAX,
    DOCUMENT_LINES_MAX,
    REASON_CHARS_MAX,
)
from protocol.movements import MoveKind
from protocol.workflows import bookkeeping
from protocol.workflows.acts import Act as Decision
from protocol.workflows.acts import check_room, decision
from protocol.workflows.bookkeeping import Book, Due, Places, Posting
from protocol.workflows.count_sheet import (
    COUNTS,
    REASONS,
    RECOUNTS,
    VERIFIED,
    Line,
    Sheet,
    Stage,
    line_name,
    read,
)
from protocol.workflows.progress import (
    Item,
    LineKey,
)
from protocol.workflows.steps import (
    EDIT,
    Fault,
    FieldWrite,
    Party,
    Step,
    StepRefused,
    after,
    find_transition,
    pairs_of,
    staying,
    transition,
)

KIND: Final = "stocktake"
COUNTED: Final = "counted"


RANKS: Final[Mapping[str, int]] = {
    Stage.OPEN: 10,
    Stage.COUNTING: 20,
    Stage.REVIEW: 30,
    Stage.CANCELLED: 40,
    Stage.FINALISED: 50,  # the shelves were counted and two people may have signed it
}
"""Of the decisions, for the join of the field `stage`. Recounting leaves the stage at review."""


class Verb(StrEnum):
    """What people do with a stocktake."""

    START = "start"
    COUNT = "count"
    SUBMIT = "submit"
    """The counting is done; somebody looks at the differences."""
    RECOUNT = "recount"
    VERIFY = "verify"
    EXPLAIN = "explain"
    FINALISE = "finalise"
    CANCEL = "cancel"


_WHO: Final = (Party.OWNER, Party.OFFICE)
BOOKS: Final[Mapping[str, Book]] = {
    COUNTED: Book(
        MoveKind.COUNT,
        MoveKind.COUNT,
        Party.OWNER,
        (Posting(Party.OWNER, Account.ON_HAND, 1),),
    )
}
TABLE: Final = (
    transition(Verb.START, {Stage.OPEN}, {Stage.COUNTING}, _WHO),
    transition(Verb.COUNT, {Stage.OPEN}, {Stage.COUNTING}, (Party.OWNER,)),
    *staying(Verb.COUNT, (Stage.COUNTING, Stage.REVIEW), (Party.OWNER,)),
    transition(Verb.SUBMIT, {Stage.COUNTING}, {Stage.REVIEW}, _WHO),
    *staying(Verb.RECOUNT, (Stage.REVIEW,), _WHO),
    *staying(Verb.VERIFY, (Stage.REVIEW,), _WHO),
    *staying(Verb.EXPLAIN, (Stage.COUNTING, Stage.REVIEW), _WHO),
    transition(Verb.FINALISE, {Stage.REVIEW}, {Stage.FINALISED}, _WHO, books=(COUNTED,)),
    transition(Verb.CANCEL, (Stage.OPEN, Stage.COUNTING, Stage.REVIEW), {Stage.CANCELLED}, _WHO),
)
PAIRS: Final = pairs_of(KIND, TABLE)
"""`(document kind, from, to)` to what leads there: books, and who may."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a difference may be before a person who did not count it must stand for it."""

    units: int | None = None
    """Above so many base units, either way; None asks for nobody."""
    value: int | None = None
    """Above so much money, in minor units of the SKU's cost; None asks for nobody."""
    unit_costs: Mapping[str, int] = field(default_factory=dict)
    """By SKU; without one only units are compared."""


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody does with a stocktake."""

    verb: str
    by: str
    at_ms: int
    key: LineKey | None = None
    """The line, where the verb is about one."""
    counted: int = 0
    """What is on the shelf."""
    shown: int = 0
    """What the node shows in the transaction that takes the count."""
    reason: str | None = None
    """Why the line differs; of `finalise`, for lines without a reason of their own."""


def due(sheet: Sheet) -> Due:
    """The corrections that the stocktake owes: those of the counts that stand, once it is finalised."""
    if sheet.progress.stage != Stage.FINALISED:
        return {COUNTED: {}}
    standing = {key: line.standing for key, line in sheet.lines.items()}
    return {
        COUNTED: {
            Item(key.sku, key.planned, key.planned): count.delta
            for key, count in standing.items()
            if count.delta
        }
    }


def needs_second_person(line: Line, limits: Limits) -> bool:
    """Whether a line's difference is above a limit."""
    units = abs(line.standing.delta)
    if limits.units is not None and units > limits.units:
        return True
    cost = limits.unit_costs.get(line.standing.key.sku)
    return limits.value is not None and cost is not None and units * cost > limits.value


def act(
    document: Document, places: Places, parties: Collection[Party], command: Act, limits: Limits
) -> tuple[Step, ...]:
    """The operations of one act, in order: what was decided or counted, then the corrections.

    Raises:
        StepRefused: the table does not allow it, or something is still missing.
    """
    sheet = read(document)
    find_transition(TABLE, command.verb, sheet.progress.stage, parties)
    writes = _writes(document, sheet, command, limits)
    first = (Step(EDIT, places[Party.OWNER], (), writes),)
    if command.verb in (Verb.COUNT, Verb.RECOUNT, Verb.VERIFY, Verb.EXPLAIN):
        _check_can_end(after(document, first), places)
    later = read(after(document, first))
    entries = bookkeeping.settle(later.progress, places, BOOKS, due(later), command.verb)
    return (*first, *entries)


def reconcile(document: Document, places: Places) -> tuple[Step, ...]:
    """What merged counts ask for; the steps are for the node that writes the location."""
    sheet = read(document)
    return bookkeeping.reconcile(sheet.progress, places, BOOKS, due(sheet))


def _writes(
    document: Document, sheet: Sheet, command: Act, limits: Limits
) -> tuple[FieldWrite, ...]:
    match command.verb:
        case Verb.START:
            return _decide(command, Stage.COUNTING)
        case Verb.SUBMIT:
            return _decide(command, Stage.REVIEW)
        case Verb.CANCEL:
            return _decide(command, Stage.CANCELLED)
        case Verb.FINALISE:
            _check_final(sheet, command, limits)
            return _finally(command)
        case Verb.COUNT:
            starts = sheet.progress.stage == Stage.OPEN
            begun = _decide(command, Stage.COUNTING) if starts else ()
            return (*begun, _count(document, sheet, command))
        case _:
            return (_remark(sheet, command),)


def _check_can_end(document: Document, places: Places) -> None:
    # Whoever counts more than a document holds together with its corrections could never finalise it.
    command = Act(Verb.FINALISE, "", 0)
    final = (Step(EDIT, places[Party.OWNER], (), _decide(command, Stage.FINALISED)),)
    sheet = read(after(document, final))
    entries = bookkeeping.settle(sheet.progress, places, BOOKS, due(sheet), command.verb)
    check_room(after(document, (*final, *entries)))


def _decide(command: Act, stage: Stage) -> tuple[FieldWrite, ...]:
    return decision(Decision(command.verb, command.by, command.at_ms), stage, RANKS)


def _finally(command: Act) -> tuple[FieldWrite, ...]:
    """The decision, with the reason of every line that has none of its own."""
    stage, decided = _decide(command, Stage.FINALISED)
    assert isinstance(decided.value, Mapping), "who and when"
    said = {"reason": command.reason} if command.reason else {}
    return (stage, decided._replace(value={**decided.value, **said}))


def _count(document: Document, sheet: Sheet, command: Act) -> FieldWrite:
    key = command.key
    if key is None or code_fault(key.sku) or (key.planned and code_fault(key.planned)):
        raise StepRefused(Fault.BAD_CODE, "a count names a SKU, and a lot or none")
    if not 0 <= command.counted <= DELTA_MAX or abs(command.counted - command.shown) > DELTA_MAX:
        raise StepRefused(Fault.BAD_QUANTITY, f"a count is between 0 and {DELTA_MAX}")
    line = sheet.lines.get(key)
    if line is None and len(sheet.lines) >= DOCUMENT_LINES_MAX:
        detail = f"a stocktake has at most {DOCUMENT_LINES_MAX} lines"
        raise StepRefused(Fault.TOO_MANY_LINES, detail)
    if line is not None and sheet.progress.stage == Stage.REVIEW and not line.is_awaited:
        # Whoever reviews must not have the count change under their eyes.
        raise StepRefused(Fault.NOT_ASKED, "ask for a recount of the line first")
    round_ = 1 if line is None else line.asked_round
    said = {"counted": command.counted, "delta": command.counted - command.shown}
    value = {"sku": key.sku, "lot": key.planned or None, **said}
    who = {"by": command.by, "at": command.at_ms}
    return FieldWrite(f"{COUNTS}{line_name(key)}/{round_}", {**value, **who})


def _remark(sheet: Sheet, command: Act) -> FieldWrite:
    line = None if command.key is None else sheet.lines.get(command.key)
    if line is None:
        raise StepRefused(Fault.UNKNOWN_LINE, "nobody has counted this line")
    name, standing = line_name(line.standing.key), line.standing
    match command.verb:
        case Verb.RECOUNT:
            round_ = standing.round + 1
            if round_ > COUNT_ROUNDS_MAX:
                raise StepRefused(Fault.BAD_QUANTITY, f"at most {COUNT_ROUNDS_MAX} rounds")
            return FieldWrite(f"{RECOUNTS}{name}", round_, Join.MAX, round_)
        case Verb.VERIFY:
            if command.by == standing.by:
                raise StepRefused(Fault.SECOND_PERSON, "who counted it cannot stand for it")
            what = {"round": standing.round, "delta": standing.delta}
            return FieldWrite(f"{VERIFIED}{name}", {"by": command.by, "at": command.at_ms, **what})
        case _:
            assert command.verb == Verb.EXPLAIN, "the table has no other verb"
            reason = command.reason
            if not reason or code_fault(reason, chars_max=REASON_CHARS_MAX):
                raise StepRefused(Fault.REASON_MISSING, "a reason is one line of text")
            return FieldWrite(f"{REASONS}{name}", reason)


def _check_final(sheet: Sheet, command: Act, limits: Limits) -> None:
    for key, line in sheet.lines.items():
        if line.is_awaited:
            raise StepRefused(Fault.NOT_COUNTED, f"{key.sku} is to be counted again")
        if line.standing.delta and not (line.reason or command.reason):
            raise StepRefused(Fault.REASON_MISSING, f"{key.sku} differs and nobody said why")
        stands = line.verified_by is not None or command.by != line.standing.by
        if needs_second_person(line, limits) and not stands:
            detail = f"the difference of {key.sku} needs a person who did not count it"
            raise StepRefused(Fault.SECOND_PERSON, detail)
