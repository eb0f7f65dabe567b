"""What a test asks a daemon over HTTP beside its stock: figures, and how it stands with the hub."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from deploy.agreement import stock_rows
from deploy.client import Client, NoAnswerError
from deploy.local_chain import LocalChain

PATIENCE_S: Final = 90.0
POLL_S: Final = 0.1


async def metric(chain: LocalChain, daemon: str, name: str) -> float:
    """One figure of a scrape, with its labels if it has any."""
    for line in (await chain.operator(daemon).text("/metrics")).splitlines():
        if line.startswith(f"{name} "):
            return float(line.rpartition(" ")[2])
    raise AssertionError(f"{daemon} has no metric {name}")


async def sync_status(chain: LocalChain, node: str) -> dict[str, Any]:
    """How a node stands with the hub."""
    return await chain.operator(node).get("/v1/sync")


async def until(
    is_so: Callable[[], Awaitable[bool]],
    *,
    patience_s: float = PATIENCE_S,
    poll_s: float = POLL_S,
) -> None:
    """Wait for it; a daemon that gives no answer has not got there yet.

    Raises:
        TimeoutError: it was not so within `patience_s`.
    """
    async with asyncio.timeout(patience_s):
        while True:
            try:
                if await is_so():
                    return
            except NoAnswerError:
                pass
            await asyncio.sleep(poll_s)


async def until_last_error(chain: LocalChain, node: str, code: str) -> None:
    """Wait until a node says that its last session ended with this code, and that one has since it was started."""
    ends = f'everstock_node_session_ends_total{{code="{code}"}}'

    async def is_so() -> bool:
        said = str((await sync_status(chain, node))["last_error"])
        return said.startswith(code) and await metric(chain, node, ends) > 0

    await until(is_so)


async def until_shown(
    client: Client, location: str, shelf: Mapping[str, int], *, patience_s: float = PATIENCE_S
) -> None:
    """Wait until a node shows exactly this at a location."""

    async def is_so() -> bool:
        return await stock_rows(client, location) == shelf

    await until(is_so, patience_s=patience_s)
