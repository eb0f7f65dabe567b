"""Restored, copied and re-granted machines: the hello table and rights, with real processes and folders.

The oracle is the HTTP interface: every sale that was answered counts once, wherever the folders came from.
"""

import asyncio
from pathlib import Path

import pytest

from deploy.agreement import check_stock, settle, stock_rows
from deploy.local_chain import HUB, LocalChain
from deploy.process import run_command
from tests.chaos.asking import sync_status, until_shown
from tests.chaos.copies import copy_hub, copy_node, put_hub_back, put_node_back
from tests.chaos.one_by_one import SETTLED_S, open_shops, sell


@pytest.mark.slow
async def test_a_hub_put_back_to_an_older_backup_gets_every_sale_again(tmp_path: Path) -> None:
    """Nobody tells it: the nodes show it what it has forgotten (hello rows 8-10)."""
    async with LocalChain(tmp_path) as chain:
        await open_shops(chain, "S01", "S02", sold=range(10))
        epoch = (await sync_status(chain, "S01"))["epoch"]
        copy = await copy_hub(chain, tmp_path / "monday.db", "backup command")
        for name in ("S01", "S02"):
            await sell(await chain.till(name), name, range(10, 30))
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)

        await put_hub_back(chain, copy, told="in silence")
        await chain.start(HUB)
        await sell(await chain.till("S01"), "S01", range(30, 35))

        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        await check_stock(chain, {"S01": {"A1": -35}, "S02": {"A1": -30}})
        assert (await sync_status(chain, "S01"))["epoch"] != epoch
        await chain.verify([HUB, "S01", "S02"])


@pytest.mark.slow
async def test_a_shop_never_loses_sight_of_its_shelf_while_it_fills_a_forgetful_hub(
    tmp_path: Path,
) -> None:
    """The backup is older than the shop's first movement: the hub has never heard of its stock."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        shop = await chain.add_node("S01", ["S01"], line="cuttable")
        assert shop.link is not None
        copy = await copy_hub(chain, tmp_path / "empty.db", "backup command")
        till = await chain.till("S01")
        await sell(till, "S01", range(40))
        await settle(chain, ["S01"], patience_s=SETTLED_S)

        await put_hub_back(chain, copy, told="in silence")
        shop.link.bytes_per_s = 2_000
        await chain.start(HUB)
        async with asyncio.timeout(60):
            looks = 0
            while (await chain.operator(HUB).get("/v1/digest", scope="stock:S01"))["rows"] == 0:
                assert await stock_rows(till, "S01") == {"A1": -40}
                looks += 1
            assert looks > 0, "the line was slow enough to look meanwhile"
        shop.link.bytes_per_s = None
        await settle(chain, ["S01"], patience_s=SETTLED_S)
        await check_stock(chain, {"S01": {"A1": -40}})
        await chain.verify([HUB, "S01"])


@pytest.mark.slow
async def test_rights_changed_again_at_a_restored_hub_reach_the_node(tmp_path: Path) -> None:
    """The hub issues the same serial a second time, with other rights."""
    async with LocalChain(tmp_path) as chain:
        await open_shops(chain, "S01", "S02", sold=range(3))
        copy = await copy_hub(chain, tmp_path / "monday.db", "backup command")
        data = ("--data", str(chain.hub.data))
        await run_command("hub", "access", *data, "S02", "--reads", "S02")
        await until_shown(chain.operator("S02"), "S01", {})

        await put_hub_back(chain, copy, told="in silence")
        await chain.kill("S02")
        await chain.start(HUB)
        await run_command("hub", "access", *data, "S02", "--writes", "S02", "--writes", "S03")
        await chain.start("S02")
        await until_shown(chain.operator("S02"), "S01", {"A1": -3})
        await sell(await chain.till("S02"), "S03", range(3), run="-there")
        await settle(chain, ["S01", "S02", "S03"], patience_s=SETTLED_S)
        await check_stock(chain, {"S01": {"A1": -3}, "S02": {"A1": -3}, "S03": {"A1": -3}})


@pytest.mark.slow
async def test_a_node_put_back_to_an_older_copy_loses_nothing_the_hub_has(tmp_path: Path) -> None:
    """It sells exactly as many again as it had sold since, so that positions alone look right (rows 6, 7)."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"])
        await chain.add_node("S02", ["S02"])
        till = await chain.till("S01")
        await sell(till, "S01", range(10))
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        copy = await copy_node(chain, "S01", tmp_path / "copy")
        replica = (await sync_status(chain, "S01"))["replica"]
        await sell(till, "S01", range(10, 15))
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)

        await put_node_back(chain, "S01", copy)
        await chain.kill(HUB)
        await chain.start("S01")
        await sell(till, "S01", range(100, 105))
        await chain.start(HUB)

        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        await check_stock(chain, {"S01": {"A1": -20}, "S02": {}})
        assert (await sync_status(chain, "S01"))["replica"] != replica
        await chain.verify([HUB, "S01", "S02"])


