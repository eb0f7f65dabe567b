"""`/v1/days`: the day of a shop, as people close it: per till and person, and what to compare with printed receipts.

Rule: a day is the location's own, by its time zone, and a movement is of the day on which it happened. Each address under a
day is one table; JSON says of the day as a whole what a table cannot.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from aiohttp import web
from pydantic import Field

from node.api.queries import Address
from node.api.reports.frame import TAG, ReportAsked, Reported, Sheet, report_model, send
from node.api.shown import Count, Day, Id, Shown, Time
from node.api.stocktake_models import Worth
from node.api.typed import Route
from node.api.values import Code, Date
from node.commands.requests import Caller
from node.node import Node
from node.reports import day as report
from node.reports.day_list import DayList
from protocol.access.table import action

_PROBLEMS: Final = ("too_large", "movements_not_held")


class DayAddress(Address):
    """The day in `/v1/days/{date}`."""

    date: Date


class DayAsked(ReportAsked):
    """Whose day."""

    location: Annotated[
        Code | None, Field(description="Left out where this node writes only one.")
    ] = None


class Counts(Shown):
    """What somebody did, added up."""

    baskets: Count
    """Sales and dispenses, those of one till, person and reference together."""
    sales: Count
    """The same one by one."""
    lines: Count
    """Of what was sold."""
    units: int
    """Of what was sold, in base units."""
    returns: Count
    return_units: int
    reversals: Count
    """Movements that take one back, of this day or of another."""
    reversed_units: int
    """Of those that take a sale back."""
    waste: Count
    waste_units: int
    others: Count
    """Movements of goods of any other kind."""
    unpriced_lines: Count
    """Lines whose SKU has no price: they are in no value."""
    unsent: Count
    """Recorded here, and not acknowledged by the hub."""
    set_aside: Count
    """In the hub's ledger without effect; counted here, since it happened."""
    recorded_later: Count
    """When this day was over."""


class AtTill(Shown):
    """Who, and when."""

    device: str
    actor: str
    first_at: Time | None
    last_at: Time | None


class TillRow(Counts, AtTill):
    """One person at one till."""

    value: Worth | None
    """Of what was sold, by today's prices; null where nothing has a price, or in several currencies."""
    return_value: Worth | None
    reversed_value: Worth | None
    waste_value: Worth | None


class GapRow(Shown):
    """Receipts in a row that are missing. A receipt has a number when its reference ends in 1 to 12 digits; those of one
    till with the same text before the digits follow one another."""

    device: str
    first: str
    """The first that is missing."""
    last: str
    """The last that is missing."""
    missing: Count
    """How many they are."""
    after: str
    """The one before them, which may be of an earlier day."""
    before: str


class RepeatedRow(Shown):
    """A reference that stands at several sales of one till."""

    device: str
    reference: str
    sales: Count
    first_id: Id
    last_id: Id
    first_at: Time
    last_at: Time


class EntryRow(Shown):
    """A movement of the day."""

    id: Id
    reference: str | None
    device: str
    actor: str
    kind: str
    """As its movement says it."""
    occurred_at: Time
    recorded_at: Time
    lines: Count
    units: int
    """Signed: what it added to the shelves."""


class SetAsideRow(EntryRow):
    """A movement of the day that the hub could not take."""

    code: str
    """Why."""
    detail: str


class DayOf(Shown):
    """Which day."""

    date: Day
    location: str
    time_zone: str
    begins_at: Time
    ends_at: Time
    """Not included: 23, 24 or 25 hours later."""


class DayTotals(DayOf, Counts):
    """The whole day."""

    value: list[Worth]
    """Of what was sold, by today's prices: a sum for each currency."""
    return_value: list[Worth]
    reversed_value: list[Worth]
    waste_value: list[Worth]
    receipts_missing: Count
    receipts_repeated: Count
    sales_without_number: Count
    """Sales whose reference has no number, so that nobody can see whether one is missing."""
    oldest_unsent_at: Time | None
    gaps: list[GapRow]
    """The first hundred; all are under `/gaps`."""
    repeated: list[RepeatedRow]
    """Likewise, under `/repeated`."""
    not_acknowledged: list[EntryRow]
    """Likewise, under `/unsent`."""
    not_taken: list[SetAsideRow]
    """Likewise, under `/set_aside`."""


class GapTotals(DayOf):
    """How many receipts are missing."""

    receipts_missing: Count


class RepeatedTotals(DayOf):
    """How many references are repeated."""

    receipts_repeated: Count


