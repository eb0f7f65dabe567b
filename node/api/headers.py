"""The request headers that handlers take as arguments.

Rule: a header says in one place how it is called, what it is for, how it is read and what JSON Schema says of it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, get_args, get_origin

from aiohttp import web
from pydantic import WithJsonSchema

from node.api.translation import idempotency_key
from node.api.values import KeyText
from runtime.problems import Problem

_TAG: Final = r'(W/)?"[!#-~]*"'
_TAGS: Final = rf"\*|{_TAG}( *, *{_TAG})*"
_TAGS_FORM: Final = re.compile(_TAGS)
_EACH_TAG: Final = re.compile(_TAG)


@dataclass(frozen=True, slots=True)
class Header:
    """A header of the request, as `Annotated[type, Header(...)]`."""

    name: str
    description: str
    read: Callable[[web.Request], object]
    required: bool = True


def header_of(hint: object) -> Header | None:
    """The header that an argument is read from."""
    parts = get_args(hint) if get_origin(hint) is Annotated else ()
    return next((part for part in parts if isinstance(part, Header)), None)


def _key(request: web.Request) -> str:
    return idempotency_key(request.headers.getall("Idempotency-Key", ()))


IdempotencyKey = Annotated[
    KeyText,
    Header(
        "Idempotency-Key",
        "Names this request for ever, within the caller's name: sent again with the same key and body, it gets the "
        "first answer again and records nothing.",
        _key,
    ),
]


def _tags(request: web.Request) -> tuple[str, ...] | None:
    """The tags named; None when any state will do. A weak tag is that of no state (RFC 9110 section 13.1.1)."""
    lines = request.headers.getall("If-Match", ())
    given = ", ".join(lines).strip()
    if not lines or given == "*":
        return None
    if _TAGS_FORM.fullmatch(given) is None:
        raise Problem("bad_request", "If-Match must be entity tags, each in quotes, or *.")
    return tuple(found[0] for found in _EACH_TAG.finditer(given))


IfMatch = Annotated[
    tuple[str, ...] | None,
    WithJsonSchema({"type": "string", "pattern": f"^({_TAGS})$"}),
    Header(
        "If-Match",
        "The `ETag` of the state that is to be changed: if it was changed meanwhile, nothing is.",
        _tags,
        required=False,
    ),
]
