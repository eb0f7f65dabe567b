"""Which form of a report a caller prefers, by the `Accept` header (RFC 9110 section 12.5.1).

Rule: JSON unless CSV is clearly preferred; a header that makes no sense says nothing.
"""

from typing import Final

from aiohttp import web

from node.api.answers import JSON_TYPE

CSV_TYPE: Final = "text/csv"


def prefers_csv(request: web.Request) -> bool:
    """Whether the request would rather have CSV than JSON."""
    accepted = ",".join(request.headers.getall("Accept", ()))
    return _quality(accepted, CSV_TYPE) > _quality(accepted, JSON_TYPE)


def _quality(accepted: str, media_type: str) -> float:
    """How much a header wants a type, 0 to 1: as the most specific range says that has it."""
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    found: dict[str, float] = {}
    for part in accepted.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weights = [piece[2:] for piece in parameters if piece.startswith("q=")]
        found[name] = _weight(weights[0]) if weights else 1.0
    return next((found[one] for one in ranges if one in found), 0.0)


def _weight(text: str) -> float:
    try:
        return float(text) if len(text) <= len("0.000") else 0.0
    except ValueError:
        return 0.0
