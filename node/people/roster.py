"""Who is what where: the documents of people in memory, so that no request waits for the disk to know who asks.

Invariant: it says what the documents said at the last look, and a look after a commit misses no change. A role counts only
where it may be held: those of head office at `*` alone, the others at a shop alone, whatever a shop's node has written.
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final, NamedTuple

from node.commands.requests import Person
from node.replica import departures
from node.replica.documents import Held, one
from protocol.access.people import OFFICE_ROLES
from protocol.access.table import PersonRole
from protocol.codec import unpack
from protocol.declarations.catalogue import LOCATIONS
from protocol.declarations.naming import EVERY_LOCATION, codes_of, id_of
from protocol.declarations.people import CREDENTIALS, POSTS, USERS
from protocol.declarations.reading import shown_value
from protocol.declarations.vocabulary import ARCHIVED, CREATED_AT
from protocol.declarations.vocabulary import Collection as Declared
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "roster.sql")


class User(NamedTuple):
    """Somebody of the directory."""

    id: str
    username: str
    display_name: str | None
    location: str | None
    """The shop that they belong to; None for head office."""
    archived: bool
    created_ms: int


class Post(NamedTuple):
    """What somebody is at a location, or at `*`."""

    location: str
    user: str
    role: PersonRole | None
    email: str | None
    disabled: bool


class Credential(NamedTuple):
    """What proves somebody at a location. Never shown and never logged."""

    password: str | None
    pin: str | None
    badge: str | None
    changed_ms: int
    must_change: bool
    must_reset: bool
    """It opens nothing: a machine that was revoked held it, and it was not set since."""

    def __repr__(self) -> str:
        """Say nothing."""
        return "Credential(...)"


class Look(NamedTuple):
    """What of people changed since an earlier look; all of them where some have gone."""

    is_whole: bool
    users: Mapping[str, User]
    posts: Mapping[tuple[str, str], Post]
    changed_at: Mapping[tuple[str, str], int]
    """Of credentials that open something: when each was last set."""
    must_reset: frozenset[tuple[str, str]]
    """Those that open nothing until they are set anew."""
    marks: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Roster:
    """Those whom one node knows."""

    users: dict[str, User] = field(default_factory=dict)
    posts: dict[tuple[str, str], Post] = field(default_factory=dict)
    """By location and user."""
    changed_at: dict[tuple[str, str], int] = field(default_factory=dict)
    must_reset: set[tuple[str, str]] = field(default_factory=set)
    """Of which location and user the credential opens nothing until it is set anew."""
    marks: tuple[tuple[int, int], ...] = ()
    _by_name: dict[str, list[str]] = field(default_factory=dict)
    _posts_of: dict[str, dict[str, Post]] = field(default_factory=dict)

    def take(self, look: Look) -> None:
        """Know what a look has found."""
        if look.is_whole:
            self.users.clear()
            self.posts.clear()
            self.changed_at.clear()
            self.must_reset.clear()
        self.users.update(look.users)
        self.posts.update(look.posts)
        self.changed_at.update(look.changed_at)
        self.must_reset -= look.changed_at.keys()
        self.must_reset |= look.must_reset
        for key in look.must_reset:
            self.changed_at.pop(key, None)
        self.marks = look.marks
        self._by_name, self._posts_of = {}, {}
        for user in self.users.values():
            self._by_name.setdefault(user.username, []).append(user.id)
        for post in self.posts.values():
            self._posts_of.setdefault(post.user, {})[post.location] = post

    def named(self, username: str) -> User | None:
        """Whoever signs in by a name. Where two shops made it apart, who is something here, then head office's, then the earlier."""
        found = (self.users[id_] for id_ in self._by_name.get(username, ()))
        return min(found, key=self._order, default=None)

    def _order(self, user: User) -> tuple[bool, bool, bool, int, str]:
        is_nothing_here = not self.posts_of(user.id)
        is_of_shop = user.location is not None
        return user.archived, is_nothing_here, is_of_shop, user.created_ms, user.id

    def is_taken(self, username: str) -> bool:
        """Whether anybody has, or had, a name."""
        return username in self._by_name

    def posts_of(self, user: str) -> Mapping[str, Post]:
        """What somebody is, by location."""
        return self._posts_of.get(user, {})

    def post_to_sign_in(self, user: User, location: str | None) -> Post | None:
        """The post by whose credential somebody signs in: of the location named; else the chain's, the own shop's, the first."""
        held = self.posts_of(user.id)
        if location is not None:
            return held.get(location)
        first = (EVERY_LOCATION, user.location or EVERY_LOCATION, *sorted(held))
        return next((held[place] for place in first if place in held), None)

    def person(self, location: str, user_id: str) -> Person | None:
        """Who somebody is by the post of a location; None when they may not sign in by it."""
        user, post = self.users.get(user_id), self.posts.get((location, user_id))
        if user is None or user.archived or post is None or post.disabled:
            return None
        if location == EVERY_LOCATION:
            return Person(user.id, user.username, post.role, frozenset())
        places = (
            other.location
            for other in self.posts_of(user_id).values()
            if other.role is post.role and not other.disabled and other.location != EVERY_LOCATION
        )
        return Person(user.id, user.username, post.role, frozenset(places))

    def highest(self, user_id: str) -> PersonRole | None:
        """The highest role that somebody holds anywhere that this node knows of."""
        held = [one.role for one in self.posts_of(user_id).values() if one.role is not None]
        order = list(PersonRole)
        return min(held, key=order.index, default=None)


