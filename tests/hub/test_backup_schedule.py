"""Backups that nobody has to think of: when they are taken, and what is deleted for them."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from hub import backup_schedule
from hub.backup_schedule import RETRY_FIRST_S, BackupSchedule, wait_after_s
from hub.stable import Stable
from hub.store.records import BackupRecord, VerifiedBackup
from hub.store.sqlite.store import SqliteHubStore
from protocol.ids import NO_SALT, HubSeq
from runtime.folder import Folder
from runtime.world import World
from tests.hub.lives import found, sell, within
from tests.hub.peer import eventually
from tests.store.shop import Shop

pytestmark = pytest.mark.timeout(120)

OFTEN_H = 1 / 3600
PATIENCE_S = 100.0


@dataclass(frozen=True)
class Site:
    """A hub's folder, and a folder for its backups."""

    data: Path
    target: Path

    async def schedule(self, every_h: float) -> BackupSchedule:
        """A schedule that keeps two."""
        stable = await self.stable()
        return BackupSchedule(
            self.data, self.target, every_h=every_h, keep=2, stable=stable, world=World()
        )

    async def notes(self, name: str, taken_ms: int) -> None:
        """The hub notes a verified backup of that name and time."""
        backup = VerifiedBackup(
            str(self.target / name), taken_ms, taken_ms, HubSeq(0), NO_SALT, 0, {}
        )
        record = partial(SqliteHubStore.record_backup, backup=backup)
        await asyncio.to_thread(within, self.data, record)

    async def stable(self) -> Stable:
        """What the hub's database says of its backups."""
        store = await SqliteHubStore.open(self.data / "hub.db")
        stable = Stable(store, World())
        await stable.load()
        await store.close()
        return stable

    async def recorded(self) -> list[BackupRecord]:
        """The newest backups that the hub has noted."""
        store = await SqliteHubStore.open(self.data / "hub.db")
        try:
            return await store.backups(10)
        finally:
            await store.close()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "hub", tmp_path / "backups")
    site.target.mkdir()
    found(site.data)
    return site


async def test_a_backup_of_unknown_age_does_not_put_off_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_schedule, "FIRST_S", 0.0)
    ahead_ms = World().now_ms() + 365 * 86_400_000
    await site.notes("a.db", ahead_ms)
    schedule = await site.schedule(every_h=24)
    async with _running(schedule):
        await _until(lambda: any(each.suffix == ".db" for each in site.target.iterdir()))


async def test_scheduled_backups_are_taken_again_and_again_and_only_the_newest_stay(
    site: Site,
) -> None:
    (site.target / "holiday.jpg").write_bytes(b"not ours")
    await asyncio.to_thread(sell, site.data, Shop("S01"))
    schedule = await site.schedule(every_h=OFTEN_H)
    seen: set[str] = set()

    def four_taken() -> bool:
        seen.update(each.name for each in site.target.iterdir() if each.name.startswith("hub-"))
        return len(seen) >= 4

    async with _running(schedule):
        await _until(four_taken)
    left = {each.name for each in site.target.iterdir()}
    assert "holiday.jpg" in left
    assert len(left) <= 4, "two, the one just taken, and what is not ours"
    assert not schedule.failed
    newest = (await site.stable()).newest
    assert newest is not None
    assert newest.operations == 1


async def test_a_scheduled_backup_that_fails_is_told_and_deletes_nothing(site: Site) -> None:
    for day in range(5):
        (site.target / f"hub-2030010{day}T000000Z.db").write_bytes(b"an older one")
    await asyncio.to_thread((site.data / "hub.key").unlink)
    schedule = await site.schedule(every_h=OFTEN_H)
    told = asyncio.Event()
    schedule.on_failure(told.set)
    async with _running(schedule):
        await told.wait()
    assert schedule.failed
    assert len(list(site.target.iterdir())) == 5


def test_a_backup_that_fails_again_and_again_is_tried_less_and_less_often_but_never_less_than_due() -> (
    None
):
    every_s = 24 * 3600.0
    waits = [wait_after_s(failures, every_s) for failures in range(1, 2_000)]
    assert waits[0] == RETRY_FIRST_S
    assert all(later == min(2 * sooner, every_s) for sooner, later in pairwise(waits))
    assert waits[-1] == every_s == wait_after_s(0, every_s)
    assert {wait_after_s(failures, 60.0) for failures in range(9)} == {60.0}


