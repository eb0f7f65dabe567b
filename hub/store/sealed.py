"""What the hub asks of a store about the keys of sealed records: kept beside the ledger, so that they can be destroyed.

Invariant: what is kept opens nothing without a private key that is not here. Of two states of one key the one
that `protocol.sealed_keys` says stands; a destroyed key's bytes are gone from the store, its older backups aside.
"""

from collections.abc import Sequence
from typing import Protocol

from protocol.frames.keys import Keys
from protocol.ids import Location, NodeId
from protocol.sealed_keys import RecordKey


class KeepsSealedKeys(Protocol):
    """The part of `interface.HubStore` that is about all this. Each method is one transaction."""

    async def keep_keys(
        self, node: NodeId, announcement: bytes, location: Location, keys: Sequence[RecordKey]
    ) -> None:
        """Keep a node's word of its key, unless it is empty, and what of these stands; durable on return."""

    async def keys(self, location: Location, after: int) -> Keys:
        """The keys of a location's records that changed after a point, oldest change first, at most a frame of them.

        With them who seals there: the active nodes that write the location now and have said their key.
        """

    async def keep_recovery_key(self, public: bytes) -> None:
        """Keep the public half of the chain's recovery key, in place of another."""
