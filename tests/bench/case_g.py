"""Case G: a thousand nodes connected and idle at one hub; then the hub is restarted, and again without a warning.

Each node reads its own shop only. The clock of a return runs from the moment the hub serves again to the last session
that is open again; the nodes wait as the product's do, with its jitter and its growing patience.
"""

import asyncio
from pathlib import Path
from typing import Final

from deploy.local_chain import HUB, LocalChain
from protocol.limits import STEADY_AFTER_S
from tests.bench.crowd import Crowd, connecting, enrol, now_s
from tests.bench.figures import Figure, Outcome
from tests.bench.scale import is_quick, scaled
from tests.soak.samples import Process, read_process

CASE: Final = "G"
TITLE: Final = "1,000 nodes connected and idle, then the hub restarts"

NODES: Final = 1_000
_SETTLED_S: Final = STEADY_AFTER_S + 1.0
"""A node forgives its own failures after so long; a hub that falls over sooner finds it less patient."""
_QUICK_S: Final = 1.0
_AWAY_S: Final = 3.0
_CONNECTED_S_MAX: Final = 300.0


async def run(folder: Path) -> Outcome:
    """One run. There is no floor: what a return takes is mostly the wait that was drawn for it."""
    count = scaled(NODES)
    settled_s = _QUICK_S if is_quick() else _SETTLED_S
    async with LocalChain(folder / "chain") as chain:
        chain.folder.mkdir()
        await chain.start_hub()
        empty_mb = _hub(chain).rss_mb
        await chain.stop(HUB)
        order = await enrol(chain.hub.data, count)
        await chain.start(HUB)
        url = chain.hub.url.replace("http", "ws", 1)
        began_s = now_s()
        async with connecting(url, order, folder / "idle_nodes.log") as crowd:
            first_s = await crowd.reaches(count, _CONNECTED_S_MAX) - began_s
            await asyncio.sleep(settled_s)
            idle_mb = _hub(chain).rss_mb
            warned_s, _ = await _restart(chain, crowd, count, warned=True)
            await asyncio.sleep(settled_s)
            killed_s, used_s = await _restart(chain, crowd, count, warned=False)
            await asyncio.sleep(_AWAY_S)
            after_mb = _hub(chain).rss_mb
    return Outcome(
        (
            Figure("hub resident", max(idle_mb, after_mb), "MB", 400.0),
            Figure("all back after SIGTERM", warned_s, "s", 60.0),
            Figure("all back after kill -9", killed_s, "s", 60.0),
            Figure("all there the first time", first_s, "s"),
            Figure("hub's processor time of one return", 1000 * used_s / count, "ms"),
        ),
        (Figure("hub resident", empty_mb, "MB"),),
    )


async def _restart(
    chain: LocalChain, crowd: Crowd, count: int, *, warned: bool
) -> tuple[float, float]:
    """How long until all were back, and the processor time that the hub spent on it."""
    await (chain.stop(HUB) if warned else chain.kill(HUB))
    await crowd.falls_to(0, _CONNECTED_S_MAX)
    await asyncio.sleep(_AWAY_S)
    await chain.start(HUB)
    began_s, used_s = now_s(), _hub(chain).cpu_s
    took_s = await crowd.reaches(count, _CONNECTED_S_MAX) - began_s
    return took_s, _hub(chain).cpu_s - used_s


def _hub(chain: LocalChain) -> Process:
    assert chain.hub.pid is not None
    used = read_process(chain.hub.pid)
    assert used is not None, "the hub runs"
    return used
