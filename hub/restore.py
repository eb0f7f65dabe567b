"""`everstock-hub restore`: a backup becomes a hub again, and a database that was put back by hand is found out.

Invariant: a hub whose history may be older than what its nodes have seen begins a new epoch before it serves, and its
open enrolment codes are void: which of them were used since, nobody knows. What is in the folder is moved aside, never
deleted; what the backup lacks of it is told. Who left is not forgotten: departures come from the backup, from the
witness and from the database moved aside.
"""

import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from nacl.encoding import HexEncoder
from nacl.signing import SigningKey

from hub import shortfall, verify
from hub.datafolder import DATABASE, KEY, OPERATOR_TOKEN, FolderTaken, NoHub, sound
from hub.shortfall import Shortfall
from hub.store.records import KnownDeparture
from hub.store.sqlite import backups, departures, witness
from hub.store.sqlite.feed import read_history, salt_of
from hub.store.sqlite.nodes import read_nodes
from hub.store.sqlite.store import SCHEMA
from hub.store.witness import OPERATOR
from hub.witness import WITNESS_FILE, Witness, read_witness, write_witness
from protocol.departure import joined
from protocol.departure import verify as read_departure
from protocol.errors import ProtocolError
from protocol.ids import ChainId, Epoch, NodeId
from protocol.notes import Action, Entity
from runtime import verifier
from runtime.backup import backup as copy_database
from runtime.connection import connect_reader
from runtime.errors import StoreError, StoreUnavailable
from runtime.folder import DAEMON_FILE, LOCK_FILE, Folder, sync_folder
from runtime.keys import load_or_create_signing_key, new_token
from runtime.queries import load_queries
from runtime.readers import read_snapshot
from runtime.selfcheck import RUNNING_FILE
from runtime.unserved import change
from runtime.world import World

SQL: Final = load_queries(__file__, "restore.sql")
_UNFINISHED: Final = "hub.db.restoring"
_PARTS: Final = ("", "-wal", "-shm")
"""A database that was not closed in order has these beside it, and is not whole without them."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What makes a copy a backup: when it was taken, and the hub's key."""

    taken_at_ms: int
    key: SigningKey


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore made."""

    taken_at_ms: int
    operations: int
    nodes: int
    codes_void: int
    moved_aside: Path | None
    """Where the database is that was there before."""
    has_new_token: bool
    lacks: Shortfall
    """What was there before, or was by its witness, and is not in the backup."""


def read_mark(database: Path) -> Mark | None:
    """What a backup says of itself; None for a database that is none. Blocks.

    Raises: StoreUnavailable.
    """
    with sound(database), contextlib.closing(connect_reader(database)) as db:
        return read_snapshot(db, database, _mark)


def restore(file: Path, data: Path, world: World, *, move_aside: bool, show: bool) -> Restored:
    """Make the hub of the backup `file` in the folder `data`; blocks. Progress goes to stderr.

    The file is verified before anything is touched. Durable on return.

    Raises: FolderTaken when the folder holds a hub and is not to be moved aside, or something else; NoHub when the file
    is no backup of a hub, or of another one than the folder's; StoreUnavailable when it is damaged; FolderError.
    """
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}")
    mark = read_mark(file)
    if mark is None:
        raise NoHub(f"{file} is a database and no backup: it does not hold the hub's key")
    _check_free(file, data, move_aside=move_aside)
    report = verify.verify(file, show_progress=show)
    if report.problems:
        raise StoreUnavailable(f"{file} does not add up: {report.problems[0]}")
    folder = Folder(data)
    with folder.lock():
        _check_free(file, data, move_aside=move_aside)
        _check_key(folder, mark)
        witness = read_witness(folder)
        lacks = shortfall.measure(file, data / DATABASE, witness)
        known = _departures_of(data / DATABASE) + witness.departures
        has_new_token = not (data / OPERATOR_TOKEN).exists()
        if has_new_token:
            folder.write_private(OPERATOR_TOKEN, new_token("operator").encode() + b"\n")
        codes_void = _prepare(file, folder, mark, world, known)
        moved = _moved_aside(data, world)
        _place(folder)
        (data / DAEMON_FILE).unlink(missing_ok=True)
        with contextlib.closing(connect_reader(data / DATABASE)) as db:
            operations, nodes = backups.count_operations(db), len(read_nodes(db))
            # The one that is there is of what was moved aside: `serve` would begin yet another epoch, and void the codes
            # that were made meanwhile.
            write_witness(folder, _witness_of(db))
    return Restored(mark.taken_at_ms, operations, nodes, codes_void, moved, has_new_token, lacks)


def put_into(file: Path, mark: Mark, folder: Folder, world: World) -> None:
    """Make the database and the key of a backup in a folder that has none; blocks.

    The caller holds the folder's lock, or knows of nobody else.

    Raises: StoreError; OSError.
    """
    _prepare(file, folder, mark, world, ())
    _place(folder)


def _prepare(
    file: Path, folder: Folder, mark: Mark, world: World, departed: Sequence[bytes]
) -> int:
    """Everything but the database's name, so that what fails, fails before anything is moved; open codes voided."""
    unfinished = folder.path / _UNFINISHED
    for part in _PARTS:
        Path(f"{unfinished}{part}").unlink(missing_ok=True)
    copy_database(file, unfinished)
    codes_void = _begin_again(unfinished, mark.key, world, departed)
    if not (folder.path / KEY).exists():
        folder.write_private(KEY, mark.key.encode(HexEncoder) + b"\n")
    return codes_void


def _place(folder: Folder) -> None:
    """Give the database its name; it was closed, so it is one file."""
    (folder.path / _UNFINISHED).rename(folder.path / DATABASE)
    sync_folder(folder.path)


