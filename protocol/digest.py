"""Digests: whether two replicas hold the same rows, without comparing them.

Invariant: a scope's digest is the sum, modulo 2^128, of a hash of each row's canonical bytes, kept up to date by
taking the old row out and putting the new one in. A sum, not XOR: under XOR two equal rows would cancel out.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from protocol.codec import pack
from protocol.effects import CounterKey, DocumentKey
from protocol.rows import Row, row_bytes

_MODULUS: Final = 2**128
BUCKETS: Final = 256


class Digest(NamedTuple):
    """How many rows, and the sum of their hashes."""

    rows: int
    value: int


EMPTY: Final = Digest(0, 0)


def row_hash(row: Row) -> int:
    """128 bits of BLAKE2b over the row's bytes, as an unsigned big-endian number."""
    return int.from_bytes(blake2b(row_bytes(row), digest_size=16).digest())


def replace(digest: Digest, *, old: Row | None, new: Row | None) -> Digest:
    """The digest after `new` took the place of `old`; either may be absent."""
    rows, value = digest
    if old is not None:
        rows, value = rows - 1, value - row_hash(old)
    if new is not None:
        rows, value = rows + 1, value + row_hash(new)
    return Digest(rows, value % _MODULUS)


def exchange(digest: Digest, *, old: Sequence[Row], new: Sequence[Row]) -> Digest:
    """The digest after the rows of `new` took the places of those of `old`, and further ones were added."""
    rows, value = digest
    value += sum(map(row_hash, new)) - sum(map(row_hash, old))
    return Digest(rows + len(new) - len(old), value % _MODULUS)


def of_rows(rows: Iterable[Row]) -> Digest:
    """The digest of a whole scope, computed afresh."""
    count, value = 0, 0
    for row in rows:
        count, value = count + 1, value + row_hash(row)
    return Digest(count, value % _MODULUS)


def bucket_of(key: CounterKey | DocumentKey) -> int:
    """Which of the 256 buckets a row belongs to: the first byte of its key's hash. For repair."""
    return blake2b(pack(list(key)), digest_size=1).digest()[0]


def to_bytes(value: int) -> bytes:
    """A digest's value as it is stored and sent: 16 bytes, big-endian."""
    return value.to_bytes(16)


def from_bytes(value: bytes) -> int:
    """Read what `to_bytes` wrote."""
    return int.from_bytes(value)


def to_text(value: int) -> str:
    """A digest's value as people see it: 32 hexadecimal digits."""
    return f"{value:032x}"
