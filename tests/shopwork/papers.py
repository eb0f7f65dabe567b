"""Orders, transfers and stocktakes, read by the checkers' own rules.

Invariant: nothing of the product's workflows is trusted here. What moved and what was booked are sums of elements; what
is owed follows from the plan, the decision and what moved; and an account of a shelf is the sum over all documents.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from protocol.effects import Account

Item = tuple[str, str, str]
"""SKU, lot, lot of the line that it is for."""
Key = tuple[str, str, str, int]
"""Location, SKU, lot, account."""
Amounts = Counter[Item]
Postings = tuple[tuple[str, Account, int], ...]
"""Whose account takes what sign of a unit."""
COURSES: Final = ("orders", "transfers", "stocktakes")

_LEGS: Final[Mapping[str, Mapping[str, Postings]]] = {
    "transfer": {
        "ship": (("source", Account.ON_HAND, -1), ("destination", Account.IN_TRANSIT, 1)),
        "receive": (("destination", Account.IN_TRANSIT, -1), ("destination", Account.ON_HAND, 1)),
        "damage": (("destination", Account.IN_TRANSIT, -1), ("destination", Account.LOSS, 1)),
        "turn_back": (("destination", Account.IN_TRANSIT, -1), ("source", Account.IN_TRANSIT, 1)),
        "receive_back": (("source", Account.IN_TRANSIT, -1), ("source", Account.ON_HAND, 1)),
        "damage_back": (("source", Account.IN_TRANSIT, -1), ("source", Account.LOSS, 1)),
    },
    "customer": {
        "supply": (("location", Account.ON_HAND, -1),),
        "dispense": (("location", Account.ON_HAND, -1),),
    },
    "purchase": {"supply": (("location", Account.ON_HAND, 1),)},
    "internal": {"supply": ()},
    "stocktake": {},
}
_BOOKS: Final[Mapping[str, Mapping[str, Postings]]] = {
    "transfer": {
        "reserved": (("source", Account.RESERVED, 1),),
        "short": (("destination", Account.IN_TRANSIT, -1), ("destination", Account.LOSS, 1)),
        "short_back": (("source", Account.IN_TRANSIT, -1), ("source", Account.LOSS, 1)),
    },
    "customer": {"reserved": (("location", Account.RESERVED, 1),)},
    "purchase": {},
    "internal": {},
    "stocktake": {"counted": (("location", Account.ON_HAND, 1),)},
}
"""What a unit on each leg and book does to which account of whom."""


@dataclass(frozen=True)
class Paper:
    """A document with a course, as one place has it."""

    collection: str
    id: str
    fields: Mapping[str, tuple[int, object]]
    """Rank and value, by name."""

    def value(self, name: str) -> object:
        """What a field holds; None where nobody wrote it."""
        return self.fields.get(name, (0, None))[1]

    @property
    def kind(self) -> str:
        """Of an order its own, else the collection's."""
        if self.collection == "orders":
            return str(self.value("kind"))
        return self.collection.removesuffix("s")

    @property
    def is_whole(self) -> bool:
        """Whether it says where it is: what created it may have been lost, or set aside."""
        needed = {"transfers": ("source", "destination")}.get(self.collection, ("location",))
        return self.kind in _LEGS and all(isinstance(self.value(name), str) for name in needed)

    @property
    def stage(self) -> str:
        """The decision that stands; "" where none was taken."""
        held = self.value("stage")
        return held if isinstance(held, str) else ""

    @property
    def decided(self) -> set[str]:
        """Every decision that was ever taken."""
        return {name.partition("/")[2] for name in self.fields if name.startswith("decided/")}

    def moved(self, *legs: str) -> Amounts:
        """The goods on some legs."""
        return _without_nothing(
            amount
            for leg in legs
            for value in self._under(f"moved/{leg}/")
            if isinstance(value, Mapping)
            for amount in _items(value.get("items"))
        )

    def booked(self, book: str) -> Amounts:
        """What was booked."""
        return _without_nothing(
            amount for value in self._under(f"booked/{book}/") for amount in _items(value)
        )

    def owed(self) -> dict[str, Amounts]:
        """What should be booked, by book."""
        match self.kind:
            case "transfer":
                return _owed_by_transfer(self)
            case "customer":
                return {"reserved": _owed_to_customer(self)}
            case "stocktake":
                counts = _standing(self) if self.stage == "finalised" else Counter()
                return {"counted": counts}
            case _:
                return {}

    def missing(self) -> dict[tuple[str, str], Amounts]:
        """What is still to be booked, by book and the location that books it; {} when its books are right."""
        found = {}
        for book, owed in self.owed().items():
            difference = Counter(owed)
            difference.subtract(self.booked(book))
            if left := Counter({item: n for item, n in difference.items() if n}):
                found[book, self.home(book)] = left
        return found

    def home(self, book: str) -> str:
        """Whose account a book is kept at."""
        return str(self.value(_BOOKS[self.kind][book][0][0]))

    def accounts(self) -> Counter[Key]:
        """What all that moved and all that was booked comes to."""
        parts = [(self.moved(leg), to) for leg, to in _LEGS[self.kind].items()]
        parts += [(self.booked(book), to) for book, to in _BOOKS[self.kind].items()]
        return _posted(self, parts)

    def settled(self) -> Counter[Key]:
        """What its accounts come to once all that it owes is booked; for those who are not shown the books."""
        parts = [(self.moved(leg), to) for leg, to in _LEGS[self.kind].items()]
        parts += [(owed, _BOOKS[self.kind][book]) for book, owed in self.owed().items()]
        return _posted(self, parts)

    def planned(self) -> Amounts:
        """The lines of the plan."""
        found: Amounts = Counter()
        for value in self._under("lines/"):
            if isinstance(value, Mapping):
                lot = value.get("lot") or ""
                found[str(value["sku"]), str(lot), str(lot)] += int(str(value["quantity"]))
        return found

    def _under(self, prefix: str) -> Iterator[object]:
        return (value for name, (_, value) in self.fields.items() if name.startswith(prefix))


