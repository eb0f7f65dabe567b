"""Every address of the node, in one table."""

from aiohttp import web

from node.api import health, movements, operators, stock, sync
from runtime.metrics import metrics_handler


def routes() -> list[web.RouteDef]:
    """All routes; each GET also answers HEAD."""
    return [
        web.get("/healthz", health.alive),
        web.get("/readyz", health.ready),
        web.get("/metrics", metrics_handler),
        web.post("/v1/movements", movements.record),
        web.get("/v1/movements", movements.show_list),
        web.post("/v1/movements/batch", movements.record_batch),
        web.get("/v1/movements/{id}", movements.show),
        web.post("/v1/movements/{id}/reverse", movements.reverse),
        web.get("/v1/stock", stock.show_list),
        web.get("/v1/stock/{location}/{sku}", stock.show),
        web.get("/v1/sync", sync.show),
        web.get("/v1/digest", sync.show_digest),
        web.post("/v1/operator/tokens", operators.create_token),
        web.post("/v1/operator/tokens/revoke", operators.revoke_tokens),
        web.post("/v1/operator/status", operators.show_status),
    ]
