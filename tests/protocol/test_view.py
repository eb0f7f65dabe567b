"""The central property: whatever order things arrive in, a node shows the right stock.

At every step each node's view of a row is the hub's row joined with exactly its own operations that
are not inside it; when all is pushed and read, every view is the hub's row. The lemmas are SYNC
lemmas 1 to 3: no double count and no omission, exactly once, convergence.
"""

import random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protocol.effects import CounterEffect, DocumentKey, Effect, FieldEffect
from protocol.ids import Location, Lot, ReplicaId, Scope, Sku
from tests.protocol.view_model import Hub, Key, Node, Rules, Sent, shown

LOCATIONS = (Location("S01"), Location("S02"))
SKUS = (Sku("A"), Sku("B"))
SCOPES = (Scope("stock:S01"), Scope("stock:S02"), Scope("catalogue"), Scope("docs:S01"))
DOCUMENT_SCOPES = (
    (Scope("catalogue"),),
    (Scope("docs:S01"),),
    (Scope("catalogue"), Scope("docs:S01")),
)
YEAR_2099 = 4_070_908_800_000


class World:
    """A hub, some nodes, and what is on its way to each: any of it may come late, twice or never."""

    def __init__(self, nodes: int, rules: Rules) -> None:
        self.hub = Hub()
        self.nodes = [
            Node(ReplicaId(bytes([number]) * 16), rules=rules) for number in range(1, nodes + 1)
        ]
        self.inboxes: list[list[Sent]] = [[] for _ in self.nodes]

    def send_page(self, number: int, scope: Scope, limit: int, back: int) -> None:
        """Page a scope from a node's cursor, or from a little before it."""
        base = max(self.nodes[number].cursors.get(scope, 0) - back, 0)
        self.inboxes[number].append(self.hub.page(scope, base, limit))

    def send_status(self, number: int) -> None:
        """Report a node's quarantined operations."""
        if status := self.hub.status(self.nodes[number].replica):
            self.inboxes[number].append(status)

    def quiesce(self) -> None:
        """Push everything, then deliver everything in order."""
        for node in self.nodes:
            while node.acked < len(node.bodies):
                node.acked = self.hub.acked(node.replica)
                node.push(self.hub, 50, acknowledged=True)
        for number, node in enumerate(self.nodes):
            self.send_status(number)
            for sent in self.inboxes[number]:
                node.receive(sent)
            self.inboxes[number].clear()
            for scope in SCOPES:
                for _ in range(20):
                    node.receive(self.hub.page(scope, node.cursors.get(scope, 0), 3))

    def faults(self) -> list[str]:
        """Rows that a node shows otherwise than the row and its own missing operations say."""
        return [
            f"{number} {key}: shows {node.view(key)!r}, due {node.due(key)!r}"
            for number, node in enumerate(self.nodes)
            for key in node.rows()
            if node.view(key) != node.due(key)
        ]

    def differences(self) -> list[str]:
        """Rows that a node shows otherwise than the hub."""
        keys: set[Key] = set(self.hub.changed).union(*(node.rows() for node in self.nodes))
        return [
            f"{number} {key}: {node.view(key)!r}"
            for number, node in enumerate(self.nodes)
            for key in keys
            if node.view(key) != self.hub_shows(key)
        ]

    def hub_shows(self, key: Key) -> int | bytes:
        """The hub's row, or nothing."""
        return shown(key, self.hub.row(key) if key in self.hub.changed else None, [])


# --- as a state machine ------------------------------------------------------------------------------------------

_numbers = st.integers(0, 3)
_deltas = st.integers(-5, 5)
_counters = st.builds(
    CounterEffect,
    st.sampled_from(LOCATIONS),
    st.sampled_from(SKUS),
    st.just(Lot("")),
    st.just(0),
    _deltas,
)
_edit_parts = st.tuples(
    st.sampled_from(["x", "y"]),
    st.sampled_from(["name", "state"]),
    st.integers(0, 2),
    st.sampled_from([None, True, 1, "a", "b"]),
    st.sampled_from(DOCUMENT_SCOPES),
)


def edit(node: Node, parts: tuple[str, str, int, object, tuple[Scope, ...]]) -> FieldEffect:
    """An edit made now; `state` joins by rank."""
    id_, name, rank, value, scopes = parts
    join = int(name == "state")
    return FieldEffect("thing", id_, name, join, rank * join, value, node.stamp(), scopes)


