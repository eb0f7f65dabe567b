"""The one way into the ledger and the rows.

Invariant: a batch is taken only if it continues the replica's log exactly where the hub stands (`first` = acked + 1,
`prev` = the hash there) from the newest session; then acked, chain, ledger, entries, totals, digests, rows and salt move
in one transaction. One bad operation is kept without effect and never blocks those behind it.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final, NamedTuple

from hub.store.interface import Change, Committed, Fenced, Push, SteppedBack
from hub.store.sqlite.fold import Fold
from protocol.access import DeviceRights, device_may
from protocol.certificate import Role
from protocol.chain import extend_all
from protocol.codec import pack
from protocol.effects import effects_to_wire
from protocol.errors import Code, ProtocolError
from protocol.frames.log import Item, StatusEntry
from protocol.ids import ChainHash, Seq
from protocol.operation import Operation, decode, home_of
from runtime.queries import by_place, load_queries

SQL: Final = load_queries(__file__, "commit.sql")
_CLAIM: Final = by_place(SQL["claim"], ("op_id", "home", "position"))
_FORBIDDEN: Final = "this device was never allowed to write there"


def commit(db: sqlite3.Connection, push: Push) -> Committed | SteppedBack | Fenced:
    """Take a batch, or say where the hub stands; runs in the caller's transaction."""
    replica = db.execute(SQL["replica"], {"replica": push.replica}).fetchone()
    if replica is None or replica["session"] != push.session:
        return Fenced()
    acked, chain = Seq(replica["acked"]), ChainHash(replica["chain"])
    if (code := _step_back(push, acked, chain)) is not None:
        return SteppedBack(code, acked, chain)
    rights = DeviceRights(
        Role(replica["role"]),
        frozenset(location for (location,) in db.execute(SQL["rights"], {"node": replica["node"]})),
    )
    batch = _Batch(db, replica["id"], rights, push)
    change = batch.take()
    acked = Seq(acked + len(push.items))
    chain = extend_all(chain, [item.body for item in push.items])
    db.execute(SQL["advance"], {"id": replica["id"], "acked": acked, "chain": chain})
    return Committed(acked, chain, push.now_ms, batch.quarantined, change, batch.repeated)


def _step_back(push: Push, acked: Seq, chain: ChainHash) -> Code | None:
    if push.first > acked + 1:
        return Code.GAP
    if push.first <= acked:
        # A repeat of what is in the ledger, or another history: the node compares its own hash at `acked`.
        return Code.REWIND
    return None if push.prev == chain else Code.FORK


@dataclass(slots=True)
class _LedgerRow:
    """An operation as it goes into the ledger: it counts unless a code or a repeat says otherwise."""

    position: int
    replica: int
    seq: Seq
    accepted_at: int
    body: bytes | None
    code: str | None = None
    detail: str | None = None
    repeats: int | None = None

    def set_aside(self, code: Code, detail: str) -> None:
        """Keep it without effect."""
        self.code, self.detail = code.value, detail

    def values(self) -> tuple[object, ...]:
        """As `_APPEND` takes it."""
        where = (self.position, self.replica, self.seq, self.accepted_at)
        return (*where, self.code, self.detail, self.repeats, self.body)


_APPEND: Final = by_place(
    SQL["append"],
    ("position", "replica", "seq", "accepted_at", "code", "detail", "repeats", "body"),
)


class _Readable(NamedTuple):
    """An operation that this device may record; it counts unless its id does already or its rows cannot take it."""

    offset: int
    position: int
    operation: Operation
    home: str

    @property
    def id(self) -> dict[str, object]:
        """What an operation counts once under."""
        return {"op_id": self.operation.op_id, "home": self.home}


