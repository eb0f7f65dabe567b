"""The hub's own figures for /metrics; `deploy/metrics.md` says what to make of them.

Rule: no label comes from a peer, so what is kept does not grow with them. Nodes are told together, as quantiles and
extremes: an alert needs to know that some shop is behind, `nodes` and `/v1/status` say which. A label for each would
keep the series of retired shops for ever, and carry the chain's map to wherever metrics are sent.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from hub.store.interface import Counts
from protocol.errors import Code
from protocol.limits import BATCH_OPERATIONS_MAX, PAGE_ROWS_MAX
from runtime.histogram import LoopHistogram
from runtime.metrics import NOT_KNOWN, by_fixed_values

GONE: Final = "gone"
"""Why a session ended whose peer went without a word."""
_BATCH_BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64, 128, BATCH_OPERATIONS_MAX)
_PAGE_BUCKETS: Final = (0, 1, 2, 5, 10, 20, 50, 100, 200, PAGE_ROWS_MAX)
_QUANTILES: Final = {"0.5": 0.5, "0.95": 0.95, "1": 1.0}


class HubMetrics:
    """Counters that the parts of the hub step; gauges are asked when read."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.operations = self._counter("operations", "Operations taken into the ledger")
        self.repeats = self._counter(
            "repeats", "Operations that came again: counted before, or in the ledger already"
        )
        self.quarantined = self._counter("quarantined", "Operations taken in without effect")
        self.sessions = self._counter("sessions_opened", "Sessions that reached WELCOME")
        self.unproven = self._counter(
            "sessions_unproven", "Sessions that ended before a node proved its key"
        )
        self.duplicates = self._counter(
            "duplicate_identities",
            "Sessions that took over from another running process of the same log",
        )
        self.histories_differ = self._counter(
            "histories_differ",
            "Checkpoints that nodes keep, that this hub signed in its present epoch and does not have",
        )
        ends = Counter(
            "everstock_hub_session_ends",
            "Sessions of known nodes that ended, by why; `gone` is without a word",
            ("code",),
            registry=registry,
        )
        self.session_ends = by_fixed_values(ends, [GONE, *(code.value for code in Code)])
        self.batch = self._histogram(
            "batch_operations", "Operations in one batch received", _BATCH_BUCKETS
        )
        self.page = self._histogram(
            "page_rows", "Rows in one page read for the nodes", _PAGE_BUCKETS
        )
        self._lag = Gauge(
            "everstock_hub_feed_lag_changes",
            "Row changes that connected nodes may still have to be sent: the middle one, most, the last",
            ("quantile",),
            registry=registry,
        )
        self._lagging = self._gauge("nodes_lagging", "Connected nodes that have not been sent all")
        self._connected = self._gauge("nodes_connected", "Nodes with an open session")
        self._active = self._gauge("nodes", "Nodes enrolled and neither retired nor revoked")
        self._pending = self._gauge(
            "nodes_pending_operations", "What the nodes have still to send, as they last said"
        )
        self._silence = self._gauge(
            "node_silence_seconds", "Since the node that is away longest was heard of"
        )
        self._backup_age = self._gauge(
            "backup_age_seconds", "Since the newest backup that was restored and verified was taken"
        )
        self.backup_failures = self._counter(
            "backup_failures", "Scheduled backups that came to no end"
        )
        self._backup_failing = self._gauge(
            "backup_failing", "1 from a scheduled backup that came to no end to one that succeeds"
        )
        self._departed = self._gauge("nodes_departed", "Nodes that were revoked or are retired")
        self._in_quarantine = self._gauge(
            "quarantined_operations", "Operations in the ledger without effect, in all"
        )

    def watch(self, name: str, help_: str, read: Callable[[], float]) -> None:
        """Show a figure that somebody else keeps."""
        self._gauge(name, help_).set_function(read)

    def watch_backups(self, has_failed: Callable[[], bool]) -> None:
        """Show whether the schedule's backups fail; without one they do not."""
        self._backup_failing.set_function(has_failed)

    def show_sessions(self, nodes: int, behind: Sequence[int]) -> None:
        """Set what is known in memory: nodes connected, and how far each session is behind."""
        self._connected.set(nodes)
        self._lagging.set(sum(map(bool, behind)))
        in_order = sorted(behind) or [0]
        for label, share in _QUANTILES.items():
            self._lag.labels(label).set(in_order[math.ceil(share * len(in_order)) - 1])

    def show_recovery(self, backup_age_s: float | None, departed: int) -> None:
        """Set what is known in memory of backups and of nodes that left."""
        self._backup_age.set(NOT_KNOWN if backup_age_s is None else backup_age_s)
        self._departed.set(departed)

    def show_counts(self, counts: Counts | None, now_ms: int) -> None:
        """Set what was read from the store; None when it cannot be read now."""
        if counts is None:
            for gauge in (self._active, self._pending, self._silence, self._in_quarantine):
                gauge.set(NOT_KNOWN)
            return
        self._active.set(counts.nodes)
        self._pending.set(counts.pending)
        heard_ms = counts.longest_unheard_ms
        self._silence.set(0 if heard_ms is None else max(0, now_ms - heard_ms) / 1000)
        self._in_quarantine.set(counts.quarantined)

    def _gauge(self, name: str, help_: str) -> Gauge:
        return Gauge(f"everstock_hub_{name}", help_, registry=self._registry)

    def _counter(self, name: str, help_: str) -> Counter:
        return Counter(f"everstock_hub_{name}", help_, registry=self._registry)

    def _histogram(self, name: str, help_: str, bounds: Sequence[int]) -> Callable[[float], None]:
        name = f"everstock_hub_{name}"
        histogram = LoopHistogram(name, help_, bounds=bounds, registry=self._registry)
        return histogram.series().observe
