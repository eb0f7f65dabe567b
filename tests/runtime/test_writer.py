"""Group commit, savepoints, and who goes first."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable

import pytest

from runtime.store import Store, StoreUnavailable
from runtime.writer import GROUP_MAX, QUEUE_MAX
from tests.runtime.conftest import insert, trials
from tests.runtime.held_writer import HeldWriter, settle


def queue(store: Store, numbers: range, *, background: bool = False) -> list[asyncio.Task[int]]:
    return [
        asyncio.create_task(store.write(insert(number), background=background))
        for number in numbers
    ]


async def test_callers_that_wait_together_share_one_commit(
    store: Store, held: HeldWriter, groups: list[int]
) -> None:
    waiting = queue(store, range(100))
    await settle()
    await held.release()
    await asyncio.gather(*waiting)
    assert groups == [1, 100]


async def test_only_the_foreground_ends_a_stores_quiet(store: Store) -> None:
    assert store.foreground_quiet_s() == float("inf")
    await store.write(insert(1), background=True)
    assert store.foreground_quiet_s() == float("inf")
    await store.write(insert(2))
    assert store.foreground_quiet_s() < float("inf")


async def test_a_transaction_can_ask_whether_somebody_in_the_foreground_waits(
    store: Store, held: HeldWriter
) -> None:
    assert not store.foreground_waits()
    waiting = queue(store, range(1), background=True)
    await settle()
    assert not store.foreground_waits()
    waiting += queue(store, range(1, 2))
    await settle()
    assert store.foreground_waits()
    await held.release()
    await asyncio.gather(*waiting)
    assert not store.foreground_waits()


async def test_a_group_has_a_largest_size(
    store: Store, held: HeldWriter, groups: list[int]
) -> None:
    waiting = queue(store, range(GROUP_MAX + 10))
    await settle()
    await held.release()
    await asyncio.gather(*waiting)
    assert groups == [1, GROUP_MAX, 10]


async def test_a_single_caller_does_not_wait_for_others(store: Store, groups: list[int]) -> None:
    for trial in range(5):
        await asyncio.wait_for(store.write(insert(trial)), 5)
    assert groups == [1] * 5


async def test_transactions_of_a_group_run_in_the_order_they_came(
    store: Store, held: HeldWriter
) -> None:
    ran: list[int] = []
    waiting = [
        asyncio.create_task(store.write(lambda _db, number=number: ran.append(number)))
        for number in range(50)
    ]
    await settle()
    await held.release()
    await asyncio.gather(*waiting)
    assert ran == list(range(50))


async def test_a_later_one_of_a_group_sees_what_an_earlier_one_wrote(
    store: Store, held: HeldWriter
) -> None:
    first = asyncio.create_task(store.write(insert(1)))
    second = asyncio.create_task(store.write(trials))
    await settle()
    await held.release()
    assert (await first, await second) == (1, [1])


async def test_one_that_fails_takes_only_its_own_part_with_it(
    store: Store, held: HeldWriter, groups: list[int]
) -> None:
    complaint = ValueError("not this one")

    def fails(db: sqlite3.Connection) -> int:
        insert(500, lines=5)(db)
        raise complaint

    before, after = queue(store, range(1)), []
    failing = asyncio.create_task(store.write(fails))
    await settle()
    after = queue(store, range(1, 3))
    await settle()
    await held.release()
    assert await asyncio.gather(*before, *after) == [0, 1, 2]
    with pytest.raises(ValueError, match="not this one") as raised:
        await failing
    assert raised.value is complaint
    assert groups == [1, 4], "they were not in one group"
    assert await store.read(trials) == [0, 1, 2]


async def test_a_constraint_reaches_its_caller_as_sqlite_raised_it(
    store: Store, held: HeldWriter
) -> None:
    twins = [asyncio.create_task(store.write(insert(1))) for _ in range(2)]
    await settle()
    await held.release()
    first, second = await asyncio.gather(*twins, return_exceptions=True)
    assert first == 1
    assert type(second) is sqlite3.IntegrityError


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT * FROM no_such_table", sqlite3.OperationalError),
        ("SELEC", sqlite3.OperationalError),
    ],
)
async def test_a_mistake_in_sql_is_no_fault_of_the_store(
    store: Store, statement: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await store.write(lambda db: db.execute(statement).fetchall())
    assert store.broken is None


async def test_an_empty_iterator_in_a_transaction_does_not_end_the_writer(store: Store) -> None:
    """asyncio cannot carry StopIteration to a caller."""
    with pytest.raises(RuntimeError, match="StopIteration"):
        await store.write(lambda _db: next(iter(())))
    assert await store.write(insert(1)) == 1


async def test_a_failing_commit_is_every_members_error_and_no_ones_row(
    store: Store, held: HeldWriter, groups: list[int]
) -> None:
    """A deferred reference is checked at COMMIT, when nobody's savepoint is left."""
    good = queue(store, range(3))
    orphan = asyncio.create_task(
        store.write(lambda db: db.execute("INSERT INTO child (parent) VALUES (9)").rowcount)
    )
    await settle()
    await held.release()
    answers = await asyncio.gather(*good, orphan, return_exceptions=True)
    assert {type(answer) for answer in answers} == {sqlite3.IntegrityError}
    assert await store.read(trials) == []
    assert groups == [1], "a group that was rolled back is no commit"
    assert await store.write(insert(4)) == 4


