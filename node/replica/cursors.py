"""The opaque cursors of lists: where the next page begins, as text that callers hand back.

Invariant: a cursor is read as exactly the values it was made of, or refused; it never reaches SQL as text.
"""

import base64
from collections.abc import Sequence
from typing import Final

from node.commands.requests import Refusal
from protocol.codec import pack, unpack
from protocol.errors import ProtocolError
from protocol.limits import CURSOR_CHARS_MAX, INT_MAX

_DIGITS_MAX: Final = len(str(INT_MAX))


def write_cursor(values: Sequence[str | int]) -> str:
    """The text of a cursor."""
    return base64.urlsafe_b64encode(pack(list(values))).decode().rstrip("=")


def read_position(cursor: str) -> int:
    """Read a cursor that is one whole number.

    Raises:
        Refusal: `validation_failed`.
    """
    match _read(cursor):
        case [int(position)] if not isinstance(position, bool) and 0 <= position < 2**62:
            return position
        case _:
            raise _refused()


def read_texts(cursor: str, count: int) -> list[str]:
    """Read a cursor that is `count` texts.

    Raises:
        Refusal: `validation_failed`.
    """
    values = _read(cursor)
    if not isinstance(values, list) or len(values) != count:
        raise _refused()
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) != count:
        raise _refused()
    return texts


def number_of(text: str) -> int:
    """A whole number in a cursor that is of texts, as SQLite holds them.

    Raises:
        Refusal: `validation_failed`.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise _refused()
    number = int(text)
    if number > INT_MAX:
        raise _refused()
    return number


def _read(cursor: str) -> object:
    if len(cursor) > CURSOR_CHARS_MAX:
        raise _refused()
    try:
        return unpack(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, ProtocolError) as error:
        raise _refused() from error


def _refused() -> Refusal:
    return Refusal("validation_failed", "the cursor is not one that this list gave")
