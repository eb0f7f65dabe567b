"""Texts as searching compares them: the same words however somebody writes them.

Invariant: what is stored and what is typed go through `words_of`, so they agree; a word has no white space, and ASCII
alone decides where one ends. Case, diacritics, width and ligatures make no difference. A number and the letters beside it
are two words, so that `500mg` finds `500 mg`; each sign of a script without spaces is one.
"""

import re
import unicodedata
from typing import Final

_ALIKE: Final = str.maketrans(
    # Letters that have no diacritic to take off (Unicode does not decompose them) and are typed without it.
    {
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "\u0131": "i",
        "ħ": "h",
    }
)
_DIACRITICS: Final = re.compile("[\u0300-\u036f]")
_WITHOUT_SPACES: Final = re.compile(
    "([\u2e80-\u2fdf\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)
_NUMBER_BESIDE_LETTER: Final = re.compile(r"(?<=[0-9])(?=[^0-9 ])|(?<=[^0-9 ])(?=[0-9])")
_ASCII_WORD: Final = re.compile("[a-z]+|[0-9]+")


class _Separators(dict[int, str]):
    """By character: itself where it is part of a word, else a space. Filled as characters are met."""

    def __missing__(self, point: int) -> str:
        # Letters, marks, numbers, and what a font of its own shows; all else stands between words.
        found = chr(point) if unicodedata.category(chr(point))[0] in "LMN" else " "
        self[point] = found
        return found


_SEPARATORS: Final = _Separators()


def words_of(text: str) -> list[str]:
    """The words of a text, in its order; [] for one that has none."""
    folded = text.lower() if text.isascii() else _folded(text)
    if folded.isascii():  # nearly all texts, and five times as fast
        return _ASCII_WORD.findall(folded)
    return _NUMBER_BESIDE_LETTER.sub(" ", folded.translate(_SEPARATORS)).split()


def _folded(text: str) -> str:
    bare = _DIACRITICS.sub("", unicodedata.normalize("NFKD", text.casefold()))
    if bare.isascii():  # as of most languages of Europe: what follows would change nothing but case
        return bare.lower()
    whole = unicodedata.normalize("NFKC", bare.casefold().translate(_ALIKE))
    return _WITHOUT_SPACES.sub(r" \1 ", whole)
