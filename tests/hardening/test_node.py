"""What each attack on a node comes to: it ends in its time, it holds little, and a till sells meanwhile."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.hardening import attacks
from tests.hardening.attacks import Attack, Strike, assault, sale
from tests.hardening.line import Line
from tests.hardening.victim import Victim, victim

PATIENCE_S = 20.0
PLACES = 60
OWN_DESCRIPTORS = 40
"""Of the node itself: the database, its readers, the loop."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A node whose bounds are short and whose places are few."""
    short = {"idle_s": 1.5, "body_s": 0.6, "unread_s": 0.6, "closing_s": 0.3, "lingering_s": 0.5}
    folder = tmp_path_factory.mktemp("node") / "S01"
    with victim("node", folder, connections_max=PLACES, large_bodies_max=4, **short) as running:
        yield running


async def sells(node: Victim) -> int:
    """Sell something, as a till does: with its key, on a new connection, until there is an answer; gives its status."""
    fields = {"Content_Type": "application/json", "Idempotency_Key": uuid4().hex}
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(OSError):
                async with Line(node.target) as line:
                    status = await line.asks("POST", "/v1/movements", sale(1), token=True, **fields)
                if status not in {0, 503}:
                    return status


@pytest.mark.parametrize(
    "strike",
    [
        attacks.silent,
        attacks.idle_caller,
        attacks.slow_head,
        attacks.endless_head,
        attacks.slow_body,
        attacks.large_body,
        attacks.strangers_body,
        attacks.malformed,
    ],
)
async def test_the_attacker_is_cut_in_its_time(node: Victim, strike: Strike) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await strike(node.target)
    assert await sells(node) == 201


@pytest.mark.parametrize(
    "strike",
    [
        attacks.silent,
        pytest.param(attacks.idle_caller, marks=pytest.mark.slow),
        attacks.slow_head,
        pytest.param(attacks.strangers_body, marks=pytest.mark.slow),
        pytest.param(attacks.large_body, marks=pytest.mark.slow),
    ],
)
async def test_a_crowd_of_them_keeps_no_till_out(node: Victim, strike: Strike) -> None:
    crowd = asyncio.create_task(assault(Attack(strike, "node", 3 * PLACES), node.target, 3.0))
    for _ in range(10):
        await asyncio.sleep(0.1)
        assert await sells(node) == 201
        assert node.descriptors <= PLACES + OWN_DESCRIPTORS
    score = await crowd
    assert score.ended + score.refused > PLACES


async def test_who_reads_nothing_is_cut_and_holds_one_answer(node: Victim) -> None:
    await stocked(node)
    before_mb = node.memory_mb
    async with asyncio.timeout(2 * PATIENCE_S):
        await asyncio.gather(*(attacks.slow_reader(node.target) for _ in range(20)))
    assert node.memory_mb - before_mb < 60
    assert await sells(node) == 201


async def test_a_till_that_asks_again_keeps_its_connection_in_a_crowd(node: Victim) -> None:
    async with Line(node.target) as till:
        assert await till.asks("GET", "/v1/sync", token=True) == 200
        silent = Attack(attacks.silent, "node", 3 * PLACES)
        crowd = asyncio.create_task(assault(silent, node.target, 3.0))
        for number in range(20):
            fields = {"Content_Type": "application/json", "Idempotency_Key": uuid4().hex}
            body = sale(number)
            assert await till.asks("POST", "/v1/movements", body, token=True, **fields) == 201
            await asyncio.sleep(0.1)
        await crowd


@pytest.mark.parametrize("strike", [attacks.body_bomb, attacks.nested_body])
async def test_a_bomb_is_refused_unopened(node: Victim, strike: Strike) -> None:
    before_mb = node.memory_mb
    async with asyncio.timeout(2 * PATIENCE_S):
        await strike(node.target)
    assert node.memory_mb - before_mb < 40
    assert await sells(node) == 201


async def test_large_bodies_that_never_end_keep_no_sale_out(node: Victim) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(assault(Attack(attacks.large_body, "node", 20), node.target, 2.0))
        for _ in range(10):
            await asyncio.sleep(0.1)
            assert await sells(node) == 201


async def test_a_strangers_body_is_not_waited_for(node: Victim) -> None:
    async with asyncio.timeout(PATIENCE_S), Line(node.target) as line:
        fields = {"Content_Type": "application/json", "Content_Length": "100000"}
        await line.sends(line.head("POST", "/v1/movements", **fields))
        assert (await line.hears())[0] == 401


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PUT"])
async def test_a_method_that_nobody_needs_does_nothing(node: Victim, method: str) -> None:
    async with asyncio.timeout(PATIENCE_S), Line(node.target) as line:
        fields = {"X_HTTP_Method_Override": "GET", "Connection": "close"}
        assert await line.asks(method, "/v1/stock", token=True, **fields) in {400, 404, 405}


async def test_the_log_does_not_grow_with_the_attack(node: Victim) -> None:
    before = len(node.log.read_text().splitlines())
    for strike in (attacks.malformed, attacks.silent, attacks.stranger):
        await assault(Attack(strike, "node", 2 * PLACES), node.target, 1.0)
    assert len(node.log.read_text().splitlines()) - before < 10
    assert "Traceback" not in node.log.read_text()


async def stocked(node: Victim) -> None:
    """Give the node a list of stock that fills a page of 1,000."""
    lines = [{"sku": f"{'long-name-of-an-article':-<50}{n:04}", "delta": 1} for n in range(1_000)]
    body = json.dumps({"kind": "adjust", "location": "S01", "lines": lines, "reason": "found"})
    async with Line(node.target) as line:
        fields = {"Content_Type": "application/json", "Idempotency_Key": "stock"}
        status = await line.asks("POST", "/v1/movements", body.encode(), token=True, **fields)
        assert status == 201, status
