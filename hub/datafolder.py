"""The hub's data folder: its database, its key, the operator's token.

Invariant: a folder either holds a whole hub or none. The database comes to its name last, founded and closed, so an
interrupted `init` can simply be run again.
"""

import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final, TypeVar

from nacl.signing import SigningKey

from hub.store.interface import HubStore
from hub.store.sqlite.store import SqliteHubStore
from protocol.ids import ChainId, Epoch
from protocol.session.hub import HubIdentity
from runtime.errors import StoreError, StoreFull, StoreUnavailable
from runtime.folder import LOCK_FILE, Folder, sync_folder
from runtime.keys import load_or_create_signing_key, new_token, token_digest
from runtime.service import run
from runtime.sqlite_errors import ends_writing, store_error
from runtime.world import World

DATABASE: Final = "hub.db"
KEY: Final = "hub.key"
OPERATOR_TOKEN: Final = "operator.token"  # noqa: S105 - a file's name
_UNFINISHED: Final = "hub.db.unfinished"
_LEFT_BY_INIT: Final = (KEY, OPERATOR_TOKEN, LOCK_FILE, f"{_UNFINISHED}*", ".*.partial")
_HEADER: Final = b"SQLite format 3\0"

T = TypeVar("T")


class NoHub(Exception):
    """The folder holds no hub, or not all of one; the message is one sentence."""


class FolderTaken(Exception):
    """A hub cannot be made in a folder that holds something; the message is one sentence."""


class HubFolder:
    """One hub's files; methods that write want the folder's lock held."""

    def __init__(self, path: Path) -> None:
        """Open an existing folder that holds a hub.

        Raises: NoHub; FolderError.
        """
        if not (path / DATABASE).is_file():
            raise NoHub(f"{path} holds no hub; `everstock-hub init --data {path}` makes one")
        self.folder = Folder(path, must_exist=True)
        self.database = path / DATABASE

    def signing_key(self) -> SigningKey:
        """The hub's private key.

        Raises: NoHub if it is gone: another one would make every certificate and code worthless.
        """
        if not (self.folder.path / KEY).is_file():
            raise NoHub(f"{self.folder.path / KEY} is missing; bring it back from a backup")
        return load_or_create_signing_key(self.folder, KEY)

    def token_digest(self) -> bytes:
        """What the operator's token is checked against."""
        try:
            token = self.folder.read(OPERATOR_TOKEN).decode("ascii").strip()
        except FileNotFoundError as error:
            missing = self.folder.path / OPERATOR_TOKEN
            raise NoHub(f"{missing} is missing; bring it back from a backup") from error
        except UnicodeDecodeError as error:
            raise NoHub(f"{self.folder.path / OPERATOR_TOKEN} holds no token") from error
        return token_digest(token)

    async def open_store(
        self, *, observe: Callable[[int, float], None] | None = None
    ) -> SqliteHubStore:
        """Open the store to write. Raises: StoreError, which names the file."""
        with sound(self.database):
            store = await SqliteHubStore.open(self.database, observe=observe)
            try:
                await store.history()  # opening reads too little to meet damage
            except BaseException:
                await store.close()
                raise
            return store


@contextlib.contextmanager
def sound(database: Path) -> Iterator[None]:
    """Open `database` inside: what is wrong with it is told with its name and what to do; blocks.

    Never entered while this process has the file open already: closing it would drop SQLite's locks.

    Raises: StoreError.
    """
    try:
        with database.open("rb") as file:
            is_database = file.read(len(_HEADER)) == _HEADER
        if is_database:
            yield
            return
    except (StoreError, sqlite3.Error) as error:
        told = error if isinstance(error, StoreError) else store_error(error, database)
        if told is None or isinstance(told, StoreFull):
            raise  # a bug, or a matter of the disk and not of this file
        advice = _advice(database) if ends_writing(error) else ""
        raise type(told)(f"{database}: {told}{advice}") from error
    raise StoreUnavailable(f"{database}: the file is not a database{_advice(database)}")


def _advice(database: Path) -> str:
    if database.name != DATABASE:
        return ""  # a backup: no command repairs or replaces one
    command = f"everstock-hub verify --data {database.parent}"
    return f"; `{command}` says more, and `everstock-hub restore --move-aside` puts a backup in its place"


def found(
    path: Path,
    world: World,
    finish: Callable[[HubStore, HubIdentity], Awaitable[T]],
    *,
    recovery: bytes = b"",
) -> T:
    """Make a new hub in `path`: key, operator's token, chain, epoch; blocks. `finish` adds what it starts with.

    `recovery` is the public half of the chain's recovery key, if it is to have one.

    Durable on return. Raises: FolderTaken, before anything is touched; FolderError.
    """
    _check_free(path)
    folder = Folder(path)
    with folder.lock():
        _check_free(path)  # again: another `init` may have been quicker
        for left in path.glob(f"{_UNFINISHED}*"):
            left.unlink()
        identity = HubIdentity(
            ChainId(world.random_bytes(16)), load_or_create_signing_key(folder, KEY), recovery
        )
        folder.write_private(OPERATOR_TOKEN, new_token("operator").encode() + b"\n")

        async def fill() -> T:
            store = await SqliteHubStore.open(path / _UNFINISHED)
            try:
                await store.found(identity.chain, Epoch(world.random_bytes(16)))
                if recovery:
                    await store.keep_recovery_key(recovery)
                return await finish(store, identity)
            finally:
                await store.close()

        result = wait_for(fill)
        (path / _UNFINISHED).rename(path / DATABASE)
        sync_folder(path)
    return result


def _check_free(path: Path) -> None:
    """Let an empty folder pass, and one that an interrupted `init` left."""
    if (path / DATABASE).exists():
        raise FolderTaken(f"There is a hub in {path} already")
    names = [each.name for each in path.iterdir()] if path.is_dir() else []
    if not all(any(fnmatch(name, known) for known in _LEFT_BY_INIT) for name in names):
        words = "holds other things and no hub; name a new folder or an empty one"
        raise FolderTaken(f"{path} {words}")


def wait_for(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run something asynchronous to its end from a command; blocks."""
    results: list[T] = []

    async def keep() -> int:
        results.append(await work())
        return 0

    run(keep())
    return results[0]