def begin_again_if_put_back(folder: Folder, witness: Witness, world: World) -> str | None:
    """Before a hub serves: find out whether its database is older than it was, and if so begin a new epoch; blocks.

    Returns: why, as half a sentence; None when the database is what it was. The caller holds the folder's lock.

    Raises: NoHub when the database is another hub's; StoreError.
    """
    database = folder.path / DATABASE
    mark = read_mark(database)
    if mark is not None:
        _check_key(folder, mark)
        if not (folder.path / KEY).exists():
            folder.write_private(KEY, mark.key.encode(HexEncoder) + b"\n")
        if not (folder.path / OPERATOR_TOKEN).exists():
            folder.write_private(OPERATOR_TOKEN, new_token("operator").encode() + b"\n")
    with contextlib.closing(connect_reader(database)) as db:
        why = read_snapshot(db, database, lambda each: _why_put_back(each, mark, witness))
    if why is None or not (folder.path / KEY).exists():
        return None  # without a key the daemon says so itself
    key = load_or_create_signing_key(folder, KEY)
    _begin_again(database, key, world, witness.departures)
    return why


def _why_put_back(db: sqlite3.Connection, mark: Mark | None, witness: Witness) -> str | None:
    if mark is not None:
        return "a backup was put in its place"
    if witness.head is None:
        return None
    history = read_history(db)
    if history.chain != witness.chain:
        return "it is another chain's than the one that was here"
    if salt_of(db, witness.head.hub_seq) != witness.head.salt:
        return "it does not hold what this hub has committed before"
    return None


def _begin_again(database: Path, key: SigningKey, world: World, departed: Sequence[bytes]) -> int:
    """Bring a database to the present schema, take its mark off, begin an epoch, keep who left."""

    def begin(db: sqlite3.Connection) -> int:
        if _mark(db) is not None:
            db.execute(SQL["drop_mark"])
        epoch = Epoch(world.random_bytes(16))
        codes_void = backups.begin_again(db, epoch)
        on, said = Entity("epoch", epoch.hex()), {"codes_void": codes_void}
        witness.note(db, world.now_ms(), OPERATOR, Action.EPOCH_BEGUN, on, said)
        chain = read_history(db).chain
        departures.keep(db, _news(db, key, chain, departed), world.now_ms())
        return codes_void

    return change(database, SCHEMA, begin)


def _news(
    db: sqlite3.Connection, key: SigningKey, chain: ChainId, departed: Sequence[bytes]
) -> list[KnownDeparture]:
    """Those that the database does not hold; what this hub did not sign is left out."""
    public_key = bytes(key.verify_key)
    kept = departures.read_departures(db)
    news: dict[NodeId, bytes] = {}
    for record in departed:
        with contextlib.suppress(ProtocolError):
            news |= joined(kept | news, [record], public_key, chain)
    return [
        KnownDeparture(node, read_departure(record, public_key, chain).reason, record)
        for node, record in news.items()
    ]


def _mark(db: sqlite3.Connection) -> Mark | None:
    if db.execute(SQL["has_mark"]).fetchone() is None:
        return None
    taken_at_ms, key = db.execute(SQL["read_mark"]).fetchone()
    return Mark(taken_at_ms, SigningKey(bytes(key)))


def _check_free(file: Path, data: Path, *, move_aside: bool) -> None:
    if move_aside and (data / DATABASE).exists():
        return
    if (data / DATABASE).exists():
        # Said here, before it is moved: whoever named an older backup than was meant finds out while nothing is done.
        more = shortfall.measure(file, data / DATABASE, Witness()).operations
        has_more = f", with {more} operations that {file} does not hold" if more else ""
        raise FolderTaken(
            f"There is a hub in {data} already{has_more}; --move-aside keeps its database under another name"
        )
    left = {each.name for each in data.iterdir()} if data.is_dir() else set()
    strange = {
        name for name in left if not name.startswith((DATABASE, ".")) and name not in _OF_A_HUB
    }
    if strange:
        raise FolderTaken(
            f"{data} holds other things and no hub; name a new folder or an empty one"
        )


_OF_A_HUB: Final = frozenset(
    {KEY, OPERATOR_TOKEN, LOCK_FILE, DAEMON_FILE, RUNNING_FILE, WITNESS_FILE}
    | {verifier.LOCK_FILE, verifier.OUTCOME_FILE}
)
"""A folder that lost its database, or a restore that was interrupted, has no more than these."""


def _check_key(folder: Folder, mark: Mark) -> None:
    if not (folder.path / KEY).exists():
        return
    if load_or_create_signing_key(folder, KEY).verify_key != mark.key.verify_key:
        raise NoHub(f"the backup is of another hub than {folder.path / KEY} belongs to")


def _moved_aside(data: Path, world: World) -> Path | None:
    if not (data / DATABASE).exists():
        return None
    at = datetime.fromtimestamp(world.now_ms() / 1000, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = data / f"{DATABASE}.before-{at}"
    for part in reversed(_PARTS):  # the database itself last: until then the folder holds a hub
        with contextlib.suppress(FileNotFoundError):
            Path(f"{data / DATABASE}{part}").rename(f"{aside}{part}")
    sync_folder(data)
    return aside


def _witness_of(db: sqlite3.Connection) -> Witness:
    history = read_history(db)
    return Witness(history.chain, history.head, tuple(departures.read_departures(db).values()))


def _departures_of(database: Path) -> tuple[bytes, ...]:
    """Who left, by a database that may be damaged, older than this program, or not there."""
    try:
        with contextlib.closing(connect_reader(database)) as db:
            return tuple(read_snapshot(db, database, departures.read_departures).values())
    except (StoreError, sqlite3.Error, OSError):
        return ()
