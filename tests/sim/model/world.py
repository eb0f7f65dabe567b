"""A random history of a hub and its nodes, with every fault that copies or rolls back a disk, then healed and judged.

Invariant: an operation is owed unless every disk that held it was destroyed or rolled back before the hub had it. Once
healed, the hub counts each owed operation once, and every node shows what the hub has.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.sim.model.facts import Count, Edit, Effect, Op, Row, State, shown
from tests.sim.model.hub import Hub
from tests.sim.model.mechanisms import Mechanisms
from tests.sim.model.node import Node

LOCATIONS: Final = ("S1", "S2", "S3")
SKUS: Final = tuple("abcdefghijkl")
DOCUMENTS: Final = ("x", "y")
NODES_MAX: Final = 6
FAULTS: Final = frozenset({"restore", "clone", "loss", "hub", "failover", "access"})
YEARS: Final = 1_000_000
"""By how much a wrong clock is wrong."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What went wrong, and which faults there were."""

    lost: int
    """Owed operations that the hub does not count."""
    doubled: int
    diverged: int
    """Rows that a node shows otherwise than the hub has them, or has none of, or too many."""
    unsound: int
    """Rows of the hub that are not the fold of its ledger."""
    stuck: int
    """Nodes that still have something to send, or are kept out."""
    gaps: int
    """Logs that were pruned too far to mend a hub."""
    let_in: int
    """Nodes that were shut out and are let in."""
    faults: Counter[str]

    @property
    def is_bad(self) -> bool:
        """Whether any of it went wrong."""
        return any(
            (
                self.lost,
                self.doubled,
                self.diverged,
                self.unsound,
                self.stuck,
                self.gaps,
                self.let_in,
            )
        )


