"""What of a stream's events a person may be told.

Invariant: asked of every event with what the person is at that moment; whatever names no right is told to nobody. Tills and
the operator are told all that their node shows.
"""

from collections.abc import Callable
from typing import Final

import orjson

from node.commands.answering import without_cost
from node.commands.depicting import CONTACT, CONTACTS
from node.commands.requests import Authority, Caller, Person
from node.commands.rights import has_right
from node.live.events import Event, EventName, json_of
from protocol.access.people import Actor, ActorKind, Decision, Resource, decide
from protocol.access.table import Action, action
from protocol.declarations import PEOPLE
from protocol.ids import Scope

May = Callable[[Event], bool]
_COST: Final = action("cost.read")


def may_be_told(caller: Caller) -> May | None:
    """Whether an event may be told to a caller; None for one to whom all may."""
    if caller.authority is not Authority.PERSON:
        return None
    person = caller.person
    role = None if person is None else person.role
    held = frozenset() if person is None else person.locations
    actor = Actor(caller.name, ActorKind.PERSON, role, held)

    reads_contacts = has_right(caller, CONTACT)

    def may(event: Event) -> bool:
        right = _right_to(event)
        if right is None:
            return True
        collection = event.key[1] if event.key[0] == "document" else ""
        if collection in PEOPLE or (collection in CONTACTS and not reads_contacts):
            return False  # an event is made once, for whoever may read all of it
        places = frozenset(
            place for _, _, place in (scope.partition(":") for scope in event.scopes or ()) if place
        )
        if not places and event.name is not EventName.MOVEMENT:
            return has_right(caller, right)  # it is the whole chain's
        return decide(actor, right, Resource(places, is_shared=True)) is Decision.ALLOW

    return may


def data_for(caller: Caller) -> Callable[[Event], bytes] | None:
    """What of an event's data is told to a caller; None for one to whom all of it is."""
    if has_right(caller, _COST):
        return None

    def data(event: Event) -> bytes:
        if event.name is not EventName.MOVEMENT or b'"unit_cost"' not in event.data:
            return event.data
        return json_of(without_cost(orjson.loads(event.data)))

    return data


def lost(before: Person | None, after: Person) -> list[Scope]:
    """The scopes of which a person is told nothing any more."""
    gone = frozenset() if before is None else before.locations - after.locations
    return [Scope(f"docs:{location}") for location in sorted(gone)]


def _right_to(event: Event) -> Action | None:
    """The right that an event asks for; None for where the node stands, and for what went."""
    match event.key:
        case ("sync" | "scope", *_):
            return None
        case ("document", collection, *_):
            return Action(f"{collection}.read")
        case (matter, *_):
            return Action(f"{'stock' if matter == 'stock' else matter + 's'}.read")
        case _:
            raise AssertionError("an event is about something")