class UnsentTotals(DayOf):
    """How much head office does not have."""

    unsent: Count
    oldest_unsent_at: Time | None


class SetAsideTotals(DayOf):
    """How much head office could not take."""

    set_aside: Count


class DaysRow(Shown):
    """A day on which something happened."""

    date: Day
    begins_at: Time
    ends_at: Time
    movements: Count
    sales: Count
    """Sales and dispenses."""
    returns: Count
    reversals: Count
    waste: Count
    unsent: Count


class DaysTotals(Shown):
    """Whose days."""

    location: str
    time_zone: str


Days = report_model("DaysReport", DaysRow, DaysTotals, "The days on which something happened.")
Whole = report_model("DayReport", TillRow, DayTotals, "What happened on a day.")
Gaps = report_model("DayGapsReport", GapRow, GapTotals, "Receipts that are missing.")
Repeated = report_model(
    "DayRepeatedReport", RepeatedRow, RepeatedTotals, "References that are repeated."
)
Unsent = report_model("DayUnsentReport", EntryRow, UnsentTotals, "What the hub does not have.")
SetAside = report_model(
    "DaySetAsideReport", SetAsideRow, SetAsideTotals, "What the hub could not take."
)
_DAYS: Final = Sheet("days", DaysRow)
_TILLS: Final = Sheet("day", TillRow)
_GAPS: Final = Sheet("day-gaps", GapRow)
_REPEATED: Final = Sheet("day-repeated", RepeatedRow)
_UNSENT: Final = Sheet("day-unsent", EntryRow)
_SET_ASIDE: Final = Sheet("day-set-aside", SetAsideRow)


async def show_days(
    node: Node, caller: Caller, request: web.Request, asked: DayAsked
) -> Annotated[web.Response, Reported(Days)]:
    """List the days of a shop, the newest first.

    Days on which nothing happened are left out.
    """
    return await send(node, caller, request, asked, DayList(asked.location), _DAYS)


async def show_day(
    node: Node, caller: Caller, request: web.Request, address: DayAddress, asked: DayAsked
) -> Annotated[web.Response, Reported(Whole)]:
    """Report the day of a shop.

    A row for each person at each till. The totals have the whole day, and the first of what should be looked at:
    receipts that are missing or repeated, and what head office does not have.
    """
    made = report.Day(address.date, asked.location)
    return await send(node, caller, request, asked, made, _TILLS)


async def show_gaps(
    node: Node, caller: Caller, request: web.Request, address: DayAddress, asked: DayAsked
) -> Annotated[web.Response, Reported(Gaps)]:
    """Report the receipts that are missing on a day.

    Between two numbers that a till used in sales of that day, and before the first where one of the 50 before it was
    used earlier. A step of more than 1,000 is no gap: the till began to count anew.
    """
    made = report.DayGaps(address.date, asked.location)
    return await send(node, caller, request, asked, made, _GAPS)


async def show_repeated(
    node: Node, caller: Caller, request: web.Request, address: DayAddress, asked: DayAsked
) -> Annotated[web.Response, Reported(Repeated)]:
    """Report the references that stand at several sales of one till on a day."""
    made = report.DayRepeated(address.date, asked.location)
    return await send(node, caller, request, asked, made, _REPEATED)


async def show_unsent(
    node: Node, caller: Caller, request: web.Request, address: DayAddress, asked: DayAsked
) -> Annotated[web.Response, Reported(Unsent)]:
    """Report what of a day the hub has not acknowledged.

    With references and ids, to be compared with what was printed.
    """
    made = report.DayUnsent(address.date, asked.location)
    return await send(node, caller, request, asked, made, _UNSENT)


async def show_set_aside(
    node: Node, caller: Caller, request: web.Request, address: DayAddress, asked: DayAsked
) -> Annotated[web.Response, Reported(SetAside)]:
    """Report what of a day the hub has without effect, and why."""
    made = report.DaySetAside(address.date, asked.location)
    return await send(node, caller, request, asked, made, _SET_ASIDE)


def _route(path: str, handler: Callable[..., Awaitable[web.Response]]) -> Route:
    return Route("GET", path, handler, _PROBLEMS, action("days.read"), tag=TAG)


DAY_ROUTES: Final = (
    _route("/v1/days", show_days),
    _route("/v1/days/{date}", show_day),
    _route("/v1/days/{date}/gaps", show_gaps),
    _route("/v1/days/{date}/repeated", show_repeated),
    _route("/v1/days/{date}/unsent", show_unsent),
    _route("/v1/days/{date}/set_aside", show_set_aside),
)
