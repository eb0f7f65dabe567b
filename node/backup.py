"""`everstock-node backup` and `restore`: one file that is the whole node, checked before it has its name.

Invariants: a file under the name that was asked for is whole, durable and adds up; whatever ends before that leaves
nothing under it. A backup says of itself that it is one, so a node that comes of it, by `restore` or by hand, continues
under a new replica before it records anything: its positions may be another's by now.

The device's key is inside: without it the file could not be a node again. So it is a secret, made with mode 0600; when
it is lost to somebody, the office revokes the node. The operator's token is not inside: `restore` makes a new one.
"""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final, NamedTuple

from nacl.encoding import HexEncoder
from nacl.signing import SigningKey
from rich.console import Console
from rich.progress import Progress as Bar

from node.joining import KEY_NAME, OPERATOR, OPERATOR_TOKEN_NAME
from node.replica import DATABASE_NAME, SCHEMA, identity, log, recovery, tokens, verify
from node.replica.identity import NodeIdentity, NotJoined
from protocol.errors import ProtocolError
from protocol.ids import ReplicaId
from runtime.backup import Progress, integrity_problems
from runtime.backup import backup as copy_database
from runtime.connection import connect_reader
from runtime.errors import StoreError, StoreUnavailable
from runtime.folder import LOCK_FILE, Folder, sync_folder
from runtime.keys import load_or_create_signing_key, new_token, token_digest
from runtime.migrations import describe
from runtime.queries import load_queries
from runtime.readers import read_snapshot
from runtime.sqlite_errors import store_error
from runtime.unserved import change, change_copy
from runtime.world import World

_SQL: Final = load_queries(__file__, "backup.sql")
_UNFINISHED: Final = "node.sqlite.restoring"
_LEFT_BY_RESTORE: Final = (
    KEY_NAME,
    OPERATOR_TOKEN_NAME,
    LOCK_FILE,
    f"{_UNFINISHED}*",
    ".*.partial*",  # with the journal that a copy cut short leaves beside it
)


class RestoreRefused(Exception):
    """The file is no backup of a node, or the folder is not free; the message is one sentence."""


class Mark(NamedTuple):
    """What a copy says of itself."""

    made_at_ms: int
    signing_key: bytes


@dataclass(frozen=True, slots=True)
class Made:
    """What a backup holds, or what a restore made of one."""

    name: str
    made_at_ms: int
    operations: int
    pending: int
    """Of those, what the hub had not acknowledged."""


def take(folder: Folder, file: Path, world: World, *, show_progress: bool) -> Made:
    """Copy the node's database, with its key, to the new file `file`, and verify the copy; blocks.

    Works beside a running daemon, whose tills do not wait: it is read in another process than theirs. Durable on
    return.

    Raises: FileExistsError; NotJoined without a key; StoreFull; StoreUnavailable when the database is damaged or does
    not add up; OSError.
    """
    if os.path.lexists(file):
        raise FileExistsError(f"{file} exists")
    key = _key_of(folder)
    copy = file.with_name(f".{file.name}.{secrets.token_hex(4)}.unverified")
    made_at_ms = world.now_ms()
    try:
        with _progress_bar("copying", show=show_progress) as progress:
            copy_database(folder.path / DATABASE_NAME, copy, progress=progress)
        _mark(copy, Mark(made_at_ms, bytes(key)))
        made = _verified(copy)
        if os.path.lexists(file):
            raise FileExistsError(f"{file} exists")
        copy.rename(file)
        sync_folder(file.parent)
    finally:
        for left in (copy, Path(f"{copy}-journal")):
            with contextlib.suppress(OSError):
                left.unlink()
    return made


def restore(file: Path, path: Path, world: World, *, show_progress: bool) -> Made:
    """Make the node of the backup `file` in the new or empty folder `path`; blocks. Durable on return.

    It continues under a new replica and has a new operator's token; tills keep theirs. Interrupted, it can be run
    again.

    Raises: RestoreRefused; FolderError, StoreError, OSError.
    """
    mark = _checked_mark(file)
    _check_free(path)
    folder = Folder(path)
    with folder.lock():
        _check_free(path)  # again: another command may have been quicker
        for left in path.glob(f"{_UNFINISHED}*"):
            left.unlink()
        unfinished = path / _UNFINISHED
        with _progress_bar("restoring", show=show_progress) as progress:
            copy_database(file, unfinished, progress=progress)
        folder.write_private(KEY_NAME, SigningKey(mark.signing_key).encode(HexEncoder) + b"\n")
        token = new_token("operator")
        folder.write_private(OPERATOR_TOKEN_NAME, f"{token}\n".encode())
        made = _made_anew(unfinished, token, world)
        unfinished.rename(path / DATABASE_NAME)
        sync_folder(path)
    return made


