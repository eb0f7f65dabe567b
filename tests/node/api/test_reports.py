"""Reports over HTTP: JSON in pages, CSV as a whole, both of the same rows; who may read them, and what is refused."""

import asyncio
import csv
import hashlib
import io
import json
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from node.api.reports.frame import Sheet
from node.api.shown import Shown
from node.joining import OPERATOR
from node.node import Node
from node.replica import movements
from node.replica.movements import MovementQuery
from node.reports import serving
from node.reports.frame import Moment, Note, Piece, Span
from protocol.certificate import Role
from tests.node.api.caller import ApiCaller, Reply, movement, sale
from tests.node.api.test_documents import fits
from tests.node.enrolled import Shop, enrolled_folder

STATUS = "/v1/reports/stock-status"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of an office that keeps a shop too: it knows what SKUs cost."""
    return enrolled_folder(tmp_path / "S01", role=Role.OFFICE)


async def described(operator: ApiCaller, collection: str, **fields: object) -> str:
    """Something that the office says; its id."""
    body = json.dumps(fields).encode()
    key = hashlib.sha256(body).hexdigest()
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    reply = await operator.ask("POST", f"/v1/{collection}", data=body, headers=headers)
    assert reply.status == 201, reply
    return str(reply.json()["id"])


@pytest.fixture
async def stocked(operator: ApiCaller) -> ApiCaller:
    """Tea and salt, one of which is said to be what a spreadsheet would run."""
    money = {
        "price": {"amount": 300, "currency": "GBP"},
        "cost": {"amount": 120, "currency": "GBP"},
    }
    await described(operator, "skus", id="tea", name="=2+2", category="Drinks", minimum=20, **money)
    opening = movement("opening", ("tea", 12), ("salt", 5), ("pepper", 1))
    assert (await operator.record("opening", opening)).status == 201
    return operator


async def with_a_lot(operator: ApiCaller) -> None:
    """Some tea of a lot that has a last day."""
    line = {"sku": "tea", "lot": "L1", "delta": 4, "expiry": "2030-01-31"}
    goods = {"kind": "receive", "location": "S01", "lines": [line]}
    assert (await operator.record("goods", goods)).status == 201


def table(reply: Reply) -> list[dict[str, str]]:
    """The lines of a CSV, by column."""
    assert reply.status == 200, reply
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(reply.body.decode(), newline="")))


def as_cells(rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Rows of JSON as a table has them, but for what is neutralised."""

    def cell(value: object) -> str:
        match value:
            case None:
                return ""
            case bool():
                return "true" if value else "false"
            case _:
                return str(value)

    return [
        {
            name: cell(inner)
            for member, value in row.items()
            for name, inner in (
                ((member, value["amount"]), (f"{member}_currency", value["currency"]))
                if isinstance(value, dict)
                else ((member, value),)
            )
        }
        for row in rows
    ]


async def test_a_report_says_when_it_is_of_and_what_is_not_in_it(stocked: ApiCaller) -> None:
    await described(stocked, "locations", id="S02", name="Lower Street")
    report = await stocked.get(STATUS)
    fits(report, "StockStatusReport")
    assert report["node"] == {"name": "S01", "caught_up": False, "last_contact_at": None}
    assert [(one["code"], one["names"]) for one in report["notes"]] == [
        ("locations_not_read", ["S02"])
    ]
    assert [row["sku"] for row in report["items"]] == ["pepper", "salt", "tea"]
    assert (report["totals"]["on_hand"], report["totals"]["below"]) == (18, 1)


async def test_pages_are_the_report_and_totals_are_on_the_first(stocked: ApiCaller) -> None:
    whole = await stocked.get(STATUS)
    first = await stocked.get(STATUS, limit=2)
    second = await stocked.get(STATUS, limit=2, cursor=first["next"])
    fits(second, "StockStatusReport")
    assert first["items"] + second["items"] == whole["items"]
    assert first["totals"] == whole["totals"]
    assert (second["totals"], second["next"]) == (None, None)


@pytest.mark.parametrize(
    ("name", "model", "asked"),
    [
        *(
            ("stock-status", "StockStatusReport", {"by": by})
            for by in ("position", "lot", "sku", "location", "category", "supplier")
        ),
        *(
            ("valuation", "ValuationReport", {"by": by, "at": at})
            for by in ("sku", "category", "location")
            for at in ("cost", "price")
        ),
        ("valuation", "ValuationReport", {"unpriced": "true"}),
        ("expiring", "ExpiringReport", {"days": "36500"}),
        ("below-minimum", "BelowMinimumReport", {"location": "S01"}),
    ],
)
async def test_a_table_says_what_the_json_says(
    stocked: ApiCaller, name: str, model: str, asked: dict[str, str]
) -> None:
    await with_a_lot(stocked)
    shown = await stocked.get(f"/v1/reports/{name}", **asked)
    fits(shown, model)
    assert shown["items"]
    reply = await stocked.ask("GET", f"/v1/reports/{name}", params={**asked, "format": "csv"})
    lines = table(reply)
    for line in lines:  # what a spreadsheet would run
        assert not line.get("name", "").startswith("=")
        line.update({"name": line["name"].removeprefix("'")} if "name" in line else {})
    assert lines == as_cells(shown["items"])


