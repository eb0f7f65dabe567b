"""Every error answer of the HTTP surfaces, in one shape: `application/problem+json` (RFC 9457).

Rule: an answer carries a stable code and one sentence, never a stack trace, SQL or a value that
was sent in. Handlers raise; only the middleware here makes answers of what they raise.
"""

import json
import logging
import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import ValidationError

from runtime.errors import StoreError, StoreFull

ERRORS_MAX = 100  # of a body with thousands of wrong lines, the first are enough to see the pattern
LOC_CHARACTERS_MAX = 100  # an unknown key is the sender's text and may be as long as the body

# Codes are never renamed: clients decide by them.
STATUS_BY_CODE: Mapping[str, int] = {
    "bad_request": 400,
    "idempotency_key_missing": 400,
    "malformed_body": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "foreign_origin": 403,
    "shift_required": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "conflict": 409,
    "insufficient_stock": 409,
    "lot_not_usable": 409,
    "witness_required": 409,
    "ambiguous_barcode": 409,
    "movements_not_held": 409,
    "sealed_unreadable": 409,
    "sealing_unavailable": 409,
    "sealed_erased": 410,
    "precondition_failed": 412,
    "too_large": 413,
    "unsupported_media_type": 415,
    "foreign_host": 421,
    "idempotency_key_reused": 422,
    "unknown_barcode": 422,
    "validation_failed": 422,
    "rate_limited": 429,
    "internal": 500,
    "unavailable": 503,
    "disk_full": 507,
}
# Where aiohttp raises by status, the most general code of that status speaks.
_CODE_BY_STATUS: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    409: "conflict",
    410: "sealed_erased",
    412: "precondition_failed",
    413: "too_large",
    415: "unsupported_media_type",
    421: "foreign_host",
    422: "validation_failed",
    429: "rate_limited",
    500: "internal",
    503: "unavailable",
    507: "disk_full",
}
_SENTENCE_BY_CODE = {
    "not_found": "There is nothing at this address.",
    "method_not_allowed": "This address does not take this method.",
    "too_large": "The body is too large.",
}
PROBLEM_CODE = web.ResponseKey("PROBLEM_CODE", str)
"""Of an answer that is a problem: its code, for counting."""
_KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")

_log = logging.getLogger(__name__)


class Problem(Exception):
    """What the caller did wrong, or what is not possible now."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int | None = None,
        errors: Sequence[Mapping[str, object]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Name it by `code`; the status comes from `STATUS_BY_CODE` unless given."""
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.status = STATUS_BY_CODE[code] if status is None else status
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def body(self) -> dict[str, object]:
        """The members of the answer; also used where one answer holds several problems."""
        return {
            "type": f"urn:everstock:problem:{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "errors": [dict(error) for error in self.errors],
        }


def problem_response(problem: Problem) -> web.Response:
    """Make the HTTP answer. A problem with `Connection: close` ends the connection."""
    response = web.Response(
        status=problem.status,
        body=json.dumps(problem.body()).encode(),
        content_type="application/problem+json",
        headers=problem.headers,
    )
    response[PROBLEM_CODE] = problem.code
    if problem.headers.get("Connection") == "close":
        response.force_close()
    return response


@web.middleware
async def problems_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer whatever a handler raises; the outermost middleware."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise  # a redirect is an answer, not an error
        problem = problem_of_http(error)
    except Exception as error:
        writer = request.writer
        if request.transport is None or writer.output_size > 0:
            # The client has gone or has half an answer: a second one would garble the first.
            _log_unfinished(request, error)
            raise ConnectionResetError("the answer was cut short") from error
        problem = problem_of(error)
    return problem_response(problem)


def problem_of(error: Exception) -> Problem:
    """Say what an exception means to the caller.

    Whatever is not foreseen is logged with an id, and the caller gets only the id.
    """
    match error:
        case Problem():
            return error
        case ValidationError():
            return _of_validation(error)
        case StoreFull():
            return Problem("disk_full", "There is no room left on the disk; nothing was recorded.")
        case StoreError():
            sentence = "The store cannot take this now; nothing was recorded."
            return Problem("unavailable", sentence, headers={"Retry-After": "1"})
        case _:
            return _of_bug(error)


def _of_bug(error: Exception) -> Problem:
    incident = secrets.token_hex(6)
    _log.error("unforeseen error %s", incident, exc_info=error)
    return Problem("internal", f"Something went wrong here; the log has it as {incident}.")


def problem_of_http(error: web.HTTPException) -> Problem:
    """Say what one of aiohttp's own answers means, without the words it may have taken over."""
    code = _CODE_BY_STATUS.get(error.status) or (
        "bad_request" if error.status < HTTPStatus.INTERNAL_SERVER_ERROR else "internal"
    )
    sentence = _SENTENCE_BY_CODE.get(code, f"{error.reason}.")
    headers = {name: error.headers[name] for name in _KEPT_HEADERS if name in error.headers}
    return Problem(code, sentence, status=error.status, headers=headers)


def _of_validation(error: ValidationError) -> Problem:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    errors = [
        {"loc": [_short(part) for part in one["loc"]], "msg": one["msg"], "type": one["type"]}
        for one in found[:ERRORS_MAX]
    ]
    return Problem("validation_failed", "The request does not fit its description.", errors=errors)


def _short(part: int | str) -> int | str:
    return part[:LOC_CHARACTERS_MAX] if isinstance(part, str) else part


def _log_unfinished(request: web.Request, error: Exception) -> None:
    if isinstance(error, ConnectionResetError | Problem):
        return  # clients leave, also with what they did wrong untold; that is no event
    _log.error("an answer to %s was cut short", request.path, exc_info=error)
