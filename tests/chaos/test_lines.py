"""Lines that fail at the worst places: uploads, replies, snapshots. What is owed arrives by itself, and only once more than needed.

Real processes; the line is the chaos proxy, whose own figures say how much was sent again.
"""

import asyncio
from pathlib import Path
from random import Random

import pytest

from deploy.agreement import check_stock, settle, stock_rows
from deploy.client import Client
from deploy.local_chain import HUB, LocalChain
from tests.chaos.asking import metric, sync_status, until, until_shown
from tests.chaos.proxy.chaos_proxy import ChaosProxy
from tests.chaos.proxy.faults import DOWN, UP, Cut, CutAtFrame, Swallow
from tests.chaos.sales import sell_many, shelf

SETTLED_S = 90
ROWS = 12_000
LINES = 1_000
HANDSHAKE_BYTES_UP = 1_000
"""A little more than a node says before its first batch."""


async def fill(till: Client, location: str, rows: int = ROWS) -> dict[str, int]:
    """Open with so many SKUs."""
    filled = {f"SKU-{number:08d}": 1 + number % 90 for number in range(rows)}
    skus = list(filled)
    for first in range(0, rows, LINES):
        lines = [{"sku": sku, "delta": filled[sku]} for sku in skus[first : first + LINES]]
        opening = {"kind": "opening", "location": location, "lines": lines}
        await till.record(f"opening-{first}", opening)
    return filled


async def test_outbox_drains_without_new_writes(tmp_path: Path) -> None:
    """Three uploads in a row break; then nobody sells anything more, and everything leaves all the same."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        async with ChaosProxy(chain.hub.port, Random(1)) as line:
            await chain.add_node("S01", ["S01"], via=line.port, serve="later")
            first = line.count
            breaking = (Cut(UP, HANDSHAKE_BYTES_UP),)
            line.plan = lambda number: breaking if number < first + 3 else ()
            line.shut()
            await chain.start("S01")
            await sell_many(await chain.till("S01"), "S01", range(100))
            line.let_in()
            await settle(chain, ["S01"], patience_s=SETTLED_S)
            assert line.struck == {"Cut": 3}
            await check_stock(chain, {"S01": shelf(range(100))})


@pytest.mark.slow
async def test_lost_reply_does_not_resnap(tmp_path: Path) -> None:
    """The acknowledgement and the page behind it are lost; coming back costs a handshake, not the shelves again."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        async with ChaosProxy(chain.hub.port, Random(1)) as line:
            await chain.add_node("S01", ["S01"])
            filled = await fill(await chain.till("S01"), "S01")
            await chain.add_node("S02", ["S02"], via=line.port)
            await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
            snapshot_bytes = line.recorded[-1].down.passed_bytes

            came = len(line.recorded[-1].down.frames)
            assert came > 4
            line.recorded[-1].down.suffer(CutAtFrame(DOWN, came))
            till = await chain.till("S02")
            await sell_many(till, "S02", range(10))
            await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
            assert line.struck["CutAtFrame"] == 1
            again = line.recorded[-1].down.passed_bytes
            assert again < snapshot_bytes / 10, (again, snapshot_bytes)
            await check_stock(chain, {"S01": filled, "S02": shelf(range(10))})


@pytest.mark.slow
async def test_snapshot_cut_and_resume(tmp_path: Path) -> None:
    """A first download breaks again and again, and sells meanwhile; it goes on where it was."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        async with ChaosProxy(chain.hub.port, Random(1)) as line:
            await chain.add_node("S01", ["S01"])
            filled = await fill(await chain.till("S01"), "S01")
            await settle(chain, ["S01"], patience_s=SETTLED_S)
            await chain.add_node("S02", ["S02"], via=line.port, serve="later")
            first = line.count
            cut = (Cut(DOWN, 15_000),)
            line.plan = lambda number: cut if number < first + 3 else ()
            await chain.start("S02")
            await sell_many(await chain.till("S02"), "S02", range(50))
            await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
            assert line.struck == {"Cut": 3}
            assert line.count - first == 4, "three broke, the fourth held"
            whole = sum(connection.down.passed_bytes for connection in line.recorded)
            last = line.recorded[-1].down.passed_bytes
            assert last < whole * 0.75, (last, whole)
            await check_stock(chain, {"S01": filled, "S02": shelf(range(50))})
            await chain.verify([HUB, "S01", "S02"])


async def test_feed_while_selling(tmp_path: Path) -> None:
    """What a shop sells does not get through; what the neighbours sell still reaches it, and its own stays on top."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        async with ChaosProxy(chain.hub.port, Random(1)) as line:
            await chain.add_node("S01", ["S01"])
            await chain.add_node("S02", ["S02"], via=line.port)
            await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
            mute = line.recorded[-1].up
            mute.suffer(Swallow(UP, mute.passed_bytes))
            ours, theirs = await chain.till("S02"), await chain.till("S01")
            for number in range(0, 200, 20):
                some = range(number, number + 20)
                await sell_many(ours, "S02", some)
                await sell_many(theirs, "S01", some)
            await until_shown(ours, "S01", shelf(range(200)), patience_s=15)
            # Its sales, and the note that a token was made for its till.
            assert (await sync_status(chain, "S02"))["pending"] == 200 + 1
            assert await stock_rows(ours, "S02") == shelf(range(200))
            line.end_all()
            await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
            await check_stock(chain, {"S01": shelf(range(200)), "S02": shelf(range(200))})


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_snapshot_under_write_load(tmp_path: Path) -> None:
    """Rows change while they are being downloaded: each is there in the end as it is in the end."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"])
        till = await chain.till("S01")
        filled = await fill(till, "S01")
        await settle(chain, ["S01"], patience_s=SETTLED_S)
        newcomer = await chain.add_node("S02", ["S02"], line="cuttable", serve="later")
        assert newcomer.link is not None
        newcomer.link.bytes_per_s = 40_000
        await chain.start("S02")
        skus, rng, rounds = list(filled), Random(2), 0
        while not (await sync_status(chain, "S02"))["caught_up"] and rounds < 60:
            lines = [{"sku": sku, "delta": -1} for sku in rng.sample(skus, 20)]
            await till.record(f"load-{rounds}", {"kind": "sale", "location": "S01", "lines": lines})
            for line in lines:
                filled[str(line["sku"])] -= 1
            rounds += 1
            await asyncio.sleep(0.05)
        assert rounds > 5, "the download was slow enough to be written under"
        newcomer.link.bytes_per_s = None
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        await check_stock(chain, {"S01": filled, "S02": {}})
        await chain.verify([HUB, "S01", "S02"])


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_half_open_line_is_noticed_by_both_sides(tmp_path: Path) -> None:
    """Nothing passes any more and nobody is told: the node comes back by another line, the hub forgets the old one."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        async with ChaosProxy(chain.hub.port, Random(1)) as line:
            await chain.add_node("S01", ["S01"], via=line.port)
            await settle(chain, ["S01"], patience_s=SETTLED_S)
            dead = line.recorded[-1]
            dead.up.suffer(Swallow(UP, dead.up.passed_bytes))
            dead.down.suffer(Swallow(DOWN, dead.down.passed_bytes))
            await sell_many(await chain.till("S01"), "S01", range(100))
            await settle(chain, ["S01"], patience_s=SETTLED_S)
            assert line.struck["Swallow"] > 0
            await check_stock(chain, {"S01": shelf(range(100))})

            async def only_one_is_open() -> bool:
                return await metric(chain, HUB, "everstock_hub_sessions") == 1

            await until(only_one_is_open)
