"""The hash chain of a replica's log.

Invariant: two logs with equal hashes at a position hold the same operations, in the same order, up to it. The hash
covers an operation's bytes and all before them, not the replica or the position, so a log that continues under a
new replica can be compared with its old self. BLAKE2b-256, keyed with the hash before (RFC 7693 §2.9).
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from protocol.ids import ChainHash

CHAIN_START: Final = ChainHash(bytes(32))
"""The hash of an empty log."""


def extend(chain: ChainHash, operation: bytes) -> ChainHash:
    """The hash after appending an operation's bytes to a log whose hash is `chain`."""
    return ChainHash(blake2b(operation, digest_size=32, key=chain).digest())


def extend_all(chain: ChainHash, operations: Iterable[bytes]) -> ChainHash:
    """The hash after appending several operations, in order."""
    for operation in operations:
        chain = extend(chain, operation)
    return chain
