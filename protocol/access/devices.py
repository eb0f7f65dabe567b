"""What an enrolled device may ever write: the hub asks it of every operation, a node before it records one.

Invariant: denied unless a rule allows. The hub trusts a device for what its certificate says; which person may is asked
at the node, of `people`.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from protocol.certificate import Role
from protocol.declarations import DECLARED
from protocol.declarations.naming import is_well_placed
from protocol.declarations.vocabulary import Audience, Place, Rule, Writers
from protocol.declarations.vocabulary import Collection as Declared
from protocol.effects import Account, CounterEffect, DocumentKey, Effect, FieldEffect
from protocol.ids import Scope
from protocol.operation import Operation, home_of

_OFFICE_ONLY_SCOPES: Final = frozenset({"directory", "fleet"})
_NONE_PRESENT: Final[Mapping[DocumentKey, Collection[Scope]]] = MappingProxyType({})


class DeviceRights(NamedTuple):
    """What a device may write, now or at any time since its enrolment.

    Past rights count at the hub: what was recorded under a right that was held is a fact and is folded, however late
    it arrives. The node itself goes by its present certificate.
    """

    role: Role
    locations: Collection[str]


class Edit(NamedTuple):
    """What somebody means to do to a document."""

    collection: Declared
    locations: Collection[str]
    """Those that the document is of."""
    is_new: bool
    fields: Collection[str]
    """The fields and maps that would change, as they are declared."""
    is_by_creator: bool


def edit_fault(rights: DeviceRights, edit: Edit) -> str | None:
    """Why a device does not make an edit; None when it does.

    Stricter than `device_may`: of two shops that create one document apart, the hub hears the second when the document
    is there already, and cannot tell a creation from a change.
    """
    if rights.role is Role.OFFICE:
        return None
    if not rights.locations:
        # A shop's node writes at least one location until it is let go; the hub takes nothing of it after that.
        return "this node was let go and writes nothing any more"
    declared = edit.collection
    office = {one.name for one in declared.fields if one.audience is Audience.OFFICE}
    if kept := sorted(office.intersection(edit.fields)):
        return f"only the office writes {kept[0]} of a {declared.one}"
    match declared.writers:
        case Writers.OFFICE:
            return f"only the office writes {declared.name}"
        case Writers.CREATED_BY_STORES:
            kept = [] if edit.is_new else sorted(_not_changed_by_stores(declared, edit.fields))
            return f"only the office changes {kept[0]} of a {declared.one}" if kept else None
        case Writers.OF_ITS_LOCATIONS | Writers.ITS_CREATOR:
            if not set(edit.locations).intersection(rights.locations):
                return f"this node does not write {declared.name} of that location"
            if declared.writers is Writers.ITS_CREATOR and not (edit.is_new or edit.is_by_creator):
                return f"only whoever created this {declared.one}, or the office, changes it"
            return None


def device_may(
    rights: DeviceRights,
    operation: Operation,
    present: Mapping[DocumentKey, Collection[Scope]] = _NONE_PRESENT,
) -> bool:
    """Whether a device may record an operation: every one of its effects must be allowed.

    Args:
        rights: what the device may write.
        operation: what it wants to record.
        present: the scopes that the documents it edits are in already; a document that is not there is new. Scopes
            only grow, so without this a device could name its own scope on a document of another shop, or of the
            fleet, and so edit and read it.
    """
    if rights.role is Role.OFFICE:
        return True
    # An op_id is unique within its home: whoever named a foreign one could spend that shop's ids before it does.
    if (home := home_of(operation)) and home not in rights.locations:
        return False
    # No generator: a hub asks tens of thousands of times a second, nearly always of one effect.
    for effect in operation.effects:  # noqa: SIM110
        if not _may_effect(rights, operation.kind, effect, present):
            return False
    return True


def _may_effect(
    rights: DeviceRights,
    kind: str,
    effect: Effect,
    present: Mapping[DocumentKey, Collection[Scope]],
) -> bool:
    if isinstance(effect, CounterEffect):
        return _may_count(rights, kind, effect)
    if not is_well_placed(DECLARED, effect) or _outranks_stores(effect):
        return False
    if (place := _entry_of(effect)) is not None and place not in rights.locations:
        return False
    declared = DECLARED.get(effect.collection)
    is_person = declared is not None and declared.place is Place.DIRECTORY_AND_PEOPLE
    may = _may_write_person_in if is_person else _may_write_in
    held = present.get(effect.key, ())
    return may(rights, effect.scopes) and (not held or may(rights, held))


def _may_count(rights: DeviceRights, kind: str, effect: CounterEffect) -> bool:
    if effect.location in rights.locations:
        return True
    # Shipping puts the goods in transit to the other shop, which has not touched them yet.
    return kind == "move.transfer_ship" and effect.account == Account.IN_TRANSIT


def _may_write_in(rights: DeviceRights, scopes: Collection[Scope]) -> bool:
    if any(scope.partition(":")[0] in _OFFICE_ONLY_SCOPES for scope in scopes):
        return False
    locations = [location for _, _, location in (scope.partition(":") for scope in scopes)]
    # A shared document (a transfer) is in both shops' scopes; holding one of them is enough to write its part.
    return all(not location for location in locations) or any(
        location in rights.locations for location in locations if location
    )


def _may_write_person_in(rights: DeviceRights, scopes: Collection[Scope]) -> bool:
    """Whether somebody in the directory is of one's own shop. Whoever is of no shop is head office's."""
    families = [(family, location) for family, _, location in (s.partition(":") for s in scopes)]
    return any(family == "people" and place in rights.locations for family, place in families)


def _outranks_stores(effect: FieldEffect) -> bool:
    """Whether an edit claims the rank by which the office's stand over those of stores."""
    declared = DECLARED.get(effect.collection)
    return declared is not None and declared.rule(effect.field) is Rule.OFFICE and effect.rank > 0


def _entry_of(effect: FieldEffect) -> str | None:
    """The location whose own an entry is; None for whatever is no such entry."""
    declared = DECLARED.get(effect.collection)
    name, _, key = effect.field.partition("/")
    entries = () if declared is None else declared.entries
    return key if any(one.name == name and one.of_locations for one in entries) else None


def _not_changed_by_stores(declared: Declared, fields: Collection[str]) -> set[str]:
    fields_open = {one.name for one in declared.fields if one.stores_change}
    entries_open = {one.name for one in declared.entries if one.stores_change}
    return set(fields) - fields_open - entries_open
