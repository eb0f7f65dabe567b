"""What a daemon finds out before it serves, about the machine and about how the last one ended."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from runtime import selfcheck
from runtime.errors import StoreUnavailable
from runtime.folder import Folder

MOUNTS = """\
overlay / overlay rw 0 0
proc /proc proc rw 0 0
/dev/sda1 /srv ext4 rw 0 0
hub:/export /srv/shared nfs4 rw 0 0
/dev/sdb1 /srv/shared/my\\040disk xfs rw 0 0
tmpfs /run tmpfs rw 0 0
garbage
"""
PLENTY = 10**12


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder with a database of some pages."""
    made = Folder(tmp_path / "data")
    with contextlib.closing(sqlite3.connect(made.path / "a.db")) as db:
        db.execute("CREATE TABLE t (a BLOB)")
        db.executemany("INSERT INTO t VALUES (randomblob(1000))", [()] * 200)
        db.commit()
    return made


def damage(folder: Folder) -> None:
    with (folder.path / "a.db").open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xa5" * 8192)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/shop", "ext4"),
        ("/srv/shared/shop", "nfs4"),
        ("/srv/shared/my disk/shop", "xfs"),
        ("/srv/sharedelsewhere", "ext4"),
        ("/opt/shop", "overlay"),
    ],
)
def test_the_file_system_is_that_of_the_longest_mount_point_above(path: str, kind: str) -> None:
    assert selfcheck.filesystem_of(Path(path), MOUNTS) == kind
    assert selfcheck.filesystem_of(Path(path), "") is None


@pytest.mark.parametrize(
    ("path", "free", "words"),
    [
        ("/srv/shared", PLENTY, "nfs4 file system"),
        ("/run/shop", PLENTY, "in memory"),
        ("/opt/shop", PLENTY, "container"),
        ("/srv/shop", 5 * 1024**2, "only 5 MiB are free"),
    ],
)
def test_what_is_unwise_is_said_in_words(path: str, free: int, words: str) -> None:
    assert any(words in said for said in selfcheck.warnings(Path(path), free, MOUNTS))


def test_a_local_disk_with_room_is_not_warned_of() -> None:
    said = list(selfcheck.warnings(Path("/srv/shop"), PLENTY, MOUNTS))
    assert [one for one in said if "SQLite" not in one] == []
    assert bool(said) == (sqlite3.sqlite_version_info < (3, 51, 3))


def test_an_end_in_order_is_told_from_any_other(folder: Folder) -> None:
    database = folder.path / "a.db"
    assert selfcheck.begin(folder, database, "").in_order
    assert not selfcheck.begin(folder, database, "").in_order, "it was killed"
    selfcheck.end(folder)
    assert selfcheck.begin(folder, database, "").in_order


def test_a_damaged_database_is_refused_after_a_crash_with_place_and_advice(folder: Folder) -> None:
    database = folder.path / "a.db"
    selfcheck.begin(folder, database, "")
    damage(folder)
    with pytest.raises(StoreUnavailable, match=r"a\.db is damaged: .*; do this") as told:
        selfcheck.begin(folder, database, "do this")
    assert "\n" not in str(told.value)
    with pytest.raises(StoreUnavailable):
        selfcheck.begin(folder, database, "do this")


def test_a_large_database_is_left_to_the_verifier(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selfcheck, "QUICK_CHECK_BYTES_MAX", 1024)
    database = folder.path / "a.db"
    assert not selfcheck.begin(folder, database, "").to_verify
    damage(folder)
    assert selfcheck.begin(folder, database, "").to_verify
    selfcheck.end(folder)
    assert not selfcheck.begin(folder, database, "").to_verify
