"""Lists, single things, the digest and the state of the uplink."""

import sqlite3
from typing import Any

import pytest

from node import showing
from node.node import Node
from tests.node.api.caller import ApiCaller, movement, sale

ROW_FIELDS = {
    "location",
    "sku",
    "name",
    "on_hand",
    "reserved",
    "granted",
    "in_transit",
    "held",
    "available",
    "incoming",
    "minimum",
    "hub_seq",
}


async def _all(caller: ApiCaller, path: str, limit: int, **parameters: str) -> list[Any]:
    items: list[Any] = []
    cursor: dict[str, str] = {}
    for _ in range(100):
        page = await caller.get(path, limit=limit, **parameters, **cursor)
        assert len(page["items"]) <= limit
        items += page["items"]
        if page["next"] is None:
            return items
        cursor = {"cursor": page["next"]}
    raise AssertionError("a list without an end")


async def test_movements_come_newest_first_and_whole_over_pages(till: ApiCaller) -> None:
    for number in range(7):
        await till.record(f"k{number}", sale(("A1", -1), reference=f"r{number}"))
    for limit in (1, 2, 3, 7, 1000):
        found = await _all(till, "/v1/movements", limit)
        assert [one["reference"] for one in found] == [f"r{number}" for number in range(6, -1, -1)]


async def test_a_page_is_not_disturbed_by_what_is_recorded_meanwhile(till: ApiCaller) -> None:
    for number in range(4):
        await till.record(f"k{number}", sale(("A1", -1), reference=f"r{number}"))
    first = await till.get("/v1/movements", limit=2)
    await till.record("new", sale(("A1", -1), reference="new"))
    second = await till.get("/v1/movements", limit=2, cursor=first["next"])
    assert [one["reference"] for one in second["items"]] == ["r1", "r0"]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"sku": "A1"}, ["r3", "r1", "r0"]),
        ({"sku": "A1", "lot": ""}, ["r1", "r0"]),
        ({"sku": "A1", "lot": "L1"}, ["r3"]),
        ({"sku": "B2", "kind": "opening"}, ["r2"]),
        ({"kind": "sale"}, ["r1", "r0"]),
        ({"reference": "r1"}, ["r1"]),
        ({"location": "S01", "kind": "opening"}, ["r3", "r2"]),
        ({"location": "S02"}, []),
        ({"since": "2020-01-02T00:00:00Z"}, ["r3", "r2", "r1"]),
        ({"until": "2020-01-02T00:00:00Z"}, ["r0"]),
        ({"since": "2020-01-02T00:00:00Z", "until": "2020-01-03T00:00:00Z"}, ["r1"]),
    ],
)
async def test_movements_are_found_by_what_they_say(
    parameters: dict[str, str], expected: list[str], till: ApiCaller
) -> None:
    lot_line = {"sku": "A1", "lot": "L1", "delta": 5}
    for number, body in enumerate(
        [
            sale(("A1", -1)),
            sale(("A1", -1), ("B2", -1)),
            movement("opening", ("B2", 5)),
            {"kind": "opening", "location": "S01", "lines": [lot_line]},
        ]
    ):
        day = f"2020-01-0{number + 1}T00:00:00Z"
        reply = await till.record(
            f"k{number}", {**body, "reference": f"r{number}", "occurred_at": day}
        )
        assert reply.status == 201, reply
    found = await till.get("/v1/movements", **parameters)
    assert [one["reference"] for one in found["items"]] == expected


async def test_stock_comes_by_location_and_sku_and_whole_over_pages(till: ApiCaller) -> None:
    skus = ["10", "2", "A", "a", "\u00e9", "\u7834"]
    await till.record("k", movement("opening", *((sku, 1) for sku in reversed(skus))))
    for limit in (1, 4, 6, 1000):
        found = await _all(till, "/v1/stock", limit)
        assert [row["sku"] for row in found] == skus
        assert all(set(row) == ROW_FIELDS for row in found)


async def test_a_page_goes_on_after_the_longest_codes(till: ApiCaller) -> None:
    skus = [f"{number}{chr(0x20000) * 63}" for number in range(3)]
    await till.record("k", movement("opening", *((sku, 1) for sku in skus)))
    assert [row["sku"] for row in await _all(till, "/v1/stock", 1)] == skus


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"sku": "TEA-1"}, ["TEA-1"]),
        ({"q": "tea"}, ["TEA-1", "TEA_2"]),
        ({"q": "_"}, ["TEA_2"]),
        ({"q": "%"}, []),
        ({"q": "tea", "sku": "MILK"}, []),
        ({"q": "il", "sku": "MILK"}, ["MILK"]),
        ({"location": "S02"}, []),
        ({"below_minimum": "true"}, []),
        ({"below_minimum": "false"}, ["MILK", "TEA-1", "TEA_2"]),
        ({"expiring_within_days": "30"}, []),
    ],
)
async def test_stock_is_found_by_what_is_asked(
    parameters: dict[str, str], expected: list[str], till: ApiCaller
) -> None:
    await till.record("k", movement("opening", ("TEA-1", 1), ("TEA_2", 1), ("MILK", 1)))
    found = await till.get("/v1/stock", **parameters)
    assert [row["sku"] for row in found["items"]] == expected


