"""What a node counts for its operators.

Invariant: labels come from fixed sets; nothing a caller sent becomes a label or a metric's name.
"""

from collections.abc import Callable

from prometheus_client import Counter, Gauge

from runtime.metrics import new_registry, observe_commits


class NodeMetrics:
    """One registry per node, so that two nodes in one process do not mix."""

    def __init__(self) -> None:
        self.registry = new_registry()
        self.observe_commit: Callable[[int, float], None] = observe_commits(self.registry)
        self.connected = Gauge(
            "everstock_node_connected",
            "1 while a session with the hub is open",
            registry=self.registry,
        )
        self.pending = Gauge(
            "everstock_node_pending_operations",
            "Recorded and not yet acknowledged",
            registry=self.registry,
        )
        self.quarantined = Counter(
            "everstock_node_quarantined_operations",
            "Reported by the hub as without effect",
            registry=self.registry,
        )
        self.sessions = Counter(
            "everstock_node_sessions", "Sessions opened with the hub", registry=self.registry
        )
        self.rows = Counter(
            "everstock_node_feed_rows", "Rows received from the hub", registry=self.registry
        )
        self.replicas = Counter(
            "everstock_node_new_replicas",
            "Times the log had to continue under a new replica",
            registry=self.registry,
        )
