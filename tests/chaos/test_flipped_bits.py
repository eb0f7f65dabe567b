"""Bits that flip on the way: over TLS none gets through, and without TLS none brings a daemon down.

Without TLS a flipped bit may say something else that is as well formed, and then it is believed: what is promised needs
`wss://`, which the node insists on for any hub but one on its own machine.
"""

from pathlib import Path
from random import Random

import pytest

from deploy.agreement import check_stock, settle
from deploy.local_chain import HUB, LocalChain, LocalNode
from deploy.process import Daemon, run_command
from tests.chaos.asking import sync_status, until
from tests.chaos.other_world import in_other_world
from tests.chaos.proxy.chaos_proxy import ChaosProxy, no_faults
from tests.chaos.proxy.faults import FlipBit, draw
from tests.chaos.proxy.pieces import Kind
from tests.chaos.proxy.tls_end import TlsEnd
from tests.chaos.sales import sell_many, shelf

TLS = Path(__file__).parent.parent / "node" / "tls"
FLIPS = 40
SETTLED_S = 90


async def sell_over(chain: LocalChain, name: str, line: ChaosProxy, rng: Random) -> int:
    """Sell while each connection has its flipped bit, until FLIPS have struck; then heal. Gives how much was sold."""
    sold = 0
    line.plan = lambda _: (draw(rng, (FlipBit,)),)
    while line.struck.total() < FLIPS:
        line.shut()
        await sell_many(await chain.till(name), name, range(sold, sold + 10))
        sold += 10
        struck = line.struck.total()
        line.let_in()

        async def has_struck(before: int = struck) -> bool:
            chain.check_running()
            return line.struck.total() > before or not (await sync_status(chain, name))["pending"]

        await until(has_struck)
    line.plan = no_faults
    line.end_all()
    return sold


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_over_tls_no_flipped_bit_gets_through(tmp_path: Path, seed: int) -> None:
    rng = Random(seed)
    config = tmp_path / "node.toml"
    config.write_text(f'hub_ca = "{TLS / "localhost.pem"}"\n')
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        async with (
            TlsEnd(chain.hub.port, TLS / "localhost.pem", TLS / "localhost.key") as end,
            ChaosProxy(end.port, rng, reads=Kind.RAW) as line,
        ):
            code = await run_command(
                *("hub", "enrol", "--data", str(chain.hub.data)),
                *("--name", "S01", "--writes", "S01"),
            )
            data, options = tmp_path / "S01", ("--config", str(config))
            hub = f"wss://127.0.0.1:{line.port}"
            await run_command(
                *("node", "join", "--data", str(data), "--hub", hub, "--code", code), *options
            )
            daemon = Daemon("node", data, tmp_path / "S01.log", options=options)
            chain.nodes["S01"] = LocalNode("S01", daemon, ("S01",))
            chain.replace("S01", in_other_world(daemon, patience="none"))
            await chain.start("S01")
            sold = await sell_over(chain, "S01", line, rng)
            await settle(chain, ["S01"], patience_s=SETTLED_S)
            print(f"{line.count} connections, struck {dict(line.struck)}, {sold} sales")
            await check_stock(chain, {"S01": shelf(range(sold))})
            await chain.verify([HUB, "S01"])


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_without_tls_no_flipped_bit_brings_a_daemon_down(tmp_path: Path, seed: int) -> None:
    rng = Random(seed)
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        async with ChaosProxy(chain.hub.port, rng) as line:
            node = await chain.add_node("S01", ["S01"], via=line.port, serve="later")
            chain.replace("S01", in_other_world(node.daemon, patience="none"))
            await chain.start("S01")
            sold = await sell_over(chain, "S01", line, rng)

            async def is_sent() -> bool:
                chain.check_running()
                status = await sync_status(chain, "S01")
                return status["connected"] and not status["pending"]

            await until(is_sent)
            print(f"{line.count} connections, struck {dict(line.struck)}, {sold} sales")
