"""A hub on a free port of this machine, and nodes that come and go."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from hub.app import HUB, make_app
from hub.config import HubSettings
from hub.fleet import Fleet
from hub.opening import Hub
from hub.store.sqlite.store import SqliteHubStore
from runtime.folder import Folder
from runtime.keys import token_digest
from runtime.metrics import new_registry
from runtime.verifier import Verifier
from runtime.world import World
from tests.hub.command import hub
from tests.hub.peer import Peer
from tests.store.shop import CHAIN, EPOCH, HUB_KEY, NOW_MS, Shop

TOKEN = "operator_of_the_tests"


class Clock:
    """The hub's wall clock, moved by hand."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@dataclass
class Running:
    """A hub that serves."""

    hub: Hub
    server: TestServer
    http: aiohttp.ClientSession
    clock: Clock
    database: Path

    @property
    def fleet(self) -> Fleet:
        """What the operator's commands use."""
        return Fleet(self.hub.store, self.hub.identity, self.hub.world)

    async def enrol(self, shop: Shop) -> Shop:
        """Make the node known, as if it had joined."""
        await shop.opens(self.hub.store, "enrolled")
        return shop

    def peer(self, shop: Shop) -> Peer:
        """A node's end of one session; not connected yet."""
        return Peer(self.http, str(self.server.make_url("/v1/session")), shop)

    async def get(self, path: str, token: str | None = TOKEN) -> aiohttp.ClientResponse:
        """Ask as the operator."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await self.http.get(self.server.make_url(path), headers=headers)

    async def post(
        self, path: str, body: object, token: str | None = TOKEN
    ) -> aiohttp.ClientResponse:
        """Tell as the operator."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await self.http.post(self.server.make_url(path), json=body, headers=headers)


Start = Callable[..., "AsyncIterator[Running]"]


@pytest.fixture
def hub_settings() -> HubSettings:
    """Override it to serve with other limits."""
    return HubSettings()


@pytest.fixture
async def running(tmp_path: Path, hub_settings: HubSettings) -> AsyncIterator[Running]:
    """A hub with an empty store."""
    clock = Clock()
    folder = await asyncio.to_thread(Folder, tmp_path)
    store = await SqliteHubStore.open(tmp_path / "hub.db")
    await store.found(CHAIN, EPOCH)
    app = make_app(
        store,
        await store.history(),
        HUB_KEY,
        token_digest(TOKEN),
        hub_settings,
        World(now_ms=clock),
        new_registry(),
        Verifier("hub", folder, tmp_path / "hub.db", every_h=0, world=World()),
    )
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    async with aiohttp.ClientSession() as http:
        yield Running(app[HUB], server, http, clock, tmp_path / "hub.db")
    await server.close()
    await store.close()


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A hub that was just made, and what `init` printed."""
    data = tmp_path_factory.mktemp("cli") / "hub"
    done = hub("init", "--data", data)
    assert done.returncode == 0, done.stderr
    return data, done.stdout


@pytest.fixture
def data(founded: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of that hub."""
    copy = tmp_path / "hub"
    copy.mkdir(mode=0o700)
    for file in founded[0].iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
        (copy / file.name).chmod(0o600)
    return copy
