"""What the hub sends is stored in the order it came, and nothing after what failed."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from node import intake
from node.intake import Intake, Step
from node.replica import SCHEMA, recovery, rows, scopes, verify
from node.replica.identity import NodeIdentity, save_identity
from protocol.certificate import issue
from protocol.frames.feed import Page
from protocol.ids import HubSeq, Location, Lot, Salt, Scope, Sku
from protocol.limits import PAGE_ROWS_MAX
from protocol.rows import CounterRow
from runtime.store import Store, StoreFull
from tests.node.chain import CHAIN, HUB_KEY, ME, certificate_of
from tests.runtime.held_writer import PATIENCE_S, settle

STOCK = Scope("stock:S01")
SALT = Salt(b"saltsalt")


@pytest.fixture
def commits() -> list[int]:
    """The size of each group that the store committed."""
    return []


@pytest.fixture
async def store(tmp_path: Path, commits: list[int]) -> AsyncIterator[Store]:
    """A joined node's store that reads its own stock; nobody has sold anything."""
    opened = await Store.open(
        tmp_path / "node.db", SCHEMA, observe=lambda size, _s: commits.append(size)
    )
    certificate = certificate_of(writes=("S01",))
    signed = issue(certificate, HUB_KEY)
    who = NodeIdentity(CHAIN, "ws://127.0.0.1:1", bytes(HUB_KEY.verify_key), signed, certificate)

    def join(db: sqlite3.Connection) -> None:
        save_identity(db, who, 1_000)
        recovery.begin_replica(db, ME)
        scopes.begin(db, [STOCK])

    await opened.write(join, background=True)
    commits.clear()
    yield opened
    await opened.close()


@contextlib.asynccontextmanager
async def running(intake: Intake) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(intake.run())
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def page(base: int, count: int = PAGE_ROWS_MAX) -> Page:
    """A full page of the scope, not its last."""
    found = tuple(
        CounterRow(Location("S01"), Sku(f"SKU{number:05d}"), Lot(""), 0, HubSeq(number), number)
        for number in range(base + 1, base + count + 1)
    )
    return Page(STOCK, HubSeq(base), HubSeq(base + count), SALT, True, {}, found)


async def put_page(intake: Intake, whole: Page) -> None:
    """As the link does."""
    pieces = rows.pieces(whole)
    for number, piece in enumerate(pieces, start=1):
        finish = number == len(pieces)
        store = partial(rows.take_in, page=whole, rows=piece, replica=ME, finish=finish)
        await intake.put(Step(store, lambda: None, len(piece)))


def noting(seen: list[int], number: int) -> Step:
    return Step(lambda _db: seen.append(number), lambda: None)


async def sell(store: Store) -> None:
    """A till writes something."""
    await store.write(lambda db: db.execute("UPDATE replica SET last_error = 'sold'").rowcount)


async def held(store: Store) -> tuple[int, int]:
    """The rows held and the cursor, once it is sure that they fit each other."""

    def look(db: sqlite3.Connection) -> tuple[int, int]:
        assert verify.problems(db) == []
        state = scopes.read(db, STOCK)
        assert state is not None
        return state.digest.rows, state.cursor

    return await store.read(look)


async def test_what_waits_shares_one_commit_where_nobody_sells(
    store: Store, commits: list[int]
) -> None:
    intake, seen = Intake(store), list[int]()
    for number in range(50):
        await intake.put(noting(seen, number))
    async with running(intake):
        await intake.drain()
    assert seen == list(range(50))
    assert len(commits) == 1


