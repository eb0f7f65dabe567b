"""Two session halves and the fold as one state machine, under copied, rolled back and cut off disks.

After any schedule, once healed: no operation is lost that some disk still holds, none counts twice, every node shows
the hub's totals and documents, and each total is the sum of its entries and of the ledger. Acts move goods and write a
document in one operation: what is on its way is what the document says of it, at the hub at every step.
"""

from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocol import chain, documents
from protocol.clock import Stamp
from protocol.documents import EMPTY
from protocol.effects import CounterEffect, CounterKey, DocumentKey, Effect, FieldEffect
from protocol.ids import Epoch, Location, Lot, OpId, ReplicaId, Seq, Sku
from protocol.rows import CounterRow, Row
from protocol.session import node as node_half
from protocol.session.hello import LocalLog, Push
from tests.protocol.chain_acts import (
    LEGS,
    PARCEL,
    RANKS,
    TRANSFERS,
    UNDER_WAY,
    decided,
    moved,
    noted,
    under_way,
)
from tests.protocol.chain_disks import SCOPES, HubDisk, NodeDisk, fresh
from tests.protocol.chain_model import Hub, Line, Node, new_node

KEYS = tuple(
    CounterKey(Location(place), Sku(sku), Lot(""), 0) for place in ("S01", "S02") for sku in "AB"
)
NODES_MAX = 4
ROUNDS_MAX = 60

_which = st.integers(0, NODES_MAX - 1)
_lines = st.lists(
    st.tuples(st.sampled_from(KEYS), st.integers(-3, 3)),
    min_size=1,
    max_size=3,
    unique_by=lambda p: p[0],
)


