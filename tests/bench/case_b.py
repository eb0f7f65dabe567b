"""Case B: how long after its answer at one shop a sale is visible at another, both connected, nothing else going on.

From the answer at shop A read by its till, to the event on shop B's live stream read by a screen there. Once more with
a screen that asks for the stock row again and again: up to one round trip is then in the figure, and B is not idle.
"""

import asyncio
import time
from pathlib import Path
from statistics import quantiles
from typing import Final

from deploy.local_chain import LocalChain
from tests.bench.children import serving
from tests.bench.figures import Figure, Outcome
from tests.bench.raw_http import Connection, EventStream, Sales, get
from tests.bench.scale import scaled
from tests.bench.tills import drained

CASE: Final = "B"
TITLE: Final = "a sale answered at shop A is visible at shop B; idle"
_TOLD: Final = 300
_ASKED: Final = 100
_PAUSE_S: Final = 0.05
_SETTLE_S: Final = 0.5
_SKUS: Final = 50
_VISIBLE_S_MAX: Final = 30.0
_A: Final = "S01"
_B: Final = "S02"

Lags = tuple[float, float]
"""p50 and p99 in ms."""


async def run(folder: Path) -> Outcome:
    """One run of the floor and of two shops with a hub."""
    floor = await _floor(folder)
    told, asked = await _chain(folder)
    return Outcome(
        (
            Figure("p50", told[0], "ms", 5),
            Figure("p99", told[1], "ms", 25),
            Figure("by GET: p50", asked[0], "ms"),
            Figure("by GET: p99", asked[1], "ms"),
        ),
        (Figure("p50", floor[0], "ms"), Figure("p99", floor[1], "ms")),
    )


async def _chain(folder: Path) -> tuple[Lags, Lags]:
    async with LocalChain(folder) as chain:
        await chain.start_hub()
        a = await chain.add_node(_A, [_A])
        b = await chain.add_node(_B, [_B])
        for name in (_A, _B):
            await chain.till(name)
            await drained(chain, name)
        from_a, at_b = a.daemon.port, b.daemon.port
        token_a, token_b = a.till_tokens["till-1"], b.till_tokens["till-1"]
        stream = get(at_b, f"/v1/events?scopes=stock:{_A}", token_b)
        told = await _told(from_a, at_b, Sales(from_a, _A, token_a, "told"), stream)
        rows = [get(at_b, f"/v1/stock/{_A}/SKU{sku:05}", token_b) for sku in range(_SKUS)]
        return told, await _asked(from_a, at_b, Sales(from_a, _A, token_a, "asked"), rows)


async def _floor(folder: Path) -> Lags:
    """Two durable servers and a relay that keeps nothing."""
    log = folder / "floor.log"
    module = "tests.bench.floor_server"
    async with serving("tests.bench.floor_relay", log=log) as relay:
        address = f"ws://127.0.0.1:{relay}/"
        async with (
            serving(module, str(folder / "floor-a.db"), address, log=log) as a,
            serving(module, str(folder / "floor-b.db"), address, log=log) as b,
        ):
            return await _told(a, b, Sales(a, _A, "", "told"), get(b, "/v1/events", ""))


async def _told(from_a: int, at_b: int, sales: Sales, stream: bytes) -> Lags:
    """Sell at A and wait for the event at B."""
    till = await Connection.open(from_a)
    transport, screen = await EventStream.open(at_b, stream)
    await asyncio.sleep(_SETTLE_S)
    lags_s: list[float] = []
    for number in range(scaled(_TOLD, least=20)):
        sku = number % _SKUS
        seen_s = screen.expect(b'"sku":"SKU%05d"' % sku)
        status, body = await till.ask(sales.request(number, sku, 1))
        answered_s = time.perf_counter()
        assert status == 201, body
        lags_s.append(await asyncio.wait_for(seen_s, _VISIBLE_S_MAX) - answered_s)
        await asyncio.sleep(_PAUSE_S)
    till.close()
    transport.close()
    return _lags(lags_s)


async def _asked(from_a: int, at_b: int, sales: Sales, rows: list[bytes]) -> Lags:
    """Sell at A and ask at B until the row is another than before."""
    till, screen = await Connection.open(from_a), await Connection.open(at_b)
    lags_s: list[float] = []
    for number in range(scaled(_ASKED, least=20)):
        sku = number % len(rows)
        before = await screen.ask(rows[sku])
        status, body = await till.ask(sales.request(number, sku, 1))
        answered_s = time.perf_counter()
        assert status == 201, body
        while await screen.ask(rows[sku]) == before:
            assert time.perf_counter() - answered_s < _VISIBLE_S_MAX, "not visible at B"
        lags_s.append(time.perf_counter() - answered_s)
        await asyncio.sleep(_PAUSE_S)
    till.close()
    screen.close()
    return _lags(lags_s)


def _lags(lags_s: list[float]) -> Lags:
    hundredths = quantiles(lags_s, n=100, method="inclusive")
    return hundredths[49] * 1_000, hundredths[98] * 1_000
