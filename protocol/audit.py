"""A record of the audit: what an operation or a note says of who did what to what, in one form for both.

Invariant: every operation is a record, also one that cannot be read: whoever looks through an audit must see that it is
there. A record says nothing that its operation does not, shows sealed values as the bytes that they are, and nothing of what
proves a person.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Final, NamedTuple

from protocol.declarations import DECLARED
from protocol.effects import CounterEffect, FieldEffect
from protocol.errors import ProtocolError
from protocol.ids import OpId, ReplicaId, Seq
from protocol.limits import AUDIT_LINES_MAX
from protocol.movements import MOVE_PREFIX
from protocol.notes import NOTE_PREFIX, Entity, Note, from_details
from protocol.operation import Operation, decode, op_id_of

EDIT: Final = "edit"
HIDDEN: Final = "(set)"
"""In the place of what proves somebody: that it was set is told, and not to what."""
UNREADABLE: Final = "unreadable"
"""The action of an operation whose bytes no program of this version can read."""


class Record(NamedTuple):
    """One record. Times are UTC milliseconds of the recording device's clock."""

    replica: ReplicaId | None
    """The log that it stands in; None of what the hub notes."""
    seq: int
    """Its place there."""
    op_id: OpId | None
    actor: str
    device: str
    action: str
    """An operation's kind: `move.sale`, `edit`, `note.signed_in`."""
    entity: Entity | None
    """What it is about."""
    touched: frozenset[Entity]
    """That, and whatever else it names: SKUs, lots, locations, documents."""
    location: str | None
    recorded_at_ms: int
    occurred_at_ms: int
    payload: Mapping[str, object]
    """Plain values, and bytes."""


def record_of(replica: ReplicaId, seq: Seq, body: bytes) -> Record:
    """The record that an operation's bytes are."""
    try:
        operation = decode(body)
    except ProtocolError as error:
        payload = {"why": error.detail, "bytes": len(body)}
        id_ = op_id_of(body)
        return Record(replica, seq, id_, "", "", UNREADABLE, None, frozenset(), None, 0, 0, payload)
    entity, more, payload = _said(operation)
    place = _place_of_note(operation.kind, payload)
    touched = {*more, *_touched(operation)}
    if place is not None:
        touched.add(Entity("locations", place))
    if entity is not None:
        touched.add(entity)
    counters = (each for each in operation.effects if isinstance(each, CounterEffect))
    first = next(counters, None)
    return Record(
        replica,
        seq,
        operation.op_id,
        operation.actor,
        operation.device,
        operation.kind,
        entity,
        frozenset(touched),
        place if first is None else first.location,
        operation.recorded_at,
        operation.occurred_at,
        payload,
    )


def proves_somebody(body: bytes) -> bool:
    """Whether an operation's bytes hold what a record of it hides: by them somebody's password or PIN can be guessed at."""
    try:
        effects = decode(body).effects
    except ProtocolError:
        return False  # what cannot be read here is no credential that anybody here could sign in by
    return any(isinstance(each, FieldEffect) and _is_secret(each) for each in effects)


def record_of_note(position: int, at_ms: int, actor: str, note: Note) -> Record:
    """The record that a note of the hub's is."""
    touched = frozenset[Entity]() if note.entity is None else frozenset({note.entity})
    action = NOTE_PREFIX + note.action
    return Record(
        None,
        position,
        None,
        actor,
        "hub",
        action,
        note.entity,
        touched,
        None,
        at_ms,
        at_ms,
        note.payload,
    )


class Wanted(NamedTuple):
    """Which records; None does not restrict. Times are by when they were recorded, `until_ms` is excluded."""

    since_ms: int | None = None
    until_ms: int | None = None
    actor: str | None = None
    """The person, or the till or screen."""
    action: str | None = None
    """`note.signed_in`, or `note` for all that begin so."""
    entity: tuple[str, str | None] | None = None
    """A type, and an id or None for all of the type."""
    location: str | None = None
    """One that it names."""

    def takes(self, record: Record) -> bool:
        """Whether a record is wanted."""
        if self.since_ms is not None and record.recorded_at_ms < self.since_ms:
            return False
        if self.until_ms is not None and record.recorded_at_ms >= self.until_ms:
            return False
        if self.actor is not None and self.actor not in {record.actor, record.device}:
            return False
        if self.action is not None and not f"{record.action}.".startswith(f"{self.action}."):
            return False
        places = None if self.location is None else ("locations", self.location)
        return _names(record, places) and _names(record, self.entity)


def entity_wanted(text: str) -> tuple[str, str | None]:
    """Read `TYPE` or `TYPE/ID`; an id may have slashes."""
    type_, slash, id_ = text.partition("/")
    return type_, id_ if slash else None


def _said(operation: Operation) -> tuple[Entity | None, list[Entity], dict[str, object]]:
    """What an operation is about, first of all and beside, and its payload."""
    details = operation.details
    if operation.kind == "note" or operation.kind.startswith(NOTE_PREFIX):
        note = from_details(operation.kind, details)
        return note.entity, [], dict(note.payload)
    documents = dict.fromkeys(
        Entity(each.collection, each.id)
        for each in operation.effects
        if isinstance(each, FieldEffect)
    )
    payload: dict[str, object] = dict(details)
    if fields := [each for each in operation.effects if isinstance(each, FieldEffect)]:
        payload["fields"] = {each.field: _shown(each) for each in fields[:AUDIT_LINES_MAX]}
    counters = [each for each in operation.effects if isinstance(each, CounterEffect)]
    if counters:
        payload["changes"] = [
            [each.location, each.sku, each.lot, int(each.account), each.delta]
            for each in islice(counters, AUDIT_LINES_MAX)
        ]
    left_out = max(0, len(fields) - AUDIT_LINES_MAX) + max(0, len(counters) - AUDIT_LINES_MAX)
    if left_out:
        payload["left_out"] = left_out
    if operation.kind.startswith(MOVE_PREFIX):
        return Entity("movements", operation.op_id.hex()), list(documents), payload
    return next(iter(documents), None), list(documents), payload


def _place_of_note(kind: str, payload: Mapping[str, object]) -> str | None:
    """Where what a note tells of happened, if it says so: whoever reads the audit of one location reads that too."""
    place = payload.get("location") if kind.startswith(NOTE_PREFIX) else None
    return place if isinstance(place, str) else None


def _shown(effect: FieldEffect) -> object:
    return HIDDEN if _is_secret(effect) else effect.value


def _is_secret(effect: FieldEffect) -> bool:
    declared = DECLARED.get(effect.collection)
    secret = {one.name for one in declared.fields if one.is_secret} if declared else set()
    return effect.field in secret and effect.value is not None


def _touched(operation: Operation) -> set[Entity]:
    found: set[Entity] = set()
    for each in operation.effects:
        if isinstance(each, CounterEffect):
            found.add(Entity("skus", each.sku))
            found.add(Entity("locations", each.location))
            if each.lot:
                found.add(Entity("lots", f"{each.sku}/{each.lot}"))
        else:
            places = (scope.partition(":")[2] for scope in each.scopes)
            found |= {Entity("locations", place) for place in places if place not in {"", "*"}}
    return found


def _names(record: Record, wanted: tuple[str, str | None] | None) -> bool:
    if wanted is None:
        return True
    type_, id_ = wanted
    return any(each.type == type_ and id_ in {None, each.id} for each in record.touched)
