"""The hub of the model: its ledger, its rows and its memory of replicas, nodes and cursors.

Invariant: `push` changes everything or nothing, and a page is of one moment.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Self

from tests.sim.model.facts import NOTHING, START, Edit, Key, Op, Row, apply, clamp, extend, scope_of
from tests.sim.model.mechanisms import Mechanisms

Cursor = tuple[int, bytes | None]


class Replica(NamedTuple):
    """What the hub has of one log."""

    node: int
    acked: int
    chain: bytes


class Counted(NamedTuple):
    """One operation in the ledger that counts."""

    op: Op
    replica: int
    accepted: int


class Page(NamedTuple):
    """Some rows of a scope, and how far each log is inside them."""

    scope: str
    base: int
    to: int
    salt: bytes | None
    more: bool
    inside: Mapping[int, int]
    rows: Sequence[tuple[Key, Row]]


class Welcome(NamedTuple):
    """Where the hub stands with whoever came."""

    epoch: int
    acked: int
    chain: bytes
    stable: int
    scopes: frozenset[str]


class Hub:
    """See `Mechanisms` for what it can be made without."""

    def __init__(self, chance: random.Random, mechanisms: Mechanisms) -> None:
        self.epoch = chance.getrandbits(64)
        self.head = 0
        self.now = 0
        self.replicas: dict[int, Replica] = {}
        self.ledger: list[Counted] = []
        self.ids: set[int] = set()
        self.entries: dict[tuple[Key, int], tuple[int, int]] = {}
        self.rows: dict[Key, Row] = {}
        self.writers: dict[str, frozenset[int]] = {}
        self.nodes: set[int] = set()
        self.shut_out: set[int] = set()
        self.stable: Mapping[int, int] = {}
        self._salts: dict[int, bytes] = {0: START}
        self._ends: set[int] = {0}
        self._chance = chance
        self._mechanisms = mechanisms

    def copy(self) -> Self:
        """A backup; operations and rows are never changed in place."""
        other = type(self)(self._chance, self._mechanisms)
        for name, value in vars(self).items():
            is_ours = isinstance(value, dict | list | set)
            setattr(other, name, value.copy() if is_ours else value)
        return other

    def acked(self) -> dict[int, int]:
        """How far each log is in here."""
        return {replica: held.acked for replica, held in self.replicas.items()}

    # --- sessions --------------------------------------------------------------------------------------------------

    def enrol(self, node: int) -> None:
        """Hand out a certificate."""
        self.nodes.add(node)

    def admits(self, node: int) -> bool:
        """Whether a node with a certificate may have a session now."""
        if node in self.shut_out:
            return False
        access = self.rows.get(("document", f"node {node}"), NOTHING)
        if "shut out" in access.fields:
            return False
        if node not in self.nodes:
            if not self._mechanisms.certificates:
                return False
            self.nodes.add(node)
        return True

    def reads(self, node: int, always: frozenset[str]) -> frozenset[str]:
        """The scopes a node may read: its own, and what the office has let it read besides."""
        access = self.rows.get(("document", f"node {node}"), NOTHING)
        granted = {name for name, state in access.fields.items() if state.value and ":" in name}
        return always | granted

    def welcome(
        self,
        node: int,
        replica: int,
        acked_seen: int,
        epoch: int | None,
        cursors: Iterable[Cursor],
        always: frozenset[str],
    ) -> Welcome | None:
        """The hello table; None when the log has to begin anew: it belongs to another node."""
        held = self.replicas.get(replica) or Replica(node, 0, START)
        if held.node != node:
            return None
        self.replicas[replica] = held
        if epoch == self.epoch and (held.acked < acked_seen or self._is_foreign(cursors)):
            self.epoch = self._chance.getrandbits(64)
        scopes = self.reads(node, always)
        stable = self.stable.get(replica, 0)
        return Welcome(self.epoch, held.acked, held.chain, stable, scopes)

    def _is_foreign(self, cursors: Iterable[Cursor]) -> bool:
        if not self._mechanisms.salt_check:
            return False
        return any(salt is not None and self._salts.get(at) != salt for at, salt in cursors)

    # --- the ledger ------------------------------------------------------------------------------------------------

    def push(self, replica: int, first: int, prev: bytes, ops: Sequence[Op]) -> bool:
        """Take a batch if it continues the log; whether it did."""
        held = self.replicas[replica]
        if first != held.acked + 1:
            return False
        if prev != held.chain and self._mechanisms.chain_check:
            return False
        chain = held.chain
        touched: dict[Key, None] = {}
        for seq, op in enumerate(ops, start=first):
            chain = extend(chain, op)
            for effect in op.effects:
                writers = self.writers.get(scope_of(effect), frozenset())
                self.writers[scope_of(effect)] = writers | {replica}
            if op.id in self.ids and self._mechanisms.op_id_unique:
                continue
            self._count(Counted(op, replica, self.now), seq)
            touched |= dict.fromkeys(effect.key for effect in op.effects)
        self.replicas[replica] = Replica(held.node, held.acked + len(ops), chain)
        self._number(touched)
        return True

    def _count(self, counted: Counted, seq: int) -> None:
        self.ids.add(counted.op.id)
        self.ledger.append(counted)
        for effect in counted.op.effects:
            row = self.rows.get(effect.key, NOTHING)
            self.rows[effect.key] = apply(row, clamp(effect, counted.accepted))
            if not isinstance(effect, Edit):
                at = effect.key, counted.replica
                self.entries[at] = (seq, self.entries.get(at, (0, 0))[1] + effect.delta)

    def _number(self, touched: Iterable[Key]) -> None:
        salt = self._chance.randbytes(8)
        for key in touched:
            self.head += 1
            self.rows[key] = self.rows[key]._replace(hub_seq=self.head)
            self._salts[self.head] = salt
        self._ends.add(self.head)

    # --- the feed --------------------------------------------------------------------------------------------------

    def salt_of(self, at: int) -> bytes | None:
        """What a cursor that stands here is known by."""
        if at not in self._ends and not self._mechanisms.salt_of_every_seq:
            return None
        return self._salts[at]

    def page(self, scope: str, base: int, limit: int) -> Page:
        """The rows of a scope after `base`, at most `limit`."""
        behind = sorted(
            (row.hub_seq, key)
            for key, row in self.rows.items()
            if row.hub_seq > base and scope in row.scopes
        )
        rows = [(key, self.rows[key]) for _, key in behind[:limit]]
        more = len(behind) > limit
        to = behind[limit - 1][0] if more else max(base, self.head)
        inside = {replica: self.replicas[replica].acked for replica in self.writers.get(scope, ())}
        salt = self.salt_of(to) if to <= self.head else None
        return Page(scope, base, to, salt, more, inside, rows)

    def claim(self, ids: Iterable[int]) -> tuple[int, set[int]]:
        """Which of these count here, and the hub_seq by which they are inside the rows."""
        return self.head, self.ids.intersection(ids)

    # --- verifying -------------------------------------------------------------------------------------------------

    def faults(self) -> list[str]:
        """Rows that are not the fold of the ledger, and totals that are not the sum of their entries."""
        folded: dict[Key, Row] = {}
        for counted in self.ledger:
            for effect in counted.op.effects:
                row = folded.get(effect.key, NOTHING)
                folded[effect.key] = apply(row, clamp(effect, counted.accepted))
        found = [
            f"{key}: {row}, folded {folded.get(key)}"
            for key, row in self.rows.items()
            if folded.get(key, NOTHING) != row._replace(hub_seq=0)
        ]
        sums: dict[Key, int] = {}
        for (key, _), (_, added) in self.entries.items():
            sums[key] = sums.get(key, 0) + added
        return found + [f"{key}: {s}" for key, s in sums.items() if s != self.rows[key].total]
