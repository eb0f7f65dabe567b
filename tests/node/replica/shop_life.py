"""A node's life at random, with counters and documents, and what must be so after every step of it.

The hub may be put back to a backup of any age, the log be continued by a copy or cut, and scopes go and come.
"""

import random

from node.replica import (
    changes,
    claims,
    identity,
    log,
    movements,
    recovery,
    retention,
    rows,
    scopes,
    verify,
    view,
)
from node.replica.changes import Changed
from node.replica.retention import Retention
from protocol import documents
from protocol.clock import Stamp
from protocol.codec import unpack
from protocol.documents import EMPTY, Document, fields_from_wire
from protocol.effects import (
    Account,
    CounterEffect,
    CounterKey,
    DocumentKey,
    Effect,
    FieldEffect,
    Join,
)
from protocol.frames.feed import CaughtUp
from protocol.frames.log import StatusEntry
from protocol.ids import Location, Lot, OpId, ReplicaId, Scope, Seq, Sku, stock_scope
from protocol.operation import Operation, decode, encode
from tests.node.chain import ME
from tests.node.replica.conftest import new_replica_database
from tests.node.replica.small_hub import SALT
from tests.node.replica.what_is_shown import Shown, is_kept, pending_edits, plain, shown
from tests.node.replica.whole_hub import Key, WholeHub

OTHER = ReplicaId(b"another replica.")
STOCKS = (Scope("stock:S01"), Scope("stock:S02"))
CATALOGUE, PAPERS = Scope("catalogue"), Scope("docs:S02")
SCOPES = (*STOCKS, CATALOGUE, PAPERS)
NAMED = ((CATALOGUE,), (PAPERS,), (CATALOGUE, PAPERS))
NO_AGE = Retention(days=0, days_without_backup=0)


