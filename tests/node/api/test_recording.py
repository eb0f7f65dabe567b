"""What is recorded, what is answered, and what a repeat gets."""

import asyncio
import re
from typing import Any

import msgpack
import pytest

from node.node import Node
from protocol.limits import BATCH_LINES_MAX
from tests.node.api.caller import ApiCaller, movement, sale


async def test_a_sale_is_answered_with_what_is_left(till: ApiCaller) -> None:
    await till.record("k1", movement("opening", ("A1", 100)))
    reply = await till.record(
        "k2",
        sale(("A1", -6), reference="receipt 536365", occurred_at="2010-12-01T09:26:00+01:00"),
    )
    assert reply.status == 201
    answer = reply.json()
    assert reply.headers["Location"] == f"/v1/movements/{answer['id']}"
    assert "Idempotency-Replayed" not in reply.headers
    (line,) = answer["lines"]
    assert {name: line[name] for name in ("sku", "lot", "delta", "on_hand", "available")} == {
        "sku": "A1",
        "lot": None,
        "delta": -6,
        "on_hand": 94,
        "available": 94,
    }
    assert answer["kind"] == "sale"
    assert answer["actor"] == "till-1"
    assert answer["seq"] == 3, "after the note of the till's token, and the opening"
    assert answer["occurred_at"].startswith("2010-12-01T08:26:00")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer["id"])
    shown = await till.get(reply.headers["Location"])
    assert (shown["id"], shown["reference"]) == (answer["id"], "receipt 536365")


async def test_a_repeat_gets_the_first_answer_and_changes_nothing(till: ApiCaller) -> None:
    first = await till.record("k", sale(("A1", -2)))
    await till.record("other", sale(("A1", -1)))
    again = await till.record("k", sale(("A1", -2)))
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert await till.on_hand("A1") == -3


async def test_a_repeat_that_is_written_differently_is_still_one(till: ApiCaller) -> None:
    first = await till.record("k", sale(("A1", -2), occurred_at="2020-01-01T01:00:00+01:00"))
    again = await till.record(
        "k", {**sale(("A1", -2), occurred_at="2020-01-01T00:00:00Z"), "note": None, "details": {}}
    )
    assert again.body == first.body


async def test_a_key_with_another_body_is_refused(till: ApiCaller) -> None:
    await till.record("k", sale(("A1", -2)))
    reply = await till.record("k", sale(("A1", -3)))
    assert (reply.status, reply.code) == (422, "idempotency_key_reused")
    assert await till.on_hand("A1") == -2


async def test_two_tills_may_use_one_key(till: ApiCaller, node: Node) -> None:
    neighbour = ApiCaller(till.http, await node.callers.create_token("till-2"))
    first = await till.record("k", sale(("A1", -1)))
    second = await neighbour.record("k", sale(("A1", -1)))
    assert (first.status, second.status) == (201, 201)
    assert first.json()["id"] != second.json()["id"]
    assert await till.on_hand("A1") == -2


async def test_json_and_msgpack_are_one_request(till: ApiCaller) -> None:
    body = sale(("A1", -1), note="caf\u00e9", details={"table": 7, "tags": ["x"]})
    first = await till.record("k", body)
    again = await till.ask(
        "POST",
        "/v1/movements",
        data=msgpack.packb(body),
        headers={"Idempotency-Key": "k", "Content-Type": "application/msgpack"},
    )
    assert again.body == first.body
    assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("kind", "delta", "reason"),
    [
        ("opening", 5, None),
        ("receive", 5, None),
        ("sale", -5, None),
        ("dispense", -5, None),
        ("customer_return", 5, None),
        ("supplier_return", -5, None),
        ("adjust", 5, "found"),
        ("adjust", -5, "lost"),
        ("waste", -5, "broken"),
        ("sale", 0, None),
        ("opening", 10**9, None),
    ],
)
async def test_every_kind_is_recorded_with_its_sign(
    kind: str, delta: int, reason: str | None, till: ApiCaller
) -> None:
    reply = await till.record("k", movement(kind, ("A1", delta), reason=reason))
    assert reply.status == 201, reply
    assert await till.on_hand("A1") == delta


