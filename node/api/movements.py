"""`/v1/movements`: what happened to the goods. Recorded, listed and taken back; never changed or deleted."""

import asyncio
import re
import uuid
from typing import Final

from aiohttp import web

from node.api.answers import JSON_TYPE, answer, answer_page, answer_recorded, to_json
from node.api.authentication import caller
from node.api.bodies import read_body, read_nothing
from node.api.context import NODE
from node.api.models import BatchBody, MovementBody, Nothing
from node.api.queries import MovementsAsked, parameters, refuse_parameters
from node.api.refusals import problem_of_refusal
from node.api.translation import batch_item, idempotency_key, movement_of
from node.commands.requests import Answer, Movement, Refusal
from node.replica.movements import MovementQuery
from protocol.limits import BATCH_LINES_MAX
from runtime.problems import Problem

_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def record(request: web.Request) -> web.Response:
    """`POST /v1/movements`."""
    refuse_parameters(request)
    key = idempotency_key(request.headers.getall("Idempotency-Key", ()))
    movement = movement_of(await read_body(request, MovementBody))
    return answer_recorded(await request.app[NODE].record(caller(request), movement, key))


async def record_batch(request: web.Request) -> web.Response:
    """`POST /v1/movements/batch`: in order, in one transaction, each answered as if alone."""
    refuse_parameters(request)
    body = await read_body(request, BatchBody)
    _refuse_too_many_lines(body.movements)
    items: list[tuple[str, Movement] | Problem] = []
    for raw in body.movements:
        items.append(batch_item(raw))
        await asyncio.sleep(
            0
        )  # a thousand items are checked for a tenth of a second: others may go in between
    answers = await request.app[NODE].record_batch(
        caller(request),
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


async def reverse(request: web.Request) -> web.Response:
    """`POST /v1/movements/{id}/reverse`: appends the opposite."""
    refuse_parameters(request)
    key = idempotency_key(request.headers.getall("Idempotency-Key", ()))
    movement_id = _movement_id(request)
    await read_nothing(request, Nothing)
    return answer_recorded(await request.app[NODE].reverse(caller(request), movement_id, key))


async def show_list(request: web.Request) -> web.Response:
    """`GET /v1/movements`: newest first."""
    asked = parameters(request, MovementsAsked)
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
    return answer_page(*await request.app[NODE].movements(query))


async def show(request: web.Request) -> web.Response:
    """`GET /v1/movements/{id}`."""
    refuse_parameters(request)
    found = await request.app[NODE].movement(_movement_id(request))
    if found is None:
        raise _not_found()
    return answer(found)


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


def _movement_id(request: web.Request) -> bytes:
    text = request.match_info["id"].lower()
    if _ID.fullmatch(text) is None:
        raise _not_found()
    return uuid.UUID(text).bytes


def _not_found() -> Problem:
    return Problem("not_found", "There is no such movement here.")
