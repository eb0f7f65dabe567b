"""Answers that are not problems.

Rule: an answer that was remembered is sent as the bytes it was first sent as.
"""

from collections.abc import Mapping

import orjson
from aiohttp import web

from node.commands.requests import Answer

JSON_TYPE = "application/json"


def to_json(value: object) -> bytes:
    """Write compact UTF-8 JSON."""
    return orjson.dumps(value)


def answer(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with a value."""
    return web.Response(status=status, body=to_json(value), content_type=JSON_TYPE, headers=headers)


def answer_page(items: list[dict[str, object]], following: str | None) -> web.Response:
    """Answer with one page of a list and the cursor of the next."""
    return answer({"items": items, "next": following})


def answer_recorded(recorded: Answer) -> web.Response:
    """Answer what a recording command answered, and say so when it is a repeat."""
    headers = {"Location": f"/v1/movements/{recorded.movement_id}"}
    if recorded.replayed:
        headers["Idempotency-Replayed"] = "true"
    return web.Response(
        status=recorded.status, body=recorded.body, content_type=JSON_TYPE, headers=headers
    )
