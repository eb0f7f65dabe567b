"""The demonstration tells its story to the end, stays up, and leaves nothing behind."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from deploy.process import CHECKOUT

STORY_S_MAX: Final = 100.0


async def _start(*arguments: str) -> Process:
    command = (sys.executable, "-m", "deploy.demo", *arguments)
    return await asyncio.create_subprocess_exec(*command, cwd=CHECKOUT, stdout=PIPE, stderr=STDOUT)


async def test_the_demonstration_ends_by_itself_once_all_replicas_agree(tmp_path: Path) -> None:
    demo = await _start("--once", "--data", str(tmp_path))
    async with asyncio.timeout(STORY_S_MAX):
        output = (await demo.communicate())[0].decode()
    assert demo.returncode == 0, output
    assert output.count("All replicas agree") == 2, output
    assert "is cut" in output
    assert output.count("curl ") == 3


async def test_the_demonstration_stays_up_until_it_is_told_to_end(tmp_path: Path) -> None:
    demo = await _start("--data", str(tmp_path))
    assert demo.stdout is not None
    told = []
    try:
        async with asyncio.timeout(STORY_S_MAX):
            async for line in demo.stdout:
                told.append(line.decode())
                if "stays up" in told[-1]:
                    break
            urls = [word for line in told for word in line.split() if word.startswith("http://")]
            async with aiohttp.ClientSession() as http:
                for url in urls[:5]:
                    async with http.get(f"{url}/readyz") as answer:
                        assert answer.status == 200, url
                demo.send_signal(signal.SIGTERM)
                told.append((await demo.communicate())[0].decode())
                for url in urls[:5]:
                    with pytest.raises(aiohttp.ClientConnectorError):
                        await http.get(f"{url}/readyz")
    finally:
        # Told, not killed: only the demonstration itself can end what it started.
        if demo.returncode is None:
            demo.terminate()
            await demo.communicate()
    assert (demo.returncode, len(urls) >= 5) == (0, True), "".join(told)
