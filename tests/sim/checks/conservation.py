"""Goods are somewhere (I6): what a document's operations did to the stock is what the document says, and a transfer makes nothing.

Invariant: decided by the operations in the hub's ledger that count, and by what the hub holds of each document. Sent is
arrived, damaged, turned back, lost or still under way, and nothing else.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

from protocol.effects import Account
from protocol.operation import Operation
from tests.shopwork.papers import COURSES, Paper
from tests.sim import filing, reading
from tests.sim.chain import Chain

_STOCK: Final = frozenset({Account.ON_HAND, Account.IN_TRANSIT, Account.LOSS})
T = TypeVar("T")
Lots = Counter[tuple[str, str]]


def check(chain: Chain) -> None:
    """Compare documents with what was recorded for them, and what is in the chain with what came into it."""
    held = filing.of_hub(chain.hub.disk.db)
    by_document: dict[tuple[str, str], Counter[reading.Key]] = defaultdict(Counter)
    came_in: Lots = Counter()
    for operation, changes in _counted(chain):
        document = (
            str(operation.details.get("collection")),
            str(operation.details.get("id")),
        )
        if document[0] in COURSES:
            by_document[document].update(changes)
        elif any(account != Account.ON_HAND for *_, account in changes):
            chain.complain(f"I6: {operation.kind} changes more than what is on hand")
        if document[0] == "transfers":
            _makes_nothing(chain, operation, changes)
        else:
            came_in.update(_stock(changes))
    for key, paper in held.items():
        if paper.is_whole:
            _is_as_it_says(chain, paper, by_document.pop(key, Counter()))
    for key, changes in by_document.items():
        if key not in held and any(changes.values()):
            chain.complain(f"I6: {key} is nowhere, and moved {_shown(changes)}")
    there = _stock(Counter(reading.hub_totals(chain.hub.disk.db)))
    if there != _without_nothing(came_in):
        chain.complain(
            f"I6: {there - came_in} more is in the chain than came in, {came_in - there} less"
        )


def _counted(chain: Chain) -> Iterator[tuple[Operation, Counter[reading.Key]]]:
    for each in reading.hub_ledger(chain.hub.disk.db):
        if each.body is not None and each.code is None and each.repeats is None:
            changes: Counter[reading.Key] = Counter()
            for key, delta in reading.deltas(each.body):
                changes[key] += delta
            yield reading.operation(each.body), changes


def _makes_nothing(chain: Chain, operation: Operation, changes: Counter[reading.Key]) -> None:
    if left := _stock(changes):
        chain.complain(f"I6: {operation.kind} of {operation.details['id']} makes {left}")


def _is_as_it_says(chain: Chain, paper: Paper, changes: Counter[reading.Key]) -> None:
    says, did = _without_nothing(paper.accounts()), _without_nothing(changes)
    if says != did:
        chain.complain(
            f"I6: {paper.collection}/{paper.id} says {_shown(says)}, and moved {_shown(did)}"
        )


def _stock(changes: Mapping[reading.Key, int]) -> Lots:
    """The sum over all locations of what is goods."""
    total: Lots = Counter()
    for (_, sku, lot, account), amount in changes.items():
        if account in _STOCK:
            total[sku, lot] += amount
    return Counter({lot: amount for lot, amount in total.items() if amount})


def _without_nothing(amounts: Counter[T]) -> Counter[T]:
    return Counter({key: amount for key, amount in amounts.items() if amount})


def _shown(changes: Mapping[reading.Key, int]) -> dict[reading.Key, int]:
    return dict(sorted(changes.items()))
