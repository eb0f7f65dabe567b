"""What a daemon looks at before it serves: whether it was ended in order, its database, its disk, its SQLite.

Invariants: a database that SQLite itself finds damaged is not served. After an end in order nothing is read through; after
any other a small database is, and a large one is left to the verifier, so that a start takes seconds and not minutes.
Whatever is only unwise is a warning, once.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from runtime.backup import quick_problems
from runtime.errors import StoreUnavailable
from runtime.folder import Folder, sync_folder

RUNNING_FILE: Final = "running"
"""There while a daemon serves; one that it was killed in, or that failed, is there at the next start."""
QUICK_CHECK_BYTES_MAX: Final = 256 * 1024 * 1024
"""Read through at the start after an end that was none: 173 MB took 3.1 s on two cores with nine times the work they can
do. What is larger the verifier reads through meanwhile."""
FREE_BYTES_WISE: Final = 200 * 1024 * 1024
"""With less a node still sells for weeks, but a backup or an update may find no room."""
SQLITE_WITHOUT_WAL_RESET: Final = (3, 51, 3)
MOUNTS: Final = Path("/proc/mounts")
_REMOTE: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "gfs2", "ocfs2"}
    | {"fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "virtiofs", "vboxsf"}
)
_PASSING: Final = {
    "tmpfs": "is in memory and gone with the next restart of the machine",
    "ramfs": "is in memory and gone with the next restart of the machine",
    "overlay": "is a container's own layer and gone with the container",
}

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """What was found."""

    in_order: bool
    """Whether the last daemon on this folder ended as it should."""
    to_verify: bool
    """Whether the database is too large to have been read through here, and should be soon."""
    unwise: tuple[str, ...]
    """Sentences to be logged."""


def begin(folder: Folder, database: Path, advice: str) -> Start:
    """Look at everything, and mark the folder as being served; blocks. The caller holds its lock.

    Raises: StoreUnavailable, with the first damaged place and `advice` what to do.
    """
    in_order = not (folder.path / RUNNING_FILE).exists()
    unwise = list(warnings(folder.path, free_bytes(folder.path)))
    is_large = database.stat().st_size > QUICK_CHECK_BYTES_MAX
    if not in_order:
        when = "later" if is_large else "now"
        unwise.append(f"the last run did not end in order: the database is read through {when}")
        if not is_large and (problems := quick_problems(database)):
            raise StoreUnavailable(f"{database} is damaged: {problems[0]}; {advice}")
    # On a full or failing disk, that is told by whoever writes next.
    with contextlib.suppress(OSError):
        (folder.path / RUNNING_FILE).touch(mode=0o600)
        sync_folder(folder.path)
    return Start(in_order, is_large and not in_order, tuple(unwise))


def tell(start: Start) -> None:
    """Log what is unwise; once the database is open, since a daemon that ends before says one sentence and no more."""
    for warning in start.unwise:
        _log.warning(warning)


def end(folder: Folder) -> None:
    """Say that the daemon ended as it should; its database is closed."""
    with contextlib.suppress(OSError):
        (folder.path / RUNNING_FILE).unlink(missing_ok=True)


def warnings(path: Path, free: int, mounts: str | None = None) -> Iterator[str]:
    """What is unwise about the machine, in sentences.

    Args:
        path: the data folder.
        free: bytes that are left on its disk.
        mounts: in the form of /proc/mounts, which it is when not given.
    """
    if free < FREE_BYTES_WISE:
        yield f"only {free // 1024**2} MiB are free on the disk of {path}: make room soon"
    if mounts is None:
        with contextlib.suppress(OSError):
            mounts = MOUNTS.read_text("utf-8", "replace")
    kind = filesystem_of(path.resolve(), mounts or "")
    if kind in _REMOTE:
        yield f"{path} is on a {kind} file system: locks and flushes over a network cannot be trusted, use a local disk"
    elif kind in _PASSING:
        yield f"{path} {_PASSING[kind]} ({kind})"
    if sqlite3.sqlite_version_info < SQLITE_WITHOUT_WAL_RESET:
        yield f"SQLite {sqlite3.sqlite_version} is older than 3.51.3; install a newer one when there is one"


def filesystem_of(path: Path, mounts: str) -> str | None:
    """The kind of file system that a path is on, by the longest mount point above it; the later of two counts."""
    found: tuple[int, str] | None = None
    for line in mounts.splitlines():
        parts = line.split(" ")
        if len(parts) < 3:
            continue
        # Blanks in names are written as octal numbers.
        point = Path(parts[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
        if path.is_relative_to(point) and (found is None or len(point.parts) >= found[0]):
            found = (len(point.parts), parts[2])
    return None if found is None else found[1]


def free_bytes(path: Path) -> int:
    """What is left on the disk of a folder for us. Raises: OSError."""
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize
