"""Stocktakes over HTTP: each verb, what each refuses, and what a repeat gets."""

from pathlib import Path

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from node.app import make_app
from node.config import NodeSettings
from node.node import Node
from protocol.certificate import Role
from protocol.limits import COUNT_ROUNDS_MAX, DELTA_MAX
from runtime.world import World
from tests.node.api.caller import ApiCaller, JsonObject, sale
from tests.node.api.sheet import BODIES, COUNT, TEA, VERBS, Sheet, fits, opened, post
from tests.node.enrolled import Shop, enrolled_folder


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """The folder of an office's node that writes S01 too: it may do everything there is."""
    return enrolled_folder(tmp_path / "S01", role=Role.OFFICE)


@pytest.fixture
async def sheet(operator: ApiCaller, till: ApiCaller) -> Sheet:
    """One that nobody has begun."""
    return await opened(operator, till)


async def test_a_shelf_is_counted_looked_at_and_corrected(sheet: Sheet) -> None:
    started = await sheet.must("start")
    fits(started.json(), "StocktakeActed")
    assert started.json()["stage"] == "counting"
    counted = await sheet.counts("TEA", 95)
    fits(counted.json(), "StocktakeCounted")
    line = counted.json()["line"]
    assert (line["sku"], line["lot"], line["round"]) == ("TEA", None, 1)
    assert (line["counted"], line["expected"], line["difference"]) == (95, 100, -5)
    assert line["counted_by"] == "till-1@S01"
    assert (await sheet.counts("PILLS", 7, "L7")).json()["line"]["difference"] == 2
    assert (await sheet.must("submit")).json()["stage"] == "review"
    assert await sheet.till.on_hand("TEA") == 100, "nothing is corrected before the end"
    final = await sheet.must("explain", "verify", "finalise")
    assert final.json()["stage"] == "finalised"
    assert (await sheet.till.on_hand("TEA"), await sheet.till.on_hand("PILLS")) == (95, 7)
    listed = await sheet.till.get("/v1/movements", kind="count")
    (correction,) = listed["items"]
    assert sheet.address.endswith(correction["reference"])
    assert {(one["sku"], one["lot"], one["delta"]) for one in correction["lines"]} == {
        ("TEA", None, -5),
        ("PILLS", "L7", 2),
    }


async def test_complaint_16_a_stocktake_is_finalised_though_sales_went_on(sheet: Sheet) -> None:
    """100 shown, 5 sold, 90 found where 95 should be, 3 sold before the end: 87 are there."""
    await sheet.must("start")
    await sheet.till.record("before", sale(("TEA", -5)))
    assert (await sheet.counts("TEA", 90)).json()["line"]["expected"] == 95
    await sheet.till.record("after", sale(("TEA", -3)))
    await sheet.must("submit", "finalise")
    assert await sheet.till.on_hand("TEA") == 87
    (line,) = (await sheet.variance())["lines"]
    assert (line["expected"], line["counted"], line["difference"]) == (95, 90, -5)


async def test_complaint_16_uncounted_lines_are_left_as_they_are(sheet: Sheet) -> None:
    await sheet.must("start", "lines", "submit", "finalise")
    assert (await sheet.till.on_hand("TEA"), await sheet.till.on_hand("PILLS")) == (95, 5)


async def test_complaint_3_a_double_click_counts_and_corrects_once(sheet: Sheet) -> None:
    """Every verb, repeated under its key, answers the same bytes and records nothing."""
    for verb in ("start", "lines", "submit", "recount", "lines", "verify", "explain", "finalise"):
        before = await sheet.till.get("/v1/sync")
        key = f"{verb}-{before['pending']}"
        first = await sheet.does(verb, key=key, till=verb == "lines")
        assert first.status == 200, first
        assert "Idempotency-Replayed" not in first.headers
        after = await sheet.till.get("/v1/sync")
        assert after["pending"] > before["pending"]
        again = await sheet.does(verb, key=key, till=verb == "lines")
        assert (again.status, again.body) == (first.status, first.body)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert (await sheet.till.get("/v1/sync"))["pending"] == after["pending"]
    assert await sheet.till.on_hand("TEA") == 95


async def test_a_key_is_not_used_for_another_request(sheet: Sheet) -> None:
    assert (await sheet.does("lines", key="k")).status == 200
    other = await sheet.does("lines", {**COUNT, "counted": 96}, key="k")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert (await sheet.does("explain", key="k")).status == 200, "each verb has keys of its own"
    missing = await sheet.operator.ask("POST", f"{sheet.address}/start", json={})
    assert missing.code == "idempotency_key_missing"


async def test_counting_a_line_begins_the_stocktake(sheet: Sheet) -> None:
    assert (await sheet.counts("TEA", 95)).json()["stage"] == "counting"


