"""Whether whoever asks may do what is asked: `protocol.access.people.decide`, asked with a node's callers.

Rule: every command that records, and every read that is not open to all, asks here before it does anything; what a node
itself may write is asked besides, of its certificate.
"""

from collections.abc import Set as AbstractSet

from node.commands.requests import Authority, Caller, Refusal
from protocol.access.people import (
    CHAIN,
    EVERYWHERE,
    Actor,
    ActorKind,
    Decision,
    Places,
    Resource,
    decide,
)
from protocol.access.table import RIGHTS, SEALED, Action, PersonRole, Reach
from protocol.certificate import Certificate, Role


def actor_of(caller: Caller) -> Actor:
    """Who a caller is to `decide`. A till with nobody signed on has those of a till, as far as its node goes."""
    if caller.person is not None:
        person = caller.person
        return Actor(person.name, ActorKind.PERSON, person.role, person.locations)
    match caller.authority:
        case Authority.OPERATOR:
            return Actor(caller.name, ActorKind.OPERATOR, None, frozenset())
        case Authority.TILL:
            # It is the node's own device: what the node holds and may write is its bound, as it was before there were people.
            return Actor(caller.name, ActorKind.TILL, PersonRole.TILL, EVERYWHERE)
        case Authority.PERSON:
            return Actor(caller.name, ActorKind.PERSON, None, frozenset())


def known_places(certificate: Certificate) -> Places:
    """Whose movements and papers a node holds. What one that was let go recorded is still shown there."""
    if certificate.role is Role.OFFICE:
        return EVERYWHERE
    return frozenset((*certificate.writes, *certificate.once))


def has_right(caller: Caller, right: Action) -> bool:
    """Whether a caller may do something anywhere, for what shows more to some than to others."""
    match caller.authority:
        case Authority.OPERATOR:
            return right not in SEALED
        case Authority.TILL if caller.person is None:
            role: PersonRole | None = PersonRole.TILL
        case _:
            role = None if caller.person is None else caller.person.role
    return role is not None and RIGHTS.get(right, {}).get(role, Reach.NOWHERE) is not Reach.NOWHERE


def require(caller: Caller, right: Action) -> None:
    """Return if a caller may do something anywhere, before it is known of what.

    Raises:
        Refusal: `forbidden`.
    """
    if not has_right(caller, right):
        raise Refusal("forbidden", why_not(caller, right))


def check(caller: Caller, action: Action, resource: Resource = CHAIN) -> None:
    """Return if a caller may do something with a thing that the request itself names.

    Raises:
        Refusal: `forbidden`.
    """
    if decide(actor_of(caller), action, resource) is not Decision.ALLOW:
        raise Refusal("forbidden", why_not(caller, action))


def check_found(caller: Caller, action: Action, resource: Resource, *, missing: str) -> None:
    """The same of a thing that was found by its id: what is hidden from the caller is answered as what is not there.

    `missing` is the sentence of the answer where there is none.

    Raises:
        Refusal: `forbidden`, `not_found`.
    """
    match decide(actor_of(caller), action, resource):
        case Decision.ALLOW:
            return
        case Decision.HIDE:
            raise Refusal("not_found", missing)
        case Decision.FORBID:
            raise Refusal("forbidden", why_not(caller, action))


def sees(caller: Caller, right: Action, locations: AbstractSet[str]) -> bool:
    """Whether a caller may read something that is of some locations, of which one is enough.

    What is of none is the whole chain's, and is read by whoever reads such things anywhere.
    """
    if not locations:
        return has_right(caller, right)
    resource = Resource(locations, is_shared=True)
    return decide(actor_of(caller), right, resource) is Decision.ALLOW


def check_proved(caller: Caller, witness: str | None) -> None:
    """Return if a witness who is named has shown their PIN. Where nobody signs on, a name is all that can be asked for.

    Raises:
        Refusal: `witness_required`.
    """
    if witness is not None and caller.person is not None and caller.witness != witness:
        raise Refusal("witness_required", "the witness has to show their PIN for this")


def why_not(caller: Caller, action: Action) -> str:
    """The sentence for whoever may not do something."""
    matter, _, verb = action.partition(".")
    if caller.person is not None:
        who = caller.person.role or "somebody without a role"
    else:
        who = f"a {caller.authority}"
    return f"{who} does not {verb.replace('_', ' ')} {matter} here"
