"""What a recorded node is made to do: a day at its tills, large receipts until the WAL is written back, an upgrade.

Each function prepares a folder in `place`, runs the real daemon on it under strace, and gives the recording.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp

from deploy.client import Client
from node.replica import SCHEMA
from runtime.connection import connect_writer
from runtime.migrations import Schema, migrate
from runtime.queries import load_queries
from tests.crash import acts
from tests.crash.recorder import Recorder
from tests.crash.recording import Recording
from tests.node.enrolled import Shop, enrolled_folder

SHOP: Final = "S01"
_SKUS: Final = tuple(f"SKU-{number:03}" for number in range(40))
_RECEIPT_LINES: Final = 60
_RECEIPTS: Final = 60
_OLD_SALES: Final = 30
_OLD_MS: Final = 500 * 86_400_000
_FIRST_VERSION: Final = load_queries(__file__, "first_version.sql")

Request = tuple[str, str, dict[str, Any]]
"""Address, key and body."""
Work = Callable[[Client], Awaitable[Mapping[str, object]]]


async def day(place: Path, *, bug: str | None = None) -> Recording:
    """Sales one by one and from eight tills at once, batches, a count, reversals, a clerk's paperwork beside them."""
    return await _recorded("node, a day", enrolled_folder(place / "node"), _day, bug=bug)


async def paperwork(place: Path, *, bug: str | None = None) -> Recording:
    """A clerk's orders, transfers, counts and edits alone."""
    return await _recorded("node, paperwork", enrolled_folder(place / "node"), _paper, bug=bug)


async def receipts(place: Path) -> Recording:
    """Sales of sixty lines until the WAL has been written back into the database in the middle of them."""
    return await _recorded("node, checkpoint", enrolled_folder(place / "node"), _receipts)


async def upgrade(place: Path) -> Recording:
    """The first version's database, half of its answers older than 400 days: brought up to date, forgotten, sold on."""
    shop = enrolled_folder(place / "node")
    first = await _recorded("before", shop, _old_sales)
    movements = _of_first_version(shop.database)
    assert len(movements) == _OLD_SALES, "the old database holds what was sold"
    knowledge = {"before": movements}
    assert first.told
    return await _recorded("node, upgrade", shop, _few_sales, knowledge)


async def _recorded(
    title: str,
    shop: Shop,
    work: Work,
    knowledge: Mapping[str, object] | None = None,
    *,
    bug: str | None = None,
) -> Recording:
    node = Recorder("node", shop.folder.path, bug=bug)
    async with node.serving() as daemon, aiohttp.ClientSession() as http:
        learnt = await work(Client(http, daemon.url, shop.operator_token))
    known = {"checker": "node", "token": shop.operator_token, **(knowledge or {}), **learnt}
    return await node.read(title, known)


async def _day(client: Client) -> Mapping[str, object]:
    rng, batches = random.Random(4), []
    requests: dict[str, Request] = {}

    async def sell(key: str, sale: dict[str, Any]) -> None:
        answer = await client.record(key, sale)
        requests[answer.json()["id"]] = ("/v1/movements", key, sale)

    async def till(name: int) -> None:
        for number in range(3):
            await sell(f"till-{name}-{number}", _sale(rng, 3))

    for number in range(10):
        await sell(f"alone-{number}", _sale(rng, 1 + number % 3))
    await asyncio.gather(*map(till, range(8)))
    for number in range(3):
        items = {f"batch-{number}-{at}": _sale(rng, 2) for at in range(6)}
        listed = [{"key": key, **sale} for key, sale in items.items()]
        results = (await client.record_batch({"movements": listed})).json()["results"]
        batches.append([each["movement"]["id"] for each in results])
        for movement, (key, sale) in zip(batches[-1], items.items(), strict=True):
            requests[movement] = ("/v1/movements", key, sale)  # repeated alone
    lines = [{"sku": _SKUS[0], "counted": 12}]
    await sell("count-1", {"kind": "count", "location": SHOP, "lines": lines})
    for number, movement in enumerate(batches[0][:2]):
        path = f"/v1/movements/{movement}/reverse"
        answer = await client.send(path, {}, f"back-{number}", timeout_s=30)
        assert answer.status == 201, answer
        requests[answer.json()["id"]] = (path, f"back-{number}", {})
    done = await acts.morning(client, SHOP, "S02")
    return {"batches": batches, "requests": requests, "acts": done}


async def _paper(client: Client) -> Mapping[str, object]:
    return {"acts": await acts.morning(client, SHOP, "S02")}


async def _receipts(client: Client) -> Mapping[str, object]:
    rng = random.Random(5)

    async def till(name: int) -> None:
        for number in range(_RECEIPTS // 4):
            lines = [
                {"sku": f"{rng.randrange(2_000):05}", "delta": -1} for _ in range(_RECEIPT_LINES)
            ]
            sale = {"kind": "sale", "location": SHOP, "lines": lines}
            await client.record(f"receipt-{name}-{number}", sale)

    await asyncio.gather(*map(till, range(4)))
    return {}


async def _old_sales(client: Client) -> Mapping[str, object]:
    rng = random.Random(6)
    for number in range(_OLD_SALES):
        await client.record(f"old-{number}", _sale(rng, 2))
    return {}


async def _few_sales(client: Client) -> Mapping[str, object]:
    rng = random.Random(7)
    for number in range(6):
        await client.record(f"new-{number}", _sale(rng, 2))
    return {}


def _sale(rng: random.Random, lines: int) -> dict[str, Any]:
    skus = rng.sample(_SKUS, lines)
    drawn = [{"sku": sku, "delta": -rng.randint(1, 3)} for sku in skus]
    return {"kind": "sale", "location": SHOP, "lines": drawn}


def _of_first_version(database: Path) -> dict[str, bytes]:
    """Make a database what version one would have left, its odd answers too old to keep; the answers by movement."""
    old = database.with_name("old.sqlite")
    with contextlib.closing(connect_writer(old)) as db:
        migrate(db, Schema(SCHEMA.steps[0], SCHEMA.steps[:1]))
        db.execute("ATTACH ? AS new", (str(database),))
        db.execute("BEGIN")
        for statement in _FIRST_VERSION.values():
            db.execute(statement, {"old": _OLD_MS})
        db.execute("COMMIT")
        found = db.execute("SELECT body, position % 2 FROM main.answer").fetchall()
    database.unlink()
    old.rename(database)
    return {json.loads(body)["id"]: b"" if is_old else body for body, is_old in found}
