"""Why an exception is listed: what is shown explains it, or it should not be there; and what has to be listed.

Rule: what was set aside or came twice otherwise is never explained here: no clerk and no till ever causes it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from protocol.effects import Account
from tests.shopwork.papers import Key, Paper

Name = tuple[str, str, str, str, str]
"""Code, matter, document, SKU, lot."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the checker knows of a chain at rest."""

    papers: Mapping[tuple[str, str], Paper]
    documents: Mapping[tuple[str, str], Mapping[str, Any]]
    shelves: Mapping[Key, int]
    described: set[str]
    acted: Mapping[str, set[str]]
    """By document, the verbs that were answered."""


def name_of(row: Mapping[str, Any]) -> Name:
    """What an exception is about."""
    return (
        row["code"],
        row["matter"] or "",
        row["document"] or "",
        row["sku"] or "",
        row["lot"] or "",
    )


def differences(collection: str, document: Mapping[str, Any]) -> Iterator[Name]:
    """What has to be listed of an order or a transfer, by what it shows of itself."""
    code = {"orders": "order_difference", "transfers": "transfer_difference"}.get(collection)
    for row in document.get("differences", ()):
        is_conflict = row["matter"] == "conflicting_status"
        yield (
            "conflicting_status" if is_conflict else str(code),
            "" if is_conflict else row["matter"],
            document["id"],
            row["sku"] or "",
            row["lot"] or "",
        )


def is_explained(row: Mapping[str, Any], known: Known) -> bool:
    """Whether what is shown is why an exception is listed."""
    key = (str(row["collection"]), str(row["document"]))
    match row["code"]:
        case "unknown_sku":
            moved = any(
                place == row["location"] and sku == row["sku"] for place, sku, *_ in known.shelves
            )
            return moved and row["sku"] not in known.described
        case "below_zero":
            shelf = row["location"], row["sku"], row["lot"] or "", int(Account.ON_HAND)
            return known.shelves.get(shelf, 0) == -row["quantity"] < 0
        case "transfer_difference" | "order_difference":
            return key in known.documents and name_of(row) in set(
                differences(key[0], known.documents[key])
            )
        case "conflicting_status" if key[0] == "stocktakes":
            return known.acted.get(key[1], set()) >= {"finalise", "cancel"}
        case "conflicting_status":
            return key in known.documents and name_of(row) in set(
                differences(key[0], known.documents[key])
            )
        case "late_movement":
            counted = known.papers.get(key)
            return counted is not None and any(
                (sku, lot) == (row["sku"], row["lot"] or "")
                for sku, lot, _ in counted.owed().get("counted", ())
            )
        case _:
            return False
