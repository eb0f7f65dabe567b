"""`make demo`: a chain on this machine that loses a line, sells on, and agrees again.

A hub, an office node and three shops as real processes on loopback, spoken to over HTTP alone, so everything
it shows can be repeated with curl. Invariant: whatever it started is gone when it ends, however it ends.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from deploy.agreement import DisagreementError, settle
from deploy.client import Client, RefusedError
from deploy.local_chain import HUB, Line, LocalChain
from deploy.process import ProcessError, free_port
from deploy.sample_chain import OPENING_STOCK, SHOPS, next_sale

HUB_PORT: Final = 7300
NODE_PORT: Final = 7310
CUT_SHOP: Final = "S03"
NEIGHBOUR: Final = "S01"
SHOWN_SKU: Final = "PARACETAMOL-500-TAB"
SALES: Final = 30
SALES_WHILE_CUT: Final = 20
AGREE_S_MAX: Final = 120.0
SEED: Final = 7300


class Demo:
    """The story, told while it happens."""

    def __init__(self, chain: LocalChain, console: Console) -> None:
        self._chain = chain
        self._console = console
        self._rng = Random(SEED)  # noqa: S311 - the same customers every time
        self._tills: dict[str, Client] = {}
        self._sold = 0

    async def run(self) -> None:
        """Tell it all, and return when every replica agrees."""
        await self._open()
        await self._sell(tuple(SHOPS), SALES)
        await self._agree()
        await self._cut_one_off()
        await self._agree()
        self._show_addresses()

    async def _open(self) -> None:
        with self._console.status("Starting a hub, an office node and three shops …"):
            chain = self._chain
            await chain.start_hub(port=free_port(HUB_PORT))
            await chain.add_office(port=free_port(NODE_PORT))
            for place, shop in enumerate(SHOPS, start=1):
                line: Line = "cuttable" if shop == CUT_SHOP else "direct"
                port = free_port(NODE_PORT + place)
                await chain.add_node(shop, [shop], line=line, port=port)
                self._tills[shop] = await chain.till(shop)
        for shop, stock in OPENING_STOCK.items():
            lines = [{"sku": sku, "delta": units} for sku, units in stock.items()]
            await self._record(shop, "opening", lines)
        self._say(f"A hub, an office node and {len(SHOPS)} shops are up, with their opening stock.")

    async def _sell(self, shops: Sequence[str], count: int) -> None:
        for number in range(count):
            shop = shops[number % len(shops)]
            kind, lines = next_sale(self._rng, shop)
            await self._record(shop, kind, [{"sku": sku, "delta": delta} for sku, delta in lines])
        self._say(f"{count} sales at {', '.join(shops)}.")

    async def _record(self, shop: str, kind: str, lines: list[dict[str, Any]]) -> None:
        self._sold += 1
        movement = {"kind": kind, "location": shop, "lines": lines}
        await self._tills[shop].record(f"demo-{self._sold}", movement)

    async def _cut_one_off(self) -> None:
        link = self._chain.nodes[CUT_SHOP].link
        assert link is not None
        link.cut()
        self._say(f"[bold]The line of {CUT_SHOP} ({SHOPS[CUT_SHOP]}) is cut.[/bold] It sells on.")
        await self._sell([CUT_SHOP], SALES_WHILE_CUT)
        await self._sell([NEIGHBOUR], SALES_WHILE_CUT)
        pending = (await self._chain.operator(CUT_SHOP).get("/v1/sync"))["pending"]
        here = await self._on_hand(CUT_SHOP)
        there = await self._on_hand(NEIGHBOUR)
        self._say(
            f"{SHOWN_SKU} at {CUT_SHOP}: its own node says {here}, {NEIGHBOUR} still says {there}. "
            f"{pending} movements wait for the line."
        )
        assert here != there, "a cut line that carries is not cut"
        link.heal()
        self._say("[bold]The line is back.[/bold]")

    async def _on_hand(self, node: str) -> int:
        row = await self._chain.operator(node).get(f"/v1/stock/{CUT_SHOP}/{SHOWN_SKU}")
        return int(row["on_hand"])

    async def _agree(self) -> None:
        with self._console.status("Waiting until all replicas agree …"):
            await settle(self._chain, SHOPS, patience_s=AGREE_S_MAX)
        shown = {name: await self._on_hand(name) for name in self._chain.nodes}
        self._say(
            f"[green]All replicas agree:[/green] hub and {len(shown)} nodes have the same digests; "
            f"each says {set(shown.values()).pop()} of {SHOWN_SKU} at {CUT_SHOP}."
        )
        assert len(set(shown.values())) == 1, shown

    def _show_addresses(self) -> None:
        table = Table("", "address", "token file")
        for name in (HUB, *self._chain.nodes):
            daemon = self._chain.hub if name == HUB else self._chain.nodes[name].daemon
            table.add_row(name, daemon.url, f"{name}/operator.token")
        self._console.print(table)
        self._say(f"Token files are in {self._chain.folder}")
        self._console.print("Try:", highlight=False)
        for command in self._curl_lines():
            self._console.print(f"  {command}", markup=False, highlight=False)

    def _curl_lines(self) -> list[str]:
        shop = self._chain.nodes[NEIGHBOUR].daemon
        token = f'-H "Authorization: Bearer $(cat {shop.data / "operator.token"})"'
        headers = "-H 'Idempotency-Key: try-1' -H 'Content-Type: application/json'"
        sale = (
            f'{{"kind": "sale", "location": "{NEIGHBOUR}", '
            '"lines": [{"sku": "MILK-WHOLE-1L", "delta": -2}]}'
        )
        return [
            f"curl {token} '{shop.url}/v1/stock?location={CUT_SHOP}'",
            f"curl {token} {headers} -d '{sale}' {shop.url}/v1/movements",
            f"curl {token} {shop.url}/v1/sync",
        ]

    def _say(self, words: str) -> None:
        self._console.print(words, highlight=False)


async def demonstrate(folder: Path, console: Console, *, stay: bool) -> None:
    """Run the demonstration in `folder`; with `stay`, keep the chain up until this task is cancelled."""
    async with LocalChain(folder) as chain:
        await Demo(chain, console).run()
        if stay:
            console.print("The chain stays up until Ctrl-C.")
            await asyncio.Event().wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; 0 when all replicas agreed, 1 when not, 2 when the folder is in use."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="an empty folder to keep (default: a temporary one)"
    )
    parser.add_argument("--once", action="store_true", help="end when all replicas agree")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True)
    with contextlib.ExitStack() as cleanup:
        folder = options.data or Path(
            cleanup.enter_context(tempfile.TemporaryDirectory(prefix="everstock-demo-"))
        )
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.listdir(folder):
            console.print(f"{folder} is not empty; the demonstration starts from nothing.")
            return 2
        try:
            asyncio.run(_until_signal(folder, console, stay=not options.once))
        except asyncio.CancelledError:
            console.print("The chain has ended.")
        except (ProcessError, DisagreementError, RefusedError) as wrong:
            console.print(f"The demonstration failed: {wrong}", markup=False, highlight=False)
            return 1
    return 0


async def _until_signal(folder: Path, console: Console, *, stay: bool) -> None:
    story = asyncio.current_task()
    assert story is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, story.cancel)
    await demonstrate(folder, console, stay=stay)


if __name__ == "__main__":
    sys.exit(main())
