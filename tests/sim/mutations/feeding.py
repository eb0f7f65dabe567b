"""Bugs of the feed: rows that do not arrive, arrive where they must not, or push away what was recorded here."""

from contextlib import AbstractContextManager
from typing import Any, Final

from hub.store.interface import Change
from hub.store.sqlite import feed
from hub.subscription import Subscription
from node.replica import rows
from protocol.certificate import Certificate
from protocol.frames.log import Grant
from protocol.ids import HubSeq
from protocol.wire import encode
from tests.sim.mutations.planting import Mutation, altered, replaced
from tests.sim.workload import Rates

SLOW: Final = {
    "standby": True,
    "requests": 60,
    "window_bytes": 300,
    "latency_s": 1.0,
    "rates": Rates(pause_s=8.0),
    "fault_every_s": 8.0,
    "weights": {"clog": 1.0, "line down": 1.0},
}
"""Readers that take so little at a time that the shelves change while a page is on its way."""
BUSY: Final = {"requests": 80, "latency_s": 0.02, "weights": {"cut": 1.0, "line down": 0.5}}


def one_row_is_skipped() -> AbstractContextManager[None]:
    """A page begins one number too late, where it should begin behind the cursor: `>` for `>=`.

    Any row whose number follows a cursor at once (I5, I8).
    """
    query = "counter.hub_seq > :base"
    return altered(feed, "counters", query, "counter.hub_seq > :base + 1", named="SQL")


def last_change_is_lost() -> AbstractContextManager[None]:
    """A scope is unmarked after its page was read and sent, so that what moved it meanwhile is forgotten.

    A commit while a page is on its way, and nothing after it: the reader never hears of it (I8).
    """
    send_page = Subscription._send_page

    async def unmark_late(self: Subscription, scope: Any, send: Any) -> None:
        await send_page(self, scope, send)
        for marks in self._marks:
            marks.pop(scope, None)

    return replaced((Subscription, "_send_page", unmark_late))


def rights_of_the_beginning() -> AbstractContextManager[None]:
    """What a node may read is looked at when it subscribes and never again.

    Access taken away while the session runs: the rows go on coming (I14).
    """

    def keep_all(self: Subscription, certificate: Certificate, signed: bytes) -> None:
        self._certificate = certificate
        self._notices.append(encode(Grant(signed)))
        self._wake.set()

    def take_all(self: Subscription, change: Change) -> None:
        for scope in change.scopes:
            if scope not in self._bases:
                self._begin(scope, HubSeq(0))
            self._mark(scope)
        self._wake.set()

    return replaced((Subscription, "regrant", keep_all), (Subscription, "moved", take_all))


def page_covers_outbox() -> AbstractContextManager[None]:
    """A page's totals are shown as they are, without what was recorded here and is not in them yet.

    A page that arrives while something waits to be sent: what is shown jumps back (I6).
    """
    query = "SELECT EXISTS (SELECT 1 FROM pending_delta WHERE location = :location)"
    return altered(
        rows,
        "location_has_deltas",
        query,
        "SELECT 0 WHERE :location IS NOT NULL UNION ALL SELECT 0",
    )


MUTATIONS: Final = (
    Mutation("one row is skipped", "I5, I8: any page", one_row_is_skipped, BUSY),
    Mutation(
        "last change is lost",
        "I8, I16: a commit while a page is on its way",
        last_change_is_lost,
        SLOW,
    ),
    Mutation(
        "rights of the beginning",
        "I14: access taken away while the session runs",
        rights_of_the_beginning,
        {"narrow": True, "nodes": 3, "weights": {"change access": 1.0}},
    ),
    Mutation(
        "page covers the outbox",
        "I6: a page while something waits to be sent",
        page_covers_outbox,
        BUSY,
    ),
)
