"""A node that is let in no more keeps what it has recorded, and goes on recording."""

from pathlib import Path

import pytest

from deploy.agreement import settle, stock_rows
from deploy.local_chain import HUB, LocalChain
from deploy.process import run_command
from tests.chaos.asking import sync_status, until_last_error
from tests.chaos.sales import sell_many, shelf

SETTLED_S = 90


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_revoked_token_keeps_ops(tmp_path: Path) -> None:
    """It was offline when it was revoked: its unsent sales stay in its log, over a restart too, and none is counted."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        shop = await chain.add_node("S01", ["S01"], line="cuttable")
        await chain.add_node("S02", ["S02"])
        assert shop.link is not None
        till = await chain.till("S01")
        await sell_many(till, "S01", range(30))
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        shop.link.cut()
        await sell_many(till, "S01", range(30, 50))
        await run_command("hub", "revoke", "--data", str(chain.hub.data), "S01")
        shop.link.heal()
        await until_last_error(chain, "S01", "revoked")
        await sell_many(till, "S01", range(50, 60))
        await chain.kill("S01")
        await chain.start("S01")
        await until_last_error(chain, "S01", "revoked")
        assert (await sync_status(chain, "S01"))["pending"] == 30
        assert await stock_rows(till, "S01") == shelf(range(60))
        listed = [row async for row in chain.operator("S01").rows("/v1/movements")]
        assert len(listed) == 60
        await settle(chain, ["S02"], patience_s=SETTLED_S, nodes=["S02"])
        assert await stock_rows(chain.operator("S02"), "S01") == shelf(range(30))
        await chain.verify([HUB, "S01", "S02"])
