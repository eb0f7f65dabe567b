"""A real node or hub in a process of its own, with shorter bounds: `victim KIND FOLDER BOUNDS`.

Beside the command line it is the product: the same application, served by the same function. The hub's chain and its
two shops are those of the store's tests, so that a test can be a node.
"""

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from aiohttp import web

from hub.app import make_app as make_hub
from hub.config import HubSettings
from hub.store.sqlite.store import SqliteHubStore
from node.app import make_app as make_node
from node.config import NodeSettings
from node.node import Node
from runtime.bounds import BOUNDS
from runtime.folder import Folder
from runtime.keys import token_digest
from runtime.logs import configure_logging
from runtime.metrics import new_registry
from runtime.service import run, serve
from runtime.verifier import Verifier
from runtime.world import World
from tests.hardening.line import Target
from tests.node.enrolled import enrolled_folder
from tests.store.shop import CHAIN, EPOCH, HUB_KEY, Shop

CHECKOUT: Final = Path(__file__).resolve().parents[2]
HUB_TOKEN: Final = "operator_of_the_tests"
HONEST: Final = "S01"
ROGUE: Final = "S02"
END_S_MAX: Final = 30.0

Kind = Literal["node", "hub"]


@dataclass(frozen=True, slots=True)
class Victim:
    """A daemon under attack, from outside."""

    target: Target
    pid: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.target.port}"

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def memory_mb(self) -> float:
        """What it holds now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def victim(kind: Kind, folder: Path, **bounds: float) -> Iterator[Victim]:
    """Run a daemon; it must end in good order when told to, whatever was done to it."""
    token = enrolled_folder(folder).operator_token if kind == "node" else HUB_TOKEN
    log = folder.with_suffix(".log")
    command = (
        sys.executable,
        "-m",
        "tests.hardening.victim",
        kind,
        str(folder),
        json.dumps(bounds),
    )
    with (
        log.open("wb") as words,
        subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=words) as child,
    ):
        try:
            assert child.stdout is not None
            line = child.stdout.readline().decode()
            assert line.startswith("listening on "), log.read_text()
            port = int(line.rpartition(":")[2])
            yield Victim(
                Target(port, _tills_token(port, token) if kind == "node" else token), child.pid, log
            )
            child.terminate()
            assert child.wait(END_S_MAX) == 0, log.read_text()
        finally:
            child.kill()


def _tills_token(port: int, operator: str) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/operator/tokens",
        data=b'{"name": "till-1"}',
        headers={"Authorization": f"Bearer {operator}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        token: str = json.loads(answer.read())["token"]
    return token


async def _serve(kind: str, path: Path, bounds: dict[str, float]) -> int:
    folder = await asyncio.to_thread(Folder, path)
    if kind == "node":
        node = await Node.open(folder, World())
        await _serve_bounded(make_node(node, NodeSettings()), folder, bounds)
        return 0
    database = path / "hub.db"
    store = await SqliteHubStore.open(database)
    try:
        await store.found(CHAIN, EPOCH)
        for name in (HONEST, ROGUE):
            await Shop(name).opens(store, "enrolled")
        app = make_hub(
            store,
            await store.history(),
            HUB_KEY,
            token_digest(HUB_TOKEN),
            HubSettings(),
            World(),
            new_registry(),
            Verifier("hub", folder, database, every_h=0, world=World()),
        )
        await _serve_bounded(app, folder, bounds)
    finally:
        await store.close()
    return 0


async def _serve_bounded(app: web.Application, folder: Folder, bounds: dict[str, float]) -> None:
    app[BOUNDS] = replace(app[BOUNDS], **bounds)  # type: ignore[arg-type]
    await serve(app, host="127.0.0.1", port=0, folder=folder)


if __name__ == "__main__":
    configure_logging("info")
    sys.exit(run(_serve(sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]))))
