"""Orders, transfers and stocktakes as a node's HTTP interface shows them, in the form that the checkers' rules read.

Rule: the decision that stands follows from all that were taken, by ranks of our own; the stage that a node shows is
compared with what comes of it, and never believed. Only of a stocktake, which shows no decisions, it is the stage.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.shopwork.papers import Paper

Shown = Mapping[str, Any]
_RANKS: Final[Mapping[str, Mapping[str, int]]] = {
    "transfers": {"allocated": 1, "cancelled": 2, "shipped": 3, "closed": 4},
    "orders": {
        "approval": 1,
        "approved": 2,
        "placed": 3,
        "rejected": 4,
        "canceled": 5,
        "closed": 6,
    },
}


def paper(collection: str, shown: Shown, variance: Shown | None = None) -> Paper:
    """A document as it is shown; of a stocktake with what `GET .../variance` says of its counts."""
    return Paper(
        collection, shown["id"], {n: (0, v) for n, v in _fields(collection, shown, variance)}
    )


def _fields(collection: str, shown: Shown, variance: Shown | None) -> Iterator[tuple[str, object]]:
    for name in ("kind", "location", "source", "destination"):
        if shown.get(name) is not None:
            yield name, shown[name]
    if collection == "stocktakes":
        yield "stage", shown["stage"]
        yield from _counts(variance or {"lines": ()})
        return
    decided = [each["decision"] for each in shown["decisions"]]
    ranks = _RANKS[collection]
    yield (
        "stage",
        max((each for each in decided if each in ranks), key=ranks.__getitem__, default=""),
    )
    yield from ((f"decided/{each}", True) for each in decided)
    for line in shown["lines"]:
        yield f"lines/{line['id']}", line
    moved: dict[str, list[list[object]]] = {}
    for row in shown["events"]:
        item = [row["sku"], row["lot"] or "", row["planned_lot"] or "", row["quantity"]]
        moved.setdefault(f"moved/{row['leg']}/{row['event']}", []).append(item)
    yield from ((name, {"items": items}) for name, items in moved.items())


def _counts(variance: Shown) -> Iterator[tuple[str, object]]:
    """The counts that stand, as if each had been the only one."""
    for line in variance["lines"]:
        if line["difference"] is not None:
            counted = {"sku": line["sku"], "lot": line["lot"], "delta": line["difference"]}
            yield f"counts/{line['line']}/1", counted
