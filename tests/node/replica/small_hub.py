"""A hub small enough to be obviously right: the oracle that the node's SQL is held against.

It folds what it is given with a dictionary and makes the same pages a real hub makes.
"""

from dataclasses import dataclass, field

from protocol.effects import CounterEffect, CounterKey
from protocol.frames.feed import Page
from protocol.ids import HubSeq, ReplicaId, Salt, Scope, Seq, stock_scope
from protocol.operation import decode
from protocol.rows import CounterRow

SALT = Salt(b"saltsalt")


@dataclass
class SmallHub:
    """Totals, their hub_seq, and how far each replica's log is in."""

    totals: dict[CounterKey, int] = field(default_factory=dict)
    seqs: dict[CounterKey, HubSeq] = field(default_factory=dict)
    acked: dict[ReplicaId, Seq] = field(default_factory=dict)
    writers: dict[Scope, set[ReplicaId]] = field(default_factory=dict)
    refused: set[tuple[ReplicaId, Seq]] = field(default_factory=set)
    head: int = 0

    def push(self, replica: ReplicaId, seq: Seq, body: bytes, *, refuse: bool = False) -> None:
        """Take the next operation of a replica; a repeat changes nothing."""
        if seq != self.acked.get(replica, 0) + 1:
            return
        self.acked[replica] = seq
        if refuse:
            self.refused.add((replica, seq))
            return
        touched: dict[CounterKey, None] = {}
        for effect in decode(body).effects:
            if not isinstance(effect, CounterEffect):
                continue  # documents have tests of their own
            self.totals[effect.key] = self.totals.get(effect.key, 0) + effect.delta
            self.writers.setdefault(stock_scope(effect.location), set()).add(replica)
            touched[effect.key] = None
        for key in touched:
            self.head += 1
            self.seqs[key] = HubSeq(self.head)

    def page(self, scope: Scope, cursor: HubSeq, limit: int) -> Page:
        """The next rows of a scope after `cursor`."""
        behind = sorted(
            (seq, key)
            for key, seq in self.seqs.items()
            if stock_scope(key.location) == scope and seq > cursor
        )
        rows = tuple(CounterRow(*key, seq, self.totals[key]) for seq, key in behind[:limit])
        more = len(behind) > limit
        to = rows[-1].hub_seq if more else HubSeq(self.head)
        inside = {replica: self.acked[replica] for replica in self.writers.get(scope, ())}
        return Page(scope, cursor, to, SALT, more, inside, rows)
