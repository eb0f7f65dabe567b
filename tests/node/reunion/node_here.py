"""A node that is stopped, put back to older states, copied, damaged, and started again."""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

from node.commands.requests import Authority, Caller, Line, Movement
from node.dialling import over_web_socket
from node.joining import KEY_NAME
from node.metrics import NodeMetrics
from node.node import Node
from node.replica import DATABASE_NAME, SCHEMA, identity, retention, verify
from node.replica.identity import save_identity
from node.replica.kept import Kept
from node.replica.movements import MovementQuery
from node.replica.retention import Retention
from protocol.certificate import Certificate
from protocol.ids import Location, Lot, Sku
from protocol.movements import MoveKind
from protocol.wire import Frame, decode
from runtime.connection import connect_writer
from runtime.folder import Folder
from runtime.keys import load_or_create_signing_key
from runtime.line import Line as HubLine
from runtime.store import Store
from runtime.verifier import Verifier
from runtime.world import World
from tests.node.reunion.waiting import copy_file, eventually
from tests.store.shop import NOW_MS

TILL = Caller("till-1", Authority.TILL)
F = TypeVar("F")


class LosingLine:
    """A line on which frames of some kinds never arrive at the hub; what the hub said is noted."""

    def __init__(self, line: HubLine, node: "NodeHere") -> None:
        self._line = line
        self._loses = node.loses
        self._lost = node.lost
        self._said = node.said
        self._heard = node.heard
        self._cut: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def send(self, data: bytes) -> None:
        """See `Line`."""
        frame = decode(data)
        self._said.append(frame)
        if type(frame) in self._loses:
            self._lost.append(frame)
        else:
            await self._line.send(data)

    async def receive(self) -> bytes:
        """See `Line`."""
        coming = asyncio.ensure_future(self._line.receive())
        try:
            await asyncio.wait({coming, self._cut}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if self._cut.done() or not coming.done():
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
        if self._cut.done():
            raise ConnectionResetError("cut")
        data = await coming
        self._heard.append(decode(data))
        return data

    @property
    def is_cut(self) -> bool:
        """Whether it was."""
        return self._cut.done()

    def cut(self) -> None:
        """Nothing comes any more, and the hub is not told."""
        if not self._cut.done():
            self._cut.set_result(b"")

    async def close(self) -> None:
        """See `Line`."""
        await self._line.close()


class NodeHere:
    """One node's folder, and the node while it runs."""

    def __init__(self, path: Path, certificate: Certificate) -> None:
        self.path = path
        self.certificate = certificate
        self.kept = Kept()
        """Of which locations it keeps movements beside its own, from the next start on."""
        self.loses: set[type[Frame]] = set()
        self.lost: list[Frame] = []
        """What was lost, from the first start on."""
        self.said: list[Frame] = []
        """What this node said, or tried to, from the first start on."""
        self.heard: list[Frame] = []
        """What the hub said, from the last start on."""
        self._lines: list[LosingLine] = []
        self._half_open = contextlib.AsyncExitStack()
        self._node: Node | None = None

    @property
    def node(self) -> Node:
        """While it runs."""
        assert self._node is not None, "started"
        return self._node

    async def start(self) -> None:
        """Open the folder and reach for the hub."""
        self.heard.clear()
        world = World()
        metrics = NodeMetrics(world.monotonic_s)
        folder = await asyncio.to_thread(Folder, self.path)
        database = self.path / DATABASE_NAME
        store = await Store.open(database, SCHEMA, observe=metrics.observe_commit)
        key = await asyncio.to_thread(load_or_create_signing_key, folder, KEY_NAME)
        verifier = Verifier("node", folder, database, every_h=0.0, world=world)
        self._node = await Node.over(store, key, world, metrics, self._dial, verifier)
        self._node.keep_history_of(self.kept)
        await self._node.start()

    async def stop(self) -> None:
        """Leave the hub and close the file; nothing when it is stopped."""
        node, self._node = self._node, None
        if node is not None:
            await node.close()
        await self._half_open.aclose()

    async def back_up(self, name: str) -> None:
        """Stop, keep a copy of the file, and start again."""
        await self.stop()
        await asyncio.to_thread(copy_file, self.path / DATABASE_NAME, self.path / name)
        await self.start()

    async def put_back(self, name: str) -> None:
        """Stop and start from the copy."""
        await self.stop()
        await asyncio.to_thread(copy_file, self.path / name, self.path / DATABASE_NAME)
        await self.start()

    async def prunes(self) -> None:
        """Cut all of the log that may be cut, however young."""

        def prune(db: sqlite3.Connection) -> None:
            db.execute("UPDATE replica SET stable = acked")
            while retention.prune_piece(db, Retention(-1, -1), World().now_ms()):
                pass

        await self.node._store.write(prune)

    async def takes_the_log_of(self, other: "NodeHere") -> None:
        """Have this stopped node's identity in a copy of the other's database, as a careless `cp` has."""
        await asyncio.to_thread(
            _swap_identity, other.path / DATABASE_NAME, self.path / DATABASE_NAME
        )

    async def copy_to(self, path: Path) -> "NodeHere":
        """Copy the stopped node's folder."""
        assert self._node is None, "stopped"
        await asyncio.to_thread(shutil.copytree, self.path, path)
        return NodeHere(path, self.certificate)

    def cut(self) -> None:
        """Lose the line without a word to the hub, which takes it to be open."""
        self._lines[-1].cut()

    async def hears(self, kind: type[F]) -> F:
        """The newest frame of a kind that the hub has said since the start; waits for the first."""

        async def is_heard() -> bool:
            return any(isinstance(frame, kind) for frame in self.heard)

        await eventually(is_heard, True)
        return [frame for frame in self.heard if isinstance(frame, kind)][-1]

    # --- what tills do ---------------------------------------------------------------------------------------------

    async def sells(self, sku: str, quantity: int, *, key: object, location: str = "") -> None:
        """Record a sale under a key."""
        await self._records(MoveKind.SALE, sku, key, location, delta=-quantity)

    async def receives(self, sku: str, quantity: int, *, key: object, location: str = "") -> None:
        """Record goods that came in."""
        await self._records(MoveKind.RECEIVE, sku, key, location, delta=quantity)

    async def counts(self, sku: str, counted: int, *, key: object) -> None:
        """Record what is on the shelf."""
        await self._records(MoveKind.COUNT, sku, key, "", counted=counted)

    async def adjusts(self, sku: str, delta: int, *, key: object, location: str) -> None:
        """Record a correction."""
        await self._records(MoveKind.ADJUST, sku, key, location, reason="counted", delta=delta)

    async def kinds(self) -> list[str]:
        """Of the movements listed, newest first."""
        return [row["kind"] for row in await self.listed()]

    async def shows(self, sku: str, location: str = "") -> int:
        """What is shown on hand."""
        row = await self.node.reading.stock_row(location or self.certificate.writes[0], sku)
        return 0 if row is None else int(row["on_hand"])  # type: ignore[call-overload]

    async def status(self) -> dict[str, Any]:
        """As GET /v1/sync."""
        return await self.node.reading.sync_status()

    async def is_settled(self) -> bool:
        """Whether all is acknowledged, everything was read and nothing is to be claimed."""
        status = await self.status()
        due = (await self.asks("SELECT count(*) FROM claim"))[0][0]
        return (
            bool(status["connected"] and status["caught_up"] and not status["pending"]) and not due
        )

    async def listed(self, **query: Any) -> list[dict[str, Any]]:
        """The movements, newest first."""
        return (await self.node.reading.movements(MovementQuery(**query)))[0]

    async def asks(self, sql: str) -> list[Any]:
        """Look into the database."""
        return await self.node._store.read(lambda db: db.execute(sql).fetchall())

    async def writes(self, sql: str) -> None:
        """Damage the database."""

        def damage(db: sqlite3.Connection) -> None:
            db.execute(sql)

        await self.node._store.write(damage)

    async def problems(self) -> list[str]:
        """What does not add up."""
        return await self.node._store.read(verify.problems)

    async def _records(
        self,
        kind: MoveKind,
        sku: str,
        key: object,
        location: str,
        reason: str | None = None,
        **what: int,
    ) -> None:
        place = Location(location or self.certificate.writes[0])
        movement = Movement(kind, place, (Line(Sku(sku), Lot(""), **what),), reason=reason)
        await self.node.record(TILL, movement, str(key))

    @contextlib.asynccontextmanager
    async def _dial(self, hub_url: str) -> AsyncIterator[HubLine]:
        async with contextlib.AsyncExitStack() as opened:
            line = await opened.enter_async_context(over_web_socket(None)(hub_url))
            self._lines.append(LosingLine(line, self))
            yield self._lines[-1]
            if self._lines[-1].is_cut:
                # The other end of it stays as it is, until this node stops.
                await self._half_open.enter_async_context(opened.pop_all())


def _swap_identity(source: Path, target: Path) -> None:
    with contextlib.closing(connect_writer(target)) as db:
        who = identity.read_identity(db)
    copy_file(source, target)
    with contextlib.closing(connect_writer(target)) as db:
        save_identity(db, who, NOW_MS)
