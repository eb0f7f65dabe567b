"""One folder on two machines, both running: what each sells counts once, both end merged, and an alarm says so."""

import asyncio
from pathlib import Path

import pytest

from deploy.agreement import check_stock, settle
from deploy.local_chain import HUB, LocalChain
from tests.chaos.asking import metric, sync_status
from tests.chaos.copies import clone_node
from tests.chaos.sales import sell_many, shelf

SETTLED_S = 200
"""The older of two sessions of one log is sent away for a minute."""
ROUNDS = 6


@pytest.mark.slow
@pytest.mark.parametrize("at_first", ["equal", "apart"])
@pytest.mark.timeout(600)
async def test_clone_two_daemons(tmp_path: Path, at_first: str) -> None:
    """They sell at the same time, from the first moment after the copy or after each went its own way unseen."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"])
        await chain.add_node("S02", ["S02"])
        await sell_many(await chain.till("S01"), "S01", range(50))
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        await clone_node(chain, "S01", "S01-clone")
        if at_first == "apart":
            await chain.kill(HUB)
        await chain.start("S01")
        await chain.start("S01-clone")
        tills = [await chain.till("S01", "till-a"), await chain.till("S01-clone", "till-b")]
        for number in range(ROUNDS):
            some = range(number * 10, number * 10 + 10)
            async with asyncio.TaskGroup() as both:
                for till, run in zip(tills, ("original", "clone"), strict=True):
                    both.create_task(sell_many(till, "S01", some, run=run))
            if number == 1 and at_first == "apart":
                await chain.start(HUB)
            await asyncio.sleep(0.5)
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        sold = shelf(range(50), range(10 * ROUNDS), range(10 * ROUNDS))
        await check_stock(chain, {"S01": sold, "S02": {}})
        replicas = {(await sync_status(chain, name))["replica"] for name in chain.nodes}
        assert len(replicas) == len(chain.nodes), "each goes on under a log of its own"
        alarms = await metric(chain, HUB, "everstock_hub_duplicate_identities_total")
        new_logs = [
            await metric(chain, name, "everstock_node_new_replicas_total")
            for name in ("S01", "S01-clone")
        ]
        assert alarms + sum(new_logs) > 0, "an operator can see it"
        await chain.verify([HUB, *chain.nodes])
