"""A hub and its nodes in one folder.

Nothing is simulated but the line, which may lose frames of chosen kinds on their way to the hub.
"""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from node.joining import KEY_NAME
from node.replica import DATABASE_NAME, SCHEMA, recovery
from node.replica.identity import NodeIdentity, save_identity
from protocol.certificate import Certificate, Role, issue
from protocol.ids import Location, NodeId, ReplicaId
from runtime.connection import connect_writer
from runtime.folder import Folder
from runtime.keys import load_or_create_signing_key
from runtime.migrations import migrate
from tests.node.reunion.hub_here import HubHere
from tests.node.reunion.node_here import NodeHere
from tests.node.reunion.waiting import eventually
from tests.store.shop import CHAIN, HUB_KEY, NOW_MS, name_bytes

__all__ = ["Here", "NodeHere", "eventually", "settled"]


NOTHING = (0, bytes(16))
"""The rows and the digest of a scope without rows."""


class Here:
    """One hub and its nodes, all in one folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hub = HubHere(path / "hub")
        self.nodes: list[NodeHere] = []

    async def node(
        self,
        name: str,
        *,
        writes: tuple[str, ...] = (),
        reads: tuple[str, ...] = ("*",),
        role: Role = Role.STORE,
        starts: bool = True,
    ) -> NodeHere:
        """A node with a valid certificate; the hub hears of it when it comes."""
        path = self.path / name
        certificate = await asyncio.to_thread(
            _enrol, path, self.hub.url, name, writes or (name,), reads, role
        )
        made = NodeHere(path, certificate)
        self.nodes.append(made)
        if starts:
            await made.start()
        return made

    async def copy(self, node: NodeHere, name: str) -> NodeHere:
        """A copy of a stopped node's folder, stopped."""
        made = await node.copy_to(self.path / name)
        self.nodes.append(made)
        return made

    async def close(self) -> None:
        """Stop everything."""
        for node in self.nodes:
            await node.stop()
        await self.hub.stop()


async def settled(*nodes: NodeHere) -> None:
    """Wait until nothing is under way between these and the hub: all is sent, and all that came of it is here."""
    for node in nodes:
        await eventually(node.is_settled, True)
    for node in nodes:
        # "Caught up" is said of what was once read to its end; what a neighbour just sent may not be here yet.
        await eventually(lambda node=node: _behind(node), {})  # type: ignore[misc]


async def _behind(node: NodeHere) -> dict[str, tuple[int, bytes]]:
    """What the hub has of the node's scopes, where that is not what the node has."""
    held = {
        scope: (rows, digest)
        for scope, rows, digest in await node.asks(
            "SELECT scope, rows, digest FROM scope WHERE held"
        )
    }
    at_hub = await asyncio.to_thread(_scopes_of_hub, node.path.parent / "hub" / "hub.db")
    return {
        scope: at_hub.get(scope, NOTHING)
        for scope in held
        if held[scope] != at_hub.get(scope, NOTHING)
    }


def _scopes_of_hub(path: Path) -> dict[str, tuple[int, bytes]]:
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return {
            scope: (rows, digest)
            for scope, rows, digest in db.execute("SELECT scope, rows, digest FROM scope")
        }


def _enrol(
    path: Path,
    url: str,
    name: str,
    writes: tuple[str, ...],
    reads: tuple[str, ...],
    role: Role,
) -> Certificate:
    key = load_or_create_signing_key(Folder(path), KEY_NAME)
    certificate = Certificate(
        CHAIN,
        NodeId(name_bytes("node", name)),
        bytes(key.verify_key),
        name,
        role,
        tuple(map(Location, writes)),
        reads,
        1,
        NOW_MS,
    )
    signed = issue(certificate, HUB_KEY)
    with contextlib.closing(connect_writer(path / DATABASE_NAME)) as db:
        migrate(db, SCHEMA)
        who = NodeIdentity(CHAIN, url, bytes(HUB_KEY.verify_key), signed, certificate)
        save_identity(db, who, NOW_MS)
        recovery.begin_replica(db, ReplicaId(name_bytes("replica", name)))
    return certificate
