"""How what several replicas did becomes one total, and what a node shows before the hub has said so.

Invariants:
- An `Entry` of one replica only ever grows with its log, so the larger `seq` contains the smaller: entries form a
  join-semilattice, and a counter is a PN-counter whose entries carry the position they reach (Shapiro et al. 2011;
  δ-state in Almeida et al., arXiv 1603.01529).
- A node counts an own operation on top of a hub row exactly while the row does not contain it. The row says how far
  it contains this node's log (`own`), and so does its scope each time it was read to the end. Per-row marks alone
  diverge when the hub cannot decode an operation and so cannot touch its rows.

The stores fold in SQL, many rows at a time; their tests hold them against these functions.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from protocol import documents
from protocol.documents import Document
from protocol.effects import FieldEffect
from protocol.ids import ReplicaId, Seq


class Entry(NamedTuple):
    """What one replica has added to one counter, up to and including its operation `seq`."""

    seq: Seq
    plus: int
    minus: int
    """Both are sums of magnitudes: never negative, never smaller later."""


NO_ENTRY = Entry(Seq(0), 0, 0)


def extend(entry: Entry, seq: Seq, delta: int) -> Entry:
    """The entry after operation `seq`, later than the entry's, added `delta`; 0 only moves the position."""
    assert seq >= entry.seq, "a replica's log is folded in order"
    return Entry(seq, entry.plus + max(delta, 0), entry.minus + max(-delta, 0))


def join(a: Entry, b: Entry) -> Entry:
    """One replica's entry from two copies of it."""
    return max(a, b)


def total(entries: Mapping[ReplicaId, Entry]) -> int:
    """A counter's value: all that was added less all that was taken."""
    return sum(entry.plus - entry.minus for entry in entries.values())


def is_on_top(seq: int, *, row_own: int, scope_own: int) -> bool:
    """Whether an own operation counts on top of a hub row.

    Args:
        seq: the operation's position; the caller leaves out settled and quarantined ones.
        row_own: how far this replica's log is inside the row (`inside[me]` of the page that brought it).
        scope_own: the same for the whole scope, from the last time it was read to its end. For a document the
            largest among the scopes that the held row is in or that this operation's effect names; no others, since
            the hub need not have put the row where another, undecodable operation of this replica names it.
    """
    return seq > max(row_own, scope_own)


def counter_view(row_total: int, pending: Iterable[int]) -> int:
    """What a node shows for a counter: the hub's total and the own deltas that it does not include yet."""
    return row_total + sum(pending)


def document_view(row: Document, pending: Iterable[FieldEffect]) -> Document:
    """What a node shows for a document: the same join the hub will do, never an overwrite."""
    return documents.apply(row, pending)
