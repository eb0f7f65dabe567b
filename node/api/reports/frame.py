"""What every address under `/v1/reports/` has in common: what it takes, and how a report is answered as JSON or as CSV.

Decided: JSON or CSV by `format`, else by `Accept`, as the variance report does: a link in a browser can say only the former,
and clients that negotiate only the latter. JSON is always one page (`limit`, `cursor`); CSV is the whole table, of one
moment, unless `limit` or `cursor` asks for one page of it. What the rows of a table do not say stands in its headers.
Who may read: every token, tills too, as with stock; costs are shown to the office's operators alone.

A report is added so:

    class UsageAsked(ReportAsked):                     # its parameters, beside format, limit and cursor
        location: Code | None = None

    class UsageRow(Shown): ...                         # flat: see node.reports.frame
    class UsageTotals(Shown): ...
    Usage = report_model("UsageReport", UsageRow, UsageTotals, "What was used.")   # None for no totals
    _SHEET: Final = Sheet("usage", UsageRow)

    async def show_usage(
        node: Node, caller: Caller, request: web.Request, asked: UsageAsked
    ) -> Annotated[web.Response, Reported(Usage)]:
        '''Report what was used. (This is its text in /openapi.json.)'''
        return await send(node, caller, request, asked, report.Usage(asked.location), _SHEET)

and in `routes`: `report_route("usage", show_usage)`.
"""

import json
from collections.abc import Awaitable, Callable
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from aiohttp import web
from pydantic import Field, create_model

from node.api.answers import JSON_TYPE, to_json
from node.api.preferences import CSV_TYPE, prefers_csv
from node.api.queries import Query
from node.api.shown import Count, Cursor, MadeShown, Shown, Time
from node.api.stocktake_models import Worth
from node.api.typed import Answers, Route
from node.api.values import Cursor as GivenCursor
from node.api.values import Limit
from node.commands.requests import Caller
from node.node import Node
from node.reports.frame import Report, Span
from node.reports.serving import TableMade
from protocol.access.table import action
from protocol.limits import LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX

TAG: Final = "reports"
_HEADERS: Final = {
    "Report-As-Of": "Of a table: the moment that it shows.",
    "Report-Caught-Up": "Of a table: whether the node had all that the hub has, `true` or `false`.",
    "Report-Notes": "Of a table: the codes of what is not in it, separated by commas; the JSON says more.",
    "Report-Next": "Of a page of a table: for `cursor` of the next page; not there on the last one.",
}


class ReportAsked(Query):
    """What every report takes."""

    format: Annotated[
        Literal["json", "csv"] | None,
        Field(description="Without it, as `Accept` says; JSON if that says nothing."),
    ] = None
    limit: Annotated[
        Limit | None,
        Field(description="Rows of a page. A CSV without `limit` and `cursor` has all of them."),
    ] = None
    cursor: GivenCursor | None = None


class FreshNode(Shown):
    """Which node reports, and how new what it knows is."""

    name: str
    caught_up: bool
    """Whether it has all that the hub had when they last spoke."""
    last_contact_at: Time | None


class NoteShown(Shown):
    """Something that is not in a report, or is not what it seems."""

    code: str
    """Stable, as in `locations_not_read`."""
    detail: str
    """One sentence for a person."""
    count: Count | None
    """How many things it is about."""
    names: list[str]
    """Which; the first of them."""


def report_model(name: str, row: type[Shown], totals: type[Shown] | None, told: str) -> Any:
    """The shape of a report's JSON, by name in /openapi.json. `told` is one sentence."""
    fields: dict[str, Any] = {
        "as_of": (Annotated[Time, Field(description="The moment that it shows.")], ...),
        "node": (FreshNode, ...),
        "notes": (list[NoteShown], ...),
        "totals": (
            Annotated[
                None if totals is None else totals | None,
                Field(description="Of all that was asked for; null on every page but the first."),
            ],
            ...,
        ),
        "items": (list[row], ...),  # type: ignore[valid-type] # a model made at run time
        "next": (Cursor | None, ...),
    }
    return create_model(name, __base__=MadeShown, __doc__=told, **fields)


