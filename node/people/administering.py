"""What `everstock-node user` asks for: the operator's way to people, with and without a daemon.

Invariant: it does what the commands of `people` do and nothing else; a password that was made is in the answer alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from node.commands.requests import Caller, Refusal
from node.people.accounts import NewUser
from node.people.people import People
from node.people.showing import user_json
from protocol.access.people import EVERYWHERE, OFFICE_ROLES
from protocol.access.table import PersonRole
from protocol.declarations.naming import EVERY_LOCATION


class Act(StrEnum):
    """What is to be done with somebody."""

    CREATE = "create"
    GRANT = "grant"
    DISABLE = "disable"
    ENABLE = "enable"
    RESET = "reset"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Administered:
    """One request of the operator's."""

    act: Act
    username: str | None = None
    display_name: str | None = None
    email: str | None = None
    role: PersonRole | None = None
    location: str | None = None
    """None: head office's for its roles, else the shop that they belong to, or that the node is of."""
    password: str | None = None
    pin: str | None = None


async def administer(
    people: People, caller: Caller, asked: Administered, writes: tuple[str, ...]
) -> Mapping[str, object]:
    """Do it; what there is to show. Durable on return. `writes` are the node's own locations.

    Raises:
        Refusal: as the commands of `People`; `validation_failed` where no name is given.
    """
    if asked.act is Act.LIST:
        shown = sorted(people.roster.users.values(), key=lambda one: (one.username, one.id))
        return {"items": [user_json(people.roster, one.id, EVERYWHERE) for one in shown]}
    username = asked.username
    if username is None:
        raise Refusal("validation_failed", "this needs a username")
    made = None
    if asked.act is Act.CREATE:
        location = asked.location or _home(asked.role, writes)
        new = NewUser(username, asked.display_name, asked.email, location, asked.role)
        id_, made = await people.create(caller, new, asked.password)
    else:
        user = people.roster.named(username)
        if user is None:
            raise Refusal("not_found", f"nobody here is called {username}")
        id_, location = user.id, asked.location or user.location or EVERY_LOCATION
        match asked.act:
            case Act.GRANT:
                of_office = asked.role in OFFICE_ROLES
                place = asked.location or (EVERY_LOCATION if of_office else location)
                await people.grant(caller, id_, place, asked.role)
            case Act.DISABLE | Act.ENABLE:
                disabled = asked.act is Act.DISABLE
                await people.set_disabled(caller, id_, location, disabled=disabled)
            case Act.RESET:
                made = await people.reset(caller, id_, location, asked.password, asked.pin)
    return {"user": user_json(people.roster, id_, EVERYWHERE), "password": made}


def _home(role: PersonRole | None, writes: tuple[str, ...]) -> str:
    if role in OFFICE_ROLES:
        return EVERY_LOCATION
    if len(writes) != 1:
        raise Refusal("validation_failed", "this needs a location")
    return writes[0]
