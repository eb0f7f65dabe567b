"""Exceptions over HTTP: each kind appears, says what to do, goes once it is mended or is resolved, and stays in the record."""

import asyncio
from functools import partial
from pathlib import Path

import orjson
import pytest

from node import setbacks
from node.alerting import following
from node.exceptions import listed, watching
from node.live import reading
from node.live.events import EventName
from node.node import Node
from protocol.frames.log import StatusEntry
from protocol.ids import Seq
from protocol.limits import RESOLUTIONS_MAX
from runtime.world import World
from tests.node.api.caller import ApiCaller
from tests.node.api.on_list import Desk, all_was_read
from tests.node.enrolled import Shop, enrolled_folder


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look as soon as something changed."""
    monkeypatch.setattr(watching, "INTERVAL_S", 0.02)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of a node that writes two shops: of both ends of a transfer."""
    return enrolled_folder(tmp_path / "both", name="both", writes=("S01", "S02"))


@pytest.fixture
async def desk(operator: ApiCaller, node: Node) -> Desk:
    """Give the operator, who has described tea."""
    await all_was_read(node)
    desk = Desk(operator)
    await desk.does("POST", "/v1/skus", {"id": "tea", "name": "Tea"})
    return desk


@pytest.fixture
async def office_desk(office: ApiCaller, office_node: Node) -> Desk:
    """Give the office's operator."""
    await all_was_read(office_node)
    return Desk(office)


async def test_a_shelf_below_zero_is_listed_until_what_came_is_booked(desk: Desk) -> None:
    await desk.moves("sale", "tea", -3)
    found = await desk.sees_one("open", "below_zero")
    assert (found["location"], found["sku"], found["lot"]) == ("S01", "tea", None)
    assert (found["quantity"], found["resolutions"]) == (3, [])
    assert found["sentence"] == '"tea" at "S01" shows -3: more left than was ever there.'
    await desk.moves("receive", "tea", 10)
    mended = await desk.sees_one("mended", "below_zero")
    assert await desk.lists("open") == []
    assert (mended["id"], mended["mended_at"] is not None) == (found["id"], True)


async def test_a_lot_below_zero_is_listed_though_the_shelf_is_full(desk: Desk) -> None:
    await desk.moves("receive", "tea", 10)
    await desk.moves("adjust", "tea", -1, lot="L1", reason="broken")
    found = await desk.sees_one("open", "below_zero")
    assert (found["lot"], found["quantity"]) == ("L1", 1)


async def test_goods_that_nobody_described_are_listed_until_somebody_does(desk: Desk) -> None:
    await desk.moves("receive", "mystery", 5)
    await desk.moves("sale", "mystery", -1)
    found = await desk.sees_one("open", "unknown_sku")
    assert (found["sku"], found["location"]) == ("mystery", "S01")
    await desk.does("POST", "/v1/skus", {"id": "mystery", "name": "No longer one"})
    assert (await desk.sees_one("mended", "unknown_sku"))["id"] == found["id"]


async def a_transfer(desk: Desk) -> str:
    """The address of a transfer of ten tea from S01 to S02 that was shipped."""
    await desk.moves("receive", "tea", 30)
    lines = [{"sku": "tea", "quantity": 10}]
    draft = {"source": "S01", "destination": "S02", "lines": lines}
    address = (await desk.does("POST", "/v1/transfers", draft)).headers["Location"]
    await desk.does("POST", f"{address}/ship")
    return address


async def test_what_did_not_arrive_is_listed_until_it_turns_up(desk: Desk) -> None:
    address = await a_transfer(desk)
    await desk.does("POST", f"{address}/receive", {"lines": [{"sku": "tea", "quantity": 8}]})
    await desk.does("POST", f"{address}/close")
    found = await desk.sees_one("open", "transfer_difference")
    assert (found["matter"], found["quantity"]) == ("short", 2)
    assert (found["location"], found["other_location"]) == ("S01", "S02")
    assert f"/v1/{found['collection']}/{found['document']}" == address
    for location in ("S01", "S02"):
        assert [one["id"] for one in await desk.lists("open", location=location)] == [found["id"]]
    await desk.does("POST", f"{address}/receive", {"lines": [{"sku": "tea", "quantity": 2}]})
    assert (await desk.sees_one("mended", "transfer_difference"))["id"] == found["id"]


