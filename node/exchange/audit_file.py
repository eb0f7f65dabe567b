"""A range of a node's log as a file that proves itself on any machine; see `protocol.evidence`.

The file is text, one JSON object a line: what stands before the operations, each operation with the log's hash after it,
what was signed. Bytes are hexadecimal. What is sealed stays sealed.

Invariant: every operation is there whole, also one that sets a password: the hash of the log covers its bytes, and without
them nothing before it would be proved. How many such there are is told, and the file is its owner's alone.

Rule: it is read a line at a time, each of a bounded length; nothing in it is believed but what its signatures cover.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Annotated, Any, Final, NamedTuple

from nacl.signing import SigningKey
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from node import upkeep
from node.exchange.exporting import new_file
from node.joining import KEY_NAME
from node.replica import checkpoints, identity, log
from node.replica.identity import NotJoined
from node.reports.audit import row_of
from protocol.audit import proves_somebody, record_of
from protocol.checkpoint import Head, Signer, contradiction, read_head, sign_head
from protocol.errors import ProtocolError
from protocol.evidence import Beginning, Ending, Entry, NotProved, Proved, Prover
from protocol.ids import ChainHash, ReplicaId, Seq
from protocol.limits import OPERATION_BYTES_MAX
from protocol.operation import decode
from runtime.folder import Folder
from runtime.keys import load_or_create_signing_key
from runtime.queries import load_queries
from runtime.world import World

_SQL: Final = load_queries(__file__, "audit_file.sql")
FORM: Final = 1
_LINE_CHARS_MAX: Final = 2 * OPERATION_BYTES_MAX + 1_000
_PAGE: Final = 500


class NothingThere(Exception):
    """No operation of the log was recorded within the time."""


class Range(NamedTuple):
    """Positions of the log, both ends included."""

    first: Seq
    last: Seq
    is_cut: bool
    """Whether what was recorded before may have left the log."""
    proving: int = 0
    """How many of its operations hold what proves somebody: see `protocol.audit.proves_somebody`."""


def export_audit(
    folder: Folder, since_ms: int | None, until_ms: int | None, output: Path | None
) -> Range:
    """Write what was recorded within a time, and all that stands between, with the proof. A file is durable on return.

    Raises: NothingThere; NotJoined; FileExistsError, OSError; StoreUnavailable.
    """
    found = upkeep.read(folder, lambda db: _range(db, since_ms, until_ms))
    key = _key(folder)
    with new_file(output) as target:
        _put(target, upkeep.read(folder, lambda db: _beginning(db, found)))
        first, proving = found.first, 0
        while first <= found.last:
            page = upkeep.read(folder, partial(_entries, first=first, last=found.last))
            for entry in page:
                _put(target, _line_of(entry))
            proving += sum(proves_somebody(entry.body) for entry in page)
            first = Seq(first + len(page))
        _put(target, upkeep.read(folder, lambda db: _ending(db, found, key)))
    return found._replace(proving=proving)


def _key(folder: Folder) -> SigningKey:
    """The node's key.

    Raises: NotJoined when it is not there, or is another one.
    """
    certificate = upkeep.read(folder, identity.read_identity).certificate
    if (folder.path / KEY_NAME).exists():
        key = load_or_create_signing_key(folder, KEY_NAME)
        if bytes(key.verify_key) == certificate.public_key:
            return key
    raise NotJoined(f"the key in {KEY_NAME} is not the one this node was enrolled with")


def _range(db: sqlite3.Connection, since_ms: int | None, until_ms: int | None) -> Range:
    """The first and the last operation within the time; a clock that was wrong may have put others between."""
    first: Seq | None = None
    last = Seq(0)
    for row in db.execute(_SQL["log"]):
        with contextlib.suppress(ProtocolError):
            at_ms = decode(row["body"]).recorded_at
            if (since_ms is None or at_ms >= since_ms) and (until_ms is None or at_ms < until_ms):
                first, last = first or Seq(row["seq"]), Seq(row["seq"])
    if first is None:
        raise NothingThere("the log has nothing that was recorded within this time")
    return Range(first, last, is_cut=first == log.base(db) > 1)


def _beginning(db: sqlite3.Connection, found: Range) -> dict[str, object]:
    who, before = identity.read_identity(db), log.chain_at(db, Seq(found.first - 1))
    held = ChainHash(bytes(32)) if before is None else before
    return {
        "everstock_audit": FORM,
        "certificate": who.certificate_bytes.hex(),
        "hub_public_key": who.hub_public_key.hex(),
        "replica": identity.read_position(db).replica.hex(),
        "first": found.first,
        "before": held.hex(),
    }


def _entries(db: sqlite3.Connection, first: Seq, last: Seq) -> list[Entry]:
    rows = db.execute(_SQL["piece"], {"first": first, "last": last, "limit": _PAGE})
    return [Entry(row["seq"], row["body"], row["chain"]) for row in rows]


def _line_of(entry: Entry) -> dict[str, object]:
    return {"seq": entry.seq, "body": entry.body.hex(), "hash": entry.hash.hex()}


def _ending(db: sqlite3.Connection, found: Range, key: SigningKey) -> dict[str, object]:
    certificate, replica = (
        identity.read_identity(db).certificate,
        identity.read_position(db).replica,
    )
    held = log.chain_at(db, found.last)
    assert held is not None, "read from the log just now, and only its beginning is ever cut"
    now_ms = World().now_ms()
    head = Head(certificate.chain, certificate.node, replica, found.last, held, now_ms)
    receipt = checkpoints.receipt_within(db, replica, found.first, found.last)
    checkpoint = checkpoints.newest_checkpoint(db)
    return {
        "head": sign_head(head, key, Signer.NODE).hex(),
        "receipt": None if receipt is None else receipt.hex(),
        "checkpoint": None if checkpoint is None else checkpoint.hex(),
    }


def _put(target: IO[bytes], line: Mapping[str, object]) -> None:
    target.write(json.dumps(line).encode() + b"\n")


# --- on another machine -------------------------------------------------------------------------------------------


def _from_hex(value: object) -> object:
    return bytes.fromhex(value) if isinstance(value, str) else value


_Bytes = Annotated[bytes, BeforeValidator(_from_hex)]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class _First(_Line):
    everstock_audit: int
    certificate: _Bytes
    hub_public_key: _Bytes
    replica: _Bytes
    first: int
    before: _Bytes


class _Each(_Line):
    seq: int
    body: _Bytes
    hash: _Bytes


class _Last(_Line):
    head: _Bytes
    receipt: _Bytes | None
    checkpoint: _Bytes | None


class Checked(NamedTuple):
    """A file that proves itself."""

    proved: Proved
    hub_public_key: bytes
    rows: list[Mapping[str, object]]
    """The records in it, in order, if they were asked for."""


def prove_file(file: Path, *, with_rows: bool, folder: Folder | None = None) -> Checked:
    """Check a file; with a node's `folder` also that it is of the chain and the hub that this node knows, and that what
    the hub signed there and here goes together.

    Raises: NotProved; OSError.
    """
    ending = _read_ending(file)
    watch = None if ending.receipt is None else _seq_of(ending.receipt)
    rows: list[Mapping[str, object]] = []
    with open(file, "rb") as source:
        lines = _lines(source)
        beginning = _read(_First, next(lines, ""))
        if beginning.everstock_audit != FORM:
            raise NotProved("the file is of another version")
        replica = ReplicaId(beginning.replica)
        prover = Prover(
            Beginning(
                beginning.certificate,
                beginning.hub_public_key,
                replica,
                Seq(beginning.first),
                ChainHash(beginning.before),
            )
        )
        for entry in prover.take(_entries_of(lines), watch):
            record = record_of(replica, Seq(entry.seq), entry.body)
            if with_rows:
                rows.append(row_of(record))
    proved = prover.conclude(ending)
    if folder is not None:
        upkeep.read(folder, lambda db: _check_known(db, beginning.hub_public_key, proved, ending))
    return Checked(proved, beginning.hub_public_key, rows)


def _check_known(
    db: sqlite3.Connection, hub_public_key: bytes, proved: Proved, ending: Ending
) -> None:
    who = identity.read_identity(db)
    if (who.hub_public_key, who.chain) != (hub_public_key, proved.certificate.chain):
        raise NotProved("the file is of another chain than this node's: another hub signed it")
    if ending.checkpoint is None:
        return
    for kept in checkpoints.all_kept(db):
        told = contradiction(kept, ending.checkpoint, who.hub_public_key, who.chain)
        if told is not None:
            raise NotProved(f"the hub told this node and that one different histories: {told}")


def _read_ending(file: Path) -> Ending:
    """The last line: it says at which operation to remember the hash."""
    last = ""
    with open(file, "rb") as source:
        for line in _lines(source):
            last = line
    ending = _read(_Last, last)
    return Ending(ending.head, ending.receipt, ending.checkpoint)


def _seq_of(receipt: bytes) -> Seq:
    try:
        return read_head(receipt).seq
    except ProtocolError as error:
        raise NotProved("the hub's receipt cannot be read") from error


def _entries_of(lines: Iterator[str]) -> Iterator[Entry]:
    """Every line but the first, which is read already, and the last."""
    held: str | None = None
    for line in lines:
        if held is not None:
            each = _read(_Each, held)
            yield Entry(each.seq, each.body, each.hash)
        held = line


def _lines(source: IO[bytes]) -> Iterator[str]:
    while line := source.readline(_LINE_CHARS_MAX):
        if not line.endswith(b"\n"):
            raise NotProved("a line of the file is too long, or the file was cut off")
        yield line.decode("utf-8", "replace")


def _read(kind: type[Any], line: str) -> Any:
    try:
        return kind.model_validate_json(line)
    except (ValidationError, ValueError) as error:
        raise NotProved("a line of the file is not what this program writes") from error