async def test_a_till_counts_and_does_not_review(sheet: Sheet) -> None:
    for verb in ("start", "lines", "submit"):
        assert (await sheet.does(verb, till=True)).status == 200, verb
    for verb in ("recount", "verify", "explain", "finalise", "cancel"):
        reply = await sheet.does(verb, till=True)
        assert (reply.status, reply.code) == (403, "forbidden"), verb
    assert (await sheet.variance())["stage"] == "review"


@pytest.mark.parametrize("verb", VERBS)
async def test_a_stocktake_that_is_not_there_is_not_found(verb: str, sheet: Sheet) -> None:
    sheet.address = "/v1/stocktakes/00000000-0000-0000-0000-000000000000"
    assert (await sheet.does(verb)).code == "not_found"
    reply = await sheet.operator.ask("GET", f"{sheet.address}/variance")
    assert reply.code == "not_found"


@pytest.mark.parametrize("ending", ["finalise", "cancel"])
async def test_what_has_ended_is_not_touched_any_more(ending: str, sheet: Sheet) -> None:
    await sheet.must("start", "lines", "submit", ending)
    on_hand = await sheet.till.on_hand("TEA")
    for verb in VERBS:
        reply = await sheet.does(verb)
        assert (reply.status, reply.code) == (409, "conflict"), verb
        assert [one["type"] for one in reply.json()["errors"]] == ["wrong_stage"]
    assert await sheet.till.on_hand("TEA") == on_hand == (95 if ending == "finalise" else 100)


async def test_each_verb_has_its_stages(sheet: Sheet) -> None:
    async def refused(*verbs: str) -> None:
        for verb in verbs:
            assert (await sheet.does(verb)).code == "conflict", verb

    await refused("submit", "recount", "verify", "explain", "finalise")
    await sheet.must("start", "lines")
    await refused("start", "recount", "verify", "finalise")
    await sheet.must("submit")
    await refused("start", "submit")


async def test_what_is_reviewed_is_counted_again_only_when_somebody_asks(sheet: Sheet) -> None:
    await sheet.must("start", "lines", "submit")
    refused = await sheet.counts("TEA", 90)
    assert (refused.code, refused.json()["errors"][0]["type"]) == ("conflict", "not_asked")
    await sheet.must("recount")
    waits = await sheet.does("finalise")
    assert (waits.code, waits.json()["errors"][0]["type"]) == ("conflict", "not_counted")
    again = await sheet.counts("TEA", 98)
    assert (again.json()["line"]["round"], again.json()["line"]["difference"]) == (2, -2)
    await sheet.must("finalise")
    assert await sheet.till.on_hand("TEA") == 98
    (line,) = (await sheet.variance())["lines"]
    rounds = [(one["round"], one["counted"], one["difference"]) for one in line["rounds"]]
    assert rounds == [(1, 95, -5), (2, 98, -2)]


async def test_a_line_is_counted_again_so_many_times(sheet: Sheet) -> None:
    await sheet.must("start", "lines", "submit")
    for _ in range(COUNT_ROUNDS_MAX - 1):
        await sheet.must("recount", "lines")
    reply = await sheet.does("recount")
    assert (reply.code, reply.json()["errors"][0]["type"]) == ("validation_failed", "bad_quantity")


async def test_a_difference_needs_a_reason(sheet: Sheet) -> None:
    await sheet.must("start", "lines", "submit")
    reply = await sheet.does("finalise", {})
    assert (reply.code, reply.json()["errors"][0]["type"]) == ("conflict", "reason_missing")
    await sheet.must("explain")
    assert (await sheet.does("finalise", {})).status == 200
    assert (await sheet.variance())["lines"][0]["reason"] == "DAMAGED"


async def test_a_line_that_nobody_counted_is_neither_explained_nor_counted_again(
    sheet: Sheet,
) -> None:
    await sheet.must("start", "lines", "submit")
    for verb in ("recount", "verify", "explain"):
        reply = await sheet.does(verb, {**BODIES[verb], "lot": "L7"})
        assert reply.json()["errors"][0]["type"] == "unknown_line", verb


@pytest.mark.parametrize(
    "limit", [{"count_limit_units": 4}, {"count_limit_value": {"amount": 499, "currency": "GBP"}}]
)
async def test_above_the_locations_limit_a_second_person_stands_for_a_difference(
    limit: JsonObject, sheet: Sheet
) -> None:
    price = {"amount": 100, "currency": "GBP"}
    await post(sheet.operator, "/v1/skus", {"id": "TEA", "name": "Tea", "price": price}, "sku")
    place = {"id": "S01", "name": "Market Street", **limit}
    await post(sheet.operator, "/v1/locations", place, "place")
    await sheet.must("start", "lines", "submit")
    assert (await sheet.variance())["lines"][0]["needs_second_person"] is True
    for verb in ("verify", "finalise"):
        own = await sheet.does(verb)
        assert (own.code, own.json()["errors"][0]["type"]) == ("conflict", "second_person"), verb
    await sheet.must("recount")
    await sheet.counts("TEA", 95)
    await sheet.must("verify")
    (line,) = (await sheet.variance())["lines"]
    assert (line["counted_by"], line["verified_by"]) == ("till-1@S01", "operator@S01")
    assert line["needs_second_person"] is False
    await sheet.must("finalise")
    assert await sheet.till.on_hand("TEA") == 95


