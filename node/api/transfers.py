"""`/v1/transfers/{id}/...`: a transfer on its course, a verb at a time.

Rule: every verb is an address of its own with an Idempotency-Key, and answers the transfer as it is afterwards. Which are
allowed follows from the transfer's stage and from which of its ends this node writes.
"""

from typing import Annotated, Final

from aiohttp import web

from node.api.course_models import (
    CourseAddress,
    GoodsBody,
    PlanBody,
    ReceivedBody,
    ReversedBody,
    TakenBody,
    TransferActed,
)
from node.api.courses import PROBLEMS, RECORDED, answer_acted, request_of
from node.api.headers import IdempotencyKey
from node.api.models import Body, Nothing
from node.api.typed import Answers, Route
from node.commands.requests import Caller
from node.node import Node
from protocol.access.table import Action, action
from protocol.workflows.transfer_table import Verb

Acted = Annotated[web.Response, Answers(TransferActed, headers=RECORDED)]


async def allocate(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: Nothing
) -> Acted:
    """Promise the goods to a transfer.

    What is planned is reserved at the sender until it is shipped or cancelled. For the sender and the office.
    """
    return await _act(node, caller, key, address, Verb.ALLOCATE, body)


async def ship(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: TakenBody
) -> Acted:
    """Ship goods of a transfer, all or some.

    They leave the sender's shelf and are in transit to the receiver. Goods named without a lot, of a SKU whose lots are
    tracked, are taken from those that expire first, but for those of a numbered parcel. For the sender.
    """
    return await _act(node, caller, key, address, Verb.SHIP, body)


async def receive(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: ReceivedBody
) -> Acted:
    """Receive goods of a transfer, all or some.

    What arrived counts whatever was sent, and also before its news has come; what is damaged is written off. Goods named
    without a lot are taken to be of the lots that are on their way, but for those of a numbered parcel. For the receiver.
    """
    return await _act(node, caller, key, address, Verb.RECEIVE, body)


async def call_back(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: Nothing
) -> Acted:
    """Ask for goods that are on their way.

    The receiver turns back what has not arrived. For the sender and the office.
    """
    return await _act(node, caller, key, address, Verb.CALL_BACK, body)


async def turn_back(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: GoodsBody
) -> Acted:
    """Turn goods back that are on their way.

    They are in transit to the sender then. For the receiver.
    """
    return await _act(node, caller, key, address, Verb.TURN_BACK, body)


async def receive_back(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: ReceivedBody
) -> Acted:
    """Receive goods that were turned back.

    They are on the sender's shelf again; what is damaged is written off. For the sender.
    """
    return await _act(node, caller, key, address, Verb.RECEIVE_BACK, body)


async def cancel(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: Nothing
) -> Acted:
    """Cancel a transfer of which nothing was shipped.

    What was promised to it is free again. For the sender and the office.
    """
    return await _act(node, caller, key, address, Verb.CANCEL, body)


async def close(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: Nothing
) -> Acted:
    """Close a transfer: nothing more of it is expected.

    What did not arrive is written off; what turns up later counts all the same. For the receiver and the office, of what
    was turned back for the sender.
    """
    return await _act(node, caller, key, address, Verb.CLOSE, body)


async def lines(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: PlanBody
) -> Acted:
    """Change what a transfer is to bring.

    Before it is shipped; what was promised to it follows. Once allocated it is for the sender and the office.
    """
    return await _act(node, caller, key, address, Verb.AMEND, body)


async def reverse(
    node: Node, caller: Caller, key: IdempotencyKey, address: CourseAddress, body: ReversedBody
) -> Acted:
    """Take goods back that were scanned or typed wrongly.

    For whoever recorded them, at any stage.
    """
    return await _act(node, caller, key, address, Verb.REVERSE, body)


async def _act(
    node: Node, caller: Caller, key: str, address: CourseAddress, verb: Verb, body: Body
) -> web.Response:
    request = request_of(verb.value, body)
    return answer_acted(await node.workflows.act_on_transfer(caller, address.id, request, key))


def _right(name: str) -> Action:
    return action(f"transfers.{'amend' if name == 'lines' else name}")


_VERBS: Final = (
    *(allocate, ship, receive, call_back, turn_back, receive_back),
    *(cancel, close, lines, reverse),
)
TRANSFER_ROUTES: Final = tuple(
    Route("POST", f"/v1/transfers/{{id}}/{verb.__name__}", verb, PROBLEMS, _right(verb.__name__))
    for verb in _VERBS
)
