"""Lots over HTTP: what is sold, what is refused and why, recalls, answers and traces."""

from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from node.api.lots import LotActed, Trace
from node.api.shown import MovementRecorded, StockRowWithLots
from tests.node.api.caller import ApiCaller, JsonObject, Reply, movement
from tests.node.api.test_documents import ask, created

BAD = "/v1/lots/pills/bad"
"""Expired years ago."""
PILLS = {"id": "pills", "name": "Pills", "lot_tracked": True}


def line(lot: str | None, delta: int) -> JsonObject:
    """Pills of a lot."""
    return {"sku": "pills", "lot": lot, "delta": delta}


def sale(*lines: JsonObject, **others: Any) -> JsonObject:
    """A sale at S01."""
    return movement("sale", **others) | {"lines": list(lines)}


async def stocked(operator: ApiCaller, till: ApiCaller) -> None:
    """Ten pills each of an expired lot, of one that expires and of one that does not."""
    await created(operator, "skus", PILLS, "s")
    for lot, expiry in (("bad", "2020-01-31"), ("soon", "2999-01-31"), ("never", None)):
        await created(operator, "lots", {"sku": "pills", "code": lot, "expiry": expiry}, lot)
        received = movement("receive") | {"lines": [line(lot, 10)]}
        assert (await till.record(lot, received)).status == 201


def fits(model: Any, reply: Reply) -> Any:
    """The answer, which must look as it is described."""
    return TypeAdapter(model).validate_json(reply.body) and reply.json()


async def test_a_sale_without_a_lot_is_answered_with_the_lots_that_were_taken(
    operator: ApiCaller, till: ApiCaller
) -> None:
    await stocked(operator, till)
    reply = await till.record("k", sale(line(None, -25)))
    shown = fits(MovementRecorded, reply)
    lines = [(one["lot"], one["delta"], one["on_hand"], one["available"]) for one in shown["lines"]]
    assert lines == [("soon", -10, 5, -5), ("never", -10, 5, -5), (None, -5, 5, -5)]
    assert [one["code"] for one in shown["warnings"]] == ["no_usable_lot"]
    again = await till.record("k", sale(line(None, -25)))
    assert (again.body, again.headers["Idempotency-Replayed"]) == (reply.body, "true")
    listed = await till.get(f"/v1/movements/{shown['id']}")
    assert [one["lot"] for one in listed["lines"]] == ["soon", "never", None]


async def test_an_expired_lot_is_refused_with_its_line_and_why(
    operator: ApiCaller, till: ApiCaller
) -> None:
    await stocked(operator, till)
    before = await till.books()
    reply = await till.record("k", sale(line("soon", -1), line("bad", -1)))
    assert (reply.status, reply.code) == (409, "lot_not_usable")
    (error,) = reply.json()["errors"]
    assert (error["loc"], error["type"]) == (["lines", 1, "lot"], "expired")
    batch = await till.record_batch([{"key": "b", **sale(line("bad", -1))}])
    (result,) = batch.json()["results"]
    assert (result["status"], result["problem"]["code"]) == (409, "lot_not_usable")
    assert result["problem"]["errors"][0]["type"] == "expired"
    assert await till.books() == before


async def test_the_operator_overrides_with_a_reason_and_a_till_does_not(
    operator: ApiCaller, till: ApiCaller
) -> None:
    await stocked(operator, till)
    asked = sale(line("bad", -1), override_lot=True)
    assert (await operator.record("k", asked)).code == "validation_failed"
    assert (await operator.record("k", {**asked, "reason": " "})).code == "validation_failed"
    wasted = movement("waste", reason="r", override_lot=True) | {"lines": [line("bad", -1)]}
    assert (await operator.record("k", wasted)).code == "validation_failed"
    asked["reason"] = "the label is wrong"
    assert (await till.record("k", asked)).code == "forbidden"
    shown = fits(MovementRecorded, await operator.record("k", asked))
    assert [one["lot_override"] for one in shown["lines"]] == ["expired"]