async def test_what_was_said_at_the_end_is_said_of_the_lines_that_said_nothing_themselves(
    sheet: Sheet,
) -> None:
    place = {"id": "S01", "name": "Market Street", "count_limit_units": 4}
    await post(sheet.operator, "/v1/locations", place, "place")
    await sheet.counts("TEA", 95)
    await sheet.counts("SOAP", 0)
    await sheet.counts("PILLS", 7, "L7")
    await sheet.must("submit")
    pills = {"sku": "PILLS", "lot": "L7", "reason": "FOUND"}
    assert (await sheet.does("explain", pills)).status == 200
    said = {line["sku"]: line for line in (await sheet.variance())["lines"]}
    assert (said["TEA"]["reason"], said["TEA"]["verified_by"]) == (None, None)
    assert said["TEA"]["needs_second_person"] is True
    await sheet.must("finalise")
    said = {line["sku"]: line for line in (await sheet.variance())["lines"]}
    reasons = {sku: line["reason"] for sku, line in said.items()}
    assert reasons == {"TEA": "RECOUNTED", "SOAP": None, "PILLS": "FOUND"}
    assert {line["verified_by"] for line in said.values()} == {"operator@S01"}
    assert not any(line["needs_second_person"] for line in said.values())


async def test_only_skus_of_the_category_are_counted(operator: ApiCaller, till: ApiCaller) -> None:
    for sku, category in (("TEA", "Drinks"), ("SOAP", "Household")):
        body = {"id": sku, "name": sku, "category": category}
        await post(operator, "/v1/skus", body, sku)
    sheet = await opened(operator, till, category="Drinks")
    assert (await sheet.counts("TEA", 95)).status == 200
    assert (await sheet.counts("SOAP", 1)).code == "validation_failed"
    assert (await sheet.counts("NEW", 1)).status == 200, "nobody has said what it is"


async def test_an_archived_stocktake_is_not_begun(sheet: Sheet) -> None:
    headers = {"Idempotency-Key": "gone"}
    await sheet.operator.ask("DELETE", sheet.address, headers=headers)
    for verb in ("start", "lines", "cancel"):
        assert (await sheet.does(verb)).code == "conflict"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"sku": "TEA"},
        {"counted": 5},
        {"sku": "TEA", "counted": -1},
        {"sku": "TEA", "counted": DELTA_MAX + 1},
        {"sku": "TEA", "counted": "5"},
        {"sku": "TEA", "counted": True},
        {"sku": "TEA", "counted": 5, "delta": 5},
        {"sku": "TEA\n", "counted": 5},
        {"sku": "TEA", "lot": "", "counted": 5},
    ],
)
async def test_a_count_that_makes_no_sense_is_refused(body: JsonObject, sheet: Sheet) -> None:
    assert (await sheet.does("lines", body)).code == "validation_failed"
    assert (await sheet.variance())["stage"] == "open"


@pytest.mark.parametrize("reason", ["", "two\nlines", "x" * 201, 5])
async def test_a_reason_is_one_line_of_text(reason: object, sheet: Sheet) -> None:
    await sheet.must("start", "lines")
    assert (await sheet.does("explain", {**TEA, "reason": reason})).code == "validation_failed"
    assert (await sheet.does("finalise", {"reason": reason})).code == "validation_failed"


@pytest.fixture
def head_office(tmp_path: Path) -> Shop:
    """The folder of an office's node that writes no location."""
    return enrolled_folder(tmp_path / "office", name="office", writes=(), role=Role.OFFICE)


@pytest.fixture
async def elsewhere(head_office: Shop, aiohttp_client: AiohttpClient) -> ApiCaller:
    """Its operator."""
    node = await Node.open(head_office.folder, World())
    http = await aiohttp_client(make_app(node, NodeSettings()))
    return ApiCaller(http, head_office.operator_token)


async def test_shelves_are_counted_where_they_are(elsewhere: ApiCaller) -> None:
    made = await post(elsewhere, "/v1/stocktakes", {"location": "S01"}, "sheet")
    address = made.headers["Location"]
    assert (await post(elsewhere, f"{address}/start", {}, "1")).status == 200
    reply = await post(elsewhere, f"{address}/lines", COUNT, "2")
    assert (reply.status, reply.code) == (403, "forbidden")
