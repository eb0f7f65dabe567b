"""Stocktakes as far as they may have come, and what somebody may try there: the cases that several tests enumerate."""

from collections.abc import Mapping

from protocol.documents import Document
from protocol.ids import Lot, Sku
from protocol.workflows import stocktakes
from protocol.workflows.count_sheet import Stage
from protocol.workflows.progress import LineKey
from protocol.workflows.steps import Party, Step, StepRefused
from protocol.workflows.stocktakes import Act, Limits, Verb
from tests.protocol.examples import NOW
from tests.protocol.workflows.shops import OFFICE, OWNER, PLACES, Device, Ops, drafted

TEA, PILLS = LineKey(Sku("TEA"), Lot("")), LineKey(Sku("PILLS"), Lot("L7"))
NONE = Limits()

# verb, party, line, counted, shown
Try = tuple[Verb, Party, LineKey | None, int, int]
TRIES: Mapping[str, Try] = {
    "start": (Verb.START, OWNER, None, 0, 0),
    "count 95 of 100": (Verb.COUNT, OWNER, TEA, 95, 100),
    "count 92 of 95": (Verb.COUNT, OWNER, TEA, 92, 95),
    "count the pills": (Verb.COUNT, OWNER, PILLS, 7, 5),
    "submit": (Verb.SUBMIT, OWNER, None, 0, 0),
    "recount": (Verb.RECOUNT, OFFICE, TEA, 0, 0),
    "verify": (Verb.VERIFY, OFFICE, TEA, 0, 0),
    "explain": (Verb.EXPLAIN, OWNER, TEA, 0, 0),
    "finalise": (Verb.FINALISE, OWNER, None, 0, 0),
    "finalise at the office": (Verb.FINALISE, OFFICE, None, 0, 0),
    "cancel": (Verb.CANCEL, OWNER, None, 0, 0),
}
COUNTED = ("start", "count 95 of 100")
REVIEW = (*COUNTED, "submit")
BASES: Mapping[str, tuple[str, ...]] = {
    "open": (),
    "counting": COUNTED,
    "review": REVIEW,
    "recount asked": (*REVIEW, "recount"),
    "recounted": (*REVIEW, "recount", "count 92 of 95"),
    "finalised": (*REVIEW, "finalise"),
    "cancelled": ("cancel",),
}
ENDED = ("finalised", "cancelled")


def command(name: str, event: str) -> Act:
    """One of the tries as an act of somebody of its own."""
    verb, _, key, counted, shown = TRIES[name]
    return Act(verb, f"by-{event}", NOW, key, counted, shown, "RECOUNTED")


def attempt(device: Device, name: str, event: str) -> None:
    """Do it, as one of the party that it is for."""
    steps = stocktakes.act(device.document, PLACES, {TRIES[name][1]}, command(name, event), NONE)
    device.record(steps)


def done(*names: str, ops: Ops | None = None) -> Device:
    """A device that did these in turn."""
    device = Device("way", frozenset({OFFICE}), drafted({}, Stage.OPEN) if ops is None else ops)
    for number, name in enumerate(names):
        attempt(device, name, f"way{number}")
    return device


def reconcile(document: Document) -> tuple[Step, ...]:
    """What the document's books still ask for."""
    return stocktakes.reconcile(document, PLACES)


def possible(base: str) -> list[str]:
    """The tries that are allowed there."""
    found = []
    for name in TRIES:
        try:
            attempt(done(*BASES[base]), name, "probe")
        except StepRefused:
            continue
        found.append(name)
    return found
