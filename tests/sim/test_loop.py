"""The simulated loop: what it promises, and the private names of asyncio it rests on."""

import asyncio
import random
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.sim.loop import OUTSIDE, PROCESS, Deadlock, Escaped, Process, SimLoop


@pytest.fixture
def loop() -> Iterator[SimLoop]:
    loop = SimLoop(random.Random(1))
    yield loop
    loop.finish()


def test_the_private_names_of_asyncio_that_the_loop_uses_are_there() -> None:
    for name in ("_run_once", "_write_to_self", "_process_events", "_timer_handle_cancelled"):
        assert callable(getattr(asyncio.BaseEventLoop, name))
    loop = asyncio.new_event_loop()
    try:
        assert loop._stopping is False  # type: ignore[attr-defined]
        handle = loop.call_soon(lambda: None)
        assert handle._cancelled is False  # type: ignore[attr-defined]
        assert handle._context.get(PROCESS, OUTSIDE) is OUTSIDE  # type: ignore[attr-defined]
        assert callable(handle._callback)  # type: ignore[attr-defined]
        assert handle._args == ()  # type: ignore[attr-defined]
    finally:
        loop.close()


def test_time_passes_only_by_waiting(loop: SimLoop) -> None:
    async def wait() -> float:
        await asyncio.sleep(3_600)
        return asyncio.get_running_loop().time()

    assert loop.run_until_complete(wait()) == 3_600


def test_timers_come_up_in_order_and_those_of_one_moment_as_they_were_set(loop: SimLoop) -> None:
    seen: list[str] = []

    async def wait() -> None:
        for at_s, name in ((2.0, "third"), (1.0, "first"), (1.0, "second")):
            loop.call_at(at_s, seen.append, name)
        await asyncio.sleep(3)

    loop.run_until_complete(wait())
    assert seen == ["first", "second", "third"]


def test_within_a_process_callbacks_run_first_in_first_out_and_between_processes_as_drawn() -> None:
    orders = set()
    for seed in range(20):
        loop, seen = SimLoop(random.Random(seed)), []
        for name in ("a", "b"):
            token = PROCESS.set(Process(name))
            for number in range(3):
                loop.call_soon(seen.append, f"{name}{number}")
            PROCESS.reset(token)
        loop.run_until_complete(asyncio.sleep(1))
        loop.finish()
        assert [each for each in seen if each[0] == "a"] == ["a0", "a1", "a2"]
        assert [each for each in seen if each[0] == "b"] == ["b0", "b1", "b2"]
        orders.add(tuple(seen))
    assert len(orders) > 5


def test_a_killed_process_ends_at_its_waits_and_starts_nothing_more(loop: SimLoop) -> None:
    process, ended, begun = Process("victim"), [], []

    async def late() -> None:
        begun.append("late")

    async def victim() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            ended.append("victim")
            asyncio.create_task(late())  # noqa: RUF006 - never to run

    async def run() -> None:
        token = PROCESS.set(process)
        asyncio.create_task(victim())  # noqa: RUF006 - owned by its process
        PROCESS.reset(token)
        await asyncio.sleep(1)
        process.kill()
        await asyncio.sleep(1)

    loop.run_until_complete(run())
    assert ended == ["victim"]
    assert begun == []
    assert not process.tasks


def test_work_for_a_thread_is_done_in_the_loop_and_told_later(loop: SimLoop) -> None:
    async def run() -> tuple[str, float]:
        name = await asyncio.to_thread(lambda: threading.current_thread().name)
        return name, loop.time()

    name, took_s = loop.run_until_complete(run())
    assert name == threading.current_thread().name
    assert took_s > 0


def test_reaching_for_the_real_world_is_an_error(loop: SimLoop) -> None:
    async def connect() -> None:
        await asyncio.open_connection("127.0.0.1", 1)

    async def look_up() -> None:
        await loop.getaddrinfo("localhost", 1)

    with pytest.raises(Escaped):
        loop.run_until_complete(connect())
    with pytest.raises(Escaped):
        loop.run_until_complete(look_up())
    with socket.socket() as real, pytest.raises(Escaped):
        loop.run_until_complete(loop.sock_recv(real, 1))


def test_a_wait_that_nothing_can_end_is_an_error(loop: SimLoop) -> None:
    with pytest.raises(Deadlock):
        loop.run_until_complete(loop.create_future())
