"""Sealed details of movements at a node: sealed before they enter the log, opened for whoever may, erased for good.

Invariant: a request's sealed part is replaced here, before the command that records sees the movement, by sealed bytes and
a keyed digest; in clear it reaches no transaction, no kept answer, no log and no metric.
"""

import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, Protocol, TypeVar

from node.commands import sealing
from node.commands.answering import SEALED
from node.commands.movements import ROUTE, Here
from node.commands.requests import Caller, Movement, Refusal, Sealing
from node.commands.sealing import FIELD, Opened
from node.sealing.own_keys import OwnKeys
from node.sealing.rewrapping import Done, Rewrapping
from protocol.errors import ProtocolError
from protocol.ids import OpId, op_id
from protocol.sealed_keys import RecordKey, wrapped_for
from protocol.sealing import KEY_BYTES, Binding, KeyPair, box_digest, fingerprint, seal
from runtime.world import World

T = TypeVar("T")
_FIRST: Final = 1


class Writes(Protocol):
    """Runs a transaction; durable on return."""

    def __call__(self, transaction: Callable[[sqlite3.Connection], T], /) -> Awaitable[T]:
        """Run it."""


class SealedDetails:
    """What is sealed at one node.

    Args:
        own: the node's keys.
        rewrapping: for whom to seal where.
        write: runs a transaction of the node.
        here: the node at this moment.
        world: for chance.
        tell: has the hub told of keys that changed.
    """

    def __init__(
        self,
        own: OwnKeys,
        rewrapping: Rewrapping,
        write: Writes,
        here: Callable[[], Here],
        world: World,
        tell: Callable[[], None],
    ) -> None:
        self._own = own
        self._rewrapping = rewrapping
        self._write = write
        self._here = here
        self._world = world
        self._tell = tell

    async def sealed(self, caller: Caller, movement: Movement, key: str) -> Movement:
        """The movement with its sealed part sealed; `details` keep a digest of it, by which a repeat is known.

        Raises:
            Refusal: `validation_failed` when the part is no object, `sealing_unavailable` in a chain without a recovery
                key: what only one machine opens is lost with it.
        """
        plain = movement.details[SEALED]
        if not isinstance(plain, dict) or not plain:
            raise Refusal("validation_failed", "details.sealed must be an object with members")
        here = self._here()
        if not here.certificate.recovery:
            words = "this chain has no recovery key yet; `everstock-hub recovery-key` makes one"
            raise Refusal("sealing_unavailable", words)
        id_ = op_id(here.chain, movement.location, caller.name, ROUTE, key)
        binding = Binding(here.chain, movement.location, id_, FIELD)
        readers = await self._rewrapping.readers(movement.location)
        data_key = self._world.random_bytes(KEY_BYTES)
        try:
            box = seal(plain, binding, data_key)
        except ProtocolError as error:
            raise Refusal("validation_failed", error.detail) from error
        seeds = [self._world.random_bytes(KEY_BYTES) for _ in readers]
        wraps = wrapped_for(data_key, binding, readers, seeds)
        digest = fingerprint(self._own.fingerprint_secret, plain)
        return replace(
            movement,
            details={**movement.details, SEALED: digest},
            sealing=Sealing(box, RecordKey(id_, box_digest(box), _FIRST, wraps)),
        )

    async def sealed_item(
        self, caller: Caller, item: tuple[str, Movement] | Refusal
    ) -> tuple[str, Movement] | Refusal:
        """The same of an item of a batch; one that cannot be sealed is refused in its place."""
        if isinstance(item, Refusal) or SEALED not in item[1].details:
            return item
        key, movement = item
        try:
            return key, await self.sealed(caller, movement, key)
        except Refusal as refusal:
            return refusal

    async def open(self, caller: Caller, id_: OpId) -> Opened:
        """See `commands.sealing.open_details`. Noted durably on return."""
        pairs = await self._own.pairs()
        return await self._write(
            lambda db: sealing.open_details(db, self._here(), caller, id_, pairs)
        )

    async def erase(self, caller: Caller, id_: OpId) -> bool:
        """See `commands.sealing.erase_details`. Durable here on return; the hub and other nodes hear of it."""
        is_news = await self._write(lambda db: sealing.erase_details(db, self._here(), caller, id_))
        self._tell()
        return is_news

    async def change_key(self) -> Done:
        """Give this node another key, and wrap what it can open for that one. Older keys go when nothing needs them."""
        await self._own.change()
        return await self._bring_up_to_date()

    async def recover(self, recovery: KeyPair) -> Done:
        """Make everything that the chain's recovery key opens readable at this node, such as a spare's predecessor's."""
        return await self._bring_up_to_date(recovery)

    async def _bring_up_to_date(self, recovery: KeyPair | None = None) -> Done:
        done = await self._rewrapping.run(recovery=recovery)
        self._tell()
        return done