class _Batch:
    """What becomes of the operations of one push, in order."""

    def __init__(
        self, db: sqlite3.Connection, replica: int, rights: DeviceRights, push: Push
    ) -> None:
        self._db = db
        self._replica = replica
        self._rights = rights
        self._push = push
        self._fold = Fold(db, replica, push.now_ms)
        self._base: int = db.execute(SQL["last_position"]).fetchone()[0] + 1
        self._ledger: list[_LedgerRow] = []

    @property
    def repeated(self) -> int:
        """How many counted before."""
        return sum(row.repeats is not None for row in self._ledger)

    @property
    def quarantined(self) -> tuple[StatusEntry, ...]:
        """Those without effect, oldest first."""
        return tuple(
            StatusEntry(row.seq, row.code, row.detail or "")
            for row in self._ledger
            if row.code is not None
        )

    def take(self) -> Change | None:
        """Decide about every operation and store what was decided."""
        readable = [
            each
            for offset, item in enumerate(self._push.items)
            if (each := self._read(offset, item)) is not None
        ]
        has_repeats = self._claim(readable)
        self._fold.expect(each.operation.effects for each in readable)
        for each in readable:
            first = self._first(each) if has_repeats else each.position
            if first == each.position:
                self._count(each)
            else:
                self._repeat(each, first)
        self._db.executemany(_APPEND, [row.values() for row in self._ledger])
        return self._fold.write(self._push.salt)

    def _read(self, offset: int, item: Item) -> _Readable | None:
        """Append to the ledger; None when it has no effect for its own sake."""
        now_ms, accepted_at = self._push.now_ms, item.accepted_at_ms
        row = _LedgerRow(
            self._base + offset,
            self._replica,
            Seq(self._push.first + offset),
            now_ms if accepted_at is None else min(now_ms, accepted_at),
            item.body,
        )
        self._ledger.append(row)
        try:
            operation = decode(item.body)
        except ProtocolError as error:
            row.set_aside(Code.UNDECODABLE, error.detail)
            return None
        if not device_may(self._rights, operation):
            row.set_aside(Code.FORBIDDEN, _FORBIDDEN)
            return None
        return _Readable(offset, self._base + offset, operation, home_of(operation))

    def _claim(self, readable: list[_Readable]) -> bool:
        """Mark all ids as counting, in one statement; whether some of them did before.

        To ask first would cost a statement for each operation, and almost none is a repeat.
        """
        claims = [(each.operation.op_id, each.home, each.position) for each in readable]
        return self._db.executemany(_CLAIM, claims).rowcount < len(claims)

    def _first(self, each: _Readable) -> int:
        """The position that counts for this id: its own, or an earlier one."""
        row = self._db.execute(SQL["applied_at"], each.id).fetchone()
        if row is not None:
            return int(row[0])
        # Claimed by one before it in this batch that the rows could not take.
        self._db.execute(SQL["claim"], each.id | {"position": each.position})
        return each.position

    def _count(self, each: _Readable) -> None:
        row = self._ledger[each.offset]
        seq = self._push.first + each.offset
        effects = each.operation.effects
        # Only here are the scopes known that the documents are in by now, also by operations of this batch.
        present = self._fold.present(effects)
        if present and not device_may(self._rights, each.operation, present):
            self._db.execute(SQL["unclaim"], each.id)
            row.set_aside(Code.FORBIDDEN, _FORBIDDEN)
        elif (fault := self._fold.add(seq, effects, row.accepted_at)) is not None:
            self._db.execute(SQL["unclaim"], each.id)
            row.set_aside(Code.OUT_OF_RANGE, fault)

    def _repeat(self, each: _Readable, first: int) -> None:
        row = self._ledger[each.offset]
        row.repeats = first
        counted = self._body_at(first)
        fault = self._fold.touch(each.operation.effects)
        if fault is not None:
            # It counts by another log; its own node must not count it on top for ever.
            row.set_aside(Code.OUT_OF_RANGE, fault)
        elif counted == row.body:
            row.body = None
        elif not same_effects(decode(counted), each.operation):
            detail = "another operation of this id counts already, with other effects"
            row.set_aside(Code.REPEAT_DIFFERS, detail)

    def _body_at(self, position: int) -> bytes:
        if position >= self._base:
            return self._push.items[position - self._base].body
        return bytes(self._db.execute(SQL["body_at"], {"position": position}).fetchone()[0])


def same_effects(a: Operation, b: Operation) -> bool:
    """Whether two operations do the same; as bytes, because True and 1 are equal to Python and to nobody else."""
    return pack(effects_to_wire(a.effects)) == pack(effects_to_wire(b.effects))
