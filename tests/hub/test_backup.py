"""A backup is restored and verified before it has its name, and leaves nothing when that fails."""

import contextlib
import errno
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from hub import restore, verify
from hub.backup import take
from hub.datafolder import HubFolder
from hub.store.records import VerifiedBackup
from hub.store.sqlite.store import SqliteHubStore
from runtime.errors import StoreError, StoreUnavailable
from runtime.world import World
from tests.hub.lives import KEY_OF_THE_HUB, found, sell, within
from tests.store.shop import NOW_MS, Shop

WORLD = World(now_ms=lambda: NOW_MS)


@pytest.fixture
def hub(tmp_path: Path) -> HubFolder:
    """A hub with one shop that sold three apples."""
    hub_folder = found(tmp_path / "hub")
    sell(tmp_path / "hub", Shop("S01"), 3)
    return hub_folder


def back_up(hub: HubFolder, file: Path) -> VerifiedBackup:
    """Take one, and see its folder hold nothing else that is new."""
    return take(hub, file, WORLD, show_progress=False)


def test_a_backup_is_one_private_file_that_says_what_is_inside(
    hub: HubFolder, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    taken = back_up(hub, folder / "one.db")
    assert [each.name for each in folder.iterdir()] == ["one.db"]
    assert (folder / "one.db").stat().st_mode & 0o777 == 0o600
    assert taken.positions == {Shop("S01").replica: 3}
    assert (taken.operations, taken.hub_seq, taken.taken_at_ms) == (3, 1, NOW_MS)
    assert verify.verify(folder / "one.db", show_progress=False).problems == ()


def test_the_hubs_key_is_inside_and_the_operators_token_is_not(
    hub: HubFolder, tmp_path: Path
) -> None:
    back_up(hub, tmp_path / "one.db")
    mark = restore.read_mark(tmp_path / "one.db")
    assert mark is not None
    assert mark.key == KEY_OF_THE_HUB
    token = (hub.folder.path / "operator.token").read_bytes().strip()
    assert token not in (tmp_path / "one.db").read_bytes()


def test_the_database_that_serves_never_holds_the_key(hub: HubFolder, tmp_path: Path) -> None:
    back_up(hub, tmp_path / "one.db")
    assert restore.read_mark(hub.database) is None
    assert bytes(KEY_OF_THE_HUB) not in hub.database.read_bytes()


def test_two_verified_backups_make_stable_what_was_inside_the_first(
    hub: HubFolder, tmp_path: Path
) -> None:
    data, shop = hub.folder.path, Shop("S01")
    for name, stable in (("one.db", {}), ("two.db", {shop.replica: 3})):
        taken = back_up(hub, tmp_path / name)
        within(data, partial(SqliteHubStore.record_backup, backup=taken))
        assert within(data, SqliteHubStore.stable) == stable


def test_a_backup_that_was_put_in_place_is_backed_up_once_it_is_a_hub_again(
    hub: HubFolder, tmp_path: Path
) -> None:
    back_up(hub, tmp_path / "one.db")
    shutil.copy(tmp_path / "one.db", hub.database)
    with pytest.raises(StoreUnavailable, match="put in place"):
        back_up(hub, tmp_path / "two.db")
    assert not (tmp_path / "two.db").exists()


def test_a_file_that_is_there_is_not_touched(hub: HubFolder, tmp_path: Path) -> None:
    (tmp_path / "one.db").write_bytes(b"years of work")
    with pytest.raises(FileExistsError):
        back_up(hub, tmp_path / "one.db")
    assert (tmp_path / "one.db").read_bytes() == b"years of work"


def test_a_hub_that_does_not_add_up_has_no_backup(hub: HubFolder, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(hub.database)) as db, db:
        db.execute("UPDATE counter SET total = total + 1")
    folder = tmp_path / "backups"
    folder.mkdir()
    with pytest.raises(StoreUnavailable, match="does not add up"):
        back_up(hub, folder / "one.db")
    assert list(folder.iterdir()) == []


def test_a_damaged_page_is_found_before_the_backup_has_its_name(
    hub: HubFolder, tmp_path: Path
) -> None:
    content = bytearray(hub.database.read_bytes())
    content[len(content) // 2 :] = b"\xa5" * (len(content) - len(content) // 2)
    hub.database.write_bytes(content)
    folder = tmp_path / "backups"
    folder.mkdir()
    with pytest.raises(StoreError):
        back_up(hub, folder / "one.db")
    assert list(folder.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.needs_tmpfs
@pytest.mark.parametrize("room_kib", [16, 100, 180])
def test_a_full_disk_leaves_no_backup_and_no_remains(
    hub: HubFolder, small_disk: Path, room_kib: int
) -> None:
    free = shutil.disk_usage(small_disk).free
    (small_disk / "films").write_bytes(bytes(free - room_kib * 1024))
    with pytest.raises((StoreError, OSError)) as failed:
        back_up(hub, small_disk / "one.db")
    if isinstance(failed.value, OSError):
        assert failed.value.errno == errno.ENOSPC
    assert [each.name for each in small_disk.iterdir()] == ["films"]
    (small_disk / "films").unlink()
    back_up(hub, small_disk / "one.db")
