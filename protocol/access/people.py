"""What somebody at a node may do: one question, asked by every surface.

Invariant: `decide` denies unless the table allows. A role that this version does not know has no rights, nobody reaches
beyond their own locations by naming several, and the operator of a node may do everything there but open what is sealed.
"""

from collections.abc import Set as AbstractSet
from enum import Enum
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from protocol.access.table import RIGHTS, SEALED, Action, PersonRole, Reach

Everywhere = Literal["*"]
EVERYWHERE: Final[Everywhere] = "*"
"""In the place of locations: all that there are."""
Places = AbstractSet[str] | Everywhere


class ActorKind(Enum):
    """What a request comes from."""

    PERSON = "person"
    TILL = "till"
    OPERATOR = "operator"
    """Whoever has the node's own token: the machine's administrator, who is nobody's colleague."""


class Actor(NamedTuple):
    """Who wants something."""

    name: str
    """A person's user name, or the till's where nobody has signed on."""
    kind: ActorKind
    role: PersonRole | None
    """None: a person that was granted nothing, or a role that this version does not know."""
    locations: Places
    """Where that role is held: a person's own locations, of a till those of its node."""


class Resource(NamedTuple):
    """What it is wanted of."""

    locations: Places = frozenset()
    """Those that it is of; none for what is the whole chain's. A list is of every location that it may name."""
    is_shared: bool = False
    """Whether one of its locations is enough, as for a transfer between two; otherwise all of them must be the actor's."""
    owner: str | None = None
    """Whose alone it is: an alert's creator, a message's reader. None for what belongs to nobody."""
    role: PersonRole | None = None
    """Of a person: what they are, or are to be, whichever is higher."""
    person: str | None = None
    """Of a person: their user name."""


CHAIN: Final = Resource()


class Decision(Enum):
    """What becomes of a wish."""

    ALLOW = "allowed"
    FORBID = "forbidden"
    HIDE = "as if it did not exist"
    """It is of a location of which the actor sees nothing of this kind: by id it is answered as one that is not there."""


_RANKS: Final = MappingProxyType(
    {
        PersonRole.HQ_ADMIN: 5,
        PersonRole.BUYER: 4,
        PersonRole.AUDITOR: 4,
        PersonRole.MANAGER: 3,
        PersonRole.PHARMACIST: 2,
        PersonRole.CLERK: 2,
        PersonRole.CASHIER: 1,
        PersonRole.TILL: 0,
    }
)
OFFICE_ROLES: Final = frozenset({PersonRole.HQ_ADMIN, PersonRole.BUYER, PersonRole.AUDITOR})
"""Held at head office alone: no credential of theirs is ever on a shop's disk."""
_TAKES_OVER: Final = frozenset({Action("alerts.change")})
"""What an hq_admin does in the owner's place. Nobody reads another's mail."""
_OF_PEOPLE: Final = frozenset(
    map(Action, ("users.create", "users.grant", "users.disable", "users.reset"))
)


def decide(actor: Actor, action: Action, resource: Resource = CHAIN) -> Decision:
    """Whether somebody may do something with a thing."""
    if actor.kind is ActorKind.OPERATOR:
        return Decision.FORBID if action in SEALED or action not in RIGHTS else Decision.ALLOW
    reach = reach_of(actor, action)
    if reach is Reach.NOWHERE:
        return Decision.FORBID
    if reach is Reach.OWN and not _is_within(actor.locations, resource):
        return Decision.HIDE
    if resource.owner is not None and resource.owner != actor.name:
        takes_over = actor.role is PersonRole.HQ_ADMIN and action in _TAKES_OVER
        if not takes_over:
            return Decision.FORBID
    if action in _OF_PEOPLE and not _may_manage(actor, resource):
        return Decision.FORBID
    return Decision.ALLOW


def reach_of(actor: Actor, action: Action) -> Reach:
    """How far somebody's right to an action goes; an action that is in no table is nobody's."""
    if actor.kind is ActorKind.OPERATOR:
        return Reach.NOWHERE if action in SEALED or action not in RIGHTS else Reach.ANYWHERE
    if actor.role is None:
        return Reach.NOWHERE
    return RIGHTS.get(action, {}).get(actor.role, Reach.NOWHERE)


def places_of(actor: Actor, action: Action) -> Places:
    """Where somebody may do something, for whoever has to leave the rest out of a list."""
    match reach_of(actor, action):
        case Reach.ANYWHERE:
            return EVERYWHERE
        case Reach.OWN:
            return actor.locations
        case Reach.NOWHERE:
            return frozenset()


def outranks(role: PersonRole | None, other: PersonRole | None) -> bool:
    """Whether one role is above another; none at all is below all. The highest manages its like as well."""
    if role is None:
        return False
    if other is None or role is PersonRole.HQ_ADMIN:
        return True
    return _RANKS[role] > _RANKS[other]


def _is_within(own: Places, resource: Resource) -> bool:
    asked = resource.locations
    if isinstance(own, str):  # everywhere
        return True
    if isinstance(asked, str):
        return False
    if resource.is_shared:
        return not own.isdisjoint(asked)
    # What is the whole chain's is nobody's own.
    return bool(asked) and asked <= own


def _may_manage(actor: Actor, resource: Resource) -> bool:
    """Nobody grants, resets or disables themselves, nor whoever is not below them."""
    return outranks(actor.role, resource.role) and resource.person != actor.name
