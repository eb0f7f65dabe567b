"""What a command refuses, as the answer that the caller gets.

Rule: the code is the command's own and decides the status; nothing of a refused request was recorded.
"""

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from node.commands.requests import Refusal
from runtime.problems import Problem

_IN_A_MOMENT: Final = {"Retry-After": "1"}


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn a Refusal into a Problem for the problems middleware outside."""
    try:
        return await handler(request)
    except Refusal as refusal:
        raise problem_of_refusal(refusal) from refusal


def problem_of_refusal(refusal: Refusal) -> Problem:
    """The same code and sentence; the fault's own name, if it has one, is the type of the one entry of `errors`."""
    if refusal.fault is None:
        headers = _IN_A_MOMENT if refusal.code == "unavailable" else {}
        return Problem(refusal.code, refusal.detail, errors=refusal.errors, headers=headers)
    fault = {"loc": [], "msg": refusal.detail, "type": refusal.fault}
    return Problem(refusal.code, refusal.detail, errors=[fault])
