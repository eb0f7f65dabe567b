"""What the command line does with a node's folder, beside its daemon or without one.

Invariant: the database is written by whoever holds the folder's lock and by nobody else: the daemon is asked when one
runs, and otherwise the lock is taken here. Reading needs neither.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, TypeVar

from node.checkpoints import HEAD_FILE
from node.joining import OPERATOR
from node.node import Node
from node.people.administering import Act, Administered, administer
from node.replica import DATABASE_NAME, SCHEMA, identity, verify
from node.replica.identity import NotJoined
from node.showing import sync_status, verified
from protocol.access.table import PersonRole
from protocol.errors import ProtocolError
from protocol.sealing import KeyPair, recovery_from_text, recovery_pair
from runtime.backup import integrity_problems
from runtime.connection import connect_reader
from runtime.control import call_daemon
from runtime.errors import StoreError, StoreUnavailable
from runtime.folder import Folder, FolderBusy, FolderError
from runtime.migrations import describe, schema_problems, version_of
from runtime.readers import read_snapshot
from runtime.service import run
from runtime.verifier import read_outcome
from runtime.world import World

HANDOVER_S_MAX: Final = 10.0
"""A daemon that just took the lock says where it listens within this."""
_DAEMON_AWAITED_S: Final = 0.1
_HUBS_DATABASE: Final = "hub.db"
_UNREADABLE: Final = (StoreError, sqlite3.Error, ProtocolError, UnicodeDecodeError)

T = TypeVar("T")


class EarlierVersion(StoreUnavailable):
    """The database is as an earlier program left it: nothing is wrong with it."""


def joined_folder(path: Path) -> Folder:
    """The folder of a node; makes and changes nothing in one that is something else.

    Raises: NotJoined, FolderError. A database too damaged to tell is taken for a node's.
    """
    folder = _folder(path)
    with contextlib.suppress(*_UNREADABLE):
        read(folder, _check_joined)
    return folder


def status(folder: Folder) -> Mapping[str, object]:
    """How the node stands with the hub: as its daemon says, else as its database does.

    Raises: NotJoined, StoreError, FolderError, DaemonRefused.
    """
    answer = call_daemon(folder, "/v1/operator/status", {})
    if answer is not None:
        return answer
    shown = read(folder, lambda db: sync_status(db, World().now_ms()))
    return {**shown, **verified(read_outcome(folder))}


def create_token(folder: Folder, name: str, *, for_lan: bool = False) -> tuple[str, int]:
    """Make a till's token; it works at once, also at a running daemon. Durable on return.

    One `for_lan` is a till's on another machine, and its only one. Answers the token, and how many older ones of that name work still.

    Raises: NotJoined, StoreError, FolderError, DaemonRefused.
    """
    body = {"name": name, "lan": for_lan}
    answer = told(
        folder,
        "tokens",
        body,
        lambda: run_alone(folder, lambda node: _token_answer(node, name, for_lan=for_lan)),
    )
    return str(answer["token"]), int(str(answer.get("older", 0)))


def revoke_tokens(folder: Folder, name: str) -> object:
    """End a till's tokens, at once also at a running daemon; answers how many. Durable on return.

    Raises: NotJoined, StoreError, FolderError, DaemonRefused.
    """
    answer = told(
        folder,
        "tokens/revoke",
        {"name": name},
        lambda: run_alone(folder, lambda node: _revoked_answer(node, name)),
    )
    return answer["revoked"]


def change_sealing_key(folder: Folder) -> Mapping[str, object]:
    """Give the node another sealing key; how many records were wrapped for it, and how many it cannot open.

    Raises: NotJoined, StoreError, FolderError, DaemonRefused.
    """
    return told(folder, "sealing/key", {}, lambda: run_alone(folder, _change_key))


def recover_sealed(folder: Folder, recovery_key: str) -> Mapping[str, object]:
    """Wrap for the node's own key whatever the chain's recovery key opens; the same two numbers.

    Raises: ProtocolError for what is no recovery key; NotJoined, StoreError, FolderError, DaemonRefused.
    """
    pair = recovery_pair(recovery_from_text(recovery_key))
    body = {"recovery_key": recovery_key}
    return told(
        folder,
        "sealing/recover",
        body,
        lambda: run_alone(folder, lambda node: _recover(node, pair)),
    )


def administer_user(folder: Folder, asked: Mapping[str, object]) -> Mapping[str, object]:
    """Do something with the people of a node, at once also at a running daemon. Durable on return.

    `asked` are the members of `node.people.administering.Administered` that are not None.

    Raises: NotJoined, StoreError, FolderError, DaemonRefused, Refusal.
    """

    async def alone(node: Node) -> Mapping[str, object]:
        await node.people.look()
        role = asked.get("role")
        given = {**asked, "act": Act(str(asked["act"])), "role": role and PersonRole(str(role))}
        wanted = Administered(**given)  # type: ignore[arg-type]
        return await administer(node.people, OPERATOR, wanted, node.certificate.writes)

    return told(folder, "users", asked, lambda: run_alone(folder, alone))


def problems(path: Path) -> list[str]:
    """What is wrong with the database of the node in `path`, worst first; [] when all of it adds up.

    Raises: NotJoined, FolderError, EarlierVersion. What cannot be read is a problem in the list.
    """
    folder = _folder(path)
    if damage := integrity_problems(_database(folder)):
        return damage
    found: list[str] = []

    def check(db: sqlite3.Connection) -> None:
        _check_joined(db)
        outside = _signed_head(folder)
        faults = chain(
            () if outside is None else verify.outside_faults(db, outside), verify.faults(db)
        )
        for fault in islice(faults, verify.PROBLEMS_MAX):
            found.append(f"{fault.place}: {fault.detail}")  # noqa: PERF401 - kept when the next fails
        found.extend(schema_problems(db, SCHEMA))

    try:
        read(folder, check)
    except EarlierVersion:
        raise
    except _UNREADABLE as error:
        found.append(str(error))
    except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as error:
        # Each module may rely on what the node itself has stored; here that is what is in doubt.
        found.append(f"a stored value cannot be read: {str(error) or type(error).__name__}")
    return found


def read(folder: Folder, query: Callable[[sqlite3.Connection], T]) -> T:
    """Run a query in one snapshot of the node's database, beside a daemon or without.

    Raises: StoreUnavailable when the database is damaged; EarlierVersion; NotJoined; what `query` raises otherwise.
    """
    path = _database(folder)
    try:
        with contextlib.closing(connect_reader(path)) as db:
            _check_version(db, path)
            return read_snapshot(db, path, query)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise StoreUnavailable(f"{path} cannot be read: the database is damaged") from error
    except ProtocolError as error:
        raise StoreUnavailable(
            f"a value stored in {path} cannot be read: {error.detail}"
        ) from error


def told(
    folder: Folder,
    path: str,
    body: Mapping[str, object],
    alone: Callable[[], Mapping[str, object]],
) -> Mapping[str, object]:
    """Tell the daemon; without one, do the same by `alone()`, which runs under the folder's lock.

    Raises: DaemonRefused, FolderBusy, and what `alone` raises.
    """
    give_up_s = time.monotonic() + HANDOVER_S_MAX
    while True:
        answer = call_daemon(folder, f"/v1/operator/{path}", body)
        if answer is not None:
            return answer
        try:
            with folder.lock():
                return alone()
        except FolderBusy:
            # A daemon that starts or ends holds the lock without an address; so does another command.
            if time.monotonic() > give_up_s:
                raise
            time.sleep(_DAEMON_AWAITED_S)


async def _token_answer(node: Node, name: str, *, for_lan: bool) -> Mapping[str, object]:
    await node.people.look()
    older = 0 if for_lan else node.callers.count_tokens(name)
    return {"token": await node.callers.create_token(name, for_lan=for_lan), "older": older}


async def _revoked_answer(node: Node, name: str) -> Mapping[str, object]:
    return {"revoked": await node.callers.revoke_tokens(name)}


async def _change_key(node: Node) -> Mapping[str, object]:
    return asdict(await node.sealed.change_key())


async def _recover(node: Node, pair: KeyPair) -> Mapping[str, object]:
    return asdict(await node.sealed.recover(pair))


def run_alone(
    folder: Folder, command: Callable[[Node], Coroutine[Any, Any, Mapping[str, object]]]
) -> Mapping[str, object]:
    """Run a command on the node, without a daemon; the caller holds the folder's lock."""
    answers: list[Mapping[str, object]] = []

    async def main() -> int:
        node = await Node.open(folder, World())
        try:
            answers.append(await command(node))
        finally:
            await node.close()
        return 0

    run(main())
    return answers[0]


