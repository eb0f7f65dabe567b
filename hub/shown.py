"""How nodes and quarantined operations look to operators: the same on HTTP and on the command line.

Rule: fields may be added; none is renamed. Instants are RFC 3339 in UTC, ids hexadecimal.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from hub.store.interface import NodeRecord, QuarantinedOperation
from protocol.operation import op_id_of

NOT_CONNECTED: Final[Mapping[str, object]] = {"connected": False, "lag": None}
"""Of a node without a session: how far it is behind, nobody has counted."""


def instant(ms: int | None) -> str | None:
    """UTC milliseconds as RFC 3339."""
    if ms is None:
        return None
    text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def node(record: NodeRecord) -> dict[str, object]:
    """One node as the store knows it."""
    return {
        "name": record.name,
        "id": record.node.hex(),
        "role": record.role.value,
        "writes": list(record.writes),
        "reads": list(record.reads),
        "status": record.status,
        "replica": None if record.replica is None else record.replica.hex(),
        "acked": record.acked,
        "pending": record.pending,
        "last_seen_at": instant(record.last_seen_at_ms),
        "version": record.software,
    }


def quarantined(operation: QuarantinedOperation) -> dict[str, object]:
    """One operation without effect; its bytes in hexadecimal, as they were sent."""
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
    }


def line(operation: Mapping[str, object]) -> str:
    """One quarantined operation in words."""
    where = f"{operation['node']} {operation['seq']}"
    return f"{operation['accepted_at']}  {where}  {operation['code']}: {operation['detail']}"
