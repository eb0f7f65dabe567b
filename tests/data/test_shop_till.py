"""The replay's till finds what it is there to find: each planted bug of a node ends the replay.

The node here is no double of ours but the contract written down once more, right and in five wrong ways.
"""

import json
from collections import Counter
from random import Random
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.client import Client, RefusedError
from tests.data.movements import Movement
from tests.data.shop_till import ReplayError, ShopTill, Tally

MOVEMENTS = [
    Movement(f"k{n}", "sale", "S01", f"receipt {n}", "2017-01-01T00:00:00Z", ((f"A{n % 3}", -n),))
    for n in range(200)
]


class BookKeeper:
    """Keeps the contract's books in memory; `bug` names what it gets wrong, or is empty."""

    def __init__(self, bug: str) -> None:
        self._bug = bug
        self._on_hand: Counter[str] = Counter()
        self._answers: dict[str, str] = {}
        self._served = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/movements", self._single)
        app.router.add_post("/v1/movements/batch", self._batch)
        return app

    async def _single(self, request: web.Request) -> web.Response:
        self._served += 1
        if self._bug == "busy" and self._served % 3 == 0:
            return web.Response(status=503)
        if self._bug == "refuses" and self._served == 50:
            return web.json_response({"code": "validation_failed"}, status=422)
        body, replayed = self._record(request.headers["Idempotency-Key"], await request.json())
        mark = {"Idempotency-Replayed": "true"} if replayed and self._bug != "unmarked" else {}
        return web.Response(text=body, status=201, headers=mark, content_type="application/json")

    async def _batch(self, request: web.Request) -> web.Response:
        sent = (await request.json())["movements"]
        results = [
            {"status": 201, "movement": json.loads(self._record(one["key"], one)[0])}
            for one in sent
        ]
        return web.json_response({"results": results})

    def _record(self, key: str, movement: dict[str, Any]) -> tuple[str, bool]:
        if key in self._answers and self._bug != "doubles":
            return self._answers[key], True
        for line in movement["lines"]:
            lost = self._bug == "loses" and len(self._answers) == 77
            self._on_hand[line["sku"]] += 0 if lost else line["delta"]
        shown = [{**line, "on_hand": self._on_hand[line["sku"]]} for line in movement["lines"]]
        if self._bug == "drops a line":
            shown = shown[1:]
        self._answers[key] = json.dumps({"location": movement["location"], "lines": shown})
        return self._answers[key], False


async def _send_all(bug: str) -> Tally:
    tally = Tally(len(MOVEMENTS))
    async with TestServer(BookKeeper(bug).app()) as server, aiohttp.ClientSession() as http:
        client = Client(http, str(server.make_url("")).rstrip("/"), "token")
        await ShopTill(client, Random(3), tally, batch_chance=0.03).send_all(MOVEMENTS)
    return tally


async def test_right_books_are_accepted_and_every_movement_is_counted_once() -> None:
    tally = await _send_all("")
    assert (tally.movements, tally.lines, tally.unanswered) == (200, 200, 0)
    assert tally.repeats > 20


@pytest.mark.parametrize("bug", ["doubles", "unmarked", "loses", "drops a line"])
async def test_wrong_books_end_the_replay(bug: str) -> None:
    with pytest.raises(ReplayError):
        await _send_all(bug)


async def test_a_refusal_ends_the_replay() -> None:
    with pytest.raises(RefusedError, match="validation_failed"):
        await _send_all("refuses")


async def test_a_node_that_is_busy_is_asked_again_with_the_same_key() -> None:
    tally = await _send_all("busy")
    assert tally.movements == 200
    assert tally.unanswered > 50
