"""What must hold in a hub's folder after any crash: what was acknowledged is in the ledger, and everything follows from it.

Invariant: an acknowledgement names a log by the hash of all its operations; a ledger that has a log with that hash at that position holds
exactly these operations. Databases that are equal byte for byte after recovery are judged once.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final

from hub.datafolder import DATABASE, HubFolder
from hub.store.interface import Committed
from hub.store.sqlite import audit, sessions
from hub.store.sqlite.commit import commit
from hub.store.sqlite.recount import SQL as RECOUNT
from hub.store.sqlite.store import SCHEMA
from protocol.chain import CHAIN_START, extend
from protocol.enrolment import code_from_text
from protocol.ids import ChainHash
from runtime.connection import connect_writer
from runtime.migrations import migrate
from tests.crash.explore import Layout
from tests.crash.nodes import integrity
from tests.crash.streams import Acknowledged, Answered, Fact, Welcomed
from tests.store.shop import Shop

_INDEX: Final = ".db-shm"
_AGAIN_EVERY: Final = 97
"""A state in so many is also pushed to, and crashed again, although its database is known."""


@dataclass(slots=True)
class Content:
    """What one recovered database says."""

    chains: set[tuple[int, bytes]] = field(default_factory=set)
    """Every position of every log, and the hash there."""
    sessions: dict[bytes, bytes] = field(default_factory=dict)
    certificates: set[bytes] = field(default_factory=set)
    codes: set[bytes] = field(default_factory=set)
    epoch: bytes = b""
    problems: list[str] = field(default_factory=list)


class HubChecker:
    """Holds folders of one hub to what nodes, devices and the operator were told."""

    def __init__(
        self, folder: Path, knowledge: Mapping[str, object], told: Sequence[Fact] = ()
    ) -> None:
        """`knowledge` has the replica of each of the `sessions`; `told` is the whole recording's, for their order."""
        self._state = Layout(folder / "state", opened=DATABASE)
        self._copy = Layout(folder / "copy", opened="")
        replicas = knowledge.get("sessions", {})
        assert isinstance(replicas, Mapping)
        self._replicas: dict[bytes, bytes] = dict(replicas)
        opened = [fact.session for fact in told if isinstance(fact, Welcomed)]
        self._order = {session: at for at, session in enumerate(opened)}
        self._newest: dict[bytes, bytes] = {}
        self._chains: set[tuple[int, bytes]] = set()
        self._certificates: set[bytes] = set()
        self._codes: set[bytes] = set()
        self._epoch: bytes | None = None
        self._known: dict[bytes, Content] = {}
        self._small: dict[bytes, str] = {}
        self._count = 0

    @property
    def contents(self) -> int:
        """Different databases so far."""
        return len(self._known)

    def note(self, fact: Fact) -> None:
        """Somebody was told something: from now on that is a promise."""
        match fact:
            case Acknowledged(acked, chain):
                self._chains.add((acked, chain))
            case Welcomed(session, epoch, acked, chain):
                self._chains.add((acked, chain))
                self._epoch = epoch
                if session in self._replicas:
                    self._newest[self._replicas[session]] = session
            case Answered(status=201, body=body) if b'"certificate"' in body:
                self._certificates.add(bytes.fromhex(json.loads(body)["certificate"]))
            case Answered(status=200 | 201, body=body) if body.startswith(b'{"code"'):
                self._codes.add(code_from_text(json.loads(body)["code"]).id)
            case _:
                pass

    def problems(self, image: Mapping[str, bytes]) -> list[str]:
        """See `Checker`."""
        self._count += 1
        self._state.lay(image)
        try:
            return self._found(image)
        except Exception as error:
            return [f"the folder cannot be opened: {type(error).__name__}: {error}"]

    def _found(self, image: Mapping[str, bytes]) -> list[str]:
        with closing(connect_writer(self._state.folder / DATABASE)) as db:
            migrate(db, SCHEMA)
            key = blake2b(db.serialize(), digest_size=16).digest()
            content = self._known.get(key)
            if content is None or self._count % _AGAIN_EVERY == 0:
                content = self._known[key] = self._read(db)
        found = [*content.problems, *self._small_files(image)]
        if lost := self._chains - content.chains - {(0, bytes(CHAIN_START))}:
            found.append(f"lost: a log was acknowledged up to {min(lost)[0]}")
        if self._certificates - content.certificates:
            found.append("lost: a device that was enrolled")
        if self._codes - content.codes:
            found.append("lost: a code that was given out")
        if self._epoch not in {None, content.epoch}:
            found.append("the epoch is not the one that nodes were told")
        for replica, session in self._newest.items():
            held = content.sessions.get(replica, b"")
            if held != session and self._order.get(held, len(self._order)) < self._order[session]:
                found.append("an older session than the one opened last may push")
        return found

    def _read(self, db: sqlite3.Connection) -> Content:
        """Judge a database by itself, and push something to it."""
        content = Content(problems=verified(db))
        ends: dict[int, tuple[int, ChainHash]] = {}
        for row in db.execute(RECOUNT["ledger"]):
            _, chain = ends.get(row["replica"], (0, CHAIN_START))
            ends[row["replica"]] = (row["seq"], extend(chain, bytes(row["body"])))
            content.chains.add((row["seq"], bytes(ends[row["replica"]][1])))
        for row in db.execute("SELECT replica, session FROM replica"):
            content.sessions[row["replica"]] = row["session"]
        content.certificates = {row[0] for row in db.execute("SELECT certificate FROM node")}
        content.codes = {row[0] for row in db.execute("SELECT code FROM enrolment_code")}
        content.epoch = db.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()[0]
        content.problems += self._goes_on(db)
        return content

    def _goes_on(self, db: sqlite3.Connection) -> list[str]:
        """Take one more batch, crash at once, and look again."""
        shop = Shop(f"after-{self._count}", ("AFTER",))
        shop.sells("SKU", 1)
        db.execute("BEGIN IMMEDIATE")
        sessions.open_session(db, shop.opening(decided_in=_epoch(db)))
        taken = commit(db, shop.push())
        db.execute("COMMIT")
        if not isinstance(taken, Committed):
            return [f"after the crash a batch is not taken: {taken}"]
        left = self._state.folder.glob(f"{DATABASE}*")
        self._copy.lay({each.name: each.read_bytes() for each in left if each.suffix != _INDEX})
        with closing(connect_writer(self._copy.folder / DATABASE)) as again:
            migrate(again, SCHEMA)
            held = {row[0] for row in again.execute("SELECT replica FROM replica WHERE acked = 1")}
            if shop.replica not in held:
                return ["what is acknowledged after the crash is lost in the next one"]
            return [f"after one more batch: {each}" for each in verified(again)]

    def _small_files(self, image: Mapping[str, bytes]) -> list[str]:
        """Key and token: whole and private."""
        small = {n: c for n, c in image.items() if not n.startswith(DATABASE)}
        key = blake2b(repr(small).encode(), digest_size=16).digest()
        if key not in self._small:
            folder = HubFolder(self._state.folder)
            folder.signing_key()
            folder.token_digest()
            folder.folder.daemon_url()
            with folder.folder.lock():
                self._small[key] = ""
            self._state.forget()
        return [self._small[key]] if self._small[key] else []


def _epoch(db: sqlite3.Connection) -> bytes:
    found: bytes = db.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()[0]
    return found


def verified(db: sqlite3.Connection) -> list[str]:
    """What SQLite and the hub's own audit find, the first three."""
    return integrity(db) or list(audit.problems(db, lambda done, total: None))[:3]
