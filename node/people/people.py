"""What surfaces ask of people: who they are, their accounts, their own password.

Invariant: whatever ends somebody's right ends their sessions and streams: where it was done before that is answered,
elsewhere once its edit arrives. A name is given once: those who make accounts here do so one after another.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from node.callers import Callers
from node.chores import Chore
from node.commands.movements import Here
from node.commands.requests import Authority, Caller, Refusal
from node.joining import OPERATOR
from node.local import Local
from node.people import accounts, roster, sessions
from node.people.accounts import NewUser, Proof, Subject, Writing
from node.people.passwords import password_fault, pin_fault
from node.people.roster import Roster
from node.people.signing_in import Begun, Ground, SignIns, check_unchanged
from protocol.access.table import PersonRole
from protocol.declarations.naming import EVERY_LOCATION
from protocol.limits import SESSION_S_MAX, UNGRANTED_ACCOUNTS_MAX
from runtime.keys import new_token, token_digest
from runtime.store import Store
from runtime.world import World

T = TypeVar("T")
INTERVAL_S: Final = 0.5
"""How late an edit that the hub sent may end somebody's session."""
AGAIN_S: Final = 30.0
_MADE_CHARS: Final = 16
"""Of a password that is made: 96 random bits."""


class People:
    """The people of one node."""

    def __init__(
        self,
        store: Store,
        world: World,
        local: Local,
        callers: Callers,
        here: Callable[[], Here],
        write: Callable[..., Awaitable[object]],
        kept: sessions.Kept,
    ) -> None:
        self.roster = Roster()
        """Who is what where, as of the last look."""
        ground = Ground(store, write, world, local, callers, here)
        self.sign_ins = SignIns(ground, self.roster, kept, self.look)
        self._store = store
        self._world = world
        self._here = here
        self._callers = callers
        callers.is_somebodys = self.roster.is_taken
        self._write = write
        self._naming = asyncio.Lock()
        self._taking = asyncio.Lock()
        self._looking = Chore(store, "people", self.look)

    async def start(self) -> None:
        """Look at everybody, let those in who had signed in, and follow the documents."""
        await self.look()
        self._looking.start(interval_s=INTERVAL_S, again_s=AGAIN_S)

    async def stop(self) -> None:
        """End following."""
        await self._looking.stop()
        self.sign_ins.hashing.close()

    async def look(self) -> None:
        """Know what the documents say by now, and end what they no longer allow.

        Raises: StoreError.
        """
        async with self._taking:  # what an older snapshot says must not be taken after a newer one
            marks, writes = self.roster.marks, self._here().certificate.writes
            found, asking = await self._store.read(
                lambda db: (roster.look(db, marks), roster.asks_for_shifts(db, writes))
            )
            if found is not None:
                self.roster.take(found)
            self._callers.shift_required = asking
            self.sign_ins.sweep()

    async def change_password(
        self, session: bytes, old: str, new: str, *, for_lan: bool = False
    ) -> Begun:
        """Set one's own password: all one's sessions by that credential end, and another begins. Durable on return.

        Raises:
            Refusal: `unauthenticated` for a wrong old one, `validation_failed` for a bad new one, `rate_limited`,
                `unavailable`.
        """
        begun = self.sign_ins.find(session)
        user = None if begun is None else self.roster.users.get(begun.person)
        if begun is None or user is None:
            raise Refusal("unauthenticated", "this session is over")
        if fault := password_fault(new, user.username):
            raise Refusal("validation_failed", fault)
        who = self.sign_ins.who_signs_in(user.username, begun.location)
        held = await self.sign_ins.proved(user.username, who, "password", old)
        verifier = await self.sign_ins.hashing.hash(new)

        def transaction(db: sqlite3.Connection) -> None:
            check_unchanged(db, begun.location, user.id, held)
            caller = Caller(user.username, Authority.PERSON)
            writing = Writing(db, self._here(), caller, self._world.random_bytes(16))
            proof = Proof(password=verifier, must_change=False)
            accounts.write_proof(writing, user.id, begun.location, proof)

        await self._changed(transaction)
        fresh = await self._store.read(lambda db: roster.credential(db, begun.location, user.id))
        assert fresh is not None, "just written"
        return await self.sign_ins.begin(who, fresh, "", SESSION_S_MAX, by=None, for_lan=for_lan)

    # --- accounts --------------------------------------------------------------------------------------------------

    async def sign_up(self, new: NewUser, password: str) -> None:
        """Make an account without rights; nothing where the name is taken, and nobody is told which. Durable on return.

        Raises:
            Refusal: `validation_failed`, `forbidden`, `unavailable`.
        """
        if fault := password_fault(password, new.username):
            raise Refusal("validation_failed", fault)
        verifier = await self.sign_ins.hashing.hash(password)
        caller = Caller(new.username, Authority.PERSON)
        async with self._naming:
            if self._waiting_at(new.location) >= UNGRANTED_ACCOUNTS_MAX:
                raise Refusal("unavailable", "too many accounts wait for somebody to look at them")
            if not self._is_taken(new.username):
                proof = Proof(password=verifier)
                await self._account(caller, lambda writing: accounts.sign_up(writing, new, proof))

    async def create(
        self, caller: Caller, new: NewUser, password: str | None
    ) -> tuple[str, str | None]:
        """Create somebody; their id, and the password that was made where none was given. Durable on return.

        Raises:
            Refusal: `forbidden`, `conflict` for a name that is taken, `validation_failed`, `unavailable`.
        """
        # Before anything else: who has a name is nobody's business who may not give one.
        accounts.check_creates(caller, new)
        given, proof = await self._proof(new.username, password, None)
        async with self._naming:
            if self._is_taken(new.username):
                raise Refusal("conflict", "somebody has this name already")
            id_ = await self._account(caller, lambda one: accounts.create(one, new, proof))
        return id_, None if password is not None else given

    async def grant(
        self, caller: Caller, user: str, location: str, role: PersonRole | None
    ) -> None:
        """Make somebody something at a location, or nothing; see `accounts.grant`. Durable on return."""
        who = self.subject(user)
        await self._account(caller, lambda one: accounts.grant(one, who, location, role))

    async def set_disabled(
        self, caller: Caller, user: str, location: str, *, disabled: bool
    ) -> None:
        """Switch somebody off at a location, or on again; see `accounts.set_disabled`. Durable on return."""
        who = self.subject(user)
        await self._account(
            caller, lambda one: accounts.set_disabled(one, who, location, disabled=disabled)
        )

    async def describe(
        self, caller: Caller, user: str, location: str, wanted: Mapping[str, object]
    ) -> None:
        """Change how somebody is called; see `accounts.describe`. Durable on return."""
        who = self.subject(user)
        await self._account(caller, lambda one: accounts.describe(one, who, location, wanted))

    async def archive(self, caller: Caller, user: str) -> None:
        """Take somebody out of use; see `accounts.archive`. Durable on return."""
        who, home = self.subject(user), self.home_of(user)
        await self._account(caller, lambda one: accounts.archive(one, who, home))

    async def give_badge(self, caller: Caller, user: str, location: str) -> str:
        """Make somebody a badge for tills, in place of any other: what it holds. Durable on return.

        Raises:
            Refusal: `forbidden`, `not_found`.
        """
        who, badge = self.subject(user), new_token("badge")
        proof = Proof(badge=token_digest(badge).hex())
        await self._account(caller, lambda one: accounts.reset(one, who, location, proof))
        return badge

    async def reset(
        self, caller: Caller, user: str, location: str, password: str | None, pin: str | None
    ) -> str | None:
        """Set somebody's password, or with `pin` their PIN; the password that was made where none was given.

        Their sessions end, and their name is unlocked here. Durable on return.

        Raises:
            Refusal: `forbidden`, `not_found`, `validation_failed`, `unavailable`.
        """
        who = self.subject(user)
        given, proof = await self._proof(who.username, password, pin)
        await self._account(caller, lambda one: accounts.reset(one, who, location, proof))
        await self.sign_ins.forgive(who.username)
        return given if password is None and pin is None else None

    def subject(self, user: str) -> Subject:
        """Whom an id names.

        Raises:
            Refusal: `not_found`.
        """
        found = self.roster.users.get(user)
        if found is None:
            raise Refusal("not_found", "there is no such user here")
        return Subject(found.id, found.username, self.roster.highest(user))

    def home_of(self, user: str) -> str:
        """The location that somebody belongs to, or `*`."""
        return self.roster.users[user].location or EVERY_LOCATION

    # --- private ---------------------------------------------------------------------------------------------------

    def _waiting_at(self, location: str) -> int:
        """How many were granted nothing there; not those who were put away, or nobody could ever make room again."""
        users = self.roster.users
        return sum(
            one.role is None
            and one.location == location
            and not one.disabled
            and not (one.user in users and users[one.user].archived)
            for one in self.roster.posts.values()
        )

    def _is_taken(self, username: str) -> bool:
        """Whether a name is somebody's, or something's that calls here: what is recorded names whoever did it."""
        tokens = self._callers.count_tokens(username)
        return bool(tokens) or username == OPERATOR.name or self.roster.is_taken(username)

    async def _proof(
        self, username: str, password: str | None, pin: str | None
    ) -> tuple[str | None, Proof]:
        """What to set, hashed, and the password in it."""
        if pin is not None:
            if fault := pin_fault(pin):
                raise Refusal("validation_failed", fault)
            hashed_pin = await self.sign_ins.hashing.hash(pin)
            if password is None:
                return None, Proof(pin=hashed_pin)
        else:
            hashed_pin = None
        given = password or new_token("")[1 : 1 + _MADE_CHARS]
        if fault := password_fault(given, username):
            raise Refusal("validation_failed", fault)
        verifier = await self.sign_ins.hashing.hash(given)
        return given, Proof(password=verifier, pin=hashed_pin, must_change=True)

    async def _account(self, caller: Caller, change: Callable[[Writing], T]) -> T:
        draw = self._world.random_bytes(16)
        return await self._changed(lambda db: change(Writing(db, self._here(), caller, draw)))

    async def _changed(self, transaction: Callable[[sqlite3.Connection], T]) -> T:
        """Write, and carry out what follows for sessions before anybody is answered."""
        found: T = await self._write(transaction)  # type: ignore[assignment]
        await self.look()
        return found
