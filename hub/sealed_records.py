"""Sealed records for whoever holds the chain's recovery key: taken out here, opened on another machine.

Invariant: what is exported opens nothing by itself, and the recovery key never comes to the hub. A record whose key was
destroyed is not in an export, since nothing opens it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from hub.offline import reader
from hub.store.sqlite.feed import read_history
from hub.store.sqlite.sealed import SQL
from protocol.codec import unpack
from protocol.errors import Code, ProtocolError
from protocol.ids import ChainId, OpId
from protocol.operation import decode
from protocol.sealed_keys import record_key_from_wire
from protocol.sealing import Binding, KeyPair, box_digest, unseal
from runtime.readers import read_snapshot

FIELD: Final = "details"
LINE_CHARS_MAX: Final = 64 * 1024
_PAGE: Final = 200


class Opened(NamedTuple):
    """What became of one line of an export."""

    movement: str
    details: dict[str, object] | None
    """None where this key does not open it."""
    why: str = ""


def _from_hex(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return bytes.fromhex(value)


_Hex = Annotated[bytes, BeforeValidator(_from_hex)]


class Record(BaseModel):
    """One line of an export."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    chain: _Hex
    location: str
    movement: _Hex
    kind: str
    recorded_at_ms: int
    actor: str
    sealed: _Hex
    key: _Hex

    @property
    def id(self) -> str:
        """The movement's id, as nodes show it."""
        text = self.movement.hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def export(database: Path) -> Iterator[str]:
    """Every sealed record whose key is kept, one JSON object each, in pages; blocks. Raises: StoreError."""
    with reader(database) as db:
        chain = read_snapshot(db, database, read_history).chain
        location, op_id, box, more = "", b"", b"", True
        while more:
            values = {"location": location, "op_id": op_id, "box": box, "limit": _PAGE}
            rows = db.execute(SQL["sealed_records"], values).fetchall()
            for row in rows:
                location, op_id, box = row["location"], bytes(row["op_id"]), bytes(row["box"])
                key, body = bytes(row["key"]), bytes(row["body"])
                if (line := _line(chain, location, box, key, body)) is not None:
                    yield line
            more = len(rows) == _PAGE


def open_line(line: str, pair: KeyPair) -> Opened:
    """Open one line of an export.

    Raises:
        ProtocolError: `bad_value` for what is no line of one.
    """
    try:
        record = Record.model_validate_json(line)
        key = record_key_from_wire(unpack(record.key))
    except (ValidationError, ValueError) as error:
        raise ProtocolError(Code.BAD_VALUE, "this is no export of sealed records") from error
    binding = Binding(ChainId(record.chain), record.location, OpId(record.movement), FIELD)
    try:
        data_key = key.opened(binding, [pair])
        if data_key is None:
            return Opened(record.id, None, "it was sealed for another recovery key")
        return Opened(record.id, unseal(record.sealed, binding, data_key))
    except ProtocolError as error:
        return Opened(record.id, None, error.detail)


def _line(chain: ChainId, location: str, box: bytes, key: bytes, body: bytes) -> str | None:
    operation = decode(body)
    sealed = operation.details.get("sealed")
    # Of what was sealed at two nodes one counts, and that one is exported. A destroyed key is of no sealed part.
    if not isinstance(sealed, bytes) or box != box_digest(sealed):
        return None
    return json.dumps(
        {
            "chain": chain.hex(),
            "location": location,
            "movement": operation.op_id.hex(),
            "kind": operation.kind,
            "recorded_at_ms": operation.recorded_at,
            "actor": operation.actor,
            "sealed": sealed.hex(),
            "key": key.hex(),
        }
    )