def Reported(model: Any) -> Answers:  # noqa: N802 - stands where `Answers` does
    """What a report's address answers, for `Annotated[web.Response, Reported(model)]`."""
    return Answers(model, or_as=(CSV_TYPE,), headers=_HEADERS)


class Sheet:
    """A report's table: its file's name, and its columns as its row has them, money in two."""

    def __init__(self, name: str, row: type[Shown]) -> None:
        """Work out the columns.

        Raises:
            TypeError: for a row that is not flat.
        """
        self.name = name
        self.columns: tuple[str, ...] = tuple(
            column for field in row.model_fields for column in _columns(row, field)
        )


_RIGHTS: Final = {
    "controlled": "controlled.read",
    **dict.fromkeys(("stock-status", "below-minimum", "expiring", "valuation"), "reports.stock"),
}
"""Of reports that are not of a shop's own movements and papers alone."""


def report_route(
    name: str, handler: Callable[..., Awaitable[web.StreamResponse]], *problems: str
) -> Route:
    """`GET /v1/reports/{name}`; `problems` are codes that follow from what the handler itself does."""
    right = action(_RIGHTS.get(name, "reports.read"))
    return Route("GET", f"/v1/reports/{name}", handler, ("too_large", *problems), right, tag=TAG)


def is_table(request: web.Request, asked: ReportAsked) -> bool:
    """Whether a report is asked for as CSV."""
    return asked.format == "csv" or (asked.format is None and prefers_csv(request))


async def send(
    node: Node,
    caller: Caller,
    request: web.Request,
    asked: ReportAsked,
    report: Report,
    sheet: Sheet,
) -> web.Response:
    """Answer a report in the form that is asked for.

    Raises:
        Refusal: see `node.reports.serving.Reports`.
    """
    if not is_table(request, asked):
        span = Span(asked.limit or LIST_LIMIT_DEFAULT, asked.cursor)
        shown = _json(await node.reports.page(caller, report, span))
        return web.Response(body=shown, content_type=JSON_TYPE, headers={"Vary": "Accept"})
    is_whole = asked.limit is None and asked.cursor is None
    part = None if is_whole else Span(asked.limit or LIST_LIMIT_MAX, asked.cursor)
    return _table(await node.reports.table(caller, report, sheet.columns, part), sheet)


def _json(shown: dict[str, object]) -> bytes:
    """Exact, also where an amount times a quantity has more than 64 bits."""
    try:
        return to_json(shown)
    except TypeError:
        return json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()


def _table(made: TableMade, sheet: Sheet) -> web.Response:
    moment = made.as_of.partition(".")[0].replace(":", "")
    headers = {
        "Vary": "Accept",
        "Content-Disposition": f'attachment; filename="{sheet.name}-{moment}Z.csv"',
        "Report-As-Of": made.as_of,
        "Report-Caught-Up": "true" if made.caught_up else "false",
        "Report-Notes": ",".join(dict.fromkeys(note.code for note in made.notes)),
    }
    if made.following is not None:
        headers["Report-Next"] = made.following
    return web.Response(body=made.content, content_type=CSV_TYPE, charset="utf-8", headers=headers)


def _columns(row: type[Shown], field: str) -> tuple[str, ...]:
    kinds = _kinds(row.model_fields[field].annotation)
    if kinds == {Worth}:
        return field, f"{field}_currency"
    if any(kind not in {str, int, bool} for kind in kinds):
        raise TypeError(f"{row.__name__}.{field} is no cell of a table")
    return (field,)


def _kinds(hint: Any) -> set[Any]:
    """The types that a member of a row may have, beside None."""
    if get_origin(hint) is Annotated:
        return _kinds(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return {type(value) for value in get_args(hint)}
    if get_origin(hint) in {Union, UnionType}:
        parts = (one for one in get_args(hint) if one is not type(None))
        return set().union(*(_kinds(one) for one in parts))
    return {hint}
