"""What is still to be told to other machines: written with what it tells of, gone when it was delivered.

Invariant: an entry has one id at every attempt, also after a crash or in a restored backup, so a receiver that remembers
ids takes each once. At most `DELIVERIES_WAITING_MAX` wait for one receiver; what was given up is listed, the newest of it.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from node.alerting import telling
from node.alerting.rules import LIVE
from node.alerting.settings import Alerting
from node.alerting.state import Alert
from node.replica.cursors import read_position, write_cursor
from protocol.limits import (
    DELIVERIES_GIVEN_UP_MAX,
    DELIVERIES_WAITING_MAX,
    DELIVERY_RETRY_LAST_S,
    INT_MAX,
)
from protocol.workflows.alerts import Condition
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "outbox.sql")
EMAIL: Final = "email"
WEBHOOK: Final = "webhook"
ERROR_CHARS_MAX: Final = 200


class Delivery(NamedTuple):
    """One event for one receiver."""

    position: int
    id: str
    body: bytes
    attempts: int
    """That have failed."""


class GivenUp(NamedTuple):
    """One that was tried for as long as is tried."""

    position: int
    target: str
    id: str
    body: bytes
    attempts: int
    last_error: str
    given_up_ms: int


class Counts(NamedTuple):
    """How many there are of one receiver."""

    waiting: int
    given_up: int


def webhook_target(name: str) -> str:
    """The receiver that a webhook is."""
    return f"{WEBHOOK}:{name}"


def targets_of(alerting: Alerting) -> list[str]:
    """Everybody who may be told."""
    webhooks = [webhook_target(one.name) for one in alerting.webhooks]
    return webhooks if alerting.email is None else [*webhooks, EMAIL]


def targets_for(alerting: Alerting, condition: str, notification: str | None) -> list[str]:
    """Who is told of a condition; `notification` is what its rule says, None for conditions without a rule."""
    if notification == LIVE:
        return []
    asked = Condition(condition)
    found = [
        webhook_target(one.name)
        for one in alerting.webhooks
        if asked in one.conditions and notification != EMAIL
    ]
    if alerting.email is not None and asked in alerting.email.conditions:
        found += [EMAIL] if notification != WEBHOOK else []
    return found


def add(db: sqlite3.Connection, alerts: Iterable[Alert], alerting: Alerting, now_ms: int) -> None:
    """Put what became of alerts into the outbox of each receiver, and give up the oldest if too many wait."""
    told: set[str] = set()
    for alert in alerts:
        if targets := targets_for(alerting, alert.condition, alert.notification):
            body = telling.event_body(alert)
            event = {"id": telling.event_id(alert), "body": body, "now": now_ms}
            db.executemany(_SQL["add"], [{**event, "target": target} for target in targets])
            told.update(targets)
    for target in told:
        _bound(db, target, now_ms)


def due(db: sqlite3.Connection, target: str, now_ms: int, limit: int) -> list[Delivery]:
    """What is to be tried now, oldest first, at most `limit`."""
    beyond = now_ms + int(DELIVERY_RETRY_LAST_S * 1000)
    asked = {"target": target, "now": now_ms, "beyond": beyond, "limit": limit}
    return [Delivery(*row) for row in db.execute(_SQL["due"], asked)]


def next_at_ms(db: sqlite3.Connection, target: str) -> int | None:
    """When the first is to be tried again; None when none waits."""
    row = db.execute(_SQL["next_at"], {"target": target}).fetchone()
    return None if row is None else row["next_at"]


def done(db: sqlite3.Connection, deliveries: Sequence[Delivery]) -> None:
    """They were delivered."""
    db.executemany(_SQL["done"], [{"position": one.position} for one in deliveries])


def failed(
    db: sqlite3.Connection,
    deliveries: Sequence[Delivery],
    error: str,
    next_ms: int,
    given_up_ms: int | None,
) -> None:
    """An attempt failed: try again at `next_ms`, or never when it is given up."""
    told = {"error": error[:ERROR_CHARS_MAX], "next_at": next_ms, "given_up_at": given_up_ms}
    db.executemany(_SQL["failed"], [{**told, "position": one.position} for one in deliveries])
    if given_up_ms is not None:
        _forget_given_up(db)


def drop_others(db: sqlite3.Connection, targets: Sequence[str], now_ms: int) -> None:
    """Give up what is for receivers that are no longer there."""
    asked = {"targets": json.dumps(list(targets)), "now": now_ms}
    if db.execute(_SQL["drop_others"], asked).rowcount:
        _forget_given_up(db)


def given_up(
    db: sqlite3.Connection, limit: int, cursor: str | None
) -> tuple[list[GivenUp], str | None]:
    """What was given up, newest first, and the cursor of the next page.

    Raises:
        Refusal: `validation_failed` for a cursor that no list gave.
    """
    before = INT_MAX if cursor is None else read_position(cursor)
    asked = {"before": before, "limit": limit}
    found = [GivenUp(*row) for row in db.execute(_SQL["given_up"], asked)]
    return found, write_cursor([found[-1].position]) if len(found) == limit else None


def counts(db: sqlite3.Connection) -> dict[str, Counts]:
    """How many wait and were given up, by receiver."""
    return {
        row["target"]: Counts(row["waiting"], row["given_up"]) for row in db.execute(_SQL["counts"])
    }


def last_error(db: sqlite3.Connection, target: str) -> str | None:
    """What went wrong with the newest entry of a receiver with which anything did."""
    row = db.execute(_SQL["last_error"], {"target": target}).fetchone()
    return None if row is None else row["last_error"]


def _bound(db: sqlite3.Connection, target: str, now_ms: int) -> None:
    (waiting,) = db.execute(_SQL["count_waiting"], {"target": target}).fetchone()
    if waiting <= DELIVERIES_WAITING_MAX:
        return
    asked = {"target": target, "kept": DELIVERIES_WAITING_MAX}
    (position,) = db.execute(_SQL["newest_too_many"], asked).fetchone()
    db.execute(_SQL["give_up_oldest"], {"target": target, "upto": position, "now": now_ms})
    _forget_given_up(db)


def _forget_given_up(db: sqlite3.Connection) -> None:
    db.execute(_SQL["forget_given_up"], {"kept": DELIVERIES_GIVEN_UP_MAX})
