"""What a node counts for its operators; `deploy/metrics.md` says what to make of it.

Invariant: labels come from fixed sets; nothing a caller sent becomes a label or a metric's name. What is only true at
a moment is read from the store when somebody scrapes, so that it also holds after a restart and without the hub.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from prometheus_client import Counter, Gauge

from node.alerting.alerts import AlertFigures
from node.showing import Figures
from protocol.errors import Code
from protocol.ids import Epoch, HubSeq
from protocol.limits import BATCH_OPERATIONS_MAX, PAGE_ROWS_MAX
from protocol.workflows.alerts import Condition
from runtime.histogram import LoopHistogram, Series
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


class _AtScrape(NamedTuple):
    """A gauge of what is true only at a moment."""

    name: str
    help: str
    value: Callable[[Figures, HubSeq], float]
    """Of what was read from the store, and the newest hub_seq heard of."""


_AT_SCRAPE: Final = (
    _AtScrape(
        "pending_operations",
        "Recorded and not yet acknowledged by the hub",
        lambda figures, _: figures.pending,
    ),
    _AtScrape(
        "oldest_pending_seconds",
        "Age of the oldest of those; 0 without one",
        lambda figures, _: (figures.oldest_pending_ms or 0) / 1000,
    ),
    _AtScrape(
        "quarantined_operations",
        "Own operations that the hub set aside, in all",
        lambda figures, _: figures.quarantined,
    ),
    _AtScrape(
        "caught_up",
        "1 once every scope was read to its end",
        lambda figures, _: figures.caught_up,
    ),
    _AtScrape(
        "feed_lag_changes",
        "From the scope read least far to the newest hub_seq heard of",
        lambda figures, newest: max(0, newest - figures.least_cursor),
    ),
    _AtScrape(
        "hub_contact_age_seconds",
        "Since the hub was heard of; NaN before",
        lambda figures, _: _seconds(figures.contact_age_ms),
    ),
    _AtScrape(
        "retained_operations",
        "Operations in the log, also those the hub has acknowledged",
        lambda figures, _: figures.retained,
    ),
)


class NodeMetrics:
    """One registry per node, so that two nodes in one process do not mix."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self.registry = new_registry()
        self.observe_commit: Callable[[int, float], None] = observe_commits(self.registry)
        # The session.
        self.connected = self._gauge("connected", "1 while a session with the hub is open")
        self.sessions = self._counter("sessions", "Sessions opened with the hub")
        ends = Counter(
            "everstock_node_session_ends",
            "Sessions with the hub that ended or did not come about, by why",
            ("code",),
            registry=self.registry,
        )
        self.session_ends = by_fixed_values(ends, [code.value for code in Code])
        self.batch = self._histogram(
            "pushed_batch_operations", "Operations in one batch sent to the hub", _BATCH_BUCKETS
        )
        self.page = self._histogram(
            "page_rows", "Rows in one page received from the hub", _PAGE_BUCKETS
        )
        self.feed_lag = FeedLag(monotonic_s)
        self._gauge(
            "feed_lag_seconds", "Since when what the hub knows may not be shown here; 0 while it is"
        ).set_function(lambda: self.feed_lag.seconds)
        self._gauge("hub_seq", "Newest hub_seq heard of since the start").set_function(
            lambda: self.feed_lag.newest
        )
        # What went wrong, and was mended.
        self.replicas = self._counter(
            "new_replicas", "Times the log had to continue under a new replica"
        )
        self.digest_mismatches = self._counter(
            "digest_mismatches", "Times the rows of a scope were found not to be the hub's"
        )
        self.repairs = self._counter(
            "repairs", "Scopes of which rows, or all of it, were fetched again for that"
        )
        # Who asks.
        self.repeats = self._counter(
            "repeats", "Requests that were recorded before, and were answered again with that"
        )
        self.streams = self._gauge("live_streams", "Live streams that are open")
        self.live_events = self._counter("live_events", "Events sent to live streams, each counted")
        self.live_cuts = self._counter("live_cuts", "Live streams cut because nobody read them")
        # Whom the stock concerns.
        raised = Gauge(
            "everstock_node_alerts_open",
            "Alerts that are raised now, by kind",
            ("kind",),
            registry=self.registry,
        )
        self._alerts = {one.value: raised.labels(one.value) for one in Condition}
        self._deliveries = self._gauge(
            "alert_deliveries_waiting", "Events for webhooks and mail that are still tried"
        )
        self._given_up = self._gauge(
            "alert_deliveries_given_up", "Those that were tried in vain, as far as they are listed"
        )
        self._at_scrape = [(self._gauge(each.name, each.help), each.value) for each in _AT_SCRAPE]

    def show(self, figures: Figures | None) -> None:
        """Set what was read from the store; None when it cannot be read now."""
        for gauge, value in self._at_scrape:
            gauge.set(NOT_KNOWN if figures is None else value(figures, self.feed_lag.newest))

    def show_alerts(self, figures: AlertFigures | None) -> None:
        """The same for alerts."""
        for kind, gauge in self._alerts.items():
            gauge.set(NOT_KNOWN if figures is None else figures.raised.get(kind, 0))
        self._deliveries.set(NOT_KNOWN if figures is None else figures.waiting)
        self._given_up.set(NOT_KNOWN if figures is None else figures.given_up)

    def _gauge(self, name: str, help_: str) -> Gauge:
        return Gauge(f"everstock_node_{name}", help_, registry=self.registry)

    def _counter(self, name: str, help_: str) -> Counter:
        return Counter(f"everstock_node_{name}", help_, registry=self.registry)

    def _histogram(self, name: str, help_: str, bounds: Sequence[int]) -> Series:
        name = f"everstock_node_{name}"
        return LoopHistogram(name, help_, bounds=bounds, registry=self.registry).series()


def _seconds(ms: int | None) -> float:
    return NOT_KNOWN if ms is None else ms / 1000
