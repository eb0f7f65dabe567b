"""What holds of one SKU at one location, and which alerts begin or end by that.

Invariant: a function of one snapshot, of the rules and of the day: the same again whoever asks, and whenever. What is
raised and no longer among what can hold (a rule that is gone, a lot that left) ends.
"""

import sqlite3
from typing import Final, NamedTuple

from node.alerting import state
from node.alerting.rules import RuleBook
from node.alerting.state import CHAIN, Facts, Found
from node.replica import documents, stock
from node.replica.stock import StockQuery, StockRow
from protocol.declarations import COLLECTIONS
from protocol.declarations.naming import id_of
from protocol.declarations.reading import shown_value
from protocol.declarations.vocabulary import ARCHIVED
from protocol.limits import LIST_LIMIT_MAX
from protocol.workflows import alerts
from protocol.workflows.alerts import Condition, Level, LotLevel, Mark, Rule, Subject

_ELSEWHERE: Final = frozenset({"transit", "supplier", "customer", "loss"})
"""Kinds of locations whose stock is not there to be sold."""


class Days(NamedTuple):
    """An instant at a location: what counts as soon and as over there."""

    now_ms: int
    """UTC milliseconds."""
    today: str
    """YYYY-MM-DD."""
    expiring_until: str
    """The last day that counts as soon."""


class Looked(NamedTuple):
    """What holds, and what was shown of each subject."""

    marks: dict[Subject, Mark]
    facts: dict[Subject, Facts]


def look(
    db: sqlite3.Connection, rules: RuleBook, location: str, sku: str, days: Days
) -> list[Found]:
    """The alerts of a SKU at a location, or in the chain, that begin or end now."""
    asked = rules.of(location, sku)
    if location == CHAIN:
        looked = _look_at_chain(db, asked, sku, days.now_ms)
    else:
        looked = _look_at_location(db, asked, location, sku, days)
    known = state.known(db, location, sku)
    found = [
        Found(change, looked.facts[change.subject], _notification(rules, change.subject))
        for change in alerts.evaluate(looked.marks, known)
    ]
    gone = alerts.withdraw(known.keys() - looked.marks.keys(), known)
    return [*found, *(Found(change) for change in gone)]


def _notification(rules: RuleBook, subject: Subject) -> str | None:
    return rules.notification(subject.rule) if subject.rule else None


def _look_at_location(
    db: sqlite3.Connection, rules: tuple[Rule, ...], location: str, sku: str, days: Days
) -> Looked:
    row = stock.totals(db, location, sku, days.now_ms)
    held = stock.lots(db, location, sku, days.now_ms)
    # The catalogue's minimum is for whoever keeps it: where it never was and nobody asked for it, it is not missing.
    is_kept = bool(held) or _has_level(db, location, sku)
    minimum = row.minimum if is_kept else None
    level = Level(location, sku, row.on_hand, row.available, minimum)
    marks = alerts.level_marks(level, rules)
    facts = {subject: _level_facts(subject, row, minimum, rules) for subject in marks}
    for lot in held:
        if lot.lot and lot.expiry is not None:
            there = LotLevel(location, sku, lot.lot, lot.on_hand, lot.expiry)
            for subject, mark in _lot_marks(there, days).items():
                marks[subject] = mark
                facts[subject] = Facts(lot.on_hand, expiry=lot.expiry)
    return Looked(marks, facts)


def _lot_marks(lot: LotLevel, days: Days) -> dict[Subject, Mark]:
    return alerts.lot_marks(lot, today=days.today, expiring_until=days.expiring_until)


def _look_at_chain(
    db: sqlite3.Connection, rules: tuple[Rule, ...], sku: str, now_ms: int
) -> Looked:
    """Only rules are about the whole chain: what is low or gone is so somewhere."""
    if not rules:
        return Looked({}, {})
    available = _available_in_chain(db, sku, now_ms)
    level = Level(CHAIN, sku, available, available, None)
    marks = {
        subject: mark
        for subject, mark in alerts.level_marks(level, rules).items()
        if subject.condition is Condition.THRESHOLD
    }
    thresholds = {rule.id: rule.threshold for rule in rules}
    return Looked(marks, {subject: Facts(available, thresholds[subject.rule]) for subject in marks})


def _available_in_chain(db: sqlite3.Connection, sku: str, now_ms: int) -> int:
    total, cursor = 0, None
    while True:
        query = StockQuery(sku=sku, limit=LIST_LIMIT_MAX, cursor=cursor)
        rows, cursor = stock.page(db, query, now_ms)
        total += sum(row.available for row in rows if _kind_of(db, row.location) not in _ELSEWHERE)
        if cursor is None:
            return total


def _kind_of(db: sqlite3.Connection, location: str) -> object:
    declared = COLLECTIONS["locations"]
    held = documents.one(db, declared, location)
    return None if held is None else shown_value(declared, "kind", held.fields)


def _has_level(db: sqlite3.Connection, location: str, sku: str) -> bool:
    held = documents.one(db, COLLECTIONS["levels"], id_of([location, sku]))
    return held is not None and held.fields.get(ARCHIVED) is not True


def _level_facts(
    subject: Subject, row: StockRow, minimum: int | None, rules: tuple[Rule, ...]
) -> Facts:
    match subject.condition:
        case Condition.NEGATIVE:
            return Facts(row.on_hand)
        case Condition.THRESHOLD:
            (threshold,) = (rule.threshold for rule in rules if rule.id == subject.rule)
            return Facts(row.available, threshold)
        case _:
            return Facts(row.available, minimum)
