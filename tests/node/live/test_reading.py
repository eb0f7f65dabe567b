"""Changes name every row that looks otherwise, whatever happened to it: a mirror made of them alone equals the view."""

import json
import random
import sqlite3
from collections.abc import Iterator

import pytest

from node.commands import movements as commands
from node.commands.movements import Here
from node.commands.requests import Authority, Caller, Line, Movement
from node.live import reading
from node.live.events import EventName
from node.live.reading import Page, Place
from node.replica import changes, log, recovery, rows, scopes, stock, view
from node.replica.stock import StockQuery
from node.showing import stock_json
from protocol.frames.log import StatusEntry
from protocol.ids import HubSeq, Location, Lot, ReplicaId, Scope, Seq, Sku
from protocol.movements import MoveKind
from tests.node.chain import CHAIN, ME, certificate_of, movement
from tests.node.replica.conftest import STOCK, new_replica_database
from tests.node.replica.small_hub import SmallHub
from tests.node.replica.test_documents import edit, row, take_in

NOW_MS = 1_764_000_000_000
ELSEWHERE = Scope("stock:S02")
OTHER = ReplicaId(b"another replica.")
TILL = Caller("till-1", Authority.TILL)
SKUS = ("apple", "pear", "plum")

Rows = dict[tuple[str, str], dict[str, object]]


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """Give a database as `join` leaves it, reading its own stock and the neighbour's."""
    database = new_replica_database()
    scopes.begin(database, [ELSEWHERE])
    yield database
    database.close()


def sell(db: sqlite3.Connection, key: str, *lines: tuple[str, int], location: str = "S01") -> None:
    """Record as a till does."""
    here = Here(CHAIN, ME, certificate_of(writes=("S01", "S02")), 0, 1_000)
    sold = tuple(Line(Sku(sku), Lot(""), delta) for sku, delta in lines)
    commands.record(db, here, TILL, Movement(MoveKind.ADJUST, Location(location), sold), key)


def pull(db: sqlite3.Connection, hub: SmallHub, scope: Scope, limit: int) -> bool:
    """Take in a page, if the scope is read; whether there is more."""
    state = scopes.read(db, scope)
    if state is None or scope not in scopes.held(db):
        return False
    page = hub.page(scope, state.cursor, limit)
    rows.take_in(db, page, page.rows, ME, finish=True)
    return page.more


def listed(db: sqlite3.Connection) -> Rows:
    """What `GET /v1/stock` lists."""
    found, _ = stock.page(db, StockQuery(limit=1_000), NOW_MS)
    return {(one.location, one.sku): stock_json(one) for one in found}


class Follower:
    """A mirror that only ever reads changes."""

    def __init__(self) -> None:
        self.rows: Rows = {}
        self.n = 0

    def follow(self, db: sqlite3.Connection) -> list[EventName]:
        """Read everything new; returns the kinds of events."""
        names = []
        while True:
            piece = reading.read_changes(db, self.n, NOW_MS)
            assert not piece.gap
            assert [event.n for event in piece.events] == sorted(e.n for e in piece.events)
            for event in piece.events:
                names.append(event.name)
                data = json.loads(event.data)
                if event.name is EventName.STOCK:
                    self.rows[data["location"], data["sku"]] = data
                elif event.name is EventName.REMOVED and "sku" in data:
                    # It may have come and gone since this mirror last looked.
                    self.rows.pop((data["location"], data["sku"]), None)
            self.n = piece.upto
            if piece.upto == piece.head:
                return names


def without_marks(found: Rows) -> Rows:
    """Rows without hub_seq, which a new epoch of the hub forgets before it is told again."""
    return {key: {**shown, "hub_seq": None} for key, shown in found.items()}


class Days:
    """A node's life at random: sales here and elsewhere, pages in any portions, scopes that go, a hub that forgets."""

    def __init__(self, db: sqlite3.Connection, seed: int) -> None:
        self.db = db
        self.rng = random.Random(seed)
        self.hub = SmallHub()
        self.sent = Seq(0)
        self.steps = 0

    def live_on(self) -> None:
        """Do one thing."""
        self.steps += 1
        step = self.rng.choices(
            (self.sell, self.sell_elsewhere, self.push, self.pull, self.let_go, self.forget),
            (3, 2, 2, 3, 1, 1),
        )
        step[0]()

    def settle(self) -> None:
        """Read everything to its end."""
        scopes.begin(self.db, [ELSEWHERE])
        for scope in (STOCK, ELSEWHERE):
            while pull(self.db, self.hub, scope, 3):
                pass

    def sell(self) -> None:
        """Sell at this node."""
        sell(self.db, f"k{self.steps}", *self._lines(), location=self._location())

    def sell_elsewhere(self) -> None:
        """Have another node sell and the hub hear of it."""
        body = movement(1_000 + self.steps, *self._lines(), location=self._location())
        self.hub.push(OTHER, Seq(self.hub.acked.get(OTHER, 0) + 1), body)

    def push(self) -> None:
        """Send one operation, which the hub may set aside."""
        for item in log.outbox(self.db, self.sent, 1)[1]:
            self.sent = Seq(self.sent + 1)
            refuse = self.rng.random() < 0.3
            self.hub.push(ME, self.sent, item.body, refuse=refuse)
            if refuse:
                log.quarantine(self.db, [StatusEntry(self.sent, "forbidden", "no")], 1_000)
                view.forget_quarantined(self.db, self.sent)

    def pull(self) -> None:
        """Take in a page."""
        pull(self.db, self.hub, self.rng.choice((STOCK, ELSEWHERE)), self.rng.randint(1, 3))

    def let_go(self) -> None:
        """Lose a scope, and perhaps get it back."""
        scopes.let_go_piece(self.db, ELSEWHERE)
        if self.rng.random() < 0.7:
            scopes.begin(self.db, [ELSEWHERE])

    def forget(self) -> None:
        """Meet a hub of a new epoch."""
        recovery.begin_epoch(self.db, self.sent)

    def _location(self) -> str:
        return self.rng.choice(("S01", "S02"))

    def _lines(self) -> list[tuple[str, int]]:
        count = self.rng.randint(1, 3)
        return [(self.rng.choice(SKUS), self.rng.randint(-3, 3)) for _ in range(count)]


