"""When a node looks after the books, where it does, and what it remembers of it."""

import random
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node import reconciling
from node.commands.courses import Goods, Request
from node.reconciling import BACK_OFF_S_MAX, OFFICE_WAITS_S, PIECE_DOCUMENTS, Reconciling
from node.replica import SCHEMA, identity, scopes
from node.replica.movements import MovementQuery, newest
from protocol.effects import Account
from protocol.ids import Epoch, Scope, Sku
from protocol.limits import FIELDS_PER_DOCUMENT_MAX
from runtime.store import Store
from tests.node.reconciling.branch import Branch
from tests.node.replica.whole_hub import WholeHub

LINES = [{"sku": "TEA", "quantity": 10}]


class Two:
    """A shop and the office, of which one fulfils what the other has cancelled meanwhile."""

    def __init__(self, shop: Branch, office: Branch) -> None:
        self.hub = WholeHub()
        self.shop = shop
        self.office = office
        self.order = ""

    async def disagree(self, place: str = "S01") -> None:
        """Leave 4 too few promised, with both having heard of everything."""
        asked = {"kind": "customer", "location": place, "lines": LINES}
        self.order = await self.office.creates("orders", **asked)
        await self.office.acts("orders", self.order, Request("place"))
        await self.meet()
        await self.office.acts("orders", self.order, Request("cancel"))
        await self.shop.acts("orders", self.order, Request("fulfil", (Goods(Sku("TEA"), 4),)))
        await self.meet()

    async def meet(self) -> None:
        """Exchange all there is; nobody looks."""
        for branch in (self.shop, self.office, self.shop):
            await branch.pushes(self.hub)
            await branch.pulls(self.hub)

    def reserved(self, place: str = "S01") -> int:
        """What the hub has promised there."""
        return sum(
            total
            for key, total in self.hub.totals.items()
            if (key.location, key.account) == (place, Account.RESERVED)
        )


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    """They have heard of nothing yet. The office waits for nobody."""
    chance = random.Random(1)
    found = Two(
        await Branch.open(tmp_path, chance, "S01", "S01"),
        await Branch.open(tmp_path, chance, "office"),
    )
    yield found
    await found.shop.store.close()
    await found.office.store.close()


def care(branch: Branch, *, office_waits_s: float = OFFICE_WAITS_S) -> Reconciling:
    """A node's care for its books, as it is unless told."""
    return Reconciling(
        branch.store,
        branch.reconciling._local,
        branch.here,
        lambda: None,
        lambda most: most,
        office_waits_s=office_waits_s,
    )


async def booked(branch: Branch) -> list[str]:
    """Who booked something, as this node lists it, newest first."""
    query = MovementQuery(kind="move.reconcile")
    found, _ = await branch.store.read(lambda db: newest(db, query))
    return [one.operation.actor for one in found]


async def test_complaint_23_what_merging_left_promised_is_released_where_the_stock_is(
    two: Two,
) -> None:
    await two.disagree()
    assert two.reserved() == -4
    await two.shop.reconciling.look()
    assert await booked(two.shop) == ["S01"]
    await two.meet()
    assert two.reserved() == 0
    await two.office.reconciling.look()
    assert await booked(two.office) == [], "there was nothing left to book"


async def test_whoever_books_it_it_counts_once(two: Two) -> None:
    await two.disagree()
    await two.shop.reconciling.look()
    await two.office.reconciling.look()
    assert await booked(two.shop) + await booked(two.office) == ["S01", "office"]
    await two.meet()
    assert two.reserved() == 0


async def test_an_office_leaves_it_to_the_shop_for_a_while(two: Two) -> None:
    """And books it for a location that has no node, or none that is there."""
    await two.disagree()
    patient = care(two.office)
    for waited_s, expected in (
        (0, []),
        (OFFICE_WAITS_S - 1, []),
        (1, ["office"]),
        (999, ["office"]),
    ):
        two.office.now_ms += int(waited_s * 1000)
        await patient.look()
        assert await booked(two.office) == expected, waited_s
    await two.meet()
    assert two.reserved() == 0


async def test_an_office_whose_clock_is_put_back_does_not_wait_for_years(two: Two) -> None:
    await two.disagree()
    patient = care(two.office)
    await patient.look()
    two.office.now_ms -= 10**11
    await patient.look()
    assert await booked(two.office) == ["office"]


async def test_a_store_books_nothing_of_another_shop(two: Two, tmp_path: Path) -> None:
    neighbour = await Branch.open(tmp_path, random.Random(2), "S02", "S02")
    asked = {"source": "S01", "destination": "S02", "lines": LINES}
    paper = await two.shop.creates("transfers", **asked)
    await two.shop.acts("transfers", paper, Request("allocate"))
    await two.meet()
    await neighbour.pulls(two.hub)
    # The goods are there before the news that they were sent: nothing is promised at S01 any more.
    await neighbour.acts("transfers", paper, Request("receive", (Goods(Sku("TEA"), 10),)))
    await neighbour.pushes(two.hub)
    await neighbour.pulls(two.hub)
    await neighbour.reconciling.look()
    assert await booked(neighbour) == []
    assert two.reserved() == 10
    assert await two.shop.looks(two.hub)
    await two.shop.pushes(two.hub)
    assert two.reserved() == 0
    await neighbour.store.close()