def _posted(paper: Paper, parts: Iterable[tuple[Amounts, Postings]]) -> Counter[Key]:
    total: Counter[Key] = Counter()
    for amounts, postings in parts:
        for (sku, lot, _), amount in amounts.items():
            for end, account, sign in postings:
                total[str(paper.value(end)), sku, lot, int(account)] += sign * amount
    return total


def _items(value: object) -> Iterator[tuple[Item, int]]:
    for sku, lot, planned, amount in value if isinstance(value, list | tuple) else ():
        yield (sku, lot, planned), amount


def _without_nothing(amounts: Iterator[tuple[Item, int]]) -> Amounts:
    total: Amounts = Counter()
    for item, amount in amounts:
        total[item] += amount
    return Counter({item: amount for item, amount in total.items() if amount})


def _difference(of: Amounts, *others: Amounts) -> Amounts:
    total = Counter(of)
    for other in others:
        total.subtract(other)
    return Counter({item: amount for item, amount in total.items() if amount})


def _owed_by_transfer(paper: Paper) -> dict[str, Amounts]:
    none: Amounts = Counter()
    gone = [paper.moved(leg) for leg in ("receive", "damage", "turn_back")]
    if paper.stage != "closed":
        arrived = paper.moved("receive", "damage")
        is_under_way = paper.moved("ship") or arrived or paper.moved("turn_back")
        promised = paper.stage == "allocated" and not is_under_way
        return {
            "reserved": paper.planned() if promised else none,
            "short": none,
            "short_back": none,
        }
    back = [paper.moved(leg) for leg in ("receive_back", "damage_back")]
    return {
        "reserved": none,
        "short": _difference(paper.moved("ship"), *gone),
        "short_back": _difference(paper.moved("turn_back"), *back),
    }


def _owed_to_customer(paper: Paper) -> Amounts:
    moved = per_line(paper.moved("supply", "dispense"))
    went_out = any(amount > 0 for amount in moved.values())
    if paper.stage in {"canceled", "rejected", "closed"} or not (
        went_out or paper.stage == "placed"
    ):
        return Counter()
    rest = {
        (sku, lot, planned): amount - moved[sku, planned]
        for (sku, lot, planned), amount in paper.planned().items()
    }
    return Counter({item: amount for item, amount in rest.items() if amount > 0})


def per_line(amounts: Amounts) -> Counter[tuple[str, str]]:
    """The sum over lots."""
    total: Counter[tuple[str, str]] = Counter()
    for (sku, _, planned), amount in amounts.items():
        total[sku, planned] += amount
    return total


def _standing(paper: Paper) -> Amounts:
    """The difference of each line's count of the latest round."""
    newest: dict[Item, tuple[int, int]] = {}
    for name, (_, value) in paper.fields.items():
        if name.startswith("counts/") and isinstance(value, Mapping):
            lot = value.get("lot") or ""
            item, number = (value["sku"], lot, lot), int(name.rpartition("/")[2])
            newest[item] = max(newest.get(item, (0, 0)), (number, value["delta"]))
    return Counter({item: delta for item, (_, delta) in newest.items() if delta})
