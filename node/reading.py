"""What surfaces read of a node: movements, stock, and how it stands with the hub.

Invariant: an answer is of one snapshot of the store, so its parts agree; nothing here writes, or waits for the writer or
the hub.
"""

from collections.abc import Iterable

from node import showing
from node.commands import answering
from node.commands.requests import Refusal
from node.live.events import Sync, json_of
from node.replica import movements, scopes, stock
from node.replica.movements import MovementQuery
from node.replica.stock import StockQuery
from node.showing import Figures
from node.uplink import Uplink
from protocol import digest
from protocol.ids import OpId, Scope, scope_is_valid
from runtime.store import Store, StoreError
from runtime.verifier import Verifier
from runtime.world import World


class Reading:
    """The questions to one node, answered as REST shows them."""

    def __init__(self, store: Store, world: World, uplink: Uplink, verifier: Verifier) -> None:
        self._store = store
        self._world = world
        self._uplink = uplink
        self._verifier = verifier

    async def movements(self, query: MovementQuery) -> tuple[list[dict[str, object]], str | None]:
        """Movements, newest first, and the cursor of the next page.

        Raises:
            Refusal: `validation_failed` for a foreign cursor.
        """
        found, after = await self._store.read(lambda db: movements.newest(db, query))
        return [answering.movement_json(one) for one in found], after

    async def movement(self, movement_id: bytes) -> dict[str, object] | None:
        """One movement."""
        found = await self._store.read(lambda db: movements.one(db, OpId(movement_id)))
        return None if found is None else answering.movement_json(found)

    async def stock(self, query: StockQuery) -> tuple[list[dict[str, object]], str | None]:
        """Rows of stock by location and SKU, and the cursor of the next page.

        Raises:
            Refusal: `validation_failed` for a foreign cursor.
        """
        found, after = await self._store.read(
            lambda db: stock.page(db, query, self._world.now_ms())
        )
        return [showing.stock_json(row) for row in found], after

    async def stock_row(self, location: str, sku: str) -> dict[str, object] | None:
        """One SKU at one location with its lots; zeros for a pair never touched, None when neither is known."""
        certificate = self._uplink.local.identity.certificate
        return await self._store.read(
            lambda db: showing.stock_row_json(db, certificate, location, sku, self._world.now_ms())
        )

    async def sync_status(self) -> dict[str, object]:
        """Where this node stands with the hub, as `GET /v1/sync` shows it."""
        # Before the rest: while it is read a session may open with a hub that has less than it acknowledged, and of a node
        # that is connected what is still to be sent must be told.
        connected = self._uplink.connected
        shown = await self._store.read(lambda db: showing.sync_status(db, self._world.now_ms()))
        verified = showing.verified(self._verifier.outcome)
        return {**shown, **verified, "connected": connected}

    async def digest(self, scope: str) -> dict[str, object]:
        """A scope's digest over the rows the hub sent; zeros for a scope that has none.

        Raises:
            Refusal: `validation_failed` for what is not a scope.
        """
        if not scope_is_valid(scope):
            raise Refusal("validation_failed", "scope must be one of this chain's, as in stock:S01")
        state = await self._store.read(lambda db: scopes.read(db, Scope(scope)))
        rows, value, hub_seq = (0, 0, 0) if state is None else (*state.digest, state.hub_seq)
        return {"scope": scope, "hub_seq": hub_seq, "rows": rows, "digest": digest.to_text(value)}

    async def require_read(self, wanted: Iterable[Scope]) -> None:
        """Return if this node reads all of these scopes, by its certificate or from before.

        Raises:
            Refusal: `forbidden` for one that it does not read.
        """
        reads, held = (
            self._uplink.local.identity.certificate.reads_scope,
            await self._store.read(scopes.held),
        )
        if unread := [scope for scope in wanted if scope not in held and not reads(scope)]:
            raise Refusal("forbidden", f"this node does not read {min(unread)}")

    async def figures(self) -> Figures | None:
        """What its metrics show of a moment; None when it cannot be read now."""
        try:
            return await self._store.read(lambda db: showing.figures(db, self._world.now_ms()))
        except StoreError:
            return None

    async def sync(self) -> Sync:
        """The same for those who follow it live, and what of it makes news."""
        status = await self.sync_status()
        # An age, and when the hub was last heard, change by themselves all the time; they do not make news.
        lasting = {**status, "oldest_pending_age_s": None, "last_contact_at": None}
        return Sync(json_of(status), json_of(lasting))
