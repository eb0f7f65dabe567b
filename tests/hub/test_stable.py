"""What nodes are told of verified backups, and backups that nobody has to think of."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from hub import backup_schedule
from hub.backup_schedule import RETRY_FIRST_S, BackupSchedule, wait_after_s
from hub.recording import TakenBackup
from hub.stable import Stable
from hub.store.records import BackupRecord, VerifiedBackup
from hub.store.sqlite.store import SqliteHubStore
from protocol.ids import NO_SALT, HubSeq, Salt, Seq
from protocol.session.node_actions import StoreAcknowledged
from runtime.folder import Folder
from runtime.world import World
from tests.hub.conftest import Running
from tests.hub.lives import found, sell, within
from tests.hub.peer import eventually
from tests.store.shop import NOW_MS, Shop

OFTEN_H = 1 / 3600
PATIENCE_S = 60.0


async def count_backup(
    running: Running, shop: Shop, acked: int, *, salt: Salt | None = None
) -> int:
    """Tell the hub of a verified backup with so much of the shop's log; the status."""
    head = (await running.hub.store.history()).head
    backup = VerifiedBackup(
        f"{acked}.db",
        NOW_MS,
        NOW_MS,
        head.hub_seq,
        salt or head.salt,
        acked,
        {shop.replica: Seq(acked)},
    )
    body = TakenBackup.of(backup).model_dump(mode="json")
    return (await running.post("/v1/operator/backup", body)).status


async def test_a_node_hears_with_every_answer_how_far_its_log_is_stable(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    async with running.peer(shop) as peer:
        assert (await peer.opens()).stable == 0
        for expected in (0, 0, 1, 2):
            shop.sells("apple", 1)
            await peer.pushes()
            await peer.acknowledged()
            heard = [each for each in peer.heard if isinstance(each, StoreAcknowledged)][-1]
            assert heard.stable == expected
            assert await count_backup(running, shop, len(shop.log)) == 200
        await peer.reconnect()
        assert (await peer.opens()).stable == 3


async def test_a_backup_of_another_history_is_refused(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    shop.sells("apple", 1)
    await shop.pushes(running.hub.store)
    assert await count_backup(running, shop, 1, salt=Salt(b"8 others")) == 422
    status = await (await running.get("/v1/status")).json()
    assert status["backup"] is None


async def test_the_age_of_the_newest_backup_is_in_status_and_metrics(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))

    async def shown() -> str:
        page = await (await running.get("/metrics")).text()
        [line] = [each for each in page.splitlines() if each.startswith("everstock_hub_backup_age")]
        return line.partition(" ")[2]

    assert await shown() == "NaN"
    assert await count_backup(running, shop, 0) == 200
    running.clock.now_ms = NOW_MS + 3_600_000
    await eventually(shown, "3600.0")
    status = await (await running.get("/v1/status")).json()
    assert status["backup"]["file"] == "0.db"


async def test_a_backup_taken_while_the_clock_was_ahead_has_no_age(running: Running) -> None:
    """An age of 0 would say for years that all is well, whether or not another one is ever taken."""
    shop = await running.enrol(Shop("S01"))
    assert await count_backup(running, shop, 0) == 200
    running.clock.now_ms = NOW_MS - 1
    assert running.hub.stable.age_s is None
    page = await (await running.get("/metrics")).text()
    assert "everstock_hub_backup_age_seconds NaN" in page.splitlines()
    running.clock.now_ms = NOW_MS
    assert running.hub.stable.age_s == 0


@pytest.mark.timeout(120)
async def test_a_backup_of_unknown_age_does_not_put_off_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_schedule, "FIRST_S", 0.0)
    data, target = tmp_path / "hub", tmp_path / "backups"
    target.mkdir()
    await asyncio.to_thread(found, data)
    ahead_ms = World().now_ms() + 365 * 86_400_000
    backup = VerifiedBackup(str(target / "a.db"), ahead_ms, ahead_ms, HubSeq(0), NO_SALT, 0, {})
    await asyncio.to_thread(within, data, partial(SqliteHubStore.record_backup, backup=backup))
    schedule = BackupSchedule(
        data, target, every_h=24, keep=2, stable=await _stable(data), world=World()
    )
    async with _running(schedule):
        await _until(lambda: any(each.suffix == ".db" for each in target.iterdir()))