async def test_a_table_is_asked_for_by_format_or_accept(stocked: ApiCaller) -> None:
    by_accept = await stocked.ask("GET", STATUS, headers={"Accept": "text/csv"})
    assert len(table(by_accept)) == 3
    assert by_accept.headers["Vary"] == "Accept"
    both = await stocked.ask(
        "GET", STATUS, params={"format": "json"}, headers={"Accept": "text/csv"}
    )
    fits(both.json(), "StockStatusReport")


async def test_a_tables_headers_say_what_its_lines_do_not(stocked: ApiCaller) -> None:
    await described(stocked, "locations", id="S02", name="Lower Street")
    whole = await stocked.ask("GET", STATUS, params={"format": "csv"})
    moment = whole.headers["Report-As-Of"]
    assert whole.headers["Report-Caught-Up"] == "false"
    assert whole.headers["Report-Notes"] == "locations_not_read"
    assert "Report-Next" not in whole.headers
    name = f"stock-status-{moment[:10]}T{moment[11:19].replace(':', '')}Z.csv"
    assert whole.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    page = await stocked.ask("GET", STATUS, params={"format": "csv", "limit": "2"})
    cursor = page.headers["Report-Next"]
    rest = await stocked.ask("GET", STATUS, params={"format": "csv", "cursor": cursor})
    assert table(page) + table(rest) == table(whole)


async def test_a_table_that_is_too_large_is_refused_and_not_cut(
    stocked: ApiCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cap in ("REPORT_TABLE_ROWS_MAX", "REPORT_TABLE_BYTES_MAX"):
        with monkeypatch.context() as small:
            small.setattr(serving, cap, 2)
            reply = await stocked.ask("GET", STATUS, params={"format": "csv"})
            assert (reply.status, reply.code) == (413, "too_large")


async def test_reports_wait_for_each_other_and_not_for_ever(
    stocked: ApiCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = await asyncio.gather(*(stocked.ask("GET", STATUS) for _ in range(5)))
    assert {reply.status for reply in asked} == {200}
    monkeypatch.setattr(serving, "REPORTS_WAITING_MAX", 0)
    refused = await stocked.ask("GET", STATUS)
    assert (refused.status, refused.code) == (503, "unavailable")
    assert refused.headers["Retry-After"] == "1"


async def test_a_till_reads_reports_and_what_is_no_parameter_is_refused(
    stocked: ApiCaller, till: ApiCaller
) -> None:
    assert (await till.get(STATUS))["items"] == (await stocked.get(STATUS))["items"]
    for bad in ({"by": "shelf"}, {"skus": "tea"}, {"format": "xml"}, {"cursor": "bm90aGluZw"}):
        reply = await till.ask("GET", STATUS, params=bad)
        assert (reply.status, reply.code) == (422, "validation_failed"), bad
    async with till.http.get(STATUS) as response:
        assert response.status == 401


async def test_what_is_worth_more_than_64_bits_hold_is_told_exactly(operator: ApiCaller) -> None:
    dear = {"amount": 2**53 - 1, "currency": "GBP"}
    await described(operator, "skus", id="gem", name="Gem", cost=dear)
    assert (await operator.record("gems", movement("opening", ("gem", 10**9)))).status == 201
    shown = await operator.get("/v1/reports/valuation")
    assert shown["totals"]["values"] == [{**dear, "amount": (2**53 - 1) * 10**9}]
    reply = await operator.ask("GET", "/v1/reports/valuation", params={"format": "csv"})
    assert table(reply) == as_cells(shown["items"])


class Waiting:
    """A report that reads, waits and reads again."""

    def __init__(self) -> None:
        self.began, self.goes_on = threading.Event(), threading.Event()

    def notes(self, _db: sqlite3.Connection, _moment: Moment) -> tuple[Note, ...]:
        """None."""
        return ()

    def totals(self, _db: sqlite3.Connection, _moment: Moment) -> None:
        """None."""

    def piece(self, db: sqlite3.Connection, _moment: Moment, _span: Span) -> Piece:
        """How many movements there are, before and after."""
        before = movements.newest(db, MovementQuery())[0]
        self.began.set()
        assert self.goes_on.wait(timeout=60)
        after = movements.newest(db, MovementQuery())[0]
        return Piece([{"before": len(before), "after": len(after)}], None)


async def test_selling_goes_on_while_a_report_reads_and_is_not_in_it(
    node: Node, stocked: ApiCaller, till: ApiCaller
) -> None:
    report = Waiting()
    reading = asyncio.create_task(node.reports.page(OPERATOR, report, Span(1)))
    assert await asyncio.to_thread(report.began.wait, 60)
    another = asyncio.create_task(stocked.get(STATUS))
    assert (await till.record("sold", sale(("tea", -2)))).status == 201
    assert await till.on_hand("tea") == 10
    assert not another.done(), "one report reads at a time"
    report.goes_on.set()
    assert (await reading)["items"] == [{"before": 1, "after": 1}]
    assert (await another)["totals"]["on_hand"] == 16


def test_a_row_that_is_not_flat_has_no_table() -> None:
    class Nested(Shown):
        lots: list[str]

    with pytest.raises(TypeError, match="lots"):
        Sheet("nested", Nested)
