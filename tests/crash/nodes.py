"""What must hold in a node's folder after any crash: everything answered is there, once and whole, and selling goes on.

Invariant: a folder is opened by the product's own code, as `serve` opens it. Databases that are equal byte for byte after recovery are
judged once; what each state must hold of what was answered is compared every time.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Final

from node.commands import movements
from node.commands.movements import Here
from node.commands.requests import Authority, Caller, Line, Movement
from node.joining import KEY_NAME, OPERATOR_TOKEN_NAME
from node.replica import DATABASE_NAME, SCHEMA, identity, log, verify
from protocol.effects import CounterEffect
from protocol.ids import Location, Lot, Sku
from protocol.movements import MoveKind
from protocol.operation import decode
from runtime.connection import connect_writer
from runtime.folder import Folder
from runtime.keys import load_or_create_signing_key, token_digest
from runtime.migrations import migrate
from runtime.verifier import read_outcome
from tests.crash.acts import Promises, fields_held, unbalanced
from tests.crash.explore import Layout
from tests.crash.streams import Answered, Fact

_TILL: Final = Caller("after-the-crash", Authority.TILL)
_INDEX: Final = ".sqlite-shm"
_AGAIN_EVERY: Final = 97
"""A state in so many is also sold on in, and crashed again, although its database is known."""


@dataclass(slots=True)
class Content:
    """What one recovered database says."""

    answers: dict[str, bytes] = field(default_factory=dict)
    """Movement to the answer that is kept for a repeat; empty when it was forgotten as too old."""
    problems: list[str] = field(default_factory=list)
    documents: dict[str, frozenset[str]] = field(default_factory=dict)
    """The fields that each has, by id."""
    public_key: bytes = b""
    tokens: frozenset[bytes] = frozenset()


class NodeChecker:
    """Holds folders of one node to what it had answered."""

    def __init__(self, folder: Path, knowledge: Mapping[str, object]) -> None:
        """`folder` is to lay states out in; `knowledge` names movements that were there `before`, by id, and all `acts`."""
        self._state = Layout(folder / "state", opened=DATABASE_NAME)
        self._copy = Layout(folder / "copy", opened="")
        self._folder = self._state.folder
        before = knowledge.get("before", {})
        assert isinstance(before, Mapping)
        self._answered: dict[str, bytes] = dict(before)
        self._batches: list[frozenset[str]] = [
            frozenset(each)
            for each in knowledge.get("batches", ())  # type: ignore[attr-defined]
        ]
        self.promises = Promises(knowledge.get("acts", ()))  # type: ignore[arg-type]
        self._known: dict[bytes, Content] = {}
        self._small: dict[bytes, str] = {}
        self._count = 0

    @property
    def contents(self) -> int:
        """Different databases so far."""
        return len(self._known)

    @property
    def answered(self) -> Mapping[str, bytes]:
        """Every movement that was answered, with the bytes of the answer where it came alone."""
        return self._answered

    def note(self, fact: Fact) -> None:
        """A till was answered: from now on that is a promise."""
        if not isinstance(fact, Answered) or not fact.body.startswith(b"{"):
            return
        said = json.loads(fact.body)
        if fact.status == 201 and "seq" in said:
            self._answered[said["id"]] = fact.body
        elif "updated_at" in said:
            self.promises.note(fact.body, said)
        for result in said.get("results", []):
            if result["status"] == 201:
                # Where it stands in the answer to the batch its bytes are those that are kept.
                self._answered[result["movement"]["id"]] = b""

    def problems(self, image: Mapping[str, bytes]) -> list[str]:
        """See `Checker`."""
        self._count += 1
        self._state.lay(image)
        try:
            return list(self._found(image))
        except Exception as error:
            return [f"the folder cannot be opened: {type(error).__name__}: {error}"]

    def _found(self, image: Mapping[str, bytes]) -> list[str]:
        with closing(connect_writer(self._folder / DATABASE_NAME)) as db:
            migrate(db, SCHEMA)
            key = blake2b(db.serialize(), digest_size=16).digest()
            content = self._known.get(key)
            if content is None or self._count % _AGAIN_EVERY == 0:
                content = self._known[key] = self._read(db)
        found = [*content.problems, *self._small_files(image, content)]
        kept = content.answers
        for movement, answer in self._answered.items():
            if movement not in kept:
                found.append(f"lost: movement {movement} was answered")
            elif answer and kept[movement] and kept[movement] != answer:
                found.append(f"a repeat of {movement} would be answered otherwise than before")
            if found:
                break
        found += islice(self.promises.broken(content.documents), 1)
        halves = [batch & kept.keys() for batch in self._batches if not kept.keys() >= batch]
        found += [f"half of a batch: {sorted(half)[:3]}" for half in halves if half]
        return found

    def _read(self, db: sqlite3.Connection) -> Content:
        """Judge a database by itself, and sell something in it."""
        who = identity.read_identity(db)
        content = Content(public_key=who.certificate.public_key)
        content.tokens = frozenset(bytes(row[0]) for row in db.execute("SELECT digest FROM token"))
        content.problems += integrity(db) + verify.problems(db) + _sums(db) + [*unbalanced(db)]
        content.documents = fields_held(db)
        ids = Counter(decode(row[0]).op_id for row in db.execute("SELECT body FROM log"))
        content.problems += [
            f"{id_.hex()} is in the log {n} times" for id_, n in ids.items() if n > 1
        ]
        listed = [row[0] for row in db.execute("SELECT op_id FROM movement")]
        content.answers = dict.fromkeys(map(_uuid, listed), b"")
        bodies = [row[0] for row in db.execute("SELECT body FROM answer")]
        kept = {said["id"]: body for body in bodies if "seq" in (said := json.loads(body))}
        if strange := kept.keys() - content.answers.keys():
            content.problems.append(f"answered and not recorded: {sorted(strange)[:3]}")
        content.answers |= kept
        position = identity.read_position(db)
        if position.acked > log.head(db).seq:
            content.problems.append(
                f"acked is {position.acked}, the log ends at {log.head(db).seq}"
            )
        content.problems += self._goes_on(db)
        return content

    def _goes_on(self, db: sqlite3.Connection) -> list[str]:
        """Sell once more, crash at once, and look again."""
        before = log.head(db)
        sold = sell(db)
        left = self._folder.glob(f"{DATABASE_NAME}*")
        crashed = {each.name: each.read_bytes() for each in left if each.suffix != _INDEX}
        self._copy.lay(crashed)
        with closing(connect_writer(self._copy.folder / DATABASE_NAME)) as again:
            migrate(again, SCHEMA)
            if log.head(again).seq != before.seq + 1:
                return [f"what is sold after the crash is lost in the next one: {sold}"]
            return [
                f"after one more sale: {each}" for each in integrity(again) + verify.problems(again)
            ]

    def _small_files(self, image: Mapping[str, bytes], content: Content) -> list[str]:
        """Key, token and notes: whole, private, and those of this node."""
        small = {n: c for n, c in image.items() if not n.startswith(DATABASE_NAME)}
        key = blake2b(repr(small).encode() + content.public_key, digest_size=16).digest()
        if key not in self._small:
            self._small[key] = self._small_problem(content)
        return [self._small[key]] if self._small[key] else []

    def _small_problem(self, content: Content) -> str:
        folder = Folder(self._folder, must_exist=True)
        self._state.forget()  # a key that is missing is made anew, the lock is written
        if not (self._folder / KEY_NAME).exists():
            return "the node's key is gone"
        if bytes(load_or_create_signing_key(folder, KEY_NAME).verify_key) != content.public_key:
            return "the node's key is not the one it was enrolled with"
        token = folder.read(OPERATOR_TOKEN_NAME).decode().strip()
        if token_digest(token) not in content.tokens:
            return "the operator's token is not known to the node"
        folder.daemon_url()
        read_outcome(folder)
        with folder.lock():
            return ""


def sell(db: sqlite3.Connection) -> str:
    """Sell one piece as a till would; durable on return."""
    who, position = identity.read_identity(db), identity.read_position(db)
    last = db.execute("SELECT max(answered_at) FROM answer").fetchone()[0] or 0
    here = Here(who.chain, position.replica, who.certificate, position.clock_offset_ms, last + 1)
    line = Line(Sku("AFTER"), Lot(""), delta=-1)
    movement = Movement(MoveKind.SALE, Location(who.certificate.writes[0]), (line,))
    db.execute("BEGIN IMMEDIATE")
    answer = movements.record(db, here, _TILL, movement, f"after-{log.head(db).seq}")
    db.execute("COMMIT")
    return answer.movement_id


def integrity(db: sqlite3.Connection) -> list[str]:
    """What SQLite itself finds wrong."""
    rows = [row[0] for row in db.execute("PRAGMA integrity_check(3)")]
    return [] if rows == ["ok"] else [f"SQLite: {row}" for row in rows]


def _sums(db: sqlite3.Connection) -> list[str]:
    """Only this node writes at its locations, so what is shown there is the sum of its log."""
    sums: Counter[tuple[str, str, str, int]] = Counter()
    for row in db.execute("SELECT body FROM log"):
        for effect in decode(row["body"]).effects:
            if isinstance(effect, CounterEffect):
                sums[effect.location, effect.sku, effect.lot, effect.account] += effect.delta
    if log.base(db) > 1:
        return []  # what was pruned is in the hub's totals, which `verify` adds up
    own = {location for location, *_ in sums}
    shown = {
        (row["location"], row["sku"], row["lot"], row["account"]): row["value"]
        for row in db.execute("SELECT location, sku, lot, account, value FROM counter")
        if row["location"] in own
    }
    return [
        f"stock of {'/'.join(map(str, key))} is {shown.get(key)}, its movements sum up to {total}"
        for key, total in sums.items()
        if shown.get(key) != total
    ][:3]


def _uuid(op_id: bytes) -> str:
    text = op_id.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
