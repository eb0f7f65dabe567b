"""What the hub keeps sending, made into steps of the intake: acknowledgements, pages and CAUGHT_UP.

Invariant: each is put in the order it came, and a page in pieces whose last one moves the cursor; so the cursor is never
ahead of the rows, and a till never waits long.
"""

import sqlite3
from functools import partial

from node.inquiry import Inquiry
from node.intake import Intake, Step
from node.local import Local
from node.metrics import NodeMetrics
from node.replica import identity, log, rows, scopes
from protocol.frames.feed import CaughtUp, Page
from protocol.session.node_actions import StoreAcknowledged
from runtime.world import World


class Feeding:
    """The feed of one session. Every method returns as soon as the intake has room, before anything is durable."""

    def __init__(
        self, intake: Intake, inquiry: Inquiry, metrics: NodeMetrics, world: World, local: Local
    ) -> None:
        self._intake = intake
        self._inquiry = inquiry
        self._metrics = metrics
        self._world = world
        self._local = local
        self._pages_heard = 0

    async def acknowledged(self, action: StoreAcknowledged) -> None:
        """The hub has the log up to `acked`."""

        def keep(db: sqlite3.Connection) -> None:
            log.acknowledge(db, action.acked, action.accepted_at_ms)
            identity.save_acked(db, action.acked, action.stable, self._world.now_ms())

        await self._intake.put(Step(keep, lambda: None))

    async def page(self, page: Page) -> None:
        """Rows of a scope came."""
        self._pages_heard += 1
        self._metrics.feed_lag.heard_page(page.to)
        *others, last = rows.pieces(page)
        take_in = partial(rows.take_in, page=page, replica=self._local.replica)
        for piece in others:
            store = partial(take_in, rows=piece, finish=False)
            await self._intake.put(Step(store, lambda: None, len(piece)))
        store = partial(take_in, rows=last, finish=True)
        await self._intake.put(
            Step(store, lambda: self._metrics.page.observe(len(page.rows)), len(last))
        )
        await self._inquiry.page_put(page)

    async def caught_up(self, caught_up: CaughtUp) -> None:
        """Every row of every scope up to there was sent."""
        pages_heard = self._pages_heard

        def advance(db: sqlite3.Connection) -> None:
            scopes.advance_all(db, caught_up)
            identity.save_contact(db, self._world.now_ms())

        def advanced() -> None:
            self._local.heard_all = True
            # A page that arrived meanwhile has begun a lag that this does not end.
            if self._pages_heard == pages_heard:
                self._metrics.feed_lag.heard_all(caught_up.at)

        await self._intake.put(Step(advance, advanced))
        await self._inquiry.all_put(caught_up.at)
