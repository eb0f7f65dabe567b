"""Who may do what. For now the devices' half: what an enrolled node may ever write.

Invariant: rights are decided here and nowhere else, by pure functions that deny unless a rule allows. The hub trusts
a device for what its certificate says; people's rights are enforced at nodes.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from protocol.certificate import Role
from protocol.effects import Account, CounterEffect, DocumentKey, Effect
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
    return all(_may_effect(rights, operation.kind, effect, present) for effect in operation.effects)


def _may_effect(
    rights: DeviceRights,
    kind: str,
    effect: Effect,
    present: Mapping[DocumentKey, Collection[Scope]],
) -> bool:
    if isinstance(effect, CounterEffect):
        return _may_count(rights, kind, effect)
    held = present.get(effect.key, ())
    return _may_write_in(rights, effect.scopes) and (not held or _may_write_in(rights, held))


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
