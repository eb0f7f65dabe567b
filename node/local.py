"""What a node knows of itself without asking the store, and how the hub's word changes it.

Invariant: who the node is changes in memory only once it is durable, and only by what the chain's hub signed for this
node; a certificate older than the one held changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from node.replica import identity
from node.replica.identity import NodeIdentity
from node.replica.kept import NONE_BESIDE_OWN, Kept
from protocol.certificate import verify
from protocol.errors import Code, ProtocolError
from protocol.ids import ReplicaId
from runtime.store import Store
from runtime.world import World


def _nothing() -> None:
    return None


@dataclass(slots=True)
class Local:
    """One for each node; its uplink and its link to the hub keep it up to date."""

    identity: NodeIdentity
    replica: ReplicaId
    clock_offset_ms: int | None
    kept: Kept = NONE_BESIDE_OWN
    """Of which locations it keeps movements, beside those that it writes; as it was set."""
    connected: bool = False
    heard_all: bool = False
    """Whether the hub has sent everything that it had when this session began, and it is stored."""
    last_error: str | None = None
    look_at_keys: Callable[[], None] = _nothing
    """Has an open session look whether keys of sealed records wait to be handed to the hub; nothing without one."""

    def keys_changed(self) -> None:
        """Keys of sealed records changed here: a session, if one is open, hands them in soon."""
        self.look_at_keys()


async def take_certificate(store: Store, local: Local, data: bytes) -> bool:
    """Take what the hub granted; whether it is news. Durable on return.

    Raises:
        ProtocolError: it is not signed by the hub, or another node's.
        StoreError: nothing was kept.
    """
    who = local.identity
    certificate = verify(data, who.hub_public_key)
    if certificate.node != who.certificate.node:
        raise ProtocolError(Code.UNEXPECTED, "the certificate is another node's")
    # The same serial with other bytes: a hub put back to a backup has issued it a second time.
    if certificate.serial < who.certificate.serial or data == who.certificate_bytes:
        return False

    def known(_: None) -> None:
        local.identity = replace(who, certificate_bytes=data, certificate=certificate)

    # By the writer, not after it: the session that brought it may end meanwhile, and what is stored would not be known.
    await store.write(
        lambda db: identity.save_certificate(db, data), background=True, committed=known
    )
    return True


async def take_let_go(store: Store, world: World, local: Local) -> None:
    """Take it that this node was retired: it records nothing more until a hub lets it in. Durable on return.

    Raises:
        StoreError: nothing was kept.
    """
    at_ms = world.now_ms()

    def known(_: None) -> None:
        local.identity = replace(local.identity, let_go_at_ms=at_ms)

    await store.write(lambda db: identity.save_let_go(db, at_ms), background=True, committed=known)


async def take_clock_offset(store: Store, world: World, local: Local, offset_ms: int) -> None:
    """Take how far the hub's clock is ahead of this machine's. Durable on return.

    Raises:
        StoreError: it holds until the node's process ends.
    """
    local.clock_offset_ms = offset_ms
    await store.write(
        lambda db: identity.save_clock_offset(db, offset_ms, world.now_ms()), background=True
    )