async def test_what_was_not_looked_at_before_a_crash_is_looked_at_after_it(
    two: Two, tmp_path: Path
) -> None:
    await two.disagree()
    await two.shop.store.close()
    two.shop.store = await Store.open(tmp_path / "S01.sqlite", SCHEMA)
    await care(two.shop).look()
    assert await booked(two.shop) == ["S01"]


async def test_what_was_looked_at_is_not_looked_at_again(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also not after a restart, unless this node writes other locations by then."""
    looked: list[str] = []
    real = reconciling.books.owed

    def note(db: sqlite3.Connection, key: reconciling.DocumentKey) -> reconciling.Owed | None:
        looked.append(key.id)
        return real(db, key)

    monkeypatch.setattr(reconciling.books, "owed", note)
    for number in range(PIECE_DOCUMENTS + 5):
        await two.shop.creates("stocktakes", location="S01", name=f"{number}")
    await two.meet()
    await care(two.shop).look()
    assert len(looked) == len(set(looked)) == PIECE_DOCUMENTS + 5
    await care(two.shop).look()
    assert len(looked) == PIECE_DOCUMENTS + 5
    two.shop._certificate = two.shop._certificate._replace(writes=("S01", "S02"))
    await care(two.shop).look()
    assert len(looked) == 2 * (PIECE_DOCUMENTS + 5)


async def test_nobody_books_while_edits_of_its_own_are_on_their_way(two: Two) -> None:
    await two.disagree()
    await two.shop.acts("orders", two.order, Request("acknowledge", who="customer"))
    await two.shop.reconciling.look()
    assert await booked(two.shop) == []
    await two.meet()
    await two.shop.reconciling.look()
    assert await booked(two.shop) == ["S01"]


async def test_who_answers_an_earlier_booking_waits_longer_each_time(two: Two) -> None:
    await two.disagree()
    eager = care(two.shop)
    for tries, wait_s in ((0, 0), (1, 2), (2, 4), (6, 64), (7, BACK_OFF_S_MAX)):
        owed = reconciling.Owed(frozenset({"S01"}), tries)  # type: ignore[arg-type]
        assert eager._wait_ms(owed) == wait_s * 1000
    elsewhere = reconciling.Owed(frozenset({"S02"}), 0)  # type: ignore[arg-type]
    assert eager._wait_ms(elsewhere) is None


async def test_it_never_looks_before_it_has_caught_up(two: Two) -> None:
    """Neither without a line, nor before the hub has sent all, nor while a scope is read afresh, nor while it claims."""
    await two.disagree()
    care_ = care(two.shop)
    local = care_._local

    async def looks() -> bool:
        return await care_._has_work()

    async def change(sql: str) -> None:
        await two.shop.store.write(lambda db: db.execute(sql).rowcount)

    def meet(db: sqlite3.Connection) -> None:
        identity.save_epoch(db, Epoch(b"e" * 16), 0, 1_000)
        for scope in scopes.held(db):
            db.execute("UPDATE scope SET caught_up = 1 WHERE scope = ?", (scope,))
        db.execute("DELETE FROM claim")

    assert not await looks()
    await two.shop.store.write(meet)
    assert not await looks()
    local.connected = True
    assert not await looks(), "nor before the hub has sent everything in this session"
    local.heard_all = True
    assert await looks()
    await care_.look()  # books, which changes a document
    await care_.look()
    assert not await looks(), "nothing has changed since, and nothing is due"
    await two.shop.store.write(lambda db: db.execute("DELETE FROM looked_at").rowcount)
    assert await looks()
    await change("INSERT INTO claim (only, after, is_whole) VALUES (1, 0, 0)")
    assert not await looks()
    await change("DELETE FROM claim")
    await two.shop.store.write(lambda db: scopes.begin(db, [Scope("docs:S09")]))
    assert not await looks(), "a scope came into reach and was not read yet"
    await change("DELETE FROM scope WHERE scope = 'docs:S09'")
    await change("UPDATE replica SET epoch = NULL")
    assert not await looks()


async def test_a_document_that_holds_no_more_stops_nobody(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    await two.disagree()
    full = two.order
    held = await two.shop.sees("orders", full)
    monkeypatch.setattr("protocol.documents.FIELDS_PER_DOCUMENT_MAX", len(held.fields))
    assert len(held.fields) < FIELDS_PER_DOCUMENT_MAX
    await two.shop.reconciling.look()
    assert await booked(two.shop) == []
    monkeypatch.undo()
    await two.disagree()
    await two.shop.reconciling.look()
    assert await booked(two.shop) == ["S01"], "of the other order"