@pytest.mark.parametrize("seed", range(30))
def test_a_mirror_made_of_changes_alone_equals_the_view(db: sqlite3.Connection, seed: int) -> None:
    days, follower = Days(db, seed), Follower()
    for _ in range(60):
        days.live_on()
        if days.rng.random() < 0.5:
            follower.follow(db)
            assert without_marks(follower.rows) == without_marks(listed(db))
    days.settle()
    follower.follow(db)
    assert follower.rows == listed(db)


def test_a_transaction_is_one_change_and_a_sale_that_is_refused_none(
    db: sqlite3.Connection,
) -> None:
    sell(db, "k1", *((f"sku{number}", -1) for number in range(50)))
    assert changes.bounds(db) == (0, 1)
    sell(db, "k1", *((f"sku{number}", -1) for number in range(50)))
    assert changes.bounds(db) == (0, 1), "a repeat changes nothing"
    piece = reading.read_changes(db, 0, NOW_MS)
    assert [event.name for event in piece.events] == [EventName.STOCK] * 50 + [EventName.MOVEMENT]


def test_a_page_that_brings_nothing_new_is_no_change(db: sqlite3.Connection) -> None:
    hub = SmallHub()
    hub.push(OTHER, Seq(1), movement(1, ("apple", 5)))
    page = hub.page(STOCK, HubSeq(0), 10)
    for _ in range(2):
        rows.take_in(db, page, page.rows, ME, finish=True)
    assert changes.bounds(db) == (0, 1)


def test_the_rows_of_a_scope_that_goes_are_removed_and_then_the_scope(
    db: sqlite3.Connection,
) -> None:
    hub, follower = SmallHub(), Follower()
    hub.push(OTHER, Seq(1), movement(1, ("apple", 5), ("pear", 1), location="S02"))
    pull(db, hub, ELSEWHERE, 10)
    sell(db, "own", ("apple", -1), location="S02")
    follower.follow(db)
    assert scopes.let_go_piece(db, ELSEWHERE)
    names = follower.follow(db)
    assert names == [EventName.REMOVED, EventName.STOCK, EventName.REMOVED]
    assert {key: shown["on_hand"] for key, shown in follower.rows.items()} == {("S02", "apple"): -1}


def test_a_document_is_told_in_its_scopes_and_its_end_too(db: sqlite3.Connection) -> None:
    take_in(db, row(1, name=("Apple", 10), secret=(b"\x01\xff", 10)), own=0)
    view.record(db, Seq(1), [edit("name", "Apples", 20)])
    changes.note_document(db, row(1).key)
    (event,) = reading.read_changes(db, 0, NOW_MS).events
    assert (event.name, set(event.scopes or ())) == (EventName.DOCUMENT, {"catalogue"})
    told = json.loads(event.data)
    assert (told["collection"], told["id"], told["fields"]["name"]) == ("skus", "a", "Apples")
    assert "secret" not in told["fields"], "nothing is told that its collection does not declare"
    view.forget_inside(db, Scope("catalogue"), Seq(1))
    assert scopes.let_go_piece(db, Scope("catalogue"))
    document, scope = reading.read_changes(db, event.n, NOW_MS).events
    assert json.loads(document.data) == {"collection": "skus", "id": "a"}
    assert json.loads(scope.data) == {"scope": "catalogue"}
    assert {document.name, scope.name} == {EventName.REMOVED}
    assert set(document.scopes or ()) == set(scope.scopes or ()) == {"catalogue"}


def test_a_document_of_a_collection_that_is_not_declared_is_told_as_it_is(
    db: sqlite3.Connection,
) -> None:
    take_in(
        db, row(1, name=("Ada", 10), key=(b"\x01\xff", 10))._replace(collection="people"), own=0
    )
    (event,) = reading.read_changes(db, 0, NOW_MS).events
    told = {"collection": "people", "id": "a", "fields": {"key": "01ff", "name": "Ada"}}
    assert json.loads(event.data) == told