class Chain(RuleBasedStateMachine):
    """Two to four nodes and a hub under any schedule."""

    world: World

    @initialize(nodes=st.integers(2, 4))
    def open(self, nodes: int) -> None:
        self.world = World(nodes, Rules())

    def node(self, number: int) -> Node:
        return self.world.nodes[number % len(self.world.nodes)]

    @rule(
        number=_numbers,
        counters=st.lists(_counters, max_size=3),
        edits=st.lists(_edit_parts, max_size=2),
        decodable=st.sampled_from([True, True, True, False]),
    )
    def record(
        self, number: int, counters: list[CounterEffect], edits: list[Any], decodable: bool
    ) -> None:
        node = self.node(number)
        effects: list[Effect] = [*counters, *(edit(node, parts) for parts in edits)]
        node.record(*effects, decodable=decodable)

    @rule(number=_numbers, count=st.integers(1, 4), acknowledged=st.booleans())
    def push(self, number: int, count: int, acknowledged: bool) -> None:
        self.node(number).push(self.world.hub, count, acknowledged=acknowledged)

    @rule(
        number=_numbers,
        scope=st.sampled_from(SCOPES),
        limit=st.integers(1, 5),
        back=st.integers(0, 4),
    )
    def send_page(self, number: int, scope: Scope, limit: int, back: int) -> None:
        self.world.send_page(number % len(self.world.nodes), scope, limit, back)

    @rule(number=_numbers, scope=st.sampled_from(SCOPES))
    def catch_up(self, number: int, scope: Scope) -> None:
        node = self.node(number)
        node.receive(self.world.hub.page(scope, node.cursors.get(scope, 0), 1_000))

    @rule(number=_numbers)
    def send_status(self, number: int) -> None:
        self.world.send_status(number % len(self.world.nodes))

    @precondition(lambda self: any(self.world.inboxes))
    @rule(data=st.data(), keep=st.booleans(), lose=st.sampled_from([False, False, True]))
    def deliver(self, data: st.DataObject, keep: bool, lose: bool) -> None:
        waiting = [number for number, inbox in enumerate(self.world.inboxes) if inbox]
        number = data.draw(st.sampled_from(waiting))
        inbox = self.world.inboxes[number]
        at = data.draw(st.integers(0, len(inbox) - 1))
        if not lose:
            self.world.nodes[number].receive(inbox[at])
        if lose or not keep:
            del inbox[at]

    @invariant()
    def every_view_is_the_row_and_what_is_missing_in_it(self) -> None:
        if hasattr(self, "world"):
            assert self.world.faults() == []

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.quiesce()
            assert self.world.faults() == []
            assert self.world.differences() == []


TestAnyScheduleGivesTheRightView = Chain.TestCase
TestAnyScheduleGivesTheRightView.settings = settings(max_examples=60, stateful_step_count=30)


# --- in bulk, seeded ---------------------------------------------------------------------------------------------


def act(world: World, chance: random.Random) -> None:
    """One random event."""
    number = chance.randrange(len(world.nodes))
    node, inbox = world.nodes[number], world.inboxes[number]
    match chance.choices(["record", "push", "page", "status", "deliver"], [30, 20, 25, 3, 30])[0]:
        case "record":
            node.record(*some_effects(node, chance), decodable=chance.random() > 0.15)
        case "push":
            node.push(world.hub, chance.randint(1, 4), acknowledged=chance.random() > 0.3)
        case "page":
            back = chance.choice([0, 0, 1, 5])
            world.send_page(number, chance.choice(SCOPES), chance.choice([1, 2, 3, 50]), back)
        case "status":
            world.send_status(number)
        case _ if inbox:
            at = chance.randrange(len(inbox))
            if chance.random() > 0.1:
                node.receive(inbox[at])
            if chance.random() > 0.2:
                del inbox[at]


def some_effects(node: Node, chance: random.Random) -> list[Effect]:
    """One to three effects of either kind."""
    effects: list[Effect] = []
    for _ in range(chance.randint(1, 3)):
        if chance.random() < 0.6:
            at, sku = chance.choice(LOCATIONS), chance.choice(SKUS)
            effects.append(CounterEffect(at, sku, Lot(""), 0, chance.randint(-3, 3)))
        else:
            name, value = chance.choice(["name", "state"]), chance.choice([None, True, 1, "a", "b"])
            parts = (
                chance.choice("xy"),
                name,
                chance.randint(0, 2),
                value,
                chance.choice(DOCUMENT_SCOPES),
            )
            effects.append(edit(node, parts))
    return effects


def run(seed: int, rules: Rules, steps: int = 60) -> list[str]:
    """One seeded run; returns what went wrong at the first step where something did."""
    chance = random.Random(seed)
    world = World(chance.randint(2, 4), rules)
    for _ in range(steps):
        act(world, chance)
        if faults := world.faults():
            return faults
    if not rules.status:
        known_in_every_scope(world)
    world.quiesce()
    return world.faults() + world.differences()