async def test_stock_shows_what_is_held_and_why(operator: ApiCaller, till: ApiCaller) -> None:
    await stocked(operator, till)
    reply = await till.ask("GET", "/v1/stock/S01/pills")
    row = fits(StockRowWithLots, reply)
    assert (row["on_hand"], row["held"], row["available"]) == (30, 10, 20)
    lots = {one["lot"]: (one["available"], one["standing"]) for one in row["lots"]}
    assert lots == {"bad": (0, "expired"), "soon": (10, "ok"), "never": (10, "ok")}
    (listed,) = (await till.get("/v1/stock", sku="pills"))["items"]
    assert (listed["held"], listed["available"]) == (10, 20)


async def test_a_shop_neither_recalls_nor_writes_answers_by_hand(
    operator: ApiCaller, till: ApiCaller
) -> None:
    await stocked(operator, till)
    assert (await ask(operator, "POST", f"{BAD}/recall", {"reason": "r"})).code == "forbidden"
    assert (await ask(operator, "POST", f"{BAD}/acknowledge", {"set_aside": 1})).code == "conflict"
    nobodys = "/v1/lots/pills/nobody/acknowledge"
    assert (await ask(operator, "POST", nobodys, {"set_aside": 1})).code == "not_found"
    by_hand = {"acknowledged": {"S01": {"by": "me", "at": 1, "recall": 1}}}
    assert (await ask(operator, "PATCH", BAD, by_hand)).code == "validation_failed"
    new = {"sku": "pills", "code": "new", **by_hand}
    assert (await ask(operator, "POST", "/v1/lots", new)).code == "validation_failed"


async def test_a_recall_is_answered_and_traced(office: ApiCaller) -> None:
    lot = f"/v1/lots/pills/{quote('L/1', safe='')}"
    assert (await office.ask("GET", f"{lot}/trace")).code == "not_found"
    assert (await ask(office, "POST", f"{lot}/recall", {"reason": ""})).code == "validation_failed"
    recalled = await ask(office, "POST", f"{lot}/recall", {"reason": "wrong strength"}, "k")
    assert (recalled.status, fits(LotActed, recalled)["status"]) == (200, "recalled")
    assert recalled.headers["ETag"]
    again = await ask(office, "POST", f"{lot}/recall", {"reason": "wrong strength"}, "k")
    assert (again.body, again.headers["Idempotency-Replayed"]) == (recalled.body, "true")
    adjusted = {"kind": "adjust", "location": "S07", "reason": "found"}
    goods = {"lines": [{"sku": "pills", "lot": "L/1", "delta": 3}]}
    assert (await office.record("found", adjusted | goods)).status == 201
    trace = fits(Trace, await office.ask("GET", f"{lot}/trace"))
    assert (trace["status"], trace["note"]) == ("recalled", "wrong strength")
    assert trace["unacknowledged"] == ["S07"]
    answer = {"set_aside": 3, "location": "S07"}
    answered = await ask(office, "POST", f"{lot}/acknowledge", answer, "a")
    assert fits(LotActed, answered)["acknowledged"]["S07"]["set_aside"] == 3
    trace = fits(Trace, await office.ask("GET", f"{lot}/trace"))
    (holder,) = trace["locations"]
    assert (holder["on_hand"], holder["acknowledged"]["set_aside"]) == (3, 3)
    assert trace["unacknowledged"] == []


async def test_a_new_recall_is_answered_anew(office: ApiCaller) -> None:
    lot = "/v1/lots/pills/L1"
    goods = {"lines": [{"sku": "pills", "lot": "L1", "delta": 3}]}
    found = {"kind": "adjust", "location": "S07", "reason": "found", **goods}
    assert (await office.record("found", found)).status == 201
    for number in range(2):
        recalled = {"reason": f"reason {number}"}
        assert (await ask(office, "POST", f"{lot}/recall", recalled, f"r{number}")).status == 200
        trace = await office.get(f"{lot}/trace")
        assert trace["unacknowledged"] == ["S07"], "what it said of the one before is no answer"
        answer = {"set_aside": 0, "location": "S07"}
        assert (await ask(office, "POST", f"{lot}/acknowledge", answer, f"a{number}")).status == 200
        assert (await office.get(f"{lot}/trace"))["unacknowledged"] == []
        assert (await ask(office, "PATCH", lot, {"status": "ok"}, f"p{number}")).status == 200
        trace = await office.get(f"{lot}/trace")
        assert (trace["recalled_at"], trace["unacknowledged"]) == (None, [])


