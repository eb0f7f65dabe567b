"""What an operation does to rows: it adds to counters and joins values into fields of documents. Nothing else.

Invariant: effects are explicit and apart from an operation's kind, so a hub folds a kind it has never heard of. A
field's join travels with the value: the hub knows joins, never collections.
"""

from enum import IntEnum
from typing import Final, NamedTuple

from protocol.clock import Stamp, stamp_from_wire, stamp_to_wire
from protocol.codec import check_plain, pack, read_int, read_list, refuse
from protocol.ids import (
    Location,
    Lot,
    Scope,
    Sku,
    check_code,
    scope_is_valid,
    stock_scope,
)
from protocol.limits import (
    CODE_CHARS_MAX,
    DELTA_MAX,
    DOCUMENT_ID_CHARS_MAX,
    EFFECTS_MAX,
    FIELD_VALUE_BYTES_MAX,
    NAME_CHARS_MAX,
    RANK_MAX,
    SCOPES_PER_DOCUMENT_MAX,
)


class Account(IntEnum):
    """What a counter counts. On the wire an account is its number; unknown ones are folded like any other."""

    ON_HAND = 0
    RESERVED = 1
    IN_TRANSIT = 2
    """Shipped to this location and not yet received."""
    LOSS = 3
    GRANTED = 4
    RIGHTS = 5


ACCOUNT_MAX: Final = 255


class Join(IntEnum):
    """How two values of one field become one."""

    LWW = 0
    """The larger stamp."""
    MAX = 1
    """The larger rank, then the larger stamp."""


class CounterKey(NamedTuple):
    """Names a counter row."""

    location: Location
    sku: Sku
    lot: Lot
    account: int


class DocumentKey(NamedTuple):
    """Names a document row."""

    collection: str
    id: str


class CounterEffect(NamedTuple):
    """Add `delta` base units to a counter."""

    location: Location
    sku: Sku
    lot: Lot
    account: int
    delta: int

    @property
    def key(self) -> CounterKey:
        """The row this changes."""
        return CounterKey(self.location, self.sku, self.lot, self.account)


class FieldEffect(NamedTuple):
    """Join a value into one field of a document."""

    collection: str
    id: str
    field: str
    join: int
    rank: int
    """0 with LWW."""
    value: object
    stamp: Stamp
    scopes: tuple[Scope, ...]
    """Sorted; added to the scopes the document is already in."""

    @property
    def key(self) -> DocumentKey:
        """The row this changes."""
        return DocumentKey(self.collection, self.id)


Effect = CounterEffect | FieldEffect

_COUNTER: Final = 0
_FIELD: Final = 1
_LWW: Final = int(Join.LWW)
_JOIN_MAX: Final = int(max(Join))
"""Worked out once: to walk over an enumeration for every field was a third of reading one."""
_SHORT_CHARS: Final = FIELD_VALUE_BYTES_MAX - 5
"""ASCII no longer than this packs to at most `FIELD_VALUE_BYTES_MAX`: a byte for each, and at most 5 in front."""


def scopes_of(effect: Effect) -> tuple[Scope, ...]:
    """The scopes an effect writes in, known from the effect alone."""
    if isinstance(effect, CounterEffect):
        return (stock_scope(effect.location),)
    return effect.scopes


def effects_to_wire(effects: tuple[Effect, ...]) -> list[object]:
    """The array form, in order."""
    return [
        _counter_to_wire(e) if isinstance(e, CounterEffect) else _field_to_wire(e) for e in effects
    ]


def effects_from_wire(value: object) -> tuple[Effect, ...]:
    """Read and check an operation's effects.

    Raises:
        ProtocolError: `bad_value`.
    """
    return tuple(map(_effect_from_wire, read_list(value, "effects", most=EFFECTS_MAX)))


def _counter_to_wire(effect: CounterEffect) -> list[object]:
    return [_COUNTER, *effect]


def _field_to_wire(effect: FieldEffect) -> list[object]:
    head = [
        _FIELD,
        effect.collection,
        effect.id,
        effect.field,
        effect.join,
        effect.rank,
        effect.value,
    ]
    return [*head, stamp_to_wire(effect.stamp), list(effect.scopes)]


