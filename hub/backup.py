"""`everstock-hub backup`: a copy that was restored and verified before it counts, with the hub's key in it.

Invariant: a file under the name that was asked for was put into a folder of its own by the very function that `restore`
uses, and everything in it follows from its ledger. Whatever ends before that leaves nothing under that name.

The key is inside: every node trusts this key and no other, so a copy without it could never serve again. Whoever reads
the file can sign as the hub; it is made with mode 0600 and belongs where the key would be kept.
"""

import contextlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from nacl.signing import SigningKey
from rich.console import Console
from rich.progress import Progress as Bar

from hub import verify
from hub.datafolder import DATABASE, KEY, HubFolder, sound
from hub.restore import SQL, put_into, read_mark
from hub.store.records import VerifiedBackup
from hub.store.sqlite.backups import count_operations, read_positions
from hub.store.sqlite.feed import read_history
from runtime.backup import Progress
from runtime.backup import backup as copy_database
from runtime.connection import connect_reader
from runtime.errors import StoreUnavailable
from runtime.folder import Folder, sync_folder
from runtime.keys import load_or_create_signing_key
from runtime.readers import read_snapshot
from runtime.unserved import change_copy
from runtime.world import World


def take(hub_folder: HubFolder, file: Path, world: World, *, show_progress: bool) -> VerifiedBackup:
    """Copy the hub's database to the new file `file`, restore the copy and verify it; blocks. Progress goes to stderr.

    Works beside a running daemon. Durable and verified on return; it is not yet recorded anywhere.

    Raises: FileExistsError, FileNotFoundError; StoreFull; StoreUnavailable when the source is damaged, or the copy
    does not verify; OSError; NoHub without a key.
    """
    if os.path.lexists(file):
        raise FileExistsError(f"{file} exists")
    key = hub_folder.signing_key()
    if read_mark(hub_folder.database) is not None:
        raise StoreUnavailable(
            f"{hub_folder.database} is itself a backup that was put in place; `everstock-hub serve` makes it a hub again"
        )
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    copy, scratch = Path(f"{beside}.unverified"), Path(f"{beside}.restored")
    try:
        taken_at_ms = world.now_ms()
        with sound(hub_folder.database), progress_bar("copying", show=show_progress) as progress:
            copy_database(hub_folder.database, copy, progress=progress)
        _mark(copy, taken_at_ms, key)
        found = _restored(copy, scratch, key, world, show_progress=show_progress)
        if os.path.lexists(file):
            raise FileExistsError(f"{file} exists")
        copy.rename(file)
        sync_folder(file.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        for left in (copy, Path(f"{copy}-journal")):
            with contextlib.suppress(OSError):
                left.unlink()
    return found(str(file.absolute()), taken_at_ms, world.now_ms())


def _mark(copy: Path, taken_at_ms: int, key: SigningKey) -> None:
    """Write into the copy that it is one, and the key; durable on return."""

    def write(db: sqlite3.Connection) -> None:
        db.execute(SQL["make_mark"])
        db.execute(SQL["mark"], {"taken_at": taken_at_ms, "signing_key": bytes(key)})

    change_copy(copy, write)


def _restored(
    copy: Path, scratch: Path, key: SigningKey, world: World, *, show_progress: bool
) -> Callable[[str, int, int], VerifiedBackup]:
    """Restore the copy and verify what came of it; what is inside, to be completed."""
    folder = Folder(scratch)
    mark = read_mark(copy)
    if mark is None or mark.key.verify_key != key.verify_key:
        raise StoreUnavailable("the copy does not hold this hub's key")
    put_into(copy, mark, folder, world)
    if load_or_create_signing_key(folder, KEY).verify_key != key.verify_key:
        raise StoreUnavailable("the restored copy does not hold this hub's key")
    database = scratch / DATABASE
    report = verify.verify(database, show_progress=show_progress)
    if report.problems:
        raise StoreUnavailable(f"the restored copy does not add up: {report.problems[0]}")

    def read(db: sqlite3.Connection) -> Callable[[str, int, int], VerifiedBackup]:
        head, positions = read_history(db).head, read_positions(db)
        operations = count_operations(db)
        return lambda file, taken_at_ms, verified_at_ms: VerifiedBackup(
            file, taken_at_ms, verified_at_ms, head.hub_seq, head.salt, operations, positions
        )

    with contextlib.closing(connect_reader(database)) as db:
        return read_snapshot(db, database, read)


@contextlib.contextmanager
def progress_bar(what: str, *, show: bool) -> Iterator[Progress]:
    """Show on stderr how far something long is; gives what is to be called with the parts done and all."""
    with Bar(console=Console(stderr=True), disable=not show, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