def test_a_large_change_is_read_in_bounded_pieces(db: sqlite3.Connection) -> None:
    keys = [(Location("S02"), Sku(f"sku{number}")) for number in range(5_500)]
    changes.note_stock(db, keys)
    assert changes.bounds(db) == (0, 6)
    sizes, at = [], 0
    while at < 6:
        piece = reading.read_changes(db, at, NOW_MS)
        sizes.append(len(piece.events))
        at = piece.upto
    assert sum(sizes) == 5_500
    assert max(sizes) < 2 * reading.PIECE_ROWS


def test_large_movements_of_few_rows_are_read_in_bounded_pieces_too(
    db: sqlite3.Connection,
) -> None:
    for number in range(5):
        sell(db, f"k{number}", *[("apple", -1)] * 700)
    lines, at = [], 0
    while at < 5:
        piece = reading.read_changes(db, at, NOW_MS)
        told = [json.loads(one.data) for one in piece.events if one.name is EventName.MOVEMENT]
        lines.append(sum(len(one["lines"]) for one in told))
        at = piece.upto
    assert sum(lines) == 5 * 700
    assert max(lines) < 2 * reading.PIECE_ROWS


def test_forgotten_changes_leave_a_gap_and_their_numbers_are_not_given_again(
    db: sqlite3.Connection,
) -> None:
    for number in range(40):
        sell(db, f"k{number}", ("apple", -1))
    upto = changes.newest_to_forget(db, count=10)
    assert upto == 30
    while changes.forget_piece(db, upto):
        pass
    assert changes.bounds(db) == (30, 40)
    assert reading.read_changes(db, 29, NOW_MS).gap
    assert not reading.read_changes(db, 30, NOW_MS).gap
    assert changes.newest_to_forget(db, count=0, bytes_max=0) == 39, "the newest stays"
    changes.forget_piece(db, 39)
    sell(db, "later", ("apple", -1))
    assert changes.bounds(db) == (39, 41)


def test_what_is_kept_is_bounded_in_bytes_too(db: sqlite3.Connection) -> None:
    changes.note_stock(db, [(Location("S02"), Sku(f"sku{number}")) for number in range(3_000)])
    assert changes.newest_to_forget(db, bytes_max=15_000) == 2


def test_a_snapshot_is_read_page_by_page_and_has_every_row_of_its_scopes(
    db: sqlite3.Connection,
) -> None:
    hub = SmallHub()
    lines = [(f"sku{number}", 7) for number in range(1_200)]
    for at in range(0, 1_200, 100):
        seq = Seq(at // 100 + 1)
        hub.push(OTHER, seq, movement(1_000 + at, *lines[at : at + 100], location="S02"))
    while pull(db, hub, ELSEWHERE, 500):
        pass
    sell(db, "own", ("apple", -1))
    take_in(db, row(1, name=("Apple", 10)), own=0)
    assert len(snapshot(db, None)) == 1_202
    assert snapshot(db, {ELSEWHERE}) == {("stock", "S02", sku) for sku, _ in lines}
    assert snapshot(db, {STOCK, Scope("catalogue")}) == {
        ("stock", "S01", "apple"),
        ("document", "skus", "a"),
    }
    assert snapshot(db, {Scope("mail:S01")}) == set()


def snapshot(db: sqlite3.Connection, wanted: set[Scope] | None) -> set[tuple[str, ...]]:
    """What every page of a snapshot is about."""
    keys: set[tuple[str, ...]] = set()
    place: Place | None = Place()
    while place is not None:
        page: Page = reading.read_page(db, wanted, place, NOW_MS)
        assert len(page.events) <= reading.PAGE_ROWS
        assert not keys & {event.key for event in page.events}
        keys |= {event.key for event in page.events}
        place = page.following
    return keys


def test_a_lot_that_is_recalled_is_told_with_the_stock_that_is_not_available_any_more(
    db: sqlite3.Connection,
) -> None:
    here = Here(CHAIN, ME, certificate_of(writes=("S01", "S02")), 0, 1_000)
    for key, lot, location in (("1", "L1", "S01"), ("2", "L2", "S01"), ("3", "L1", "S02")):
        line = Line(Sku("pills"), Lot(lot), delta=5)
        goods = Movement(MoveKind.RECEIVE, Location(location), (line,))
        commands.record(db, here, TILL, goods, key)
    follower = Follower()
    follower.follow(db)
    status = row(1, status=("recalled", 10))._replace(collection="lots", id="pills/L1")
    take_in(db, status, own=0)
    assert sorted(follower.follow(db)) == [EventName.DOCUMENT, EventName.STOCK, EventName.STOCK]
    assert follower.rows == listed(db)
    available = {location: shown["available"] for (location, _), shown in follower.rows.items()}
    assert available == {"S01": 5, "S02": 0}
    odd = row(2, status=("recalled", 10))._replace(collection="lots", id="names no lot")
    take_in(db, odd, own=0)
    assert follower.follow(db) == [EventName.DOCUMENT]
