"""One canonical sync, cut at each of its bytes in turn, in both directions.

The sync: a shop that was offline comes back with sales and paperwork to send (`cut_paperwork`: transfers both ways, an
order, a count, an edit), and its hub has changed rows and documents for it. Real hub, real node processes, real sockets. The nodes differ from a shop's in one thing: whenever a random wait is drawn, it is the
shortest there can be (`other_world`), so that a cut costs a tenth of a second instead of a second. Oracle: the HTTP
interfaces. After each cut the node comes back by itself, and must then have sent everything once and fetched everything.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, Self

from deploy.client import Client
from deploy.local_chain import HUB, LocalChain
from tests.chaos.cut_paperwork import Coming, End, accounts, transfer
from tests.chaos.other_world import in_other_world
from tests.chaos.proxy.chaos_proxy import ChaosProxy
from tests.chaos.proxy.faults import DOWN, UP, Cut
from tests.shopwork.clerk import Staff
from tests.shopwork.drafts import Wares
from tests.shopwork.reckoning import Desk, until_right

DEPOT: Final = "D00"
DEPOT_ROWS: Final = 240
SALES: Final = 4
SALE_LINES: Final = 8
NOTE_CHARS: Final = 900
SKU_CHARS: Final = 40
"""Codes and notes at random, so that little compresses: a sync of many bytes that costs few operations."""
FIRST_OF_NOTE: Final = 0x4E00
LAST_OF_NOTE: Final = 0x9FA5
SETTLED_S_MAX: Final = 60.0
POLL_S: Final = 0.004
MARGIN_BYTES: Final = 64
"""Compressed sizes differ a little from one sync to the next; the last cuts lie behind the end of most."""


class SyncError(Exception):
    """After a cut something was lost, doubled, or never came."""


@dataclass(slots=True)
class Sizes:
    """How many bytes the canonical sync has each way, measured without a cut, and where its frames end."""

    up: int
    down: int
    up_ends: list[int]
    down_ends: list[int]


@dataclass(slots=True)
class Lane:
    """One node, its line, its till, its clerk, and what it must have sold by now."""

    name: str
    proxy: ChaosProxy
    till: Client
    end: End
    rng: Random
    sold: Counter[str] = field(default_factory=Counter)
    round: int = 0
    shipped: str = ""
    """The transfer of this round."""

    async def go_offline_and_work(self, depot: End, come: Iterable[Coming]) -> None:
        """Shut the line and record what the next sync has to send."""
        self.proxy.shut()
        self.round += 1
        await self._sell()
        await self.end.receive(come)
        self.shipped = await self.end.ship(depot)
        await self.end.fulfil()
        await self.end.count()
        await self.end.edit()

    async def _sell(self) -> None:
        sales = [self._sale(number) for number in range(SALES)]
        answer = (await self.till.record_batch({"movements": sales})).json()
        assert all(result["status"] == 201 for result in answer["results"]), answer

    def _sale(self, number: int) -> dict[str, Any]:
        lines = []
        for sku in self.rng.sample(self.end.skus, SALE_LINES):
            delta = -self.rng.randint(1, 9)
            self.sold[sku] += delta
            self.end.on_hand[sku] += delta
            lines.append({"sku": sku, "delta": delta})
        return {
            "key": f"{self.name}-{self.round}-{number}",
            "kind": "sale",
            "location": self.name,
            "note": "".join(
                chr(self.rng.randint(FIRST_OF_NOTE, LAST_OF_NOTE)) for _ in range(NOTE_CHARS)
            ),
            "lines": lines,
        }


class Bench:
    """`async with Bench(folder, lanes, seed) as bench`: then `measure`, and `run` cuts."""

    def __init__(self, folder: Path, lanes: int, seed: int) -> None:
        self.chain = LocalChain(folder)
        self.lanes: list[Lane] = []
        self.struck: Counter[str] = Counter()
        self._lane_count = lanes
        self._rng = Random(seed)
        self._depot: End
        self._restocked: Counter[str] = Counter()
        self._opened: AsyncExitStack
        self._round = 0

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opened:
            chain = await opened.enter_async_context(self.chain)
            await chain.start_hub()
            await chain.add_node(DEPOT, [DEPOT])
            skus, rng = self._codes(DEPOT_ROWS), Random(self._rng.random())
            self._depot = End(DEPOT, chain.operator(DEPOT), skus, rng)
            for number in range(self._lane_count):
                self.lanes.append(await self._lane(f"L{number:02d}", opened))
            self._opened = opened.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def measure(self) -> Sizes:
        """One sync without a cut, at every node; the largest counts."""
        await self._sync([() for _ in self.lanes])
        found = [lane.proxy.recorded[-1] for lane in self.lanes]
        ways = [
            max(each, key=lambda way: way.passed_bytes)
            for each in ([c.up for c in found], [c.down for c in found])
        ]
        up, down = ways
        return Sizes(up.passed_bytes, down.passed_bytes, up.frame_ends, down.frame_ends)

    async def run(self, cuts: Sequence[Cut]) -> None:
        """Cut one sync after another.

        Raises:
            SyncError: after one of these cuts something was wrong.
        """
        for first in range(0, len(cuts), len(self.lanes)):
            some = cuts[first : first + len(self.lanes)]
            plans = [(cut,) for cut in some] + [()] * (len(self.lanes) - len(some))
            try:
                await self._sync(plans)
            except (SyncError, TimeoutError) as error:
                raise SyncError(f"after {some}: {error!r}") from error

    async def check_all(self) -> None:
        """Have hub and nodes verify themselves, each sale counted and each document reckoned.

        Raises:
            ProcessError, ReckoningError: something is wrong.
        """
        for lane in self.lanes:
            rows = self.chain.operator(lane.name).rows("/v1/movements", kind="sale")
            recorded = [row["id"] async for row in rows if not row.get("document")]
            if len(set(recorded)) != SALES * lane.round or len(recorded) != SALES * lane.round:
                raise SyncError(f"{lane.name} lists {len(recorded)} of {SALES * lane.round} sales")
        sold = Counter({(DEPOT, sku): n for sku, n in self._restocked.items()})
        desks = [Desk(DEPOT, self._depot.client, (DEPOT,))]
        for lane in self.lanes:
            sold.update({(lane.name, sku): n for sku, n in lane.sold.items()})
            reads = (lane.name, DEPOT)
            desks.append(Desk(lane.name, lane.end.client, (lane.name,), reads))
        places = [desk.name for desk in desks]
        await until_right(desks, Staff(Wares((), ()), places), sold, patience_s=SETTLED_S_MAX)
        await self.chain.verify([HUB, *self.chain.nodes])

    async def _sync(self, plans: Sequence[tuple[Cut, ...]]) -> None:
        at_depot, at_lanes = (
            self._depot.take_coming(),
            [lane.end.take_coming() for lane in self.lanes],
        )
        async with asyncio.TaskGroup() as before:
            before.create_task(self._work_at_the_depot(at_depot))
            for lane, come in zip(self.lanes, at_lanes, strict=True):
                before.create_task(lane.go_offline_and_work(self._depot, come))
        async with asyncio.TaskGroup() as syncs:
            for lane, plan in zip(self.lanes, plans, strict=True):
                syncs.create_task(self._sync_one(lane, plan))
        for lane in self.lanes:
            await self._check(lane)

    async def _work_at_the_depot(self, come: Iterable[Coming]) -> None:
        self._round += 1
        depot, lines = self._depot, []
        await depot.receive(come)
        for lane in self.lanes:
            await depot.ship(lane.end)
        for sku in depot.skus:
            delta = self._rng.randint(1, 999)
            self._restocked[sku] += delta
            depot.on_hand[sku] += delta
            lines.append({"sku": sku, "delta": delta})
        movement = {"kind": "opening", "location": DEPOT, "lines": lines}
        await depot.client.record(f"restock-{self._round}", movement)

        async def is_sent() -> bool:
            return not (await depot.client.get("/v1/sync"))["pending"]

        await _until(is_sent)

    async def _sync_one(self, lane: Lane, plan: tuple[Cut, ...]) -> None:
        proxy, first = lane.proxy, lane.proxy.count
        proxy.plan = lambda number: plan if number == first else ()
        before = proxy.struck.total()
        proxy.let_in()
        node, hub = lane.end.client, self.chain.operator(HUB)
        scopes = [f"stock:{lane.name}", f"docs:{lane.name}", f"stock:{DEPOT}"]

        async def is_synced() -> bool:
            if (await node.get("/v1/sync"))["pending"]:
                return False
            for scope in scopes:
                at_hub = await hub.get("/v1/digest", scope=scope)
                if await node.get("/v1/digest", scope=scope) != at_hub:
                    return False
            return True

        await _until(is_synced)
        if proxy.struck.total() > before:
            self.struck[plan[0].way.name] += 1

    async def _check(self, lane: Lane) -> None:
        """What the shop shows of both shelves, and what both ends show of what went each way."""
        node, depot = lane.end.client, self._depot

        async def is_at_both() -> bool:
            here = await transfer(node, lane.shipped)
            return here is not None and here == await transfer(depot.client, lane.shipped)

        await _until(is_at_both)
        for id_, *_ in lane.end.coming:
            if await transfer(node, id_) != await transfer(depot.client, id_):
                raise SyncError(f"{lane.name} shows {id_} otherwise than {DEPOT}")

        async def is_as_it_must_be() -> bool:
            return await accounts(node, lane.name) == (
                lane.end.on_hand,
                lane.end.in_transit,
            ) and await accounts(node, DEPOT) == (depot.on_hand, depot.in_transit)

        try:
            await _until(is_as_it_must_be)
        except TimeoutError:
            raise SyncError(f"{lane.name} does not show what it and {DEPOT} have") from None

    async def _lane(self, name: str, opened: AsyncExitStack) -> Lane:
        chain = self.chain
        proxy = ChaosProxy(chain.hub.port, Random(self._rng.random()))
        await opened.enter_async_context(proxy)
        node = await chain.add_node(
            name, [name], options=("--reads", f"{name},{DEPOT}"), via=proxy.port, serve="later"
        )
        chain.replace(name, in_other_world(node.daemon, patience="none"))
        await chain.start(name)
        skus, rng = self._codes(3 * SALE_LINES), Random(self._rng.random())
        end = End(name, chain.operator(name), skus, rng)
        return Lane(name, proxy, await chain.till(name), end, Random(self._rng.random()))

    def _codes(self, count: int) -> list[str]:
        return [self._rng.randbytes(SKU_CHARS // 2).hex() for _ in range(count)]


async def _until(is_so: Callable[[], Awaitable[bool]]) -> None:
    # Not `asking.until`: nobody is killed here, so a daemon that gives no answer is a failure.
    async with asyncio.timeout(SETTLED_S_MAX):
        while True:
            if await is_so():
                return
            await asyncio.sleep(POLL_S)


def every_byte(sizes: Sizes) -> list[Cut]:
    """All cuts there are, each way, and a few behind the end."""
    return [
        Cut(way, at)
        for way, size in ((UP, sizes.up), (DOWN, sizes.down))
        for at in range(size + MARGIN_BYTES)
    ]


def sample(sizes: Sizes, count: int, rng: Random) -> list[Cut]:
    """The bytes around each end of a frame, and others at random up to `count`."""
    cuts = {
        Cut(way, end + off)
        for way, ends in ((UP, sizes.up_ends), (DOWN, sizes.down_ends))
        for end in ends
        for off in (-1, 0, 1)
    }
    others = [cut for cut in every_byte(sizes) if cut not in cuts]
    chosen: Iterable[Cut] = rng.sample(others, max(0, min(len(others), count - len(cuts))))
    drawn = [*cuts, *chosen]
    rng.shuffle(drawn)
    return drawn[:count]