async def test_where_somebody_sold_just_now_a_commit_has_the_rows_of_one_piece_at_most(
    store: Store, commits: list[int]
) -> None:
    intake, seen = Intake(store), list[int]()
    for number in range(5):
        await intake.put(replace(noting(seen, number), rows=rows.PIECE_ROWS // 2))
    await sell(store)
    commits.clear()
    async with running(intake):
        await intake.drain()
    assert seen == list(range(5))
    assert len(commits) == 3


async def test_a_sale_does_not_wait_for_more_than_the_step_that_is_being_stored(
    store: Store,
) -> None:
    intake, seen = Intake(store), list[int]()
    begun, let_go = threading.Event(), threading.Event()

    def hold(_db: sqlite3.Connection) -> None:
        begun.set()
        assert let_go.wait(PATIENCE_S)

    await intake.put(Step(hold, lambda: None))
    for number in range(5):
        await intake.put(noting(seen, number))
    async with running(intake):
        assert await asyncio.to_thread(begun.wait, PATIENCE_S)
        sale = asyncio.create_task(store.write(lambda _db: list(seen)))
        await settle()
        let_go.set()
        assert await sale == []
        await intake.drain()
    assert seen == list(range(5))


@pytest.mark.parametrize("is_busy", [False, True], ids=["nobody sells", "somebody sells"])
async def test_nothing_after_a_piece_that_fails_is_stored_and_everything_before_is(
    store: Store, *, is_busy: bool
) -> None:
    intake = Intake(store)
    broken = "CREATE TRIGGER broken BEFORE INSERT ON counter WHEN NEW.sku = :sku BEGIN SELECT RAISE(ABORT, 'broken'); END"
    at = PAGE_ROWS_MAX + rows.PIECE_ROWS + 1
    await store.write(
        lambda db: db.execute(broken.replace(":sku", f"'SKU{at:05d}'")).rowcount, background=True
    )
    if is_busy:
        await sell(store)
    for number in range(4):
        await put_page(intake, page(number * PAGE_ROWS_MAX))
    async with running(intake) as task:
        with pytest.raises(sqlite3.IntegrityError, match="broken"):
            await task
    assert await held(store) == (PAGE_ROWS_MAX + rows.PIECE_ROWS, PAGE_ROWS_MAX)


async def test_a_disk_that_fills_up_ends_it_with_the_cursor_at_a_whole_page(store: Store) -> None:
    intake = Intake(store)
    for number in range(8):
        await put_page(intake, page(number * PAGE_ROWS_MAX))
    await store.write(_leave_little_room, background=True)
    async with running(intake) as task:
        with pytest.raises(StoreFull):
            await task
    count, cursor = await held(store)
    assert 0 < cursor < 8 * PAGE_ROWS_MAX
    assert cursor == count - count % PAGE_ROWS_MAX


def _leave_little_room(db: sqlite3.Connection) -> None:
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages + 100}").fetchone()


async def test_a_page_that_leaves_a_gap_does_not_cost_the_pages_before_it(store: Store) -> None:
    intake = Intake(store)
    await put_page(intake, page(0))
    await put_page(intake, page(2 * PAGE_ROWS_MAX))
    await put_page(intake, page(PAGE_ROWS_MAX))
    async with running(intake) as task:
        with pytest.raises(rows.FeedGap):
            await task
    assert await held(store) == (PAGE_ROWS_MAX, PAGE_ROWS_MAX)


async def test_a_session_that_ends_leaves_what_it_stored_whole(store: Store) -> None:
    intake = Intake(store)
    for number in range(4):
        await put_page(intake, page(number * PAGE_ROWS_MAX))
    async with running(intake):
        await settle()
    await store.write(lambda _db: None)
    count, cursor = await held(store)
    assert cursor == count - count % PAGE_ROWS_MAX
    again = Intake(store)
    for number in range(4):
        await put_page(again, page(number * PAGE_ROWS_MAX))
    async with running(again):
        await again.drain()
    assert await held(store) == (4 * PAGE_ROWS_MAX, 4 * PAGE_ROWS_MAX)


@pytest.mark.parametrize(
    ("rows_each", "fit"),
    [(PAGE_ROWS_MAX, intake.WAITING_ROWS_MAX // PAGE_ROWS_MAX), (1, intake.STEPS_MAX)],
    ids=["rows", "steps"],
)
async def test_the_hub_waits_when_too_much_waits_here(
    store: Store, rows_each: int, fit: int
) -> None:
    full = Intake(store)
    for _ in range(fit):
        await full.put(Step(lambda _db: None, lambda: None, rows_each))
    further = asyncio.create_task(full.put(Step(lambda _db: None, lambda: None)))
    await settle()
    assert not further.done()
    async with running(full):
        await further
        await full.drain()


async def test_a_step_is_called_stored_when_it_is_durable(store: Store) -> None:
    intake = Intake(store)
    committed: list[str] = []
    store.on_commit(lambda: committed.append("commit"))
    called: Callable[[], None] = lambda: committed.append("stored")  # noqa: E731
    await intake.put(Step(lambda _db: None, called))
    async with running(intake):
        await intake.drain()
    assert committed == ["commit", "stored"]