async def test_a_backup_that_failed_is_tried_again_long_before_the_next_is_due(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_schedule, "FIRST_S", 0.0)
    monkeypatch.setattr(backup_schedule, "RETRY_FIRST_S", 0.1)
    key = await asyncio.to_thread((site.data / "hub.key").read_bytes)
    await asyncio.to_thread((site.data / "hub.key").unlink)
    schedule = await site.schedule(every_h=24)
    heard: list[bool] = []
    schedule.on_failure(lambda: heard.append(schedule.failed))
    async with _running(schedule):
        await _until(lambda: len(heard) >= 2)
        assert heard == [True] * len(heard), "it stays told until one succeeds"
        await asyncio.to_thread(lambda: Folder(site.data).write_private("hub.key", key))
        await _until(lambda: not schedule.failed)
    assert len(list(site.target.iterdir())) == 1


async def test_what_a_backup_that_was_killed_left_does_not_wait_for_the_next_day(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried again every few minutes, copies of a whole hub would fill the disk that they are for."""
    monkeypatch.setattr(backup_schedule, "FIRST_S", 0.0)
    await asyncio.to_thread(sell, site.data, Shop("S01"), 3_000)
    schedule = await site.schedule(every_h=24)
    told = asyncio.Event()
    schedule.on_failure(told.set)
    async with _running(schedule):
        await _until(lambda: any(site.target.iterdir()), pause_s=0.001)
        for child in _children():
            os.kill(child, signal.SIGKILL)
        await told.wait()
    assert schedule.failed
    assert list(site.target.iterdir()) == []


async def test_of_backups_that_the_hub_cannot_note_only_the_newest_stays(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is whole: tried again and again, they would fill the disk, as nothing is deleted before one is noted."""
    monkeypatch.setattr(backup_schedule, "FIRST_S", 0.0)
    monkeypatch.setattr(backup_schedule, "RETRY_FIRST_S", 1.0)
    (site.target / "hub-19700101T000000Z.db").write_bytes(b"an older one")
    schedule = await site.schedule(every_h=OFTEN_H)
    seen: set[str] = set()

    def one_of_three_is_left() -> bool:
        left = {each.name for each in site.target.iterdir() if each.name.startswith("hub-2")}
        seen.update(left)
        return len(seen) >= 3 and left == {max(seen)}

    with await asyncio.to_thread(_locked, site.data):
        async with _running(schedule):
            await _until(one_of_three_is_left)
    assert schedule.failed
    assert (site.target / "hub-19700101T000000Z.db").exists(), "no newer one is noted"


async def test_backups_that_nodes_rely_on_stay_whatever_the_clock_made_of_their_names(
    site: Site,
) -> None:
    names = [f"hub-{year}0101T000000Z.db" for year in ("1970", "1971", "2098", "2099")]
    for name in names:
        (site.target / name).write_bytes(b"a backup")
    for name in names[:2]:
        await site.notes(name, 0)
    schedule = await site.schedule(every_h=OFTEN_H)

    async def noted_two_more() -> bool:
        return len(await site.recorded()) > 3

    async with _running(schedule):
        await eventually(noted_two_more, True)
    assert {each.name for each in site.target.iterdir()} >= set(names)


@pytest.mark.parametrize(
    "name",
    [
        ".hub-20300101T000000Z.db.01234567.unverified",
        ".hub-20300101T000000Z.db.01234567.unverified-journal",
        "..hub-20300101T000000Z.db.01234567.unverified.89abcdef.partial",
        "..hub-20300101T000000Z.db.01234567.unverified.89abcdef.partial-wal",
    ],
)
async def test_what_a_killed_backup_left_makes_room_for_the_next_before_it_is_tried(
    site: Site, name: str
) -> None:
    left = site.target / name
    left.write_bytes(b"half a copy")
    os.utime(left, (0, 0))
    await asyncio.to_thread((site.data / "hub.key").unlink)
    schedule = await site.schedule(every_h=OFTEN_H)
    told = asyncio.Event()
    schedule.on_failure(told.set)
    async with _running(schedule):
        await told.wait()
    assert not left.exists()


@contextlib.asynccontextmanager
async def _running(schedule: BackupSchedule) -> AsyncIterator[None]:
    """It runs meanwhile."""
    task = asyncio.create_task(schedule.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until(is_so: Callable[[], bool], *, pause_s: float = 0.05) -> None:
    for _ in range(int(PATIENCE_S / pause_s)):
        if is_so():
            return
        await asyncio.sleep(pause_s)
    raise TimeoutError


def _locked(data: Path) -> contextlib.ExitStack:
    """A folder that another process is using."""
    stack = contextlib.ExitStack()
    stack.enter_context(Folder(data).lock())
    return stack


def _children() -> list[int]:
    """The processes that this one has started and that go on."""
    return [
        int(child)
        for listed in Path("/proc/self/task").glob("*/children")
        for child in listed.read_text().split()
    ]
