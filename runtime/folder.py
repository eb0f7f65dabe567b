"""A daemon's data folder: who has it, and files in it that are whole and private.

Invariants: one process at a time holds the lock, and the kernel lets go of it when that process
ends, however it ends. A file under its name is complete and durable; its mode is 0600.
"""

import contextlib
import fcntl
import json
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

DAEMON_FILE = "daemon.json"
LOCK_FILE = "lock"
# `daemon_url` of another process holds a shared lock for some microseconds; this outlasts it.
LOCK_PATIENCE_S = 0.5
LOCK_RETRY_S = 0.01
FILE_BYTES_MAX = 1024 * 1024  # keys, tokens and addresses are far smaller


class FolderError(Exception):
    """The data folder cannot be used; the message is one sentence."""


class FolderBusy(FolderError):
    """Another process holds the folder's lock."""


class FolderUnsafe(FolderError):
    """Other users of the machine can change the folder or read a private file in it."""


class Folder:
    """The folder at `path`; all methods block."""

    path: Path

    def __init__(self, path: Path, *, must_exist: bool = False) -> None:
        """Make the folder with mode 0700 if missing, or close an empty one to others.

        Raises: FolderUnsafe if others may write in it; FolderError if it is no folder, or missing
        with `must_exist`.
        """
        self.path = path
        try:
            if not must_exist:
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                if not any(path.iterdir()):
                    path.chmod(0o700)
            mode = path.stat().st_mode
        except OSError as error:
            raise FolderError(f"{path}: {error.strerror}") from error
        if not stat.S_ISDIR(mode):
            raise FolderError(f"{path} is not a folder")
        if mode & 0o022:
            raise FolderUnsafe(f"others may write in {path}: chmod 700 would end that")

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process. Raises: FolderBusy after half a second."""
        opened = self._open_lock()
        try:
            self._wait_for_lock(opened)
            with _named(self.path / LOCK_FILE):
                # In place, and cut afterwards: on a full disk there is room for that and no more.
                os.truncate(opened, os.pwrite(opened, str(os.getpid()).encode(), 0))
            yield
        finally:
            os.close(opened)  # lets go of the lock

    def write_private(self, name: str, content: bytes) -> Path:
        """Write or replace the file `name`; on return it is durable, with mode 0600."""
        target = self._inside(name)
        partial = self.path / f".{name}.{secrets.token_hex(4)}.partial"
        opened = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
        try:
            with _named(target), open(opened, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(opened)
            partial.rename(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        sync_folder(self.path)
        return target

    def read(self, name: str) -> bytes:
        """Read a private file, at most 1 MiB.

        Raises: FileNotFoundError; FolderUnsafe if others may read it; OSError for a symbolic link.
        """
        target = self._inside(name)
        with open(os.open(target, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise FolderUnsafe(f"others may read {target}: chmod 600 would end that")
            content = file.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise FolderError(f"{target} is too large")
        return content

    def announce(self, url: str) -> None:
        """Say where the daemon answers; the caller holds the lock."""
        daemon = {"pid": os.getpid(), "url": url}
        self.write_private(DAEMON_FILE, json.dumps(daemon).encode())

    def retract(self) -> None:
        """Take back what `announce` said."""
        (self.path / DAEMON_FILE).unlink(missing_ok=True)

    def daemon_url(self) -> str | None:
        """Where the running daemon answers; None if none does, whatever a dead one left behind."""
        try:
            daemon = json.loads(self.read(DAEMON_FILE))
            pid, url = daemon["pid"], daemon["url"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        # A command may hold the lock beside the file of a daemon that was killed.
        alive = isinstance(url, str) and pid == self._lock_holder()
        return url if alive else None

    def _lock_holder(self) -> int | None:
        opened = self._open_lock()
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(opened, 20, 0)
            return int(text) if text.isdigit() else None
        finally:
            os.close(opened)
        return None

    def _open_lock(self) -> int:
        # Never deleted: two processes could hold locks on two files of the same name.
        flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self.path / LOCK_FILE, flags, 0o600)

    def _wait_for_lock(self, opened: int) -> None:
        give_up_s = time.monotonic() + LOCK_PATIENCE_S
        while True:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > give_up_s:
                    raise FolderBusy(f"another process is using {self.path}") from error
                time.sleep(LOCK_RETRY_S)
            else:
                return

    def _inside(self, name: str) -> Path:
        assert name == Path(name).name, "a plain file name"
        assert name not in {"", ".", ".."}, "a plain file name"
        return self.path / name


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    # What fails on an open file does not say which: "No space left on device" alone helps nobody.
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable: a new or renamed file is not until this returns."""
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
