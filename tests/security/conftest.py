"""A node and its callers, a hub and its operator: the fixtures of their own tests."""

from tests.hub.conftest import hub_settings, running
from tests.node.api.conftest import (
    head_office,
    http,
    node,
    office,
    office_node,
    operator,
    shop,
    till,
)

__all__ = [
    "head_office",
    "http",
    "hub_settings",
    "node",
    "office",
    "office_node",
    "operator",
    "running",
    "shop",
    "till",
]
