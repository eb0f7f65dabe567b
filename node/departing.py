"""What a node does with the hub's word that others left for good: it keeps it, and hands it back to a hub that forgot.

Invariant: only what the chain's hub signed is kept. Signatures are checked before the store's writer is asked for
anything, so a till never waits for them.
"""

from collections.abc import Sequence

from node.replica import departures
from node.replica.identity import NodeIdentity
from protocol.departure import digest, joined
from runtime.store import Store


async def keep(store: Store, who: NodeIdentity, records: Sequence[bytes]) -> None:
    """Keep those of these records that are news; durable on return.

    Raises:
        ProtocolError: one is not signed by the hub; none was kept.
        StoreError: nothing was kept.
    """
    kept = await store.read(departures.read_all)
    news = joined(kept, records, who.hub_public_key, who.chain)
    if news:
        await store.write(lambda db: departures.keep(db, news), background=True)


async def unknown_to(store: Store, hub_digest: bytes | None) -> list[bytes]:
    """What to hand a hub whose WELCOME named this digest; nothing when it has the same, or keeps none."""
    kept = await store.read(departures.read_all)
    if hub_digest is None or hub_digest == digest(kept.values()):
        return []
    return list(kept.values())