async def test_a_transaction_that_ends_the_one_it_runs_in_harms_only_its_group(
    store: Store, held: HeldWriter
) -> None:
    good = queue(store, range(1))
    rogue = asyncio.create_task(store.write(lambda db: db.execute("ROLLBACK").rowcount))
    await settle()
    await held.release()
    answers = await asyncio.gather(*good, rogue, return_exceptions=True)
    assert [str(answer) for answer in answers] == ["a transaction ended the one it runs in"] * 2
    await store.write(insert(8))
    assert await store.read(trials) == [8]


async def test_foreground_goes_first_and_background_is_not_starved(
    store: Store, held: HeldWriter, groups: list[int]
) -> None:
    order: list[str] = []

    def note(name: str) -> Callable[[sqlite3.Connection], None]:
        return lambda _db: order.append(name)

    waiting = [asyncio.create_task(store.write(note("back"), background=True)) for _ in range(5)]
    await settle()
    waiting += [asyncio.create_task(store.write(note("fore"))) for _ in range(2 * GROUP_MAX)]
    await settle()
    await held.release()
    await asyncio.gather(*waiting)
    with_one_place = ["fore"] * (GROUP_MAX - 1) + ["back"]
    assert order[: 2 * GROUP_MAX] == with_one_place * 2
    assert order[2 * GROUP_MAX :] == ["fore"] * 2 + ["back"] * 3
    assert groups == [1, GROUP_MAX, GROUP_MAX, 3, 2]


async def test_a_run_of_background_work_stops_when_a_till_comes(
    store: Store, held: HeldWriter
) -> None:
    order: list[str] = []
    loop, at_third, till_waits = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def back(number: int) -> Callable[[sqlite3.Connection], None]:
        def transaction(_db: sqlite3.Connection) -> None:
            order.append(f"back {number}")
            if number == 2:
                loop.call_soon_threadsafe(at_third.set)
                assert till_waits.wait(10)

        return transaction

    waiting = [asyncio.create_task(store.write(back(n), background=True)) for n in range(6)]
    await settle()
    await held.release()
    await at_third.wait()
    waiting.append(asyncio.create_task(store.write(lambda _db: order.append("till"))))
    waiting.append(asyncio.create_task(store.write(back(6), background=True)))
    await settle()
    till_waits.set()
    await asyncio.gather(*waiting)
    assert order == [
        *("back 0", "back 1", "back 2"),
        "till",
        *("back 3", "back 4", "back 5", "back 6"),
    ]


async def test_a_full_queue_refuses_at_once_and_keeps_what_it_has(
    store: Store, held: HeldWriter
) -> None:
    waiting = queue(store, range(QUEUE_MAX))
    await settle()
    with pytest.raises(StoreUnavailable, match="too many writes"):
        await store.write(insert(QUEUE_MAX))
    in_background = queue(store, range(QUEUE_MAX, QUEUE_MAX + 1), background=True)
    await held.release()
    await asyncio.gather(*waiting, *in_background)
    assert len(await store.read(trials)) == QUEUE_MAX + 1


async def test_cancelling_the_writers_task_answers_those_who_wait(
    store: Store, held: HeldWriter
) -> None:
    """As at the end of a loop that nobody closed the store on."""
    waiting = queue(store, range(3))
    await settle()
    store._writing.cancel()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(answer) for answer in answers} == {StoreUnavailable}
    with pytest.raises(StoreUnavailable):
        await held.release()
    with pytest.raises(StoreUnavailable):
        await store.write(insert(9))
