"""Shops that open with a few sales, each in a request of its own: what a shelf must show is how many were sold.

Every sale is one A1 under a key of its own. Many sales in few requests are in `sales`.
"""

from typing import Final

from deploy.agreement import settle
from deploy.client import Client
from deploy.local_chain import LocalChain

PATIENCE_S: Final = 20
SETTLED_S: Final = 60


async def sell(till: Client, location: str, numbers: range, *, run: str = "") -> None:
    """Sell one A1 for each number; sold again, they change nothing."""
    for number in numbers:
        sale = {"kind": "sale", "location": location, "lines": [{"sku": "A1", "delta": -1}]}
        await till.record(f"sale{run}-{number}", sale, patience_s=PATIENCE_S)


async def open_shops(chain: LocalChain, *names: str, sold: range) -> None:
    """Start a hub and a node for each shop, have each sell these numbers, and wait until all agree."""
    await chain.start_hub()
    for name in names:
        await chain.add_node(name, [name])
        await sell(await chain.till(name), name, sold)
    await settle(chain, names, patience_s=SETTLED_S)