class Chain(RuleBasedStateMachine):
    """A hub and some nodes; what was answered to a till is owed while a disk has it."""

    @initialize(count=st.integers(1, 3))
    def open(self, count: int) -> None:
        self.hub = Hub()
        self.nodes = [new_node() for _ in range(count)]
        self.ghosts: list[Line] = []
        self.owed: set[OpId] = set()
        self.facts: dict[OpId, tuple[Effect, ...]] = {}
        self.node_backups: list[NodeDisk | None] = [None] * count
        self.hub_backup: HubDisk | None = None

    def node(self, which: int) -> Node:
        return self.nodes[which % len(self.nodes)]

    # --- what is wanted --------------------------------------------------------------------------------------------

    @rule(which=_which, lines=_lines)
    def record(self, which: int, lines: list[tuple[CounterKey, int]]) -> None:
        self._record(which, OpId(fresh()), *(CounterEffect(*key, delta) for key, delta in lines))

    @rule(
        which=_which,
        transfer=st.sampled_from(TRANSFERS),
        leg=st.sampled_from(sorted(LEGS)),
        quantity=st.integers(1, 9),
    )
    def move(self, which: int, transfer: DocumentKey, leg: str, quantity: int) -> None:
        """Ship or receive some of a transfer."""
        op_id, stamp = OpId(fresh()), self._stamp(which)
        self._record(which, op_id, *moved(transfer, leg, op_id.hex(), quantity, stamp))

    @rule(which=_which, transfer=st.sampled_from(TRANSFERS), leg=st.sampled_from(sorted(LEGS)))
    def scan(self, which: int, transfer: DocumentKey, leg: str) -> None:
        """Ship or receive a numbered parcel: whoever scans it records the same operation."""
        op_id = OpId(f"{transfer.id} {leg}".encode().ljust(16))
        if op_id not in self.node(which).disk.ids():
            stamp = Stamp(1, 0, ReplicaId(bytes(16)))
            self._record(which, op_id, *moved(transfer, leg, "parcel", PARCEL, stamp))

    @rule(
        which=_which, transfer=st.sampled_from(TRANSFERS), decision=st.sampled_from(sorted(RANKS))
    )
    def decide(self, which: int, transfer: DocumentKey, decision: str) -> None:
        """Decide something of a transfer, perhaps otherwise than somebody else."""
        self._record(which, OpId(fresh()), *decided(transfer, decision, self._stamp(which)))

    @rule(which=_which, transfer=st.sampled_from(TRANSFERS), words=st.sampled_from("xyz"))
    def edit(self, which: int, transfer: DocumentKey, words: str) -> None:
        """Write a field that others may write, too: the latest stands."""
        self._record(which, OpId(fresh()), noted(transfer, words, self._stamp(which)))

    def _record(self, which: int, op_id: OpId, *effects: Effect) -> None:
        self.node(which).record(op_id, *effects)
        self.facts[op_id] = effects
        self.owed.add(op_id)

    def _stamp(self, which: int) -> Stamp:
        return Stamp(int.from_bytes(fresh()), 0, self.node(which).disk.replica)

    @rule(which=_which, leave_old=st.booleans())
    def connect(self, which: int, leave_old: bool) -> None:
        """What an older connection has on its way may still arrive, much later."""
        node = self.node(which)
        if node.line is not None and leave_old:
            self.ghosts.append(node.line)
        node.line = Line(node, self.hub)

    @rule(which=_which, count=st.integers(1, 8))
    def deliver(self, which: int, count: int) -> None:
        line = self.node(which).line
        for _ in range(count if line is not None else 0):
            assert line is not None
            line.step_up() or line.step_down()

    @rule(which=_which, scope=st.sampled_from(SCOPES), limit=st.integers(1, 3))
    def feed(self, which: int, scope: Any, limit: int) -> None:
        line = self.node(which).line
        if line is not None and line.is_live:
            self.hub.feed(line, scope, limit)

    # --- what is not -----------------------------------------------------------------------------------------------

    @rule(which=_which)
    def cut(self, which: int) -> None:
        self.node(which).line = None

    @rule(which=_which)
    def crash(self, which: int) -> None:
        node = self.node(which)
        node.line, node.boot = None, fresh()

    @precondition(lambda self: self.ghosts)
    @rule(data=st.data())
    def a_late_message_arrives(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.ghosts)).step_up()

    @rule(which=_which)
    def back_up_node(self, which: int) -> None:
        at = which % len(self.nodes)
        self.node_backups[at] = self.nodes[at].disk.copied()

    @rule(which=_which)
    def restore_node(self, which: int) -> None:
        at = which % len(self.nodes)
        backup = self.node_backups[at]
        if backup is not None:
            before = self.everywhere()
            self.nodes[at] = Node(backup.copied())
            self.owed -= before - self.everywhere()

    @rule(which=_which)
    def clone(self, which: int) -> None:
        if len(self.nodes) < NODES_MAX:
            self.nodes.append(Node(self.node(which).disk.copied()))
            self.node_backups.append(None)

    @rule()
    def back_up_hub(self) -> None:
        self.hub_backup = self.hub.disk.copied()

    @rule(declared=st.booleans())
    def restore_hub(self, declared: bool) -> None:
        if self.hub_backup is None:
            return
        before = self.everywhere()
        self.hub.disk = self.hub_backup.copied()
        if declared:
            self.hub.disk.epoch = Epoch(fresh())
        self.owed -= before - self.everywhere()
        self.ghosts.clear()  # the process that had them ended
        for node in self.nodes:
            node.line = None

    def everywhere(self) -> set[OpId]:
        """Every operation that is on some disk."""
        return set(self.hub.disk.counted).union(*(node.disk.ids() for node in self.nodes))

    # --- what must hold --------------------------------------------------------------------------------------------

    @invariant()
    def nothing_counts_twice_and_totals_are_sums(self) -> None:
        if not hasattr(self, "hub"):
            return
        due: Counter[CounterKey] = Counter()
        for op_id in self.hub.disk.counted:
            for effect in self.facts[op_id]:
                if isinstance(effect, CounterEffect):
                    due[effect.key] += effect.delta
        for key in (*KEYS, UNDER_WAY):
            assert self.hub.disk.total(key) == due[key], key

    @invariant()
    def documents_are_what_counts_and_say_what_is_under_way(self) -> None:
        if not hasattr(self, "hub"):
            return
        disk, says = self.hub.disk, 0
        for key in TRANSFERS:
            edits = [
                effect
                for op_id in disk.counted
                for effect in self.facts[op_id]
                if isinstance(effect, FieldEffect) and effect.key == key
            ]
            assert disk.documents.get(key, EMPTY) == documents.apply(EMPTY, edits), key
            says += under_way(disk.documents.get(key, EMPTY))
        assert disk.total(UNDER_WAY) == says, "an act is there in part"

    @invariant()
    def every_log_of_the_hub_is_hashed_whole(self) -> None:
        for log in self.hub.disk.logs.values() if hasattr(self, "hub") else ():
            assert chain.extend_all(chain.CHAIN_START, log.bodies) == log.chain

    def teardown(self) -> None:
        if not hasattr(self, "hub"):
            return
        self.ghosts.clear()
        for _ in range(2):
            for node in self.nodes:
                self.settle(node)
        self.nothing_counts_twice_and_totals_are_sums()
        self.documents_are_what_counts_and_say_what_is_under_way()
        assert self.owed <= self.hub.disk.counted.keys(), "lost"
        for node in self.nodes:
            assert [node.disk.view(key) for key in (*KEYS, UNDER_WAY)] == [
                self.hub.disk.total(key) for key in (*KEYS, UNDER_WAY)
            ]
            for key in TRANSFERS:
                assert node.disk.shows(key) == self.hub.disk.documents.get(key, EMPTY), key

    def settle(self, node: Node) -> None:
        """Connect until a session holds and carries everything both ways; other sessions of its replica may end."""
        for _ in range(ROUNDS_MAX):
            line = node.line = Line(node, self.hub)
            while line.step_up() or line.step_down():
                pass
            if not line.is_live or line.node_session.state is not node_half.State.LIVE:
                continue
            for scope in SCOPES:
                while self.hub.feed(line, scope, 2):
                    pass
            while line.step_down() or line.step_up():
                pass
            assert node.disk.acked == len(node.disk.bodies), "something waits to be sent for ever"
            return
        raise AssertionError("no session comes about")


