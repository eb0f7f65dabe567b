"""The queue of handshakes: in the order of arrival, bounded by time and by number, and what it says to whom it sends away."""

import asyncio

import pytest

from hub import admission
from hub.admission import APPOINTMENT_S_MAX, HANDSHAKE_S_GUESS, WAIT_S_MAX, Admission, Crowded

QUEUE: int = round(WAIT_S_MAX / HANDSHAKE_S_GUESS)
"""So many wait before it takes too long, as long as nothing was measured."""


async def _stay(door: Admission, name: int, came: list[int], leave: asyncio.Event) -> None:
    async with door.turn():
        came.append(name)
        await leave.wait()


async def _settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_turns_come_in_the_order_of_arrival() -> None:
    door, came = Admission(at_once=2, waiting_max=10), list[int]()
    leave = [asyncio.Event() for _ in range(5)]
    async with asyncio.TaskGroup() as group:
        for name in range(5):
            group.create_task(_stay(door, name, came, leave[name]))
        await _settle()
        assert came == [0, 1]
        leave[1].set()
        await _settle()
        assert came == [0, 1, 2]
        for event in leave:
            event.set()
    assert came == [0, 1, 2, 3, 4]
    assert door.wait_s == 0.0


async def test_whoever_leaves_while_it_waits_takes_nobodys_turn() -> None:
    door, came, leave = Admission(at_once=1, waiting_max=10), list[int](), asyncio.Event()
    tasks = [asyncio.create_task(_stay(door, name, came, leave)) for name in range(4)]
    await _settle()
    tasks[1].cancel()
    await _settle()
    leave.set()
    # Cancelled in the moment in which the first gives its place to it.
    tasks[0].cancel()
    await asyncio.sleep(0)
    tasks[2].cancel()
    await asyncio.wait(tasks)
    assert 3 in came
    assert 1 not in came
    assert door.wait_s == 0.0


async def test_the_place_of_one_that_fails_is_free_again() -> None:
    door = Admission(at_once=1, waiting_max=10)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            async with door.turn():
                raise ConnectionError
    assert door.wait_s == 0.0


async def test_too_many_are_sent_away_with_an_appointment_each() -> None:
    door, leave = Admission(at_once=1, waiting_max=10_000), asyncio.Event()
    tasks = [asyncio.create_task(_stay(door, name, [], leave)) for name in range(QUEUE + 1)]
    await _settle()
    waits_ms = []
    for _ in range(10):
        with pytest.raises(Crowded) as crowded:
            await door._take()
        waits_ms.append(crowded.value.retry_ms)
    assert waits_ms[0] >= WAIT_S_MAX * 1000
    assert waits_ms == sorted(waits_ms)
    assert waits_ms[-1] - waits_ms[0] == pytest.approx(9 * HANDSHAKE_S_GUESS * 1000, abs=50)
    leave.set()
    await asyncio.gather(*tasks)


async def test_no_appointment_is_later_than_a_minute() -> None:
    door = Admission(at_once=1, waiting_max=0)
    async with door.turn():
        for _ in range(2 * round(APPOINTMENT_S_MAX / HANDSHAKE_S_GUESS)):
            with pytest.raises(Crowded) as crowded:
                await door._take()
    assert crowded.value.retry_ms == pytest.approx(APPOINTMENT_S_MAX * 1000, abs=100)


async def test_the_wait_is_told_by_what_handshakes_take() -> None:
    door, leave = Admission(at_once=1, waiting_max=10), asyncio.Event()
    took_s = 5 * admission.HANDSHAKE_S_GUESS

    async def slow() -> None:
        async with door.turn():
            await asyncio.sleep(took_s)

    guessed_s = door._handshake_s
    waiting = [asyncio.create_task(slow()) for _ in range(10)]
    await asyncio.sleep(0)
    waiting.append(asyncio.create_task(_stay(door, 0, [], leave)))
    await asyncio.wait(waiting[:-1])
    await _settle()
    assert door.wait_s > guessed_s
    leave.set()
    await asyncio.gather(*waiting)
