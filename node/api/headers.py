"""The request headers that handlers take as arguments.

Rule: a header says in one place how it is called, what it is for, how it is read and what JSON Schema says of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, get_args, get_origin

from aiohttp import web

from node.api.translation import idempotency_key
from node.api.values import KeyText


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
