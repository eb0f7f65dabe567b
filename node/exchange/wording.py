"""Words from a file on somebody's terminal.

Rule: whatever a file says is shown without its control characters, which could move the cursor, change colours or
answer questions in the user's name, and never at full length.
"""

from collections.abc import Sequence
from typing import Final

SHOWN_CHARS_MAX: Final = 60
_NAMES_MAX: Final = 20


def shown(text: str) -> str:
    """The text on one line, at most 60 characters, with escapes for what does not print."""
    short = text if len(text) <= SHOWN_CHARS_MAX else f"{text[: SHOWN_CHARS_MAX - 3]}..."
    if short.isprintable():
        return short
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)


def in_words(names: Sequence[str]) -> str:
    """The first twenty names, separated by commas."""
    more = f" and {len(names) - _NAMES_MAX} more" if len(names) > _NAMES_MAX else ""
    return ", ".join(shown(name) or "(no name)" for name in names[:_NAMES_MAX]) + more
