"""Documents: fields that join, one by one, into the same state on every replica.

Invariant: `join` picks the larger of two states in one total order, so it commutes, associates and is idempotent,
and a document's state does not depend on the order, grouping or number of times its edits arrive. Scopes only grow.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from protocol.clock import Stamp, stamp_from_wire, stamp_to_wire
from protocol.codec import pack, read_list, refuse
from protocol.effects import FieldEffect, check_field_value, read_join
from protocol.ids import Scope, check_code
from protocol.limits import (
    CODE_CHARS_MAX,
    DOCUMENT_BYTES_MAX,
    FIELDS_PER_DOCUMENT_MAX,
    NAME_CHARS_MAX,
    SCOPES_PER_DOCUMENT_MAX,
)


class FieldState(NamedTuple):
    """One field's value and what it takes to beat it."""

    join: int
    rank: int
    value: object
    stamp: Stamp


class Document(NamedTuple):
    """A document's fields and the scopes it is in."""

    fields: Mapping[str, FieldState]
    scopes: frozenset[Scope]


EMPTY = Document({}, frozenset())


def join(a: FieldState, b: FieldState) -> FieldState:
    """The state that stands when both are known.

    Larger join (two versions may disagree about a field), rank, stamp, and last the value's bytes: equal stamps with
    different values cannot come from an honest author, and must not make replicas differ even so.
    """
    return max(a, b, key=_strength)


def apply(document: Document, effects: Iterable[FieldEffect]) -> Document:
    """Join effects, all of this document, into it."""
    fields = dict(document.fields)
    scopes = set(document.scopes)
    for effect in effects:
        state = FieldState(effect.join, effect.rank, effect.value, effect.stamp)
        held = fields.get(effect.field)
        fields[effect.field] = state if held is None else join(held, state)
        scopes.update(effect.scopes)
    return Document(fields, frozenset(scopes))


def size_fault(document: Document) -> str | None:
    """Why no page could carry `document`; None when one can.

    Each edit is within its caps, but edits of many authors add up. The hub asks before it keeps a fold and
    quarantines the operation (`out_of_range`): a row that nobody can read would stop its scope for the whole chain.
    """
    if len(document.fields) > FIELDS_PER_DOCUMENT_MAX:
        return f"a document has at most {FIELDS_PER_DOCUMENT_MAX} fields"
    if len(document.scopes) > SCOPES_PER_DOCUMENT_MAX:
        return f"a document is in at most {SCOPES_PER_DOCUMENT_MAX} scopes"
    if len(pack([sorted(document.scopes), fields_to_wire(document.fields)])) > DOCUMENT_BYTES_MAX:
        return f"a document packs to at most {DOCUMENT_BYTES_MAX} bytes"
    return None


def fields_to_wire(fields: Mapping[str, FieldState]) -> list[object]:
    """`[[field, join, rank, value, stamp], …]`, by field name: the canonical order."""
    return [
        [name, s.join, s.rank, s.value, stamp_to_wire(s.stamp)]
        for name, s in sorted(fields.items())
    ]


def fields_from_wire(value: object) -> dict[str, FieldState]:
    """Read what `fields_to_wire` wrote.

    Raises:
        ProtocolError: `bad_value`.
    """
    found: dict[str, FieldState] = {}
    last = ""
    for item in read_list(value, "fields", most=FIELDS_PER_DOCUMENT_MAX):
        name, join_, rank, held, stamp = read_list(item, "a field", least=5, most=5)
        name = check_code(name, "field", chars_max=NAME_CHARS_MAX + CODE_CHARS_MAX)
        if name <= last:
            refuse("fields", "must be sorted by name and without repeats")
        check_field_value(held)
        found[name] = FieldState(*read_join(join_, rank), held, stamp_from_wire(stamp))
        last = name
    return found


def _strength(state: FieldState) -> tuple[int, int, Stamp, bytes]:
    return state.join, state.rank, state.stamp, pack(state.value)
