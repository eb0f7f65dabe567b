"""The rules that people made, by what they are about.

Invariant: what is held here follows the documents, one change at a time, in the task that evaluates; no more than
`ALERT_RULES_MAX` are held. A rule for one location is looked at by whoever looks after that, one for the whole chain by
the office.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Callable
from typing import Final, NamedTuple

from node.replica import documents
from node.replica.documents import DocumentQuery, Held
from protocol.declarations.reading import shown_value
from protocol.declarations.shops import ALERTS
from protocol.declarations.vocabulary import ARCHIVED
from protocol.limits import ALERT_RULES_MAX, LIST_LIMIT_MAX
from protocol.workflows.alerts import Rule

Pair = tuple[str, str]
"""Location, "" for the chain, and SKU."""
LIVE: Final = "live"


class Told(NamedTuple):
    """A rule, and how it is told beside the list."""

    rule: Rule
    notification: str


class RuleBook:
    """Those that this node looks at."""

    def __init__(self) -> None:
        self._by_id: dict[str, Told] = {}
        self._by_pair: dict[Pair, dict[str, Rule]] = defaultdict(dict)

    def of(self, location: str, sku: str) -> tuple[Rule, ...]:
        """The rules for a SKU at a location; at "" for the chain."""
        return tuple(self._by_pair.get((location, sku), {}).values())

    def notification(self, rule: str) -> str:
        """How a rule is told; `live` for one that is not there any more."""
        return self._by_id[rule].notification if rule in self._by_id else LIVE

    def skus(self, location: str) -> list[str]:
        """The SKUs that a location has rules for, in order."""
        return sorted(sku for at, sku in self._by_pair if at == location)

    def put(self, id_: str, told: Told | None) -> set[Pair]:
        """Take a rule as it is now, None for one that is gone or archived; what has to be looked at again."""
        concerned: set[Pair] = set()
        if (old := self._by_id.pop(id_, None)) is not None:
            pair = (old.rule.location, old.rule.sku)
            del self._by_pair[pair][id_]
            if not self._by_pair[pair]:
                del self._by_pair[pair]
            concerned.add(pair)
        if told is not None and len(self._by_id) < ALERT_RULES_MAX:
            pair = (told.rule.location, told.rule.sku)
            self._by_id[id_] = told
            self._by_pair[pair][id_] = told.rule
            concerned.add(pair)
        return concerned


def read_one(db: sqlite3.Connection, id_: str) -> Told | None:
    """A rule as it is shown now; None for one that is archived, or not there."""
    held = documents.one(db, ALERTS, id_)
    return None if held is None else _told(held)


def read_page(
    db: sqlite3.Connection, cursor: str | None, wanted: Callable[[str], bool]
) -> tuple[list[Told], str | None]:
    """Some of the rules for wanted locations ("" is the chain), and where the next page begins."""
    query = DocumentQuery(ALERTS, archived=False, limit=LIST_LIMIT_MAX, cursor=cursor)
    page = documents.page(db, query)
    found = [told for held in page.items if (told := _told(held)) is not None]
    return [told for told in found if wanted(told.rule.location)], page.following


def _told(held: Held) -> Told | None:
    if held.fields.get(ARCHIVED) is True:
        return None
    location, sku, threshold, notification = (
        shown_value(ALERTS, name, held.fields)
        for name in ("location", "sku", "threshold", "notification")
    )
    if not isinstance(sku, str) or not isinstance(threshold, int):
        return None  # of another version, or damaged on its way: no rule that could be followed
    return Told(Rule(held.id, str(location or ""), sku, threshold), str(notification))
