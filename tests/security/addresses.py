"""Every address of a node, with something to stand in each blank."""

from node.api import playground
from node.api.routes import routes

ID = "00000000-0000-0000-0000-000000000000"
BLANKS = {
    "code": "L1",
    "collection": "skus",
    "date": "2026-11-21",
    "file": playground.FILES[0],
    "id": ID,
    "location": "S01",
    "name": "storage",
    "sku": "A1",
}
ROUTES = routes()
ALL = [(route.method, route.path.format(**BLANKS)) for route in ROUTES]
READS = [path for method, path in ALL if method == "GET"]
WRITES = [(method, path) for method, path in ALL if method != "GET"]
OPEN = {route.path.format(**BLANKS) for route in ROUTES if route.is_open}
ENDLESS = {"/v1/events", "/v1/live"}
"""Whose good answers do not end."""
