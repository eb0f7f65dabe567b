"""People: who they are, what they are where, and what proves it.

Invariant: what every node may know of a person is in `users`; what they are at a shop, and the verifier of the password
that they have there, are that shop's alone. One post and one credential for each person and location, so a stolen shop's
disk has the verifiers of its own staff and of nobody else. No surface shows these documents as they are: `node.people` does.
"""

from typing import Final

from protocol.declarations.kinds import Choice, Code, Flag, Id, Instant, Text
from protocol.declarations.vocabulary import Collection, Field, Place, Set, Writers
from protocol.departure import MARK_CHARS
from protocol.limits import (
    DIGEST_CHARS,
    EMAIL_CHARS_MAX,
    USERNAME_CHARS_MAX,
    VERIFIER_CHARS_MAX,
)

USERNAME_PATTERN: Final = r"[a-z0-9][a-z0-9._-]*"
"""Lower case, so that two who type one name are one; no colon or slash, so that none is another kind of name."""
GRANTED: Final = (
    "hq_admin",
    "buyer",
    "auditor",
    "manager",
    "pharmacist",
    "clerk",
    "cashier",
    "till",
)

USERS: Final = Collection(
    name="users",
    one="user",
    model="UserEntry",
    meaning="That somebody is here: the chain's directory.",
    identity=(),
    place=Place.DIRECTORY_AND_PEOPLE,
    writers=Writers.OF_ITS_LOCATIONS,
    fields=(
        Field(
            "username",
            Text(USERNAME_CHARS_MAX, pattern=USERNAME_PATTERN),
            "What they sign in as, for good.",
            set=Set.AT_CREATION,
            required=True,
        ),
        Field("display_name", Text(), "What people call them."),
        Field(
            "location",
            Code("locations"),
            "The shop that they belong to; null for head office.",
            set=Set.AT_CREATION,
        ),
    ),
    entries=(),
    example={"username": "ann", "display_name": "Ann Lee", "location": "S01"},
    locations=("location",),
)

POSTS: Final = Collection(
    name="posts",
    one="post",
    model="Post",
    meaning="What somebody is at a location; at `*` what they are in the whole chain.",
    identity=("location", "user"),
    place=Place.PEOPLE,
    writers=Writers.OF_ITS_LOCATIONS,
    fields=(
        Field("location", Code("locations"), "Where.", set=Set.AT_CREATION, required=True),
        Field("user", Id("users"), "Who.", set=Set.AT_CREATION, required=True),
        Field("role", Choice(GRANTED), "As what; null gives no rights."),
        Field("email", Text(EMAIL_CHARS_MAX), "Where mail reaches them."),
        Field("disabled", Flag(), "Whether they may not sign in there any more.", default=False),
    ),
    entries=(),
    example={"location": "S01", "user": "2f1c8a52-0000-4000-8000-000000000001", "role": "cashier"},
    locations=("location",),
)

CREDENTIALS: Final = Collection(
    name="credentials",
    one="credential",
    model="Credential",
    meaning="What proves that somebody is who they say, at one location: never shown, never shared with another.",
    identity=("location", "user"),
    place=Place.PEOPLE,
    writers=Writers.OF_ITS_LOCATIONS,
    fields=(
        Field("location", Code("locations"), "Where.", set=Set.AT_CREATION, required=True),
        Field("user", Id("users"), "Whose.", set=Set.AT_CREATION, required=True),
        Field(
            "password",
            Text(VERIFIER_CHARS_MAX),
            "Argon2id, in the PHC string format.",
            is_secret=True,
        ),
        Field("pin", Text(VERIFIER_CHARS_MAX), "The same of the PIN, for tills.", is_secret=True),
        Field(
            "badge",
            Text(DIGEST_CHARS),
            "SHA-256 of what the badge holds, in hexadecimal.",
            is_secret=True,
        ),
        Field("changed_at", Instant(), "When the password was last set: older sessions are over."),
        Field(
            "reset_for",
            Text(MARK_CHARS),
            "Mark of the newest revocation of a machine that had held it, when it was set; without that it opens nothing.",
        ),
        Field("must_change", Flag(), "Whether somebody else has set it.", default=False),
    ),
    entries=(),
    example={"location": "S01", "user": "2f1c8a52-0000-4000-8000-000000000001"},
    locations=("location",),
)

COLLECTIONS: Final = (USERS, POSTS, CREDENTIALS)