def _signed_head(folder: Folder) -> bytes | None:
    """The newest signed head of the log that is kept outside the database; None without one."""
    try:
        return folder.read(HEAD_FILE)
    except (OSError, FolderError):
        return None


def _folder(path: Path) -> Folder:
    if not path.exists():
        raise NotJoined(f"there is no folder {path}; `everstock-node join` comes first")
    folder = Folder(path, must_exist=True)
    if (path / _HUBS_DATABASE).is_file():
        raise NotJoined(f"{path} is a hub's folder; a node needs its own")
    _database(folder)
    return folder


def _check_version(db: sqlite3.Connection, path: Path) -> None:
    """Refuse what only a daemon brings to the form that this program reads."""
    if 0 < version_of(db) < len(SCHEMA.steps):
        raise EarlierVersion(
            f"{path} is of an earlier version; `everstock-node serve` brings it up"
        )


def _check_joined(db: sqlite3.Connection) -> None:
    if not any(line.startswith("table_kind identity:") for line in describe(db)):
        raise _not_joined()
    identity.read_identity(db)


def _database(folder: Folder) -> Path:
    path = folder.path / DATABASE_NAME
    if not path.is_file():
        raise _not_joined()
    return path


def _not_joined() -> NotJoined:
    return NotJoined("this folder has not joined a hub; `everstock-node join` comes first")
