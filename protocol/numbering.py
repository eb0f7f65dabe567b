"""Numbers of documents: short, for people, and final the moment a document is made, with the hub away.

    S01-42-K7QMB        the location's code, how many it has made, five letters and digits of the document's id

Invariant: a number is the same wherever it is worked out, and two documents of the chain have the same one only where both
have the same location, the same count and the same first 25 bits of their ids, which are drawn. A location's code alone
tells locations apart; the count goes on from the largest that the node knows. Nodes that cannot know of each other's
documents (a till's node and its standby, one that was put back to a backup, two copies of one folder) may come to the
same count, and then differ in the last part, which asks for no agreement on who is who: by mistake alike once in 33
million such meetings, and then both are found under it.
"""

import re
from typing import Final

from protocol.limits import CODE_CHARS_MAX, DOCUMENT_NUMBER_CHARS_MAX

COUNT_MAX: Final = 999_999_999
"""A number that somebody wrote with a larger count does not move the counts of others."""
_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: without I, L, O and U, which are read as others."""
_MARK_CHARS: Final = 5
_BITS: Final = 5 * _MARK_CHARS
_ID_BITS_READ: Final = 32
_NUMBER: Final = re.compile(
    rf"(?P<location>.+)-(?P<count>[1-9][0-9]{{0,8}})-(?P<mark>[{_LETTERS}]{{{_MARK_CHARS}}})",
    re.DOTALL,
)
_DRAWN: Final = re.compile("[0-9a-f]{8}-")

assert CODE_CHARS_MAX + len(f"-{COUNT_MAX}-") + _MARK_CHARS <= DOCUMENT_NUMBER_CHARS_MAX


def document_number(location: str, count: int, id_: str) -> str:
    """The number of a location's `count`th document, whose drawn id is `id_`; `count` is 1 to `COUNT_MAX`."""
    return f"{location}-{count}-{_mark(id_)}"


def count_of(number: object, location: object, id_: str) -> int | None:
    """The count in a number; None unless it is one that a document of this location and id can have."""
    found = _NUMBER.fullmatch(number) if isinstance(number, str) else None
    if found is None or _DRAWN.match(id_) is None:
        return None
    if found["location"] != location or found["mark"] != _mark(id_):
        return None
    return int(found["count"])


def ids_with(number: str) -> tuple[str, str]:
    """Between which texts the ids of documents are that can have this number; nothing is between two empty ones."""
    found = _NUMBER.fullmatch(number)
    if found is None:
        return "", ""
    value = 0
    for letter in found["mark"]:
        value = value << 5 | _LETTERS.index(letter)
    rest = _ID_BITS_READ - _BITS
    # An id goes on with a hyphen, which every sign of it that could come later in the text follows.
    return f"{value << rest:08x}", f"{(value + 1 << rest) - 1:08x}~"


def _mark(id_: str) -> str:
    value = int(id_[: _ID_BITS_READ // 4], 16) >> (_ID_BITS_READ - _BITS)
    places = range(_BITS - 5, -1, -5)
    return "".join(_LETTERS[value >> place & 31] for place in places)
