"""Movement history, usage and the stock of an instant over HTTP: as JSON, as CSV, and refused where they cannot be told."""

import asyncio
from typing import Any

import pytest

from tests.node.api.caller import ApiCaller, JsonObject, movement
from tests.node.api.test_documents import ask, created, fits
from tests.node.api.test_reports import as_cells, table

HISTORY, USAGE, AS_OF = (
    f"/v1/reports/{name}" for name in ("movement-history", "usage", "stock-as-of")
)
BEFORE, BETWEEN = "2026-03-01T00:00:00Z", "2026-03-02T12:00:00+01:00"


async def recorded(till: ApiCaller, key: str, body: JsonObject) -> str:
    """A movement that must be taken; its id."""
    reply = await till.record(key, body)
    assert reply.status == 201, reply
    return str(reply.json()["id"])


@pytest.fixture
async def sold(operator: ApiCaller, till: ApiCaller) -> ApiCaller:
    """A till that had 100 tea, sold 5 in March, and has sold 8 and taken 1 back since."""
    await created(operator, "skus", {"id": "tea", "name": "=Tea"})
    await recorded(till, "a", movement("opening", ("tea", 100), occurred_at=BEFORE))
    march = movement("sale", ("tea", -5), ("rice", -1), occurred_at="2026-03-02T09:00:00Z")
    await recorded(till, "b", {**march, "reference": "R-1"})
    await recorded(till, "c", movement("sale", ("tea", -8)))
    wrong = await recorded(till, "d", movement("sale", ("tea", -1)))
    reply = await ask(till, "POST", f"/v1/movements/{wrong}/reverse", None, "e")
    assert reply.status == 201, reply
    return till


async def csv_of(caller: ApiCaller, path: str, **parameters: Any) -> list[dict[str, str]]:
    """The same as a table."""
    return table(await caller.ask("GET", path, params={**parameters, "format": "csv"}))


async def test_the_history_of_a_sku_ends_in_what_is_on_hand(sold: ApiCaller) -> None:
    report = await sold.get(HISTORY, sku="tea", location="S01")
    fits(report, "MovementHistoryReport")
    rows = [(row["row"], row["kind"], row["delta"], row["balance"]) for row in report["items"]]
    assert rows == [
        ("opening", None, None, 0),
        ("movement", "opening", 100, 100),
        ("movement", "sale", -5, 95),
        ("movement", "sale", -8, 87),
        ("movement", "sale", -1, 86),
        ("movement", "reversal", 1, 87),
        ("closing", None, None, 87),
    ]
    assert report["items"][2]["reference"] == "R-1"
    assert report["items"][5]["reverses"] == report["items"][4]["movement"]
    assert report["notes"] == []
    assert report["totals"]["on_hand"] == await sold.on_hand("tea") == 87
    lines = await csv_of(sold, HISTORY, sku="tea", location="S01")
    assert lines[:-1] == as_cells(report["items"][:-1])
    assert (lines[-1]["row"], lines[-1]["balance"]) == ("closing", "87")


async def test_a_period_of_it_and_one_kind_keep_the_balance(sold: ApiCaller) -> None:
    report = await sold.get(HISTORY, sku="tea", since=BETWEEN, kind="reversal")
    assert [row["balance"] for row in report["items"]] == [95, 87, 87]
    assert report["items"][0]["at"] == "2026-03-02T11:00:00.000Z"
    pages, cursor = [], None
    while cursor is not None or not pages:
        part = {"cursor": cursor} if cursor else {}
        page = await sold.get(HISTORY, sku="tea", limit=2, **part)
        pages += page["items"]
        cursor = page["next"]
    assert len(pages) == 7


