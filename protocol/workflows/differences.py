"""What people have to look at in a document: two decisions that cannot both be, goods that are not what was said.

Invariant: a function of what the document says, so it appears on every node that holds it and goes when the document no
longer says so; nothing here is stored, and nothing here changes stock.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from protocol.workflows import order_table, transfer_table, transfers
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


def of_order(progress: Progress, kind: order_table.Kind) -> tuple[Difference, ...]:
    """What somebody has to look at in an order, the document's own matters first."""
    return tuple(_of_order(progress, kind))


def of_stocktake(sheet: Sheet) -> tuple[Difference, ...]:
    """What somebody has to look at in a stocktake, the document's own matters first."""
    both_ways = {StocktakeStage.FINALISED, StocktakeStage.CANCELLED} <= sheet.progress.decided
    return (Difference(Matter.CONFLICTING_STATUS),) if both_ways else ()


def _of_transfer(progress: Progress) -> Iterator[Difference]:
    stage = transfers.stage_of(progress)
    sent = progress.goods(transfer_table.SHIP)
    arrived = plus(progress.goods(transfer_table.RECEIVE), progress.goods(transfer_table.DAMAGE))
    if transfer_table.Stage.CANCELLED in progress.decided and (sent or arrived):
        yield Difference(Matter.CONFLICTING_STATUS)
    asked = transfer_table.Verb.CALL_BACK in progress.decided
    if asked and stage in (transfer_table.Stage.SHIPPED, transfer_table.Stage.PARTLY_RECEIVED):
        yield Difference(Matter.CALLED_BACK)
    back = plus(
        progress.goods(transfer_table.RECEIVE_BACK), progress.goods(transfer_table.DAMAGE_BACK)
    )
    turned = progress.goods(transfer_table.TURN_BACK)
    there = transfers.matched(minus(sent, arrived, turned))
    returned = transfers.matched(minus(turned, back))
    for item, left in (*there.items(), *returned.items()):
        if left < 0:
            matter = Matter.OVER if sent else Matter.UNANNOUNCED
            yield Difference(matter, item.sku, item.lot, -left)
        elif stage == transfer_table.Stage.CLOSED:
            yield Difference(Matter.SHORT, item.sku, item.lot, left)
    broken = plus(progress.goods(transfer_table.DAMAGE), progress.goods(transfer_table.DAMAGE_BACK))
    for item, quantity in broken.items():
        yield Difference(Matter.DAMAGED, item.sku, item.lot, quantity)


def _of_order(progress: Progress, kind: order_table.Kind) -> Iterator[Difference]:
    decided = progress.decided
    moved = per_line(progress.goods(order_table.SUPPLY), progress.goods(order_table.DISPENSE))
    ended = bool(decided & {order_table.Stage.CANCELED, order_table.Stage.REJECTED})
    answered_both_ways = {order_table.Stage.APPROVED, order_table.Stage.REJECTED} <= decided
    # A supplier who delivers after all is told by the quantity; nobody took two decisions.
    against = ended and bool(moved) and kind is not order_table.Kind.PURCHASE
    if (
        against
        or answered_both_ways
        or {order_table.Stage.CANCELED, order_table.Stage.CLOSED} <= decided
    ):
        yield Difference(Matter.CONFLICTING_STATUS)
    for key, quantity in sorted(moved.items()):
        over = quantity if ended else quantity - progress.lines.get(key, 0)
        if over > 0:
            yield Difference(Matter.OVER, key.sku, key.planned, over)
