"""What people have to look at in a document: two decisions that cannot both be, goods that are not what was said.

Invariant: a function of what the document says, so it appears on every node that holds it and goes when the document no
longer says so; nothing here is stored, and nothing here changes stock.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from protocol.workflows import orders, transfers
from protocol.workflows.count_sheet import Sheet
from protocol.workflows.count_sheet import Stage as StocktakeStage
from protocol.workflows.progress import Progress, minus, per_line, plus


class Matter(StrEnum):
    """What it is about. Stable codes; add to them, never rename one."""

    CONFLICTING_STATUS = "conflicting_status"
    """Decided one way here and another way there, or decided against while goods moved: say which it is to be."""
    CALLED_BACK = "called_back"
    """The sender wants it back: the receiver turns back what has not arrived."""
    UNANNOUNCED = "unannounced"
    """Arrived, and nobody has said that it was sent: its news may still come."""
    SHORT = "short"
    """Sent, and closed without having arrived: it counts as lost."""
    OVER = "over"
    """More arrived than was sent, or was delivered than was asked for."""
    DAMAGED = "damaged"


class Difference(NamedTuple):
    """One thing to look at. Of the document as a whole it has neither SKU nor quantity."""

    matter: Matter
    sku: str = ""
    lot: str = ""
    quantity: int = 0
    """Base units; always above 0."""


def of_transfer(progress: Progress) -> tuple[Difference, ...]:
    """What somebody has to look at in a transfer, the document's own matters first."""
    return tuple(_of_transfer(progress))


def of_order(progress: Progress, kind: orders.Kind) -> tuple[Difference, ...]:
    """What somebody has to look at in an order, the document's own matters first."""
    return tuple(_of_order(progress, kind))


def of_stocktake(sheet: Sheet) -> tuple[Difference, ...]:
    """What somebody has to look at in a stocktake, the document's own matters first."""
    both_ways = {StocktakeStage.FINALISED, StocktakeStage.CANCELLED} <= sheet.progress.decided
    return (Difference(Matter.CONFLICTING_STATUS),) if both_ways else ()


def _of_transfer(progress: Progress) -> Iterator[Difference]:
    stage = transfers.stage_of(progress)
    sent = progress.goods(transfers.SHIP)
    arrived = plus(progress.goods(transfers.RECEIVE), progress.goods(transfers.DAMAGE))
    if transfers.Stage.CANCELLED in progress.decided and (sent or arrived):
        yield Difference(Matter.CONFLICTING_STATUS)
    asked = transfers.Verb.CALL_BACK in progress.decided
    if asked and stage in (transfers.Stage.SHIPPED, transfers.Stage.PARTLY_RECEIVED):
        yield Difference(Matter.CALLED_BACK)
    back = plus(progress.goods(transfers.RECEIVE_BACK), progress.goods(transfers.DAMAGE_BACK))
    there = minus(sent, arrived, progress.goods(transfers.TURN_BACK))
    returned = minus(progress.goods(transfers.TURN_BACK), back)
    for item, left in (*there.items(), *returned.items()):
        if left < 0:
            matter = Matter.OVER if sent else Matter.UNANNOUNCED
            yield Difference(matter, item.sku, item.lot, -left)
        elif stage == transfers.Stage.CLOSED:
            yield Difference(Matter.SHORT, item.sku, item.lot, left)
    broken = plus(progress.goods(transfers.DAMAGE), progress.goods(transfers.DAMAGE_BACK))
    for item, quantity in broken.items():
        yield Difference(Matter.DAMAGED, item.sku, item.lot, quantity)


def _of_order(progress: Progress, kind: orders.Kind) -> Iterator[Difference]:
    decided = progress.decided
    moved = per_line(progress.goods(orders.SUPPLY), progress.goods(orders.DISPENSE))
    ended = bool(decided & {orders.Stage.CANCELED, orders.Stage.REJECTED})
    answered_both_ways = {orders.Stage.APPROVED, orders.Stage.REJECTED} <= decided
    # A supplier who delivers after all is told by the quantity; nobody took two decisions.
    against = ended and bool(moved) and kind is not orders.Kind.PURCHASE
    if against or answered_both_ways or {orders.Stage.CANCELED, orders.Stage.CLOSED} <= decided:
        yield Difference(Matter.CONFLICTING_STATUS)
    for key, quantity in sorted(moved.items()):
        over = quantity if ended else quantity - progress.lines.get(key, 0)
        if over > 0:
            yield Difference(Matter.OVER, key.sku, key.planned, over)
