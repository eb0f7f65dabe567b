"""The hub's own figures for /metrics.

Rule: no label comes from a peer, so what is kept does not grow with them.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge


class HubMetrics:
    """Counters that the parts of the hub step; gauges are asked when read."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.operations = Counter(
            "everstock_hub_operations", "Operations taken into the ledger", registry=registry
        )
        self.quarantined = Counter(
            "everstock_hub_quarantined", "Operations taken in without effect", registry=registry
        )
        self.sessions = Counter(
            "everstock_hub_sessions_opened", "Sessions that reached WELCOME", registry=registry
        )
        self.unproven = Counter(
            "everstock_hub_sessions_unproven",
            "Sessions that ended before a node proved its key",
            registry=registry,
        )
        self.duplicates = Counter(
            "everstock_hub_duplicate_identities",
            "Sessions that took over from another running process of the same log",
            registry=registry,
        )

    def watch(self, name: str, help_: str, read: Callable[[], float]) -> None:
        """Show a figure that somebody else keeps."""
        Gauge(f"everstock_hub_{name}", help_, registry=self._registry).set_function(read)
