"""A thousand nodes come back after their hub died: all of them, by themselves, and the hub stays small.

How long it takes is a figure of `python -m tests.bench G`; here it is printed, and the limit only says that it ends.
"""

from pathlib import Path

import pytest
from rich.console import Console

from deploy.local_chain import HUB, LocalChain
from tests.bench.crowd import connecting, enrol, now_s
from tests.soak.samples import read_process

NODES = 1_000
HUB_MB_MAX = 400
BACK_S_MAX = 600.0


@pytest.mark.slow
@pytest.mark.blocking("enrols a thousand nodes through the hub's own code")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("end", ["killed", "stopped"])
async def test_herd_1000(tmp_path: Path, end: str) -> None:
    say = Console(soft_wrap=True).print
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.stop(HUB)
        order = await enrol(chain.hub.data, NODES)
        await chain.start(HUB)
        url = chain.hub.url.replace("http", "ws", 1)
        async with connecting(url, order, tmp_path / "idle_nodes.log") as crowd:
            await crowd.reaches(NODES, BACK_S_MAX)
            await (chain.kill(HUB) if end == "killed" else chain.stop(HUB))
            await crowd.falls_to(0, BACK_S_MAX)
            await chain.start(HUB)
            began_s = now_s()
            took_s = await crowd.reaches(NODES, BACK_S_MAX) - began_s
            assert chain.hub.pid is not None
            used = read_process(chain.hub.pid)
            assert used is not None
            say(
                f"{NODES} nodes back in {took_s:.1f} s after the hub was {end}, {used.rss_mb:.0f} MB"
            )
            assert used.rss_mb < HUB_MB_MAX
            status = await chain.operator(HUB).get("/v1/status")
            assert sum(node["connected"] for node in status["nodes"]) == NODES
