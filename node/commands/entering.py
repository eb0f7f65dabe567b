"""Entering an operation: what every command that records does last.

Invariant: an operation's place in the log, the list of movements, the view and the change that is told of it come to be
together, and only here.
"""

import sqlite3

from node.commands.requests import Refusal
from node.replica import changes, log, movements, view
from protocol.errors import ProtocolError
from protocol.ids import OpId, ReplicaId, Seq
from protocol.movements import MOVE_PREFIX
from protocol.operation import Operation, encode


def enter(
    db: sqlite3.Connection,
    replica: ReplicaId,
    operation: Operation,
    reverses: OpId | None = None,
) -> Seq:
    """Append an operation to the log and show what it does; its place. Durable with the transaction.

    Args:
        db: the writer's connection, in a transaction.
        replica: whose log it is.
        operation: what is recorded.
        reverses: the movement that it takes back.

    Raises:
        Refusal: `validation_failed` when it is larger than an operation may be, `idempotency_key_reused` when another
            movement has its id. Nothing is written then.
    """
    try:
        body = encode(operation)
    except ProtocolError as error:
        raise Refusal("validation_failed", error.detail) from error
    end = log.head(db)
    seq = Seq(end.seq + 1)
    # First of all writes, because it is the last thing that can be refused.
    is_listed = operation.kind.startswith(MOVE_PREFIX)
    if is_listed and not movements.add(db, seq, replica, operation, reverses):
        raise Refusal(
            "idempotency_key_reused",
            "this key was used for another movement, too long ago to repeat it",
        )
    log.append(db, end, body)
    view.record(db, seq, operation.effects)
    changes.note_operation(db, seq)
    return seq
