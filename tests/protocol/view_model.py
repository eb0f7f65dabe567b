"""The merge as a model: a hub that folds and feeds, nodes that record, push, read pages and show a view.

Everything that decides is `protocol`'s (operation, merge, documents, rows, frames); the model only
keeps what a store would. `Rules` takes one rule of the view out, to see that the tests notice.

Beside each message travels what no node is told: how far every log truly was inside the hub when it
was written (`Sent.truth`). The oracle goes by that, the view by `inside` and its marks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from protocol import chain, documents, merge, operation
from protocol.clock import Stamp, clamp, next_stamp
from protocol.codec import pack
from protocol.documents import EMPTY, Document, fields_to_wire
from protocol.effects import CounterEffect, CounterKey, DocumentKey, Effect, FieldEffect, scopes_of
from protocol.errors import Code, ProtocolError
from protocol.frames.feed import Page
from protocol.frames.log import Item, Status, StatusEntry
from protocol.ids import ChainHash, HubSeq, ReplicaId, Salt, Scope, Seq
from protocol.merge import NO_ENTRY, Entry
from protocol.operation import Operation
from protocol.rows import CounterRow, DocumentRow, Row
from protocol.wire import decode, encode
from tests.protocol import examples
from tests.protocol.examples import NOW

Key = CounterKey | DocumentKey


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of the view; a test takes one out."""

    scope_mark: bool = True
    row_mark: bool = True
    row_mark_is_the_pages: bool = True
    """Else the mark is the last own operation that touched the row, as the hub knows it."""
    own_scopes_only: bool = True
    """Else the marks of all scopes that own operations ever named for the row are taken."""
    documents_join: bool = True
    status: bool = True


@dataclass(frozen=True, slots=True)
class Sent:
    """A message, and what was true when it was written."""

    data: bytes
    truth: Mapping[ReplicaId, int]


@dataclass
class Hub:
    """The rows, and how far each replica's log is inside them."""

    logs: dict[ReplicaId, list[bytes]] = field(default_factory=dict)
    chains: dict[ReplicaId, ChainHash] = field(default_factory=dict)
    entries: dict[CounterKey, dict[ReplicaId, Entry]] = field(default_factory=dict)
    documents: dict[DocumentKey, Document] = field(default_factory=dict)
    changed: dict[Key, HubSeq] = field(default_factory=dict)
    writers: dict[Scope, set[ReplicaId]] = field(default_factory=dict)
    quarantined: dict[ReplicaId, list[StatusEntry]] = field(default_factory=dict)
    head: int = 0
    now_ms: int = NOW

    def acked(self, replica: ReplicaId) -> Seq:
        """How far a replica's log is in the ledger."""
        return Seq(len(self.logs.get(replica, ())))

    def push(self, replica: ReplicaId, first: Seq, prev: ChainHash, items: list[Item]) -> bool:
        """Commit a batch, if it continues the log."""
        held = self.chains.setdefault(replica, chain.CHAIN_START)
        if first != self.acked(replica) + 1 or prev != held:
            return False
        touched: dict[Key, None] = {}
        for item in items:
            self.logs.setdefault(replica, []).append(item.body)
            touched |= dict.fromkeys(self._take(replica, item))
        self.chains[replica] = chain.extend_all(held, [item.body for item in items])
        for key in touched:
            self.head += 1
            self.changed[key] = HubSeq(self.head)
        return True

    def _take(self, replica: ReplicaId, item: Item) -> list[Key]:
        seq = self.acked(replica)
        try:
            fact = operation.decode(item.body)
        except ProtocolError:
            entry = StatusEntry(seq, Code.UNDECODABLE.value, "cannot be read")
            self.quarantined.setdefault(replica, []).append(entry)
            return []
        for effect in fact.effects:
            self._fold(replica, seq, effect, item.accepted_at_ms)
        return [effect.key for effect in fact.effects]

    def _fold(
        self, replica: ReplicaId, seq: Seq, effect: Effect, accepted_at_ms: int | None
    ) -> None:
        for scope in scopes_of(effect):
            self.writers.setdefault(scope, set()).add(replica)
        if isinstance(effect, CounterEffect):
            row = self.entries.setdefault(effect.key, {})
            row[replica] = merge.extend(row.get(replica, NO_ENTRY), seq, effect.delta)
            return
        stamp = clamp(effect.stamp, now_ms=self.now_ms, accepted_at_ms=accepted_at_ms)
        document = self.documents.get(effect.key, EMPTY)
        self.documents[effect.key] = documents.apply(document, [effect._replace(stamp=stamp)])

    def row(self, key: Key) -> Row:
        """A row as it stands."""
        at = self.changed[key]
        if isinstance(key, CounterKey):
            return CounterRow(*key, at, merge.total(self.entries[key]))
        return DocumentRow(*key, at, self.documents[key])

    def page(self, scope: Scope, base: int, limit: int) -> Sent:
        """The scope's rows after `base`, at most `limit`, as bytes that suit every receiver."""
        rows = [self.row(key) for key in sorted(self.changed, key=self.changed.__getitem__)]
        after = [row for row in rows if scope in row.scopes and row.hub_seq > base]
        kept = after[:limit]
        more = len(after) > limit
        to = HubSeq(kept[-1].hub_seq if more else max(self.head, base))
        inside = {writer: self.acked(writer) for writer in self.writers.get(scope, ())}
        page = Page(scope, HubSeq(base), to, Salt(bytes(8)), more, inside, tuple(kept))
        return Sent(encode(page), {replica: self.acked(replica) for replica in self.logs})

    def status(self, replica: ReplicaId) -> Sent | None:
        """Every quarantined operation of a replica."""
        entries = self.quarantined.get(replica)
        return Sent(encode(Status(tuple(entries))), {}) if entries else None


