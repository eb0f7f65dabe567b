"""The demonstration tells its story to the end, stays up, and leaves nothing behind."""

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from deploy.process import CHECKOUT

STORY_S_MAX: Final = 100.0


@contextlib.asynccontextmanager
async def _demo(*arguments: str) -> AsyncIterator[Process]:
    """The demonstration; it has ended when the block has."""
    command = (sys.executable, "-m", "deploy.demo", *arguments)
    demo = await asyncio.create_subprocess_exec(
        *command, cwd=CHECKOUT, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
    )
    try:
        yield demo
    finally:
        # Told, not killed: only the demonstration itself can end what it started.
        if demo.returncode is None:
            demo.terminate()
        await demo.communicate()


@pytest.mark.slow
async def test_the_demonstration_ends_by_itself_once_all_replicas_agree(tmp_path: Path) -> None:
    async with _demo("--once", "--data", str(tmp_path)) as demo:
        async with asyncio.timeout(STORY_S_MAX):
            output = (await demo.communicate())[0].decode()
        assert demo.returncode == 0, output
    assert output.count("All replicas agree") == 2, output
    assert "is cut" in output
    assert output.count("curl ") == 3


async def test_the_demonstration_stays_up_until_it_is_told_to_end(tmp_path: Path) -> None:
    told: list[str] = []
    async with _demo("--data", str(tmp_path)) as demo, aiohttp.ClientSession() as http:
        assert demo.stdout is not None
        async with asyncio.timeout(STORY_S_MAX):
            async for line in demo.stdout:
                told.append(line.decode())
                if "stays up" in told[-1]:
                    break
        urls = [word for line in told for word in line.split() if word.startswith("http://")]
        for url in urls[:5]:
            async with http.get(f"{url}/readyz") as answer:
                assert answer.status == 200, url
        demo.send_signal(signal.SIGTERM)
        told.append((await demo.communicate())[0].decode())
        for url in urls[:5]:
            with pytest.raises(aiohttp.ClientConnectorError):
                await http.get(f"{url}/readyz")
    assert (demo.returncode, len(urls) >= 5) == (0, True), "".join(told)
