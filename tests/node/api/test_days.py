"""The day over HTTP: as it is described, as a page, as a table; and how it answers what it cannot."""

import csv
import io
from pathlib import Path

import pytest

from protocol.certificate import Role
from tests.node.api.caller import ApiCaller, JsonObject, Reply, movement, sale
from tests.node.api.test_documents import created, fits
from tests.node.enrolled import Shop, enrolled_folder

DATE = "2026-03-29"
AT = "2026-03-29T12:00:00+02:00"
NIGHT = "2026-03-29T23:59:59.999+02:00"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of an office that keeps a shop too: it may say where the shop is."""
    return enrolled_folder(tmp_path / "S01", role=Role.OFFICE)


async def with_a_day(operator: ApiCaller, till: ApiCaller) -> None:
    """Three sales, a receipt missing between them, and a return; clocks were put forward that night."""
    place = {"id": "S01", "name": "Main street", "time_zone": "Europe/Berlin"}
    await created(operator, "locations", place, "place")
    tea = {"id": "tea", "name": "Tea", "price": {"amount": 250, "currency": "EUR"}}
    await created(operator, "skus", tea, "tea")
    for number, at in ((17, AT), (19, AT), (20, NIGHT)):
        body = sale(("tea", -2), ("salt", -1), reference=f"A-{number:04d}", occurred_at=at)
        assert (await till.record(f"sale {number}".replace(" ", "-"), body)).status == 201
    back = movement("customer_return", ("tea", 1), occurred_at=AT)
    assert (await operator.record("back", back)).status == 201


def table(reply: Reply) -> list[dict[str, str]]:
    """The lines of a CSV, by column."""
    assert reply.status == 200, reply
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(reply.body.decode(), newline="")))


async def test_a_day_is_told_by_till_as_a_whole_and_as_a_table(
    operator: ApiCaller, till: ApiCaller
) -> None:
    await with_a_day(operator, till)
    day: JsonObject = await till.get(f"/v1/days/{DATE}")
    fits(day, "DayReport")
    totals = day["totals"]
    assert (totals["begins_at"], totals["ends_at"]) == (
        "2026-03-28T23:00:00.000Z",
        "2026-03-29T22:00:00.000Z",
    )
    assert (totals["baskets"], totals["lines"], totals["units"], totals["returns"]) == (3, 6, 9, 1)
    assert totals["value"] == [{"amount": 1_500, "currency": "EUR"}]
    assert [gap["first"] for gap in totals["gaps"]] == ["A-0018"]
    assert (totals["unsent"], len(totals["not_acknowledged"])) == (4, 4)
    rows = table(await till.ask("GET", f"/v1/days/{DATE}", params={"format": "csv"}))
    told = [(row["device"], row["units"], row["value"], row["value_currency"]) for row in rows]
    assert told == [("operator", "0", "", ""), ("till-1", "9", "1500", "EUR")]
    assert list(rows[0])[:5] == ["device", "actor", "first_at", "last_at", "baskets"]
    page = await till.get(f"/v1/days/{DATE}", limit=1)
    rest = await till.get(f"/v1/days/{DATE}", limit=1, cursor=page["next"])
    assert page["items"] + rest["items"] == day["items"]
    assert rest["totals"] is None


@pytest.mark.parametrize(
    ("part", "shape", "references"),
    [
        ("gaps", "DayGapsReport", [{"first": "A-0018", "last": "A-0018", "missing": "1"}]),
        ("repeated", "DayRepeatedReport", []),
        (
            "unsent",
            "DayUnsentReport",
            [{"reference": text} for text in ("A-0017", "A-0019", "", "A-0020")],
        ),
        ("set_aside", "DaySetAsideReport", []),
    ],
)
async def test_what_to_compare_with_receipts_has_an_address_of_its_own(
    operator: ApiCaller,
    till: ApiCaller,
    part: str,
    shape: str,
    references: list[dict[str, str]],
) -> None:
    await with_a_day(operator, till)
    address = f"/v1/days/{DATE}/{part}"
    fits(await till.get(address), shape)
    rows = table(await till.ask("GET", address, params={"format": "csv"}))
    assert len(rows) == len(references)
    found = sorted(rows, key=lambda row: (row.get("occurred_at", ""), row.get("reference") or "~"))
    for row, expected in zip(found, references, strict=True):
        assert {name: row[name] for name in expected} == expected


async def test_days_are_listed_with_what_happened(operator: ApiCaller, till: ApiCaller) -> None:
    await with_a_day(operator, till)
    days = await till.get("/v1/days")
    fits(days, "DaysReport")
    assert [(row["date"], row["movements"], row["sales"]) for row in days["items"]] == [
        (DATE, 4, 3)
    ]
    assert days["totals"] == {"location": "S01", "time_zone": "Europe/Berlin"}
    (row,) = table(await till.ask("GET", "/v1/days", params={"format": "csv"}))
    assert (row["date"], row["unsent"]) == (DATE, "4")


async def test_a_day_that_cannot_be_shown_is_refused(till: ApiCaller, office: ApiCaller) -> None:
    for address in ("/v1/days", f"/v1/days/{DATE}", f"/v1/days/{DATE}/gaps"):
        elsewhere = await till.ask("GET", address, params={"location": "S02"})
        assert (elsewhere.status, elsewhere.code) == (409, "movements_not_held")
        assert (await office.ask("GET", address)).code == "movements_not_held"
        bad = await till.ask("GET", address, params={"cursor": "bm8"})
        assert (bad.status, bad.code) == (422, "validation_failed")
    for date in ("2026-02-30", "today", "2026-3-9", "20260309"):
        assert (await till.ask("GET", f"/v1/days/{date}")).code == "validation_failed"


async def test_what_is_dated_at_the_end_of_time_is_of_the_last_day(till: ApiCaller) -> None:
    body = sale(("tea", -2), occurred_at="9999-12-31T23:59:59.999Z")
    assert (await till.record("sale-1", body)).status == 201
    (listed,) = (await till.get("/v1/days"))["items"]
    assert (listed["date"], listed["sales"]) == ("9999-12-31", 1)
    day = await till.get("/v1/days/9999-12-31")
    assert (day["totals"]["units"], day["totals"]["ends_at"]) == (2, listed["ends_at"])


async def test_a_day_on_which_nothing_happened_is_empty(till: ApiCaller) -> None:
    for date in ("0001-01-01", "1970-01-01", "2026-01-01", "9999-12-31"):
        day = await till.get(f"/v1/days/{date}")
        assert (day["items"], day["totals"]["sales"]) == ([], 0)
