"""One thing that a person has to look at: what names it, and what was found.

Invariant: the id is made of what a finding is about and the version of what was found, so whoever finds the same thing has
the same id, and what a person said of one version says nothing of another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Final

from protocol.codec import pack, with_sorted_keys

_VERSION_BYTES: Final = 8


class Code(StrEnum):
    """What kind of thing it is. Stable codes; add to them, never rename one."""

    BELOW_ZERO = "below_zero"
    """More left a shelf, or one lot on it, than was ever there."""
    LATE_MOVEMENT = "late_movement"
    """Goods moved before they were counted, and the count did not know of it."""
    TRANSFER_DIFFERENCE = "transfer_difference"
    """What arrived is not what was sent."""
    ORDER_DIFFERENCE = "order_difference"
    """More was delivered than was asked for."""
    CONFLICTING_STATUS = "conflicting_status"
    """A document was decided both ways, or decided against while goods moved for it."""
    QUARANTINED = "quarantined"
    """The hub could not take an operation: it counts nowhere."""
    REPEAT_DIFFERS = "repeat_differs"
    """One id was used for two operations: the first counts."""
    UNKNOWN_SKU = "unknown_sku"
    """Goods moved that nobody has described."""
    TWO_EXPIRIES = "two_expiries"
    """Different last days were read off one lot."""
    UNCONFIRMED_BARCODE = "unconfirmed_barcode"
    """A shop linked a barcode on the spot, and the office has not looked."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One of them. "" is where there is none of something."""

    code: Code
    source: str
    """What it was read from, as `source_of` names it: who reads that again finds all of its findings again."""
    matter: str = ""
    """What of it, where one source may have several: a difference's, or a barcode."""
    location: str = ""
    """"" for the whole chain."""
    other_location: str = ""
    sku: str = ""
    lot: str = ""
    collection: str = ""
    document: str = ""
    operation: str = ""
    """Its op_id, in hexadecimal."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """What was found: plain values."""

    @property
    def id(self) -> str:
        """What names it at every node, in the form of a UUID."""
        about = [
            *(self.code.value, self.matter, self.location, self.other_location, self.sku),
            *(self.lot, self.collection, self.document, self.operation),
        ]
        text = blake2b(pack(about), digest_size=16).hexdigest()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    @property
    def version(self) -> str:
        """What names the facts: 16 hexadecimal digits."""
        return blake2b(pack(with_sorted_keys(self.facts)), digest_size=_VERSION_BYTES).hexdigest()


def source_of(family: str, id_: str) -> str:
    """The name of what findings are read from: a document of a collection, a shelf, an operation."""
    return f"{family}/{id_}"