@pytest.mark.slow
async def test_two_copies_of_one_folder_both_sell_and_all_of_it_counts(tmp_path: Path) -> None:
    """Two machines with one identity: each continues the log in its own way."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"])
        till = await chain.till("S01")
        await sell(till, "S01", range(10))
        await settle(chain, ["S01"], patience_s=SETTLED_S)
        clone = await copy_node(chain, "S01", tmp_path / "clone")
        await sell(till, "S01", range(10, 20))
        await settle(chain, ["S01"], patience_s=SETTLED_S)

        await put_node_back(chain, "S01", clone)
        await chain.start("S01")
        await sell(till, "S01", range(20, 27), run="-clone")
        await settle(chain, ["S01"], patience_s=SETTLED_S)
        await check_stock(chain, {"S01": {"A1": -27}})
        await chain.verify([HUB, "S01"])


@pytest.mark.slow
async def test_rights_taken_and_given_reach_a_running_node(tmp_path: Path) -> None:
    async with LocalChain(tmp_path) as chain:
        await open_shops(chain, "S01", "S02", sold=range(3))
        data = ("--data", str(chain.hub.data))

        await run_command("hub", "access", *data, "S02", "--reads", "S02")
        await until_shown(chain.operator("S02"), "S01", {})
        sale = {"kind": "sale", "location": "S03", "lines": [{"sku": "A1", "delta": -1}]}
        refused = await (await chain.till("S02")).send("/v1/movements", sale, "k", timeout_s=10)
        assert (refused.status, refused.json()["code"]) == (403, "forbidden")

        await run_command(
            "hub", "access", *data, "S02", "--reads", "*", "--writes", "S02", "--writes", "S03"
        )
        await until_shown(chain.operator("S02"), "S01", {"A1": -3})
        taken = await (await chain.till("S02")).record("k", sale, patience_s=20)
        assert taken.status == 201
        await settle(chain, ["S01", "S02", "S03"], patience_s=SETTLED_S)
        await check_stock(chain, {"S01": {"A1": -3}, "S02": {"A1": -3}, "S03": {"A1": -1}})
        await chain.verify([HUB, "S01", "S02"])


@pytest.mark.slow
async def test_a_shop_that_opened_while_a_node_was_away_is_seen_when_it_is_back(
    tmp_path: Path,
) -> None:
    """Its scope has no cursor there yet: it is read from the beginning, in the first session."""
    async with LocalChain(tmp_path) as chain:
        await open_shops(chain, "S01", "S02", sold=range(5))
        await chain.stop("S02")
        await chain.add_node("S03", ["S03"])
        await sell(await chain.till("S03"), "S03", range(5))
        await sell(await chain.till("S01"), "S01", range(5, 10))
        await chain.start("S02")
        await settle(chain, ["S01", "S02", "S03"], patience_s=SETTLED_S)
        await check_stock(chain, {"S01": {"A1": -10}, "S02": {"A1": -5}, "S03": {"A1": -5}})
        log = chain.nodes["S02"].daemon.log.read_text()
        assert "a session with the hub opened" in log
        assert "gap" not in log
