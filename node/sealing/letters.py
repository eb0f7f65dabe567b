"""Letters at a node: sealed for those they are to and signed by the node, opened for whoever may read them.

Invariant: the text is in clear in memory alone, between a request and its answer. A letter is sealed for keys that a node
signed under its certificate, never for one that the hub or a neighbour merely named.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

from node.commands import letters as commands
from node.commands.answering import time_to_text
from node.commands.movements import Here
from node.commands.requests import Answer, Caller, Refusal
from node.local import Local
from node.replica import letters, sealed
from node.replica.answers import Slot
from node.replica.letters import HeldLetter, Refused
from node.sealing.own_keys import OwnKeys
from node.sealing.rewrapping import Rewrapping
from protocol.errors import ProtocolError
from protocol.ids import Location, OpId, op_id
from protocol.letters import About, Letter, Receipt, letter_binding, letter_digest
from protocol.limits import WRAPS_MAX
from protocol.sealed_keys import wrapped_for
from protocol.sealing import KEY_BYTES, KeyPair, fingerprint, key_id, seal, unseal
from runtime.store import Store
from runtime.world import World

T = TypeVar("T")
_TEXT: Final = "text"
_RECOVERY_AND_OWN: Final = 2


@dataclass(frozen=True, slots=True)
class Writing:
    """What somebody wants to send."""

    origin: Location
    to: Location
    role: str | None
    """Or `protocol.letters.for_person`."""
    text: str
    about: About | None


class Writes(Protocol):
    """Runs a transaction; durable on return."""

    def __call__(self, transaction: Callable[[sqlite3.Connection], T], /) -> Awaitable[T]:
        """Run it."""


class Letters:
    """The mail of one node.

    Args:
        store: where it is.
        own: the node's keys.
        rewrapping: who seals where.
        write: runs a transaction of the node.
        here: the node at this moment.
        local: whose hub it trusts, and the session that asks for keys.
        world: for chance.
    """

    def __init__(
        self,
        store: Store,
        own: OwnKeys,
        rewrapping: Rewrapping,
        write: Writes,
        here: Callable[[], Here],
        local: Local,
        world: World,
    ) -> None:
        self._store = store
        self._own = own
        self._rewrapping = rewrapping
        self._write = write
        self._here = here
        self._local = local
        self._world = world

    async def send(self, caller: Caller, writing: Writing, key: str) -> Answer:
        """Send a letter, offline too once the other location's keys are known. Durable on return.

        Raises:
            Refusal: `forbidden`, `idempotency_key_reused`, `sealing_unavailable`; `unavailable` while nobody's key at the
                other location is known: the hub is then asked.
        """
        here = self._here()
        if not here.certificate.recovery:
            raise Refusal("sealing_unavailable", "this chain has no recovery key yet")
        readers = await self._readers(here, writing)
        id_ = op_id(here.chain, writing.origin, caller.name, commands.ROUTE, key)
        binding = letter_binding(here.chain, id_, writing.origin, writing.to)
        data_key = self._world.random_bytes(KEY_BYTES)
        seeds = [self._world.random_bytes(KEY_BYTES) for _ in readers]
        try:
            box = seal({_TEXT: writing.text}, binding, data_key)
            letter = Letter(
                here.chain,
                id_,
                writing.origin,
                writing.to,
                writing.role,
                here.now_ms,
                caller.by,
                writing.about,
                box,
                wrapped_for(data_key, binding, readers, seeds),
            )
            sent = self._own.signed_letter(letter)
        except ProtocolError as error:
            raise Refusal("validation_failed", error.detail) from error
        slot = Slot(caller.name, commands.ROUTE, key)
        # Sent again at another node of the location it is signed there, at another time: the same document by another edit.
        route, key = f"{commands.ROUTE}/send", f"{key}@{here.certificate.node.hex()}"
        edit_id = op_id(here.chain, writing.origin, caller.name, route, key)
        request = fingerprint(self._own.fingerprint_secret, _asked(writing))
        return await self._write(
            lambda db: commands.send(db, self._here(), caller, letter, sent, edit_id, slot, request)
        )

    async def newest(
        self, caller: Caller, limit: int, cursor: str | None
    ) -> tuple[list[dict[str, object]], str | None]:
        """Letters that a caller may read, those that changed last first, and the cursor of the next page.

        Raises:
            Refusal: `forbidden`, `validation_failed` for a foreign cursor.
        """
        here, hub, pairs = self._here(), self._hub, await self._own.pairs()
        commands.check_reads(here, caller)
        found, following = await self._store.read(
            partial(letters.newest, hub_public_key=hub, limit=limit, cursor=cursor)
        )
        mine = [one for one in found if commands.may_read(here, caller, one)]
        return await asyncio.to_thread(lambda: [_shown(one, pairs) for one in mine]), following

    async def one(self, caller: Caller, id_: OpId) -> dict[str, object]:
        """One letter.

        Raises:
            Refusal: `not_found`, `forbidden`.
        """
        pairs = await self._own.pairs()
        return _shown(await self._held(caller, id_), pairs)

    async def note_read(self, caller: Caller, id_: OpId) -> dict[str, object]:
        """Say, signed, that a caller has read a letter; the letter with its receipts. Durable on return.

        Raises:
            Refusal: `not_found`, `forbidden`; `conflict` for one that was refused, or that too many have read.
        """
        found = await self._held(caller, id_)
        if isinstance(found, Refused):
            raise Refusal("conflict", "this is no letter of whom it says it is")
        here, letter = self._here(), found.letter
        receipt = Receipt(
            letter.chain, id_, letter_digest(found.sent), letter.to, caller.by, here.now_ms
        )
        signed = self._own.signed_receipt(receipt)
        # Of another node of the location it is another receipt: its time and signature differ. So it is of a letter that
        # was signed again.
        key = f"{receipt.digest.hex()}@{here.certificate.node.hex()}"
        edit_id = op_id(here.chain, letter.to, caller.by, f"{commands.ROUTE}/read", key)
        await self._write(
            lambda db: commands.note_read(
                db, self._here(), caller, self._again(db, caller, id_), signed, edit_id
            )
        )
        return await self.one(caller, id_)

    # --- private ---------------------------------------------------------------------------------------------------

    @property
    def _hub(self) -> bytes:
        return self._local.identity.hub_public_key

    async def _held(self, caller: Caller, id_: OpId) -> HeldLetter | Refused:
        return await self._store.read(
            lambda db: commands.held(db, self._here(), caller, id_, self._hub)
        )

    def _again(self, db: sqlite3.Connection, caller: Caller, id_: OpId) -> HeldLetter:
        found = commands.held(db, self._here(), caller, id_, self._hub)
        if isinstance(found, Refused):
            raise Refusal("conflict", "this is no letter of whom it says it is")
        return found

    async def _readers(self, here: Here, writing: Writing) -> tuple[bytes, ...]:
        theirs = await self._rewrapping.readers(writing.to)
        if writing.to not in here.certificate.writes and len(theirs) < _RECOVERY_AND_OWN + 1:
            await self._write(lambda db: sealed.want(db, writing.to))
            self._local.keys_changed()
            words = f"no key of {writing.to} is known here yet; the hub is asked for one"
            raise Refusal("unavailable", words)
        ours = await self._rewrapping.readers(writing.origin)
        return tuple(dict.fromkeys((*theirs, *ours)))[:WRAPS_MAX]


def _asked(writing: Writing) -> Mapping[str, object]:
    about = None if writing.about is None else list(writing.about)
    parts = (writing.origin, writing.to, writing.role, writing.text, about)
    return {"message": list(parts)}


def _shown(found: HeldLetter | Refused, pairs: tuple[KeyPair, ...]) -> dict[str, object]:
    """As REST shows it: what is not known of one that was refused is null."""
    if isinstance(found, Refused):
        none: dict[str, object] = dict.fromkeys(
            ("origin", "to", "role", "person", "sent_at", "by", "about", "node", "key", "text")
        )
        return {"id": found.id, **none, "problem": "forged", "receipts": []}
    text, problem = _text(found.letter, pairs)
    return {
        **commands.told(found.letter),
        "node": found.sender.name,
        "key": key_id(found.sender.public_key).hex(),
        "text": text,
        "problem": problem,
        "receipts": [
            {"by": one.by, "location": one.location, "at": time_to_text(one.at_ms)}
            for one in found.receipts
        ],
    }


def _text(letter: Letter, pairs: tuple[KeyPair, ...]) -> tuple[str | None, str | None]:
    try:
        data_key = letter.key.opened(letter.binding, pairs)
        said = {} if data_key is None else unseal(letter.box, letter.binding, data_key)
    except ProtocolError:
        said = {}
    text = said.get(_TEXT)
    return (text, None) if isinstance(text, str) else (None, "unreadable")
