"""What a clerk may do next with a document: drawn from its stage, from which of its ends are here, and from what it is about.

Rule: most errands are what a sensible person would do there; one in ten is anything at all, which the tables may refuse.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from protocol.workflows.stocktakes import Verb
from tests.shopwork.drafts import Filed, Wares

Weights = Mapping[str, float]
WILD: Final = 0.1
CANCELS_THERE: Final = 4
"""So much more often an office cancels: that is what it is asked to do from afar."""
PARCELS: Final = 2
"""How many parcels with a number a document has."""

AT_ODDS: Final[Mapping[str, tuple[str, str]]] = {
    "orders": ("fulfil", "cancel"),
    "transfers": ("ship", "cancel"),
    "stocktakes": ("finalise", "cancel"),
}
"""What cannot both be, and will be where two do it at one moment."""
RIPE: Final[Mapping[str, frozenset[str]]] = {
    "orders": frozenset({"placed"}),
    "transfers": frozenset({"draft", "allocated"}),
    "stocktakes": frozenset({"review"}),
}
"""The stages in which they may."""
_SENDER: Final[Mapping[str, Weights]] = {
    "draft": {"allocate": 3, "ship": 5, "cancel": 1, "amend": 1},
    "allocated": {"ship": 5, "cancel": 2, "amend": 1},
    "shipped": {"ship": 1, "call_back": 1, "reverse": 0.5},
    "partly_received": {"ship": 0.5, "call_back": 1, "reverse": 0.3},
    "received": {"ship": 0.2, "reverse": 0.2},
    "returning": {"receive_back": 4, "close": 1},
    "closed": {"receive_back": 0.5, "reverse": 0.3},
}
_RECEIVER: Final[Mapping[str, Weights]] = {
    "draft": {"receive": 0.7, "amend": 0.5},
    "allocated": {"receive": 0.7},
    "cancelled": {"receive": 0.5},
    "shipped": {"receive": 6, "turn_back": 1, "close": 0.7},
    "partly_received": {"receive": 4, "turn_back": 1, "close": 2, "reverse": 0.5},
    "received": {"close": 2, "receive": 0.5, "reverse": 0.5},
    "returning": {"turn_back": 1, "receive": 1},
    "closed": {"receive": 0.7, "reverse": 0.5},
}
_OFFICE: Final[Mapping[str, Weights]] = {
    "draft": {"allocate": 1, "cancel": 2},
    "allocated": {"cancel": 2, "amend": 1},
    "shipped": {"close": 1, "call_back": 1},
    "partly_received": {"close": 1, "call_back": 1},
    "received": {"close": 1},
    "returning": {"close": 1},
}
_GOT: Final[Mapping[str, Weights]] = {
    "placed": {"fulfil": 4, "cancel": 2.5, "amend": 1},
    "partly_received": {"fulfil": 3, "close": 1.5, "amend": 1, "reverse": 1},
    "received": {"close": 1, "reverse": 1},
    "closed": {"reverse": 0.5},
}
_ORDERS: Final[Mapping[str, Mapping[str, Weights]]] = {
    "customer": {
        **_GOT,
        "draft": {"place": 5, "cancel": 0.5, "amend": 1},
        "placed": {"fulfil": 3, "dispense": 1, "cancel": 2.5, "amend": 1},
    },
    "purchase": {
        **_GOT,
        "draft": {"place": 5, "submit": 1, "amend": 1},
        "approval": {"approve": 2, "reject": 1, "cancel": 0.5},
        "approved": {"place": 2},
        "canceled": {"fulfil": 1},
    },
    "internal": {
        **_GOT,
        "draft": {"submit": 4, "amend": 1},
        "approval": {"approve": 3, "reject": 1, "cancel": 1},
        "approved": {"place": 4, "cancel": 1},
    },
}
_STOCKTAKES: Final[Mapping[str, Weights]] = {
    "open": {"start": 0.5, "count": 5, "cancel": 0.1},
    "counting": {"count": 3, "submit": 5, "cancel": 0.1},
    "review": {"finalise": 6, "cancel": 1, "recount": 1, "count": 2, "verify": 1, "explain": 1},
}
_GOODS: Final = {"ship", "receive", "turn_back", "receive_back", "fulfil", "dispense"}
_ALL: Final[Mapping[str, Sequence[str]]] = {
    "transfers": [
        *("allocate", "amend", "call_back", "cancel", "close", "receive", "receive_back"),
        *("reverse", "ship", "turn_back"),
    ],
    "orders": ["amend", "approve", "cancel", "close", "dispense", "fulfil", "place", "reverse"],
    "stocktakes": sorted(Verb),
}


class Some(NamedTuple):
    """Goods of one lot, and the lot of the line that they are for; "" is none."""

    sku: str
    quantity: int
    lot: str
    planned: str


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing to do with a document. What is not given is not said: of goods, all that is left."""

    verb: str
    lines: tuple[Some, ...] | None = None
    damaged: tuple[Some, ...] = ()
    parcel: str = ""
    plan: tuple[str, str, int] | None = None
    """SKU, lot and quantity of a line to change."""
    event: str = ""
    """What is taken back, as the document shows it."""
    line: tuple[str, str] | None = None
    """SKU and lot of a stocktake's line."""
    counted: int = 0
    reason: str | None = None


