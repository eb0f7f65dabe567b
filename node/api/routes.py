"""Every address of the node, in one table.

Rule: what is here is served, and `openapi` describes it; nothing else is.
"""

from collections.abc import Iterable
from typing import Final

from node.api import health, lan, movements, openapi, operators, playground, stock, streams, sync
from node.api.alerts import alert_routes
from node.api.audit import AUDIT_ROUTES
from node.api.documents import document_routes
from node.api.exceptions import EXCEPTION_ROUTES
from node.api.lots import lot_routes
from node.api.messages import MESSAGE_ROUTES
from node.api.orders import ORDER_ROUTES
from node.api.people import PEOPLE_ROUTES
from node.api.reports.routes import REPORT_ROUTES
from node.api.sealed import SEALED_ROUTES
from node.api.skus import sku_routes
from node.api.stocktakes import stocktake_routes
from node.api.suggestions import SUGGESTION_ROUTES
from node.api.transfers import TRANSFER_ROUTES
from node.api.typed import Route
from protocol.access.table import action


def _in_place(of_all: Iterable[Route], own: Iterable[Route]) -> Iterable[Route]:
    """The addresses of every collection, with one's own in the place of those that it serves in another way."""
    left = {(route.method, route.path): route for route in own}
    for route in of_all:
        yield left.pop((route.method, route.path), route)
    yield from left.values()


_ROUTES: Final = (
    Route("GET", "/healthz", health.alive, is_open=True),
    Route("GET", "/readyz", health.ready, ("unavailable", ("disk_full", 503)), is_open=True),
    Route("GET", "/metrics", health.metrics, action=action("metrics.read")),
    Route("GET", "/openapi.json", openapi.show, is_open=True),
    Route(
        "POST",
        "/v1/movements",
        movements.record,
        (
            "forbidden",
            "insufficient_stock",
            "lot_not_usable",
            "witness_required",
            "ambiguous_barcode",
            "unknown_barcode",
        ),
        action("movements.record"),
    ),
    Route("GET", "/v1/movements", movements.show_list, action=action("movements.read")),
    Route(
        "POST",
        "/v1/movements/batch",
        movements.record_batch,
        ("disk_full",),
        action("movements.record"),
    ),
    Route("GET", "/v1/movements/{id}", movements.show, ("not_found",), action("movements.read")),
    Route(
        "POST",
        "/v1/movements/{id}/reverse",
        movements.reverse,
        ("forbidden", "not_found", "conflict", "witness_required"),
        action("stock.reversal"),
    ),
    Route("GET", "/v1/stock", stock.show_list, action=action("stock.read")),
    Route("GET", "/v1/stock/{location}/{sku}", stock.show, ("not_found",), action("stock.read")),
    Route("GET", "/v1/sync", sync.show, action=action("sync.read")),
    Route(
        "GET",
        "/v1/events",
        streams.show_events,
        ("forbidden", "rate_limited", "unavailable"),
        action("live.read"),
    ),
    Route(
        "GET",
        "/v1/live",
        streams.show_live,
        ("bad_request", "forbidden", "rate_limited", "unavailable"),
        action("live.read"),
    ),
    Route("GET", "/v1/digest", sync.show_digest, action=action("sync.read")),
    Route(
        "POST",
        "/v1/operator/tokens",
        operators.create_token,
        ("disk_full",),
        action("node.administer"),
    ),
    Route(
        "POST",
        "/v1/operator/tokens/revoke",
        operators.revoke_tokens,
        ("disk_full",),
        action("node.administer"),
    ),
    Route("POST", "/v1/operator/status", operators.show_status, action=action("node.administer")),
    *SEALED_ROUTES,
    *MESSAGE_ROUTES,
    Route("POST", "/v1/operator/lan/status", lan.show_status, action=action("node.administer")),
    Route(
        "POST",
        "/v1/operator/lan/on",
        lan.turn_on,
        ("conflict", "unavailable"),
        action("node.administer"),
    ),
    Route(
        "POST",
        "/v1/operator/lan/off",
        lan.turn_off,
        ("unavailable",),
        action("node.administer"),
    ),
    *TRANSFER_ROUTES,
    *ORDER_ROUTES,
    *SUGGESTION_ROUTES,
    *EXCEPTION_ROUTES,
    *REPORT_ROUTES,
    *AUDIT_ROUTES,
    *PEOPLE_ROUTES,
)
_DOCUMENTS: Final = (
    *_in_place(document_routes(), sku_routes()),
    *lot_routes(),
    *stocktake_routes(),
)
_PLAYGROUND: Final = (
    Route("GET", "/docs", playground.show, is_open=True),
    Route("GET", "/docs/{file}", playground.show_file, ("not_found",), is_open=True),
)


def routes(*, with_playground: bool = True) -> tuple[Route, ...]:
    """All routes; each GET also answers HEAD."""
    served = (*_ROUTES, *_DOCUMENTS, *alert_routes())
    return (*served, *_PLAYGROUND) if with_playground else served


def open_paths(served: Iterable[Route]) -> frozenset[str]:
    """The paths that need no token, written out."""
    patterns = [route.path for route in served if route.is_open]
    return frozenset(
        pattern.replace("{file}", name) for pattern in patterns for name in playground.FILES
    )