TestAnyScheduleLosesNothing = Chain.TestCase
TestAnyScheduleLosesNothing.settings = settings(max_examples=60, stateful_step_count=40)


@pytest.mark.slow
@pytest.mark.timeout(3600)
class TestAnyOfVeryManySchedulesLosesNothing(Chain.TestCase):  # type: ignore[valid-type, misc]
    """As many as the profile says, and longer ones."""

    settings = settings(stateful_step_count=80)


# --- the machine sees --------------------------------------------------------------------------------------------


def restored_and_sold_as_many_again() -> Chain:
    """A node put back to its backup sells exactly as many as it lost: the positions fit, the history does not."""
    world = Chain()
    world.open(1)
    world.record(0, [(KEYS[0], 1)])
    world.settle(world.node(0))
    world.back_up_node(0)
    for _ in range(3):
        world.record(0, [(KEYS[0], 1)])
    world.settle(world.node(0))
    world.restore_node(0)
    for _ in range(3):
        world.record(0, [(KEYS[1], 1)])
    return world


def test_a_restored_node_that_sold_as_many_again_loses_nothing() -> None:
    world = restored_and_sold_as_many_again()
    world.teardown()
    assert [world.hub.disk.total(key) for key in KEYS[:2]] == [4, 3]


def test_the_machine_sees_a_session_that_does_not_compare_hashes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def trust(acked: Seq, _chain: object, _log: LocalLog) -> Push:
        return Push((), Seq(acked + 1))

    monkeypatch.setattr(node_half, "node_decides", trust)
    world = restored_and_sold_as_many_again()
    with pytest.raises(AssertionError, match="lost"):
        world.teardown()


def test_the_machine_sees_ids_that_count_once_for_each_replica(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Forgetful(dict[Any, Any]):
        def setdefault(self, key: Any, value: Any = None) -> Any:
            self[key] = value
            return value

    world = restored_and_sold_as_many_again()
    monkeypatch.setattr(world.hub.disk, "counted", Forgetful(world.hub.disk.counted))
    with pytest.raises(AssertionError):
        world.teardown()


def acted_and_restored() -> Chain:
    """Two nodes ship and scan; the hub is put back to before the second one's acts, and told nothing."""
    world = Chain()
    world.open(2)
    world.move(0, TRANSFERS[0], "ship", 4)
    world.settle(world.node(0))
    world.back_up_hub()
    world.scan(1, TRANSFERS[0], "receive")
    world.decide(1, TRANSFERS[0], "closed")
    world.settle(world.node(1))
    world.restore_hub(declared=False)
    return world


def test_acts_that_a_hub_forgot_are_there_again_with_their_document() -> None:
    world = acted_and_restored()
    world.scan(0, TRANSFERS[0], "receive")
    world.teardown()
    assert world.hub.disk.total(UNDER_WAY) == 4 - PARCEL
    assert world.hub.disk.documents[TRANSFERS[0]].fields["stage"].value == "closed"


def test_the_machine_sees_a_node_that_reads_no_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    world, store = acted_and_restored(), NodeDisk._store

    def of_goods_alone(disk: NodeDisk, row: Row, own: int) -> None:
        if isinstance(row, CounterRow):
            store(disk, row, own)

    monkeypatch.setattr(NodeDisk, "_store", of_goods_alone)
    with pytest.raises(AssertionError):
        world.teardown()


def test_the_machine_sees_an_act_whose_goods_count_and_whose_document_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Chain()
    world.open(1)
    monkeypatch.setattr(documents, "apply", lambda held, _effects: held)
    world.move(0, TRANSFERS[0], "ship", 4)
    with pytest.raises(AssertionError, match="in part"):
        world.teardown()


def test_the_machine_sees_a_hub_that_forgets_which_history_a_cursor_is_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def anything(_hello: Any, _acked: Any, _hub: Any, _rows: Any) -> tuple[bool, bool, tuple[()]]:
        return False, False, ()

    monkeypatch.setattr("protocol.session.hello._history", anything)
    world = Chain()
    world.open(2)
    world.back_up_hub()
    world.record(0, [(KEYS[0], 1), (KEYS[1], 1)])
    for node in world.nodes:
        world.settle(node)
    world.restore_hub(declared=False)
    world.nodes[0] = new_node()
    world.owed.clear()
    world.record(0, [(KEYS[1], 5)])
    with pytest.raises(AssertionError):
        world.teardown()