def look(db: sqlite3.Connection, marks: tuple[tuple[int, int], ...]) -> Look | None:
    """What changed since the look that left `marks`, () for all; None when nothing did."""
    resets = departures.forced_resets(db)
    forced = (sum(at for at, _ in resets.by_place.values()), len(resets.by_place))
    now = (*(_mark(db, one) for one in (USERS, POSTS, CREDENTIALS)), forced)
    if now == marks:
        return None
    # A revocation is about credentials that did not change.
    is_whole = not marks or marks[3] != forced
    is_whole = is_whole or any(new[1] < old[1] for new, old in zip(now, marks, strict=True))
    since = [-1 if is_whole else old[0] for old in marks or now]
    users = {id_: _user(id_, fields) for id_, fields in _changed(db, USERS, since[0])}
    posts = {}
    for id_, fields in _changed(db, POSTS, since[1]):
        if (post := _post(id_, fields)) is not None:
            posts[post.location, post.user] = post
    changed_at, must_reset = {}, set()
    for id_, fields in _changed(db, CREDENTIALS, since[2]):
        codes = codes_of(CREDENTIALS, id_)
        key = codes["location"], codes.get("user", "")
        if resets.mark_at(codes["location"]) in {None, fields.get("reset_for")}:
            changed_at[key] = _whole(fields.get("changed_at"))
        else:
            must_reset.add(key)
    return Look(is_whole, users, posts, changed_at, frozenset(must_reset), now)


def credential(db: sqlite3.Connection, location: str, user: str) -> Credential | None:
    """What proves somebody at a location."""
    held: Held | None = one(db, CREDENTIALS, id_of([location, user]))
    if held is None:
        return None
    password, pin, badge = (
        _text(shown_value(CREDENTIALS, name, held.fields)) for name in ("password", "pin", "badge")
    )
    changed_ms = _whole(shown_value(CREDENTIALS, "changed_at", held.fields))
    must_change = shown_value(CREDENTIALS, "must_change", held.fields) is True
    carried = _text(shown_value(CREDENTIALS, "reset_for", held.fields))
    must_reset = departures.mark_at(db, location) not in {None, carried}
    return Credential(password, pin, badge, changed_ms, must_change, must_reset)


def holder_of(db: sqlite3.Connection, badge: str) -> tuple[str, str, Credential] | None:
    """Whose a badge is: the location and the user of the credential that has its digest, in hexadecimal."""
    for id_, fields in _changed(db, CREDENTIALS, -1):
        codes = codes_of(CREDENTIALS, id_)
        held = (
            credential(db, codes["location"], codes.get("user", ""))
            if fields.get("badge")
            else None
        )
        if held is None or held.badge is None or held.must_reset:
            continue
        if compare_digest(held.badge, badge):
            return codes["location"], codes["user"], held
    return None


def asks_for_shifts(db: sqlite3.Connection, locations: Collection[str]) -> bool:
    """Whether any of some locations has its tills record nothing without somebody who has signed on."""
    held = (one(db, LOCATIONS, location) for location in locations)
    return any(
        found is not None and shown_value(LOCATIONS, "shifts", found.fields) == "required"
        for found in held
    )


def _mark(db: sqlite3.Connection, collection: Declared) -> tuple[int, int]:
    row = db.execute(_SQL["newest"], {"collection": collection.name}).fetchone()
    return row["newest"], row["held"]


def _changed(
    db: sqlite3.Connection, collection: Declared, since: int
) -> Iterator[tuple[str, Mapping[str, object]]]:
    # From the same number on: several documents may have it.
    asked = {"collection": collection.name, "since": since}
    for row in db.execute(_SQL["changed"], asked):
        fields: Collection[tuple[str, int, int, object, object]] = unpack(row["shown"])  # type: ignore[assignment]
        yield row["id"], {name: value for name, _, _, value, _ in fields}


def _user(id_: str, fields: Mapping[str, object]) -> User:
    username, display_name, location = (
        _text(shown_value(USERS, name, fields)) for name in ("username", "display_name", "location")
    )
    archived = shown_value(USERS, ARCHIVED, fields) is True
    created_ms = _whole(shown_value(USERS, CREATED_AT, fields))
    # Of a document that has not come whole yet there is no name to sign in by.
    return User(id_, username or "", display_name, location, archived or not username, created_ms)


def _post(id_: str, fields: Mapping[str, object]) -> Post | None:
    codes = codes_of(POSTS, id_)
    if codes.keys() != set(POSTS.identity):
        return None
    location, role = codes["location"], _text(shown_value(POSTS, "role", fields))
    held = None if role is None else PersonRole(role)
    is_of_office = location == EVERY_LOCATION
    if held is not None and (held in OFFICE_ROLES) != is_of_office:
        held = None
    email = _text(shown_value(POSTS, "email", fields))
    disabled = shown_value(POSTS, "disabled", fields) is True
    return Post(location, codes["user"], held, email, disabled)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
