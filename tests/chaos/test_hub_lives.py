"""The lives of a hub, with real processes: backed up, restored on a new machine, and nodes that left in between.

The oracle is the HTTP interface and the commands.
"""

import json
import shutil
from pathlib import Path

import pytest

from deploy.agreement import check_stock, settle
from deploy.local_chain import HUB, LocalChain
from deploy.process import Daemon, run_command
from tests.chaos.asking import sync_status, until, until_last_error
from tests.chaos.one_by_one import SETTLED_S, open_shops, sell


async def hub_command(chain: LocalChain, command: str, *arguments: str) -> str:
    """A command of everstock-hub on the chain's hub."""
    return await run_command("hub", command, "--data", str(chain.hub.data), *arguments)


async def status_of(chain: LocalChain, name: str) -> str:
    """What the hub says of a node: active, retiring, retired, revoked; '' when it knows none of that name."""
    listed = json.loads(await hub_command(chain, "nodes", "--json"))["items"]
    return next((node["status"] for node in listed if node["name"] == name), "")


async def move_hub(chain: LocalChain, backup: Path, data: Path, *, revoke: str = "") -> None:
    """The hub's machine is lost: restore it in a new folder, at the old address."""
    port = chain.hub.port
    await chain.kill(HUB)
    shutil.rmtree(chain.hub.data)
    await run_command("hub", "restore", str(backup), "--data", str(data))
    if revoke:
        await run_command("hub", "revoke", revoke, "--data", str(data))
    chain.replace(HUB, Daemon("hub", data, chain.folder / "second-hub.log", port=port))
    await chain.start(HUB)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_hub_restored_on_a_new_machine_has_every_sale_and_keeps_the_thief_out(
    tmp_path: Path,
) -> None:
    """After the backup: sales, a node that was enrolled, and one that was revoked."""
    async with LocalChain(tmp_path) as chain:
        await open_shops(chain, "S01", "S02", sold=range(10))
        await hub_command(chain, "backup", str(tmp_path / "monday.db"))
        await chain.add_node("S03", ["S03"])
        for name in ("S01", "S02", "S03"):
            await sell(await chain.till(name), name, range(10, 25))
        await settle(chain, ["S01", "S02", "S03"], patience_s=SETTLED_S)
        await hub_command(chain, "revoke", "S01")
        await until_last_error(chain, "S01", "revoked")
        await chain.stop("S01")

        await move_hub(chain, tmp_path / "monday.db", tmp_path / "machine-2")
        there = ["S02", "S03"]
        await settle(chain, there, patience_s=SETTLED_S, nodes=there)
        await check_stock(chain, {"S02": {"A1": -25}, "S03": {"A1": -15}}, nodes=there)
        assert await status_of(chain, "S03") == "active"
        assert await status_of(chain, "S01") == "revoked", "S02 and S03 have told it"
        await chain.start("S01")
        await until_last_error(chain, "S01", "revoked")
        await chain.verify([HUB, "S02", "S03"])


@pytest.mark.slow
async def test_a_thief_who_is_first_at_a_restored_hub_is_out_once_it_was_named(
    tmp_path: Path,
) -> None:
    """Nobody else is there to tell the hub; the operator does, before it serves."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        for name in ("S01", "S02"):
            await chain.add_node(name, [name])
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        await hub_command(chain, "backup", str(tmp_path / "monday.db"))
        await chain.stop("S02")
        await move_hub(chain, tmp_path / "monday.db", tmp_path / "machine-2", revoke="S01")
        await until_last_error(chain, "S01", "revoked")
        await chain.start("S02")
        await settle(chain, ["S02"], patience_s=SETTLED_S, nodes=["S02"])


@pytest.mark.slow
async def test_a_retired_node_delivers_everything_and_goes(tmp_path: Path) -> None:
    """It is cut off while it sells and is retired; then the line is back."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        node = await chain.add_node("S01", ["S01"], line="cuttable")
        await chain.add_node("S02", ["S02"])
        await settle(chain, ["S01", "S02"], patience_s=SETTLED_S)
        assert node.link is not None
        node.link.cut()
        await sell(await chain.till("S01"), "S01", range(20))
        await hub_command(chain, "retire", "S01")
        assert await status_of(chain, "S01") == "retiring"
        node.link.heal()

        async def is_gone() -> bool:
            return await status_of(chain, "S01") == "retired"

        await until(is_gone)
        await settle(chain, ["S01"], patience_s=SETTLED_S, nodes=["S02"])
        await check_stock(chain, {"S01": {"A1": -20}}, nodes=["S02"])
        sync = await sync_status(chain, "S01")
        assert sync["pending"] == 0
        await chain.add_node("S01-new", ["S01"])


@pytest.mark.slow
async def test_nodes_hear_what_is_stable_after_two_verified_backups(tmp_path: Path) -> None:
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"])
        till = await chain.till("S01")
        await sell(till, "S01", range(5))
        await settle(chain, ["S01"], patience_s=SETTLED_S)
        for name in ("monday.db", "tuesday.db"):
            await hub_command(chain, "backup", str(tmp_path / name))
            await sell(till, "S01", range(3), run=name)
            await settle(chain, ["S01"], patience_s=SETTLED_S)
        assert (await sync_status(chain, "S01"))["stable"] == 5 + 1, (
            "its sales, and its till's token"
        )
        lines = await hub_command(chain, "status")
        assert "tuesday.db" in lines


@pytest.mark.slow
async def test_it_is_told_which_receipts_of_a_replaced_node_may_be_missing(
    tmp_path: Path,
) -> None:
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"])
        await sell(await chain.till("S01"), "S01", range(4))
        await settle(chain, ["S01"], patience_s=SETTLED_S)
        await chain.kill("S01")
        await chain.add_node("S01-spare", ["S01"], options=["--replaces", "S01"])
        await sell(await chain.till("S01-spare"), "S01", range(4, 6))
        await settle(chain, ["S01"], patience_s=SETTLED_S, nodes=["S01-spare"])
        found = json.loads(await hub_command(chain, "replaced", "S01", "--json"))
        assert (found["name"], found["replaced"], found["acked"]) == ("S01-spare", "S01", 4 + 1)
        assert found["missing_since"] <= found["joined_at"]
        assert "Receipts after" in await hub_command(chain, "replaced", "S01")
