"""What the hub signs about its history for every node to keep, and what it does with what nodes signed and kept.

Invariant: a node's head counts by that node's own key, a checkpoint that it hands back by this hub's. What a node keeps
and this hub does not know proves that its history is not the one it told: that is noted for good, and counted, for an alarm.
"""

import structlog

from hub.metrics import HubMetrics
from hub.store.interface import HubStore
from hub.store.witness import HubNote
from protocol.certificate import Certificate
from protocol.checkpoint import (
    Checkpoint,
    Head,
    Signer,
    sign_checkpoint,
    sign_head,
    verify_checkpoint,
    verify_head,
)
from protocol.errors import Code, ProtocolError
from protocol.frames.witness import Checkpoints
from protocol.ids import ReplicaId
from protocol.limits import CHECKPOINT_EVERY_S, CHECKPOINTS_PER_FRAME_MAX
from protocol.notes import Action, Entity, Note
from protocol.session.hub import HubIdentity
from runtime.world import World

_EVERY_MS = int(CHECKPOINT_EVERY_S * 1000)
_REMEMBERED_MAX = 1_000

_log = structlog.get_logger(__name__)


class CheckpointKeeper:
    """One for all sessions."""

    def __init__(
        self, store: HubStore, identity: HubIdentity, world: World, metrics: HubMetrics
    ) -> None:
        self._store = store
        self._identity = identity
        self._world = world
        self._metrics = metrics
        self._noted: set[bytes] = set()

    async def answer(self, told: Checkpoints, node: Certificate, replica: ReplicaId) -> Checkpoints:
        """Take what a node told of its log and of the checkpoints that it keeps; what to answer. Durable on return.

        Args:
            told: the node's frame.
            node: its newest certificate.
            replica: the log of its session.

        Raises:
            ProtocolError: it is not signed by whom it should be, or about another log; nothing was kept.
            StoreError: nothing was kept, or not all.
        """
        identity = self._identity
        if len(told.checkpoints) > 1:
            raise ProtocolError(Code.BAD_VALUE, "a node tells of one checkpoint")
        head = None
        if told.head is not None:
            head = verify_head(told.head, node.public_key, identity.chain, Signer.NODE)
            if (head.node, head.replica) != (node.node, replica):
                raise ProtocolError(Code.BAD_VALUE, "the head is of another log")
        now_ms, after = self._world.now_ms(), 0
        for record in told.checkpoints:
            held = verify_checkpoint(record, identity.public_key, identity.chain)
            after = await self._compare(held, record, node)
        await self._store.make_checkpoint(self._sign, now_ms, _EVERY_MS)
        if head is not None and told.head is not None:
            await self._store.keep_head(replica, head.seq, told.head)
        seq, hash_ = await self._store.log_end(replica)
        receipt = Head(identity.chain, node.node, replica, seq, hash_, now_ms)
        newer = await self._store.checkpoints(after, CHECKPOINTS_PER_FRAME_MAX)
        return Checkpoints(
            tuple(each.record for each in newer),
            sign_head(receipt, identity.signing_key, Signer.HUB),
        )

    async def _compare(self, held: Checkpoint, record: bytes, node: Certificate) -> int:
        """Compare what a node keeps with what is here; the number after which it is to be told."""
        here = await self._store.checkpoint(held.number)
        if here == record:
            return held.number
        if held.epoch != await self._store.epoch():
            # Of a history that ended when this hub was put back to a backup, and that it has said so.
            return 0
        self._metrics.histories_differ.inc()
        if record not in self._noted and len(self._noted) < _REMEMBERED_MAX:
            said = {"number": held.number, "theirs": record, "ours": here, "name": node.name}
            told = Note(Action.HISTORY_DIFFERS, Entity("node", node.node.hex()), said)
            await self._store.add_note(HubNote(self._world.now_ms(), "hub", told))
            self._noted.add(
                record
            )  # not before it is durable: else a full disk would have kept it out for good
        _log.warning(
            "a node keeps a checkpoint that this hub signed and does not have: its folder or machine was put back without "
            "`everstock-hub restore`, or its database was changed: run `everstock-hub verify`",
            node=node.name,
            number=held.number,
        )
        return 0

    def _sign(self, checkpoint: Checkpoint) -> bytes:
        return sign_checkpoint(checkpoint, self._identity.signing_key)
