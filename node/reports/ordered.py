"""Rows of a report that is worked out as a whole, in pieces: each row has a key, and a cursor names the last one shown.

Invariant: keys are unique and rise, so a cursor goes on behind its row whatever was recorded in between.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final, Generic, TypeVar

from node.commands.requests import Refusal
from node.replica.cursors import read_texts, write_cursor
from node.reports.frame import Piece, Row, Span

Key = tuple[str | int, ...]
"""All keys of one report have the same types in the same places."""
Keyed = tuple[Key, Row]

T = TypeVar("T")
_NUMBER_CHARS_MAX: Final = 19


class Once(Generic[T]):
    """What one request works out, once for all pieces of it: they are of one snapshot."""

    def __init__(self) -> None:
        self._found: list[T] = []

    def get(self, make: Callable[[], T]) -> T:
        """What `make` gave when it was first asked for."""
        if not self._found:
            self._found.append(make())
        return self._found[0]


def piece_of(rows: Sequence[Keyed], span: Span, kinds: Sequence[type[str] | type[int]]) -> Piece:
    """The rows after the cursor, at most `limit`.

    Args:
        rows: by key.
        span: which of them.
        kinds: the types of a key's parts.

    Raises:
        Refusal: `validation_failed` for a cursor that no such report gave.
    """
    first = 0
    if span.cursor is not None:
        first = bisect_right(rows, _read(span.cursor, kinds), key=itemgetter(0))
    shown = rows[first : first + span.limit]
    is_last = first + span.limit >= len(rows)
    following = None if is_last else write_cursor([str(part) for part in shown[-1][0]])
    return Piece([row for _, row in shown], following)


def _read(cursor: str, kinds: Sequence[type[str] | type[int]]) -> Key:
    texts = read_texts(cursor, len(kinds))
    key: list[str | int] = []
    for text, kind in zip(texts, kinds, strict=True):
        if kind is str:
            key.append(text)
            continue
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > _NUMBER_CHARS_MAX:
            raise Refusal("validation_failed", "the cursor is not one that this report gave")
        key.append(int(text))
    return tuple(key)
