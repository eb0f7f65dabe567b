"""Who may call a node: whom each token given out stands for.

Invariant: memory says what the store says. It is changed by the store's writer, in the order of commits, whoever is
cancelled meanwhile; so a token works once it is durable, and one that was revoked ends what it had opened.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from node.commands.movements import Here
from node.commands.noting import Who, note
from node.commands.requests import Authority, Caller, Person, Refusal
from node.joining import OPERATOR
from node.lan.tokens import KIND
from node.replica import tokens
from protocol.limits import WITNESSES_MAX
from protocol.notes import Action, Entity, Note
from runtime.keys import new_token, token_digest
from runtime.world import World


class SignedIn(NamedTuple):
    """Somebody who has a session, or a shift at a till."""

    person: Person
    till: str
    """Of a shift, the till's name; "" of a session."""
    expires_ms: int
    until_s: float
    """The same on the monotonic clock, since this process knows of it: a clock put back lengthens nothing."""


class Vouched(NamedTuple):
    """Somebody who has just shown their PIN at a till, to see what somebody else records there."""

    username: str
    till: str
    until_s: float
    """On the monotonic clock; no process outlives it."""


class Callers:
    """The callers of one node.

    Args:
        write: the store's, where the tokens' digests are kept.
        world: for the time at which a token is made.
        held: what the store holds, by digest.
        end_revoked: `end_revoked(is_valid)` ends what was opened with a token whose digest is no longer valid.
        change: `change(who)` has what is open go by what its caller is by now.
        here: the node, in whose log is noted which tokens are made and ended; without it nothing is noted.
    """

    def __init__(
        self,
        write: Callable[..., Awaitable[Any]],
        world: World,
        held: Mapping[bytes, Caller],
        end_revoked: Callable[[Callable[[bytes], bool]], None],
        change: Callable[[Callable[[bytes], Caller | None]], None] = lambda _: None,
        here: Callable[[], Here] | None = None,
    ) -> None:
        self._write = write
        self._world = world
        self._by_digest = dict(held)
        self._end_revoked = end_revoked
        self._change = change
        self._here = here
        self._signed_in: Mapping[bytes, SignedIn] = {}
        self._vouched: dict[bytes, Vouched] = {}
        self.is_somebodys: Callable[[str], bool] = lambda _: False
        """Whether a name is that of a person."""
        self.shift_required = False
        """Whether tills record nothing here without somebody who has signed on."""

    def authenticate(self, token: str) -> Caller | None:
        """Who holds this token; nobody by that of a shift, which goes with its till's."""
        digest = token_digest(token)
        return self._by_digest.get(digest) or self._of_session(digest)

    def on_shift(self, till: Caller, token: str) -> Caller | None:
        """A till with whoever has signed on at it by this token; None when nobody has, or the shift is over."""
        found = self._signed_in.get(token_digest(token))
        if found is None or found.till != till.name or till.authority is not Authority.TILL:
            return None
        return None if self._is_over(found) else replace(till, person=found.person)

    def vouch(self, digest: bytes, vouched: Vouched) -> None:
        """Know who has shown their PIN, by the digest of the token that they got for it."""
        now_s = self._world.monotonic_s()
        standing = {k: one for k, one in self._vouched.items() if one.until_s > now_s}
        self._vouched = dict([*standing.items(), (digest, vouched)][-WITNESSES_MAX:])

    def seen_by(self, caller: Caller, token: str) -> Caller | None:
        """The same caller with the witness of this token; None when nobody is, or not any more."""
        found = self._vouched.get(token_digest(token))
        if found is None or found.till != caller.name or found.until_s <= self._world.monotonic_s():
            return None
        return replace(caller, witness=found.username)

    def let_in(self, signed_in: Mapping[bytes, SignedIn]) -> None:
        """Know who has signed in, by the digest of the token; whoever has not any more loses what it had opened."""
        before, self._signed_in = self._signed_in, signed_in
        if before.keys() - signed_in.keys():
            self._end_revoked(self.is_valid)
        if any(before[one].person != now.person for one, now in signed_in.items() if one in before):
            self._change(self.who)

    def who(self, credential: bytes) -> Caller | None:
        """Whom the token with this digest stands for now."""
        return self._by_digest.get(credential) or self._of_session(credential)

    def is_valid(self, credential: bytes) -> bool:
        """Whether the token with this digest still stands for somebody."""
        return credential in self._by_digest or self._of_session(credential) is not None

    def count_tokens(self, name: str) -> int:
        """How many tokens of a till there are."""
        return list(self._by_digest.values()).count(Caller(name, Authority.TILL))

    async def create_token(self, name: str, *, for_lan: bool = False) -> str:
        """Make a till's token. Durable on return; the token is shown here and never again.

        One `for_lan` is that of one device on another machine: every other token of its name ends first.

        Raises:
            Refusal: `validation_failed` for the operator's name, and somebody's, whose remembered answers are their own.
        """
        if name == OPERATOR.name:
            raise Refusal("validation_failed", "this name is the operator's")
        if self.is_somebodys(name):
            raise Refusal("validation_failed", "this name is somebody's who signs in here")
        if for_lan:
            await self.revoke_tokens(name)
        token, caller = new_token(KIND if for_lan else "till"), Caller(name, Authority.TILL)
        digest = token_digest(token)

        def make(db: sqlite3.Connection) -> None:
            tokens.add(db, digest, caller, self._world.now_ms())
            self._tell(db, Note(Action.TOKEN_MADE, Entity("token", name), {"lan": for_lan}))

        await self._write(make, committed=lambda _: self._by_digest.update({digest: caller}))
        return token

    async def revoke_tokens(self, name: str) -> int:
        """End every token of a till; returns how many there were. Durable on return."""
        ended = Caller(name, Authority.TILL)

        def forget(_: int) -> None:
            self._by_digest = {held: who for held, who in self._by_digest.items() if who != ended}
            self._end_revoked(self.is_valid)

        def revoke(db: sqlite3.Connection) -> int:
            count = tokens.revoke(db, ended)
            if count:
                told = Note(Action.TOKEN_REVOKED, Entity("token", name), {"tokens": count})
                self._tell(db, told)
            return count

        return int(await self._write(revoke, committed=forget))

    def _tell(self, db: sqlite3.Connection, told: Note) -> None:
        if self._here is not None:
            # Only the operator makes and ends them.
            note(db, self._here(), Who(OPERATOR.name, OPERATOR.name), told)

    def _of_session(self, digest: bytes) -> Caller | None:
        found = self._signed_in.get(digest)
        if found is None or found.till or self._is_over(found):
            return None
        return Caller(found.person.name, Authority.PERSON, found.person)

    def _is_over(self, found: SignedIn) -> bool:
        world = self._world
        return world.now_ms() >= found.expires_ms or world.monotonic_s() >= found.until_s
