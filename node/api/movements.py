"""`/v1/movements`: what happened to the goods. Recorded, listed and taken back; never changed or deleted."""

import asyncio
import re
import uuid
from collections.abc import Mapping
from typing import Annotated, Final

from aiohttp import web

from node.api.answers import JSON_TYPE, answer, answer_page, answer_recorded, to_json
from node.api.headers import IdempotencyKey
from node.api.models import BatchBody, MovementBody, ReversalBody
from node.api.queries import MovementAddress, MovementsAsked
from node.api.refusals import problem_of_refusal
from node.api.shown import BatchResults, MovementPage, MovementRecorded, MovementShown
from node.api.translation import batch_item, movement_of
from node.api.typed import Answers
from node.commands.answering import without_cost
from node.commands.requests import Answer, Caller, Movement, Refusal
from node.commands.rights import has_right, sees
from node.node import Node
from node.replica.movements import MovementQuery
from protocol.access.table import action
from protocol.limits import BATCH_LINES_MAX
from runtime.problems import Problem

_READ: Final = action("movements.read")
_COST: Final = action("cost.read")
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


_REPLAYED: Final = {"Idempotency-Replayed": "`true` on a repeat: nothing was recorded now."}

Recorded = Annotated[
    web.Response,
    Answers(
        MovementRecorded, status=201, headers={"Location": "The movement's address.", **_REPLAYED}
    ),
]
Results = Annotated[web.Response, Answers(BatchResults, headers=_REPLAYED)]
Page = Annotated[web.Response, Answers(MovementPage)]
One = Annotated[web.Response, Answers(MovementShown)]


async def record(node: Node, caller: Caller, key: IdempotencyKey, body: MovementBody) -> Recorded:
    """Record a movement.

    When the answer is here, the movement is on disk. Sent again with the same key and body, it gets the first answer
    again, status and bytes, also after a crash and also when it was first sent in a batch. Unknown SKUs count, with a
    warning.
    """
    return answer_recorded(await node.record(caller, movement_of(body), key))


async def record_batch(node: Node, caller: Caller, body: BatchBody) -> Results:
    """Record several movements.

    They are recorded in order, in one transaction, each answered as if alone: one that is refused spoils no other.
    """
    _refuse_too_many_lines(body.movements)
    items: list[tuple[str, Movement] | Problem] = []
    for raw in body.movements:
        items.append(batch_item(raw))
        # A thousand items are checked for a tenth of a second: others may go in between.
        await asyncio.sleep(0)
    answers = await node.record_batch(
        caller,
        [Refusal(item.code, item.detail) if isinstance(item, Problem) else item for item in items],
    )
    results = [
        # The node knows only the sentence of a bad item; which fields were wrong is known here.
        _result(item if isinstance(item, Problem) else found)
        for item, found in zip(items, answers, strict=True)
    ]
    content = b'{"results":[' + b",".join(results) + b"]}"
    headers = {"Idempotency-Replayed": "true"} if _all_replayed(answers) else {}
    return web.Response(body=content, content_type=JSON_TYPE, headers=headers)


async def reverse(
    node: Node, caller: Caller, key: IdempotencyKey, address: MovementAddress, body: ReversalBody
) -> Recorded:
    """Take a movement back.

    Appends the opposite; nothing is changed or deleted. A movement is reversed once.
    """
    return answer_recorded(
        await node.reverse(caller, movement_id(address), key, witness=body.witness)
    )


async def show_list(node: Node, caller: Caller, asked: MovementsAsked) -> Page:
    """List movements, newest first."""
    query = MovementQuery(
        location=asked.location,
        sku=asked.sku,
        lot=asked.lot,
        kind=None if asked.kind is None else asked.kind.operation_kind,
        reference=asked.reference,
        since_ms=asked.since,
        until_ms=asked.until,
        limit=asked.limit,
        cursor=asked.cursor,
    )
    items, following = await node.reading.movements(query)
    return answer_page([_seen_by(caller, one) for one in items], following)


async def show(node: Node, caller: Caller, address: MovementAddress) -> One:
    """Show one movement."""
    found = await node.reading.movement(movement_id(address))
    if found is None or not _sees(caller, found):
        raise _not_found()
    return answer(_seen_by(caller, found))


def _sees(caller: Caller, shown: Mapping[str, object]) -> bool:
    if shown["location"] is None:  # of several; whoever may not see all is shown none of it
        return caller.person is None or not caller.person.locations
    return sees(caller, _READ, frozenset({str(shown["location"])}))


def _seen_by(caller: Caller, shown: dict[str, object]) -> dict[str, object]:
    return shown if has_right(caller, _COST) else without_cost(shown)


def _refuse_too_many_lines(movements: list[object]) -> None:
    lines = [raw.get("lines") for raw in movements if isinstance(raw, dict)]
    if sum(len(each) for each in lines if isinstance(each, list)) > BATCH_LINES_MAX:
        raise Problem(
            "too_large", f"A batch has at most {BATCH_LINES_MAX} lines in all; send it in parts."
        )


def _result(outcome: Answer | Refusal | Problem) -> bytes:
    match outcome:
        case Answer(status=status, body=body):
            return b'{"status":%d,"movement":%s}' % (status, body)
        case Refusal():
            return _result(problem_of_refusal(outcome))
        case Problem():
            return to_json({"status": outcome.status, "problem": outcome.body()})


def _all_replayed(answers: list[Answer | Refusal]) -> bool:
    recorded = [one for one in answers if isinstance(one, Answer)]
    return bool(recorded) and all(one.replayed for one in recorded)


def movement_id(address: MovementAddress) -> bytes:
    """The id in an address. Raises: Problem `not_found` for what is none."""
    text = address.id.lower()
    if _ID.fullmatch(text) is None:
        raise _not_found()
    return uuid.UUID(text).bytes


def _not_found() -> Problem:
    return Problem("not_found", "There is no such movement here.")
