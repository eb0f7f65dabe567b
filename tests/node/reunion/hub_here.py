"""A hub that is stopped, put back to older states, replaced, and started again at the same address."""

import asyncio
import contextlib
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer

from hub.app import HUB, make_app
from hub.config import HubSettings
from hub.opening import Hub
from hub.store.sqlite.store import SqliteHubStore
from protocol.ids import Epoch
from runtime.connection import connect_writer
from runtime.folder import Folder
from runtime.keys import token_digest
from runtime.metrics import new_registry
from runtime.verifier import Verifier
from runtime.world import World
from tests.node.reunion.waiting import copy_file
from tests.store.shop import CHAIN, EPOCH, HUB_KEY, name_bytes


@dataclass
class HubHere:
    """One hub; its file stays where it is while it is stopped."""

    path: Path
    port: int = 0
    epoch: Epoch = EPOCH
    settings: HubSettings = field(default_factory=HubSettings)
    hub: Hub | None = None
    _ending: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def url(self) -> str:
        """Where nodes find it, whenever it runs."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def running(self) -> Hub:
        """What its sessions share."""
        assert self.hub is not None
        return self.hub

    async def start(self) -> None:
        """Serve, at the same address as before."""
        self.path.mkdir(exist_ok=True)
        folder = await asyncio.to_thread(Folder, self.path)
        store = await SqliteHubStore.open(self.path / "hub.db")
        self._ending.push_async_callback(store.close)
        with contextlib.suppress(sqlite3.IntegrityError):
            await store.found(CHAIN, self.epoch)
        app = make_app(
            store,
            await store.history(),
            HUB_KEY,
            token_digest("operator"),
            self.settings,
            World(),
            new_registry(),
            Verifier("hub", folder, self.path / "hub.db", every_h=0, world=World()),
        )
        server = TestServer(app, host="127.0.0.1", port=self.port or None)
        await server.start_server()
        self._ending.push_async_callback(server.close)
        assert server.port is not None
        self.hub, self.port = app[HUB], server.port

    async def stop(self) -> None:
        """End every session and close the file."""
        self.hub = None
        await self._ending.aclose()

    async def back_up(self, name: str) -> None:
        """Stop, keep a copy of the file, and serve again."""
        await self.stop()
        await asyncio.to_thread(copy_file, self.path / "hub.db", self.path / name)
        await self.start()

    async def put_back(self, name: str) -> None:
        """Stop and serve from the copy; nobody is told."""
        await self.stop()
        await asyncio.to_thread(copy_file, self.path / name, self.path / "hub.db")
        await self.start()

    async def replace(self) -> None:
        """Lose the file; an empty hub of the chain serves instead, in an epoch of its own."""
        await self.stop()
        await asyncio.to_thread(_remove, self.path / "hub.db")
        self.epoch = Epoch(name_bytes("epoch", self.epoch))
        await self.start()

    async def begin_epoch(self) -> None:
        """As `restore` does: the same rows in a new epoch."""
        await self.stop()
        self.epoch = Epoch(name_bytes("epoch", self.epoch))
        await asyncio.to_thread(_set_epoch, self.path / "hub.db", self.epoch)
        await self.start()

    async def change_access(self, name: str, **rights: list[str]) -> None:
        """Give a node other rights."""
        await self.tell("access", name=name, **rights)

    async def tell(self, command: str, **what: Any) -> Any:
        """Do what an operator's command does; its answer."""
        url = f"http://127.0.0.1:{self.port}/v1/operator/{command}"
        headers = {"Authorization": "Bearer operator"}
        async with (
            aiohttp.ClientSession() as http,
            http.post(url, json=what, headers=headers) as answer,
        ):
            assert answer.status == 200, await answer.text()
            return await answer.json()


def _remove(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def _set_epoch(path: Path, epoch: Epoch) -> None:
    with contextlib.closing(connect_writer(path)) as db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (epoch,))