@pytest.mark.timeout(120)
async def test_scheduled_backups_are_taken_again_and_again_and_only_the_newest_stay(
    tmp_path: Path,
) -> None:
    data, target = tmp_path / "hub", tmp_path / "backups"
    target.mkdir()
    (target / "holiday.jpg").write_bytes(b"not ours")
    await asyncio.to_thread(found, data)
    await asyncio.to_thread(sell, data, Shop("S01"))
    schedule = BackupSchedule(
        data, target, every_h=OFTEN_H, keep=2, stable=await _stable(data), world=World()
    )
    running = asyncio.create_task(schedule.run())
    seen: set[str] = set()

    async def four_taken() -> bool:
        seen.update(each.name for each in target.iterdir() if each.name.startswith("hub-"))
        return len(seen) >= 4

    for _ in range(1_000):
        if await four_taken():
            break
        await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(seen) >= 4
    left = {each.name for each in target.iterdir()}
    assert "holiday.jpg" in left
    assert len(left) <= 4, "two, the one just taken, and what is not ours"
    assert not schedule.failed
    newest = (await _stable(data)).newest
    assert newest is not None
    assert newest.operations == 1


@pytest.mark.timeout(120)
async def test_a_scheduled_backup_that_fails_is_told_and_deletes_nothing(tmp_path: Path) -> None:
    data, target = tmp_path / "hub", tmp_path / "backups"
    target.mkdir()
    for day in range(5):
        (target / f"hub-2030010{day}T000000Z.db").write_bytes(b"an older one")
    await asyncio.to_thread(found, data)
    stable = await _stable(data)
    await asyncio.to_thread((data / "hub.key").unlink)
    schedule = BackupSchedule(data, target, every_h=OFTEN_H, keep=2, stable=stable, world=World())
    told = asyncio.Event()
    schedule.on_failure(told.set)
    running = asyncio.create_task(schedule.run())
    await told.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert schedule.failed
    assert len(list(target.iterdir())) == 5


def test_a_backup_that_fails_again_and_again_is_tried_less_and_less_often_but_never_less_than_due() -> (
    None
):
    every_s = 24 * 3600.0
    waits = [wait_after_s(failures, every_s) for failures in range(1, 2_000)]
    assert waits[0] == RETRY_FIRST_S
    assert all(later == min(2 * sooner, every_s) for sooner, later in pairwise(waits))
    assert waits[-1] == every_s == wait_after_s(0, every_s)
    assert {wait_after_s(failures, 60.0) for failures in range(9)} == {60.0}


@pytest.mark.timeout(120)
async def test_a_backup_that_failed_is_tried_again_long_before_the_next_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_schedule, "FIRST_S", 0.0)
    monkeypatch.setattr(backup_schedule, "RETRY_FIRST_S", 0.1)
    data, target = tmp_path / "hub", tmp_path / "backups"
    target.mkdir()
    await asyncio.to_thread(found, data)
    stable = await _stable(data)
    key = await asyncio.to_thread((data / "hub.key").read_bytes)
    await asyncio.to_thread((data / "hub.key").unlink)
    schedule = BackupSchedule(data, target, every_h=24, keep=2, stable=stable, world=World())
    heard: list[bool] = []
    schedule.on_failure(lambda: heard.append(schedule.failed))
    async with _running(schedule):
        await _until(lambda: len(heard) >= 2)
        assert heard == [True] * len(heard), "it stays told until one succeeds"
        await asyncio.to_thread(lambda: Folder(data).write_private("hub.key", key))
        await _until(lambda: not schedule.failed)
    assert len(list(target.iterdir())) == 1


