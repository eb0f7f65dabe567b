"""Real daemons, killed and restored: nothing is told twice under two ids, and nothing not at all."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from deploy.client import Client
from deploy.local_chain import LocalChain
from deploy.process import Daemon, run_command
from tests.node.alerting.receivers import SECRET, Hook, hook, taken
from tests.node.alerting.shop import read_from_hub
from tests.node.enrolled import Shop, enrolled_folder

PATIENCE_S = 60.0
ADJUST = {"kind": "adjust", "reason": "counted", "location": "S01"}
pytestmark = pytest.mark.blocking("folders are made on the loop before anything is served")


def shop_at(path: Path) -> Shop:
    """The folder of a shop whose rows were all read from the hub once, and whose hub is away."""
    found = enrolled_folder(path)
    read_from_hub(found.database, "catalogue", "directory", "stock:S01", "docs:S01")
    return found


def settings_file(folder: Path, here: Hook) -> Path:
    """Settings that lead to a webhook on this machine."""
    file = folder / "node.toml"
    file.write_text(
        f'webhooks = [{{ name = "erp", url = "{here.url}", secret = "{SECRET}" }}]\n'
        'webhook_networks = ["127.0.0.1/32"]\n',
        "utf-8",
    )
    return file


def daemon_of(data: Path, config: Path) -> Daemon:
    """A daemon of that folder."""
    log = data.with_suffix(".log")
    return Daemon("node", data, log, options=("--config", str(config)))


async def raised(client: Client, count: int) -> list[Any]:
    """The list, once it has so many."""
    async with asyncio.timeout(PATIENCE_S):
        while len(items := (await client.get("/v1/alerts/raised"))["items"]) != count:  # noqa: ASYNC110 # another process
            await asyncio.sleep(0.05)
    return list(items)


async def test_killed_between_raising_and_delivery_it_delivers_under_the_same_id(
    tmp_path: Path,
) -> None:
    """The receiver holds the first attempt open; the daemon is killed meanwhile, and comes back."""
    held = asyncio.Event()

    async def at_last(request: web.Request) -> web.StreamResponse:
        await held.wait()
        return await taken(request)

    shop = shop_at(tmp_path / "S01")
    async with hook(at_last) as here, aiohttp.ClientSession() as http:
        daemon = daemon_of(shop.folder.path, settings_file(tmp_path, here))
        await daemon.start()
        try:
            client = Client(http, daemon.url, shop.operator_token)
            await client.record("k1", {**ADJUST, "lines": [{"sku": "TEA", "delta": -1}]})
            await here.until(1)
            await daemon.kill()
            held.set()
            await daemon.start()
            await here.until(2)
            (alert,) = await raised(client, 1)
            assert (alert["kind"], alert["number"], alert["open"]) == ("negative", 1, True)
            # Another, so that the first was surely not told a third time before it.
            await client.record("k2", {**ADJUST, "lines": [{"sku": "CUP", "delta": -1}]})
            await here.until(3)
        finally:
            await daemon.stop()
    assert here.ids[0] == here.ids[1] != here.ids[2]
    assert here.events[0] == here.events[1]


async def test_a_restart_and_a_restored_backup_raise_nothing_again(tmp_path: Path) -> None:
    """What was raised before the backup is raised still; what came after it is raised under the id that it had."""
    shop = shop_at(tmp_path / "S01")
    file, restored = tmp_path / "monday.sqlite", tmp_path / "again"
    async with hook() as here, aiohttp.ClientSession() as http:
        config = settings_file(tmp_path, here)
        daemon = daemon_of(shop.folder.path, config)
        await daemon.start()
        client = Client(http, daemon.url, shop.operator_token)
        await client.record("k1", {**ADJUST, "lines": [{"sku": "TEA", "delta": -1}]})
        await here.until(1)
        await daemon.stop()
        await run_command("node", "backup", "--data", str(shop.folder.path), str(file))
        await daemon.start()
        await client.record("k2", {**ADJUST, "lines": [{"sku": "CUP", "delta": -1}]})
        await here.until(2)
        before = await raised(client, 2)
        await daemon.stop()

        await run_command("node", "restore", "--data", str(restored), str(file))
        again = daemon_of(restored, config)
        await again.start()
        try:
            token = (restored / "operator.token").read_text().strip()
            client = Client(http, again.url, token)
            (kept,) = await raised(client, 1)
            assert kept == before[1]
            await client.record("k2", {**ADJUST, "lines": [{"sku": "CUP", "delta": -1}]})
            await here.until(3)
            assert [one["id"] for one in await raised(client, 2)] == [one["id"] for one in before]
        finally:
            await again.stop()
    assert here.ids[2] == here.ids[1] != here.ids[0]


async def test_a_shop_tells_of_its_shelves_while_the_hub_is_away_and_sends_who_saw_it_after(
    tmp_path: Path,
) -> None:
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"])
        client = chain.operator("S01")
        await until_synced(client)
        await chain.kill("hub")
        await client.record("k1", {**ADJUST, "lines": [{"sku": "TEA", "delta": -1}]})
        (alert,) = await raised(client, 1)
        path = f"{client.url}/v1/alerts/raised/{alert['id']}/acknowledge"
        token = chain.nodes["S01"].daemon.data.joinpath("operator.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "seen"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.post(path, json={}) as answer,
        ):
            assert (await answer.json())["acknowledged_by"] == "operator"
        await client.record("k2", {**ADJUST, "lines": [{"sku": "TEA", "delta": 5}]})
        async with asyncio.timeout(PATIENCE_S):
            while (await raised(client, 1))[0]["open"]:  # noqa: ASYNC110 # another process
                await asyncio.sleep(0.05)
        await chain.start("hub")
        stands = await until_synced(client)
        assert (stands["acked"], stands["quarantined"]) == (3, 0)
        await chain.verify(["hub", "S01"])


async def until_synced(client: Client) -> Any:
    """Wait until the hub has everything and everything of the hub is here; where the node stands then."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            stands = await client.get("/v1/sync")
            if stands["connected"] and stands["caught_up"] and not stands["pending"]:
                return stands
            await asyncio.sleep(0.05)
