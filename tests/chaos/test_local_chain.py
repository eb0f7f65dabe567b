"""A chain on one machine: daemons keep their ports, say why they died, and are gone after `close`."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from deploy.client import NoAnswerError
from deploy.local_chain import HUB, LocalChain
from deploy.process import Daemon, ProcessError, run_command


async def test_a_daemon_that_dies_at_start_is_reported_with_its_last_words(tmp_path: Path) -> None:
    daemon = Daemon("node", tmp_path / "never-joined", tmp_path / "node.log")
    with pytest.raises(ProcessError, match=r"ended at start with exit code [1-9]") as failure:
        await daemon.start()
    assert daemon.log_tail()
    assert daemon.log_tail() in str(failure.value)
    assert not daemon.running


async def test_a_command_that_fails_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match=r"(?s)ended with exit code [1-9].*no-such-option"):
        await run_command("hub", "init", "--data", str(tmp_path / "hub"), "--no-such-option")


async def test_a_killed_or_stopped_daemon_comes_back_on_its_port(tmp_path: Path) -> None:
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        node = (await chain.add_node("S01", ["S01"])).daemon
        ports = (chain.hub.port, node.port)
        assert 0 not in ports
        await chain.kill(HUB)
        await chain.stop("S01")
        assert (chain.hub.running, node.running) == (False, False)
        await chain.start(HUB)
        await chain.start("S01")
        assert (chain.hub.port, node.port) == ports
        assert (await chain.operator("S01").get("/v1/sync"))["pending"] == 0


async def test_nothing_runs_after_the_chain_is_closed(tmp_path: Path) -> None:
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        node = await chain.add_node("S01", ["S01"], line="cuttable")
        client = chain.operator("S01")
        await client.get("/v1/sync")
    assert (chain.hub.running, node.daemon.running) == (False, False)
    with pytest.raises((NoAnswerError, RuntimeError)):
        await client.get("/v1/sync")


async def test_a_daemon_that_ended_by_itself_is_reported(tmp_path: Path) -> None:
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        chain.check_running()
        os.kill(json.loads((chain.hub.data / "daemon.json").read_text())["pid"], signal.SIGKILL)
        with pytest.raises(ProcessError, match="ended by itself"):
            await _watch(chain)


async def _watch(chain: LocalChain) -> None:
    async with asyncio.timeout(10):
        while True:
            chain.check_running()
            await asyncio.sleep(0.02)