def _effect_from_wire(value: object) -> Effect:
    # The type too: False and 0.0 equal 0.
    if type(value) is list and value and type(value[0]) is int:
        if value[0] == _COUNTER and len(value) == 6:
            return counter_effect(value[1], value[2], value[3], value[4], value[5])
        if value[0] == _FIELD and len(value) == 9:
            return _field_from_wire(value)
    refuse("an effect", "has an unknown form")


def counter_effect(
    location: object, sku: object, lot: object, account: object, delta: object
) -> CounterEffect:
    """Check the parts of a counter effect, which may come from anywhere.

    Raises:
        ProtocolError: `bad_value`.
    """
    # Written out flat: a hub folds tens of thousands of these a second, and this is half of decoding one. Three codes that
    # are plain are found to be so at one look, which `code_fault` takes three times as long for.
    if not (
        type(location) is str
        and type(sku) is str
        and type(lot) is str
        and (text := location + sku + lot).isascii()
        and text.isprintable()
        and 0 < len(location) <= CODE_CHARS_MAX
        and 0 < len(sku) <= CODE_CHARS_MAX
        and len(lot) <= CODE_CHARS_MAX
    ):
        check_code(location, "location")
        check_code(sku, "sku")
        if lot != "":
            check_code(lot, "lot")
    if type(account) is not int or not 0 <= account <= ACCOUNT_MAX:
        read_int(account, "account", most=ACCOUNT_MAX)
    if type(delta) is not int or not -DELTA_MAX <= delta <= DELTA_MAX:
        read_int(delta, "delta", least=-DELTA_MAX, most=DELTA_MAX)
    return CounterEffect(location, sku, lot, account, delta)  # type: ignore[arg-type]


def _field_from_wire(value: list[object]) -> FieldEffect:
    _, collection, id_, field, join, rank, held, stamp, scopes = value
    check_field_value(held)
    join, rank = read_join(join, rank)
    return FieldEffect(
        check_code(collection, "collection", chars_max=NAME_CHARS_MAX),
        check_code(id_, "document id", chars_max=DOCUMENT_ID_CHARS_MAX),
        check_code(field, "field", chars_max=NAME_CHARS_MAX + CODE_CHARS_MAX),
        join,
        rank,
        held,
        stamp_from_wire(stamp),
        scopes_from_wire(scopes),
    )


def read_join(join: object, rank: object) -> tuple[int, int]:
    """Read how a field joins and its rank, which is 0 where the larger stamp wins.

    Raises:
        ProtocolError: `bad_value`.
    """
    if type(join) is not int or not 0 <= join <= _JOIN_MAX:
        join = read_int(join, "join", most=_JOIN_MAX)
    if type(rank) is not int or not 0 <= rank <= RANK_MAX:
        rank = read_int(rank, "rank", most=RANK_MAX)
    if rank and join == _LWW:
        refuse("rank", "must be 0 where the larger stamp wins")
    return join, rank


def check_field_value(value: object) -> None:
    """Refuse a field's value that is not plain or packs to more than 16 KiB.

    Raises:
        ProtocolError: `bad_value`.
    """
    if type(value) is str and len(value) <= _SHORT_CHARS and value.isascii():
        return  # most are: to pack them only to see how long they are was a tenth of reading a document
    check_plain(value, "a field's value")
    if value is None or type(value) is int or type(value) is bool:
        return
    if len(pack(value)) > FIELD_VALUE_BYTES_MAX:
        refuse("a field's value", f"must pack to at most {FIELD_VALUE_BYTES_MAX} bytes")


def scopes_from_wire(value: object) -> tuple[Scope, ...]:
    """Read a document's scopes: 1 to 16, valid, sorted and without repeats.

    Raises:
        ProtocolError: `bad_value`.
    """
    scopes = read_list(value, "scopes", least=1, most=SCOPES_PER_DOCUMENT_MAX)
    found = []
    for scope in scopes:
        if type(scope) is not str or not scope_is_valid(scope):
            refuse("a scope", "is unknown")
        found.append(Scope(scope))
    if len(found) > 1 and sorted(set(found)) != found:
        refuse("scopes", "must be sorted and without repeats")
    return tuple(found)
