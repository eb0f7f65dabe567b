"""Cells that a spreadsheet would run as a formula, made harmless on the way out and put back on the way in.

Invariant: `restored(neutralised(text)) == text` for every text, so a file of ours that is imported again is exact.
The rule is OWASP's "CSV Injection": a cell must not begin with = + - @ (full-width forms too), a tab or a line end,
after spaces or not. A spreadsheet of another country may take a comma, semicolon, tab or line end inside our quotes
for the end of the cell, so what follows one of those is looked at as if a cell began there.
"""

import re
from typing import Final

_SPACES: Final = r"(?:[^\S\t\r\n]|[\u200b\ufeff])*"
_FORMULA: Final = rf"'*{_SPACES}[-=+@\uff0d\uff1d\uff0b\uff20]"
_LAYOUT_FIRST: Final = rf"'*{_SPACES}[\t\r\n]"
_BEGINNING: Final = r"(?:\A|(?<=[,;\t\r\n]))"
# What already has apostrophes in front of a formula gets one more: taking one off is then always right.
_DANGEROUS: Final = re.compile(rf"{_BEGINNING}(?={_FORMULA})|\A(?={_LAYOUT_FIRST})")
_GUARDED: Final = re.compile(rf"{_BEGINNING}'(?={_FORMULA})|\A'(?={_LAYOUT_FIRST})")


def neutralised(text: str) -> str:
    """Put an apostrophe before whatever a spreadsheet would run; other texts are unchanged."""
    return _DANGEROUS.sub("'", text)


def restored(text: str) -> str:
    """Take off what `neutralised` put on."""
    return _GUARDED.sub("", text) if "'" in text else text
