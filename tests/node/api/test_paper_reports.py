"""What became of parcels, counts and lots, as reports over HTTP."""

from pathlib import Path

import pytest

from node.reports import papers, transfer_differences
from protocol.certificate import Role
from tests.node.api.caller import ApiCaller, JsonObject, movement
from tests.node.api.sheet import Sheet, opened
from tests.node.api.test_documents import ask, created, fits
from tests.node.api.test_reports import as_cells, table
from tests.node.api.test_transfers import RICE, TEA, Drafted
from tests.node.enrolled import Shop, enrolled_folder

TRANSFERS, COUNTS, TRACE = (
    f"/v1/reports/{name}" for name in ("transfer-differences", "count-variance", "lot-trace")
)
GBP = "GBP"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of an office's node that writes two shops: it sees both ends, and what SKUs cost."""
    return enrolled_folder(tmp_path / "both", name="both", writes=("S01", "S02"), role=Role.OFFICE)


def money(amount: int) -> JsonObject:
    """Pounds and pence."""
    return {"amount": amount, "currency": GBP}


async def described(operator: ApiCaller, sku: str, price: int, cost: int, category: str) -> None:
    """A SKU with a price."""
    fields = {"price": money(price), "cost": money(cost), "category": category}
    await created(operator, "skus", {"id": sku, "name": sku.title(), **fields}, sku)


async def same_as_table(caller: ApiCaller, path: str, report: JsonObject, **asked: str) -> None:
    """The table says what the JSON says."""
    reply = await caller.ask("GET", path, params={**asked, "format": "csv"})
    # Of money that is not known the JSON names no currency.
    lines = [{name: cell for name, cell in line.items() if cell} for line in table(reply)]
    items = [
        {name: cell for name, cell in row.items() if cell} for row in as_cells(report["items"])
    ]
    assert lines == items


# --- transfers ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def differing(operator: ApiCaller) -> ApiCaller:
    """Of 10 tea and 5 rice sent, 12 tea came, 3 rice, one of them broken; the rest is lost."""
    await described(operator, "tea", 300, 100, "Drinks")
    await described(operator, "rice", 50, 20, "Food")
    drafted = Drafted(operator)
    await drafted.draft()
    await drafted.does("ship")
    goods = [{**TEA, "quantity": 12}, {**RICE, "quantity": 2}]
    await drafted.does("receive", {"lines": goods, "damaged": [{**RICE, "quantity": 1}]})
    await drafted.does("close")
    return operator


async def test_every_difference_of_a_transfer_is_a_row_with_its_worth(
    differing: ApiCaller,
) -> None:
    report = await differing.get(TRANSFERS)
    fits(report, "TransferDifferencesReport")
    names = ("matter", "sku", "lot", "quantity", "value", "value_at_cost")
    assert [tuple(row[name] for name in names) for row in report["items"]] == [
        ("damaged", "rice", "L1", 1, money(50), money(20)),
        ("over", "tea", None, 2, money(600), money(200)),
        ("short", "rice", "L1", 2, money(100), money(40)),
    ]
    row = report["items"][0]
    assert (row["source"], row["destination"], row["stage"]) == ("S01", "S02", "closed")
    assert row["shipped_at"] <= row["last_at"]
    totals = report["totals"]
    assert (totals["transfers"], totals["differing"]) == (1, 1)
    assert (totals["short"], totals["over"], totals["damaged"]) == (2, 2, 1)
    assert totals["values"] == [money(750)]
    await same_as_table(differing, TRANSFERS, report)


async def test_differences_are_summed_up_by_route_and_by_sku(differing: ApiCaller) -> None:
    by_route = (await differing.get(TRANSFERS, by="route"))["items"]
    assert [(row["source"], row["matter"], row["quantity"]) for row in by_route] == [
        ("S01", "damaged", 1),
        ("S01", "over", 2),
        ("S01", "short", 2),
    ]
    by_sku = await differing.get(TRANSFERS, by="sku")
    assert [(row["sku"], row["matter"], row["value"]["amount"]) for row in by_sku["items"]] == [
        ("rice", "damaged", 50),
        ("rice", "short", 100),
        ("tea", "over", 600),
    ]
    assert all(row["source"] is None for row in by_sku["items"])
    await same_as_table(differing, TRANSFERS, by_sku, by="sku")
    both = (await differing.get(TRANSFERS, by="route_sku", matter="short"))["items"]
    assert [(row["destination"], row["sku"]) for row in both] == [("S02", "rice")]


