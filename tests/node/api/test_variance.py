"""The variance report over HTTP: as JSON and as a table, and what of a blind count is shown to whom."""

import csv
import io
from pathlib import Path

import pytest

from node.api.stocktakes import COLUMNS
from protocol.certificate import Role
from tests.node.api.caller import ApiCaller
from tests.node.api.sheet import COUNT, Sheet, opened, post
from tests.node.enrolled import Shop, enrolled_folder


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """The folder of an office's node that writes S01 too: it may see what SKUs cost."""
    return enrolled_folder(tmp_path / "S01", role=Role.OFFICE)


@pytest.fixture
async def sheet(operator: ApiCaller, till: ApiCaller) -> Sheet:
    """One that nobody has begun."""
    return await opened(operator, till)


async def test_of_a_blind_count_a_till_is_shown_nothing_to_count_towards(
    operator: ApiCaller, till: ApiCaller
) -> None:
    sheet = await opened(operator, till, blind=True)

    async def shown(caller: ApiCaller) -> tuple[object, ...]:
        report = await sheet.variance(caller)
        (line,) = report["lines"]
        found = {name: line[name] for name in ("counted", "expected", "difference", "value")}
        assert all(one["expected"] == line["expected"] for one in line["rounds"])
        return (*found.values(), report["hidden"], report["totals"]["units_short"])

    line = (await sheet.counts("TEA", 95)).json()["line"]
    assert (line["counted"], line["expected"], line["difference"]) == (95, None, None)
    own = (await sheet.does("lines", COUNT)).json()["line"]
    assert own["expected"] is None, "who reviews counts blind too"
    for verb in ("submit", "recount", None):
        assert await shown(till) == (95, None, None, None, True, None)
        assert await shown(operator) == (95, 100, -5, None, False, 5)
        if verb is not None:
            await sheet.must(verb)
    assert (await sheet.counts("TEA", 95)).json()["line"]["expected"] is None
    await sheet.must("finalise")
    assert await shown(till) == await shown(operator)


async def test_the_report_says_what_differences_are_worth(sheet: Sheet) -> None:
    for sku, price, cost in (("TEA", 300, 120), ("PILLS", 50, 20)):
        money = {"price": {"amount": price, "currency": "GBP"}}
        money["cost"] = {"amount": cost, "currency": "EUR"}
        await post(sheet.operator, "/v1/skus", {"id": sku, "name": sku.title(), **money}, sku)
    await sheet.counts("TEA", 95)
    await sheet.counts("PILLS", 7, "L7")
    await sheet.counts("SOAP", 1)
    report = await sheet.variance()
    by_sku = {line["sku"]: line for line in report["lines"]}
    assert [*by_sku] == ["PILLS", "SOAP", "TEA"]
    assert by_sku["TEA"]["name"] == "Tea"
    assert by_sku["TEA"]["value"] == {"amount": -1500, "currency": "GBP"}
    assert by_sku["TEA"]["value_at_cost"] == {"amount": -600, "currency": "EUR"}
    assert (by_sku["SOAP"]["value"], by_sku["SOAP"]["name"]) == (None, None)
    assert report["totals"] == {
        "lines": 3,
        "awaited": 0,
        "differing": 3,
        "units_over": 3,
        "units_short": 5,
        "values": [{"amount": -1400, "currency": "GBP"}],
        "values_at_cost": [{"amount": -560, "currency": "EUR"}],
    }
    at_till = await sheet.variance(sheet.till)
    assert at_till["totals"]["values_at_cost"] == []
    assert all(line["cost"] is line["value_at_cost"] is None for line in at_till["lines"])


async def test_the_report_is_a_table_for_who_asks_for_one(sheet: Sheet) -> None:
    await sheet.counts("TEA", 95)
    path = f"{sheet.address}/variance"
    by_name = await sheet.operator.ask("GET", f"{path}?format=csv")
    headers = {"Accept": "text/csv, application/json;q=0.5"}
    by_header = await sheet.operator.ask("GET", path, headers=headers)
    assert by_name.body == by_header.body
    assert by_name.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert by_name.headers["Content-Disposition"].endswith('.csv"')
    header, row = csv.reader(io.StringIO(by_name.body.decode()))
    found = dict(zip(header, row, strict=True))
    assert tuple(header) == COLUMNS
    assert (found["sku"], found["expected"], found["counted"]) == ("TEA", "100", "95")
    assert (found["difference"], found["counted_by"]) == ("-5", "till-1@S01")
    for accept in ("application/json", "*/*", "text/csv;q=0.1, */*", "text/csv;q=oops"):
        reply = await sheet.operator.ask("GET", path, headers={"Accept": accept})
        assert reply.json() == await sheet.variance(), accept
    wrong = await sheet.operator.ask("GET", f"{path}?format=xml")
    assert wrong.code == "validation_failed"


async def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless(sheet: Sheet) -> None:
    await sheet.counts("=1+1", 5)
    reply = await sheet.operator.ask("GET", f"{sheet.address}/variance?format=csv")
    assert b'"\'=1+1"' in reply.body
    assert b'"=1+1"' not in reply.body
