"""Operations: the facts a replica records.

Invariant: an operation's bytes never change once written. Whoever stores, hashes or forwards one keeps the bytes;
the parsed form is only looked at. Parts that this version does not know (the tail of the array) travel along.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from protocol.codec import (
    check_plain,
    pack,
    read_blob,
    read_bytes,
    read_int,
    read_list,
    read_map,
    refuse,
    unpack,
)
from protocol.effects import CounterEffect, Effect, effects_from_wire, effects_to_wire
from protocol.ids import OpId, check_code
from protocol.limits import (
    NAME_CHARS_MAX,
    OPERATION_BYTES_MAX,
    OPERATION_DETAILS_BYTES_MAX,
    PARTS_MAX,
    TIME_MS_MAX,
)

_KIND: Final = re.compile(r"[a-z]{1,20}(\.[a-z_]{1,40})?")


class Operation(NamedTuple):
    """One fact. Times are UTC milliseconds of the recording device's clock."""

    op_id: OpId
    recorded_at: int
    occurred_at: int
    clock_offset_ms: int | None
    """Hub's clock minus the device's, when last measured; None when never. Corrects times in reports, never stock."""
    actor: str
    """The person, or the till where no person is known."""
    device: str
    """The till or screen."""
    kind: str
    """`move.sale`, `edit`, `note` …; an unknown kind is folded by its effects."""
    version: int
    """Of the kind's details."""
    effects: tuple[Effect, ...]
    details: Mapping[str, object]
    tail: tuple[object, ...] = ()
    """Parts a newer version added."""


def encode(operation: Operation) -> bytes:
    """Write an operation's bytes: what is stored, hashed and sent.

    Raises:
        ProtocolError: `bad_value` when details are not plain or too large, or when the whole is too large.
    """
    if operation.details:
        check_plain(operation.details, "details")
        _check_size(operation.details)
    same = operation.occurred_at == operation.recorded_at
    body = pack(
        [
            operation.op_id,
            operation.recorded_at,
            None if same else operation.occurred_at,
            operation.clock_offset_ms,
            operation.actor,
            operation.device,
            operation.kind,
            operation.version,
            effects_to_wire(operation.effects),
            dict(sorted(operation.details.items())),
            *operation.tail,
        ]
    )
    return read_blob(body, "an operation", bytes_max=OPERATION_BYTES_MAX)


def decode(body: bytes) -> Operation:
    """Read and check an operation's bytes.

    Raises:
        ProtocolError: `bad_frame`, `bad_value` or `too_large`. The hub quarantines such an operation.
    """
    parts = read_list(
        unpack(body, bytes_max=OPERATION_BYTES_MAX), "an operation", least=10, most=PARTS_MAX
    )
    id_, recorded_at, occurred_at, offset, actor, device, kind, version, effects, details, *tail = (
        parts
    )
    if type(kind) is not str or not _is_kind(kind):
        refuse("kind", "must be lower-case words, one dot at most")
    details = read_map(details, "details")
    # What is left out below is what every sale leaves out: a hub reads tens of thousands of them a second.
    if details:
        check_plain(details, "details")
        if len(body) > OPERATION_DETAILS_BYTES_MAX:  # else they cannot be larger either
            _check_size(details)
    if tail:
        check_plain(tail, "an operation's tail")
    recorded_at = read_int(recorded_at, "recorded_at", most=TIME_MS_MAX)
    if occurred_at is not None:
        occurred_at = read_int(occurred_at, "occurred_at", most=TIME_MS_MAX)
    if offset is not None:
        offset = read_int(offset, "clock_offset", least=-TIME_MS_MAX, most=TIME_MS_MAX)
    actor = check_code(actor, "actor", chars_max=NAME_CHARS_MAX)
    if device != actor:  # the same where no person is known, as of most sales
        device = check_code(device, "device", chars_max=NAME_CHARS_MAX)
    return Operation(
        OpId(read_bytes(id_, "op_id", length=16)),
        recorded_at,
        recorded_at if occurred_at is None else occurred_at,
        offset,
        actor,
        device,
        kind,
        read_int(version, "version", most=10_000),
        effects_from_wire(effects),
        details,
        tuple(tail),
    )


def op_id_of(body: bytes) -> OpId | None:
    """The op_id of bytes that may not decode otherwise; None when even that cannot be read."""
    # fixarray or array 16, then bin 8 of length 16: an operation of this protocol always starts so.
    first = body[0] if body else 0
    if not (0x90 <= first <= 0x9F or first == 0xDC):
        return None
    start = 3 if first == 0xDC else 1
    if body[start : start + 2] != b"\xc4\x10" or len(body) < start + 18:
        return None
    return OpId(body[start + 2 : start + 18])


def home_of(operation: Operation) -> str:
    """The location an op_id is unique within: that of the first counter, or "" for an operation without one.

    Without it a rogue device could spend another shop's ids before that shop does.
    """
    for effect in operation.effects:
        if isinstance(effect, CounterEffect):
            return effect.location
    return ""


@lru_cache(maxsize=64)  # a chain's operations are of a dozen kinds
def _is_kind(text: str) -> bool:
    return _KIND.fullmatch(text) is not None


def _check_size(details: Mapping[str, object]) -> None:
    if len(pack(details)) > OPERATION_DETAILS_BYTES_MAX:
        refuse("details", f"must pack to at most {OPERATION_DETAILS_BYTES_MAX} bytes")
