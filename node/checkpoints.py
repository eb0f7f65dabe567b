"""What this node signs about its own log, and what it keeps of what the hub signed.

Invariant: a head is signed of what is durable. The newest one is also kept in a file beside the database, so that an older
copy of the database is found out; the hub gets it, too. What the hub signed is compared with what it signed before: two
histories are noted in the log, with both records as proof, and told as an incident. What the disk has damaged of it proves
nothing and stops nothing: `verify` tells of it.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog
from nacl.signing import SigningKey

from node.commands.movements import Here
from node.commands.noting import Who, note
from node.local import Local
from node.replica import checkpoints, identity, incidents, log
from node.replica.incidents import IncidentCode
from protocol.checkpoint import (
    Checkpoint,
    Head,
    Signer,
    sign_head,
    verify_checkpoint,
    verify_head,
)
from protocol.errors import ProtocolError
from protocol.frames.witness import Checkpoints
from protocol.ids import Seq
from protocol.limits import CHECKPOINT_EVERY_S
from protocol.notes import Action, Entity, Note
from runtime.folder import Folder, FolderError
from runtime.store import Store, StoreError
from runtime.world import World

HEAD_FILE: Final = "head.signed"
_AT_ONCE: Final = 50
"""Signatures checked in a row: 5 ms."""

_log = structlog.get_logger(__name__)


class CheckpointKeeper:
    """One for each node.

    Args:
        store: the node's.
        world: clocks.
        key: the node's own.
        local: who and where it is.
        wake: called when something was noted, so that it is sent.
    """

    def __init__(
        self,
        store: Store,
        world: World,
        key: SigningKey,
        local: Local,
        wake: Callable[[], None],
    ) -> None:
        self.outside: Folder | None = None
        """Where the newest own head is kept as well; None keeps it in the database alone."""
        self._store = store
        self._world = world
        self._key = key
        self._local = local
        self._wake = wake

    async def run(self) -> None:
        """Sign now and then, for ever, also while the hub is away."""
        while True:
            try:
                await self.own_head()
            except StoreError as error:
                _log.warning("the log's end was not signed", reason=str(error))
            await asyncio.sleep(CHECKPOINT_EVERY_S)

    async def own_head(self) -> bytes | None:
        """The signed head of the log as it is now; None of an empty log. Durable on return.

        Raises:
            StoreError: it could not be kept.
        """
        head, kept = await self._store.read(self._read_head)
        if head.seq == 0:
            return None
        if kept is not None:
            return kept
        record = sign_head(head, self._key, Signer.NODE)
        await self._store.write(
            lambda db: checkpoints.keep_head(db, Signer.NODE, head, record), background=True
        )
        if self.outside is not None:
            try:
                await asyncio.to_thread(self.outside.write_private, HEAD_FILE, record)
            except (OSError, FolderError) as error:
                _log.warning("the log's signed end was not written", reason=str(error))
        return record

    async def newest(self) -> bytes | None:
        """The checkpoint of the hub that came last; None also of one that the disk has damaged."""
        record, who = await self._store.read(checkpoints.newest_checkpoint), self._local.identity
        with contextlib.suppress(ProtocolError):
            if record is not None:
                verify_checkpoint(record, who.hub_public_key, who.chain)
                return record
        return None

    async def take(self, told: Checkpoints) -> None:
        """Keep what the hub signed. Durable on return.

        Raises:
            ProtocolError: it is not signed by the hub; nothing was kept.
            StoreError: nothing was kept.
        """
        who, read = self._local.identity, list[tuple[Checkpoint, bytes]]()
        for place, record in enumerate(told.checkpoints):
            if place % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            read.append((verify_checkpoint(record, who.hub_public_key, who.chain), record))
        receipt = None
        if told.head is not None:
            receipt = verify_head(told.head, who.hub_public_key, who.chain, Signer.HUB)
        keep = partial(self._keep, read=read, receipt=receipt, record=told.head)
        await self._store.write(keep, background=True, committed=lambda _: self._wake())

    def _read_head(self, db: sqlite3.Connection) -> tuple[Head, bytes | None]:
        """The head to be signed, and the newest signed one where that is it already."""
        certificate, end = self._local.identity.certificate, log.head(db)
        replica = identity.read_position(db).replica
        head = Head(
            certificate.chain, certificate.node, replica, end.seq, end.chain, self._world.now_ms()
        )
        kept = checkpoints.newest_head(db, Signer.NODE, replica)
        if kept is None:
            return head, None
        try:
            signed = verify_head(kept, certificate.public_key, certificate.chain, Signer.NODE)
        except ProtocolError:
            return head, None  # damaged: verification tells of it, and the hub is told another
        return head, kept if (signed.seq, signed.hash) == (head.seq, head.hash) else None

    def _keep(
        self,
        db: sqlite3.Connection,
        read: list[tuple[Checkpoint, bytes]],
        receipt: Head | None,
        record: bytes | None,
    ) -> None:
        who, position = self._local.identity, identity.read_position(db)
        for checkpoint, each in read:
            found = checkpoints.keep_checkpoint(db, who, checkpoint, each)
            # Of an epoch that is over the hub has said itself that it was put back, and has noted it.
            if found is not None and checkpoint.epoch == position.epoch:
                said = {"kept": found.kept, "told": found.told}
                self._raise(db, found.detail, {**said, "number": checkpoint.number})
        replica = position.replica
        if (
            receipt is None
            or record is None
            or (receipt.node, receipt.replica)
            != (
                who.certificate.node,
                replica,
            )
        ):
            return
        held = log.chain_at(db, Seq(receipt.seq)) if receipt.seq else None
        if held is not None and held != receipt.hash:
            detail = f"the hub signed that it has another log of this node up to {receipt.seq}"
            self._raise(db, detail, {"told": record})
        elif receipt.seq:
            checkpoints.keep_head(db, Signer.HUB, receipt, record)

    def _raise(self, db: sqlite3.Connection, detail: str, proof: dict[str, object]) -> None:
        """Tell of two histories, once of each way in which they differ."""
        if incidents.is_noted(db, IncidentCode.HISTORY_DIFFERS, detail):
            return
        now_ms, local = self._world.now_ms(), self._local
        incidents.note(db, IncidentCode.HISTORY_DIFFERS, detail, now_ms)
        who = local.identity
        here = Here(who.chain, local.replica, who.rights, local.clock_offset_ms, now_ms)
        name = who.certificate.name
        told = Note(
            Action.HISTORY_DIFFERS, Entity("hub", who.chain.hex()), {"why": detail, **proof}
        )
        note(db, here, Who(name, name), told)
        _log.warning(
            "the hub tells two histories: it was put back without `everstock-hub restore`, or its database was changed",
            why=detail,
        )
