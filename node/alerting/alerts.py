"""What surfaces ask of a node's alerts, and the tasks behind them.

Invariant: to list and to acknowledge waits for neither the hub nor a receiver. The tasks end with the node, and what one of
them could not do is left as it was.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import orjson
import structlog

from node.alerting import outbox, state, telling
from node.alerting.acknowledging import acknowledge
from node.alerting.delivery import Receiver, Retry
from node.alerting.evaluation import Evaluation
from node.alerting.mail import Mailer
from node.alerting.outbox import Delivery, GivenUp
from node.alerting.settings import Alerting, Email, Webhook
from node.alerting.state import AlertQuery
from node.alerting.webhooks import Sender
from node.commands.answering import time_to_text
from node.commands.documents import Written
from node.commands.movements import Here
from node.commands.requests import Caller
from node.local import Local
from protocol.limits import MAIL_ALERTS_MAX
from runtime.store import Store, StoreError
from runtime.world import World

Write = Callable[[Callable[[sqlite3.Connection], Written]], Awaitable[Written]]
_NOBODY: Final = outbox.Counts(0, 0)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AlertFigures:
    """What metrics show of alerts."""

    raised: dict[str, int]
    """By condition; what is not there is 0."""
    waiting: int
    given_up: int


class Alerts:
    """Those of one node. `write` runs a transaction and wakes the uplink, `here` is what recording needs to know."""

    def __init__(
        self,
        store: Store,
        world: World,
        local: Local,
        alerting: Alerting,
        write: Write,
        here: Callable[[], Here],
        *,
        retry: Retry | None = None,
    ) -> None:
        self._store = store
        self._world = world
        self._alerting = alerting
        self._write = write
        self._here = here
        self._evaluation = Evaluation(store, world, local, alerting, self._wake)
        name = local.identity.certificate.name
        self._receivers = [self._webhook(one, retry) for one in alerting.webhooks]
        if alerting.email is not None:
            self._receivers.append(self._mail(alerting.email, name, retry))
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to look and to deliver; returns at once."""
        for name, work in (
            ("alerts", self._evaluation.run),
            *((f"delivery {n}", each.run) for n, each in enumerate(self._receivers)),
        ):
            task = asyncio.create_task(work(), name=name)
            task.add_done_callback(_note_crash)
            self._tasks.append(task)

    async def stop(self) -> None:
        """End the tasks, and keep how far was looked."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._evaluation.save()
        except StoreError as error:
            _log.info("alerts will be looked at again after the start", reason=str(error))

    async def page(self, query: AlertQuery) -> tuple[list[dict[str, object]], str | None]:
        """Alerts, raised last first, and the cursor of the next page.

        Raises:
            Refusal: `validation_failed` for a foreign cursor.
        """
        found, following = await self._store.read(lambda db: state.page(db, query))
        return [telling.alert_json(one) for one in found], following

    async def acknowledge(self, caller: Caller, id_: bytes, key: str) -> Written:
        """Note that somebody has seen an alert; see `acknowledging`. Durable on return."""
        return await self._write(lambda db: acknowledge(db, self._here(), caller, id_, key))

    async def webhooks(self) -> list[dict[str, object]]:
        """The webhooks of the settings, without their secrets, and how they stand."""

        def read(db: sqlite3.Connection) -> list[dict[str, object]]:
            counts = outbox.counts(db)
            return [_webhook_json(db, one, counts) for one in self._alerting.webhooks]

        return await self._store.read(read)

    async def given_up(
        self, limit: int, cursor: str | None
    ) -> tuple[list[dict[str, object]], str | None]:
        """What could not be delivered, newest first, and the cursor of the next page.

        Raises:
            Refusal: `validation_failed` for a foreign cursor.
        """
        found, following = await self._store.read(lambda db: outbox.given_up(db, limit, cursor))
        return [_given_up_json(one) for one in found], following

    async def figures(self) -> AlertFigures | None:
        """What metrics show; None when it cannot be read now."""

        def read(db: sqlite3.Connection) -> AlertFigures:
            counts = outbox.counts(db).values()
            waiting = sum(one.waiting for one in counts)
            return AlertFigures(state.count_open(db), waiting, sum(one.given_up for one in counts))

        try:
            return await self._store.read(read)
        except StoreError:
            return None

    # --- private -----------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        for receiver in self._receivers:
            receiver.wake()

    def _webhook(self, webhook: Webhook, retry: Retry | None) -> Receiver:
        sender = Sender(webhook, self._alerting.networks)

        async def send(deliveries: list[Delivery]) -> None:
            (one,) = deliveries
            await sender.send(one.id, one.body, self._world.now_ms())

        target = outbox.webhook_target(webhook.name)
        return Receiver(self._store, self._world, target, send, retry=retry)

    def _mail(self, email: Email, name: str, retry: Retry | None) -> Receiver:
        mailer = Mailer(email, name)

        async def send(deliveries: list[Delivery]) -> None:
            bodies = [one.body for one in deliveries]
            await mailer.send(deliveries[0].id, bodies, self._world.now_ms())

        return Receiver(
            self._store, self._world, outbox.EMAIL, send, at_once=MAIL_ALERTS_MAX, retry=retry
        )


def _note_crash(task: asyncio.Task[None]) -> None:
    """A bug ended it: the tills sell on, and the log says it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("alerts have crashed", task=task.get_name(), exc_info=error)


def _webhook_json(
    db: sqlite3.Connection, webhook: Webhook, counts: dict[str, outbox.Counts]
) -> dict[str, object]:
    target = outbox.webhook_target(webhook.name)
    stands = counts.get(target, _NOBODY)
    return {
        "name": webhook.name,
        "url": webhook.url,
        "conditions": [one.value for one in webhook.conditions],
        "waiting": stands.waiting,
        "given_up": stands.given_up,
        "last_error": outbox.last_error(db, target),
    }


def _given_up_json(one: GivenUp) -> dict[str, object]:
    return {
        "id": one.id,
        "to": one.target,
        "event": orjson.loads(one.body),
        "attempts": one.attempts,
        "last_error": one.last_error,
        "given_up_at": time_to_text(one.given_up_ms),
    }
