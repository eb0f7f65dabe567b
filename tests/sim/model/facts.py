"""Operations of the model: what they do to rows, and how rows join.

Invariant: a row is the sum or the join of its operations' effects, whatever their order. Counters live in the one scope
of their location; a document is in every scope that any of its edits names.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

Key = tuple[str, str]
"""Of a counter `(scope, SKU)`; of a document `("document", id)`."""

START = b""
AHEAD_MAX = 10
"""How far a stamp may run ahead of the hub's clock, in the model's time."""


class Stamp(NamedTuple):
    """When an edit was made, by its author's clock; compared field by field."""

    wall: int
    tick: int
    replica: int


class State(NamedTuple):
    """A field's state; the largest stands. Rank is 0 where the last writer wins."""

    rank: int
    stamp: Stamp
    value: int


class Count(NamedTuple):
    """Adds to a counter."""

    key: Key
    delta: int


class Edit(NamedTuple):
    """Joins a field of a document, and puts it into a scope."""

    key: Key
    field: str
    state: State
    scope: str


Effect = Count | Edit


class Op(NamedTuple):
    """One operation: all of its effects or none."""

    id: int
    effects: tuple[Effect, ...]


class Row(NamedTuple):
    """What the hub says of a counter or a document."""

    hub_seq: int
    total: int
    fields: Mapping[str, State]
    scopes: frozenset[str]


NOTHING = Row(0, 0, {}, frozenset())


def scope_of(effect: Effect) -> str:
    """Where the effect is read."""
    return effect.key[0] if isinstance(effect, Count) else effect.scope


def apply(row: Row, effect: Effect) -> Row:
    """The row with one effect more."""
    scopes = row.scopes | {scope_of(effect)}
    if isinstance(effect, Count):
        return row._replace(total=row.total + effect.delta, scopes=scopes)
    held = row.fields.get(effect.field)
    state = effect.state if held is None else max(held, effect.state)
    return row._replace(fields={**row.fields, effect.field: state}, scopes=scopes)


def apply_all(row: Row, effects: Iterable[Effect]) -> Row:
    """The row with several effects more."""
    for effect in effects:
        row = apply(row, effect)
    return row


def shown(row: Row) -> tuple[int, Mapping[str, State]]:
    """What two sides are compared by."""
    return row.total, row.fields


def clamp(effect: Effect, accepted: int) -> Effect:
    """What takes part in the join: a stamp far ahead of the hub's clock is brought back, in order."""
    if isinstance(effect, Count) or effect.state.stamp.wall <= accepted + AHEAD_MAX:
        return effect
    stamp = effect.state.stamp
    tick = (stamp.wall - accepted << 20) + stamp.tick
    brought = Stamp(accepted + AHEAD_MAX, tick, stamp.replica)
    return effect._replace(state=effect.state._replace(stamp=brought))


def extend(chain: bytes, op: Op) -> bytes:
    """The log's hash with one operation more."""
    return hashlib.blake2b(repr(op).encode(), digest_size=8, key=chain).digest()