@pytest.mark.timeout(120)
async def test_what_a_backup_that_was_killed_left_does_not_wait_for_the_next_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried again every few minutes, copies of a whole hub would fill the disk that they are for."""
    monkeypatch.setattr(backup_schedule, "FIRST_S", 0.0)
    data, target = tmp_path / "hub", tmp_path / "backups"
    target.mkdir()
    await asyncio.to_thread(found, data)
    await asyncio.to_thread(sell, data, Shop("S01"), 3_000)
    schedule = BackupSchedule(
        data, target, every_h=24, keep=2, stable=await _stable(data), world=World()
    )
    told = asyncio.Event()
    schedule.on_failure(told.set)
    async with _running(schedule):
        await _until(lambda: any(target.iterdir()), pause_s=0.001)
        for child in _children():
            os.kill(child, signal.SIGKILL)
        await told.wait()
    assert schedule.failed
    assert list(target.iterdir()) == []


@pytest.mark.timeout(120)
async def test_of_backups_that_the_hub_cannot_note_only_the_newest_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is whole: tried again and again, they would fill the disk, as nothing is deleted before one is noted."""
    monkeypatch.setattr(backup_schedule, "FIRST_S", 0.0)
    monkeypatch.setattr(backup_schedule, "RETRY_FIRST_S", 1.0)
    data, target = tmp_path / "hub", tmp_path / "backups"
    target.mkdir()
    (target / "hub-19700101T000000Z.db").write_bytes(b"an older one")
    await asyncio.to_thread(found, data)
    schedule = BackupSchedule(
        data, target, every_h=OFTEN_H, keep=2, stable=await _stable(data), world=World()
    )
    seen: set[str] = set()

    def one_of_three_is_left() -> bool:
        left = {each.name for each in target.iterdir() if each.name.startswith("hub-2")}
        seen.update(left)
        return len(seen) >= 3 and left == {max(seen)}

    with await asyncio.to_thread(_locked, data):
        async with _running(schedule):
            await _until(one_of_three_is_left)
    assert schedule.failed
    assert (target / "hub-19700101T000000Z.db").exists(), "no newer one is noted"


@pytest.mark.timeout(120)
async def test_backups_that_nodes_rely_on_stay_whatever_the_clock_made_of_their_names(
    tmp_path: Path,
) -> None:
    data, target = tmp_path / "hub", tmp_path / "backups"
    target.mkdir()
    await asyncio.to_thread(found, data)
    names = [f"hub-{year}0101T000000Z.db" for year in ("1970", "1971", "2098", "2099")]
    for name in names:
        (target / name).write_bytes(b"a backup")
    for name in names[:2]:
        backup = VerifiedBackup(str(target / name), 0, 0, HubSeq(0), NO_SALT, 0, {})
        await asyncio.to_thread(within, data, partial(SqliteHubStore.record_backup, backup=backup))
    schedule = BackupSchedule(
        data, target, every_h=OFTEN_H, keep=2, stable=await _stable(data), world=World()
    )
    running = asyncio.create_task(schedule.run())
    for _ in range(1_000):
        if len(await _recorded(data)) > 3:
            break
        await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert {each.name for each in target.iterdir()} >= set(names)


@pytest.mark.timeout(120)
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
    tmp_path: Path, name: str
) -> None:
    data, target = tmp_path / "hub", tmp_path / "backups"
    left = target / name
    left.parent.mkdir()
    left.write_bytes(b"half a copy")
    os.utime(left, (0, 0))
    await asyncio.to_thread(found, data)
    stable = await _stable(data)
    await asyncio.to_thread((data / "hub.key").unlink)
    schedule = BackupSchedule(data, target, every_h=OFTEN_H, keep=2, stable=stable, world=World())
    told = asyncio.Event()
    schedule.on_failure(told.set)
    running = asyncio.create_task(schedule.run())
    await told.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not left.exists()


@contextlib.asynccontextmanager
async def _running(schedule: BackupSchedule) -> AsyncIterator[None]:
    """It runs meanwhile."""
    task = asyncio.create_task(schedule.run())
    yield
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


async def _recorded(data: Path) -> list[BackupRecord]:
    store = await SqliteHubStore.open(data / "hub.db")
    try:
        return await store.backups(10)
    finally:
        await store.close()


async def _stable(data: Path) -> Stable:
    store = await SqliteHubStore.open(data / "hub.db")
    stable = Stable(store, World())
    await stable.load()
    await store.close()
    return stable
