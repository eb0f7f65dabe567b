"""A shop as the hub's store sees it: an enrolled node with one log, kept in memory.

Nothing here is random: ids are derived from names, so a failing example reads the same every time.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from nacl.signing import SigningKey

from hub.store.interface import Committed, Fenced, HubStore, Opened, Opening, Push, SteppedBack
from protocol.certificate import Certificate, Role, issue
from protocol.chain import CHAIN_START, extend_all
from protocol.clock import Stamp
from protocol.effects import Account, CounterEffect, Effect, FieldEffect, Join
from protocol.frames.log import Item
from protocol.ids import (
    ChainId,
    Epoch,
    Location,
    Lot,
    NodeId,
    OpId,
    ReplicaId,
    Salt,
    Scope,
    Seq,
    Sku,
)
from protocol.operation import Operation, encode

CHAIN = ChainId(bytes(15) + b"\x01")
EPOCH = Epoch(bytes(15) + b"\x02")
HUB_KEY = SigningKey(bytes(32))
NOW_MS = 1_700_000_000_000


def name_bytes(*parts: object, length: int = 16) -> bytes:
    """Bytes that only these parts give."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=length).digest()


def counted(
    location: str, sku: str, delta: int, *, lot: str = "", account: int = Account.ON_HAND
) -> CounterEffect:
    """One counter effect."""
    return CounterEffect(Location(location), Sku(sku), Lot(lot), account, delta)


def edited(
    document: str,
    name: str,
    value: object,
    *,
    at: int,
    scopes: Sequence[str] = ("catalogue",),
    join: Join = Join.LWW,
    rank: int = 0,
    by: str = "author",
) -> FieldEffect:
    """One field effect, stamped `at` milliseconds."""
    stamp = Stamp(at, 0, ReplicaId(name_bytes(by)))
    placed = tuple(sorted(Scope(scope) for scope in scopes))
    return FieldEffect("sku", document, name, join, rank, value, stamp, placed)


@dataclass
class Shop:
    """One node with one log."""

    name: str
    writes: tuple[str, ...] = ()
    role: Role = Role.STORE
    log: list[Item] = field(default_factory=list)
    session: bytes = b""
    pushed: int = 0
    now_ms: int = NOW_MS
    incarnation: int = 1

    def __post_init__(self) -> None:
        self.node = NodeId(name_bytes("node", self.name))
        self.key = SigningKey(name_bytes("key", self.name, length=32))
        if not self.writes and self.role is Role.STORE:
            self.writes = (self.name,)

    @property
    def replica(self) -> ReplicaId:
        """The log's present name."""
        return ReplicaId(name_bytes("replica", self.name, self.incarnation))

    @property
    def certificate(self) -> Certificate:
        """The first certificate."""
        return Certificate(
            CHAIN,
            self.node,
            bytes(self.key.verify_key),
            self.name,
            self.role,
            tuple(map(Location, self.writes)),
            ("*",),
            1,
            NOW_MS,
        )

    def opening(
        self,
        session: str = "session",
        *,
        new_epoch: Epoch | None = None,
        decided_in: Epoch | None = None,
    ) -> Opening:
        """What the hub's driver would open."""
        self.session = name_bytes(self.name, session)
        return Opening(
            self.certificate,
            issue(self.certificate, HUB_KEY),
            self.replica,
            self.session,
            name_bytes("boot", session),
            "test 1",
            new_epoch,
            EPOCH if decided_in is None else decided_in,
            lambda each: issue(each, HUB_KEY),
            self.now_ms,
        )

    async def opens(self, store: HubStore, session: str = "session") -> Opened:
        """Open a session, the newest."""
        return await store.open_session(self.opening(session))

    def records(self, *effects: Effect, key: object = None, kind: str = "move.sale") -> Operation:
        """Append an operation to the log."""
        op_id = OpId(name_bytes("op", key if key is not None else (self.name, len(self.log))))
        at = NOW_MS + len(self.log)
        operation = Operation(op_id, at, at, 0, "till-1", "till-1", kind, 1, effects, {})
        self.log.append(Item(encode(operation), None))
        return operation

    def sells(self, sku: str, quantity: int, *, key: object = None) -> Operation:
        """Append a sale at the first location it writes."""
        return self.records(counted(self.writes[0], sku, -quantity), key=key)

    def push(self, count: int | None = None) -> Push:
        """The next batch; what was pushed is taken to be acknowledged."""
        items = self.log[self.pushed :][:count]
        prev = extend_all(CHAIN_START, [item.body for item in self.log[: self.pushed]])
        first = Seq(self.pushed + 1)
        salt = Salt(name_bytes("salt", self.name, self.pushed, length=8))
        self.pushed += len(items)
        return Push(self.replica, self.session, first, prev, tuple(items), self.now_ms, salt)

    async def pushes(self, store: HubStore, count: int | None = None) -> Committed:
        """Push and see it committed."""
        return committed(await store.commit(self.push(count)))


def committed(outcome: Committed | SteppedBack | Fenced) -> Committed:
    """The outcome, which must be a commit."""
    assert isinstance(outcome, Committed), outcome
    return outcome


async def push_all(shop: Shop, store: HubStore) -> list[object]:
    """Push in batches of five hundred; everything that was quarantined."""
    found: list[object] = []
    while shop.pushed < len(shop.log):
        found += (await shop.pushes(store, 500)).quarantined
    return found
