"""Nodes put back to older states of themselves, beside hubs that may be too, and nodes that are lost for good.

What must be there afterwards: every sale that either side still had, and every later one, once. The till may ask again
about everything it ever sold, with the keys it had.
"""

import shutil
from pathlib import Path

import pytest

from deploy.agreement import check_stock, settle
from deploy.local_chain import HUB, LocalChain
from tests.chaos.asking import sync_status
from tests.chaos.copies import copy_hub, copy_node, put_hub_back, put_node_back
from tests.chaos.sales import sell_many, shelf

SETTLED_S = 90
ALL = 100


@pytest.mark.slow
@pytest.mark.parametrize("sold_after", [10, 40, 70], ids=["fewer", "as many", "more"])
@pytest.mark.parametrize(
    ("node_at", "hub_at"),
    [(60, None), (None, 60), (60, 80), (80, 60), (0, 60), (60, 0)],
    ids=["node", "hub", "node older", "hub older", "node from its start", "hub from its start"],
)
@pytest.mark.timeout(400)
async def test_restore_matrix(
    tmp_path: Path, node_at: int | None, hub_at: int | None, sold_after: int
) -> None:
    """Copies at 60 or 80 of 100 sales; 40 sales later positions alone look right, with fewer or more they do not."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"])
        await chain.add_node("S02", ["S02"])
        till, sold = await chain.till("S01"), 0
        copies: dict[str, Path] = {}
        for stage in (0, 60, 80, ALL):
            await sell_many(till, "S01", range(sold, stage))
            sold = stage
            await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
            if stage == node_at:
                copies["S01"] = await copy_node(chain, "S01", tmp_path / "node copy")
            if stage == hub_at:
                copies[HUB] = await copy_hub(chain, tmp_path / "hub copy", "backup command")
        replica = (await sync_status(chain, "S01"))["replica"]

        await chain.kill(HUB)
        if "S01" in copies:
            await put_node_back(chain, "S01", copies["S01"])
            await chain.start("S01")
        if HUB in copies:
            await put_hub_back(chain, copies[HUB])
        await sell_many(till, "S01", range(sold_after), run="later")
        await chain.start(HUB)
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        node_has = ALL if node_at is None else node_at
        hub_has = ALL if hub_at is None else hub_at
        survived = max(node_has, hub_has)
        everywhere = {"S01": shelf(range(survived), range(sold_after)), "S02": {}}
        await check_stock(chain, everywhere)
        if hub_has > node_has:
            assert (await sync_status(chain, "S01"))["replica"] != replica

        # The till asks again about all of it: what is known counts no second time, what was lost is there again.
        await sell_many(till, "S01", range(ALL))
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        everywhere["S01"] = shelf(range(ALL), range(sold_after))
        await check_stock(chain, everywhere)
        await chain.verify([HUB, "S01", "S02"])


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_node_restore_then_sell_again_and_again(tmp_path: Path) -> None:
    """Put back to the same copy three times: each time it continues from there in another way."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"])
        till = await chain.till("S01")
        await sell_many(till, "S01", range(50))
        await settle(chain, ["S01"], patience_s=SETTLED_S)
        copy = await copy_node(chain, "S01", tmp_path / "copy")
        runs = []
        for life in range(3):
            await sell_many(till, "S01", range(20), run=f"life-{life}")
            runs.append(range(20))
            await settle(chain, ["S01"], patience_s=SETTLED_S)
            await check_stock(chain, {"S01": shelf(range(50), *runs)})
            await put_node_back(chain, "S01", copy)
            await chain.start("S01")
        await settle(chain, ["S01"], patience_s=SETTLED_S)
        await check_stock(chain, {"S01": shelf(range(50), *runs)})
        await chain.verify([HUB, "S01"])


@pytest.mark.timeout(300)
async def test_a_node_that_burnt_is_replaced_and_the_till_fills_in_what_was_not_sent(
    tmp_path: Path,
) -> None:
    """The spare sells at once; what only the burnt disk held is back once the till asks again."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        burnt = await chain.add_node("S01", ["S01"], line="cuttable")
        await chain.add_node("S02", ["S02"])
        till = await chain.till("S01")
        await sell_many(till, "S01", range(100))
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        assert burnt.link is not None
        burnt.link.cut()
        await sell_many(till, "S01", range(100, 110))
        await chain.kill("S01")
        shutil.rmtree(burnt.daemon.data)
        await burnt.link.close()
        del chain.nodes["S01"]

        await chain.add_node("S01b", ["S01"], options=("--replaces", "S01"), serve="later")
        await chain.kill(HUB)
        await chain.start("S01b")
        till = await chain.till("S01b")
        await sell_many(till, "S01", range(5), run="spare")
        await chain.start(HUB)
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        await check_stock(chain, {"S01": shelf(range(100), range(5)), "S02": {}})

        await sell_many(till, "S01", range(90, 110))
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        await check_stock(chain, {"S01": shelf(range(110), range(5)), "S02": {}})
        await chain.verify([HUB, "S01b", "S02"])
