"""Where a document stands: one outcome, which follows from its decisions and from the goods that moved.

Rule: goods count before decisions. What cannot both be is told to people; nothing is undone for it.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from tests.shopwork import papers
from tests.shopwork.papers import Paper

STATUS: Final[Mapping[str, str]] = {
    "received": "fulfilled",
    "closed": "fulfilled",
    "rejected": "canceled",
    "canceled": "canceled",
}
"""What the outside sees of an order's stage; all else is pending."""


def stage_of(paper: Paper) -> str:
    """Where a document stands: its decision, unless goods say otherwise."""
    match paper.kind:
        case "stocktake":
            return paper.stage or "open"
        case "transfer":
            return _of_transfer(paper)
        case _:
            return _of_order(paper)


def _of_transfer(paper: Paper) -> str:
    if paper.stage == "closed":
        return "closed"
    if paper.moved("turn_back"):
        return "returning"
    if paper.moved("receive", "damage"):
        return "partly_received" if _is_waited_for(paper) else "received"
    return "shipped" if paper.moved("ship") else paper.stage or "draft"


def _is_waited_for(paper: Paper) -> bool:
    """Whether goods are still to come, when a lot that only one end named makes no difference."""
    left = Counter(paper.moved("ship"))
    left.subtract(paper.moved("receive", "damage"))
    for line in {(sku, planned) for sku, _, planned in left}:
        lots = {lot: n for (sku, lot, planned), n in left.items() if (sku, planned) == line}
        unnamed = lots.pop("", 0)
        to_come = sum(n for n in lots.values() if n > 0)
        too_many = -sum(n for n in lots.values() if n < 0)
        # What came without a lot may be any that was sent, and what was sent without one any that came.
        if to_come > max(0, -unnamed) or unnamed > too_many:
            return True
    return False


def _of_order(paper: Paper) -> str:
    moved = papers.per_line(paper.moved("supply", "dispense"))
    if not any(amount > 0 for amount in moved.values()):
        return paper.stage or "draft"
    if paper.stage in {"canceled", "rejected", "closed"}:
        return "closed"
    is_left = any(
        amount > moved[sku, planned] for (sku, _, planned), amount in paper.planned().items()
    )
    return "partly_received" if is_left else "received"


def is_decided_both_ways(paper: Paper) -> bool:
    """Whether people have to say which of two outcomes it is to be."""
    decided = paper.decided
    match paper.kind:
        case "stocktake":
            return decided >= {"finalised", "cancelled"}
        case "transfer":
            goods = paper.moved("ship") or paper.moved("receive", "damage")
            return "cancelled" in decided and bool(goods)
        case _:
            ended = decided & {"canceled", "rejected"}
            moved = papers.per_line(paper.moved("supply", "dispense"))
            against = bool(ended) and bool(moved) and paper.kind != "purchase"
            both = decided >= {"approved", "rejected"} or decided >= {"canceled", "closed"}
            return against or both