async def test_every_way_in_which_a_transfer_differs_has_words_of_its_own(desk: Desk) -> None:
    address = await a_transfer(desk)
    await desk.does("POST", f"{address}/call_back")
    called = await desk.sees_one("open", "transfer_difference")
    assert (called["matter"], called["quantity"]) == ("called_back", None)
    goods = {"lines": [{"sku": "tea", "quantity": 12}], "damaged": [{"sku": "tea", "quantity": 1}]}
    await desk.does("POST", f"{address}/receive", goods)
    found = await desk.sees("open", "transfer_difference", "transfer_difference")
    assert {one["matter"]: one["quantity"] for one in found} == {"over": 3, "damaged": 1}
    draft = {"source": "S01", "destination": "S02", "lines": [{"sku": "tea", "quantity": 1}]}
    unsent = (await desk.does("POST", "/v1/transfers", draft)).headers["Location"]
    await desk.does("POST", f"{unsent}/receive", {"lines": [{"sku": "tea", "quantity": 1}]})
    found = await desk.sees("open", *["transfer_difference"] * 3)
    sentences = {one["matter"]: one["sentence"] for one in found}
    assert set(sentences) == {"over", "damaged", "unannounced"}
    assert len(set(sentences.values())) == 3


async def test_more_than_was_ordered_is_listed_until_it_is_resolved(desk: Desk) -> None:
    draft = {"kind": "purchase", "location": "S01", "lines": [{"sku": "tea", "quantity": 10}]}
    address = (await desk.does("POST", "/v1/orders", draft)).headers["Location"]
    await desk.does("POST", f"{address}/place")
    await desk.does("POST", f"{address}/fulfil", {"lines": [{"sku": "tea", "quantity": 12}]})
    found = await desk.sees_one("open", "order_difference")
    assert (found["matter"], found["quantity"]) == ("over", 2)
    assert (await desk.resolves(found, "we keep them"))["state"] == "resolved"
    assert await desk.lists("open") == []
    await desk.does("POST", f"{address}/fulfil", {"lines": [{"sku": "tea", "quantity": 1}]})
    again = await desk.sees_one("open", "order_difference")
    assert (again["id"], again["quantity"]) == (found["id"], 3), "another quantity is open again"
    assert [one["note"] for one in again["resolutions"]] == ["we keep them"]


async def test_two_last_days_of_a_lot_are_listed_until_the_office_says_which(
    office_desk: Desk,
) -> None:
    desk = office_desk
    await desk.does("POST", "/v1/skus", {"id": "tea", "name": "Tea", "lot_tracked": True})
    await desk.does("POST", "/v1/lots", {"sku": "tea", "code": "L1", "expiry": "2999-06-30"})
    await desk.does("PATCH", "/v1/lots/tea/L1", {"expiry": "2999-05-31"})
    await desk.does("PATCH", "/v1/lots/tea/L1", {"expiry": "2999-06-30"})
    await desk.moves("adjust", "rice", 1, reason="found")
    await desk.sees_one("open", "unknown_sku")
    assert await desk.lists(sku="tea") == [], "who corrects what was seen contradicts nobody"