async def test_usage_is_net_of_what_was_taken_back(sold: ApiCaller) -> None:
    report = await sold.get(USAGE, since=BEFORE, until="2026-03-03T00:00:00Z")
    fits(report, "UsageReport")
    rows = [(row["sku"], row["name"], row["used"], row["per_day"]) for row in report["items"]]
    assert rows == [("rice", None, 1, "0.50"), ("tea", "=Tea", 5, "2.50")]
    # There was none before the first delivery, which is when the period begins; of rice there was never any.
    absent = [(row["days_out_of_stock"], row["per_day_in_stock"]) for row in report["items"]]
    assert absent == [("2.0", None), ("0.0", "2.50")]
    (tea,) = (await sold.get(USAGE, sku="tea"))["items"]
    assert (tea["sold"], tea["reversed"], tea["used"], tea["on_hand"]) == (9, 1, 8, 87)
    months = await sold.get(USAGE, since=BEFORE, sku="tea", each="month")
    fits(months, "UsageReport")
    march, now = months["items"]
    assert (march["since"], march["used"]) == ("2026-03-01T00:00:00.000Z", 5)
    assert (now["used"], now["until"]) == (8, months["totals"]["until"])
    lines = await csv_of(sold, USAGE, sku="tea")
    assert (lines[0]["name"], lines[0]["used"]) == ("'=Tea", "8")


async def test_what_an_order_takes_back_is_used_no_more(
    operator: ApiCaller, till: ApiCaller
) -> None:
    await recorded(till, "a", movement("opening", ("tea", 10)))
    lines = [{"sku": "tea", "quantity": 4}]
    asked = {"kind": "customer", "location": "S01", "lines": lines}
    address = (await created(operator, "orders", asked)).headers["Location"]
    event = ""
    for verb in ("place", "fulfil", "reverse"):
        body = {"event": event} if verb == "reverse" else {}
        headers = {"Idempotency-Key": verb}
        reply = await operator.ask("POST", f"{address}/{verb}", json=body, headers=headers)
        assert reply.status == 200, reply
        if verb == "fulfil":
            event = reply.json()["events"][0]["event"]
            (tea,) = (await operator.get(USAGE))["items"]
            assert (tea["sold"], tea["used"], tea["on_hand"]) == (4, 4, 6)
    (tea,) = (await operator.get(USAGE))["items"]
    assert (tea["sold"], tea["reversed"], tea["used"], tea["on_hand"]) == (4, 4, 0, 10)


async def test_the_stock_of_an_instant_is_what_lay_there_then(sold: ApiCaller) -> None:
    report = await sold.get(AS_OF, as_of=BETWEEN)
    fits(report, "StockAsOfReport")
    rows = [(row["sku"], row["on_hand"], row["on_hand_now"]) for row in report["items"]]
    assert rows == [("rice", -1, -1), ("tea", 95, 87)]
    assert [row["unexplained"] for row in report["items"]] == [0, 0]
    assert report["totals"]["movements_since"] == 3
    (tea,) = (await sold.get(AS_OF, as_of="2026-03-02T08:59:59Z", sku="tea"))["items"]
    assert (tea["on_hand"], tea["change"]) == (100, -13)
    (tea,) = await csv_of(sold, AS_OF, as_of=BETWEEN, sku="tea", location="S01")
    assert (tea["on_hand"], tea["name"]) == ("95", "'=Tea")


async def test_as_of_now_it_is_the_stock_that_is_shown(sold: ApiCaller) -> None:
    await asyncio.sleep(0.002)
    for as_of in ("2999-01-01T00:00:00Z", (await sold.get(USAGE))["as_of"]):
        rows = (await sold.get(AS_OF, as_of=as_of))["items"]
        shown = {row["sku"]: row["on_hand"] for row in rows}
        stock = (await sold.get("/v1/stock"))["items"]
        assert shown == {row["sku"]: row["on_hand"] for row in stock}


async def test_the_stock_that_a_neighbour_had_is_refused(
    sold: ApiCaller, office: ApiCaller
) -> None:
    reply = await sold.ask("GET", AS_OF, params={"as_of": BETWEEN, "location": "S02"})
    assert (reply.status, reply.code) == (409, "movements_not_held")
    nowhere = await office.ask("GET", AS_OF, params={"as_of": BETWEEN})
    assert nowhere.code == "movements_not_held"
    report = await sold.get(USAGE, location="S02")
    assert [(one["code"], one["names"]) for one in report["notes"]] == [
        ("movements_not_held", ["S02"])
    ]
    without = await sold.ask("GET", AS_OF)
    assert without.code == "validation_failed"