class ShopLife:
    """A node's life at random, the hub's, and another shop's."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.db = new_replica_database()
        self.hub = WholeHub()
        self.replica = ME
        self.leaving: set[Scope] = set()
        self.made = 0
        self.lost: set[Key] = set()
        """What was not shown any more as it was when an epoch had begun."""
        self.untold: set[Key] = set()
        """What looks otherwise since a step that did not say so."""
        self.begin()

    # --- steps -----------------------------------------------------------------------------------------------------

    def live_on(self) -> None:
        """Do one thing."""
        steps = {
            self.record: 24,
            self.write_elsewhere: 12,
            self.push: 16,
            self.acknowledge: 8,
            self.pull: 24,
            self.tell: 6,
            self.let_go: 4,
            self.begin: 5,
            self.put_back: 4,
            self.fork: 1,
            self.prune: 2,
        }
        step = self.chance.choices(list(steps), list(steps.values()))[0]
        before, last = shown(self.db), changes.bounds(self.db)[1]
        step()
        # The commands number what they record.
        if step != self.record:
            self.untold |= self._differing(before) - self._told_after(last)

    def record(self) -> None:
        """Record an operation here."""
        body = self._operation(ME)
        operation = decode(body)
        log.append(self.db, log.head(self.db), body)
        seq = log.head(self.db).seq
        view.record(self.db, seq, operation.effects)
        if operation.kind.startswith("move."):
            movements.add(self.db, seq, self.replica, operation, None)

    def write_elsewhere(self) -> None:
        """Have the hub hear of an operation of another shop."""
        self.hub.push(OTHER, self._operation(OTHER), False)

    def push(self) -> None:
        """Send some of what the hub does not have; it may set operations aside, and the answer may be lost."""
        sent = self.hub.acked.get(self.replica, Seq(0))
        for item in log.outbox(self.db, sent, self.chance.randint(1, 4))[1]:
            self.hub.push(self.replica, item.body, self.chance.random() < 0.2)
        if self.chance.random() < 0.5:
            self.acknowledge()

    def acknowledge(self) -> None:
        """Hear how far the hub has the log."""
        acked = self.hub.acked.get(self.replica, Seq(0))
        log.acknowledge(self.db, acked, 1_000)
        identity.save_acked(self.db, acked, acked, 1_000)
        self.leaving -= recovery.let_acknowledged_go(self.db, self.leaving)

    def pull(self) -> None:
        """Take in a page, with something recorded between its pieces."""
        held = sorted(scopes.held(self.db))
        if held:
            self._pull(self.chance.choice(held), limit=self.chance.randint(1, 3))

    def tell(self) -> None:
        """Hear of every operation that was set aside."""
        for seq in self.hub.refusals(self.replica):
            log.quarantine(self.db, [StatusEntry(seq, "forbidden", "no")], 1_000)
            view.forget_quarantined(self.db, seq)

    def let_go(self) -> None:
        """Lose the right to read a scope."""
        held = sorted(scopes.held(self.db))
        if held:
            scope = self.chance.choice(held)
            while (
                not (is_done := scopes.let_go_piece(self.db, scope)) and self.chance.random() < 0.8
            ):
                pass
            # Stopped in between it goes on when the hub is met again.
            if is_done:
                self.leaving.add(scope)

    def begin(self) -> None:
        """Be granted scopes, and meet the hub."""
        scopes.begin(self.db, self.chance.sample(SCOPES, self.chance.randint(0, 3)))
        self.leaving = recovery.left_behind(self.db)

    def put_back(self) -> None:
        """Meet a hub that was put back to a backup of any age."""
        self.hub = self.hub.put_back(self.chance.randint(0, len(self.hub.ledger)))
        self._meet(is_new_epoch=True)

    def fork(self) -> None:
        """Meet a hub that has heard another copy of this log, and perhaps was put back since."""
        self.hub.push(self.replica, self._operation(self.replica), False)
        is_new_epoch = self.chance.random() < 0.5
        if is_new_epoch:
            self.hub = self.hub.put_back(len(self.hub.ledger) - self.chance.randint(0, 2))
        self._meet(is_new_epoch=is_new_epoch)

    def prune(self) -> None:
        """Cut the log's beginning off."""
        retention.prune_piece(self.db, NO_AGE, 10**9)

    def settle(self) -> None:
        """Meet the hub again, read everything there is, and have it say what it has."""
        self.leaving = recovery.left_behind(self.db)
        self.acknowledge()
        self.tell()
        for scope in sorted(scopes.held(self.db)):
            while self._pull(scope, limit=5):
                pass
        scopes.advance_all(self.db, CaughtUp(self.hub.head, SALT))
        self._claim()

    def push_all(self) -> None:
        """Have the hub hear of everything, and set nothing more aside."""
        sent = self.hub.acked.get(self.replica, Seq(0))
        for item in log.outbox(self.db, sent, 10_000)[1]:
            self.hub.push(self.replica, item.body, False)
        self.acknowledge()

    def _operation(self, author: ReplicaId) -> bytes:
        self.made += 1
        effects = [self._effect(author) for _ in range(self.chance.randint(1, 3))]
        kind = "move.adjust" if any(isinstance(e, CounterEffect) for e in effects) else "edit"
        op_id = OpId(self.made.to_bytes(16))
        at = 1_000 + self.made
        return encode(Operation(op_id, at, at, None, "till", "till", kind, 1, tuple(effects), {}))

    def _effect(self, author: ReplicaId) -> Effect:
        if self.chance.random() < 0.5:
            at = Location(self.chance.choice(("S01", "S02")))
            sku = Sku(self.chance.choice(("apple", "pear")))
            return CounterEffect(at, sku, Lot(""), int(Account.ON_HAND), self.chance.randint(-3, 3))
        stamp = Stamp(1_000 + self.made + self.chance.randint(-5, 5), 0, author)
        name = self.chance.choice(("name", "unit"))
        value = f"v{self.made}"
        named = self.chance.choice(NAMED)
        return FieldEffect(
            "skus", self.chance.choice("abc"), name, int(Join.LWW), 0, value, stamp, named
        )

    def _pull(self, scope: Scope, limit: int) -> bool:
        state = scopes.read(self.db, scope)
        assert state is not None
        page = self.hub.page(scope, state.cursor, limit)
        first, rest = page.rows[:1], page.rows[1:]
        if rest:
            rows.take_in(self.db, page, first, self.replica, finish=False)
            first = rest
        rows.take_in(self.db, page, first, self.replica, finish=True)
        return page.more

    def _meet(self, *, is_new_epoch: bool) -> None:
        acked = self.hub.acked.get(self.replica, Seq(0))
        chain = self.hub.chains.get(self.replica, log.Head(Seq(0), log.chain.CHAIN_START).chain)
        is_ours = log.chain_at(self.db, acked) == chain
        if is_new_epoch:
            before = self._shown_where_read()
            recovery.begin_epoch(self.db, acked if is_ours else None)
            self.lost |= {
                key for key in before if not is_kept(before[key], shown(self.db).get(key))
            }
        identity.save_acked(self.db, acked, Seq(0), 1_000)
        if not is_ours:
            self.made += 1
            self.replica = ReplicaId(self.made.to_bytes(16))
            recovery.begin_replica(self.db, self.replica)
        self.leaving = recovery.left_behind(self.db)

    def _claim(self) -> None:
        """Carry out what the hub says of own operations; every scope that is held was read to its end."""
        upto = log.head(self.db).seq
        while (due := claims.next_asked(self.db, upto)) is not None and due.asked:
            for scope in sorted({scope for each in due.asked for scope in each.scopes}):
                touching = [each for each in due.asked if scope in each.scopes]
                inside = [each.seq for each in touching if each.op_id in self.hub.counted]
                lost = [each.seq for each in touching if each.op_id not in self.hub.counted]
                claims.settle(self.db, scope, inside)
                if due.is_whole:
                    claims.put_back(self.db, scope, lost)
            claims.advance(self.db, due.asked[-1].seq)
        claims.end(self.db)

    # --- what should be --------------------------------------------------------------------------------------------

    def faults(self) -> list[str]:
        """What is wrong with the database as it is."""
        untold = [f"that {key} changed was not noted" for key in self.untold]
        untold += [f"{key} changed with the epoch" for key in self.lost]
        problems = verify.problems(self.db)
        return problems + self._document_faults() + self._unread_faults() + untold

    def _differing(self, before: Shown) -> set[Key]:
        after = shown(self.db)
        return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}

    def _told_after(self, last: int) -> set[Key]:
        told: set[Key] = set()
        for _, what in changes.after(self.db, last, 10_000):
            assert isinstance(what, Changed), "nothing was recorded"
            told |= {CounterKey(*at, Lot(""), int(Account.ON_HAND)) for at in what.stock}
            told |= {*what.documents} | {gone.key for gone in what.gone_documents if gone.scopes}
        return told

    def _document_faults(self) -> list[str]:
        on_top = pending_edits(self.db)
        held = self.db.execute("SELECT * FROM document").fetchall()
        missing = on_top.keys() - {DocumentKey(row["collection"], row["id"]) for row in held}
        found = [f"{key} has edits on top and is no document" for key in missing]
        for row in held:
            key = DocumentKey(row["collection"], row["id"])
            base = Document(fields_from_wire(unpack(row["fields"])), frozenset())
            due = documents.apply(base, on_top.get(key, ())).fields
            if fields_from_wire(unpack(row["shown"])) != due:
                found.append(f"{key} is not shown as its edits on top of its fields")
            if not row["hub_seq"] and not due:
                found.append(f"{key} has nothing to show")
        return found

    def _unread_faults(self) -> list[str]:
        held = scopes.held(self.db).keys() | scopes.going(self.db)
        found = [
            f"{tuple(row)} is not read and has a total"
            for row in self.db.execute("SELECT * FROM counter WHERE total <> 0 OR hub_seq <> 0")
            if stock_scope(row["location"]) not in held
        ]
        for row in self.db.execute("SELECT * FROM document"):
            named = set(unpack(row["scopes"]))  # type: ignore[call-overload]
            if (unpack(row["fields"]) or row["hub_seq"]) and not named & held:
                found.append(f"{row['id']} is not read and has fields")
        return found

    def differences(self) -> list[str]:
        """How what is shown where a scope is read differs from the hub's rows with what the hub does not have."""
        due: Shown = {}
        held = scopes.held(self.db).keys()
        for scope in held:
            for row in self.hub.rows(scope):
                due[row.key] = row.document if hasattr(row, "document") else row.total
        unsure: set[Key] = set()
        quarantined = {row["seq"] for row in self.db.execute("SELECT seq FROM quarantined")}
        refused = {entry.body for entry in self.hub.ledger if entry.is_refused}
        for row in self.db.execute("SELECT seq, body FROM log ORDER BY seq"):
            operation = decode(row["body"])
            if row["seq"] in quarantined:
                continue
            keys = {effect.key for effect in operation.effects}
            if operation.op_id in self.hub.counted:
                # Until an edit after it brings the row into a scope that is read, it may stay on top.
                unsure |= keys - due.keys()
                continue
            # What was refused under another replica is judged again when it is sent.
            if row["body"] in refused:
                unsure |= keys
            for effect in operation.effects:
                if isinstance(effect, CounterEffect):
                    due[effect.key] = due.get(effect.key, 0) + effect.delta  # type: ignore[operator]
                else:
                    before = due.get(effect.key, EMPTY)
                    due[effect.key] = documents.apply(before, [effect])  # type: ignore[arg-type]
        is_shown = shown(self.db)
        return [
            f"{key}: shows {is_shown.get(key)}, should be {plain(due.get(key))}"
            for key in due.keys() | is_shown.keys()
            if key not in unsure
            and self._is_read(key, due.get(key))
            and is_shown.get(key) != plain(due.get(key))
        ]

    def left_on_top(self) -> list[str]:
        """What is on top though the hub has everything."""
        found = [f"{tuple(row)} is" for row in self.db.execute("SELECT * FROM pending_delta")]
        held = scopes.held(self.db).keys()
        for key, edits in pending_edits(self.db).items():
            # The hub says how far it has a log in the scopes that the edits name, and in no other.
            found += [f"{edit} of {key} is" for edit in edits if held & {*edit.scopes}]
        return [f"{each} still on top" for each in found]

    def _is_read(self, key: Key, due: object) -> bool:
        held = scopes.held(self.db).keys()
        if isinstance(key, CounterKey):
            return stock_scope(key.location) in held
        named = due.scopes if isinstance(due, Document) else frozenset()
        return bool((named | view.edited(self.db).get(key, frozenset())) & held)

    def _shown_where_read(self) -> Shown:
        """What a new epoch must leave as it is: all that is read, but for what the hub has set aside."""
        held = scopes.held(self.db).keys()
        found = self.db.execute("SELECT body FROM log JOIN quarantined USING (seq)").fetchall()
        set_aside = {effect.key for row in found for effect in decode(row["body"]).effects}
        edits = pending_edits(self.db)
        return {
            key: value
            for key, value in shown(self.db).items()
            if key not in set_aside
            and (
                stock_scope(key.location) in held
                if isinstance(key, CounterKey)
                else key in edits and all(held & {*edit.scopes} for edit in edits[key])
            )
        }
