"""What three choices are worth here: uvloop, orjson, and a transaction as one job on the store's thread.

`python -m tests.bench.worth` prints one table. Each choice is measured beside its alternative in the same run, in
turn, three times, and the median is shown.

- uvloop: two nodes of one chain, their hub away, the same tills; one of them runs on asyncio's own loop.
- orjson: the answer to a sale, and a page of a hundred stock rows, against the standard library's json.
- one job: the very statements of a sale, caught from the product's code and run again on copies of one database, once
  as one job and once statement by statement through aiosqlite's public interface, which hops to the thread for each.
"""

import asyncio
import json
import tempfile
import timeit
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import orjson
import uvloop
from rich.console import Console
from rich.table import Table

from deploy.local_chain import HUB, LocalChain
from tests.bench import load, sale_statements
from tests.bench.children import Served, process_serving
from tests.bench.scale import is_quick, scaled
from tests.bench.summary import number

ROUNDS: Final = 3
_MEASURED_S: Final = 3.0
_REPEATS: Final = 20_000
_SALES: Final = 600
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Worth:
    """One measure of a choice and of its alternative."""

    choice: str
    measure: str
    unit: str
    chosen: float
    instead: float


async def of_uvloop(folder: Path) -> list[Worth]:
    """The same tills at two nodes, one of which does without."""
    with_it, without = "S01", "S02"
    seen: dict[tuple[str, int], list[load.Load]] = {}
    async with LocalChain(folder) as chain:
        await chain.start_hub()
        for name in (with_it, without):
            await chain.add_node(name, [name], serve="later")
            await chain.till(name)
        await chain.stop(HUB)
        await chain.start(with_it)
        data = str(chain.nodes[without].daemon.data)
        serve = ("serve", "--data", data, "--listen", "127.0.0.1:0")
        log = folder / "plain.log"
        async with process_serving("tests.bench.plain_loop", *serve, log=log) as plain:
            fast = chain.nodes[with_it].daemon
            assert fast.pid is not None
            served = {with_it: Served(fast.port, fast.pid), without: plain}
            for round_ in range(1 if is_quick() else ROUNDS):
                for clients in (1, 16):
                    # Who comes first changes, or the second would always find the machine warm.
                    for name in sorted(served, reverse=bool(round_ % 2)):
                        to = served[name]
                        token = chain.nodes[name].till_tokens["till-1"]
                        key = f"{round_}-{clients}"
                        seconds = 0.2 if is_quick() else _MEASURED_S
                        order = load.Order(to.port, name, token, clients, seconds, key, to.pid)
                        seen.setdefault((name, clients), []).append(await load.drive(order))

    def middle(name: str, clients: int, field: str) -> float:
        return float(median(getattr(each, field) for each in seen[name, clients]))

    return [
        Worth(
            "uvloop, not asyncio's loop",
            f"tills: {clients}, {words}",
            unit,
            middle(with_it, clients, field),
            middle(without, clients, field),
        )
        for clients in (1, 16)
        for field, words, unit in (
            ("per_s", "sales", "sales/s"),
            ("p50_ms", "p50", "ms"),
            ("cpu_ms", "processor a sale", "ms"),
        )
    ]


def of_orjson() -> list[Worth]:
    """Writing what we answer most, and reading what we are asked most."""
    line = {"sku": "SKU01234", "lot": None, "delta": -6, "on_hand": 94, "available": 94}
    answer = {
        "id": "0" * 32,
        "replica": "1" * 32,
        "seq": 17,
        "kind": "sale",
        "location": "S01",
        "recorded_at": "2030-01-31T08:26:00.000Z",
        "occurred_at": "2030-01-31T08:26:00.000Z",
        "actor": "till-1",
        "reference": "receipt 536365",
        "lines": [line],
        "warnings": [],
    }
    row = {"location": "S01", "sku": "SKU01234", "name": None, "on_hand": 94, "reserved": 0}
    row |= dict.fromkeys(("granted", "in_transit", "available", "incoming", "hub_seq"), 12)
    page = {"items": [row] * 100, "next": "0" * 40}
    body = json.dumps({"kind": "sale", "location": "S01", "lines": [line]}).encode()
    choice = "orjson, not json"
    return [
        _micro(choice, "write the answer to a sale", orjson.dumps, _dumps, answer),
        _micro(choice, "write a page of 100 rows", orjson.dumps, _dumps, page, share=50),
        _micro(choice, "read the body of a sale", orjson.loads, json.loads, body),
    ]


async def of_one_job(folder: Path) -> list[Worth]:
    """The statements of a sale with a commit each time, and without one to see the hops alone."""
    sales = sale_statements.catch(folder, count=scaled(_SALES, least=20))
    seen = [await sale_statements.replay_both(folder, sales) for _ in range(ROUNDS)]
    per_sale = median(len(each) for each in sales)
    choice = "one job, not a hop a statement"
    return [
        Worth(
            choice,
            f"a sale of {per_sale:.0f} statements, committed",
            "ms",
            median(each.one_job_ms for each in seen),
            median(each.by_statement_ms for each in seen),
        )
    ]


def _micro(
    choice: str,
    measure: str,
    chosen: Callable[[Any], object],
    instead: Callable[[Any], object],
    value: object,
    *,
    share: int = 1,
) -> Worth:
    repeats = scaled(_REPEATS // share)

    def took_us(call: Callable[[Any], object]) -> float:
        return timeit.timeit(lambda: call(value), number=repeats) / repeats * 1e6

    pairs = [(took_us(chosen), took_us(instead)) for _ in range(ROUNDS)]
    first, second = (median(each) for each in zip(*pairs, strict=True))
    return Worth(choice, measure, "us", first, second)


def _dumps(value: object) -> bytes:
    return _encode(value).encode()


def as_table(found: list[Worth]) -> Table:
    """All of it, a line each; the factor is how much better the choice is."""
    table = Table(title="What it is worth", title_justify="left")
    for name in ("choice", "measure"):
        table.add_column(name)
    for name in ("chosen", "instead", "factor"):
        table.add_column(name, justify="right")
    for each in found:
        is_rate = each.unit.endswith("/s")
        factor = each.chosen / each.instead if is_rate else each.instead / each.chosen
        table.add_row(
            each.choice,
            each.measure,
            f"{number(each.chosen)} {each.unit}",
            f"{number(each.instead)} {each.unit}",
            f"{factor:.2f}x",
        )
    return table


async def _main() -> None:
    words = Console(stderr=True, highlight=False)
    found: list[Worth] = []
    with tempfile.TemporaryDirectory(prefix="everstock-bench-") as parent:
        folder = Path(parent)
        words.print("one job against a hop a statement", style="dim")
        found += await of_one_job(folder)
        words.print("orjson against json", style="dim")
        found += await asyncio.to_thread(of_orjson)
        words.print("uvloop against asyncio", style="dim")
        found += await of_uvloop(folder / "chain")
    Console(width=110, highlight=False).print(as_table(found))


if __name__ == "__main__":
    uvloop.run(_main())
