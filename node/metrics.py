"""What a node counts for its operators; `deploy/metrics.md` says what to make of it.

Invariant: labels come from fixed sets; nothing a caller sent becomes a label or a metric's name. What is only true at
a moment is read from the store when somebody scrapes, so that it also holds after a restart and without the hub.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from prometheus_client import Counter, Gauge

from node.showing import Figures
from protocol.errors import Code
from protocol.ids import Epoch, HubSeq
from protocol.limits import BATCH_OPERATIONS_MAX, PAGE_ROWS_MAX
from runtime.histogram import LoopHistogram
from runtime.metrics import NOT_KNOWN, by_fixed_values, new_registry, observe_commits

_BATCH_BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64, 128, BATCH_OPERATIONS_MAX)
_PAGE_BUCKETS: Final = (0, 1, 2, 5, 10, 20, 50, 100, 200, PAGE_ROWS_MAX)


class FeedLag:
    """How far what is shown of the neighbours is behind the hub, as far as this node can know.

    It is up to date from each CAUGHT_UP until a page arrives or the session ends; the hub says it within a second.
    """

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self.newest = HubSeq(0)
        """The newest hub_seq heard of; 0 before the first."""
        self._clock = monotonic_s
        self._epoch: Epoch | None = None
        self._behind_since_s: float | None = monotonic_s()

    @property
    def seconds(self) -> float:
        """Since when it may be behind; 0 while it is not."""
        return 0.0 if self._behind_since_s is None else self._clock() - self._behind_since_s

    def heard_page(self, to: HubSeq) -> None:
        """Rows up to `to` arrived; others may follow."""
        self.newest = max(self.newest, to)
        self.lost()

    def heard_all(self, at: HubSeq) -> None:
        """Everything up to `at` has arrived."""
        self.newest = max(self.newest, at)
        self._behind_since_s = None

    def lost(self) -> None:
        """From now on the hub may know more."""
        if self._behind_since_s is None:
            self._behind_since_s = self._clock()

    def begin_session(self, epoch: Epoch) -> None:
        """The hub is heard again; in another epoch than before it counts anew."""
        if epoch != self._epoch:
            self._epoch, self.newest = epoch, HubSeq(0)


class _Gauges(NamedTuple):
    pending: Gauge
    oldest_pending: Gauge
    quarantined: Gauge
    caught_up: Gauge
    behind: Gauge
    contact: Gauge
    retained: Gauge


class NodeMetrics:
    """One registry per node, so that two nodes in one process do not mix."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self.registry = new_registry()
        self.observe_commit: Callable[[int, float], None] = observe_commits(self.registry)
        self.feed_lag = FeedLag(monotonic_s)
        self.connected = self._gauge("connected", "1 while a session with the hub is open")
        self.sessions = self._counter("sessions", "Sessions opened with the hub")
        ends = Counter(
            "everstock_node_session_ends",
            "Sessions with the hub that ended or did not come about, by why",
            ("code",),
            registry=self.registry,
        )
        self.session_ends = by_fixed_values(ends, [code.value for code in Code])
        self.replicas = self._counter(
            "new_replicas", "Times the log had to continue under a new replica"
        )
        self.digest_mismatches = self._counter(
            "digest_mismatches", "Times the rows of a scope were found not to be the hub's"
        )
        self.repairs = self._counter(
            "repairs", "Scopes of which rows, or all of it, were fetched again for that"
        )
        self.repeats = self._counter(
            "repeats", "Requests that were recorded before, and were answered again with that"
        )
        self.batch = LoopHistogram(
            "everstock_node_pushed_batch_operations",
            "Operations in one batch sent to the hub",
            bounds=_BATCH_BUCKETS,
            registry=self.registry,
        ).series()
        self.page = LoopHistogram(
            "everstock_node_page_rows",
            "Rows in one page received from the hub",
            bounds=_PAGE_BUCKETS,
            registry=self.registry,
        ).series()
        self._gauge(
            "feed_lag_seconds", "Since when what the hub knows may not be shown here; 0 while it is"
        ).set_function(lambda: self.feed_lag.seconds)
        self._gauge("hub_seq", "Newest hub_seq heard of since the start").set_function(
            lambda: self.feed_lag.newest
        )
        self._at_scrape = _Gauges(
            self._gauge("pending_operations", "Recorded and not yet acknowledged by the hub"),
            self._gauge("oldest_pending_seconds", "Age of the oldest of those; 0 without one"),
            self._gauge("quarantined_operations", "Own operations that the hub set aside, in all"),
            self._gauge("caught_up", "1 once every scope was read to its end"),
            self._gauge(
                "feed_lag_changes", "From the scope read least far to the newest hub_seq heard of"
            ),
            self._gauge("hub_contact_age_seconds", "Since the hub was heard of; NaN before"),
            self._gauge(
                "retained_operations", "Operations in the log, also those the hub has acknowledged"
            ),
        )

        self.streams = self._gauge("live_streams", "Live streams that are open")
        self.live_events = self._counter("live_events", "Events sent to live streams, each counted")
        self.live_cuts = self._counter("live_cuts", "Live streams cut because nobody read them")

    def show(self, figures: Figures | None) -> None:
        """Set what was read from the store; None when it cannot be read now."""
        if figures is None:
            for gauge in self._at_scrape:
                gauge.set(NOT_KNOWN)
            return
        to = self._at_scrape
        to.pending.set(figures.pending)
        to.oldest_pending.set((figures.oldest_pending_ms or 0) / 1000)
        to.quarantined.set(figures.quarantined)
        to.caught_up.set(figures.caught_up)
        to.behind.set(max(0, self.feed_lag.newest - figures.least_cursor))
        to.retained.set(figures.retained)
        contact_ms = figures.contact_age_ms
        to.contact.set(NOT_KNOWN if contact_ms is None else contact_ms / 1000)

    def _gauge(self, name: str, help_: str) -> Gauge:
        return Gauge(f"everstock_node_{name}", help_, registry=self.registry)

    def _counter(self, name: str, help_: str) -> Counter:
        return Counter(f"everstock_node_{name}", help_, registry=self.registry)