async def test_a_count_sets_what_is_there(till: ApiCaller) -> None:
    await till.record("k1", movement("opening", ("A1", 10)))
    count = {"kind": "count", "location": "S01", "lines": [{"sku": "A1", "counted": 7}]}
    reply = await till.record("k2", count)
    line = reply.json()["lines"][0]
    assert (line["delta"], line["on_hand"]) == (-3, 7)
    assert (await till.record("k2", count)).body == reply.body


async def test_a_count_of_a_thousand_lines_is_recorded(till: ApiCaller) -> None:
    lines = [{"sku": f"{number:08d}", "counted": number} for number in range(1000)]
    reply = await till.record("k", {"kind": "count", "location": "S01", "lines": lines})
    assert reply.status == 201, reply.body[:300]
    assert await till.on_hand("00000999") == 999


async def test_received_goods_keep_their_cost_and_expiry_and_a_till_is_not_told_what_they_cost(
    till: ApiCaller, operator: ApiCaller
) -> None:
    line = {
        "sku": "A1",
        "lot": "L1",
        "delta": 5,
        "supplier": "Acme",
        "unit_cost": {"amount": 1250, "currency": "EUR"},
        "expiry": "2030-02-28",
    }
    reply = await till.record("k", {"kind": "receive", "location": "S01", "lines": [line]})
    assert reply.status == 201, reply
    shown = (await operator.get(reply.headers["Location"]))["lines"][0]
    assert {name: shown[name] for name in line} == line
    told = [
        (await till.get(reply.headers["Location"])),
        *(await till.get("/v1/movements"))["items"],
    ]
    assert [each["lines"][0]["expiry"] for each in told] == ["2030-02-28"] * 2
    assert not any("unit_cost" in each["lines"][0] for each in told)


async def test_what_is_written_comes_back_as_it_was(till: ApiCaller) -> None:
    written: dict[str, Any] = {
        "reference": "R\u00fcck-17",
        "reason": "\u7834\u640d",
        "note": "two\r\nlines\tand a tab",
        "details": {"a": [1, {"b": None, "c": True}], "": "\u0000 <script>"},
    }
    reply = await till.record("k", movement("waste", ("00017", -1), **written))
    assert reply.status == 201, reply
    shown = await till.get(reply.headers["Location"])
    assert {name: shown[name] for name in written} == written
    assert shown["lines"][0]["sku"] == "00017"


async def test_a_reversal_gives_back_and_happens_once(till: ApiCaller) -> None:
    sold = (await till.record("k", sale(("A1", -4), ("B2", -1)))).json()
    path = f"/v1/movements/{sold['id']}/reverse"
    first = await till.ask("POST", path, json={}, headers={"Idempotency-Key": "r"})
    assert first.status == 201, first
    assert [line["delta"] for line in first.json()["lines"]] == [4, 1]
    again = await till.ask("POST", path, json={}, headers={"Idempotency-Key": "r"})
    assert (again.body, again.headers["Idempotency-Replayed"]) == (first.body, "true")
    twice = await till.ask("POST", path, json={}, headers={"Idempotency-Key": "r2"})
    assert twice.code == "conflict"
    assert [await till.on_hand(sku) for sku in ("A1", "B2")] == [0, 0]


async def test_a_reversal_needs_no_body_but_a_key(till: ApiCaller) -> None:
    sold = (await till.record("k", sale(("A1", -4)))).json()
    path = f"/v1/movements/{sold['id'].upper()}/reverse"
    typed = {"Content-Type": "application/json"}
    assert (await till.ask("POST", path, headers=typed)).code == "idempotency_key_missing"
    keyed = {**typed, "Idempotency-Key": "r"}
    assert (await till.ask("POST", path, json={"x": 1}, headers=keyed)).code == "validation_failed"
    assert (await till.ask("POST", path, headers=keyed)).status == 201


