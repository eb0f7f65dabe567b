"""Copies of data folders, and what happens to them: put back, put beside each other, lost.

Rule: whoever puts a copy back says how it was made and whether the daemon is told; the daemon's process is ended before
its folder is touched, and started by the caller.
"""

import asyncio
import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Literal

from deploy.local_chain import HUB, LocalChain, LocalNode
from deploy.process import Daemon, run_command
from hub.datafolder import DATABASE as HUB_DATABASE
from hub.witness import WITNESS_FILE

Made = Literal["stopped copy", "backup command"]
Told = Literal["told nothing", "restored", "in silence"]
"""How a hub learns that it was put back: from the mark in a backup and the witness beside it, if either is there; from
`restore`; from neither, as if there had never been a mark or a witness."""


async def copy_hub(chain: LocalChain, to: Path, made: Made) -> Path:
    """Copy the hub: its database by `backup` while it serves, or the whole folder while it does not."""
    if made == "backup command":
        await run_command("hub", "backup", "--data", str(chain.hub.data), str(to))
    else:
        await chain.stop(HUB)
        await asyncio.to_thread(shutil.copytree, chain.hub.data, to)
        await chain.start(HUB)
    return to


async def put_hub_back(chain: LocalChain, copy: Path, *, told: Told = "told nothing") -> None:
    """Kill the hub and give it an older state, by hand or, of what `backup` made, by `restore`; it is not started."""
    await chain.kill(HUB)
    if told == "restored":
        where = ("--data", str(chain.hub.data), "--move-aside")
        await run_command("hub", "restore", str(copy), *where)
        return
    await asyncio.to_thread(_put_hub_back, chain.hub.data, copy)
    if told == "in silence":
        await asyncio.to_thread(_say_nothing, chain.hub.data)


def _say_nothing(data: Path) -> None:
    with contextlib.closing(sqlite3.connect(data / HUB_DATABASE)) as db:
        db.execute("DROP TABLE IF EXISTS backup_mark")
    (data / WITNESS_FILE).unlink()


def _put_hub_back(data: Path, copy: Path) -> None:
    if copy.is_dir():
        shutil.rmtree(data)
        shutil.copytree(copy, data)
        return
    for old in data.glob(f"{HUB_DATABASE}*"):
        old.unlink()
    shutil.copy(copy, data / HUB_DATABASE)


async def copy_node(chain: LocalChain, name: str, to: Path) -> Path:
    """Copy a node's folder while it is stopped, and start it again."""
    await chain.stop(name)
    await asyncio.to_thread(shutil.copytree, chain.nodes[name].daemon.data, to)
    await chain.start(name)
    return to


async def put_node_back(chain: LocalChain, name: str, copy: Path) -> None:
    """Kill a node and give it the folder it had; not started."""
    await chain.kill(name)
    data = chain.nodes[name].daemon.data
    await asyncio.to_thread(shutil.rmtree, data)
    await asyncio.to_thread(shutil.copytree, copy, data)


async def clone_node(chain: LocalChain, name: str, clone: str) -> LocalNode:
    """Copy a node's folder beside it, as a second machine made from the first one's disk; neither is started."""
    await chain.stop(name)
    original, data = chain.nodes[name], chain.folder / clone
    await asyncio.to_thread(shutil.copytree, original.daemon.data, data)
    daemon = Daemon("node", data, chain.folder / f"{clone}.log")
    chain.nodes[clone] = LocalNode(clone, daemon, original.writes)
    return chain.nodes[clone]
