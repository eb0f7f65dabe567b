"""The counters that one batch touches: read together, counted in memory, written together.

Invariant: an operation is counted whole or not at all. A counter that some operation touched takes a hub_seq of its own
in `write`, in the order first read, whether or not its total moved: its entry now reaches further into the log.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from protocol.digest import row_hash
from protocol.effects import CounterEffect
from protocol.ids import HubSeq, Location, Lot, Sku
from protocol.limits import INT_MAX, TOTAL_MAX
from protocol.rows import CounterRow
from runtime.queries import by_place, load_queries

SQL: Final = load_queries(__file__, "counters.sql")
_ADD_COUNTER: Final = by_place(
    SQL["add_counter"], ("id", "location", "sku", "lot", "account", "total", "hub_seq")
)
_SET_COUNTER: Final = by_place(SQL["set_counter"], ("total", "hub_seq", "id"))
_SET_ENTRY: Final = by_place(SQL["set_entry"], ("counter", "replica", "seq", "plus", "minus"))
_OUT_OF_RANGE: Final = "a total would leave the range of whole numbers that every reader knows"

_Key = tuple[Location, Sku, Lot, int]


class ScopeSums(Protocol):
    """What a scope keeps of its rows."""

    rows: int
    digest: int
    hub_seq: int


@dataclass(slots=True)
class _Counter:
    id: int | None
    """None until it is written for the first time."""
    total: int
    plus: int
    minus: int
    old_total: int
    old_hub_seq: int
    seq: int = 0
    """Of the last operation of this batch that touched it; 0 while none has."""

    def add(self, delta: int) -> bool:
        """Count, unless the result cannot be stored and shown."""
        total, plus, minus = self.total + delta, self.plus, self.minus
        if delta >= 0:
            plus += delta
        else:
            minus -= delta
        if not -TOTAL_MAX <= total <= TOTAL_MAX or plus > INT_MAX or minus > INT_MAX:
            return False
        self.total, self.plus, self.minus = total, plus, minus
        return True

    def take_back(self, delta: int) -> None:
        """Undo `add`."""
        self.total -= delta
        if delta >= 0:
            self.plus -= delta
        else:
            self.minus += delta


class Counters:
    """The counters that a batch of one replica touches.

    Args:
        db: inside the transaction of the commit.
        replica: the replica's short id.
    """

    def __init__(self, db: sqlite3.Connection, replica: int) -> None:
        self._db = db
        self._replica = replica
        self._held: dict[_Key, _Counter] = {}

    def expect(self, effects: Iterable[CounterEffect]) -> None:
        """Read what these will touch in one statement: one at a time, a counter costs three times as much.

        Only for speed: `add` reads what it does not find here.
        """
        self._load(dict.fromkeys(effect[:4] for effect in effects))

    def add(self, seq: int, effects: Sequence[CounterEffect]) -> str | None:
        """Count an operation's effects; None when all are in, else why they cannot be, and none is."""
        touched: list[_Counter] = []
        for effect in effects:
            counter = self._held.get(effect[:4]) or self._load_one(effect[:4])
            if not counter.add(effect.delta):
                for done, counted in zip(touched, effects, strict=False):
                    done.take_back(counted.delta)
                return _OUT_OF_RANGE
            touched.append(counter)
        for counter in touched:
            counter.seq = seq
        return None

    def write(self, hub_seq: int, scopes: Mapping[Location, ScopeSums]) -> int:
        """Store what was touched under the numbers after `hub_seq`; the last one given.

        Args:
            hub_seq: the last number taken.
            scopes: of each location touched, where the rows are summed.
        """
        next_id = self._db.execute(SQL["last_counter"]).fetchone()[0] + 1
        new: list[tuple[object, ...]] = []
        changed: list[tuple[int, int, int]] = []
        entries: list[tuple[int, int, int, int, int]] = []
        for key, counter in self._held.items():
            if not counter.seq:
                continue
            hub_seq += 1
            if counter.id is None:
                counter.id, next_id = next_id, next_id + 1
                new.append((counter.id, *key, counter.total, hub_seq))
            else:
                changed.append((counter.total, hub_seq, counter.id))
            entries.append((counter.id, self._replica, counter.seq, counter.plus, counter.minus))
            _sum(scopes[key[0]], key, counter, HubSeq(hub_seq))
        self._db.executemany(_ADD_COUNTER, new)
        self._db.executemany(_SET_COUNTER, changed)
        self._db.executemany(_SET_ENTRY, entries)
        return hub_seq

    def _load_one(self, key: _Key) -> _Counter:
        self._load([key])
        return self._held[key]

    def _load(self, keys: Iterable[_Key]) -> None:
        asked = [key for key in keys if key not in self._held]
        values = {"keys": json.dumps(asked), "replica": self._replica}
        found = {
            index: _Counter(id_, total, plus, minus, total, hub_seq)
            for index, id_, total, hub_seq, plus, minus in self._db.execute(SQL["counters"], values)
        }
        for index, key in enumerate(asked):
            self._held[key] = found.get(index) or _Counter(None, 0, 0, 0, 0, 0)


def _sum(scope: ScopeSums, key: _Key, counter: _Counter, hub_seq: HubSeq) -> None:
    """Put the new row in the place of the old one in its scope's digest."""
    scope.hub_seq = hub_seq
    scope.digest += row_hash(CounterRow(*key, hub_seq, counter.total))
    if counter.old_hub_seq:
        old = CounterRow(*key, HubSeq(counter.old_hub_seq), counter.old_total)
        scope.digest -= row_hash(old)
    else:
        scope.rows += 1
