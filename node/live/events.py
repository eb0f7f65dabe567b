"""What is told live, and the ids by which a reader resumes.

Invariant: an event's JSON is made once, whoever many listen. A frame's id says that everything up to there was told; so
only the last of several events of one change carries the number of that change, and the others that of the one before.
"""

import re
from collections.abc import Collection
from enum import StrEnum
from typing import Final, NamedTuple

import orjson

from protocol.ids import Scope

_ID: Final = re.compile(r"(?P<life>[0-9a-f]{16})\.(?P<n>0|[1-9][0-9]{0,17})")


class EventName(StrEnum):
    """The kinds of events."""

    STOCK = "stock"
    MOVEMENT = "movement"
    DOCUMENT = "document"
    ALERT = "alert"
    EXCEPTION = "exception"
    SYNC = "sync"
    REMOVED = "removed"
    RESYNC = "resync"


class Event(NamedTuple):
    """One row as it is now, or that it is gone."""

    n: int
    """Of the last change that it tells of."""
    key: tuple[str, ...]
    """What it is about: a later event of the same key takes its place."""
    name: EventName
    data: bytes
    """JSON."""
    scopes: Collection[Scope] | None
    """Who is told: streams of any of these; None: every stream."""


class Frame(NamedTuple):
    """An event as one reader is told it."""

    id: str
    name: EventName
    data: bytes


class Sync(NamedTuple):
    """Where the node stands with the hub."""

    data: bytes
    mark: bytes
    """The same without what changes by itself: readers are told when this changes."""


class Since(NamedTuple):
    """How far a reader has come: everything up to `n` of a life; 0 is nothing yet."""

    life: bytes
    n: int


def since_of(text: str) -> Since | None:
    """Read an id; "0" is nothing yet, of any life; None for what is no id."""
    if text == "0":
        return Since(b"", 0)
    found = _ID.fullmatch(text)
    return None if found is None else Since(bytes.fromhex(found["life"]), int(found["n"]))


def id_of(life: bytes, n: int) -> str:
    """Write an id."""
    return f"{life.hex()}.{n}"


def json_of(value: object) -> bytes:
    """Compact JSON; bytes, as documents may hold them, in hexadecimal."""
    return orjson.dumps(value, default=_hex)


def _hex(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no place in an event")