def known_in_every_scope(world: World) -> None:
    """Let every node write in every scope, so that every page names it."""
    for node in world.nodes:
        counters = [CounterEffect(at, SKUS[0], Lot(""), 0, 1) for at in LOCATIONS]
        node.record(*counters, edit(node, ("z", "name", 0, "a", DOCUMENT_SCOPES[2])))


def test_any_of_many_schedules_gives_the_right_view() -> None:
    for seed in range(200):
        assert run(seed, Rules()) == [], f"seed {seed}"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_any_of_very_many_schedules_gives_the_right_view() -> None:
    for seed in range(10_000, 11_500):
        assert run(seed, Rules(), steps=90) == [], f"seed {seed}"


def test_the_marks_alone_settle_what_the_hub_could_not_decode() -> None:
    """STATUS may never come: pages that say how far they go are enough."""
    for seed in range(60):
        assert run(seed, Rules(status=False)) == [], f"seed {seed}"


BROKEN = {
    "the scope's mark is dropped": Rules(scope_mark=False),
    "the row's mark is dropped": Rules(row_mark=False),
    "marks are dropped": Rules(scope_mark=False, row_mark=False),
    "own is taken from the row's own entries only": Rules(
        scope_mark=False, row_mark_is_the_pages=False
    ),
    "marks are taken of scopes that only an undecodable operation names": Rules(
        own_scopes_only=False
    ),
    "pages overwrite documents": Rules(documents_join=False),
}


@pytest.mark.parametrize("rules", BROKEN.values(), ids=BROKEN)
def test_without_one_of_the_rules_the_view_goes_wrong(rules: Rules) -> None:
    """If taking a rule out did not turn these tests red, they would be blind to it."""
    assert any(run(seed, rules) for seed in range(40))


def test_with_per_row_marks_alone_an_undecodable_operation_diverges_for_ever() -> None:
    rules = Rules(scope_mark=False, row_mark_is_the_pages=False, status=False)
    world = World(2, rules)
    here = world.nodes[0]
    here.record(CounterEffect(LOCATIONS[0], SKUS[0], Lot(""), 0, 5))
    here.record(CounterEffect(LOCATIONS[0], SKUS[0], Lot(""), 0, -2), decodable=False)
    world.quiesce()
    [difference] = world.differences()
    assert "3" in difference
    right = World(2, Rules(status=False))
    right.nodes[0].bodies, right.nodes[0].facts = here.bodies, here.facts
    right.nodes[0].undecodable = here.undecodable
    right.quiesce()
    assert right.differences() == []


def test_a_clock_far_ahead_or_behind_still_ends_in_one_document_everywhere() -> None:
    for seed in range(40):
        chance = random.Random(seed)
        world = World(3, Rules())
        world.nodes[0].clock_ms, world.nodes[1].clock_ms = YEAR_2099, 0
        for _ in range(60):
            act(world, chance)
            world.hub.now_ms += chance.randint(0, 2)
        world.quiesce()
        assert world.differences() == [], f"seed {seed}"


def test_the_last_edit_of_a_fast_clock_stands_when_several_arrive_together() -> None:
    world = World(2, Rules())
    node = world.nodes[0]
    node.clock_ms = YEAR_2099
    for value in ("c", "a", "b"):
        node.record(edit(node, ("x", "name", 0, value, DOCUMENT_SCOPES[0])))
    world.quiesce()
    assert world.hub.documents[DocumentKey("thing", "x")].fields["name"].value == "b"


def test_an_edit_made_after_reading_wins_over_what_was_read_whatever_the_clock() -> None:
    world = World(2, Rules())
    ahead, behind = world.nodes
    ahead.clock_ms, behind.clock_ms = YEAR_2099, 0
    ahead.record(edit(ahead, ("x", "name", 0, "b", DOCUMENT_SCOPES[0])))
    world.quiesce()
    behind.record(edit(behind, ("x", "name", 0, "a", DOCUMENT_SCOPES[0])))
    world.quiesce()
    assert world.hub.documents[DocumentKey("thing", "x")].fields["name"].value == "a"
    assert world.differences() == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_a_page_may_end_after_any_row(limit: int) -> None:
    world = World(2, Rules())
    writer, reader = world.nodes
    for delta in range(1, 5):
        writer.record(
            *(CounterEffect(at, sku, Lot(""), 0, delta) for at in LOCATIONS for sku in SKUS)
        )
        writer.push(world.hub, 1, acknowledged=True)
        for scope in SCOPES:
            for node in (writer, reader):
                node.receive(world.hub.page(scope, node.cursors.get(scope, 0), limit))
                assert world.faults() == []
    world.quiesce()
    assert world.differences() == []
