"""How an alert looks: in lists and live, to a webhook, in a mail.

Invariant: none of them says whose goods or prescriptions they are: codes, numbers and days, nothing of people. An event's
id is that of the alert and its number, so raising and clearing are two events, and each has one id for ever.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from node.alerting.state import Alert
from node.commands.answering import id_to_text, time_to_text
from protocol.ids import OpId, Scope
from protocol.workflows.alerts import Condition

_SENTENCES: Final[Mapping[str, str]] = {
    Condition.THRESHOLD: "{amount} available, and a rule asks for {threshold}",
    Condition.LOW: "{amount} available, and the minimum is {threshold}",
    Condition.OUT: "nothing available",
    Condition.NEGATIVE: "{amount} on hand: count it",
    Condition.EXPIRING: "{amount} on hand of a lot whose last day is {expiry}",
    Condition.EXPIRED: "{amount} on hand of a lot whose last day was {expiry}: take it off the shelf",
}


def alert_json(alert: Alert) -> dict[str, object]:
    """An alert as REST shows it."""
    return {
        "id": id_to_text(OpId(alert.id)),
        "kind": alert.condition,
        "location": alert.location or None,
        "sku": alert.sku,
        "lot": alert.lot or None,
        "rule": alert.rule or None,
        "number": alert.number,
        "open": alert.cleared_ms is None,
        "amount": alert.amount,
        "threshold": alert.threshold,
        "expiry": alert.expiry,
        "raised_at": time_to_text(alert.raised_ms),
        "cleared_at": _time(alert.cleared_ms),
        "acknowledged_at": _time(alert.acknowledged_ms),
        "acknowledged_by": alert.acknowledged_by,
    }


def scope_of(alert: Alert) -> Scope:
    """Who follows it live: a shop's alerts are its own business, the chain's are everybody's."""
    return Scope(f"docs:{alert.location}" if alert.location else "catalogue")


def event_id(alert: Alert) -> str:
    """The id of what became of an alert, as it is after that."""
    return f"alert_{alert.id.hex()}_{alert.number}"


def event_body(alert: Alert) -> bytes:
    """The same as a webhook is told it: the form of Standard Webhooks, as JSON."""
    is_open = alert.cleared_ms is None
    at_ms = alert.raised_ms if alert.cleared_ms is None else alert.cleared_ms
    return orjson.dumps(
        {
            "type": "alert.raised" if is_open else "alert.cleared",
            "timestamp": time_to_text(at_ms),
            "data": alert_json(alert),
        }
    )


def mail_of(bodies: Sequence[bytes]) -> tuple[str, str]:
    """Subject and text of one mail about some events."""
    lines = [_line(orjson.loads(body)) for body in bodies]
    subject = lines[0] if len(lines) == 1 else f"{len(lines)} alerts"
    return f"Everstock: {subject}", "\n".join(lines) + "\n"


def _line(event: Mapping[str, object]) -> str:
    data = event["data"]
    assert isinstance(data, Mapping), "written by event_body"
    where, lot = data["location"] or "the chain", data["lot"]
    what = f"{data['sku']} at {where}" if lot is None else f"{data['sku']}, lot {lot}, at {where}"
    if not data["open"]:
        return f"{what}: no longer {data['kind']}"
    return f"{what}: {data['kind']}, {_SENTENCES[str(data['kind'])].format(**data)}"


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else time_to_text(time_ms)
