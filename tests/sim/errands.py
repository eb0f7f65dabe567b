"""How a clerk's errand is asked for here: as the node's own commands, and under which names it is recorded."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from node.commands.courses import Goods, Request, event_name
from node.commands.documents import Written
from node.commands.requests import Caller
from node.commands.stocktakes import Wish
from node.node import Node
from protocol.ids import NO_LOT, Lot, Sku
from protocol.workflows import order_table, transfer_table
from protocol.workflows.bookkeeping import parcel_event
from protocol.workflows.progress import Item, LineKey, line_id
from protocol.workflows.stocktakes import Verb
from tests.shopwork.drafts import Filed
from tests.shopwork.errands import Errand, Some

_LEGS: Final[Mapping[str, Sequence[str]]] = {
    "orders": sorted({leg for legs in order_table.LEGS.values() for leg in legs}),
    "transfers": sorted(transfer_table.LEGS),
}
"""What goods of a document may have moved on."""


@dataclass(frozen=True, slots=True)
class Asking:
    """One thing to do with a document, under one idempotency key."""

    verb: str
    run: Callable[[Node, Caller, str], Awaitable[Written]]
    """Asked with the node, the caller and the key."""
    named: tuple[tuple[str, ...], ...] = ()
    """The steps that have names of their own, which whoever does the same gives them too."""
    may_be_nothing: bool = False
    """Whether an answer may mean that nothing was recorded under the key itself."""


def asking(filed: Filed, errand: Errand) -> Asking:
    """An errand as it is asked for."""
    if filed.collection == "stocktakes":
        return _of_stocktake(filed, errand)
    is_order = filed.collection == "orders"
    request, named = _request(errand), tuple(_named(filed, errand))

    async def run(node: Node, caller: Caller, key: str) -> Written:
        workflows = node.workflows
        act = workflows.act_on_order if is_order else workflows.act_on_transfer
        return await act(caller, filed.id, request, key)

    return Asking(errand.verb, run, named, bool(errand.parcel or errand.event))


def _request(errand: Errand) -> Request:
    if errand.plan is not None:
        sku, lot, quantity = errand.plan
        return Request(errand.verb, plan=((LineKey(Sku(sku), Lot(lot)), quantity),))
    if errand.event:
        return Request(errand.verb, event=_event(errand))
    lines = None if errand.lines is None else tuple(map(_goods, errand.lines))
    return Request(errand.verb, lines, tuple(map(_goods, errand.damaged)), parcel=errand.parcel)


def _named(filed: Filed, errand: Errand) -> Sequence[tuple[str, ...]]:
    if errand.event:
        # Of several legs, as an item of a parcel is, whatever the machine knows by then is taken back.
        return [("", f"reverse:{leg}:{_event(errand)}") for leg in _LEGS[filed.collection]]
    if not errand.parcel:
        return []
    return [
        (
            line_id(each.sku, each.planned or NO_LOT),
            f"{errand.verb}:{parcel_event(errand.parcel, item)}",
        )
        for each in map(_goods, (*(errand.lines or ()), *errand.damaged))
        for item in (Item(each.sku, each.lot, each.planned or NO_LOT),)
    ]


def _event(errand: Errand) -> str:
    return event_name(errand.event.removesuffix("~"))


def _goods(some: Some) -> Goods:
    return Goods(Sku(some.sku), some.quantity, Lot(some.lot), Lot(some.planned))


def _of_stocktake(filed: Filed, errand: Errand) -> Asking:
    line = None if errand.line is None else LineKey(Sku(errand.line[0]), Lot(errand.line[1]))
    wish = Wish(Verb(errand.verb), line, errand.counted, errand.reason)

    async def run(node: Node, caller: Caller, key: str) -> Written:
        return await node.stocktakes.act(caller, filed.id, wish, key)

    return Asking(errand.verb, run)
