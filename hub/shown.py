"""How nodes and quarantined operations look to operators: the same on HTTP and on the command line.

Rule: fields may be added; none is renamed. Instants are RFC 3339 in UTC, ids hexadecimal.
"""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from hub.releasing import releases
from hub.store.fleet import NodeRecord
from hub.store.interface import QuarantinedOperation
from hub.store.records import BackupRecord, HeldCredential, Replacement
from protocol.errors import ProtocolError
from protocol.limits import TIME_MS_MAX
from protocol.operation import decode, op_id_of

NOT_CONNECTED: Final[Mapping[str, object]] = {"connected": False, "lag": None}
"""Of a node without a session: how far it is behind, nobody has counted."""


def instant(ms: int | None) -> str | None:
    """UTC milliseconds as RFC 3339."""
    if ms is None:
        return None
    whole = datetime.fromtimestamp(
        ms // 1000, UTC
    )  # in two parts: a float would lose a millisecond
    text = whole.replace(microsecond=ms % 1000 * 1000).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def node(record: NodeRecord) -> dict[str, object]:
    """One node as the store knows it."""
    return {
        "name": record.name,
        "id": record.node.hex(),
        "role": record.role.value,
        "writes": list(record.writes),
        "reads": list(record.reads),
        "status": record.status if record.retiring_at_ms is None else "retiring",
        "replica": None if record.replica is None else record.replica.hex(),
        "acked": record.acked,
        "pending": record.pending,
        "last_seen_at": instant(record.last_seen_at_ms),
        "version": record.software,
    }


def backup(record: BackupRecord | None) -> dict[str, object] | None:
    """One verified backup; None when there is none."""
    if record is None:
        return None
    return {
        "file": record.file,
        "taken_at": instant(record.taken_at_ms),
        "verified_at": instant(record.verified_at_ms),
        "operations": record.operations,
    }


def credentials(held: Sequence[HeldCredential]) -> list[dict[str, object]]:
    """What proves people and is to be set anew; not what it is."""
    return [
        {
            "location": one.location,
            "user": one.user,
            "username": one.username,
            "proves": list(one.proves),
        }
        for one in held
    ]


def replacement(found: Replacement) -> dict[str, object]:
    """A node that took over from another one, and since when that one's receipts may be missing."""
    return {
        "name": found.name,
        "replaced": found.replaced,
        "joined_at": instant(found.joined_at_ms),
        "acked": found.acked,
        "pending": found.pending,
        "last_seen_at": instant(found.last_seen_at_ms),
        "missing_since": instant(missing_since_ms(found)),
    }


def missing_since_ms(found: Replacement) -> int | None:
    """After when what a replaced node recorded may never have come; UTC milliseconds, None when nothing ever came.

    A log arrives in order: what it recorded up to its newest operation here is here, and so is what it recorded before
    it last said that nothing waits. The times of operations are the node's own, so they are kept within reason.
    """
    known: list[int] = []
    if found.newest is not None:
        with contextlib.suppress(ProtocolError):
            newest = decode(found.newest)
            known.append(newest.recorded_at + (newest.clock_offset_ms or 0))
    if found.pending == 0 and found.last_seen_at_ms is not None:
        known.append(found.last_seen_at_ms)
    return min(max(0, *known), TIME_MS_MAX) if known else None


def quarantined(operation: QuarantinedOperation) -> dict[str, object]:
    """One operation without effect; its bytes in hexadecimal, as they were sent.

    `release` is what an office posts to `/v1/movements` of its node to make it count.
    """
    op_id = op_id_of(operation.body)
    return {
        "position": operation.position,
        "node": operation.node,
        "replica": operation.replica.hex(),
        "seq": operation.seq,
        "op_id": None if op_id is None else op_id.hex(),
        "accepted_at": instant(operation.accepted_at_ms),
        "code": operation.code,
        "detail": operation.detail,
        "body": operation.body.hex(),
        "release": releases(operation.body, operation.code),
    }


def line(operation: Mapping[str, object]) -> str:
    """One quarantined operation in words."""
    where = f"{operation['node']} {operation['seq']}"
    return f"{operation['accepted_at']}  {where}  {operation['code']}: {operation['detail']}"
