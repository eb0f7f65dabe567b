"""A real node's store with its commands and its care for the books; only the line to the hub is played."""

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from node.commands import documents, movements, orders, stocktakes, transfers
from node.commands.courses import Request
from node.commands.movements import Here
from node.commands.requests import Authority, Caller, Line, Movement
from node.commands.stocktakes import Wish
from node.local import Local
from node.reconciling import Reconciling
from node.replica import SCHEMA, identity, log, recovery, rows, scopes, verify
from node.replica import documents as held_documents
from node.replica.identity import NodeIdentity, save_identity
from protocol.certificate import Certificate, Role, issue
from protocol.declarations import COLLECTIONS
from protocol.documents import Document
from protocol.effects import DocumentKey
from protocol.frames.feed import CaughtUp
from protocol.ids import Location, Lot, NodeId, ReplicaId, Scope, Seq, Sku
from protocol.movements import MoveKind
from runtime.store import Store
from tests.node.chain import CHAIN, HUB_KEY, NODE_KEY
from tests.node.replica.small_hub import SALT
from tests.node.replica.whole_hub import WholeHub

T = TypeVar("T")
PLACES = ("S01", "S02", "S03")
"""S03 has no node."""
_SHARED = ("catalogue", "directory", *(f"stock:{place}" for place in PLACES))


class Branch:
    """One node of a chain."""

    def __init__(
        self, store: Store, name: str, certificate: Certificate, chance: random.Random
    ) -> None:
        self.name = name
        self.store = store
        self.caller = Caller(f"operator of {name}", Authority.OPERATOR)
        self.now_ms = 1_700_000_000_000
        self._certificate = certificate
        self._replica = ReplicaId(name.encode().ljust(16, b"."))
        self._keys = 0
        who = NodeIdentity(
            CHAIN,
            "ws://127.0.0.1:1",
            bytes(HUB_KEY.verify_key),
            issue(certificate, HUB_KEY),
            certificate,
        )
        self.reconciling = Reconciling(
            store,
            Local(who, self._replica, 0),
            self.here,
            lambda: None,
            lambda most: chance.randint(0, most),
            office_waits_s=0,
        )
        self._who = who

    @classmethod
    async def open(cls, folder: Path, chance: random.Random, name: str, *writes: str) -> "Branch":
        """A node that writes these locations; one that writes none is an office, which waits for nobody."""
        certificate = Certificate(
            CHAIN,
            NodeId(name.encode().ljust(16, b".")),
            bytes(NODE_KEY.verify_key),
            name,
            Role.STORE if writes else Role.OFFICE,
            tuple(map(Location, writes)),
            ("*",),
            1,
            1_000,
        )
        store = await Store.open(folder / f"{name}.sqlite", SCHEMA)
        made = cls(store, name, certificate, chance)
        papers = (f"docs:{place}" for place in writes or PLACES)

        def join(db: sqlite3.Connection) -> None:
            save_identity(db, made._who, 1_000)
            recovery.begin_replica(db, made._replica)
            scopes.begin(db, map(Scope, (*_SHARED, *papers)))

        await store.write(join)
        return made

    def here(self) -> Here:
        """This node, now."""
        return Here(CHAIN, self._replica, self._certificate, 0, self.now_ms)

    # --- what people do --------------------------------------------------------------------------------------------

    async def creates(self, collection: str, **asked: object) -> str:
        """A new document's id."""
        declared = COLLECTIONS[collection]
        written = await self._writes(
            lambda db, key: documents.create(db, self.here(), self.caller, declared, asked, key)
        )
        return written.id

    async def acts(self, collection: str, id_: str, request: Request | Wish) -> None:
        """Do something with a document.

        Raises: Refusal.
        """
        if isinstance(request, Wish):
            act: Callable[..., Any] = stocktakes.act
        else:
            act = orders.act if collection == "orders" else transfers.act
        await self._writes(lambda db, key: act(db, self.here(), self.caller, id_, request, key))

    async def moves(self, kind: MoveKind, sku: str, delta: int) -> None:
        """Goods come or go, with no document."""
        line = Line(Sku(sku), Lot(""), delta)
        movement = Movement(kind, self._certificate.writes[0], (line,))
        await self._writes(
            lambda db, key: movements.record(db, self.here(), self.caller, movement, key)
        )

    async def sees(self, collection: str, id_: str) -> Document:
        """A document as this node shows it."""
        key = DocumentKey(collection, id_)
        return await self.store.read(lambda db: held_documents.states(db, key))

    # --- the line to the hub ---------------------------------------------------------------------------------------

    async def pushes(self, hub: WholeHub, limit: int = 10_000) -> None:
        """Send some of what the hub does not have, and hear that it has it."""
        sent = hub.acked.get(self._replica, Seq(0))
        _, items = await self.store.read(lambda db: log.outbox(db, sent, limit))
        for item in items:
            hub.push(self._replica, item.body, False)
        acked = hub.acked.get(self._replica, Seq(0))

        def acknowledge(db: sqlite3.Connection) -> None:
            log.acknowledge(db, acked, 1_000)
            identity.save_acked(db, acked, acked, 1_000)

        await self.store.write(acknowledge)

    async def pulls(self, hub: WholeHub, scope: Scope | None = None) -> None:
        """Take in what the hub has of a scope, or of all of them."""

        def take_in(db: sqlite3.Connection) -> None:
            for each in [scope] if scope else sorted(scopes.held(db)):
                state = scopes.read(db, each)
                assert state is not None
                page = hub.page(each, state.cursor, 10_000)
                rows.take_in(db, page, page.rows, self._replica, finish=True)
            if scope is None:
                scopes.advance_all(db, CaughtUp(hub.head, SALT))

        await self.store.write(take_in)

    async def looks(self, hub: WholeHub) -> bool:
        """What a session does at first: send all, read all, then look after the books; whether that recorded anything."""
        await self.pushes(hub)
        await self.pulls(hub)
        before = await self.recorded()
        await self.reconciling.look()
        return await self.recorded() > before

    async def recorded(self) -> int:
        """How many operations its log has."""
        return await self.store.read(lambda db: log.head(db).seq)

    async def problems(self) -> list[str]:
        """What its database has that it should not have."""
        return await self.store.read(verify.problems)

    async def counters(self) -> dict[tuple[str, str, str, int], int]:
        """What it shows; only what is not 0."""
        query = "SELECT location, sku, lot, account, value FROM counter WHERE value <> 0"
        found = await self.store.read(lambda db: db.execute(query).fetchall())
        return {tuple(row)[:4]: row["value"] for row in found}  # type: ignore[misc]

    async def _writes(self, transaction: Callable[[sqlite3.Connection, str], T]) -> T:
        self._keys += 1
        self.now_ms += 1_000
        key = f"key-{self._keys}"
        return await self.store.write(lambda db: transaction(db, key))
