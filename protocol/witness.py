"""Who has to see it when goods leave that need a second person.

Rule: the witness is somebody else than whoever records the movement; that alone can be judged without knowing people. The
name is kept in the movement's details, so whoever reads an operation finds it, and the hub need not know of it.
"""

import unicodedata
from typing import Final

from protocol.movements import MoveKind

WITNESS: Final = "witness"
"""Under which a movement's details have the name, and the catalogue says of a SKU that it needs one."""
WITNESSED: Final = frozenset({MoveKind.SALE, MoveKind.DISPENSE, MoveKind.WASTE})
"""How goods leave for good, on one person's word. What is sent or taken back has another side, who counts it too."""


def witness_fault(actor: str, witness: str | None) -> str | None:
    """Why nobody else has seen it; None when somebody has. Case and spaces make nobody another person."""
    if witness is None or not _folded(witness):
        return "a second person has to see this"
    if _folded(witness) == _folded(actor):
        return "the witness is whoever records it"
    return None


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
