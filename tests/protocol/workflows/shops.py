"""Devices that work on one document apart and merge: the hub's fold without its wire.

Invariant: what a device knows is a set of operations by id. The hub keeps the first body of an id, counts the others as
`repeats_that_differ`, and hands back the whole set; documents and counters are folded from it by `protocol` alone.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from protocol import documents
from protocol.clock import Stamp, next_stamp
from protocol.documents import EMPTY, Document
from protocol.effects import Account, CounterEffect, DocumentKey, Effect, FieldEffect
from protocol.ids import Location, OpId, ReplicaId, Scope
from protocol.workflows.bookkeeping import Places
from protocol.workflows.progress import LINES, STAGE, line_id
from protocol.workflows.steps import FieldWrite, Party, Step, step_effects, step_id
from tests.protocol.examples import CHAIN, NOW

SENDER, RECEIVER, OWNER, OFFICE = Party.SENDER, Party.RECEIVER, Party.OWNER, Party.OFFICE
PLACES: Places = {
    SENDER: Location("S01"),
    RECEIVER: Location("S02"),
    OWNER: Location("S01"),
}
SCOPES = (Scope("docs:S01"), Scope("docs:S02"))
KEY = DocumentKey("papers", "0123")

Ops = dict[OpId, tuple[Effect, ...]]
Reconcile = Callable[[Document], Sequence[Step]]


def fold(ops: Ops) -> Document:
    """The document that a set of operations comes to."""
    effects = (effect for each in ops.values() for effect in each)
    return documents.apply(EMPTY, (e for e in effects if isinstance(e, FieldEffect)))


def stock(ops: Ops) -> Counter[tuple[str, Account, str, str]]:
    """The counters that they come to, by (location, account, SKU, lot); only what is not 0."""
    found: Counter[tuple[str, Account, str, str]] = Counter()
    for effect in (effect for each in ops.values() for effect in each):
        if isinstance(effect, CounterEffect):
            found[effect.location, Account(effect.account), effect.sku, effect.lot] += effect.delta
    return Counter({key: total for key, total in found.items() if total})


def sum_of(ops: Ops, *accounts: Account) -> Counter[tuple[str, str]]:
    """The sum of some accounts over all locations, by (SKU, lot); only what is not 0."""
    found: Counter[tuple[str, str]] = Counter()
    for (_, account, sku, lot), total in stock(ops).items():
        if account in accounts:
            found[sku, lot] += total
    return Counter({key: total for key, total in found.items() if total})


def at(ops: Ops, party: Party, account: Account) -> dict[tuple[str, str], int]:
    """One account of one place, by (SKU, lot)."""
    where = PLACES[party]
    rows = stock(ops).items()
    return {(sku, lot): n for (place, acc, sku, lot), n in rows if (place, acc) == (where, account)}


@dataclass
class Hub:
    """All operations, the first body of each id."""

    ops: Ops = field(default_factory=dict)
    repeats_that_differ: int = 0

    def merge(self, *devices: "Device") -> None:
        """Take in what the devices know, in this order, and give them everything."""
        for device in devices:
            for op_id, effects in device.ops.items():
                if self.ops.setdefault(op_id, effects) != effects:
                    self.repeats_that_differ += 1
        for device in devices:
            device.ops = dict(self.ops)


@dataclass
class Device:
    """A node: whose part it takes, and the operations it knows."""

    name: str
    parties: frozenset[Party]
    ops: Ops = field(default_factory=dict)

    @property
    def document(self) -> Document:
        """What it shows."""
        return fold(self.ops)

    def record(self, steps: Iterable[Step]) -> list[OpId]:
        """Record the steps that are its own to record; gives the ids of those it had not recorded before."""
        fresh = []
        writes = {PLACES[party] for party in self.parties if party in PLACES}
        for step in steps:
            if step.counters and OFFICE not in self.parties and step.location not in writes:
                continue
            number = len(self.ops).to_bytes(4, "big")
            own = OpId(self.name.encode().ljust(12, b".")[:12] + number)
            op_id = own if step.name is None else step_id(CHAIN, KEY, step.name)
            if op_id not in self.ops:
                self.ops[op_id] = step_effects(step, CHAIN, KEY, SCOPES, self._stamp())
                fresh.append(op_id)
        return fresh

    def _stamp(self) -> Stamp:
        replica = ReplicaId(self.name.encode().ljust(16, b".")[:16])
        seen = max((f.stamp for f in self.document.fields.values()), default=None)
        return next_stamp(seen, NOW, replica)


def drafted(plan: dict[tuple[str, str], int], stage: str) -> Ops:
    """A document with lines, and nothing else."""
    writes = tuple(
        FieldWrite(f"{LINES}{line_id(sku, lot)}", {"sku": sku, "lot": lot or None, "quantity": n})
        for (sku, lot), n in plan.items()
    )
    author = Device("draft", frozenset({OFFICE}))
    author.record([Step("edit", PLACES[SENDER], (), (FieldWrite(STAGE, stage), *writes))])
    return author.ops


def settle_all(hub: Hub, devices: Sequence[Device], reconcile: Reconcile) -> int:
    """Merge, let every place's nodes reconcile at the same time, and merge again, until nothing is left to write.

    Two nodes of each place and an office do it, none knowing of the others. Gives how many rounds it took.
    """
    everybody = [
        Device(f"{party}-{number}", frozenset({party}))
        for party in (SENDER, RECEIVER, OWNER, OFFICE)
        for number in (1, 2)
    ]
    hub.merge(*devices)
    for rounds in range(5):
        steps = reconcile(fold(hub.ops))  # everybody knows the same, and reconciling is pure
        if not steps:
            hub.merge(*devices)
            return rounds
        for device in everybody:
            device.ops = dict(hub.ops)
            device.record(steps)
        hub.merge(*everybody)
    raise AssertionError("the books never come to rest")
