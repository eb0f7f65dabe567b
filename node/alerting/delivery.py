"""The tasks that deliver: one for each receiver, so that one that is slow or gone keeps nothing from the others.

Invariants:
- What was delivered leaves the outbox only after the receiver took it, so a crash in between delivers it again under the
  same id, and never not at all.
- Between attempts is full jitter, and after the last of them it is given up and listed; nothing here waits for the hub.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from node.alerting import outbox
from node.alerting.outbox import Delivery
from node.alerting.webhooks import Failed
from protocol.limits import (
    DELIVERY_ATTEMPTS_MAX,
    DELIVERY_RETRY_FIRST_S,
    DELIVERY_RETRY_LAST_S,
)
from runtime.store import Store, StoreError
from runtime.world import World

LOOK_S_MAX: Final = 60.0
"""How often the outbox is looked at although nothing is due: the clock may be put right meanwhile."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Retry:
    """How long an attempt is waited for, and how often it is made."""

    first_s: float = DELIVERY_RETRY_FIRST_S
    last_s: float = DELIVERY_RETRY_LAST_S
    attempts_max: int = DELIVERY_ATTEMPTS_MAX

    def wait_ms_max(self, failed: int) -> int:
        """The longest wait after so many attempts failed; at least 1."""
        return int(1000 * min(self.last_s, self.first_s * 2.0 ** min(failed, 60)))


class Receiver:
    """Delivers to one receiver; `run` it as a task that its owner cancels.

    Args:
        target: which one, as the outbox names it.
        send: makes one attempt with some deliveries; raises `Failed`.
        at_once: how many are told in one attempt.
    """

    def __init__(
        self,
        store: Store,
        world: World,
        target: str,
        send: Callable[[list[Delivery]], Awaitable[None]],
        *,
        at_once: int = 1,
        retry: Retry | None = None,
    ) -> None:
        self._store = store
        self._world = world
        self._target = target
        self._send = send
        self._at_once = at_once
        self._retry = retry or Retry()
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Something may be in the outbox; returns at once."""
        self._news.set()

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            self._news.clear()
            try:
                wait_s = await self._deliver()
            except StoreError as error:
                _log.warning("the outbox of alerts cannot be used", reason=str(error))
                wait_s = LOOK_S_MAX
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._news.wait()

    async def _deliver(self) -> float:
        """Try everything that is due; seconds until there may be more."""
        while True:
            now_ms = self._world.now_ms()
            due = partial(outbox.due, target=self._target, now_ms=now_ms, limit=self._at_once)
            if not (deliveries := await self._store.read(due)):
                break
            await self._attempt(deliveries)
        next_ms = await self._store.read(partial(outbox.next_at_ms, target=self._target))
        if next_ms is None:
            return LOOK_S_MAX
        return min(LOOK_S_MAX, max(0.0, (next_ms - self._world.now_ms()) / 1000))

    async def _attempt(self, deliveries: list[Delivery]) -> None:
        try:
            await self._send(deliveries)
        except Failed as failed:
            await self._store.write(self._failed(deliveries, failed), background=True)
            _log.info("an alert was not delivered", to=self._target, reason=str(failed))
        else:
            done = partial(outbox.done, deliveries=deliveries)
            await self._store.write(done, background=True)

    def _failed(
        self, deliveries: list[Delivery], failed: Failed
    ) -> Callable[[sqlite3.Connection], None]:
        now_ms = self._world.now_ms()
        attempts = max(one.attempts for one in deliveries)
        # Never at once: what fails without a wait would be tried without a pause.
        next_ms = now_ms + 1 + self._world.jitter_ms(self._retry.wait_ms_max(attempts))
        is_last = failed.for_good or attempts + 1 >= self._retry.attempts_max
        given_up_ms = now_ms if is_last else None

        def write(db: sqlite3.Connection) -> None:
            outbox.failed(db, deliveries, str(failed), next_ms, given_up_ms)

        return write