def draw(
    rng: random.Random,
    wares: Wares,
    filed: Filed,
    shown: Mapping[str, Any],
    places: Sequence[str],
    *,
    is_office: bool,
    wanted: str = "",
) -> Errand | None:
    """Something to do with a document that is shown so, at a node that writes these places; None for nothing.

    What is `wanted` is done where it may be.
    """
    verbs = dict(_verbs(filed, str(shown["stage"]), places, is_office=is_office))
    if is_office and "cancel" in verbs:
        verbs["cancel"] *= CANCELS_THERE
    if wanted in verbs:
        verb = wanted
    elif rng.random() < WILD:
        verb = rng.choice(_ALL[filed.collection])
    elif verbs:
        (verb,) = rng.choices(list(verbs), list(verbs.values()))
    else:
        return None
    if filed.collection == "stocktakes":
        return _of_stocktake(rng, filed, Verb(verb))
    return _of_course(rng, wares, filed, shown, verb)


def _verbs(filed: Filed, stage: str, places: Sequence[str], *, is_office: bool) -> Weights:
    if filed.collection == "stocktakes":
        return _STOCKTAKES.get(stage, {})
    if filed.collection == "orders":
        return _ORDERS[filed.kind].get(stage, {})
    source, destination = filed.locations
    found: dict[str, float] = {}
    for is_there, table in (
        (source in places, _SENDER),
        (destination in places, _RECEIVER),
        (is_office, _OFFICE),
    ):
        found |= table.get(stage, {}) if is_there else {}
    return found


def _of_course(
    rng: random.Random, wares: Wares, filed: Filed, shown: Mapping[str, Any], verb: str
) -> Errand | None:
    if verb in _GOODS:
        return _goods(rng, wares, filed, verb)
    if verb == "amend":
        sku, lot, quantity = rng.choice(filed.lines)
        if rng.random() < 0.3:
            sku = rng.choice(wares.skus)
        return Errand(verb, plan=(sku, lot, rng.choice((0, quantity + 1, 7))))
    if verb == "reverse":
        events = shown["events"]
        return Errand(verb, event=str(rng.choice(events)["event"])) if events else None
    return Errand(verb)


def _goods(rng: random.Random, wares: Wares, filed: Filed, verb: str) -> Errand:
    """Some goods, all that is left of them, or what is in a parcel."""
    has_damage = verb in {"receive", "receive_back"}
    draw = rng.random()
    if draw < 0.3:
        damaged = _some(rng, wares, filed)[:1] if has_damage and draw < 0.1 else ()
        return Errand(verb, damaged=damaged)
    if draw < 0.65:
        damaged = _some(rng, wares, filed) if has_damage and rng.random() < 0.3 else ()
        return Errand(verb, _some(rng, wares, filed), damaged)
    number = rng.randrange(PARCELS)
    # Whoever scans a parcel finds the same in it, but for who miscounts or misses a line.
    inside = [
        Some(sku, quantity, lot, lot)
        for at, (sku, lot, quantity) in enumerate(filed.lines)
        if at % PARCELS == number or len(filed.lines) == 1
    ]
    inside = [
        each._replace(quantity=each.quantity + rng.choice((0, 0, 0, 0, 1))) for each in inside
    ]
    lines = tuple(inside[: rng.randint(1, len(inside))])
    damaged = (lines[-1],) if has_damage and len(lines) > 1 and rng.random() < 0.2 else ()
    return Errand(verb, lines[: len(lines) - len(damaged)], damaged, f"P{number}")


def _some(rng: random.Random, wares: Wares, filed: Filed) -> tuple[Some, ...]:
    chosen = rng.sample(filed.lines, rng.randint(1, len(filed.lines)))
    return tuple(
        Some(sku, rng.randint(1, quantity), lot or rng.choice(wares.lots), lot)
        for sku, lot, quantity in chosen
    )


def _of_stocktake(rng: random.Random, filed: Filed, verb: Verb) -> Errand:
    sku, lot, _ = rng.choice(filed.lines)
    has_line = verb in {Verb.COUNT, Verb.RECOUNT, Verb.VERIFY, Verb.EXPLAIN}
    has_reason = verb in {Verb.FINALISE, Verb.EXPLAIN}
    return Errand(
        verb.value,
        line=(sku, lot) if has_line else None,
        counted=rng.randint(0, 50) if verb is Verb.COUNT else 0,
        reason="checked" if has_reason else None,
    )
