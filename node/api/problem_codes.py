"""The problem codes of each route, and what each code means, for the document.

Rule: a code has one meaning, wherever it is answered; `runtime.problems` gives it its status. What can go wrong follows
from what a handler takes; a route names only what its handler does beside.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from node.api.authentication import OF_SHIFTS
from node.api.headers import IdempotencyKey, IfMatch
from node.api.models import Body
from node.api.typed import Operator, Route
from node.node import Node
from runtime.problems import STATUS_BY_CODE, Problem

PROBLEM_TYPE: Final = "application/problem+json"
_ANYWHERE: Final = ("foreign_host", "foreign_origin", "validation_failed", "internal")
_RECORDING: Final = ("idempotency_key_missing", "idempotency_key_reused", "disk_full")
_WITH_BODY: Final = ("malformed_body", "too_large", "unsupported_media_type", "request_timeout")

MEANING: Final[Mapping[str, str]] = {
    "bad_request": "The request is not HTTP as it should be.",
    "idempotency_key_missing": "What is recorded needs one Idempotency-Key of visible ASCII characters.",
    "malformed_body": "The body is not the JSON or MessagePack that it says it is.",
    "unauthenticated": "The token is missing or unknown.",
    "forbidden": "This caller, or this node, may not do this.",
    "shift_required": "Somebody has to sign on at this till, by POST /v1/shifts, or the shift or the witness that the request "
    "names is over.",
    "foreign_origin": "The request comes from another site's page.",
    "not_found": "There is no such thing here.",
    "method_not_allowed": "This address does not take this method.",
    "request_timeout": "The body did not arrive in time.",
    "conflict": "It contradicts what is recorded already.",
    "insufficient_stock": "There is not enough, and this location refuses to go below zero.",
    "lot_not_usable": "A line takes goods of a lot that has expired, or is held, quarantined or recalled; `errors` says "
    "which line, and its `type` why.",
    "witness_required": "Goods leave of which the catalogue says that a second person must see it, and none, or nobody "
    "else, is named; `errors` says which lines.",
    "ambiguous_barcode": "A line's barcode is on several SKUs; `errors` names each: send the line again with its sku.",
    "sealed_unreadable": "What is sealed was sealed for other keys than this node's, or was changed.",
    "sealing_unavailable": "This chain has no recovery key yet, so nothing can be sealed: ask the head office for one.",
    "sealed_erased": "What was sealed was erased for good.",
    "movements_not_held": "This node does not keep the movements that it would take: ask the node that sells there.",
    "precondition_failed": "What is to be changed is not in the state that If-Match names.",
    "too_large": "The body, or what it holds, is larger than is taken.",
    "unsupported_media_type": "The body must be JSON or MessagePack, in UTF-8 and not compressed.",
    "foreign_host": "This host is not served here.",
    "idempotency_key_reused": "The key was used before, for another request.",
    "unknown_barcode": "A line's barcode is on no SKU here: link it by POST /v1/skus/{code}/barcodes, or send its sku.",
    "validation_failed": "The request does not fit its description; `errors` says where.",
    "rate_limited": "Too many requests; come back after the seconds in Retry-After.",
    "internal": "Something went wrong here; the log has it under the id in `detail`.",
    "unavailable": "The store cannot take this now; come back after the seconds in Retry-After.",
    "disk_full": "There is no room left on the disk; nothing was recorded.",
}


def problems(route: Route) -> dict[int, set[str]]:
    """Every code that can be answered, by status."""
    codes: list[str | tuple[str, int]] = [*_ANYWHERE, *route.problems]
    hints = list(route.arguments.values())
    if not route.is_open:
        codes += ["unauthenticated", "rate_limited"]
    if not route.is_open and Operator not in hints and route.path not in OF_SHIFTS:
        codes.append("shift_required")
    if Operator in hints or route.action is not None:
        codes.append("forbidden")
    if Node in hints:
        codes.append("unavailable")
    if route.argument_of(Body):
        codes += _WITH_BODY
    if IdempotencyKey in hints:
        codes += _RECORDING
    if IfMatch in hints:
        codes.append("bad_request")
    found: dict[int, set[str]] = {}
    for code in codes:
        name, status = (code, STATUS_BY_CODE[code]) if isinstance(code, str) else code
        found.setdefault(status, set()).add(name)
    return found


def problem_response(status: int, codes: Sequence[str], schema_ref: str) -> dict[str, Any]:
    """The answer of one status: the one shape, with the codes that it can have here."""
    schema = {
        "allOf": [{"$ref": schema_ref}],
        "properties": {"status": {"const": status}, "code": {"enum": codes}},
    }
    example = Problem(codes[0], MEANING[codes[0]], status=status).body()
    meanings = "\n".join(f"- `{code}`: {MEANING[code]}" for code in codes)
    return {
        "description": meanings,
        "content": {PROBLEM_TYPE: {"schema": schema, "example": example}},
    }
