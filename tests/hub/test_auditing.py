"""The hub's audit: the whole chain's operations, one node's, and what was done at the hub itself."""

import json
from pathlib import Path

import pytest

from protocol.limits import AUDIT_EXAMINED_MAX
from tests.hub.command import hub
from tests.hub.conftest import Running
from tests.store.shop import Shop, counted, edited


async def filled(running: Running) -> tuple[Shop, Shop]:
    """Two shops that pushed something, one of them from two logs."""
    first, second = Shop("S01"), Shop("S02")
    for shop in (first, second):
        await shop.opens(running.hub.store)
    for at in range(3):
        first.sells(f"sku {at}", 1)
    first.records(edited("A", "name", "apple", at=1), kind="edit")
    first.records(counted("S09", "sku 1", 1))  # which it may not write
    await first.pushes(running.hub.store)
    second.sells("sku 1", 4)
    await second.pushes(running.hub.store)
    reborn = Shop("S01", incarnation=2, log=first.log[:1])
    await reborn.opens(running.hub.store)
    reborn.sells("sku 7", 1, key="reborn")
    await reborn.pushes(running.hub.store)
    return first, second


async def all_of(running: Running, query: str, limit: int) -> list[dict[str, object]]:
    """Every record, page by page."""
    found: list[dict[str, object]] = []
    cursor = ""
    while True:
        answer = await running.get(f"/v1/audit?limit={limit}{query}{cursor}")
        assert answer.status == 200, await answer.text()
        page = await answer.json()
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


async def test_everything_is_told_once_newest_first(running: Running) -> None:
    await filled(running)
    found = await all_of(running, "", 2)
    assert [row["node"] for row in found] == ["S01", "S01", "S02", *["S01"] * 5]
    assert found == await all_of(running, "", 100)
    assert [row["code"] for row in found] == [None] * 3 + ["forbidden"] + [None] * 4
    assert json.loads(str(found[0]["payload"]))["changes"] == [["S01", "sku 7", "", 0, -1]]


async def test_what_one_node_did_is_told_of_its_newest_log_first_also_once_it_was_revoked(
    running: Running,
) -> None:
    first, _ = await filled(running)
    await running.hub.departures.revoke("S01")
    found = await all_of(running, "&node=S01", 2)
    assert [row["seq"] for row in found] == [2, 1, 5, 4, 3, 2, 1]
    assert {row["node"] for row in found} == {"S01"}
    assert found[-1]["replica"] == first.replica.hex()
    assert len(await all_of(running, "&node=S02", 2)) == 1


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("&action=edit", 1),
        ("&action=move", 7),
        ("&entity=skus/sku 1", 3),
        ("&entity=locations/S09", 1),
        ("&actor=till-1", 8),
        ("&actor=nobody", 0),
        ("&since=2100-01-01T00:00:00Z", 0),
        ("&until=2100-01-01T00:00:00%2B01:00", 8),
    ],
)
async def test_only_what_is_asked_for_is_told(running: Running, query: str, count: int) -> None:
    await filled(running)
    assert len(await all_of(running, query, 3)) == count


async def test_a_rare_filter_gives_short_pages(running: Running) -> None:
    shop = Shop("S01")
    await shop.opens(running.hub.store)
    for at in range(AUDIT_EXAMINED_MAX + 1):
        shop.sells("sku", 1, key=at)
    while shop.pushed < len(shop.log):
        await shop.pushes(running.hub.store)
    page = await (await running.get("/v1/audit?actor=nobody")).json()
    assert page["items"] == []
    assert page["next"] is not None
    last = await (await running.get(f"/v1/audit?actor=nobody&cursor={page['next']}")).json()
    assert (last["items"], last["next"]) == ([], None)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "cursor=x",
        "since=now",
        "since=2026-01-01T00:00:00",
        "more=1",
        "source=all",
        "source=notes&node=S01",
        "actor=",
    ],
)
async def test_what_cannot_be_asked_is_refused(running: Running, query: str) -> None:
    answer = await running.get(f"/v1/audit?{query}")
    assert answer.status == 422
    assert (await answer.json())["code"] == "validation_failed"


async def test_nobody_but_the_operator_reads_it(running: Running) -> None:
    assert (await running.get("/v1/audit", token=None)).status == 401
    assert (await running.get("/v1/audit", token="wrong")).status == 401
    assert (await running.get("/v1/audit?node=nobody")).status == 404


def test_the_commands_of_the_operator_are_noted_and_listed(tmp_path: Path) -> None:
    """S65: whatever the operator does leaves a record, also a restore."""
    data = tmp_path / "hub"
    assert hub("init", "--data", str(data)).returncode == 0
    assert hub("enrol", "--data", str(data), "--name", "S01", "--writes", "S01").returncode == 0
    assert hub("backup", "--data", str(data), str(tmp_path / "copy.db")).returncode == 0
    restored = tmp_path / "restored"
    assert hub("restore", str(tmp_path / "copy.db"), "--data", str(restored)).returncode == 0
    listed = hub("audit", "--data", str(data), "--notes", "--json")
    told = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [row["action"] for row in told] == ["note.backed_up", *["note.code_made"] * 2]
    assert told[1]["entity_id"] == "S01"
    assert json.loads(told[1]["payload"])["writes"] == ["S01"]
    assert {row["actor"] for row in told} == {"operator"}
    again = hub("audit", "--data", str(restored), "--notes", "--action", "note.epoch_begun")
    assert again.stdout.count("note.epoch_begun") == 1
    assert hub("verify", "--data", str(restored)).returncode == 0
    assert hub("audit", "--data", str(data), "--node", "S09").returncode == 2


async def test_each_act_at_the_hub_is_noted_with_it_and_so_is_reading_the_audit(
    running: Running,
) -> None:
    await filled(running)
    await running.post("/v1/operator/access", {"name": "S01", "reads": ["S01"]})
    await running.post("/v1/operator/retire", {"name": "S01"})
    await running.post("/v1/operator/revoke", {"name": "S02"})
    answer = await running.get("/v1/audit?source=notes")
    told = [row["action"] for row in (await answer.json())["items"]]
    assert told == ["note.revoked", "note.retiring", "note.access_changed"]
    answer = await running.get("/v1/audit?source=notes&limit=1")
    assert [row["action"] for row in (await answer.json())["items"]] == ["note.exported"]
