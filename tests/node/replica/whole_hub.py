"""A hub with documents, refusals, repeats and a past it can be put back to: the oracle of whole histories.

It folds its ledger with dictionaries, and a hub that was put back is made anew from the ledger's beginning.
"""

from collections.abc import Iterator
from typing import NamedTuple

from protocol import chain, documents
from protocol.documents import EMPTY, Document
from protocol.effects import CounterEffect, CounterKey, DocumentKey, scopes_of
from protocol.frames.feed import Page
from protocol.ids import ChainHash, HubSeq, OpId, ReplicaId, Scope, Seq
from protocol.operation import decode
from protocol.rows import CounterRow, DocumentRow, Row
from tests.node.replica.small_hub import SALT

Key = CounterKey | DocumentKey


class Entry(NamedTuple):
    """One operation of the ledger."""

    replica: ReplicaId
    body: bytes
    is_refused: bool


class WholeHub:
    """The ledger and what follows from it."""

    def __init__(self) -> None:
        self.ledger: list[Entry] = []
        self.acked: dict[ReplicaId, Seq] = {}
        self.chains: dict[ReplicaId, ChainHash] = {}
        self.counted: set[OpId] = set()
        self.refused: dict[ReplicaId, set[Seq]] = {}
        self.totals: dict[CounterKey, int] = {}
        self.documents: dict[DocumentKey, Document] = {}
        self.changed: dict[Key, HubSeq] = {}
        self.writers: dict[Scope, set[ReplicaId]] = {}
        self.head = HubSeq(0)

    def put_back(self, length: int) -> "WholeHub":
        """The hub as a backup of that many operations makes it."""
        hub = WholeHub()
        for entry in self.ledger[:length]:
            hub.push(*entry)
        return hub

    def push(self, replica: ReplicaId, body: bytes, is_refused: bool) -> None:
        """Take the next operation of a replica's log; one that counts already changes no row."""
        self.ledger.append(Entry(replica, body, is_refused))
        self.acked[replica] = Seq(self.acked.get(replica, 0) + 1)
        held = self.chains.get(replica, chain.CHAIN_START)
        self.chains[replica] = chain.extend(held, body)
        operation = decode(body)
        is_repeat = operation.op_id in self.counted
        if is_refused and not is_repeat:
            self.refused.setdefault(replica, set()).add(self.acked[replica])
            return
        touched: dict[Key, None] = {}
        for effect in operation.effects:
            for scope in scopes_of(effect):
                self.writers.setdefault(scope, set()).add(replica)
            if is_repeat:
                continue
            touched[effect.key] = None
            if isinstance(effect, CounterEffect):
                self.totals[effect.key] = self.totals.get(effect.key, 0) + effect.delta
            else:
                before = self.documents.get(effect.key, EMPTY)
                self.documents[effect.key] = documents.apply(before, [effect])
        self.counted.add(operation.op_id)
        for key in touched:
            self.head = HubSeq(self.head + 1)
            self.changed[key] = self.head

    def rows(self, scope: Scope) -> list[Row]:
        """The rows of a scope in the order of the feed."""
        found = (self._row(key) for key in sorted(self.changed, key=self.changed.__getitem__))
        return [row for row in found if scope in row.scopes]

    def page(self, scope: Scope, cursor: HubSeq, limit: int) -> Page:
        """The next rows of a scope after `cursor`."""
        behind = [row for row in self.rows(scope) if row.hub_seq > cursor]
        more = len(behind) > limit
        to = behind[limit - 1].hub_seq if more else max(self.head, cursor)
        inside = {replica: self.acked[replica] for replica in self.writers.get(scope, ())}
        return Page(scope, cursor, to, SALT, more, inside, tuple(behind[:limit]))

    def _row(self, key: Key) -> Row:
        at = self.changed[key]
        if isinstance(key, CounterKey):
            return CounterRow(*key, at, self.totals[key])
        return DocumentRow(*key, at, self.documents[key])

    def refusals(self, replica: ReplicaId) -> Iterator[Seq]:
        """Which of a replica's operations count nowhere."""
        yield from sorted(self.refused.get(replica, ()))