@pytest.mark.parametrize("wrong_id", ["00000000-0000-0000-0000-000000000000", "1", "%00", "other"])
async def test_an_unknown_movement_is_not_found(wrong_id: str, till: ApiCaller) -> None:
    assert (await till.ask("GET", f"/v1/movements/{wrong_id}")).code == "not_found"
    reply = await till.ask(
        "POST", f"/v1/movements/{wrong_id}/reverse", json={}, headers={"Idempotency-Key": "k"}
    )
    assert reply.code == "not_found"


async def test_a_batch_answers_each_item_as_if_alone(till: ApiCaller) -> None:
    await till.record("before", sale(("A1", -1)))
    items: list[Any] = [
        {"key": "b1", **sale(("A1", -1))},
        {"key": "b2", **sale(("A1", 1))},
        sale(("A1", -1)),
        17,
        {"key": "before", **sale(("A1", -1))},
        {"key": "before", **sale(("A1", -2))},
        {"key": "b1", **sale(("A1", -1))},
        {"key": "b3", **sale(("A1", -1)), "location": "S02"},
        {"key": "b4", **sale(("A1", -1))},
    ]
    reply = await till.record_batch(items)
    assert reply.status == 200, reply
    results = reply.json()["results"]
    outcome = [(result["status"], result.get("problem", {}).get("code")) for result in results]
    assert outcome == [
        (201, None),
        (422, "validation_failed"),
        (400, "idempotency_key_missing"),
        (422, "validation_failed"),
        (201, None),
        (422, "idempotency_key_reused"),
        (201, None),
        (403, "forbidden"),
        (201, None),
    ]
    assert results[1]["problem"]["errors"][0]["loc"] == ["lines", 0, "delta"]
    assert results[6] == results[0]
    assert await till.on_hand("A1") == -3


async def test_a_repeated_batch_is_answered_the_same(till: ApiCaller) -> None:
    items = [{"key": f"b{n}", **sale(("A1", -1))} for n in range(1000)]
    first = await till.record_batch(items)
    again = await till.record_batch(items)
    assert again.body == first.body
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await till.on_hand("A1") == -1000
    alone = await till.record("b500", sale(("A1", -1)))
    assert alone.headers["Idempotency-Replayed"] == "true"
    assert alone.json() == first.json()["results"][500]["movement"]


async def test_a_batch_of_too_many_lines_is_refused_whole(till: ApiCaller) -> None:
    """Within its count of movements and its bytes, but it would keep every other till waiting."""
    lines = [{"sku": "A", "delta": -1}] * 1_000
    movements = [
        {"key": f"k{number}", "kind": "sale", "location": "S01", "lines": lines}
        for number in range(BATCH_LINES_MAX // 1_000)
    ]
    one_more = {"key": "k", "kind": "sale", "location": "S01", "lines": lines[:1]}
    reply = await till.record_batch([*movements, one_more])
    assert (reply.status, reply.code) == (413, "too_large")
    assert await till.on_hand("A") == 0
    assert (await till.record_batch(movements)).status == 200
    assert await till.on_hand("A") == -BATCH_LINES_MAX


async def test_an_empty_batch_does_nothing(till: ApiCaller) -> None:
    assert (await till.record_batch([])).json() == {"results": []}


async def test_a_location_of_another_shop_is_not_written(till: ApiCaller) -> None:
    reply = await till.record("k", {**sale(("A1", -1)), "location": "S02"})
    assert (reply.status, reply.code) == (403, "forbidden")
    assert await till.books() == ([], [])


async def test_complaint_2_two_tabs_that_send_one_queue_at_once_count_each_sale_once(
    till: ApiCaller,
) -> None:
    await till.record("goods", movement("opening", ("A1", 100)))
    queue = [{"key": f"sale-{number}", **sale(("A1", -1))} for number in range(20)]
    first, second = await asyncio.gather(till.record_batch(queue), till.record_batch(queue))
    assert first.status == second.status == 200
    assert first.body == second.body, "both tabs print the same receipts"
    assert await till.on_hand("A1") == 80
    alone = await asyncio.gather(*(till.record("sale-7", sale(("A1", -1))) for _ in range(5)))
    assert len({reply.body for reply in alone}) == 1
    assert await till.on_hand("A1") == 80