async def test_one_row_sums_its_lots(till: ApiCaller) -> None:
    lines = [
        {"sku": "A/1 %", "delta": 1},
        {"sku": "A/1 %", "lot": "L1", "delta": 2},
        {"sku": "A/1 %", "lot": "L2", "delta": 4},
    ]
    await till.record("k", {"kind": "opening", "location": "S01", "lines": lines})
    row = await till.get("/v1/stock/S01/A%2F1%20%25")
    assert set(row) == ROW_FIELDS | {"lots"}
    assert (row["sku"], row["on_hand"], row["available"]) == ("A/1 %", 7, 7)
    assert [(lot["lot"], lot["on_hand"]) for lot in row["lots"]] == [("L1", 2), ("L2", 4)]


async def test_a_pair_never_touched_is_zero_if_either_is_known(till: ApiCaller) -> None:
    await till.record("k", movement("opening", ("A1", 1)))
    for path in ("/v1/stock/S01/NEW", "/v1/stock/S77/A1"):
        row = await till.get(path)
        assert (row["on_hand"], row["available"], row["lots"]) == (0, 0, [])
    reply = await till.ask("GET", "/v1/stock/S77/NEW")
    assert (reply.status, reply.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/v1/movements", "limit=0"),
        ("/v1/movements", "limit=1001"),
        ("/v1/movements", "limit=-1"),
        ("/v1/movements", "limit=1e3"),
        ("/v1/movements", "limit=%31%30%20"),
        ("/v1/movements", "limit=\u0661"),
        ("/v1/movements", "limit="),
        ("/v1/movements", "limit=5&limit=6"),
        ("/v1/movements", "sku=A1&sku=B2"),
        ("/v1/movements", "sort=sku"),
        ("/v1/movements", "kind=steal"),
        ("/v1/movements", "since=yesterday"),
        ("/v1/movements", "since=2020-01-01T00:00:00"),
        ("/v1/movements", "sku="),
        ("/v1/movements", "sku=%00"),
        ("/v1/movements", "lot=L1"),
        ("/v1/movements", "cursor="),
        ("/v1/movements", "cursor=abc"),
        ("/v1/movements", "cursor=k_8AAAAAAAAAAA"),
        ("/v1/movements", "cursor=%F0%9F%98%80"),
        ("/v1/movements", "cursor=" + "A" * 5000),
        ("/v1/stock", "limit=1001"),
        ("/v1/stock", "below_minimum=yes"),
        ("/v1/stock", "expiring_within_days=-1"),
        ("/v1/stock", "cursor=kQE"),
        ("/v1/stock", "location=%0A"),
        ("/v1/stock/S01/%0A", ""),
        ("/v1/stock/S01/A1", "lot=L1"),
        ("/v1/digest", ""),
        ("/v1/digest", "scope=stock"),
        ("/v1/digest", "scope=stock:"),
        ("/v1/digest", "scope=wages:S01"),
        ("/v1/sync", "verbose=1"),
    ],
)
async def test_a_parameter_that_means_nothing_is_refused(
    path: str, parameters: str, till: ApiCaller
) -> None:
    await till.record("k", movement("opening", ("A1", 1)))
    reply = await till.ask("GET", f"{path}?{parameters}")
    assert (reply.status, reply.code) == (422, "validation_failed"), reply


async def test_the_cursor_of_another_list_is_refused(till: ApiCaller) -> None:
    await till.record("k", movement("opening", ("A1", 1), ("B2", 1)))
    cursor = (await till.get("/v1/stock", limit=1))["next"]
    reply = await till.ask("GET", "/v1/movements", params={"cursor": cursor})
    assert (reply.status, reply.code) == (422, "validation_failed")


async def test_the_uplink_says_that_it_is_cut_off(till: ApiCaller) -> None:
    for number in range(3):
        await till.record(f"k{number}", sale(("A1", -1)))
    found = await till.get("/v1/sync")
    fields = {"connected", "hub", "replica", "epoch", "pending", "oldest_pending_age_s", "acked"}
    fields |= {"stable", "caught_up", "cursors", "last_contact_at", "last_error", "quarantined"}
    fields.add("incidents")
    assert fields <= set(found)
    assert (found["connected"], found["pending"], found["acked"]) == (False, 4, 0), (
        "and the note of the till's token"
    )
    assert 0 <= found["oldest_pending_age_s"] < 60


async def test_a_session_that_opens_while_the_state_is_read_is_not_told_with_what_was_pending_before_it(
    till: ApiCaller, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub may have less than it acknowledged, which opening the session writes: "connected, and nothing to send" is false."""
    read = showing.sync_status

    def opens_meanwhile(db: sqlite3.Connection, now_ms: int) -> dict[str, object]:
        before = read(db, now_ms)
        node._uplink.local.connected = True
        return before

    monkeypatch.setattr(showing, "sync_status", opens_meanwhile)
    assert (await till.get("/v1/sync"))["connected"] is False


async def test_the_digest_of_a_scope_without_rows_is_known(till: ApiCaller) -> None:
    found = await till.get("/v1/digest", scope="stock:S01")
    assert set(found) == {"scope", "hub_seq", "rows", "digest"}
    assert (found["scope"], found["hub_seq"], found["rows"]) == ("stock:S01", 0, 0)
