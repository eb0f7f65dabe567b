"""A shop whose rows were all read from the hub once, and whose line is down since: what it notices it notices alone.

Stock and documents are written by the commands that surfaces call, at a time that the test moves.
"""

import contextlib
import itertools
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from node.alerting import state
from node.alerting.evaluation import Evaluation
from node.alerting.settings import Alerting
from node.alerting.state import Alert, AlertQuery
from node.commands import documents, movements
from node.commands.movements import Here
from node.commands.requests import Authority, Caller, Line, Movement
from node.local import Local
from node.replica import SCHEMA, identity, scopes
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.ids import Epoch, Location, Lot, Scope, Seq, Sku
from protocol.movements import MoveKind
from runtime.connection import connect_writer
from runtime.store import Store
from runtime.world import World
from tests.node.enrolled import enrolled_folder

CALLER: Final = Caller("operator", Authority.OPERATOR)
NOON_MS: Final = 1_795_262_400_000
"""2026-11-21, 12:00 UTC."""
DAY_MS: Final = 86_400_000


@dataclass
class Clock:
    """Wall and monotonic time, moved by hand."""

    now_ms: int = NOON_MS

    def world(self) -> World:
        """A machine on which it is that time."""
        return World(now_ms=lambda: self.now_ms, monotonic_s=lambda: self.now_ms / 1000)


def read_from_hub(database: Path, *names: str) -> None:
    """Leave the database as a session does in which these scopes were read to their end."""
    with contextlib.closing(connect_writer(database)) as db:
        mark_read(db, *names)


def mark_read(db: sqlite3.Connection, *names: str) -> None:
    """The same in an open database."""
    identity.save_epoch(db, Epoch(b"e" * 16), 0, NOON_MS)
    found = [Scope(name) for name in names]
    scopes.begin(db, found)
    for scope in found:
        scopes.read_to_end(db, scope, Seq(0))


@dataclass
class Shop:
    """One node's database and what looks after its alerts, not yet at work."""

    store: Store
    local: Local
    clock: Clock
    alerting: Alerting
    evaluation: Evaluation
    _keys: Iterator[int] = field(default_factory=itertools.count)

    async def move(self, sku: str, delta: int, lot: str = "", location: str = "S01") -> None:
        """Put goods on a shelf, or take them off."""
        line = Line(Sku(sku), Lot(lot), delta)
        movement = Movement(MoveKind.ADJUST, Location(location), (line,), reason="counted")
        here, key = self.here(), self._key()
        await self.store.write(lambda db: movements.record(db, here, CALLER, movement, key))

    async def create(self, collection: str, asked: Mapping[str, object]) -> str:
        """Create a document as the office does; its id."""
        declared, here, key = COLLECTIONS[collection], self.here(is_office=True), self._key()
        written = await self.store.write(
            lambda db: documents.create(db, here, CALLER, declared, asked, key)
        )
        return written.id

    async def change(self, collection: str, id_: str, asked: Mapping[str, object]) -> None:
        """Change a document as the office does."""
        declared, here, key = COLLECTIONS[collection], self.here(is_office=True), self._key()
        await self.store.write(
            lambda db: documents.change(db, here, CALLER, declared, id_, asked, key)
        )

    async def look(self) -> list[tuple[str, str, int]]:
        """Look until nothing is left; every alert as (kind, SKU, number), in order."""
        # A minute of monotonic time, after which it looks at the day again.
        self.clock.now_ms += 60_000
        while await self.evaluation.step():
            pass
        return sorted((one.condition, one.sku, one.number) for one in await self.alerts())

    async def alerts(self) -> list[Alert]:
        """Every alert that ever was."""
        found, following = await self.store.read(lambda db: state.page(db, AlertQuery(limit=1_000)))
        assert following is None, "more than these tests raise"
        return found

    async def events(self) -> list[str]:
        """The ids in the outbox, in order."""
        return await self.store.read(
            lambda db: [row["id"] for row in db.execute("SELECT id FROM alert_delivery ORDER BY 1")]
        )

    def restart(self) -> None:
        """Go on as after a crash: what was not written is forgotten."""
        world = self.clock.world()
        self.evaluation = Evaluation(self.store, world, self.local, self.alerting, lambda: None)

    def here(self, *, is_office: bool = False) -> Here:
        """What recording needs to know, now."""
        certificate = self.local.identity.certificate
        if is_office:
            certificate = certificate._replace(role=Role.OFFICE)
        chain, replica = certificate.chain, self.local.replica
        return Here(chain, replica, certificate, None, self.clock.now_ms)

    def _key(self) -> str:
        return f"k{next(self._keys)}"


@contextlib.asynccontextmanager
async def open_shop(
    path: Path,
    *,
    alerting: Alerting | None = None,
    read: tuple[str, ...] = ("catalogue", "directory", "stock:S01", "docs:S01"),
    **enrolled: Any,
) -> AsyncIterator[Shop]:
    """Open a shop in a new folder."""
    folder = enrolled_folder(path, **enrolled)
    if read:
        read_from_hub(folder.database, *read)
    store = await Store.open(folder.database, SCHEMA)
    try:
        who = await store.read(identity.read_identity)
        position = await store.read(identity.read_position)
        clock = Clock()
        given = alerting or Alerting()
        local = Local(who, position.replica, None)
        evaluation = Evaluation(store, clock.world(), local, given, lambda: None)
        yield Shop(store, local, clock, given, evaluation)
    finally:
        await store.close()
