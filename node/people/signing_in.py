"""Signing in and out, at screens and at tills.

Invariant: a wrong name, a wrong password, somebody disabled and somebody unknown get the same answer after the same work.
An attempt counts before it is looked at; of two that race with a new password, one wins.
"""

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from node.callers import Callers, SignedIn, Vouched
from node.commands.movements import Here
from node.commands.requests import Caller, Person, Refusal
from node.lan.tokens import KIND as LAN
from node.local import Local
from node.people import roster, sessions, telling
from node.people.lockout import Lockout, digest_of
from node.people.passwords import Hashing
from node.people.roster import Credential, Post, Roster, User
from node.people.sessions import Session
from node.people.telling import Means
from node.replica import identity
from protocol.access.people import outranks
from protocol.access.table import PersonRole
from protocol.certificate import Role
from protocol.limits import OFFLINE_TRUST_S_MAX, SESSION_S_MAX, SHIFT_S_MAX, WITNESS_S_MAX
from runtime.keys import new_token, token_digest
from runtime.store import Store
from runtime.world import World

_WRONG: Final = "the name, or what should prove it, is wrong"
Who = tuple[User, Post]


class Ground(NamedTuple):
    """What people stand on: parts of their node."""

    store: Store
    write: Callable[..., Awaitable[Any]]
    """The store's, after which the hub is sent what was noted."""
    world: World
    local: Local
    callers: Callers
    here: Callable[[], Here]


class Begun(NamedTuple):
    """A session or a shift that has begun. The token is in this answer and nowhere else."""

    token: str
    person: Person
    expires_ms: int
    must_change: bool