async def test_a_trace_has_every_sale_of_the_lot_newest_first_and_page_by_page(
    operator: ApiCaller, till: ApiCaller
) -> None:
    await stocked(operator, till)
    ids = []
    for number in range(5):
        kind = "dispense" if number % 2 else "sale"
        lines = {"lines": [line("soon", -1), line("never", -1)]}
        reply = await till.record(f"k{number}", movement(kind, reference=f"r{number}") | lines)
        ids.append(reply.json()["id"])
    await till.record("waste", movement("waste", reason="r") | {"lines": [line("soon", -1)]})
    back = await ask(till, "POST", f"/v1/movements/{ids[3]}/reverse", None, "back")
    found: list[JsonObject] = []
    cursor: dict[str, str] = {}
    while True:
        reply = await till.ask("GET", "/v1/lots/pills/soon/trace", params={"limit": 2, **cursor})
        page = fits(Trace, reply)
        found += page["items"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert [one["id"] for one in found] == ids[::-1]
    assert [one["lines"] for one in found] == [[line("soon", -1)]] * 5
    taken_back = {one["id"]: one["reversed_by"] for one in found if one["reversed_by"]}
    assert taken_back == {ids[3]: back.json()["id"]}
    assert (page["movements_of"], page["recalled_at"], page["unacknowledged"]) == (
        ["S01"],
        None,
        [],
    )
    assert [(one["location"], one["on_hand"]) for one in page["locations"]] == [("S01", 5)]
    bad = await till.ask("GET", "/v1/lots/pills/soon/trace", params={"cursor": "x"})
    assert bad.code == "validation_failed"


async def test_an_expired_lot_is_neither_shipped_nor_dispensed_but_for_a_reason(
    operator: ApiCaller, till: ApiCaller
) -> None:
    await stocked(operator, till)
    lines = [{"sku": "pills", "quantity": 5}]
    order = {"kind": "customer", "location": "S01", "lines": lines}
    transfer = {"source": "S01", "destination": "S02", "lines": lines}
    placed = await created(operator, "orders", order, "o")
    drafted = await created(operator, "transfers", transfer, "t")
    order_at, transfer_at = placed.headers["Location"], drafted.headers["Location"]
    assert (await ask(operator, "POST", f"{order_at}/place", {}, "p")).status == 200
    bad = {"lines": [{"sku": "pills", "lot": "bad", "quantity": 1}]}
    paths = {
        "dispense": f"{order_at}/dispense",
        "sale": f"{order_at}/fulfil",
        "transfer_ship": f"{transfer_at}/ship",
    }
    for number, (kind, path) in enumerate(paths.items()):
        refused = await ask(operator, "POST", path, bad, f"r{number}")
        assert (refused.status, refused.code) == (409, "lot_not_usable")
        (error,) = refused.json()["errors"]
        assert (error["loc"], error["type"]) == (["pills", "bad"], "expired")
        asked = {**bad, "override_lot": True}
        assert (await ask(operator, "POST", path, asked, f"n{number}")).code == "validation_failed"
        asked["reason"] = "the label is wrong"
        assert (await ask(till, "POST", path, asked, f"t{number}")).code == "forbidden"
        assert (await ask(operator, "POST", path, asked, f"y{number}")).status == 200
        newest = (await till.get("/v1/movements", limit=1, kind=kind))["items"][0]
        assert newest["reason"] == "the label is wrong"
        assert [one["lot_override"] for one in newest["lines"]] == ["expired"]
    assert (await ask(till, "POST", f"{order_at}/dispense", {}, "rest")).status == 200
    newest = (await till.get("/v1/movements", limit=1, kind="dispense"))["items"][0]
    assert [(one["lot"], one["delta"]) for one in newest["lines"]] == [("soon", -3)]
