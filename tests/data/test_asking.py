"""The replay's asker finds what it is there to find: a repeat that is answered otherwise ends the replay."""

from collections.abc import Iterator
from itertools import count
from random import Random

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.client import Client, RefusedError
from tests.data.asking import Asker, AskingError


class Node:
    """Answers as the contract says, or with one bug."""

    def __init__(self, bug: str) -> None:
        self._bug = bug
        self._asked: Iterator[int] = count(1)
        self._answers: dict[str, str] = {}

    def app(self) -> web.Application:
        """Its two addresses."""
        app = web.Application()
        app.router.add_post("/v1/orders/1/place", self._act)
        app.router.add_post("/v1/levels/batch", self._batch)
        return app

    async def _act(self, request: web.Request) -> web.Response:
        number = next(self._asked)
        if self._bug == "busy" and number % 3 == 0:
            return web.Response(status=503)
        if self._bug == "refuses" and number == 30:
            return web.json_response({"code": "conflict"}, status=409)
        key = request.headers["Idempotency-Key"]
        is_repeat = key in self._answers
        if not is_repeat or self._bug == "does it again":
            self._answers[key] = f'{{"number": {number}}}'
        marked = is_repeat and self._bug != "does not say so"
        headers = {"Idempotency-Replayed": "true"} if marked else {}
        return web.Response(
            text=self._answers[key], headers=headers, content_type="application/json"
        )

    async def _batch(self, request: web.Request) -> web.Response:
        rows = (await request.json())["documents"]
        number = next(self._asked) if self._bug == "does it again" else 1
        results: list[dict[str, object]] = [
            {"status": 200, "document": {"id": number}} for _ in rows
        ]
        if self._bug == "refuses":
            results[-1] = {"status": 422, "problem": {"code": "validation_failed"}}
        return web.json_response({"results": results})


async def ask(bug: str) -> Asker:
    """Do a hundred things at a node, and save a row a hundred times."""
    async with TestServer(Node(bug).app()) as server, aiohttp.ClientSession() as http:
        asker = Asker(Client(http, str(server.make_url("")).rstrip("/"), "token"), Random(1))
        for number in range(100):
            await asker.post("/v1/orders/1/place", {}, f"k{number}")
        await _save_often(asker)
    return asker


@pytest.mark.parametrize("bug", ["", "busy"])
async def test_a_node_that_keeps_the_contract_is_asked_some_things_twice(bug: str) -> None:
    asker = await ask(bug)
    assert asker.sent >= 200
    assert 5 < asker.repeats < 50


@pytest.mark.parametrize("bug", ["does it again", "does not say so"])
async def test_a_repeat_that_is_answered_otherwise_ends_the_replay(bug: str) -> None:
    with pytest.raises(AskingError, match="repeated"):
        await ask(bug)


async def test_a_refusal_ends_the_replay() -> None:
    with pytest.raises(RefusedError, match="conflict"):
        await ask("refuses")


async def test_a_row_that_is_refused_or_saved_again_ends_the_replay() -> None:
    for bug, words in (("refuses", "validation_failed"), ("does it again", "answered otherwise")):
        async with TestServer(Node(bug).app()) as server, aiohttp.ClientSession() as http:
            asker = Asker(Client(http, str(server.make_url("")).rstrip("/"), "token"), Random(1))
            with pytest.raises(AskingError, match=words):
                await _save_often(asker)


async def _save_often(asker: Asker) -> None:
    for _ in range(100):
        await asker.save("levels", [{"key": "a"}])