async def test_transfers_are_asked_for_by_end_sku_and_period(differing: ApiCaller) -> None:
    async def found(**asked: str) -> int:
        return len((await differing.get(TRANSFERS, **asked))["items"])

    assert await found(sku="tea") == 1
    assert await found(source="S01", destination="S02") == 3
    assert await found(source="S02") == 0
    assert await found(until="2020-01-01T00:00:00Z") == 0
    assert await found(since="2020-01-01T00:00:00Z", until="2999-01-01T00:00:00Z") == 3


async def test_a_report_that_stopped_before_the_last_document_says_so(
    differing: ApiCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def codes(report: JsonObject) -> list[str]:
        return [note["code"] for note in report["notes"]]

    for at_most, told in ((1, []), (0, ["documents_cut"])):
        for module in (papers, transfer_differences):
            monkeypatch.setattr(module, "REPORT_PAPERS_MAX", at_most)
        report = await differing.get(TRANSFERS)
        assert [code for code in codes(report) if code == "documents_cut"] == told
        assert bool(report["items"]) is (at_most == 1)


async def test_a_transfer_without_differences_is_counted_and_a_draft_is_not(
    operator: ApiCaller,
) -> None:
    drafted = Drafted(operator)
    await drafted.draft()
    assert (await operator.get(TRANSFERS))["totals"]["transfers"] == 0
    for verb in ("ship", "receive", "close"):
        await drafted.does(verb)
    report = await operator.get(TRANSFERS)
    assert (report["items"], report["totals"]["transfers"]) == ([], 1)


# --- counts ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def counted(operator: ApiCaller, till: ApiCaller) -> Sheet:
    """A stocktake that found 5 tea missing and 2 pills too many, and is not finalised."""
    await described(operator, "TEA", 300, 100, "Drinks")
    await described(operator, "PILLS", 50, 20, "Health")
    sheet = await opened(operator, till)
    await sheet.counts("TEA", 95)
    await sheet.counts("PILLS", 7, "L7")
    await sheet.counts("SOAP", 0)
    return sheet


async def test_what_counts_found_is_reported_once_they_are_final(counted: Sheet) -> None:
    await counted.must("submit")
    assert (await counted.operator.get(COUNTS))["items"] == []
    await counted.must("explain", "finalise")
    report = await counted.operator.get(COUNTS)
    fits(report, "CountVarianceReport")
    names = ("sku", "lot", "expected", "counted", "difference", "value", "value_at_cost")
    assert [tuple(row[name] for name in names) for row in report["items"]] == [
        ("PILLS", "L7", 5, 7, 2, money(100), money(40)),
        ("SOAP", None, 0, 0, 0, None, None),
        ("TEA", None, 100, 95, -5, money(-1_500), money(-500)),
    ]
    tea = report["items"][2]
    assert (tea["category"], tea["reason"], tea["location"]) == ("Drinks", "DAMAGED", "S01")
    assert tea["counted_by"].startswith("till-1")
    assert tea["verified_by"] == tea["finalised_by"]
    totals = report["totals"]
    assert (totals["stocktakes"], totals["lines"], totals["differing"]) == (1, 3, 2)
    assert (totals["short"], totals["over"], totals["difference"]) == (5, 2, -3)
    assert (totals["values"], totals["values_at_cost"]) == ([money(-1_400)], [money(-460)])
    await same_as_table(counted.operator, COUNTS, report)


async def test_shrinkage_is_summed_up_by_what_is_asked_for(counted: Sheet) -> None:
    await counted.must("submit", "finalise")

    async def sums(by: str, **asked: str) -> list[tuple[object, ...]]:
        items = (await counted.operator.get(COUNTS, by=by, **asked))["items"]
        return [(row[by], row["lines"], row["short"], row["over"]) for row in items]

    assert await sums("category") == [(None, 1, 0, 0), ("Drinks", 1, 5, 0), ("Health", 1, 0, 2)]
    assert await sums("location") == [("S01", 3, 5, 2)]
    assert await sums("sku", differing="true") == [("PILLS", 1, 0, 2), ("TEA", 1, 5, 0)]
    assert await sums("reason", sku="TEA") == [("RECOUNTED", 1, 5, 0)]
    assert await sums("location", location="S02") == []
    assert await sums("location", until="2020-01-01T00:00:00Z") == []


async def test_a_till_is_not_shown_what_differences_cost(counted: Sheet) -> None:
    await counted.must("submit", "finalise")
    report = await counted.till.get(COUNTS)
    assert report["totals"]["values_at_cost"] == []
    assert all(row["value_at_cost"] is None for row in report["items"])
    assert "costs_not_shown" in {note["code"] for note in report["notes"]}


async def test_locations_whose_papers_are_not_read_are_named(operator: ApiCaller) -> None:
    for code in ("S02", "S03"):
        await created(operator, "locations", {"id": code, "name": code}, code)

    async def unread(path: str, **asked: str) -> list[str]:
        notes = (await operator.get(path, **asked))["notes"]
        return [
            name for note in notes if note["code"] == "papers_not_read" for name in note["names"]
        ]

    assert await unread(COUNTS) == await unread(TRANSFERS) == ["S03"]
    assert await unread(COUNTS, location="S04") == await unread(TRANSFERS, source="S04") == ["S04"]
    assert await unread(COUNTS, location="S02") == []
    assert await unread(TRANSFERS, source="S02", destination="S04") == []


# --- lots --------------------------------------------------------------------------------------------------------


def pills(kind: str, delta: int, location: str = "S01") -> JsonObject:
    """A movement of the lot."""
    line = {"sku": "pills", "lot": "A1", "delta": delta}
    return {**movement(kind), "location": location, "lines": [line]}


async def test_a_trace_has_every_location_and_every_movement_of_a_lot(
    operator: ApiCaller, till: ApiCaller
) -> None:
    await created(operator, "skus", {"id": "pills", "name": "Pills"}, "sku")
    await created(operator, "lots", {"sku": "pills", "code": "A1", "expiry": "2999-01-31"}, "lot")
    moves = (
        ("receive", 10, "S01"),
        ("sale", -3, "S01"),
        ("sale", -1, "S01"),
        ("receive", 4, "S02"),
    )
    ids = []
    for number, (kind, delta, location) in enumerate(moves):
        ids.append((await till.record(f"{number}", pills(kind, delta, location))).json()["id"])
    back = await ask(till, "POST", f"/v1/movements/{ids[2]}/reverse", None, "back")
    assert back.status == 201, back
    lot = "/v1/lots/pills/A1"
    assert (await ask(operator, "POST", f"{lot}/recall", {"reason": "r"}, "c")).status == 200
    answer = {"location": "S01", "set_aside": 7}
    assert (await ask(operator, "POST", f"{lot}/acknowledge", answer, "d")).status == 200
    report = await operator.get(TRACE, sku="pills", lot="A1")
    fits(report, "LotTraceReport")
    places = [row for row in report["items"] if row["row"] == "location"]
    names = ("location", "on_hand", "taken", "set_aside", "acknowledged_by")
    assert [tuple(row[name] for name in names) for row in places] == [
        ("S01", 7, 3, 7, "operator"),
        ("S02", 4, 0, None, None),
    ]
    moved = report["items"][2:]
    assert [(row["location"], row["kind"], row["delta"]) for row in moved] == [
        ("S01", "receive", 10),
        ("S01", "sale", -3),
        ("S01", "sale", -1),
        ("S02", "receive", 4),
        ("S01", "reversal", 1),
    ]
    assert moved[2]["reversed_by"] == moved[4]["movement"]
    assert moved[4]["reverses"] == moved[2]["movement"]
    totals = report["totals"]
    assert (totals["status"], totals["expiry"], totals["name"]) == (
        "recalled",
        "2999-01-31",
        "Pills",
    )
    assert (totals["on_hand"], totals["sold"], totals["reversed"]) == (11, 4, 1)
    assert (totals["unacknowledged"], totals["set_aside"]) == (1, 7)
    notes = {note["code"]: note["names"] for note in report["notes"]}
    assert notes == {"recall_not_acknowledged": ["S02"]}
    await same_as_table(operator, TRACE, report, sku="pills", lot="A1")


async def test_a_lot_that_nobody_knows_is_said_to_be_unknown(operator: ApiCaller) -> None:
    report = await operator.get(TRACE, sku="pills", lot="B2")
    assert report["items"] == []
    assert [note["code"] for note in report["notes"]] == ["lot_not_known"]
