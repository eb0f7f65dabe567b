"""A hub put back to older states of itself, told or not: every sale that was ever answered is there again, once.

The copies are of several ages, made by copying a stopped folder and by `everstock-hub backup`. Nodes are up or down
meanwhile, and write more than the hub forgot before the others come back.
"""

from pathlib import Path

import pytest

from deploy.agreement import check_stock, settle, stock_rows
from deploy.local_chain import HUB, LocalChain
from deploy.process import run_command
from tests.chaos.asking import metric, sync_status, until_last_error
from tests.chaos.copies import Made, Told, copy_hub, put_hub_back
from tests.chaos.sales import sell_many, shelf

AGES = (100, 300, 600)
ALL_SALES = 1_000
SETTLED_S = 90


@pytest.mark.slow
@pytest.mark.parametrize("nodes", ["up", "down"])
@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("stopped copy", "told nothing"),
        ("backup command", "told nothing"),
        ("backup command", "restored"),
    ],
    ids=["folder copied", "backup put back by hand", "backup restored"],
)
@pytest.mark.timeout(600)
async def test_hub_restore_repush(tmp_path: Path, made: Made, told: Told, nodes: str) -> None:
    """A thousand sales are acknowledged; then the hub is put back to 600, to 300 and to 100 of them."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"])
        await chain.add_node("S02", ["S02"])
        till, sold, copies = await chain.till("S01"), 0, []
        for age in (*AGES, ALL_SALES):
            await sell_many(till, "S01", range(sold, age))
            sold = age
            await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
            if age != ALL_SALES:
                copies.append(await copy_hub(chain, tmp_path / f"copy-{age}", made))
        for copy in reversed(copies):
            if nodes == "down":
                await chain.stop("S01")
            await put_hub_back(chain, copy, told=told)
            if nodes == "up":
                await sell_many(till, "S01", range(sold, sold + 10))
                sold += 10
            epoch = (await sync_status(chain, "S02"))["epoch"]
            await chain.start(HUB)
            if nodes == "down":
                await chain.start("S01")
            await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
            await check_stock(chain, {"S01": shelf(range(sold)), "S02": {}})
            assert (await sync_status(chain, "S02"))["epoch"] != epoch
        await chain.verify([HUB, "S01", "S02"])


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_hub_restore_cursor_behind_new_head(tmp_path: Path) -> None:
    """When the old readers come back their cursors look plausible: another shop has written past them."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        for name in ("S01", "S02", "S03"):
            await chain.add_node(name, [name])
        tills = {name: await chain.till(name) for name in chain.nodes}
        await sell_many(tills["S01"], "S01", range(100))
        await settle(chain, chain.nodes, patience_s=SETTLED_S)
        copy = await copy_hub(chain, tmp_path / "copy.db", "backup command")
        await sell_many(tills["S01"], "S01", range(100, 300))
        await settle(chain, chain.nodes, patience_s=SETTLED_S)
        head = await metric(chain, HUB, "everstock_hub_head")
        epoch = (await sync_status(chain, "S01"))["epoch"]
        for name in chain.nodes:
            await chain.stop(name)
        await put_hub_back(chain, copy, told="in silence")
        await chain.start(HUB)
        assert await metric(chain, HUB, "everstock_hub_head") < head

        # Whoever was not there before has no cursor to show, so nobody notices that the hub has fallen back.
        await chain.add_node("S04", ["S04"])
        await sell_many(await chain.till("S04"), "S04", range(400))
        await settle(chain, ["S04"], patience_s=SETTLED_S, nodes=["S04"])
        assert await metric(chain, HUB, "everstock_hub_head") > head
        assert (await sync_status(chain, "S04"))["epoch"] == epoch, "nobody has noticed"

        for name in ("S02", "S03", "S01"):
            await chain.start(name)
        everywhere = {"S01": shelf(range(300)), "S02": {}, "S03": {}, "S04": shelf(range(400))}
        await settle(chain, everywhere, patience_s=SETTLED_S)
        await check_stock(chain, everywhere)
        assert (await sync_status(chain, "S04"))["epoch"] != epoch
        await chain.verify([HUB, *chain.nodes])


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_hub_replaced_empty_by_itself_before_the_first_enrolment(tmp_path: Path) -> None:
    """Key and chain are the old ones; it knows neither shops nor stock, and takes both back from the shops."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        copy = await copy_hub(chain, tmp_path / "copy.db", "backup command")
        for name in ("S01", "S02"):
            await chain.add_node(name, [name])
            await sell_many(await chain.till(name), name, range(200))
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)

        await put_hub_back(chain, copy)
        await chain.start(HUB)
        await sell_many(await chain.till("S01"), "S01", range(200, 250))
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        await check_stock(chain, {"S01": shelf(range(250)), "S02": shelf(range(200))})
        listed = (await chain.operator(HUB).get("/v1/status"))["nodes"]
        assert {"S01", "S02"} <= {node["name"] for node in listed}
        await chain.verify([HUB, "S01", "S02"])


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_hub_replaced_empty_by_another_hub_is_given_nothing_and_the_shop_keeps_all(
    tmp_path: Path,
) -> None:
    """Another `init` is another chain: its key is not the one the shop trusts, so nothing is told to it."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"])
        till = await chain.till("S01")
        await sell_many(till, "S01", range(100))
        await settle(chain, ["S01"], patience_s=SETTLED_S)
        copy = await copy_hub(chain, tmp_path / "copy", "stopped copy")
        await run_command("hub", "init", "--data", str(tmp_path / "stranger"))

        await put_hub_back(chain, tmp_path / "stranger")
        await chain.start(HUB)
        await sell_many(till, "S01", range(100, 200))
        await until_last_error(chain, "S01", "wrong_hub")
        assert (await chain.operator(HUB).get("/v1/digest", scope="stock:S01"))["rows"] == 0
        assert (await sync_status(chain, "S01"))["pending"] == 100
        assert await stock_rows(till, "S01") == shelf(range(200))

        await put_hub_back(chain, copy)
        await chain.start(HUB)
        await settle(chain, ["S01"], patience_s=SETTLED_S)
        await check_stock(chain, {"S01": shelf(range(200))})
        await chain.verify([HUB, "S01"])
