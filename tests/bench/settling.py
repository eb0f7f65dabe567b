"""When is a chain where it should be? Asked over HTTP, so seldom and so cheaply that asking delays nothing.

Rule: nothing pending at the shop that pushes comes first, then each scope's digest, equal at the hub and at every node
named; a digest that was equal is not asked for again.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from deploy.local_chain import HUB, LocalChain

POLL_S: Final = 0.05
PATIENCE_S: Final = 600.0


async def connected(chain: LocalChain, name: str) -> None:
    """Wait until a node has a session with the hub."""
    await _until(chain, name, lambda sync: bool(sync["connected"]), 0.1)


async def pushed(chain: LocalChain, name: str) -> None:
    """Wait until a node is connected and nothing of it is pending."""
    await _until(chain, name, lambda sync: sync["connected"] and sync["pending"] == 0, POLL_S)


async def equal_digests(
    chain: LocalChain, scopes: Sequence[str], *, of: str | None, also: Sequence[str]
) -> None:
    """Wait until nothing is pending at the node `of`, and its scopes are equal at it, at the hub and at `also`.

    Raises:
        TimeoutError: they never were.
    """
    if of is not None:
        await pushed(chain, of)
    names = [*also] if of is None else [of, *also]
    async with asyncio.timeout(PATIENCE_S):
        for scope in scopes:
            while not await _is_equal(chain, scope, names):  # noqa: ASYNC110 - it is in another process
                await asyncio.sleep(POLL_S)


async def _is_equal(chain: LocalChain, scope: str, names: Sequence[str]) -> bool:
    at_hub = await chain.operator(HUB).get("/v1/digest", scope=scope)
    for name in names:
        if await chain.operator(name).get("/v1/digest", scope=scope) != at_hub:
            return False
    return bool(at_hub["rows"])


async def _until(chain: LocalChain, name: str, is_so: Any, poll_s: float) -> None:
    client = chain.operator(name)
    until_s = time.monotonic() + PATIENCE_S
    while not is_so(sync := await client.get("/v1/sync")):
        if time.monotonic() > until_s:
            raise TimeoutError(f"{name}: {sync}")
        await asyncio.sleep(poll_s)
