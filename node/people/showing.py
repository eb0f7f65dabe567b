"""How people look from outside.

Invariant: whoever asks is shown what the directory tells everybody, and what somebody is only where they may read that;
no verifier, badge or token is ever shown.
"""

from node.commands.answering import time_to_text
from node.commands.requests import Caller, Person
from node.people.roster import Post, Roster
from node.people.signing_in import Begun
from protocol.access.people import OFFICE_ROLES, Places
from protocol.access.table import RIGHTS, PersonRole, Reach


def user_json(
    roster: Roster, id_: str, places: Places, *, with_contact: bool = True
) -> dict[str, object]:
    """Somebody, with their posts at `places`; `with_contact` says whether their addresses are shown."""
    user = roster.users[id_]
    posts = [
        {
            **_post_json(post, with_contact=with_contact),
            "must_reset": (location, id_) in roster.must_reset,
        }
        for location, post in sorted(roster.posts_of(id_).items())
        if isinstance(places, str) or location in places
    ]
    return {
        "id": user.id,
        "username": user.username,
        "display_name": user.display_name,
        "location": user.location,
        "archived": user.archived,
        "created_at": time_to_text(user.created_ms),
        "posts": posts,
    }


def me_json(caller: Caller) -> dict[str, object]:
    """Who asks, and what they are."""
    return {
        "name": caller.name,
        "kind": caller.authority.value,
        "person": None if caller.person is None else person_json(caller.person),
    }


def person_json(person: Person) -> dict[str, object]:
    """Somebody who has signed in."""
    role = None if person.role is None else person.role.value
    locations = sorted(person.locations)
    return {"id": person.id, "username": person.name, "role": role, "locations": locations}


def begun_json(begun: Begun) -> dict[str, object]:
    """A session or a shift that has begun."""
    return {
        "token": begun.token,
        "expires_at": time_to_text(begun.expires_ms),
        "must_change_password": begun.must_change,
        "person": person_json(begun.person),
    }


def roles_json() -> list[dict[str, object]]:
    """Every role, and what it may do where."""
    return [
        {
            "role": role.value,
            "office": role in OFFICE_ROLES,
            "anywhere": [name for name, row in RIGHTS.items() if row[role] is Reach.ANYWHERE],
            "own": [name for name, row in RIGHTS.items() if row[role] is Reach.OWN],
        }
        for role in PersonRole
    ]


def _post_json(post: Post, *, with_contact: bool) -> dict[str, object]:
    role = None if post.role is None else post.role.value
    email = post.email if with_contact else None
    return {"location": post.location, "role": role, "email": email, "disabled": post.disabled}