async def test_a_last_day_read_off_a_parcel_against_the_one_that_stands_is_listed(
    desk: Desk,
) -> None:
    for number, day in enumerate(("2999-06-30", "2999-06-30", "2999-07-31"), 1):
        reply = await desk.moves("receive", "tea", number, lot="L1", expiry=day)
    assert [one["code"] for one in reply.json()["warnings"]] == ["expiry_differs"]
    found = await desk.sees_one("open", "two_expiries")
    assert (found["location"], found["sku"], found["lot"]) == (None, "tea", "L1")
    assert "2999-06-30 and 2999-07-31; 2999-06-30 stands" in found["sentence"]
    await desk.moves("receive", "tea", 4, lot="L1", expiry="2999-01-31")
    for _ in range(200):
        again = await desk.sees_one("open", "two_expiries")
        if again["version"] != found["version"]:
            break
        await asyncio.sleep(0.02)
    assert "2999-01-31 and 2999-06-30; 2999-01-31 stands" in again["sentence"]
    reply = await desk.asks("POST", f"/v1/exceptions/{found['id']}/resolve", {"note": "n"})
    assert reply.code == "forbidden", "it is about the whole chain"


async def test_a_barcode_that_a_shop_linked_is_listed_until_the_office_confirms_it(
    office_desk: Desk,
) -> None:
    sku = {"id": "tea", "name": "Tea", "barcodes": {"400": {}, "401": {}}}
    linked = {"unconfirmed_barcodes": {"400": "S07", "401": "S08"}}
    await office_desk.does("POST", "/v1/skus", {**sku, **linked})
    found = await office_desk.sees("open", "unconfirmed_barcode", "unconfirmed_barcode")
    assert {(one["matter"], one["location"]) for one in found} == {("400", "S07"), ("401", "S08")}
    await office_desk.does("PATCH", "/v1/skus/tea", {"unconfirmed_barcodes": {"400": None}})
    left = await office_desk.sees_one("open", "unconfirmed_barcode")
    assert left["matter"] == "401"


@pytest.mark.parametrize("code", ["undecodable", "repeat_differs"])
async def test_an_operation_that_the_hub_could_not_take_is_listed_until_it_is_resolved(
    desk: Desk, node: Node, code: str
) -> None:
    recorded = (await desk.moves("receive", "tea", 5)).json()
    (last,) = await node._store.read(
        lambda db: db.execute("SELECT max(seq) AS seq FROM log").fetchall()
    )
    entry = StatusEntry(Seq(last["seq"]), code, "it was sent in another form")
    await setbacks.set_aside(node._store, World(), [entry])
    kind = "repeat_differs" if code == "repeat_differs" else "quarantined"
    found = await desk.sees_one("open", kind)
    assert (found["operation"], found["location"]) == (recorded["id"], "S01")
    assert f"it was sent in another form ({code})" in found["sentence"]
    assert (await desk.resolves(found, "recorded again"))["state"] == "resolved"
    (said,) = (await desk.operator.get("/v1/resolutions"))["items"]
    assert (said["id"], said["code"], said["operation"]) == (
        found["id"],
        kind,
        found["operation"].replace("-", ""),
    )


async def test_what_somebody_said_stays_with_their_name_whatever_becomes_of_it(desk: Desk) -> None:
    await desk.moves("sale", "tea", -3)
    found = await desk.sees_one("open", "below_zero")
    resolved = await desk.resolves(found, "they had fallen\nbehind the rack")
    assert (resolved["state"], resolved["id"]) == ("resolved", found["id"])
    (said,) = resolved["resolutions"]
    assert (said["by"], said["node"], said["version"], said["sentence"]) == (
        "operator",
        "both",
        found["version"],
        found["sentence"],
    )
    await desk.moves("receive", "tea", 1)
    again = await desk.sees_one("open", "below_zero")
    assert (again["quantity"], again["resolutions"]) == (2, [said])
    await desk.resolves(again, "two of them")
    await desk.moves("receive", "tea", 2)
    mended = await desk.sees_one("mended", "below_zero")
    assert [one["note"] for one in mended["resolutions"]] == [
        "they had fallen\nbehind the rack",
        "two of them",
    ]
    shown = await desk.operator.get(f"/v1/resolutions/{found['id']}")
    assert (shown["code"], shown["location"], shown["sku"]) == ("below_zero", "S01", "tea")
    assert {one["note"] for one in shown["said"].values()} == {
        one["note"] for one in mended["resolutions"]
    }


