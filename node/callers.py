"""Who may call a node: whom each token given out stands for.

Invariant: memory says what the store says. It is changed by the store's writer, in the order of commits, whoever is
cancelled meanwhile; so a token works once it is durable, and one that was revoked ends what it had opened.
"""

from collections.abc import Callable, Mapping

from node.commands.requests import Authority, Caller, Refusal
from node.joining import OPERATOR
from node.replica import tokens
from runtime.keys import new_token, token_digest
from runtime.store import Store
from runtime.world import World


class Callers:
    """The callers of one node.

    Args:
        store: where the tokens' digests are kept.
        world: for the time at which a token is made.
        held: what the store holds, by digest.
        end_revoked: `end_revoked(is_valid)` ends what was opened with a token whose digest is no longer valid.
    """

    def __init__(
        self,
        store: Store,
        world: World,
        held: Mapping[bytes, Caller],
        end_revoked: Callable[[Callable[[bytes], bool]], None],
    ) -> None:
        self._store = store
        self._world = world
        self._by_digest = dict(held)
        self._end_revoked = end_revoked

    def authenticate(self, token: str) -> Caller | None:
        """Who holds this token."""
        return self._by_digest.get(token_digest(token))

    def is_valid(self, credential: bytes) -> bool:
        """Whether the token with this digest still stands for somebody."""
        return credential in self._by_digest

    def count_tokens(self, name: str) -> int:
        """How many tokens of a till there are."""
        return list(self._by_digest.values()).count(Caller(name, Authority.TILL))

    async def create_token(self, name: str) -> str:
        """Make a till's token. Durable on return; the token is shown here and never again.

        Raises:
            Refusal: `validation_failed` for the operator's name, whose remembered answers are its own.
        """
        if name == OPERATOR.name:
            raise Refusal("validation_failed", "this name is the operator's")
        token, caller = new_token("till"), Caller(name, Authority.TILL)
        digest = token_digest(token)
        await self._store.write(
            lambda db: tokens.add(db, digest, caller, self._world.now_ms()),
            committed=lambda _: self._by_digest.update({digest: caller}),
        )
        return token

    async def revoke_tokens(self, name: str) -> int:
        """End every token of a till; returns how many there were. Durable on return."""
        ended = Caller(name, Authority.TILL)

        def forget(_: int) -> None:
            self._by_digest = {held: who for held, who in self._by_digest.items() if who != ended}
            self._end_revoked(self.is_valid)

        return await self._store.write(lambda db: tokens.revoke(db, ended), committed=forget)
