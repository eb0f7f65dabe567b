"""What a clerk drafts: an order, a transfer or a stocktake, about the few SKUs and lots that everybody here handles.

Invariant: a draft says itself what it is about, so what becomes of it can be reckoned without asking the product.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

LINES_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Wares:
    """What people handle. A lot "" is goods without one."""

    skus: Sequence[str]
    lots: Sequence[str]


@dataclass(frozen=True, slots=True)
class Filed:
    """A document with a course that somebody asked for, whether it came to be or not."""

    collection: str
    id: str
    kind: str
    """Of an order; else the collection."""
    locations: tuple[str, ...]
    """Whose it is, and after that the other end."""
    lines: tuple[tuple[str, str, int], ...]
    """(SKU, lot, quantity), as it was asked for."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One that is to be filed: as `Filed`, with the fields to send."""

    collection: str
    kind: str
    locations: tuple[str, ...]
    lines: tuple[tuple[str, str, int], ...]
    fields: Mapping[str, object]

    def filed(self, id_: str) -> Filed:
        """The same, under the id that it has or is to have."""
        return Filed(self.collection, id_, self.kind, self.locations, self.lines)


def draw(rng: random.Random, wares: Wares, here: Sequence[str], everywhere: Sequence[str]) -> Draft:
    """Something to draft at a node that writes `here`; `everywhere` holds other places, too."""
    collection = rng.choices(("transfers", "orders", "stocktakes"), (5, 5, 3))[0]
    kind, own = collection, rng.choice(here)
    elsewhere = rng.choice([each for each in everywhere if each != own])
    lines = [
        (sku, rng.choice(wares.lots), rng.randint(2, 9))
        for sku in rng.sample(wares.skus, rng.randint(1, LINES_MAX))
    ]
    plan = [{"sku": s, "lot": lot or None, "quantity": n} for s, lot, n in lines]
    fields: dict[str, object] = {"location": own, "lines": plan}
    places = [own]
    match collection:
        case "transfers":
            places = [own, elsewhere] if rng.random() < 0.75 else [elsewhere, own]
            fields = {"source": places[0], "destination": places[1], "lines": plan}
        case "orders":
            kind = rng.choices(("customer", "purchase", "internal"), (6, 2, 1))[0]
            fields["kind"] = kind
            if kind == "internal":
                fields["from_location"] = elsewhere
                places.append(elsewhere)
        case _:
            del fields["lines"]
    return Draft(collection, kind, tuple(places), tuple(lines), fields)
