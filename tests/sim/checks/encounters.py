"""What people did to one document at once, at several nodes: each kind is a probe, so that none is left out unnoticed.

Rule: noted from what counts in the hub's ledger, when all is at rest; nothing here is a promise that could be broken.
"""

from collections import defaultdict
from collections.abc import Iterator

from protocol.effects import FieldEffect
from protocol.operation import Operation
from tests.shopwork.outcomes import is_decided_both_ways
from tests.shopwork.papers import Paper
from tests.sim import filing, reading
from tests.sim.chain import Chain

_SOLD = "move.sale"


def note(chain: Chain) -> None:
    """Note what is reached, each once for a document."""
    authors: dict[tuple[str, str, str], set[bytes]] = defaultdict(set)
    counted: list[Operation] = []
    for each in reading.hub_ledger(chain.hub.disk.db):
        if each.repeats is not None:
            chain.probe("an operation came twice" + (" otherwise" if each.code else ""))
        elif each.body is not None and each.code is None:
            counted.append(reading.operation(each.body))
            _add_authors(authors, counted[-1], each.replica)
    if reconciled := sum(operation.kind == "move.reconcile" for operation in counted):
        chain.probes["books were brought right after a merge"] += reconciled
    for (collection, _, what), by in authors.items():
        if len(by) > 1:
            _met(chain, collection, what)
    for paper in filing.of_hub(chain.hub.disk.db).values():
        for what in _reached(paper, counted) if paper.is_whole else ():
            chain.probe(what)


def _add_authors(
    authors: dict[tuple[str, str, str], set[bytes]], operation: Operation, by: bytes
) -> None:
    for effect in operation.effects:
        if isinstance(effect, FieldEffect):
            what = "/".join(effect.field.split("/")[:2])
            authors[effect.collection, effect.id, what].add(by)


def _met(chain: Chain, collection: str, what: str) -> None:
    if collection in {"skus", "lots", "levels"}:
        chain.probe(f"{collection}: a field was edited at two nodes")
    elif collection == "transfers" and what == "moved/receive":
        chain.probe("a transfer received by two")
    elif collection == "orders" and what in {"moved/supply", "moved/dispense"}:
        chain.probe("an order fulfilled by two")


def _reached(paper: Paper, counted: list[Operation]) -> Iterator[str]:
    one = "an order" if paper.collection == "orders" else f"a {paper.kind}"
    if paper.stage:
        yield f"{one} {paper.stage}"
    if paper.kind == "stocktake" and _traded(paper, counted):
        yield "a count finalised while sales went on"
    if is_decided_both_ways(paper):
        yield f"{one} decided both ways"
    went_out = paper.kind == "customer" and paper.moved("supply", "dispense")
    if went_out and "canceled" in paper.decided:
        yield "an order fulfilled here and cancelled there"
    if paper.kind == "customer" and paper.owed()["reserved"]:
        yield "an order leaves an owing"
    if paper.kind == "transfer":
        if paper.moved("receive_back", "damage_back"):
            yield "a transfer came back"
        if paper.moved("damage"):
            yield "a transfer arrived damaged"
        if paper.booked("short"):
            yield "a transfer closed short or over"


def _traded(paper: Paper, counted: list[Operation]) -> bool:
    """Whether a finalised stocktake's location sold something between its first count and its end."""
    if paper.stage != "finalised":
        return False
    place, is_counted, is_sold = paper.value("location"), False, False
    for operation in counted:
        fields = {
            effect.field
            for effect in operation.effects
            if isinstance(effect, FieldEffect) and effect.id == paper.id
        }
        if "decided/finalised" in fields:
            return is_sold
        is_counted |= any(name.startswith("counts/") for name in fields)
        is_sold |= (
            is_counted
            and operation.kind == _SOLD
            and any(getattr(effect, "location", None) == place for effect in operation.effects)
        )
    return False
