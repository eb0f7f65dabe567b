"""`/v1/orders/{id}/...`: an order on its course, a verb at a time.

Rule: every verb is an address of its own with an Idempotency-Key, and answers the order as it is afterwards. Which are
allowed follows from the order's kind and stage and from which of its locations this node writes.
"""

from typing import Annotated, Final

from aiohttp import web

from node.api.course_models import (
    AcknowledgedBody,
    AskedBody,
    CourseAddress,
    FulfilledBody,
    OrderActed,
    PlanBody,
    ReversedBody,
    TakenBody,
)
from node.api.courses import PROBLEMS, RECORDED, answer_acted, request_of
from node.api.headers import IdempotencyKey
from node.api.models import Body, Nothing
from node.api.typed import Answers, Route
from node.commands.orders import ACKNOWLEDGE
from node.commands.requests import Caller
from node.node import Node
from protocol.access.table import Action, action
from protocol.workflows.order_table import Verb

Acted = Annotated[web.Response, Answers(OrderActed, headers=RECORDED)]


async def submit(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: AskedBody
) -> Acted:
    """Ask for an order to be approved.

    Of a purchase the office, of an internal order the location that is to deliver.
    """
    return await _act(node, caller, key, address, Verb.SUBMIT, body)


async def approve(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: Nothing
) -> Acted:
    """Approve an order."""
    return await _act(node, caller, key, address, Verb.APPROVE, body)


async def reject(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: Nothing
) -> Acted:
    """Reject an order.

    Of two who answer apart one no is enough.
    """
    return await _act(node, caller, key, address, Verb.REJECT, body)


async def place(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: AskedBody
) -> Acted:
    """Place an order.

    From here on it is owed: reserved for the customer, or expected of the supplier.
    """
    return await _act(node, caller, key, address, Verb.PLACE, body)


async def fulfil(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: FulfilledBody
) -> Acted:
    """Fulfil an order, wholly or in part.

    A purchase is received, a customer's order goes out as a sale; of an internal order a transfer is named that moved
    the goods. A part leaves the rest owed.
    """
    return await _act(node, caller, key, address, Verb.FULFIL, body)


async def dispense(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: TakenBody
) -> Acted:
    """Dispense a customer's order, wholly or in part.

    A part leaves the rest owed. Goods named without a lot, of a SKU whose lots are tracked, are taken from those that
    expire first.
    """
    return await _act(node, caller, key, address, Verb.DISPENSE, body)


async def cancel(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: Nothing
) -> Acted:
    """Cancel an order of which nothing was fulfilled.

    What was promised is free again.
    """
    return await _act(node, caller, key, address, Verb.CANCEL, body)


async def close(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: Nothing
) -> Acted:
    """Close an order: nothing more of it will come, or go out.

    What was not fulfilled is no longer owed.
    """
    return await _act(node, caller, key, address, Verb.CLOSE, body)


async def lines(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: PlanBody
) -> Acted:
    """Change what an order is for.

    What is owed of it follows.
    """
    return await _act(node, caller, key, address, Verb.AMEND, body)


async def reverse(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: ReversedBody
) -> Acted:
    """Take goods back that were scanned or typed wrongly.

    They are owed again, if the order is still open.
    """
    return await _act(node, caller, key, address, Verb.REVERSE, body)


async def acknowledge(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: AcknowledgedBody
) -> Acted:
    """Say that somebody has seen an order.

    Whoever was asked to is no longer waited for.
    """
    return await _act(node, caller, key, address, ACKNOWLEDGE, body)


async def _act(
    node: Node, caller: Caller, key: str, address: CourseAddress, verb: str, body: Body
) -> web.Response:
    request = request_of(str(verb), body)
    return answer_acted(await node.workflows.act_on_order(caller, address.id, request, key))


def _right(name: str) -> Action:
    return action(f"orders.{'amend' if name == 'lines' else name}")


_VERBS: Final = (
    *(submit, approve, reject, place, fulfil, dispense),
    *(cancel, close, lines, reverse, acknowledge),
)
ORDER_ROUTES: Final = tuple(
    Route("POST", f"/v1/orders/{{id}}/{verb.__name__}", verb, PROBLEMS, _right(verb.__name__))
    for verb in _VERBS
)
