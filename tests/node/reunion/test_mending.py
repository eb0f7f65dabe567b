"""Rows that are not the hub's are found, fetched again, and both sides agree; nothing else is touched."""

from typing import Any

import pytest

from node import inquiry, repairing
from protocol.frames.repair import Fetch
from protocol.wire import Frame
from tests.node.reunion.here import Here, NodeHere, eventually, settled

SKUS = 40


async def stocked(here: Here) -> NodeHere:
    """A shop whose shelf both sides hold."""
    shop = await here.node("S01")
    for number in range(SKUS):
        await shop.receives(f"sku {number:02}", 10 + number, key=number)
    await settled(shop)
    return shop


async def codes(shop: NodeHere) -> list[str]:
    """What was noted, oldest first."""
    return [row["code"] for row in await shop.asks("SELECT code FROM incident ORDER BY position")]


async def lost(shop: NodeHere, kind: type[Frame]) -> bool:
    """Whether a frame of this kind was on its way."""
    return any(isinstance(frame, kind) for frame in shop.lost)


async def digests(here: Here, shop: NodeHere, scope: str = "stock:S01") -> tuple[Any, Any]:
    """The node's and the hub's digest of a scope."""
    held = await shop.node.reading.digest(scope)
    kept = await here.hub.running.store.digest(scope)  # type: ignore[arg-type]
    return (held["rows"], held["digest"]), (kept.digest.rows, f"{kept.digest.value:032x}")


DAMAGE = {
    "a total": "UPDATE counter SET total = total + 1, value = value + 1 WHERE sku = 'sku 07'",
    "a hub_seq": "UPDATE counter SET hub_seq = 3 WHERE sku = 'sku 07'",
    "a row lost": "DELETE FROM counter WHERE sku = 'sku 07'",
    "a row too many": "UPDATE counter SET sku = 'sku 77' WHERE sku = 'sku 07'",
    "the sum": "UPDATE scope SET digest = zeroblob(16) WHERE scope = 'stock:S01'",
    "the count": "UPDATE scope SET rows = rows - 1 WHERE scope = 'stock:S01'",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
async def test_what_is_damaged_is_mended_by_itself(here: Here, damage: str) -> None:
    shop = await stocked(here)
    await shop.writes(damage)
    await shop.stop()
    await shop.start()
    await eventually(lambda: codes(shop), ["digest_mismatch", "scope_mended"])
    held, kept = await digests(here, shop)
    assert held == kept
    assert [await shop.shows(f"sku {number:02}") for number in range(SKUS)] == [
        10 + number for number in range(SKUS)
    ]
    assert await shop.shows("sku 77") == 0
    assert await shop.problems() == []
    [[operations]] = await shop.asks("SELECT count(*) FROM log")
    assert operations == SKUS
    assert shop.node.metrics.repairs._value.get() == 1
    assert shop.node.metrics.digest_mismatches._value.get() == 1


async def test_operations_on_top_stay_on_top_of_mended_rows(here: Here) -> None:
    shop = await stocked(here)
    await here.hub.stop()
    await shop.sells("sku 07", 2, key="away")
    await shop.writes(DAMAGE["a total"])
    await shop.stop()
    await here.hub.start()
    await shop.start()
    await eventually(lambda: codes(shop), ["digest_mismatch", "scope_mended"])
    await settled(shop)
    assert await shop.shows("sku 07") == 15
    assert await shop.problems() == []


async def test_a_scope_is_mended_at_most_once_an_hour(here: Here) -> None:
    shop = await stocked(here)
    for _ in range(2):
        await shop.writes(DAMAGE["a total"])
        await shop.stop()
        await shop.start()
        await eventually(lambda: codes(shop), ["digest_mismatch", "scope_mended"])
    await eventually(lambda: codes(shop), ["digest_mismatch", "scope_mended", "digest_mismatch"])
    await shop.stop()
    await shop.start()
    await eventually(
        lambda: codes(shop), ["digest_mismatch", "scope_mended", *["digest_mismatch"] * 2]
    )
    held, kept = await digests(here, shop)
    assert await shop.shows("sku 07") == 18
    assert held == kept, "the sum that is kept was right all the time"


async def test_a_scope_of_which_too_much_differs_is_read_again(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await stocked(here)
    neighbour = await here.node("S02")
    await neighbour.receives("pear", 5, key="other scopes stay as they are")
    await settled(shop, neighbour)
    monkeypatch.setattr(repairing, "REPAIR_ROWS_MAX", 5)
    await shop.writes(
        "UPDATE counter SET total = total + 1, value = value + 1 WHERE location = 'S01'"
    )
    before = await shop.asks("SELECT seq, body FROM log ORDER BY seq")
    await shop.stop()
    await shop.start()
    await eventually(lambda: codes(shop), ["digest_mismatch", "scope_read_again"])
    await settled(shop)
    await eventually(lambda: shop.shows("sku 07"), 17)
    held, kept = await digests(here, shop)
    assert held == kept
    assert await shop.shows("pear", "S02") == 5
    assert [tuple(row) for row in await shop.asks("SELECT seq, body FROM log ORDER BY seq")] == [
        tuple(row) for row in before
    ]
    assert await shop.problems() == []


async def test_sales_go_on_while_a_scope_is_mended(here: Here) -> None:
    """Rows that come by the feed meanwhile are newer than what is fetched, and stay."""
    shop = await stocked(here)
    shop.loses = {Fetch}
    await shop.writes(DAMAGE["a total"])
    await shop.stop()
    await shop.start()
    await eventually(lambda: lost(shop, Fetch), True)
    for number in range(20):
        await shop.sells(f"sku {number % 10:02}", 1, key=("while", number))
    shop.loses = set()
    await eventually(shop.is_settled, True)
    await shop.writes("DELETE FROM repair")
    await shop.stop()
    await shop.start()
    for number in range(20):
        await shop.sells(f"sku {number % 10:02}", 1, key=("after", number))
    await eventually(lambda: codes(shop), ["digest_mismatch", "digest_mismatch", "scope_mended"])
    await settled(shop)
    assert [await shop.shows(f"sku {number:02}") for number in range(10)] == [
        6 + number for number in range(10)
    ]
    assert await shop.problems() == []


async def test_a_check_comes_again_without_a_new_session(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inquiry, "LOOK_AGAIN_S", 0.1)
    monkeypatch.setattr(repairing, "DIGEST_CHECK_S", 0.5)
    shop = await stocked(here)
    await shop.writes(DAMAGE["a row lost"])
    await eventually(lambda: codes(shop), ["digest_mismatch", "scope_mended"])
    assert await shop.shows("sku 07") == 17