class SignIns:
    """Those of one node; `roster` is kept up to date by `People`."""

    def __init__(
        self,
        ground: Ground,
        known: Roster,
        kept: sessions.Kept,
        look: Callable[[], Awaitable[None]],
    ) -> None:
        self.hashing = Hashing()
        """Where passwords are looked at."""
        self._store, self._write = ground.store, ground.write
        self._world, self._local = ground.world, ground.local
        self._callers, self._here = ground.callers, ground.here
        self._roster = known
        self._look = look
        self._lockout = Lockout(kept.failures, ground.world.monotonic_s())
        self._sessions: dict[bytes, Session] = {}
        self._until_s: dict[bytes, float] = {}
        self._latest_ms = kept.latest_ms
        self._remember(kept.sessions)

    async def sign_in(
        self, username: str, password: str, location: str | None, *, for_lan: bool = False
    ) -> Begun:
        """Begin a session, which counts only where it was begun: on this machine, or with `for_lan` on others. Durable on
        return.

        Raises:
            Refusal: `unauthenticated`, the same for whatever is wrong; `rate_limited` while the name is locked;
                `forbidden` where this node has not heard of the hub for too long; `unavailable`.
        """
        await self._look()
        who = self.who_signs_in(username, location)
        held = await self.proved(username, who, "password", password)
        return await self.begin(who, held, "", SESSION_S_MAX, by="password", for_lan=for_lan)

    async def sign_on(self, till: Caller, username: str, pin: str) -> Begun:
        """Begin somebody's shift at a till; one that was under way there ends. Durable on return.

        Raises:
            Refusal: as `sign_in`.
        """
        await self._look()
        who = self.who_signs_in(username, None)
        held = await self.proved(username, who, "pin", pin, till.name)
        return await self.begin(who, held, till.name, SHIFT_S_MAX, by="pin")

    async def sign_on_by_badge(self, till: Caller, badge: str) -> Begun:
        """The same by a badge, which is a token: it is not guessed, so nothing is slow and nobody is locked.

        Raises:
            Refusal: `unauthenticated`, `forbidden`.
        """
        await self._look()
        digest = token_digest(badge).hex()
        found = await self._store.read(lambda db: roster.holder_of(db, digest))
        if found is None:
            await self._refused(None, till.name, "badge", "wrong")
            raise Refusal("unauthenticated", _WRONG)
        location, user_id, held = found
        user, post = self._roster.users.get(user_id), self._roster.posts.get((location, user_id))
        person = self._roster.person(location, user_id) if self._holds(location) else None
        if user is None or post is None or person is None:
            await self._refused(user, till.name, "badge", "wrong")
            raise Refusal("unauthenticated", _WRONG)
        return await self.begin((user, post), held, till.name, SHIFT_S_MAX, by="badge")

    async def vouch(self, till: Caller, username: str, pin: str) -> Begun:
        """Have somebody show their PIN at a till, as the witness of what is recorded there in the next minutes.

        Raises:
            Refusal: as `sign_in`.
        """
        await self._look()
        who = self.who_signs_in(username, None)
        await self.proved(username, who, "pin", pin, till.name)
        assert who is not None, "somebody was proved"
        await self._check_trust(who[0], who[1].role, till.name, "pin")
        await self.forgive(who[0].username)
        person = self._roster.person(who[1].location, who[0].id)
        # Who left the shop without being switched off is nobody's second person.
        if person is None or person.role is None:
            raise Refusal("unauthenticated", _WRONG)
        token = new_token("witness")
        until_s = self._world.monotonic_s() + WITNESS_S_MAX
        self._callers.vouch(token_digest(token), Vouched(person.name, till.name, until_s))
        return Begun(token, person, self._now_ms() + int(WITNESS_S_MAX * 1000), must_change=False)

    async def sign_out(self, digest: bytes) -> None:
        """End a session or a shift. Durable on return; its streams have ended."""
        await self._end([digest])

    async def sign_off(self, till: str) -> None:
        """End the shift at a till, if there is one. Durable on return."""
        await self._end([one.digest for one in self._sessions.values() if one.till == till])

    def find(self, digest: bytes) -> Session | None:
        """The session of a token, by its digest."""
        return self._sessions.get(digest)

    async def forgive(self, username: str) -> None:
        """Unlock a name here. Durable on return."""
        name = digest_of(username)
        await self._store.write(lambda db: sessions.forgive(db, name))
        self._lockout.forgive(name)

    def who_signs_in(self, username: str, location: str | None) -> tuple[User, Post] | None:
        """Who would sign in by a name, where this node may let them; None for nobody."""
        user = self._roster.named(username)
        post = None if user is None else self._roster.post_to_sign_in(user, location)
        if user is None or post is None or not self._holds(post.location):
            return None
        return (user, post) if self._roster.person(post.location, user.id) is not None else None

    async def proved(
        self,
        username: str,
        who: tuple[User, Post] | None,
        means: Means,
        secret: str,
        till: str = "",
    ) -> Credential:
        """The credential that a secret proves; the attempt is forgiven once something begins by it."""
        name = digest_of(username)
        now_s = self._world.monotonic_s()
        if waits_s := self._lockout.waits_s(name, now_s):
            raise Refusal("rate_limited", f"too many attempts; come back in {int(waits_s) + 1} s")
        failures = self._lockout.note_attempt(name, now_s)
        now_ms = self._now_ms()
        await self._store.write(lambda db: sessions.note_failures(db, name, failures, now_ms))
        user_id, location = ("", "") if who is None else (who[0].id, who[1].location)
        held = await self._store.read(lambda db: roster.credential(db, location, user_id))
        is_open = held is not None and not held.must_reset
        verifier = getattr(held, means) if is_open else None
        if not await self.hashing.verify(verifier, secret) or held is None or who is None:
            user = self._roster.named(username)
            why = "wrong" if held is None or is_open else "must_reset"
            await self._write(
                lambda db: telling.tell_failed(db, self._here(), user, till, means, failures, why)
            )
            raise Refusal("unauthenticated", _WRONG)
        return held

    async def begin(
        self,
        who: tuple[User, Post] | None,
        held: Credential,
        till: str,
        for_s: float,
        *,
        by: Means | None,
        for_lan: bool = False,
    ) -> Begun:
        """Begin a session, or at a till a shift, of whoever was proved. Durable on return.

        `by` is what proved them, as it is noted; None when what is noted already says that they are in.

        Raises:
            Refusal: `forbidden`, `unauthenticated`.
        """
        assert who is not None, "somebody was proved"
        user, post = who
        await self._check_trust(user, post.role, till, by or "password")
        token, now_ms = (
            new_token("shift" if till else f"{LAN}_session" if for_lan else "session"),
            self._now_ms(),
        )
        expires_ms = now_ms + int(for_s * 1000)
        session = Session(
            token_digest(token),
            user.id,
            post.location,
            till,
            held.changed_ms,
            now_ms,
            expires_ms,
        )
        name = digest_of(user.username)

        def transaction(db: sqlite3.Connection) -> list[Session]:
            check_unchanged(db, post.location, user.id, held)
            here = self._here()
            telling.tell_ended(db, here, self._roster, sessions.of_till(db, till))
            sessions.begin(db, session, name)
            if by is not None:
                telling.tell_begun(db, here, user, session, by, for_lan=for_lan)
            return sessions.read(db).sessions

        def admitted(kept: list[Session]) -> None:
            self._remember(kept)
            self._lockout.forgive(name)
            self.sweep()

        await self._write(transaction, committed=admitted)
        person = self._roster.person(post.location, user.id)
        if person is None:
            raise Refusal("unauthenticated", _WRONG)
        return Begun(token, person, expires_ms, held.must_change)

    async def _check_trust(
        self, user: User, role: PersonRole | None, till: str, means: Means
    ) -> None:
        """Refuse a manager, and whoever is above, where the hub's word is too old: the node may have been stolen."""
        if not outranks(role, PersonRole.PHARMACIST):
            return
        position = await self._store.read(identity.read_position)
        # A certificate is the hub's word too.
        issued_ms = self._here().certificate.issued_at_ms
        heard_ms = max(position.last_contact_at_ms or 0, issued_ms)
        if not self._local.connected and self._now_ms() - heard_ms > OFFLINE_TRUST_S_MAX * 1000:
            await self.forgive(user.username)  # it was no guess
            await self._refused(user, till, means, "the hub was not heard of for too long")
            raise Refusal("forbidden", "this node has not heard of the hub for too long")

    async def _end(self, digests: list[bytes]) -> None:
        def forget(_: None) -> None:
            for digest in digests:
                self._sessions.pop(digest, None)
            self.sweep()

        def end(db: sqlite3.Connection) -> None:
            ended = sessions.end(db, digests)
            telling.tell_ended(db, self._here(), self._roster, ended)

        await self._write(end, committed=forget)

    async def _refused(self, user: User | None, till: str, means: Means, why: str) -> None:
        await self._write(lambda db: telling.tell_refused(db, self._here(), user, till, means, why))

    def sweep(self) -> None:
        """Let exactly those in whose sessions stand."""
        standing: dict[bytes, SignedIn] = {}
        now_s, now_ms = self._world.monotonic_s(), self._world.now_ms()
        for session in self._sessions.values():
            if now_s >= self._until_s[session.digest] or now_ms >= session.expires_at:
                continue  # nobody asks by it any more, and what it opened ends
            key = (session.location, session.person)
            person = self._roster.person(*key) if self._holds(session.location) else None
            if person is not None and self._roster.changed_at.get(key) == session.proof:
                until_s = self._until_s[session.digest]
                standing[session.digest] = SignedIn(
                    person, session.till, session.expires_at, until_s
                )
        self._callers.let_in(standing)

    def _holds(self, location: str) -> bool:
        """Whether anybody signs in here by a post of a location: at a shop by its own alone, never by head office's."""
        certificate = self._here().certificate
        return certificate.role is Role.OFFICE or location in certificate.writes

    def _remember(self, kept: list[Session]) -> None:
        now_s, now_ms = self._world.monotonic_s(), self._now_ms()
        self._sessions = {one.digest: one for one in kept}
        known, self._until_s = self._until_s, {}
        for one in kept:
            left_s = min((one.expires_at - now_ms) / 1000, SESSION_S_MAX)
            self._until_s[one.digest] = known.get(one.digest, now_s + left_s)

    def _now_ms(self) -> int:
        """The clock, never behind what this node has lived to."""
        self._latest_ms = max(self._latest_ms, self._world.now_ms())
        return self._latest_ms


def check_unchanged(db: sqlite3.Connection, location: str, user: str, held: Credential) -> None:
    """Refuse where the credential was set anew while it was looked at: of two that race, one wins.

    Raises:
        Refusal: `unauthenticated`.
    """
    if roster.credential(db, location, user) != held:
        raise Refusal("unauthenticated", _WRONG)