@dataclass
class Held:
    """A hub row as a node keeps it."""

    row: Row
    own: int
    truth: int
    """How far this node's log truly is inside the row; only the oracle looks."""


@dataclass
class Node:
    """One replica: its log, the rows it was sent, and its marks."""

    replica: ReplicaId
    clock_ms: int = NOW
    rules: Rules = field(default_factory=Rules)
    bodies: list[bytes] = field(default_factory=list)
    facts: dict[int, Operation] = field(default_factory=dict)
    undecodable: set[int] = field(default_factory=set)
    acked: int = 0
    held: dict[Key, Held] = field(default_factory=dict)
    cursors: dict[Scope, int] = field(default_factory=dict)
    marks: dict[Scope, int] = field(default_factory=dict)
    quarantined: set[int] = field(default_factory=set)
    last_stamp: Stamp | None = None

    def record(self, *effects: Effect, decodable: bool = True) -> None:
        """Append an operation; one the hub cannot decode counts here until the node learns of it."""
        seq = len(self.bodies) + 1
        op_id = self.replica[:8] + seq.to_bytes(8)
        fact = examples.fact(*effects, op_id=op_id, kind="move.adjust")
        if decodable:
            self.bodies.append(operation.encode(fact))
        else:
            self.bodies.append(pack([op_id, "of a later version"]))
            self.undecodable.add(seq)
        self.facts[seq] = fact

    def stamp(self) -> Stamp:
        """A stamp for an edit made now."""
        self.clock_ms += 1
        self.last_stamp = next_stamp(self.last_stamp, self.clock_ms, self.replica)
        return self.last_stamp

    def push(self, hub: Hub, count: int, *, acknowledged: bool) -> None:
        """Push the next operations; the answer may get lost."""
        items = [Item(body, None) for body in self.bodies[self.acked : self.acked + count]]
        if not items:
            return
        before = chain.extend_all(chain.CHAIN_START, self.bodies[: self.acked])
        hub.push(self.replica, Seq(self.acked + 1), before, items)
        if acknowledged:
            self.acked = hub.acked(self.replica)

    def receive(self, sent: Sent) -> None:
        """Apply a page or a status, in whatever order they come."""
        match decode(sent.data):
            case Page() as page:
                self._apply(page, sent.truth.get(self.replica, 0))
            case Status(entries) if self.rules.status:
                self.quarantined |= {entry.seq for entry in entries}
            case _:
                pass

    def _apply(self, page: Page, truth: int) -> None:
        cursor = self.cursors.get(page.scope, 0)
        if page.base > cursor:
            return  # rows between were lost; the hub sends them again from the cursor
        inside = page.inside.get(self.replica, 0)
        for row in page.rows:
            held = self.held.get(row.key)
            if held is None or row.hub_seq > held.row.hub_seq:
                own = inside if self.rules.row_mark_is_the_pages else self._last_in(row.key, truth)
                self.held[row.key] = Held(row, own, truth)
                self._see(row)
        if page.to >= cursor:
            self.cursors[page.scope] = page.to
            if not page.more:
                self.marks[page.scope] = max(inside, self.marks.get(page.scope, 0))

    def _last_in(self, key: Key, truth: int) -> int:
        seqs = [seq for seq, _ in self._own(key) if seq <= truth and seq not in self.undecodable]
        return max(seqs, default=0)

    def _see(self, row: Row) -> None:
        if isinstance(row, DocumentRow):
            stamps = [state.stamp for state in row.document.fields.values()]
            self.last_stamp = max([*stamps, *filter(None, [self.last_stamp])])

    def rows(self) -> set[Key]:
        """Every row that is held or that an own operation touches."""
        own = {effect.key for fact in self.facts.values() for effect in fact.effects}
        return own | set(self.held)

    def view(self, key: Key) -> int | bytes:
        """What this node shows for a row, by the rules that are on."""
        held = self.held.get(key)
        row_own = held.own if held and self.rules.row_mark else 0
        pending = [
            effect
            for seq, effect in self._own(key)
            if seq not in self.quarantined
            and merge.is_on_top(seq, row_own=row_own, scope_own=self._scope_own(effect))
        ]
        if isinstance(key, DocumentKey) and held and not self.rules.documents_join:
            pending = []
        return shown(key, held.row if held else None, pending)

    def due(self, key: Key) -> int | bytes:
        """What it should show: the row with exactly the own operations that are not inside it.

        One that the hub could not decode is inside nothing; it counts until this node is told so, by
        STATUS or by reading on past it.
        """
        held = self.held.get(key)
        inside = held.truth if held else 0
        missing = [
            effect
            for seq, effect in self._own(key)
            if seq not in self.quarantined
            and seq > (self._told(effect) if seq in self.undecodable else inside)
        ]
        return shown(key, held.row if held else None, missing)

    def _told(self, effect: Effect) -> int:
        held = self.held.get(effect.key)
        return max(held.own if held else 0, self._mark(effect))

    def _scope_own(self, effect: Effect) -> int:
        return self._mark(effect) if self.rules.scope_mark else 0

    def _mark(self, effect: Effect) -> int:
        # Scopes that the row or the effect names: there the hub's row is, once it holds the effect.
        # Not those of other own effects on the row: the hub may never have decoded them.
        held = self.held.get(effect.key)
        scopes = {*scopes_of(effect), *(held.row.scopes if held else ())}
        if not self.rules.own_scopes_only:
            scopes.update(scope for _, e in self._own(effect.key) for scope in scopes_of(e))
        return max(self.marks.get(scope, 0) for scope in scopes)

    def _own(self, key: Key) -> Iterator[tuple[int, Effect]]:
        for seq, fact in self.facts.items():
            for effect in fact.effects:
                if effect.key == key:
                    yield seq, effect


def shown(key: Key, row: Row | None, pending: list[Effect]) -> int | bytes:
    """A row with operations on top: a counter's number, a document's bytes."""
    if isinstance(key, CounterKey):
        total = row.total if isinstance(row, CounterRow) else 0
        deltas = [effect.delta for effect in pending if isinstance(effect, CounterEffect)]
        return merge.counter_view(total, deltas)
    document = row.document if isinstance(row, DocumentRow) else EMPTY
    edits = [effect for effect in pending if isinstance(effect, FieldEffect)]
    joined = merge.document_view(document, edits)
    # The bytes, which tell True from 1.
    return pack([sorted(joined.scopes), fields_to_wire(joined.fields)])
