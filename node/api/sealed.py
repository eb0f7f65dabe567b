"""`/v1/movements/{id}/sealed`: what only some may read of a movement. Opened with a note of who did; erased for good.

Rule: an answer in clear is made for whoever has the right at the movement's location, is noted before it leaves, and is
never kept, logged or cached here.
"""

from dataclasses import asdict
from typing import Annotated

from aiohttp import web

from node.api.answers import answer
from node.api.models import Nothing, RecoveryBody
from node.api.movements import movement_id
from node.api.queries import MovementAddress
from node.api.shown import KeysChanged, SealedErased, SealedShown
from node.api.typed import Answers, Operator, Route
from node.commands.answering import id_to_text
from node.commands.requests import Caller
from node.node import Node
from protocol.access.table import action
from protocol.errors import ProtocolError
from protocol.ids import OpId
from protocol.sealing import recovery_from_text, recovery_pair
from runtime.problems import Problem

Shown = Annotated[web.Response, Answers(SealedShown)]
Erased = Annotated[web.Response, Answers(SealedErased)]
Changed = Annotated[web.Response, Answers(KeysChanged)]


async def open_sealed(node: Node, caller: Caller, address: MovementAddress) -> Shown:
    """Open what was sealed with a movement.

    Only for people with the right to read patients at its location. Who opened it is noted before this answers.
    """
    id_ = OpId(movement_id(address))
    opened = await node.sealed.open(caller, id_)
    return answer({"id": id_to_text(id_), "location": opened.location, "details": opened.details})


async def erase_sealed(
    node: Node, caller: Caller, address: MovementAddress, _body: Nothing
) -> Erased:
    """Erase what was sealed with a movement, for good.

    Its key is destroyed here at once, and at the hub and the location's other nodes when they hear of it; then nobody opens
    it, not even with the chain's recovery key. The movement itself stays. Backups of before keep what they hold.
    """
    id_ = OpId(movement_id(address))
    is_news = await node.sealed.erase(caller, id_)
    return answer({"id": id_to_text(id_), "erased": True, "before": not is_news})


async def change_sealing_key(node: Node, _operator: Operator, _body: Nothing) -> Changed:
    """Give this node another sealing key.

    What it can open is wrapped for the new one; the old one is destroyed once the hub keeps all of that.
    """
    return answer(asdict(await node.sealed.change_key()))


async def recover_sealed(node: Node, _operator: Operator, body: RecoveryBody) -> Changed:
    """Make readable at this node what the chain's recovery key opens.

    Nothing is opened by this: who may read it here is what it was before. The key is not kept.
    """
    try:
        pair = recovery_pair(recovery_from_text(body.recovery_key))
    except ProtocolError as error:
        raise Problem(
            "validation_failed", f"{error.detail[:1].upper()}{error.detail[1:]}."
        ) from error
    return answer(asdict(await node.sealed.recover(pair)))


SEALED_ROUTES = (
    Route(
        "POST",
        "/v1/operator/sealing/key",
        change_sealing_key,
        ("disk_full",),
        action("node.administer"),
        tag="operators",
    ),
    Route(
        "POST",
        "/v1/operator/sealing/recover",
        recover_sealed,
        ("disk_full",),
        action("node.administer"),
        tag="operators",
    ),
    Route(
        "GET",
        "/v1/movements/{id}/sealed",
        open_sealed,
        ("forbidden", "not_found", "sealed_erased", "sealed_unreadable"),
        action("patient.read"),
        tag="movements",
    ),
    Route(
        "POST",
        "/v1/movements/{id}/sealed/erase",
        erase_sealed,
        ("forbidden", "not_found", "disk_full"),
        action("patient.erase"),
        tag="movements",
    ),
)
