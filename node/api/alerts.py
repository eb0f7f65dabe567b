"""`/v1/alerts/raised` and `/v1/webhooks`: what this node noticed, who has seen it, and what could not be told elsewhere.

Rule: what is raised is this node's own, evaluated here; rules are documents, at `/v1/alerts`. A webhook's secret is in the
settings and in no answer.
"""

import re
import uuid
from typing import Annotated, Any, Final, Literal

from aiohttp import web
from pydantic import Field, WithJsonSchema

from node.alerting.state import AlertQuery
from node.api.answers import JSON_TYPE, answer, answer_page
from node.api.headers import IdempotencyKey
from node.api.models import Nothing
from node.api.queries import Address, Query
from node.api.shown import Count, Cursor, Day, Id, Shown, Time
from node.api.typed import Answers, Operator, Route
from node.api.values import Code, Limit
from node.api.values import Cursor as CursorText
from node.commands.requests import Caller
from node.node import Node
from protocol.access.table import action
from protocol.limits import LIST_LIMIT_DEFAULT
from protocol.workflows.alerts import Condition
from runtime.problems import Problem

_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REPLAYED: Final = {"Idempotency-Replayed": "`true` on a repeat: nothing was recorded now."}
Kind = Literal["threshold", "low", "out", "negative", "expiring", "expired"]
assert set(Kind.__args__) == set(Condition), "every condition can be asked for"  # type: ignore[attr-defined]


class RaisedAsked(Query):
    """Which alerts to list; what is not given does not restrict."""

    location: Code | None = None
    kind: Kind | None = None
    open: Annotated[
        Literal["true", "false"] | None,
        Field(description="Only what is raised now, or only what has ended."),
    ] = None
    limit: Limit = LIST_LIMIT_DEFAULT
    cursor: CursorText | None = None


class GivenUpAsked(Query):
    """How much of what could not be delivered."""

    limit: Limit = LIST_LIMIT_DEFAULT
    cursor: CursorText | None = None


class RaisedAddress(Address):
    """The id in `/v1/alerts/raised/{id}/acknowledge`. What is no id names no alert."""

    id: Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]


class RaisedAlert(Shown):
    """Something that somebody should look at, and the last time that it began."""

    id: Id
    """Of what it is about: the same each time that it is raised again."""
    kind: Kind
    location: str | None
    """Null for the whole chain."""
    sku: str
    lot: str | None
    rule: str | None
    """Of a `threshold`, the rule that asked for it: a document of `/v1/alerts`."""
    number: Annotated[int, Field(ge=1)]
    """Grows by one each time that it begins or ends; odd while it is raised."""
    open: bool
    amount: int
    """When it was raised: available; on hand of what is below zero or expires."""
    threshold: int | None
    expiry: Day | None
    raised_at: Time
    cleared_at: Time | None
    acknowledged_at: Time | None
    """Since it was raised last."""
    acknowledged_by: str | None


class RaisedAlertPage(Shown):
    """Alerts, raised last first."""

    items: list[RaisedAlert]
    next: Cursor | None


class WebhookShown(Shown):
    """A webhook of this node's settings."""

    name: str
    url: str
    conditions: list[Kind]
    waiting: Count
    """Events that are still tried."""
    given_up: Count
    last_error: str | None


class WebhookList(Shown):
    """All of them; there is no further page."""

    items: list[WebhookShown]
    next: None


class AlertEvent(Shown):
    """What a webhook is sent."""

    type: Literal["alert.raised", "alert.cleared"]
    timestamp: Time
    data: RaisedAlert


class GivenUpShown(Shown):
    """An event that a receiver did not take for as long as it was tried."""

    id: str
    """As it was sent in `webhook-id`."""
    to: str
    event: AlertEvent
    attempts: Count
    last_error: str
    given_up_at: Time


class GivenUpPage(Shown):
    """What could not be delivered, newest first."""

    items: list[GivenUpShown]
    next: Cursor | None


Page = Annotated[web.Response, Answers(RaisedAlertPage)]
Acknowledged = Annotated[web.Response, Answers(RaisedAlert, headers=_REPLAYED)]
Webhooks = Annotated[web.Response, Answers(WebhookList)]
GivenUp = Annotated[web.Response, Answers(GivenUpPage)]


async def show_raised(node: Node, asked: RaisedAsked) -> Page:
    """List what was raised here, also what has ended.

    A node looks after its own locations, also cut off; the office after those without a node of their own, and after
    rules for the whole chain. Each SKU, condition and rule is there once, by the last time that it was raised.
    """
    query = AlertQuery(
        asked.location,
        None if asked.kind is None else Condition(asked.kind),
        None if asked.open is None else asked.open == "true",
        asked.limit,
        asked.cursor,
    )
    return answer_page(*await node.alerts.page(query))


async def acknowledge(
    node: Node, caller: Caller, key: IdempotencyKey, address: RaisedAddress, _body: Nothing
) -> Acknowledged:
    """Say that somebody has seen an alert.

    Who was first stands until it is raised again. It stays open: it ends when the stock says so.
    """
    text = address.id.lower()
    if _ID.fullmatch(text) is None:
        raise Problem("not_found", "There is no such alert here.")
    written = await node.alerts.acknowledge(caller, uuid.UUID(text).bytes, key)
    headers = {"Idempotency-Replayed": "true"} if written.replayed else {}
    return web.Response(body=written.body, content_type=JSON_TYPE, headers=headers)


async def show_webhooks(node: Node, _operator: Operator) -> Webhooks:
    """List the webhooks of this node's settings, and how they stand."""
    found: list[dict[str, Any]] = await node.alerts.webhooks()
    return answer({"items": found, "next": None})


async def show_given_up(node: Node, _operator: Operator, asked: GivenUpAsked) -> GivenUp:
    """List what could not be delivered, to webhooks and by mail."""
    return answer_page(*await node.alerts.given_up(asked.limit, asked.cursor))


def alert_routes() -> tuple[Route, ...]:
    """The addresses of what was raised, and of whom it is told."""
    return (
        Route("GET", "/v1/alerts/raised", show_raised, action=action("alerts.read")),
        Route(
            "POST",
            "/v1/alerts/raised/{id}/acknowledge",
            acknowledge,
            ("forbidden", "not_found"),
            action("alerts.acknowledge"),
        ),
        Route("GET", "/v1/webhooks", show_webhooks, action=action("webhooks.read"), tag="webhooks"),
        Route(
            "GET",
            "/v1/webhooks/given-up",
            show_given_up,
            action=action("webhooks.read"),
            tag="webhooks",
        ),
    )