@dataclass
class World:
    """Everybody, the backups, and what the oracles know that nobody in it does."""

    chance: random.Random
    mechanisms: Mechanisms
    kinds: frozenset[str]
    hub: Hub = field(init=False)
    nodes: list[Node] = field(default_factory=list)
    disks: list[set[int]] = field(default_factory=list)
    """For each node, what its disk would hold if nothing were ever pruned."""
    node_backups: dict[int, tuple[Node, set[int]]] = field(default_factory=dict)
    hub_backups: list[Hub] = field(default_factory=list)
    promised: int = -1
    """No hub backup older than this one will be put back."""
    owed: set[int] = field(default_factory=set)
    ops: int = 0
    shut_out: dict[int, int] = field(default_factory=dict)
    """Nodes that the office shut out, each with the operation that says so."""
    standby: Hub | None = None
    """A copy of the hub that lags behind; it is about to take over."""
    lag_steps: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    enrolled: int = 0

    def __post_init__(self) -> None:
        # Swarm testing: a history in which everything happens hides what happens rarely.
        self.rates = [self.chance.choice([0, 0, 1, 3]) for _ in FAULTS]
        self.told = self.chance.choice([0.0, 0.5])
        self.broken_off = self.chance.choice([0.1, 0.4])
        self.answered = self.chance.choice([0.2, 0.7, 0.9])
        self.hub = Hub(self.chance, self.mechanisms)
        self.join(frozenset({"fleet", "catalogue", *(f"stock:{place}" for place in LOCATIONS)}))
        for place in LOCATIONS:
            self.join(frozenset({f"stock:{place}", f"docs:{place}", "catalogue"}))

    def join(self, scopes: frozenset[str]) -> None:
        """A new device with a certificate; the first of all is the office."""
        node = Node(self.enrolled, scopes, self.chance, self.mechanisms)
        self.enrolled += 1
        self.hub.enrol(node.number)
        self.nodes.append(node)
        self.disks.append(set())

    # --- events ----------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """One event; those that the run leaves out pass without one."""
        self.hub.now += 1
        self.lag_steps -= self.standby is not None
        if self.standby is not None and not self.lag_steps:
            self.fail_over(self.standby)
        at = self.chance.randrange(len(self.nodes))
        node = self.nodes[at]
        node.clock += self.chance.choice([1, 1, 1, 1, -YEARS, YEARS, -3])
        kind = self.chance.choices(
            ["record", "push", "pull", "prune", "back up", "back up hub", *sorted(FAULTS)],
            [40, 20, 22, 3, 4, 3, *self.rates],
        )[0]
        match kind:
            case "record":
                self.record(at, self.some_effects(node))
            case "push" if node.meet(self.hub):
                while node.push(self.hub, answered=self.is_answered()):
                    pass
            case "pull" if node.meet(self.hub):
                self.pull(node)
            case "prune":
                node.prune()
            case "back up":
                self.node_backups[node.number] = (node.copy(), set(self.disks[at]))
            case "back up hub" if self.standby is None:
                self.back_up_hub()
            case _:
                if kind in self.kinds:
                    self.fault(kind, at)

    def fault(self, kind: str, at: int) -> None:
        """Destroy, copy or roll back a disk, or change who may read what."""
        match kind:
            case "restore" if self.nodes[at].number in self.node_backups:
                node, disk = self.node_backups[self.nodes[at].number]
                self.forget(at, self.disks[at] - disk)
                self.nodes[at], self.disks[at] = node.copy(), set(disk)
            case "clone" if len(self.nodes) < NODES_MAX:
                self.nodes.append(self.nodes[at].copy())
                self.disks.append(set(self.disks[at]))
            case "loss" if at:
                scopes = self.nodes[at].always
                self.forget(at, self.disks[at])
                del self.nodes[at], self.disks[at]
                self.join(scopes)
            case "hub" if self.hub_backups:
                self.restore_hub()
            case "failover" if self.standby is None:
                self.standby, self.lag_steps = self.hub.copy(), self.chance.randint(3, 12)
            case "access":
                self.change_access()
            case _:
                return
        self.faults[kind] += 1

    def record(self, at: int, effects: tuple[Effect, ...]) -> int:
        """Record an operation; its id."""
        self.ops += 1
        self.nodes[at].record(Op(self.ops, effects))
        self.owed.add(self.ops)
        self.disks[at].add(self.ops)
        return self.ops

    def some_effects(self, node: Node) -> tuple[Effect, ...]:
        """Lines on some of the shelves that the node writes, and sometimes an edit."""
        shelves = sorted(scope for scope in node.always if scope.startswith("stock:"))
        lines: list[Effect] = [
            Count(
                (self.chance.choice(shelves), self.chance.choice(SKUS)),
                self.chance.choice([-2, -1, 3]),
            )
            for _ in range(self.chance.choice([1, 1, 2, 4]))
        ]
        if self.chance.random() < 0.25:
            edited = sorted(s for s in node.always if s.startswith(("docs:", "catalogue")))
            rank = self.chance.choice([0, 0, 1, 2])
            state = State(rank, node.stamp(), self.chance.randint(0, 9))
            key = ("document", self.chance.choice(DOCUMENTS))
            lines.append(Edit(key, "status" if rank else "name", state, self.chance.choice(edited)))
        return tuple(lines)

    def pull(self, node: Node, *, whole: bool = False) -> None:
        """Read some of the feed, and break off anywhere."""
        scopes = sorted(node.cursors)
        self.chance.shuffle(scopes)
        for scope in scopes:
            more = True
            while more:
                if not whole and self.chance.random() < self.broken_off:
                    return
                limit = self.chance.choice([1, 2, 6])
                page = self.hub.page(scope, node.cursors[scope][0], limit)
                node.take_page(page)
                more = page.more
        node.catch_up(self.hub.head, self.hub.salt_of(self.hub.head))

    def back_up_hub(self) -> None:
        """A verified backup; what is inside the last but one is stable."""
        self.hub_backups.append(self.hub.copy())
        self.promised = max(self.promised, len(self.hub_backups) - 2)
        self.tell_stable()

    def tell_stable(self) -> None:
        """What nodes may let go of."""
        if self.promised >= 0:
            self.hub.stable = self.hub_backups[self.promised].acked()

    def restore_hub(self) -> None:
        """Put one of the backups back that are not too old, sometimes without telling anybody."""
        # The newest, unless that one is damaged.
        newest = len(self.hub_backups) - 1
        at = max(0, self.promised) if self.chance.random() < 0.2 else newest
        del self.hub_backups[at + 1 :]
        self.go_back(self.hub_backups[at].copy())
        if self.chance.random() < self.told:
            self.hub.epoch = self.chance.getrandbits(64)
            self.faults["hub, declared"] += 1

    def fail_over(self, standby: Hub) -> None:
        """The copy takes over, and nobody is told that it lacks the newest commits."""
        self.go_back(standby)

    def go_back(self, older: Hub) -> None:
        """An older state of the hub is the hub; what only the newer one had is owed no more."""
        self.standby = None
        self.owed -= self.hub.ids - older.ids - set().union(*self.disks)
        older.now, self.hub = self.hub.now, older
        self.tell_stable()

    def is_answered(self) -> bool:
        """Whether an answer of the hub arrives; few do while it fails over."""
        return self.chance.random() < (self.answered if self.standby is None else 0.1)

    def forget(self, at: int, destroyed: set[int]) -> None:
        """What only this disk held is owed no more."""
        others = [disk for number, disk in enumerate(self.disks) if number != at]
        self.owed -= destroyed - self.hub.ids - set().union(*others)

    def change_access(self) -> None:
        """The office lets a node read another shop's shelf, or no more; or shuts it out and has another device join."""
        node = self.chance.choice(self.nodes[1:])
        office = next(n for n, each in enumerate(self.nodes) if each.number == 0)
        key = ("document", f"node {node.number}")
        if self.chance.random() < 0.7:
            shelf = f"stock:{self.chance.choice(LOCATIONS)}"
            state = State(0, self.nodes[office].stamp(), self.chance.randint(0, 1))
            self.record(office, (Edit(key, shelf, state, "fleet"),))
        elif node.number and node.number not in self.shut_out:
            self.shut_out[node.number] = self.shut(office, node)
            self.join(node.always)

    def shut(self, office: int, node: Node) -> int:
        """Shut a node out; the operation that says so, 0 if none does."""
        if not self.mechanisms.access_is_a_document:
            self.hub.shut_out = self.hub.shut_out | {node.number}
            return 0
        state = State(1, self.nodes[office].stamp(), 1)
        edit = Edit(("document", f"node {node.number}"), "shut out", state, "fleet")
        return self.record(office, (edit,))

    # --- judging ---------------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """No more faults: everybody sends and reads all."""
        for _ in range(6):
            for node in self.nodes:
                for _ in range(200):
                    if not (node.meet(self.hub) and node.push(self.hub, answered=True)):
                        break
                if node.meet(self.hub):
                    self.pull(node, whole=True)

    def judge(self) -> Outcome:
        """What the oracles say."""
        counts = Counter(counted.op.id for counted in self.hub.ledger)
        inside = [node for node in self.nodes if node.number not in self.shut_out]
        held = set().union(*(disk for node, disk in self.pairs() if node in inside))
        # What a device holds that was shut out is not to be had any more.
        owed = {id_ for id_ in self.owed if id_ in held or id_ in self.hub.ids}
        required = [
            number for number, id_ in self.shut_out.items() if not id_ or id_ in self.hub.ids
        ]
        return Outcome(
            lost=sum(not counts[id_] for id_ in owed),
            doubled=sum(count - 1 for count in counts.values() if count > 1),
            diverged=sum(self.differences(node) for node in inside),
            unsound=len(self.hub.faults()),
            stuck=sum(
                node.acked < node.last or not self.hub.admits(node.number) for node in inside
            ),
            gaps=sum(node.gaps for node in self.nodes),
            let_in=sum(self.hub.admits(number) for number in required),
            faults=self.faults,
        )

    def pairs(self) -> list[tuple[Node, set[int]]]:
        """Every node with its disk."""
        return list(zip(self.nodes, self.disks, strict=True))

    def differences(self, node: Node) -> int:
        """How many rows a node shows otherwise than the hub has them."""
        scopes = self.hub.reads(node.number, node.always)
        due: dict[object, Row] = {
            key: row for key, row in self.hub.rows.items() if row.scopes & scopes
        }
        keys = due.keys() | {key for key in node.held if node.held[key].row.scopes & scopes}
        return sum(
            key not in due or shown(node.view(key)) != shown(due[key])  # type: ignore[arg-type]
            for key in keys
        )


def run(seed: int, mechanisms: Mechanisms, kinds: frozenset[str], steps: int = 220) -> Outcome:
    """One history; the same seed gives the same."""
    world = World(random.Random(seed), mechanisms, kinds)
    for _ in range(steps):
        world.step()
    world.heal()
    return world.judge()
