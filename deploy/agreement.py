"""Do all replicas agree, and on the right thing? Asked over HTTP and with `verify`, of hub and nodes alike.

Invariant: a chain is called settled only when every node talks with the hub, nothing is pending anywhere and every
scope's digest was read equal at the hub and at every node; what agrees may still be wrong, so sums are compared apart
from that. A node that is away says of itself what was true before: a hub put back to a backup may lack what it has.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from deploy.client import Client, NoAnswerError
from deploy.local_chain import HUB, LocalChain

SETTLE_S_MAX: Final = 360.0
POLL_S: Final = 0.25
POLLS_PER_REPORT: Final = 8

Expected = Mapping[str, Mapping[str, int]]


class DisagreementError(Exception):
    """Replicas differ from each other or from the expected sums; the text is the first difference."""


async def settle(
    chain: LocalChain,
    locations: Iterable[str],
    *,
    patience_s: float = SETTLE_S_MAX,
    say: Callable[[str], None] = lambda _: None,
    nodes: Iterable[str] | None = None,
) -> None:
    """Wait until all are connected, nothing is pending and the digests of every `stock:<location>` are equal everywhere.

    `nodes` are those that shall agree with the hub, else all.

    Raises:
        DisagreementError: they are not within `patience_s`; says what was still open.
        ProcessError: a daemon ended by itself.
    """
    scopes = [f"stock:{location}" for location in locations]
    names = list(chain.nodes if nodes is None else nodes)
    still_open = "nothing was asked yet"
    polls = 0
    try:
        async with asyncio.timeout(patience_s):
            while True:
                chain.check_running()
                still_open = await _what_is_open(chain, scopes, names)
                if not still_open:
                    return
                if polls % POLLS_PER_REPORT == 0:
                    say(still_open)
                polls += 1
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise DisagreementError(f"not settled after {patience_s:.0f} s: {still_open}") from None


async def check_stock(
    chain: LocalChain, expected: Expected, *, nodes: Iterable[str] | None = None
) -> None:
    """Compare every row that every node, or each of `nodes`, shows with the expected sums.

    Raises:
        DisagreementError: a row is missing, is too many, or differs by a unit.
    """
    for name in list(chain.nodes if nodes is None else nodes):
        client = chain.operator(name)
        for location, shelf in expected.items():
            shown = await stock_rows(client, location)
            if shown != shelf:
                raise DisagreementError(_first_difference(name, location, shown, shelf))


async def stock_rows(client: Client, location: str) -> dict[str, Any]:
    """SKU → on_hand of every row the node shows for one location.

    Raises:
        DisagreementError: one SKU was shown twice.
    """
    shown: dict[str, Any] = {}
    async for row in client.rows("/v1/stock", location=location):
        if row["sku"] in shown or row["location"] != location:
            raise DisagreementError(f"{client.url}: {row} is shown twice or out of place")
        shown[row["sku"]] = row["on_hand"]
    return shown


async def _what_is_open(chain: LocalChain, scopes: list[str], names: list[str]) -> str:
    """Empty when the chain is settled, else one sentence."""
    try:
        pending = {name: await _pending(chain.operator(name)) for name in names}
        if away := [name for name, count in pending.items() if count is None]:
            return f"not connected: {', '.join(away)}"
        if any(pending.values()):
            return f"pending: { {name: count for name, count in pending.items() if count} }"
        for scope in scopes:
            at_hub = await chain.operator(HUB).get("/v1/digest", scope=scope)
            for name in names:
                at_node = await chain.operator(name).get("/v1/digest", scope=scope)
                if at_node != at_hub:
                    return f"{scope}: hub {_brief(at_hub)}, {name} {_brief(at_node)}"
    except NoAnswerError as silent:
        return str(silent)
    return ""


async def _pending(client: Client) -> int | None:
    """How many operations wait to be acknowledged; None of a node that does not talk with the hub."""
    sync = await client.get("/v1/sync")
    if sync["quarantined"]:
        raise DisagreementError(f"{client.url}: quarantined {sync['quarantined']}")
    return sync["pending"] if sync["connected"] else None


def _brief(digest: Mapping[str, Any]) -> str:
    return f"{digest['rows']} rows to {digest['hub_seq']} ({str(digest['digest'])[:8]})"


def _first_difference(
    node: str, location: str, shown: Mapping[str, Any], shelf: Mapping[str, int]
) -> str:
    sku = min(s for s in shown.keys() | shelf.keys() if shown.get(s) != shelf.get(s))
    return (
        f"{node} shows {shown.get(sku, 'no row')} of {sku!r} at {location!r}, "
        f"expected {shelf.get(sku, 'no row')}; {len(shown)} rows shown, {len(shelf)} expected"
    )
