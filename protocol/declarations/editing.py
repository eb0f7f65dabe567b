"""From what somebody wants of a document to the effects that say it: each field by its own join.

Invariant: an effect is made only for what would change, with the join of the declaration and a rank that follows from the
value, from the clock or from what the editor had seen, so that the same wish under the same view is the same effect
everywhere. What is asked for was checked for its form before; what it means together is checked here.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from protocol.clock import Stamp, next_stamp
from protocol.codec import pack, with_sorted_keys
from protocol.declarations.kinds import Record, days_since_1970
from protocol.declarations.reading import Values, entries_of, key_of, value_of
from protocol.declarations.vocabulary import Collection, Entries, Field, Rule
from protocol.documents import Document, FieldState
from protocol.effects import DocumentKey, FieldEffect, Join
from protocol.ids import ReplicaId, Scope
from protocol.limits import RANK_MAX

Asked = Mapping[str, object]
"""By field: a value, or null to clear it; of a map null or values by key; of a list all that is to be in it."""

_DAY_BITS: Final = 20
_LAST_DAY: Final = 2**_DAY_BITS - 1
_GENERATION_MAX: Final = (RANK_MAX >> _DAY_BITS) - 1
_MINUTE_MS: Final = 60_000
_SAID: Final = "_said/"


class Change(NamedTuple):
    """One field's new value, by the name that it has in the document; null clears it."""

    field: str
    value: object


class Author(NamedTuple):
    """Who stamps an edit, and when."""

    replica: ReplicaId
    wall_ms: int
    is_office: bool


def changes_of(collection: Collection, asked: Asked, shown: Values) -> list[Change]:
    """What of a wish differs from what is shown, in the order of the declaration."""
    found: list[Change] = []
    for field in collection.fields:
        if field.name not in collection.identity:  # the id says those
            found += _field_changes(field, asked, shown)
    if (archived := collection.field("archived")) is not None:
        found += _field_changes(archived, asked, shown)
    for entries in collection.entries:
        if entries.name in asked:
            found += _entry_changes(entries, asked[entries.name], shown)
    return found


def entries_fault(collection: Collection, changes: Sequence[Change], shown: Values) -> str | None:
    """Why a document cannot take so many entries; None when it can. Removed ones count: their fields stay."""
    for entries in collection.entries:
        prefix = f"{entries.name}/"
        names = {
            name for name in (*shown, *(one.field for one in changes)) if name.startswith(prefix)
        }
        if len(names) > entries.entries_max:
            return (
                f"{entries.name} has at most {entries.entries_max} entries, removed ones included"
            )
    return None


def form_fault(collection: Collection, asked: Asked) -> str | None:
    """Why a wish contradicts itself, whatever the document holds; None when it does not."""
    for entries in collection.entries:
        given = asked.get(entries.name)
        if entries.named_by is not None and isinstance(given, list):
            keys = [key_of(entries, record) for record in given]
            if len(keys) != len(set(keys)):
                names = " and ".join(entries.named_by)
                return f"{entries.name} has at most one entry for each {names}"
    return None


def agreement_fault(collection: Collection, values: Values) -> str | None:
    """Why a document's values do not go together; None when they do."""
    for only in collection.only:
        holds, fits = values.get(only.field) is not None, values.get(only.other) == only.value
        if holds and not fits:
            return f"{only.field} goes with the {only.other} {only.value} alone"
        if fits and only.required and not holds:
            return f"the {only.other} {only.value} needs {only.field}"
    held = [values[name] for name in collection.distinct if values.get(name) is not None]
    if len(held) != len(set(held)):
        return f"{' and '.join(collection.distinct)} are the same"
    return None


def effects_of(
    collection: Collection,
    key: DocumentKey,
    scopes: tuple[Scope, ...],
    changes: Sequence[Change],
    held: Document,
    author: Author,
) -> tuple[FieldEffect, ...]:
    """The effects of some changes, all stamped later than anything that the editor could see in the document.

    `held` is the document as the author saw it: the clock that orders a field's edits is kept in its stamps, so an edit
    made after a restart, or with a clock that was put back, still comes after what it replaces.
    """
    seen = max((state.stamp for state in held.fields.values()), default=None)
    stamp = next_stamp(seen, author.wall_ms, author.replica)
    effects = [
        _effect(collection, key, scopes, change, held.fields.get(change.field), stamp, author)
        for change in changes
    ]
    earliest = [one for one in effects if collection.rule(one.field) is Rule.EARLIEST]
    said = [_said(one, one.value, one.rank >> _DAY_BITS) for one in earliest if one.value]
    return (*effects, *said)


