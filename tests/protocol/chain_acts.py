"""Acts on documents for `test_session_machine`: two transfers from S01 to S02, shipped, received, decided and edited.

Invariant: the goods of an act and the element that tells of them are effects of one operation.
"""

from collections import Counter

from protocol.clock import Stamp
from protocol.documents import Document
from protocol.effects import (
    Account,
    CounterEffect,
    CounterKey,
    DocumentKey,
    Effect,
    FieldEffect,
    Join,
)
from protocol.ids import Location, Lot, Scope, Sku

FROM, TO, UNDER_WAY = (
    CounterKey(Location("S01"), Sku("A"), Lot(""), Account.ON_HAND),
    CounterKey(Location("S02"), Sku("A"), Lot(""), Account.ON_HAND),
    CounterKey(Location("S02"), Sku("A"), Lot(""), Account.IN_TRANSIT),
)
LEGS = {"ship": (FROM, UNDER_WAY), "receive": (UNDER_WAY, TO)}
"""What each leg takes from and gives to."""
RANKS = {"allocated": 20, "cancelled": 30, "shipped": 40, "closed": 90}
TRANSFERS = tuple(DocumentKey("transfers", name) for name in ("one", "two"))
DOCUMENT_SCOPES = (Scope("docs:S01"), Scope("docs:S02"))
PARCEL = 5


def moved(
    transfer: DocumentKey, leg: str, event: str, quantity: int, stamp: Stamp
) -> tuple[Effect, ...]:
    """The effects of one act: goods from one account to another, and the element that tells of them."""
    source, target = LEGS[leg]
    name = f"moved/{leg}/{event}"
    return (
        CounterEffect(*source, -quantity),
        CounterEffect(*target, quantity),
        FieldEffect(*transfer, name, Join.LWW, 0, quantity, stamp, DOCUMENT_SCOPES),
    )


def under_way(document: Document) -> int:
    """What a transfer says was shipped and has not arrived."""
    sums = Counter[str]()
    for name, state in document.fields.items():
        if name.startswith("moved/"):
            assert isinstance(state.value, int)
            sums[name.split("/")[1]] += state.value
    return sums["ship"] - sums["receive"]


def decided(transfer: DocumentKey, decision: str, stamp: Stamp) -> tuple[Effect, ...]:
    """A decision, which is kept, and the stage, which goes by rank."""
    return (
        FieldEffect(*transfer, f"decided/{decision}", Join.LWW, 0, 1, stamp, DOCUMENT_SCOPES),
        FieldEffect(
            *transfer, "stage", Join.MAX, RANKS[decision], decision, stamp, DOCUMENT_SCOPES
        ),
    )


def noted(transfer: DocumentKey, words: str, stamp: Stamp) -> Effect:
    """A field of which the latest edit stands."""
    return FieldEffect(*transfer, "note", Join.LWW, 0, words, stamp, DOCUMENT_SCOPES)
