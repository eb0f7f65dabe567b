"""The bodies and answers of signing in, of accounts and of shifts.

Invariant: strict and closed as every body; a password is text of any characters, all of which count, and no answer but that
which makes one has it.
"""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from node.api.models import Body
from node.api.queries import Address, Query
from node.api.shown import Cursor as NextCursor
from node.api.shown import Id, Shown, Time
from node.api.values import Code, Cursor, Limit, Name
from node.people.administering import Act
from protocol.access.table import PersonRole
from protocol.declarations.people import USERNAME_PATTERN
from protocol.limits import (
    EMAIL_CHARS_MAX,
    LIST_LIMIT_DEFAULT,
    PASSWORD_CHARS_MAX,
    PIN_DIGITS_MAX,
    USERNAME_CHARS_MAX,
)

Username = Annotated[
    str, Field(min_length=1, max_length=USERNAME_CHARS_MAX, pattern=f"^{USERNAME_PATTERN}$")
]
TriedName = Annotated[str, Field(min_length=1, max_length=PASSWORD_CHARS_MAX)]
"""What somebody types into the place of a name: whatever it is, it gets one answer."""


def _whole(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PydanticCustomError("text", "must be text") from error
    return text


Secret = Annotated[
    str,
    Field(min_length=1, max_length=PASSWORD_CHARS_MAX),
    AfterValidator(_whole),
    WithJsonSchema(
        {"type": "string", "format": "password", "minLength": 1, "maxLength": PASSWORD_CHARS_MAX}
    ),
]
Pin = Annotated[str, Field(min_length=1, max_length=PIN_DIGITS_MAX, pattern=r"^[0-9]+$")]
Email = Annotated[
    str, Field(min_length=3, max_length=EMAIL_CHARS_MAX, pattern=r"^[!-?A-~]+@[!-?A-~]+$")
]
RoleText = Annotated[PersonRole, Field(strict=False)]
Place = Annotated[Code, Field(description="A location's code; `*` is head office.")]

_PASSWORD: Final = "correct horse battery staple"  # noqa: S105 - an example


def _like(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class SignUpBody(Body):
    """An account that somebody asks for: it has no rights until they are granted."""

    model_config = _like({"username": "ann", "password": _PASSWORD, "display_name": "Ann Lee"})

    username: Username
    password: Secret
    display_name: Name | None = None
    email: Email | None = None
    location: Annotated[
        Code | None, Field(description="Which shop; the node's, if it has one.")
    ] = None


class LoginBody(Body):
    """Who signs in. Whoever is something at several locations names the one whose password it is."""

    model_config = _like({"username": "ann", "password": _PASSWORD})

    username: TriedName
    password: Secret
    location: Place | None = None


class PasswordBody(Body):
    """One's own password, and the new one."""

    model_config = _like({"old": _PASSWORD, "new": f"another {_PASSWORD}"})

    old: Secret
    new: Secret


class UserBody(Body):
    """Somebody new. Without a password one is made, and is in this answer alone."""

    model_config = _like({"username": "ann", "role": "cashier", "location": "S01"})

    username: Username
    location: Place
    role: RoleText | None = None
    display_name: Name | None = None
    email: Email | None = None
    password: Secret | None = None


class UserChanges(Body):
    """What to change of somebody: what is not there stays, null clears."""

    model_config = _like({"display_name": "Ann Lee"})

    display_name: Name | None = None
    email: Email | None = None


class GrantBody(Body):
    """What somebody is to be at a location; null takes it away."""

    model_config = _like({"location": "S01", "role": "clerk"})

    location: Place
    role: RoleText | None


class AtBody(Body):
    """At which location."""

    model_config = _like({"location": "S01"})

    location: Place


class ResetBody(Body):
    """What somebody is to sign in by at a location; a password is made where neither is given."""

    model_config = _like({"location": "S01", "pin": "4711"})

    location: Place
    password: Secret | None = None
    pin: Pin | None = None


class WitnessBody(Body):
    """Who sees what is recorded at this till."""

    model_config = _like({"username": "ann", "pin": "4711"})

    username: TriedName
    pin: Pin


class ShiftBody(Body):
    """Who signs on at this till: by name and PIN, or by what their badge holds."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"username": "ann", "pin": "4711"}],
            "anyOf": [{"required": ["username", "pin"]}, {"required": ["badge"]}],
        }
    )

    username: TriedName | None = None
    pin: Pin | None = None
    badge: Secret | None = None


class OperatorUserBody(Body):
    """What the command line asks for."""

    model_config = _like({"act": "list"})

    act: Annotated[Act, Field(strict=False)]
    username: Username | None = None
    display_name: Name | None = None
    email: Email | None = None
    role: RoleText | None = None
    location: Place | None = None
    password: Secret | None = None
    pin: Pin | None = None


class UsersAsked(Query):
    """Which people to list, by name."""

    location: Code | None = None
    limit: Limit = LIST_LIMIT_DEFAULT
    cursor: Cursor | None = None


class UserAddress(Address):
    """Which user."""

    id: Annotated[
        str, AfterValidator(str.lower), WithJsonSchema({"type": "string", "format": "uuid"})
    ]


class PostShown(Shown):
    """What somebody is at a location."""

    location: str
    """`*`: in the whole chain."""
    role: str | None
    """Null: nothing was granted."""
    email: str | None
    disabled: bool
    must_reset: bool
    """Nothing that they have opens anything until it is set anew: a machine that was revoked held what proves them."""


class UserShown(Shown):
    """Somebody of the directory."""

    id: Id
    username: str
    display_name: str | None
    location: str | None
    """The shop that they belong to; null for head office."""
    archived: bool
    created_at: Time
    posts: list[PostShown]
    """What they are where, as far as the caller may see it."""


class UserMade(UserShown):
    """Somebody new."""

    password: str | None
    """The one that was made, here and nowhere else."""


class UserPage(Shown):
    """Some people."""

    items: list[UserShown]
    next: NextCursor | None


class BadgeMade(Shown):
    """A badge for tills."""

    badge: str
    """What it holds, here and nowhere else: to be printed as a code that scanners read."""


class PasswordMade(Shown):
    """A password that was made, if one was."""

    password: str | None


class PersonShown(Shown):
    """Somebody who has signed in."""

    id: Id
    username: str
    role: str | None
    locations: list[str]
    """Where that role is held; none for one that is held in the whole chain."""


class BegunShown(Shown):
    """A session or a shift that has begun. Its token is here and nowhere else."""

    token: str
    expires_at: Time
    must_change_password: bool
    person: PersonShown


class MeShown(Shown):
    """Who asks."""

    name: str
    kind: str
    """`till`, `person` or `operator`."""
    person: PersonShown | None


class RoleShown(Shown):
    """A role, and what it may do."""

    role: str
    office: bool
    """Whether it is held in the whole chain, and at head office alone."""
    anywhere: list[str]
    own: list[str]


class RolesShown(Shown):
    """Every role."""

    items: list[RoleShown]


class Pending(Shown):
    """What becomes of an account that was asked for, whether or not the name was free."""

    status: str


class Ended(Shown):
    """That something is over."""

    status: str


class Administration(Shown):
    """What the command line shows."""

    items: list[UserShown] | None = None
    user: UserShown | None = None
    password: str | None = None
