"""What was raised and cleared: one row for each subject that ever held, and how far was looked.

Invariant: a number only grows, and a row says the last time that its subject was raised. Its id is made of the node and
the subject, so it is the same in a restored backup. Plain functions of an open transaction.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from node.replica import changes
from node.replica.changes import Changed
from node.replica.cursors import read_position, write_cursor
from protocol.certificate import Certificate
from protocol.ids import op_id
from protocol.limits import INT_MAX, LIST_LIMIT_DEFAULT
from protocol.workflows.alerts import Change, Condition, Subject, is_raised
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "state.sql")

CHAIN: Final = ""
"""The location of what is about the whole chain."""
_PAIRS_MAX: Final = 1_000


class Facts(NamedTuple):
    """What was shown when it was raised."""

    amount: int
    """Available; on hand for what is below zero or expires."""
    threshold: int | None = None
    expiry: str | None = None


class Found(NamedTuple):
    """An alert that begins or ends now."""

    change: Change
    facts: Facts | None = None
    """None when it ends because nobody asks any more."""
    notification: str | None = None
    """How its rule says that it be told."""


class Alert(NamedTuple):
    """One subject and the last time that it was raised. Times are UTC milliseconds."""

    position: int
    id: bytes
    location: str
    sku: str
    lot: str
    condition: str
    rule: str
    notification: str | None
    """How its rule said that it be told; None for conditions without a rule."""
    number: int
    amount: int
    threshold: int | None
    expiry: str | None
    raised_ms: int
    cleared_ms: int | None
    acknowledged_ms: int | None
    acknowledged_by: str | None


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """What to list; None does not restrict."""

    location: str | None = None
    condition: Condition | None = None
    is_open: bool | None = None
    limit: int = LIST_LIMIT_DEFAULT
    cursor: str | None = None


def alert_id(certificate: Certificate, subject: Subject) -> bytes:
    """The id of an alert: 16 bytes, of this node alone."""
    route = "\0".join(("alert", subject.condition, subject.rule))
    key = "\0".join((subject.sku, subject.lot))
    return op_id(certificate.chain, subject.location, certificate.node.hex(), route, key)


def known(db: sqlite3.Connection, location: str, sku: str) -> dict[Subject, int]:
    """The numbers of everything that was ever raised of a SKU at a location."""
    rows = db.execute(_SQL["known"], {"location": location, "sku": sku})
    return {
        Subject(Condition(row["condition"]), row["rule"], location, sku, row["lot"]): row["number"]
        for row in rows
    }


def save(
    db: sqlite3.Connection, certificate: Certificate, found: Iterable[Found], now_ms: int
) -> list[Alert]:
    """Raise and clear, and number the change for live streams; the rows as they are then. What is known is left out."""
    saved = []
    for (subject, number), facts, notification in found:
        row = {**subject._asdict(), "condition": subject.condition.value}
        values = {**row, "number": number, "now": now_ms}
        if is_raised(number):
            assert facts is not None, "what begins was looked at"
            told = {"id": alert_id(certificate, subject), "notification": notification}
            done = db.execute(_SQL["raise"], {**values, **told, **facts._asdict()})
        else:
            done = db.execute(_SQL["clear"], values)
        if done.rowcount:
            # Not by id: a folder that joined anew keeps what was raised, and the ids that it had.
            saved.append(Alert(*db.execute(_SQL["of_subject"], row).fetchone()))
    note_changed(db, saved)
    return saved


def note_changed(db: sqlite3.Connection, alerts: Sequence[Alert]) -> None:
    """Number changed alerts for those who follow live."""
    for at in range(0, len(alerts), changes.KEYS_MAX):
        piece = alerts[at : at + changes.KEYS_MAX]
        changes.note(db, Changed(alerts=tuple(alert.id for alert in piece)))


def one(db: sqlite3.Connection, id_: bytes) -> Alert | None:
    """One alert."""
    row = db.execute(_SQL["one"], {"id": id_}).fetchone()
    return None if row is None else Alert(*row)


def page(db: sqlite3.Connection, query: AlertQuery) -> tuple[list[Alert], str | None]:
    """Alerts, raised last first, and the cursor of the next page.

    Raises:
        Refusal: `validation_failed` for a cursor that no list gave.
    """
    asked = {
        "before": INT_MAX if query.cursor is None else read_position(query.cursor),
        "location": query.location,
        "condition": None if query.condition is None else query.condition.value,
        "is_cleared": None if query.is_open is None else 1,
        "limit": query.limit,
    }
    if query.is_open:
        del asked["is_cleared"]
    statement = _SQL["newest_open" if query.is_open else "newest"]
    found = [Alert(*row) for row in db.execute(statement, asked)]
    following = write_cursor([found[-1].position]) if len(found) == query.limit else None
    return found, following


def count_open(db: sqlite3.Connection) -> dict[str, int]:
    """How many are raised, by condition."""
    return {row["condition"]: row["count"] for row in db.execute(_SQL["count_open"])}


def unacknowledged(db: sqlite3.Connection, location: str, sku: str) -> list[Alert]:
    """What is raised of a SKU at a location and nobody has seen."""
    asked = {"location": location, "sku": sku}
    return [Alert(*row) for row in db.execute(_SQL["unacknowledged"], asked)]


def acknowledge(db: sqlite3.Connection, id_: bytes, by: str, now_ms: int) -> bool:
    """Note who has seen it, unless somebody had; whether it is news."""
    return db.execute(_SQL["acknowledge"], {"id": id_, "by": by, "now": now_ms}).rowcount > 0


# --- how far was looked -----------------------------------------------------------------------------------------


def read_mark(db: sqlite3.Connection) -> int | None:
    """Up to which change was looked; None before the first."""
    row = db.execute(_SQL["read_mark"]).fetchone()
    return None if row is None else row["n"]


def save_mark(db: sqlite3.Connection, n: int) -> None:
    """Everything up to this change was looked at."""
    db.execute(_SQL["save_mark"], {"n": n})


def places(db: sqlite3.Connection) -> dict[str, str]:
    """The locations that are looked after, each with its basis; "" where it was not yet looked at as a whole."""
    return {row["location"]: row["basis"] for row in db.execute(_SQL["places"])}


def save_place(db: sqlite3.Connection, location: str, basis: str) -> None:
    """Keep by what a location was looked at as a whole."""
    db.execute(_SQL["save_place"], {"location": location, "basis": basis})


def forget_places(db: sqlite3.Connection) -> None:
    """Everything has to be looked at again."""
    db.execute(_SQL["forget_places"])


def forget_place(db: sqlite3.Connection, location: str) -> None:
    """A location is looked after no more; what was raised there is cleared already."""
    db.execute(_SQL["forget_place"], {"location": location})


def skus_after(db: sqlite3.Connection, location: str, sku: str, limit: int) -> list[str]:
    """SKUs that were counted at a location or told of there, in order, at most `limit`."""
    asked = {"location": location, "sku": sku, "limit": limit}
    return [row["sku"] for row in db.execute(_SQL["skus_after"], asked)]


def raised_at(db: sqlite3.Connection, location: str, limit: int) -> dict[Subject, int]:
    """What is raised at a location, at most `limit`, with its number."""
    rows = db.execute(_SQL["raised_at_location"], {"location": location, "limit": limit})
    return {Subject(Condition(row[0]), *row[1:5]): row[5] for row in rows}


def pairs_of_rule(db: sqlite3.Connection, rule: str) -> list[tuple[str, str]]:
    """Of which SKUs at which locations a rule ever raised an alert."""
    rows = db.execute(_SQL["pairs_of_rule"], {"rule": rule, "limit": _PAIRS_MAX})
    return [(row["location"], row["sku"]) for row in rows]
