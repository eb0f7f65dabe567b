"""Orders of each kind in every stage, and what somebody may try there: the cases that several tests enumerate."""

from collections.abc import Mapping
from functools import cache

from protocol.ids import Lot, Sku
from protocol.workflows import orders
from protocol.workflows.acts import Act
from protocol.workflows.order_table import Kind, Stage, Verb
from protocol.workflows.progress import Item, LineKey
from protocol.workflows.steps import Party, StepRefused
from tests.protocol.examples import NOW
from tests.protocol.workflows.shops import (
    OFFICE,
    OWNER,
    PLACES,
    Device,
    Hub,
    Ops,
    drafted,
    settle_all,
)

TEA, LOOSE = Item(Sku("TEA")), Item(Sku("PILLS"), Lot("L7"))
LOOSE_LINE = LineKey(Sku("PILLS"), Lot(""))
PLAN = {("TEA", ""): 10, ("PILLS", ""): 4}
WHOLE = {TEA: 10, LOOSE: 4}
Try = tuple[Verb, Party, Mapping[Item, int], str]
TRIES: Mapping[str, Try] = {
    "amend": (Verb.AMEND, OWNER, {}, ""),
    "amend down": (Verb.AMEND, OWNER, {}, ""),
    "submit": (Verb.SUBMIT, OWNER, {}, ""),
    "approve": (Verb.APPROVE, OFFICE, {}, ""),
    "reject": (Verb.REJECT, OFFICE, {}, ""),
    "place": (Verb.PLACE, OWNER, {}, ""),
    "place at the office": (Verb.PLACE, OFFICE, {}, ""),
    "fulfil": (Verb.FULFIL, OWNER, WHOLE, ""),
    "fulfil six": (Verb.FULFIL, OWNER, {TEA: 6}, ""),
    "fulfil one": (Verb.FULFIL, OWNER, {TEA: 1}, ""),
    "fulfil at the office": (Verb.FULFIL, OFFICE, {TEA: 6}, ""),
    "fulfil from a parcel": (Verb.FULFIL, OWNER, {TEA: 6, LOOSE: 4}, "P1"),
    "dispense all": (Verb.DISPENSE, OWNER, WHOLE, ""),
    "dispense three": (Verb.DISPENSE, OWNER, {LOOSE: 3}, ""),
    "cancel": (Verb.CANCEL, OWNER, {}, ""),
    "cancel at the office": (Verb.CANCEL, OFFICE, {}, ""),
    "close": (Verb.CLOSE, OFFICE, {}, ""),
}
_PLACED = {
    Kind.PURCHASE: ("place",),
    Kind.CUSTOMER: ("place",),
    Kind.INTERNAL: ("submit", "approve", "place at the office"),
}
_APPROVED: Mapping[Stage, tuple[str, ...]] = {
    Stage.APPROVAL: ("submit",),
    Stage.APPROVED: ("submit", "approve"),
    Stage.REJECTED: ("submit", "reject"),
}


def paths(kind: Kind) -> dict[Stage, tuple[str, ...]]:
    """The shortest way to each stage that an order of the kind can be in."""
    placed = _PLACED[kind]
    return {
        Stage.DRAFT: (),
        **({} if kind is Kind.CUSTOMER else _APPROVED),
        Stage.PLACED: placed,
        Stage.PARTLY_RECEIVED: (*placed, "fulfil six"),
        Stage.RECEIVED: (*placed, "fulfil"),
        Stage.CLOSED: (*placed, "fulfil six", "close"),
        Stage.CANCELED: ("cancel",),
    }


CASES = [(kind, stage) for kind in Kind for stage in paths(kind)]


def command(name: str, event: str) -> Act:
    """One of the tries as an act of its own event."""
    if name.startswith("reverse "):
        return Act(Verb.REVERSE, f"by-{event}", NOW, name.removeprefix("reverse "))
    verb, _, items, parcel = TRIES[name]
    lines = {LineKey(Sku("TEA"), Lot("")): 12} if name == "amend" else {}
    lines |= {LineKey(Sku("TEA"), Lot("")): 6, LOOSE_LINE: 0} if name == "amend down" else {}
    return Act(verb, f"by-{event}", NOW, event, parcel, lines, items)


def attempt(device: Device, kind: Kind, name: str, event: str) -> None:
    """Do it, as one of the party that it is for."""
    party = TRIES[name][1] if name in TRIES else OWNER  # who takes goods back
    steps = orders.act(device.document, kind, PLACES, {party}, command(name, event))
    device.record(steps)


@cache
def reached(kind: Kind, stage: Stage) -> Ops:
    """An order in a stage; every node knows all of it and nothing is owed."""
    office = Device("way", frozenset({OFFICE}), drafted(PLAN, Stage.DRAFT))
    for number, name in enumerate(paths(kind)[stage]):
        attempt(office, kind, name, f"way{number}")
    assert orders.stage_of(orders.read(office.document)) == stage
    assert not orders.reconcile(office.document, kind, PLACES)
    return office.ops


@cache
def possible(kind: Kind, stage: Stage) -> tuple[str, ...]:
    """The tries that the table allows."""
    found = []
    for name in TRIES:
        probe = Device("probe", frozenset({OFFICE}), dict(reached(kind, stage)))
        try:
            attempt(probe, kind, name, "probe")
        except StepRefused:
            continue
        found.append(name)
    return tuple(found)


def further(kind: Kind) -> list[Ops]:
    """More orders that were fulfilled in several ways: what is left when one of the events is taken back differs."""
    placed = _PLACED[kind]
    ways = [
        (*placed, "fulfil six", "fulfil one"),
        (*placed, "fulfil six", "fulfil"),
    ]
    found = []
    for way in ways:
        office = Device("way", frozenset({OFFICE}), drafted(PLAN, Stage.DRAFT))
        for number, name in enumerate(way):
            attempt(office, kind, name, f"way{number}")
        found.append(office.ops)
    # Decided against while goods moved: each by somebody who did not know of the other.
    for end in ("cancel", *(() if kind is Kind.CUSTOMER else ("submit", "reject"))):
        goods = Device("goods", frozenset({OWNER}), dict(reached(kind, Stage.PARTLY_RECEIVED)))
        against = Device("against", frozenset({OFFICE}), drafted(PLAN, Stage.DRAFT))
        for name in ("submit", "reject") if end != "cancel" else (end,):
            attempt(against, kind, name, f"against-{name}")
        hub = Hub()
        hub.merge(goods, against)
        settle_all(hub, [goods], lambda document: orders.reconcile(document, kind, PLACES))
        found.append(goods.ops)
    return found
