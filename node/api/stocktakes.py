"""`/v1/stocktakes/{id}/...`: counting a location's shelves while it trades, and what the count found.

Rule: every verb is an address of its own with an Idempotency-Key, and answers the stocktake as it is afterwards.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final

from aiohttp import web

from node.api.answers import JSON_TYPE, answer
from node.api.goods_lines import CountBody
from node.api.headers import IdempotencyKey
from node.api.models import Nothing
from node.api.preferences import CSV_TYPE, prefers_csv
from node.api.stocktake_models import (
    FinaliseBody,
    LineBody,
    ReasonBody,
    StocktakeActed,
    StocktakeAddress,
    StocktakeCounted,
    Variance,
    VarianceAsked,
)
from node.api.typed import Answers, Route
from node.commands.documents import Written
from node.commands.requests import Caller
from node.commands.stocktakes import Wish
from node.exchange.tables import table_bytes
from node.node import Node
from protocol.access.table import action
from protocol.declarations.paperwork import STOCKTAKES
from protocol.ids import NO_LOT, Lot, Sku
from protocol.workflows.progress import LineKey
from protocol.workflows.stocktakes import Verb
from runtime.problems import Problem

COLUMNS: Final = (
    *(
        "stocktake",
        "number",
        "location",
        "stage",
        "sku",
        "name",
        "lot",
        "round",
        "expected",
        "counted",
    ),
    *("difference", "price", "value", "currency", "cost", "value_at_cost", "cost_currency"),
    *("reason", "counted_by", "counted_at", "verified_by", "recount_asked"),
    "needs_second_person",
)
"""Of the report as CSV: a row for each line, by the count that stands."""
_REPLAYED: Final = {"Idempotency-Replayed": "`true` on a repeat: nothing was recorded now."}
_PROBLEMS: Final = ("forbidden", "not_found", "conflict", "too_large")
_OF_SCANS: Final = ("unknown_barcode", "ambiguous_barcode", "unavailable")

Acted = Annotated[web.Response, Answers(StocktakeActed, headers=_REPLAYED)]
Recorded = Annotated[web.Response, Answers(StocktakeCounted, headers=_REPLAYED)]
Report = Annotated[web.Response, Answers(Variance, or_as=(CSV_TYPE,))]


async def start(
    node: Node, caller: Caller, key: IdempotencyKey, address: StocktakeAddress, _body: Nothing
) -> Acted:
    """Begin to count.

    Counting a line begins it as well.
    """
    return await _act(node, caller, address, Wish(Verb.START), key)


async def count(
    node: Node, caller: Caller, key: IdempotencyKey, address: StocktakeAddress, body: CountBody
) -> Recorded:
    """Count a line.

    The difference is frozen now, against what this node shows on hand: sales before and after the scan change nothing of
    it, and nothing waits for the count. Counted again in the same round, the later count stands. While the differences
    are looked at, only a line whose recount was asked for is counted. For a node that writes the location.
    """
    wish = Wish(Verb.COUNT, _line(body), counted=body.counted, said=body.said)
    return await _act(node, caller, address, wish, key)


async def submit(
    node: Node, caller: Caller, key: IdempotencyKey, address: StocktakeAddress, _body: Nothing
) -> Acted:
    """Say that the counting is done.

    From now on somebody looks at the differences. Lines that nobody counted are left as they are.
    """
    return await _act(node, caller, address, Wish(Verb.SUBMIT), key)


async def recount(
    node: Node, caller: Caller, key: IdempotencyKey, address: StocktakeAddress, body: LineBody
) -> Acted:
    """Ask for a line to be counted again.

    The stocktake is not finalised before it was; the count of the new round then stands.
    """
    return await _act(node, caller, address, Wish(Verb.RECOUNT, _line(body)), key)


async def verify(
    node: Node, caller: Caller, key: IdempotencyKey, address: StocktakeAddress, body: LineBody
) -> Acted:
    """Stand for a count, as a second person.

    Not for whoever counted it. Of a recount it says nothing any more.
    """
    return await _act(node, caller, address, Wish(Verb.VERIFY, _line(body)), key)


async def explain(
    node: Node, caller: Caller, key: IdempotencyKey, address: StocktakeAddress, body: ReasonBody
) -> Acted:
    """Say why a line differs."""
    wish = Wish(Verb.EXPLAIN, _line(body), reason=body.reason)
    return await _act(node, caller, address, wish, key)


async def finalise(
    node: Node, caller: Caller, key: IdempotencyKey, address: StocktakeAddress, body: FinaliseBody
) -> Acted:
    """Correct the stock by what was counted.

    Each difference needs a reason, and above the location's limit a person who did not count it: whoever stands for it,
    or whoever finalises. It is corrected once, whoever finalises at the same time; what another count has corrected since
    is to be counted again.
    """
    return await _act(node, caller, address, Wish(Verb.FINALISE, reason=body.reason), key)


async def cancel(
    node: Node, caller: Caller, key: IdempotencyKey, address: StocktakeAddress, _body: Nothing
) -> Acted:
    """Give it up: nothing is corrected."""
    return await _act(node, caller, address, Wish(Verb.CANCEL), key)


async def show_variance(
    node: Node,
    caller: Caller,
    request: web.Request,
    address: StocktakeAddress,
    asked: VarianceAsked,
) -> Report:
    """Report what was expected and what was counted.

    As JSON, or as CSV with `format=csv` or an `Accept` that prefers it. Of a blind count a till is not shown what is
    expected before the stocktake has ended.
    """
    if await node.documents.one(caller, STOCKTAKES, address.id) is None:
        raise Problem("not_found", "There is no such stocktake here.")
    report = await node.stocktakes.variance(caller, address.id)
    headers = {"Vary": "Accept"}
    if asked.format == "csv" or (asked.format is None and prefers_csv(request)):
        name = f"variance-{address.id}.csv"
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
        content = table_bytes(COLUMNS, _rows(report))
        return web.Response(body=content, content_type=CSV_TYPE, charset="utf-8", headers=headers)
    shown = answer(report)
    shown.headers.update(headers)
    return shown


def stocktake_routes() -> tuple[Route, ...]:
    """The addresses under a stocktake."""
    verbs: Mapping[str, Callable[..., Awaitable[web.StreamResponse]]] = {
        "start": start,
        "lines": count,
        "submit": submit,
        "recount": recount,
        "verify": verify,
        "explain": explain,
        "finalise": finalise,
        "cancel": cancel,
    }
    under = "/v1/stocktakes/{id}"
    return (
        *(
            Route(
                "POST",
                f"{under}/{name}",
                verb,
                (*_PROBLEMS, *(_OF_SCANS if verb is count else ())),
                action(f"stocktakes.{verb.__name__}"),
            )
            for name, verb in verbs.items()
        ),
        Route(
            "GET",
            f"{under}/variance",
            show_variance,
            ("not_found",),
            action("stocktakes.read"),
            is_narrowed=True,
        ),
    )


async def _act(
    node: Node, caller: Caller, address: StocktakeAddress, wish: Wish, key: str
) -> web.Response:
    written: Written = await node.stocktakes.act(caller, address.id, wish, key)
    headers = {"Idempotency-Replayed": "true"} if written.replayed else {}
    return web.Response(
        status=written.status, body=written.body, content_type=JSON_TYPE, headers=headers
    )


def _line(body: LineBody | CountBody) -> LineKey:
    return LineKey(Sku(body.sku or ""), NO_LOT if body.lot is None else Lot(body.lot))


def _rows(report: dict[str, object]) -> list[dict[str, object]]:
    head = {name: report[name] for name in ("number", "location", "stage")}
    lines = report["lines"]
    assert isinstance(lines, list), "made by commands.variance"
    return [{"stocktake": report["id"], **head, **line, **_flat(line)} for line in lines]


def _flat(line: dict[str, dict[str, object] | None]) -> dict[str, object]:
    """Money in columns of its own; both amounts of a price have its currency."""
    price, cost = line["price"] or {}, line["cost"] or {}
    return {
        "price": price.get("amount"),
        "currency": price.get("currency"),
        "value": (line["value"] or {}).get("amount"),
        "cost": cost.get("amount"),
        "cost_currency": cost.get("currency"),
        "value_at_cost": (line["value_at_cost"] or {}).get("amount"),
    }