def is_copy(db: sqlite3.Connection) -> bool:
    """Whether this database is a backup that nobody has made a node of yet."""
    return db.execute(_SQL["read_mark"]).fetchone() is not None


def begin_anew(db: sqlite3.Connection, replica: ReplicaId) -> None:
    """Make a node's database of a backup: it continues under `replica`, and forgets the key that it carried."""
    recovery.begin_replica(db, replica)
    db.execute(_SQL["unmark"])


def _key_of(folder: Folder) -> SigningKey:
    if not (folder.path / KEY_NAME).is_file():
        raise NotJoined(
            f"{folder.path / KEY_NAME} is missing: what has no key cannot be a node again"
        )
    return load_or_create_signing_key(folder, KEY_NAME)


def _mark(copy: Path, mark: Mark) -> None:
    """Write into the copy that it is one; durable on return."""

    def write(db: sqlite3.Connection) -> None:
        db.execute(_SQL["mark"], {"made_at": mark.made_at_ms, "signing_key": mark.signing_key})

    with _told(copy):
        # Of an older daemon's database, too: it is brought to this program's form, which is the one that `restore` reads.
        change_copy(copy, write, schema=SCHEMA)


def _verified(copy: Path) -> Made:
    problems = integrity_problems(copy)
    with _told(copy), contextlib.closing(connect_reader(copy)) as db:
        problems = problems or read_snapshot(db, copy, verify.problems)
        if problems:
            raise StoreUnavailable(f"the database does not add up: {problems[0]}")
        made = read_snapshot(db, copy, _made)
        if (
            SigningKey(_read_mark(db).signing_key).verify_key.encode()
            != _who(db).certificate.public_key
        ):
            raise NotJoined(f"the key in {KEY_NAME} is not the one this node was enrolled with")
    return made


def _checked_mark(file: Path) -> Mark:
    if not file.is_file():
        raise FileNotFoundError(f"{file} is not there")
    if problems := integrity_problems(file):
        raise StoreUnavailable(f"{file} is damaged: {problems[0]}")
    with _told(file), contextlib.closing(connect_reader(file)) as db:
        if not any(line.startswith("table_kind backup:") for line in describe(db)):
            raise RestoreRefused(
                f"{file} is no backup of a node; `everstock-node backup` makes one"
            )
        mark = db.execute(_SQL["read_mark"]).fetchone()
        if mark is None:
            raise RestoreRefused(f"{file} is the database of a node, and no backup of one")
        return Mark(*mark)


def _made_anew(database: Path, token: str, world: World) -> Made:
    """Turn a copy that nobody has open into the database of a node; what is in it."""
    now_ms, replica = world.now_ms(), ReplicaId(world.random_bytes(16))

    def write(db: sqlite3.Connection) -> Made:
        made = _made(db)
        begin_anew(db, replica)
        tokens.revoke(db, OPERATOR)
        tokens.add(db, token_digest(token), OPERATOR, now_ms)
        if problems := verify.problems(db):
            raise StoreUnavailable(f"the restored database does not add up: {problems[0]}")
        return made

    with _told(database):
        return change(database, SCHEMA, write)


def _made(db: sqlite3.Connection) -> Made:
    head, position = log.head(db), identity.read_position(db)
    return Made(
        _who(db).certificate.name,
        _read_mark(db).made_at_ms,
        head.seq - log.base(db) + 1,
        max(0, head.seq - position.acked),
    )


def _read_mark(db: sqlite3.Connection) -> Mark:
    return Mark(*db.execute(_SQL["read_mark"]).fetchone())


def _who(db: sqlite3.Connection) -> NodeIdentity:
    try:
        return identity.read_identity(db)
    except ProtocolError as error:
        raise StoreUnavailable(f"the stored certificate is damaged: {error.detail}") from error


def _check_free(path: Path) -> None:
    """Let a folder pass that is missing, empty, or left by a restore that was interrupted."""
    names = [each.name for each in path.iterdir()] if path.is_dir() else []
    if not all(any(fnmatch(name, known) for known in _LEFT_BY_RESTORE) for name in names):
        raise RestoreRefused(f"{path} is not empty; a node is restored into a folder of its own")


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say of whatever SQLite raises inside what it means."""
    try:
        yield
    except (sqlite3.Error, StoreError, UnicodeDecodeError) as error:
        told = error if isinstance(error, StoreError) else store_error(error, path)
        if told is None:
            raise
        raise type(told)(f"{path}: {told}") from error


@contextlib.contextmanager
def _progress_bar(what: str, *, show: bool) -> Iterator[Progress]:
    """Show on stderr how far something long is."""
    with Bar(console=Console(stderr=True), disable=not show, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