async def test_a_repeat_of_a_resolution_says_nothing_twice(desk: Desk) -> None:
    await desk.moves("sale", "tea", -3)
    address = f"/v1/exceptions/{(await desk.sees_one('open', 'below_zero'))['id']}/resolve"
    first = await desk.asks("POST", address, {"note": "seen"}, key="once")
    again = await desk.asks("POST", address, {"note": "seen"}, key="once")
    assert (again.body, again.headers["Idempotency-Replayed"]) == (first.body, "true")
    other = await desk.asks("POST", address, {"note": "not seen"}, key="once")
    assert other.code == "idempotency_key_reused"
    (shown,) = await desk.lists("resolved")
    assert len(shown["resolutions"]) == 1


async def test_who_may_not_resolve_and_what_cannot_be_is_refused(
    desk: Desk, node: Node, till: ApiCaller
) -> None:
    await desk.moves("sale", "tea", -3)
    found = await desk.sees_one("open", "below_zero")
    address, note = f"/v1/exceptions/{found['id']}/resolve", {"note": "seen"}
    assert (await desk.asks("POST", address, note, by=till)).code == "forbidden"
    assert (await till.get("/v1/exceptions"))["items"] == [found], "a till reads them"
    assert (await desk.asks("POST", address, {"note": ""})).code == "validation_failed"
    stale = await desk.asks("POST", address, {**note, "version": "0" * 16})
    assert stale.code == "conflict"
    nobody = "/v1/exceptions/00000000-0000-0000-0000-000000000000"
    assert (await desk.asks("POST", f"{nobody}/resolve", note)).code == "not_found"
    assert (await desk.operator.ask("GET", nobody)).code == "not_found"
    assert await desk.operator.get(f"/v1/exceptions/{found['id'].upper()}") == found
    for method in ("POST", "PATCH", "DELETE"):
        at = "/v1/resolutions" if method == "POST" else f"/v1/resolutions/{found['id']}"
        assert (await desk.asks(method, at)).code == "method_not_allowed"
    await desk.moves("receive", "tea", 3)
    await desk.sees_one("mended", "below_zero")
    assert (await desk.asks("POST", address, note)).code == "conflict"


async def pages(desk: Desk, **asked: str) -> list[list[str]]:
    """The ids of every page of the list."""
    found, cursor = [], {}
    while True:
        page = await desk.operator.get("/v1/exceptions", **asked, **cursor)
        found.append([one["id"] for one in page["items"]])
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


