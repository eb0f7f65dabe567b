"""A shop's past: movements recorded here and by another till of the same shop, late and early, and what they come to.

Its oracle is a list of every line that counts, folded anew for each question.
"""

import sqlite3
from typing import NamedTuple

from node.commands import movements
from node.commands.movements import Here
from node.commands.requests import Authority, Caller, Line, Movement
from node.replica import log, rows, scopes, view
from node.replica import movements as listed
from node.reports.frame import Moment
from protocol.certificate import Role
from protocol.effects import Account, CounterEffect
from protocol.frames.log import StatusEntry
from protocol.frames.repair import LedgerItem
from protocol.ids import HubSeq, Location, Lot, OpId, ReplicaId, Scope, Seq, Sku
from protocol.movements import MoveKind
from protocol.operation import Operation, encode
from tests.node.chain import CHAIN, ME, certificate_of
from tests.node.replica.conftest import new_replica_database
from tests.node.replica.whole_hub import WholeHub

TILL = Caller("till-1", Authority.TILL)
OTHER = ReplicaId(b"the second till.")
NOW_MS = 1_700_000_000_000
DAY_MS = 24 * 3600 * 1000
SHOP, STOCK = Location("S01"), Scope("stock:S01")
MOMENT = Moment(NOW_MS, certificate_of(writes=("S01",)), is_operator=True)


class Counted(NamedTuple):
    """A line that counts."""

    at_ms: int
    sku: str
    lot: str
    delta: int


class Past:
    """Of one node and its hub."""

    def __init__(self, *, role: Role = Role.STORE) -> None:
        self.db: sqlite3.Connection = new_replica_database()
        self.here = Here(CHAIN, ME, certificate_of(writes=("S01",), role=role), None, NOW_MS)
        self.moment = Moment(NOW_MS, self.here.certificate, is_operator=True)
        self.counted: list[Counted] = []
        self._hub = WholeHub()
        self._elsewhere: list[LedgerItem] = []

    def close(self) -> None:
        """End it."""
        self.db.close()

    def records(self, kind: MoveKind, at_ms: int, *lines: tuple[str, str, int]) -> bytes:
        """Record a movement here that happened at an instant; its id."""
        asked = tuple(Line(Sku(sku), Lot(lot), delta) for sku, lot, delta in lines)
        movement = Movement(kind, SHOP, asked, occurred_at_ms=at_ms, reason="why")
        key = f"k{log.head(self.db).seq}"
        answer = movements.record(self.db, self.here, TILL, movement, key)
        self.counted += [Counted(at_ms, *line) for line in lines]
        return bytes.fromhex(answer.movement_id.replace("-", ""))

    def reverses(self, movement_id: bytes) -> None:
        """Take a movement back, now."""
        found = listed.one(self.db, OpId(movement_id))
        assert found is not None
        movements.reverse(self.db, self.here, TILL, OpId(movement_id), "back " + movement_id.hex())
        self.counted += [
            Counted(NOW_MS, effect.sku, effect.lot, -effect.delta)
            for effect in found.operation.effects
            if isinstance(effect, CounterEffect)
        ]

    def elsewhere(self, at_ms: int, *lines: tuple[str, str, int]) -> None:
        """The other till sells; the stock comes with `hears`, the movement with `fetches`."""
        seq = self._hub.acked.get(OTHER, Seq(0)) + 1
        effects = tuple(
            CounterEffect(SHOP, Sku(sku), Lot(lot), int(Account.ON_HAND), delta)
            for sku, lot, delta in lines
        )
        op_id = OpId(b"till two" + seq.to_bytes(8))
        body = encode(
            Operation(op_id, at_ms, at_ms, None, "till-2", "till-2", "move.sale", 1, effects, {})
        )
        self._hub.push(OTHER, body, is_refused=False)
        self._elsewhere.append(LedgerItem(seq, OTHER, Seq(seq), at_ms, body))
        self.counted += [Counted(at_ms, *line) for line in lines]

    def hears(self) -> None:
        """Read every row that the hub has."""
        state = scopes.read(self.db, STOCK)
        assert state is not None
        page = self._hub.page(STOCK, state.cursor, 1_000)
        rows.take_in(self.db, page, page.rows, ME, finish=True)

    def neighbour(self, sku: str, amount: int, lot: str = "") -> None:
        """Another shop's stock, which this node reads, and whose movements it does not."""
        scope = Scope("stock:S02")
        scopes.begin(self.db, [scope])
        effect = CounterEffect(Location("S02"), Sku(sku), Lot(lot), int(Account.ON_HAND), amount)
        op_id, at_ms = OpId(b"the neighbour's."), NOW_MS - DAY_MS
        operation = Operation(op_id, at_ms, at_ms, None, "x", "x", "move.sale", 1, (effect,), {})
        self._hub.push(ReplicaId(b"the neighbour 's"), encode(operation), is_refused=False)
        page = self._hub.page(scope, HubSeq(0), 1_000)
        rows.take_in(self.db, page, page.rows, ME, finish=True)

    def fetches(self, *, to_the_end: bool = True) -> None:
        """Read what the other till recorded."""
        upto = max((item.position for item in self._elsewhere), default=0)
        listed.pull(self.db, SHOP, self._elsewhere, upto)
        if to_the_end:
            listed.note_whole(self.db, SHOP)

    def is_set_aside(self, movement_id: bytes) -> None:
        """The hub sets an own movement aside: it counts nowhere."""
        found = listed.one(self.db, OpId(movement_id))
        assert found is not None
        log.quarantine(self.db, [StatusEntry(found.seq, "forbidden", "no")], NOW_MS)
        view.forget_quarantined(self.db, found.seq)
        for effect in found.operation.effects:
            assert isinstance(effect, CounterEffect)
            at_ms = found.operation.occurred_at
            self.counted.remove(Counted(at_ms, effect.sku, effect.lot, effect.delta))

    def lay(self, at_ms: int) -> dict[tuple[str, str], int]:
        """What the lines up to an instant come to, by SKU and lot; those of 0 too."""
        found = dict.fromkeys(((one.sku, one.lot) for one in self.counted), 0)
        for one in self.counted:
            if one.at_ms <= at_ms or at_ms >= NOW_MS:
                found[one.sku, one.lot] += one.delta
        return found
