"""Steps: what one command on a document comes to, before it has a stamp, a replica and a place in a log.

Invariant: a step with a name is the same operation whoever records it: its op_id is made of document and name, and its
effects hold neither clock nor person, so the hub counts it once and finds no two bodies. A step without a name is a
fact of its own and takes the op_id of its caller's key.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from protocol.clock import Stamp
from protocol.documents import Document, FieldState
from protocol.effects import CounterEffect, DocumentKey, Effect, FieldEffect, Join
from protocol.ids import ChainId, Location, OpId, ReplicaId, Scope, op_id

EDIT: Final = "edit"
"""The kind of a step that moves no counter."""


class Party(StrEnum):
    """Whose device acts. One device may be several: an office that also writes the sending shop."""

    OWNER = "owner"
    """Writes the location that an order or a stocktake is of."""
    SENDER = "sender"
    """Writes the location that goods leave from."""
    RECEIVER = "receiver"
    """Writes the location that goods go to."""
    OFFICE = "office"


class Fault(StrEnum):
    """Why a command is refused. Stable codes; add to them, never rename one."""

    WRONG_STAGE = "wrong_stage"
    WRONG_PARTY = "wrong_party"
    UNKNOWN_LINE = "unknown_line"
    BAD_CODE = "bad_code"
    BAD_QUANTITY = "bad_quantity"
    NOTHING_TO_DO = "nothing_to_do"
    TOO_MANY_LINES = "too_many_lines"
    DOCUMENT_FULL = "document_full"
    """It holds nearly as many events as a document can; what is left of it is needed to end it."""
    SAME_PLACE = "same_place"
    NOT_COUNTED = "not_counted"
    """A recount that was asked for has not been made."""
    NOT_ASKED = "not_asked"
    """A count under review changes only by a recount that somebody asked for."""
    REASON_MISSING = "reason_missing"
    SECOND_PERSON = "second_person"
    """A difference above the limit needs a person who did not count it."""


class StepRefused(Exception):
    """The caller asks what the document's table does not allow.

    Args:
        fault: the stable code.
        detail: one sentence for a person.
    """

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail


class Transition(NamedTuple):
    """One row of a document kind's table."""

    verb: str
    sources: frozenset[str]
    """The stages it is allowed in."""
    targets: frozenset[str]
    """The stages it can end in; several where goods decide."""
    legs: frozenset[str]
    """The movements of goods that it may record."""
    books: frozenset[str]
    """The books that it may change."""
    parties: frozenset[Party]
    """Whose device may do it. Which person may is `<collection>.<verb>`, asked of `protocol.access`."""


class FieldWrite(NamedTuple):
    """A value for one field of the document, still without a stamp."""

    field: str
    value: object
    join: Join = Join.LWW
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One operation to record.

    With counters it is for a device that writes `location`, or an office; without any, for whoever acts.
    """

    kind: str
    location: Location
    counters: tuple[CounterEffect, ...] = ()
    writes: tuple[FieldWrite, ...] = ()
    name: tuple[str, ...] | None = None
    """(line, transition) for a step that counts once whoever records it; None for a fact of its own."""


def step_id(chain: ChainId, document: DocumentKey, name: Iterable[str]) -> OpId:
    """The op_id of a named step: `uuid5(chain, document ‖ line ‖ transition)`.

    The empty location keeps it apart from every id that a caller's key can give.
    """
    return op_id(chain, "", document.collection, document.id, "\0".join(name))


def step_effects(
    step: Step, chain: ChainId, document: DocumentKey, scopes: tuple[Scope, ...], stamp: Stamp
) -> tuple[Effect, ...]:
    """The effects of a step, counters first: the operation's home is the location it is recorded at.

    Args:
        stamp: the author's next one. A named step does not take it: two authors must write the same bytes. Its fields
            are elements of grow-only sets or go by rank, so no stamp decides over them.
    """
    if step.name is not None:
        stamp = Stamp(0, 0, ReplicaId(step_id(chain, document, step.name)))
    writes = (
        FieldEffect(*document, write.field, write.join, write.rank, write.value, stamp, scopes)
        for write in step.writes
    )
    return (*step.counters, *writes)


def after(document: Document, steps: Iterable[Step]) -> Document:
    """The document as the author of `steps` sees it next: a fresh stamp wins, a smaller rank does not."""
    fields = dict(document.fields)
    for write in (write for step in steps for write in step.writes):
        held = fields.get(write.field)
        stamp = Stamp(0, 0, ReplicaId(bytes(16))) if held is None else held.stamp
        state = FieldState(write.join, write.rank, write.value, stamp)
        outranked = held is not None and (held.join, held.rank) > (state.join, state.rank)
        if not outranked:
            fields[write.field] = state
    return Document(fields, document.scopes)


def transition(
    verb: str,
    sources: Iterable[str],
    targets: Iterable[str],
    parties: Iterable[Party],
    *,
    legs: Iterable[str] = (),
    books: Iterable[str] = (),
) -> Transition:
    """Write a row of a table."""
    return Transition(
        verb,
        frozenset(sources),
        frozenset(targets),
        frozenset(legs),
        frozenset(books),
        frozenset(parties),
    )


def staying(
    verb: str,
    stages: Iterable[str],
    parties: Iterable[Party],
    *,
    legs: Iterable[str] = (),
    books: Iterable[str] = (),
) -> tuple[Transition, ...]:
    """Write a row for each stage that the verb leaves as it is."""
    who, which, what = frozenset(parties), frozenset(legs), frozenset(books)
    return tuple(
        transition(verb, {stage}, {stage}, who, legs=which, books=what) for stage in sorted(stages)
    )


def find_transition(
    table: Iterable[Transition], verb: str, stage: str, parties: Collection[Party]
) -> Transition:
    """The row that allows `verb` now.

    Raises:
        StepRefused: `wrong_stage` when no row does, `wrong_party` when one does for somebody else.
    """
    rows = [row for row in table if row.verb == verb and stage in row.sources]
    if not rows:
        raise StepRefused(Fault.WRONG_STAGE, f"cannot {verb} what is {stage}")
    for row in rows:
        if row.parties & frozenset(parties):
            return row
    allowed = " or ".join(sorted({party.value for row in rows for party in row.parties}))
    raise StepRefused(Fault.WRONG_PARTY, f"to {verb} is for the {allowed}")


def pairs_of(
    kind: str, table: Iterable[Transition]
) -> Mapping[tuple[str, str, str], tuple[Transition, ...]]:
    """The table turned round: `(document kind, from, to)` to the rows that lead there."""
    found: dict[tuple[str, str, str], tuple[Transition, ...]] = {}
    for row in table:
        for source in sorted(row.sources):
            for target in sorted(row.targets):
                key = (kind, source, target)
                found[key] = (*found.get(key, ()), row)
    return found


def field_value(document: Document, field: str) -> object:
    """What the field holds; None when it was never written."""
    state = document.fields.get(field)
    return None if state is None else state.value
