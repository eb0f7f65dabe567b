"""The background verifier, with the real command on the folder of a node that does not run."""

import asyncio
import contextlib
import fcntl
import json
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub import verify as hub_verify
from hub.store.sqlite.audit import Sizes
from runtime import verifier as module
from runtime.connection import connect_writer
from runtime.verifier import LOCK_FILE, OUTCOME_FILE, Outcome, Verifier, read_outcome
from runtime.world import World
from tests.node.enrolled import Shop, enrolled_folder

SOON_H = 0.1 / 3600
NOW_MS = 1_800_000_000_000


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of node S01."""
    return enrolled_folder(tmp_path / "S01")


def verifier_of(shop: Shop, *, every_h: float = SOON_H) -> Verifier:
    """One that starts at once, at a fixed time of day."""
    world = World(now_ms=lambda: NOW_MS)
    return Verifier("node", shop.folder, shop.database, every_h=every_h, world=world)


async def until(condition: object, verifier: Verifier) -> None:
    """Run the verifier until `condition()`, then cancel it."""
    assert callable(condition)
    task = asyncio.create_task(verifier.run())
    try:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 - it is looked at from outside
                await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_outcome_is_kept_for_the_next_start(shop: Shop) -> None:
    verifier = verifier_of(shop)
    await until(lambda: verifier.outcome is not None, verifier)
    assert verifier.outcome == Outcome(NOW_MS, 0)
    assert await asyncio.to_thread(read_outcome, shop.folder) == Outcome(NOW_MS, 0)
    later = Verifier(
        "node", shop.folder, shop.database, every_h=0, world=World(now_ms=lambda: NOW_MS + 5_000)
    )
    await later.run()  # it never verifies, and so it returns
    assert later.age_s == 5


async def test_an_outcome_of_the_future_has_no_age(shop: Shop) -> None:
    """With an age of nothing, a clock that was years ahead once would hold the alarm for as long."""
    verifier = verifier_of(shop)
    await until(lambda: verifier.outcome is not None, verifier)
    earlier = World(now_ms=lambda: NOW_MS - 5_000)
    later = Verifier("node", shop.folder, shop.database, every_h=0, world=earlier)
    await later.run()
    assert later.outcome is not None
    assert later.age_s is None


async def test_what_does_not_add_up_is_counted(shop: Shop) -> None:
    def damage() -> None:
        with contextlib.closing(connect_writer(shop.database)) as db:
            db.execute("DROP TABLE log")

    await asyncio.to_thread(damage)
    verifier = verifier_of(shop)
    await until(lambda: verifier.outcome is not None, verifier)
    assert verifier.outcome is not None
    assert verifier.outcome.problems > 0


async def test_two_never_read_one_folder_at_once(shop: Shop) -> None:
    opened = os.open(shop.folder.path / LOCK_FILE, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)  # as the process of a daemon that was killed holds it
        verifier = verifier_of(shop)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await verifier.run()
    finally:
        os.close(opened)
    assert (verifier.running, verifier.outcome) == (False, None)
    await until(lambda: verifier.outcome is not None, verifier)


async def test_a_cancelled_verifier_leaves_no_process(shop: Shop) -> None:
    verifier = verifier_of(shop)
    await until(lambda: verifier.running, verifier)
    assert not verifier.running
    assert verifier.outcome is None
    # The process held the lock as long as it lived.
    opened = os.open(shop.folder.path / LOCK_FILE, os.O_RDWR)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(opened)


async def test_one_that_takes_too_long_is_ended_and_counted(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RUN_S_MAX", 0.0)
    failures: list[bool] = []
    verifier = verifier_of(shop)
    verifier.on_failure(lambda: failures.append(verifier.running))
    await until(lambda: failures, verifier)
    assert failures[0] is False
    assert verifier.outcome is None


async def test_a_bug_is_logged_and_counted(shop: Shop) -> None:
    def broken_clock() -> int:
        raise ArithmeticError

    world, failures = World(now_ms=broken_clock), list[None]()
    verifier = Verifier("node", shop.folder, shop.database, every_h=SOON_H, world=world)
    verifier.on_failure(lambda: failures.append(None))
    with capture_logs() as said:
        await until(lambda: failures, verifier)
    assert said[0]["reason"] == "ArithmeticError()"
    assert verifier.outcome is None


async def test_one_that_holds_back_the_write_ahead_log_is_ended(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAL_BYTES_MAX", -1)
    failures: list[bool] = []
    verifier = verifier_of(shop)
    verifier.on_failure(lambda: failures.append(verifier.running))
    await until(lambda: failures, verifier)
    assert verifier.outcome is None


def test_the_longest_report_of_a_damaged_database_is_read_whole() -> None:
    row = "\U0001f600" * 64
    problem = f"row {row} {row} {row}: the kept total differs from what the ledger gives {2**63}"
    report = hub_verify.Report(Sizes(2**40, 2**40), (problem,) * hub_verify.PROBLEMS_MAX)
    assert len(json.dumps(report.to_json())) <= module.OUTPUT_BYTES_MAX


@pytest.mark.parametrize("content", [b"", b"{}", b'{"at_ms": "x", "problems": 0}', b"\xff" * 9])
def test_an_outcome_that_cannot_be_read_is_none(content: bytes, shop: Shop) -> None:
    shop.folder.write_private(OUTCOME_FILE, content)
    assert read_outcome(shop.folder) is None
