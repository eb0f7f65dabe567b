"""Notes of the hub, its checkpoints, and the heads that nodes signed.

Invariant: a note is of the transaction of what it tells of. A checkpoint is of one moment, names the one before it, and
covers every log by its hash and all notes by theirs.
"""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from hub.store.sqlite.feed import read_chain, read_epoch
from hub.store.witness import HubNote, KeptCheckpoint
from protocol.chain import CHAIN_START, extend
from protocol.checkpoint import NO_CHECKPOINT, Checkpoint, record_hash, root_of
from protocol.codec import pack, read_int, read_list, refuse, unpack
from protocol.errors import ProtocolError
from protocol.ids import ChainHash, ReplicaId, Seq
from protocol.limits import NAME_CHARS_MAX, TIME_MS_MAX
from protocol.notes import Action, Entity, Note, note_from_wire, note_to_wire
from runtime.queries import load_queries

SQL: Final = load_queries(__file__, "witness.sql")
_FORM: Final = 1
_BODY_BYTES_MAX: Final = 64 * 1024


class NotesEnd(NamedTuple):
    """How many notes there are, and their hash."""

    notes: int
    chain: ChainHash


def notes_end(db: sqlite3.Connection) -> NotesEnd:
    """Where the notes end."""
    row = db.execute(SQL["last_note"]).fetchone()
    return NotesEnd(0, CHAIN_START) if row is None else NotesEnd(row[0], ChainHash(bytes(row[1])))


def note(
    db: sqlite3.Connection,
    now_ms: int,
    actor: str,
    action: Action,
    entity: Entity,
    payload: Mapping[str, object],
) -> None:
    """Add a note, in the caller's transaction."""
    add_note(db, HubNote(now_ms, actor, Note(action.value, entity, payload)))


def add_note(db: sqlite3.Connection, told: HubNote) -> None:
    """Add a note, in the caller's transaction."""
    end = notes_end(db)
    body = pack([_FORM, told.at_ms, told.actor, _wire(told.note)])
    values = {"position": end.notes + 1, "body": body, "chain": extend(end.chain, body)}
    db.execute(SQL["add_note"], values)


def _wire(told: Note) -> list[object]:
    try:
        return note_to_wire(told)
    except ProtocolError:
        # Five hundred locations, or a file of a name that cannot be written: what it tells of is done all the same.
        return note_to_wire(Note(told.action, None, {"left_out": sorted(told.payload)}))


def read_note(body: bytes) -> HubNote:
    """A note as it is kept.

    Raises:
        ProtocolError: the bytes are no note.
    """
    parts = read_list(unpack(body, bytes_max=_BODY_BYTES_MAX), "a note", least=4)
    read_int(parts[0], "the note's form", least=_FORM)
    actor = parts[2]
    if type(actor) is not str or len(actor) > NAME_CHARS_MAX:
        refuse("a note's actor", "must be a name")
    return HubNote(
        read_int(parts[1], "a note's time", most=TIME_MS_MAX), actor, note_from_wire(parts[3])
    )


def make_checkpoint(
    db: sqlite3.Connection, sign: Callable[[Checkpoint], bytes], now_ms: int, every_ms: int
) -> bool:
    """Sign how things stand; see `HubStore.make_checkpoint`."""
    epoch, notes = read_epoch(db), notes_end(db)
    operations = db.execute(SQL["operations"]).fetchone()[0]
    newest = db.execute(SQL["newest"]).fetchone()
    number, before = 1, NO_CHECKPOINT
    if newest is not None:
        is_young = 0 <= now_ms - newest["made_at"] < every_ms
        is_same = (newest["operations"], newest["notes"]) == (operations, notes.notes)
        if newest["epoch"] == epoch and (is_young or is_same):
            return False
        number, before = newest["number"] + 1, record_hash(bytes(newest["record"]))
    root = root_of(
        (ReplicaId(bytes(replica)), Seq(acked), ChainHash(bytes(chain)))
        for replica, acked, chain in db.execute(SQL["logs"])
    )
    told = Checkpoint(read_chain(db), epoch, number, operations, root, *notes, before, now_ms)
    values = {
        "number": number,
        "epoch": epoch,
        "made_at": now_ms,
        "operations": operations,
        "notes": notes.notes,
        "record": sign(told),
    }
    db.execute(SQL["add_checkpoint"], values)
    return True


def read_checkpoint(db: sqlite3.Connection, number: int) -> bytes | None:
    """One checkpoint."""
    row = db.execute(SQL["checkpoint"], {"number": number}).fetchone()
    return None if row is None else bytes(row[0])


def read_checkpoints(db: sqlite3.Connection, after: int, limit: int) -> list[KeptCheckpoint]:
    """The newest after a number, by rising number."""
    found = db.execute(SQL["checkpoints"], {"after": after, "limit": limit})
    return [KeptCheckpoint(number, bytes(record)) for number, record in found]


def read_log_end(db: sqlite3.Connection, replica: ReplicaId) -> tuple[Seq, ChainHash]:
    """How far a log is here, and its hash there."""
    acked, chain = db.execute(SQL["log_end"], {"replica": replica}).fetchone()
    return Seq(acked), ChainHash(bytes(chain))


def keep_head(db: sqlite3.Connection, replica: ReplicaId, seq: Seq, record: bytes) -> None:
    """Keep a signed head, unless a longer one is kept."""
    db.execute(SQL["keep_head"], {"replica": replica, "seq": seq, "record": record})
