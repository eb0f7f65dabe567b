"""Transfers in every stage, and what somebody may try there: the cases that several tests enumerate."""

from collections.abc import Mapping
from functools import cache

from protocol.documents import Document
from protocol.ids import Lot, Sku
from protocol.workflows import transfers
from protocol.workflows.acts import Act
from protocol.workflows.progress import Item, LineKey
from protocol.workflows.steps import Party, Step
from protocol.workflows.transfer_table import Stage, Verb
from tests.protocol.examples import NOW
from tests.protocol.workflows.shops import OFFICE, PLACES, RECEIVER, SENDER, Device, Ops, drafted

TEA, PILLS = Item(Sku("TEA")), Item(Sku("PILLS"), Lot("L7"), Lot("L7"))
STRAY = Item(Sku("STRAY"))
PLAN = {("TEA", ""): 10, ("PILLS", "L7"): 4}
WHOLE = {TEA: 10, PILLS: 4}

# verb, parties that try it, goods, damaged goods, parcel
Try = tuple[Verb, Party, Mapping[Item, int], Mapping[Item, int], str]

TRIES: Mapping[str, Try] = {
    "amend": (Verb.AMEND, SENDER, {}, {}, ""),
    "allocate": (Verb.ALLOCATE, SENDER, {}, {}, ""),
    "cancel": (Verb.CANCEL, OFFICE, {}, {}, ""),
    "ship all": (Verb.SHIP, SENDER, WHOLE, {}, ""),
    "ship three": (Verb.SHIP, SENDER, {TEA: 3}, {}, ""),
    "ship a parcel": (Verb.SHIP, SENDER, {TEA: 7}, {}, "P1"),
    "receive all": (Verb.RECEIVE, RECEIVER, WHOLE, {}, ""),
    "receive two": (Verb.RECEIVE, RECEIVER, {TEA: 2}, {}, ""),
    "receive too much": (Verb.RECEIVE, RECEIVER, {TEA: 15, PILLS: 4, STRAY: 1}, {}, ""),
    "receive a parcel": (Verb.RECEIVE, RECEIVER, {TEA: 7, PILLS: 4}, {}, "P1"),
    "receive broken": (Verb.RECEIVE, RECEIVER, {TEA: 4}, {TEA: 1}, ""),
    "call back": (Verb.CALL_BACK, SENDER, {}, {}, ""),
    "turn back two": (Verb.TURN_BACK, RECEIVER, {TEA: 2}, {}, ""),
    "receive back two": (Verb.RECEIVE_BACK, SENDER, {TEA: 2}, {}, ""),
    "receive back broken": (Verb.RECEIVE_BACK, SENDER, {TEA: 1}, {TEA: 1}, ""),
    "close there": (Verb.CLOSE, RECEIVER, {}, {}, ""),
    "close at the office": (Verb.CLOSE, OFFICE, {}, {}, ""),
    "close here": (Verb.CLOSE, SENDER, {}, {}, ""),
}
PATHS: Mapping[Stage, tuple[str, ...]] = {
    Stage.DRAFT: (),
    Stage.ALLOCATED: ("allocate",),
    Stage.CANCELLED: ("cancel",),
    Stage.SHIPPED: ("ship all",),
    Stage.PARTLY_RECEIVED: ("ship all", "receive two"),
    Stage.RECEIVED: ("ship all", "receive all"),
    Stage.RETURNING: ("ship all", "turn back two"),
    Stage.CLOSED: ("ship all", "receive broken", "close there"),
}
FURTHER: tuple[tuple[Stage, tuple[str, ...]], ...] = (
    (Stage.RECEIVED, ("ship all", "receive too much")),
    (Stage.RECEIVED, ("ship all", "receive two", "receive all")),
    (Stage.RECEIVED, ("receive all",)),
    (Stage.RECEIVED, ("allocate", "receive all")),
    (Stage.RECEIVED, ("cancel", "receive all")),
    (Stage.PARTLY_RECEIVED, ("ship all", "ship three", "receive two")),
    (Stage.PARTLY_RECEIVED, ("ship all", "receive two", "receive broken")),
    (Stage.RETURNING, ("ship all", "receive two", "turn back two")),
    (Stage.RETURNING, ("ship all", "turn back two", "receive all")),
    (Stage.RETURNING, ("ship all", "turn back two", "receive back broken")),
)
"""More ways to some stages: what is left when one of their events is taken back differs."""


def command(name: str, event: str) -> Act:
    """One of the tries as an act of its own event; "amend" changes the plan."""
    if name.startswith("reverse "):
        return Act(Verb.REVERSE, f"by-{event}", NOW, name.removeprefix("reverse "))
    verb, _, items, damaged, parcel = TRIES[name]
    lines = {LineKey(Sku("TEA"), Lot("")): 12} if verb is Verb.AMEND else {}
    return Act(verb, f"by-{event}", NOW, event, parcel, lines, items, damaged)


def attempt(device: Device, name: str, event: str) -> None:
    """Do it, as one of the party that it is for."""
    party = TRIES[name][1] if name in TRIES else RECEIVER  # who takes goods back
    steps = transfers.act(device.document, PLACES, {party}, command(name, event))
    device.record(steps)


@cache
def reached(stage: Stage, path: tuple[str, ...] | None = None) -> Ops:
    """A transfer in a stage, by the shortest way there; every node knows all of it and nothing is owed."""
    office = Device("way", frozenset({OFFICE}), drafted(PLAN, Stage.DRAFT))
    for number, name in enumerate(PATHS[stage] if path is None else path):
        attempt(office, name, f"way{number}")
    assert transfers.stage_of(transfers.read(office.document)) == stage, path
    assert not reconcile(office.document)
    return office.ops


def reconcile(document: Document) -> tuple[Step, ...]:
    """What the document's books still ask for."""
    return transfers.reconcile(document, PLACES)
