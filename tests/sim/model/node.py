"""A node of the model: its log, the rows it was sent, and its own operations on top of them.

Invariant: what is recorded stays in the log until the hub says that it is inside a verified backup. A page, its marks
and the cursor are taken in together.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple, Self

from tests.sim.model.facts import NOTHING, START, Edit, Effect, Key, Op, Row, Stamp, apply_all
from tests.sim.model.facts import extend as extend_chain
from tests.sim.model.hub import Cursor, Hub, Page, Welcome
from tests.sim.model.mechanisms import Mechanisms

BATCH_OPS = 4


class Entry(NamedTuple):
    """One position of the log."""

    op: Op
    chain: bytes


class Held(NamedTuple):
    """A row as the hub sent it, and how far this log is inside it; `row.hub_seq` 0 in another history."""

    row: Row
    own: int


class Node:
    """See `Mechanisms` for what it can be made without.

    Args:
        number: which device this is.
        always: the scopes its certificate names.
    """

    def __init__(
        self, number: int, always: frozenset[str], chance: random.Random, mechanisms: Mechanisms
    ) -> None:
        self.number = number
        self.always = always
        self.log: list[Entry] = []
        self.floor = (0, START)
        self.replica = chance.getrandbits(64)
        self.acked = 0
        self.stable = 0
        self.epoch: int | None = None
        self.held: dict[Key, Held] = {}
        self.cursors: dict[str, Cursor] = {}
        self.marks: dict[str, int] = {}
        self.caught_up: set[str] = set()
        self.pending: dict[Key, dict[int, tuple[Effect, ...]]] = {}
        self.settled: dict[int, int] = {}
        self.asks = False
        self.last_stamp = Stamp(0, 0, 0)
        self.clock = 0
        self.gaps = 0
        self.replicas_begun = 0
        self._chance = chance
        self._mechanisms = mechanisms

    def copy(self) -> Self:
        """A backup, or a clone."""
        other = type(self)(self.number, self.always, self._chance, self._mechanisms)
        for name, value in vars(self).items():
            is_ours = isinstance(value, dict | list | set)
            setattr(other, name, value.copy() if is_ours else value)
        other.pending = {key: own.copy() for key, own in self.pending.items()}
        return other

    @property
    def last(self) -> int:
        """The log's end."""
        return self.floor[0] + len(self.log)

    # --- recording -------------------------------------------------------------------------------------------------

    def record(self, op: Op) -> None:
        """Append, and put on top."""
        self.log.append(Entry(op, extend_chain(self._chain_at(self.last) or START, op)))
        for effect in op.effects:
            own = self.pending.setdefault(effect.key, {})
            own[op.id] = (*own.get(op.id, ()), effect)

    def stamp(self) -> Stamp:
        """The stamp of an edit made now: larger than all that was seen."""
        seen = self.last_stamp
        fresh = Stamp(self.clock, 0, self.replica)
        self.last_stamp = (
            fresh if self.clock > seen.wall else Stamp(seen.wall, seen.tick + 1, self.replica)
        )
        return self.last_stamp

    def prune(self) -> None:
        """Let go of the log's beginning."""
        upto = self.stable if self._mechanisms.acked_is_kept else self.acked
        count = upto - self.floor[0]
        if 0 < count <= len(self.log):
            self.floor = (upto, self.log[count - 1].chain)
            del self.log[:count]

    def view(self, key: Key) -> Row:
        """What is shown: the hub's row with the own effects that it does not include."""
        row = self.held[key].row if key in self.held else NOTHING
        for effects in self.pending.get(key, {}).values():
            row = apply_all(row, effects)
        return row

    def _chain_at(self, seq: int) -> bytes | None:
        at, chain = self.floor
        if seq == at:
            return chain
        return self.log[seq - at - 1].chain if at < seq <= self.last else None

    # --- a session -------------------------------------------------------------------------------------------------

    def meet(self, hub: Hub) -> bool:
        """Say hello, and begin a new replica as often as that asks for; False when the hub shuts the door."""
        for _ in range(4):
            if not hub.admits(self.number):
                return False
            if hub.replicas.get(self.replica) is None and self.floor[0]:
                self._begin_replica(hub)
                continue
            welcome = hub.welcome(
                self.number,
                self.replica,
                self.acked,
                self.epoch,
                self.cursors.values(),
                self.always,
            )
            if welcome is not None and self._goes_on(welcome):
                self._take_up(welcome.scopes)
                self._claim(hub)
                return True
            self._begin_replica(hub)
        raise AssertionError("a new replica does not end in a session")

    def _goes_on(self, welcome: Welcome) -> bool:
        """Take in what WELCOME says, and whether this log is the one the hub has."""
        acked_seen = self.acked
        chain = self._chain_at(welcome.acked)
        is_ours = chain == welcome.chain
        if self.epoch is not None and self.epoch != welcome.epoch:
            self._begin_epoch(welcome.acked if is_ours else None)
        self.epoch, self.acked = welcome.epoch, welcome.acked
        self.stable = welcome.stable
        if welcome.acked < acked_seen and welcome.acked < self.floor[0]:
            self.gaps += 1
            return False
        if self.last < welcome.acked:
            return False
        if not self._mechanisms.chain_check or not self._mechanisms.acked_is_kept:
            return True
        return is_ours

    def _begin_replica(self, hub: Hub) -> None:
        self.replicas_begun += 1
        self.replica = self._chance.getrandbits(64)
        kept = [entry.op for entry in self.log]
        if not self._mechanisms.new_replica_repeats_all:
            kept = [op for op in kept if op.id not in hub.ids]
        self.log, self.floor = [], (0, START)
        chain = START
        for op in kept:
            chain = extend_chain(chain, op)
            self.log.append(Entry(op, chain))
        self.acked = self.stable = 0
        self.marks.clear()
        self.held = {key: Held(held.row, 0) for key, held in self.held.items()}
        self.asks = True

    def _begin_epoch(self, acked: int | None) -> None:
        if acked is not None:
            self.pending.clear()
            for entry in self.log[max(0, acked - self.floor[0]) :]:
                for effect in entry.op.effects:
                    own = self.pending.setdefault(effect.key, {})
                    own[entry.op.id] = (*own.get(entry.op.id, ()), effect)
        self.held = {key: Held(held.row._replace(hub_seq=0), 0) for key, held in self.held.items()}
        self.cursors = dict.fromkeys(self.cursors, (0, START))
        self.marks.clear()
        self.caught_up.clear()
        self.settled.clear()
        self.asks = True

    def _claim(self, hub: Hub) -> None:
        if self.asks:
            waiting = {id_ for own in self.pending.values() for id_ in own}
            at, inside = hub.claim(waiting)
            self.settled = dict.fromkeys(inside, at)
            self.asks = False

    def push(self, hub: Hub, *, answered: bool) -> bool:
        """Send a batch; whether there is more to send. The answer may get lost on its way."""
        first = self.acked + 1
        ops = [entry.op for entry in self.log[max(0, self.acked - self.floor[0]) :][:BATCH_OPS]]
        if not ops:
            return False
        prev = self._chain_at(first - 1) or START
        if hub.push(self.replica, first, prev, ops) and answered:
            self.acked = first + len(ops) - 1
        return answered and self.acked < self.last

    # --- the feed --------------------------------------------------------------------------------------------------

    def _take_up(self, scopes: frozenset[str]) -> None:
        """Begin and let go of scopes."""
        for scope in self.cursors.keys() - scopes:
            del self.cursors[scope]
            self.marks.pop(scope, None)
            self.caught_up.discard(scope)
        # What stays is what is still read by another scope, or is not the hub's at all.
        self.held = {
            key: held for key, held in self.held.items() if held.row.scopes & self.cursors.keys()
        }
        begun = (0, START)
        if not self._mechanisms.cursor_per_scope and self.cursors:
            begun = max(self.cursors.values(), key=lambda cursor: cursor[0])  # type: ignore[assignment]
        for scope in scopes - self.cursors.keys():
            self.cursors[scope] = begun

    def take_page(self, page: Page) -> None:
        """Take in rows, marks and cursor."""
        own = page.inside.get(self.replica, 0)
        for key, row in page.rows:
            held = self.held.get(key)
            if held is None or held.row.hub_seq < row.hub_seq:
                self.held[key] = Held(row, own)
                self._see(row)
                self._forget_inside(key, own)
        if not page.more:
            self._read_to_end(page.scope, own)
        self.cursors[page.scope] = (page.to, page.salt)
        self._settle(page.scope)

    def catch_up(self, at: int, salt: bytes | None) -> None:
        """Everything of every scope was sent up to here."""
        for scope, (cursor, _) in self.cursors.items():
            if cursor < at:
                self.cursors[scope] = (at, salt)
                self._settle(scope)

    def _read_to_end(self, scope: str, own: int) -> None:
        if scope not in self.caught_up:
            gone = [
                key
                for key, held in self.held.items()
                if not held.row.hub_seq and scope in held.row.scopes
            ]
            for key in gone:
                del self.held[key]
            self.caught_up.add(scope)
        self.marks[scope] = max(own, self.marks.get(scope, 0))
        for key in [key for key in self.pending if scope in self._scopes(key)]:
            self._forget_inside(key, own)

    def _scopes(self, key: Key) -> Sequence[str]:
        named = [
            key[0] if not isinstance(effect, Edit) else effect.scope
            for effects in self.pending[key].values()
            for effect in effects
        ]
        return [*named, *(self.held[key].row.scopes if key in self.held else ())]

    def _forget_inside(self, key: Key, own: int) -> None:
        waiting = self.pending.get(key)
        if not waiting:
            return
        inside = {entry.op.id for entry in self.log[: max(0, own - self.floor[0])]}
        retained = {entry.op.id for entry in self.log}
        for id_ in list(waiting):
            # What was pruned is inside a backup, and so inside every row that is sent from now on.
            if id_ in inside or id_ not in retained:
                del waiting[id_]
        if not waiting:
            del self.pending[key]

    def _settle(self, scope: str) -> None:
        """What the hub claimed to count leaves the top once the scope was read that far."""
        at, _ = self.cursors[scope]
        for key in [key for key in self.pending if scope in self._scopes(key)]:
            for id_ in [i for i in self.pending[key] if self.settled.get(i, at + 1) <= at]:
                del self.pending[key][id_]
            if not self.pending[key]:
                del self.pending[key]

    def _see(self, row: Row) -> None:
        for state in row.fields.values():
            self.last_stamp = max(self.last_stamp, state.stamp)