def contradicting(
    collection: Collection,
    key: DocumentKey,
    scopes: tuple[Scope, ...],
    change: Change,
    held: Document,
    author: Author,
) -> tuple[FieldEffect, ...]:
    """The effects of a day that was read where another stands, by somebody who does not say which of them is right.

    The earlier stands, and both are kept for people to look at. What was said before makes no effect.
    """
    stands = held.fields[change.field]
    assert isinstance(change.value, str)
    assert isinstance(stands.value, str)
    if change.value < stands.value:
        effects = effects_of(collection, key, scopes, [change], held, author)
        return (*effects, _said(effects[0], stands.value, effects[0].rank >> _DAY_BITS))
    if change.value in days_said(change.field, held):
        return ()
    seen = max(state.stamp for state in held.fields.values())
    stamp = next_stamp(seen, author.wall_ms, author.replica)
    effect = _effect(collection, key, scopes, change, stands, stamp, author)
    return (_said(effect, change.value, stands.rank >> _DAY_BITS),)


def days_said(name: str, document: Document) -> tuple[str, ...]:
    """The days that were given for a field of which the earliest stands, without knowledge of each other or against it; in
    order. Whoever corrects what they were shown leaves one.
    """
    stands = document.fields.get(name)
    if stands is None or not isinstance(stands.value, str):
        return ()
    prefix = f"{name}{_SAID}"
    said = {
        field.removeprefix(prefix)
        for field, state in document.fields.items()
        if field.startswith(prefix) and state.value == stands.rank >> _DAY_BITS
    }
    return tuple(sorted({stands.value} | {day for day in said if days_since_1970(day) is not None}))


def _said(effect: FieldEffect, day: object, generation: int) -> FieldEffect:
    """That a day was given. The field keeps one of them alone, so each is a field of its own beside it."""
    name = f"{effect.field}{_SAID}{day}"
    return effect._replace(field=name, join=int(Join.MAX), rank=generation, value=generation)


def _effect(
    collection: Collection,
    key: DocumentKey,
    scopes: tuple[Scope, ...],
    change: Change,
    held: FieldState | None,
    stamp: Stamp,
    author: Author,
) -> FieldEffect:
    rule = collection.rule(change.field)
    join = Join.LWW if rule is Rule.LAST else Join.MAX
    rank = int(author.is_office) if rule is Rule.OFFICE else _rank(rule, change.value, held, stamp)
    return FieldEffect(*key, change.field, int(join), rank, change.value, stamp, scopes)


def _rank(rule: Rule, value: object, held: FieldState | None, stamp: Stamp) -> int:
    match rule:
        case Rule.LAST:
            return 0
        case Rule.FIRST:
            # Of those who create one document apart the earlier stands; in one minute the later.
            return max(0, RANK_MAX - stamp.wall_ms // _MINUTE_MS)
        case Rule.EARLIEST:
            # A correction of what was seen beats it, be it to a later date; of two that knew nothing of each other the
            # earlier date stands.
            seen = -1 if held is None else held.rank >> _DAY_BITS
            return min(seen + 1, _GENERATION_MAX) << _DAY_BITS | (_LAST_DAY - _day(value))
        case Rule.OFFICE | Rule.FURTHEST:
            raise AssertionError("ranked by the author, and by steps")


def _day(value: object) -> int:
    days = days_since_1970(value) if isinstance(value, str) else None
    return _LAST_DAY if days is None else min(max(days, 0), _LAST_DAY)


def _field_changes(field: Field, asked: Asked, shown: Values) -> Iterator[Change]:
    if field.name not in asked:
        return
    value = with_sorted_keys(asked[field.name])
    # A default that was never written is not written either: what it is may change with the version.
    if _differ(value, shown.get(field.name) if value is None else value_of(field, shown)):
        yield Change(field.name, value)


def _entry_changes(entries: Entries, given: object, shown: Values) -> Iterator[Change]:
    held = entries_of(entries, shown)
    wanted = _wanted(entries, given, held)
    for key in sorted(wanted):
        value = _stored(entries, wanted[key])
        before = held.get(key)
        if _differ(value, None if before is None else _stored(entries, before)):
            yield Change(f"{entries.name}/{key}", value)


def _differ(one: object, other: object) -> bool:
    # By their bytes: to Python True equals 1.
    return pack(with_sorted_keys(one)) != pack(with_sorted_keys(other))


def _wanted(entries: Entries, given: object, held: Mapping[str, object]) -> dict[str, object]:
    match given:
        case None:
            return dict.fromkeys(held)
        case list():
            listed = {key_of(entries, record): record for record in given}
            return {**dict.fromkeys(held), **listed}
        case dict():
            return given
        case _:
            raise AssertionError("a map, a list or null")


def _stored(entries: Entries, value: object) -> object:
    """An entry as it is written: without members that are null, but for those that name it."""
    if not isinstance(entries.value, Record) or not isinstance(value, Mapping):
        return value
    names = entries.named_by or ()
    parts = {part.name: value.get(part.name) for part in entries.value.parts}
    return {
        name: "" if held is None else held
        for name, held in sorted(parts.items())
        if held is not None or name in names
    }
