"""Every report's address, in one table; `node.api.routes` serves it.

Rule: a report is read by GET, changes nothing, and stands under the heading `reports` of /openapi.json.
"""

from typing import Final

from node.api.reports.below_minimum import show_below_minimum
from node.api.reports.controlled import show_controlled
from node.api.reports.days import DAY_ROUTES
from node.api.reports.expiring import show_expiring
from node.api.reports.frame import report_route
from node.api.reports.moved import show_movement_history, show_stock_as_of, show_usage
from node.api.reports.papers import (
    show_count_variance,
    show_lot_trace,
    show_transfer_differences,
)
from node.api.reports.stock_status import show_stock_status
from node.api.reports.valuation import show_valuation
from node.api.typed import Route

REPORT_ROUTES: Final[tuple[Route, ...]] = (
    # What there is.
    report_route("stock-status", show_stock_status),
    report_route("below-minimum", show_below_minimum),
    report_route("expiring", show_expiring),
    report_route("valuation", show_valuation),
    # What moved.
    report_route("movement-history", show_movement_history),
    report_route("usage", show_usage),
    report_route("stock-as-of", show_stock_as_of, "movements_not_held"),
    report_route("transfer-differences", show_transfer_differences),
    report_route("count-variance", show_count_variance),
    report_route("lot-trace", show_lot_trace),
    # What became of a day, and what is kept for inspectors.
    *DAY_ROUTES,
    report_route("controlled", show_controlled, "movements_not_held"),
)
