"""What a test asks a daemon over HTTP beside its stock: figures, and how it stands with the hub."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from deploy.client import NoAnswerError
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


async def until(is_so: Callable[[], Awaitable[bool]], *, patience_s: float = PATIENCE_S) -> None:
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
            await asyncio.sleep(POLL_S)


async def until_last_error(chain: LocalChain, node: str, code: str) -> None:
    """Wait until a node says that its last session ended with this code."""

    async def is_so() -> bool:
        return str((await sync_status(chain, node))["last_error"]).startswith(code)

    await until(is_so)