async def test_the_list_is_asked_for_by_kind_place_and_goods_and_in_pages(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sku in ("a", "b", "c"):
        await desk.moves("sale", sku, -1)
    await desk.sees("open", *["below_zero"] * 3, *["unknown_sku"] * 3)
    assert {one["sku"] for one in await desk.lists(code="unknown_sku")} == {"a", "b", "c"}
    assert [one["code"] for one in await desk.lists(sku="b", code="below_zero")] == ["below_zero"]
    assert await desk.lists(location="S02") == []
    found = await pages(desk, limit="4")
    assert [len(page) for page in found] == [4, 2]
    assert len({id_ for page in found for id_ in page}) == 6
    monkeypatch.setattr(listed, "EXAMINED_MAX", 2)
    for state in ({}, {"state": "open"}):
        short = await pages(desk, limit="2", sku="b", **state)
        assert len(short) >= 3, "it looks at two for each page"
        assert sum(len(page) for page in short) == 2
    refused = await desk.operator.ask("GET", "/v1/exceptions", params={"cursor": "x"})
    assert refused.code == "validation_failed"


async def test_nothing_is_listed_before_everything_was_read_from_the_hub(
    operator: ApiCaller, node: Node
) -> None:
    desk = Desk(operator)
    await desk.moves("sale", "tea", -3)
    await node.exceptions.watching.look()
    assert await desk.lists() == []
    await all_was_read(node)
    await desk.sees("open", "below_zero", "unknown_sku")


async def test_a_node_that_stops_and_starts_lists_the_same(desk: Desk, node: Node) -> None:
    await desk.moves("sale", "tea", -3)
    await desk.sees_one("open", "below_zero")
    before = await desk.lists()
    await node.exceptions.watching.stop()
    await desk.moves("sale", "rice", -1)
    node.exceptions.watching.start()
    after = await desk.sees("open", "below_zero", "below_zero", "unknown_sku")
    assert all(one in after for one in before)


@pytest.mark.parametrize(("changes", "together"), [(1, 1), (2, 3), (250, 2_000)])
async def test_however_changes_are_gathered_each_shelf_is_looked_at_as_it_is_by_then(
    desk: Desk, node: Node, monkeypatch: pytest.MonkeyPatch, changes: int, together: int
) -> None:
    monkeypatch.setattr(following, "PIECE_CHANGES", changes)
    monkeypatch.setattr(watching, "SHELVES_TOGETHER", together)
    await node.exceptions.watching.stop()
    for _number in range(4):
        for sku in ("a", "b", "c"):
            await desk.moves("sale", sku, -1)
    await desk.moves("receive", "b", 9)
    await node.exceptions.watching.look()
    below = await desk.lists(code="below_zero")
    assert {(one["sku"], one["quantity"]) for one in below} == {("a", 4), ("c", 4)}


async def test_live_streams_are_told_of_an_exception_and_of_its_end(desk: Desk, node: Node) -> None:
    read = partial(_told, node)
    await desk.moves("sale", "tea", -3)
    await desk.sees_one("open", "below_zero")
    assert (await read())[-1] == ("below_zero", "open")
    await desk.moves("receive", "tea", 3)
    await desk.sees_one("mended", "below_zero")
    assert (await read())[-1] == ("below_zero", "mended")


async def _told(node: Node) -> list[tuple[str, str]]:
    """The events of exceptions in the whole history, as whoever resumes reads it."""
    piece = await node._store.read(lambda db: reading.read_changes(db, 0, 0))
    shown = [orjson.loads(one.data) for one in piece.events if one.name is EventName.EXCEPTION]
    return [(one["code"], one["state"]) for one in shown]


async def test_what_was_resolved_and_mended_is_open_when_it_is_so_again(desk: Desk) -> None:
    await desk.moves("sale", "tea", -3)
    found = await desk.sees_one("open", "below_zero")
    await desk.resolves(found, "the first time")
    await desk.moves("receive", "tea", 3)
    await desk.sees_one("mended", "below_zero")
    await desk.moves("sale", "tea", -3)
    again = await desk.sees_one("open", "below_zero")
    assert (again["id"], again["version"]) == (found["id"], found["version"])
    assert [one["note"] for one in again["resolutions"]] == ["the first time"]
    await desk.resolves(again, "the second time")
    (shown,) = await desk.lists("resolved")
    assert [one["note"] for one in shown["resolutions"]] == ["the first time", "the second time"]
    said = await desk.operator.get(f"/v1/resolutions/{found['id']}")
    assert (len(said["said"]), list(said["over"].values())) == (2, [True])


async def test_an_exception_takes_as_many_notes_as_it_may_and_no_more(desk: Desk) -> None:
    await desk.moves("sale", "tea", -3)
    address = f"/v1/exceptions/{(await desk.sees_one('open', 'below_zero'))['id']}/resolve"
    for number in range(RESOLUTIONS_MAX):
        await desk.does("POST", address, {"note": f"note {number}"})
    refused = await desk.asks("POST", address, {"note": "one more"})
    assert refused.code == "validation_failed"
    (shown,) = await desk.lists("resolved")
    assert len(shown["resolutions"]) == RESOLUTIONS_MAX
