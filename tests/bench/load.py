"""A shop full of tills, as one process: `clients` connections that each sell, wait for the answer, and sell again.

`python -m tests.bench.load` reads an order from stdin and prints what it measured, both as JSON. Every sale is one
line of one of 2,000 SKUs. What is answered with anything but 201 ends it: a fast refusal is no sale.
"""

import asyncio
import gc
import json
import random
import sys
import time
from dataclasses import asdict, dataclass
from statistics import quantiles
from typing import Final

import uvloop

from tests.bench import children
from tests.bench.raw_http import Connection, Sales
from tests.soak.samples import read_process

SKUS: Final = 2_000
_WARM_UP_S: Final = 0.5
_SALES_MIN: Final = 20
"""However busy the machine is: of fewer there is no p50 to speak of."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to do."""

    port: int
    location: str
    token: str
    clients: int
    measured_s: float
    name: str
    """Sales of the same name have the same keys: a run uses each name once."""
    pid: int | None = None
    """Of the server, to read its processor time."""


@dataclass(frozen=True, slots=True)
class Load:
    """What was seen; times are from a request written to its answer read."""

    sales: int
    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    """Processor time of the server for a sale: on a busy machine it says more than the clock. 0: no pid was given."""


async def drive(order: Order) -> Load:
    """Carry out an order in a process of its own."""
    return Load(**await children.order(__name__, asdict(order)))


async def carry_out(order: Order) -> Load:
    """Warm up, measure, count."""
    connections = [await Connection.open(order.port) for _ in range(order.clients)]
    sales = Sales(order.port, order.location, order.token, order.name)
    chance = random.Random(order.name)
    keys = iter(range(10**10))
    took_s: list[float] = []

    async def sell(connection: Connection, until_s: float) -> None:
        while (began_s := time.perf_counter()) < until_s or len(took_s) < _SALES_MIN:
            request = sales.request(next(keys), chance.randrange(SKUS), chance.randrange(1, 10))
            status, body = await connection.ask(request)
            took_s.append(time.perf_counter() - began_s)
            if status != 201:
                raise RuntimeError(f"a sale was answered with {status}: {body[:500]!r}")

    async def sell_for(seconds: float) -> float:
        began_s = time.perf_counter()
        await asyncio.gather(*(sell(each, began_s + seconds) for each in connections))
        return time.perf_counter() - began_s

    await sell_for(min(_WARM_UP_S, order.measured_s))
    took_s.clear()
    gc.collect()
    gc.disable()  # nothing here makes cycles, and a pause would be taken for the server's
    cpu_s = _cpu_s(order.pid)
    lasted_s = await sell_for(order.measured_s)
    cpu_s = _cpu_s(order.pid) - cpu_s
    for connection in connections:
        connection.close()
    hundredths = quantiles(took_s, n=100, method="inclusive")
    return Load(
        sales=len(took_s),
        per_s=len(took_s) / lasted_s,
        p50_ms=hundredths[49] * 1_000,
        p99_ms=hundredths[98] * 1_000,
        cpu_ms=cpu_s / len(took_s) * 1_000,
    )


def _cpu_s(pid: int | None) -> float:
    if pid is None:
        return 0.0
    used = read_process(pid)
    assert used is not None, "the server is gone"
    return used.cpu_s


def main() -> None:
    """Read, do, print."""
    order = Order(**json.load(sys.stdin))
    json.dump(asdict(uvloop.run(carry_out(order))), sys.stdout)


if __name__ == "__main__":
    main()
