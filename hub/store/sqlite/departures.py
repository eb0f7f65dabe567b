"""Nodes that leave: retiring ones, those that left for good, those that were replaced.

Invariant: what a departure ends, it ends in the transaction that keeps it: the status, the rights, and whatever a
session of the node has under way, which finds itself fenced.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from hub.store.fleet import Grant, NodeRecord
from hub.store.interface import Opening, Refused
from hub.store.records import HeldCredential, KnownDeparture, Replacement, Retirement
from hub.store.sqlite import credentials, nodes, witness
from hub.store.witness import ITSELF, OPERATOR
from protocol.certificate import Certificate, Role
from protocol.departure import Reason, mark, read_kept
from protocol.errors import Code
from protocol.ids import ChainId, NodeId, Seq
from protocol.limits import DEPARTURES_MAX
from protocol.notes import Action, Entity
from runtime.queries import load_queries

SQL: Final = load_queries(__file__, "departures.sql")
_ACTIONS: Final = {Reason.RETIRED: Action.RETIRED, Reason.REVOKED: Action.REVOKED}
_CODES: Final = {Reason.RETIRED: Code.RETIRED, Reason.REVOKED: Code.REVOKED}


def read_departures(db: sqlite3.Connection) -> dict[NodeId, bytes]:
    """Every departure, as signed."""
    return {NodeId(node): bytes(record) for node, record in db.execute(SQL["all"])}


def keep(db: sqlite3.Connection, departures: Sequence[KnownDeparture], now_ms: int) -> None:
    """Keep what is new and end what it ends; see `HubStore.keep_departures`."""
    for departure in departures:
        values = {"node": departure.node, "reason": departure.reason.value}
        db.execute(SQL["keep"], values | {"record": departure.record})
        db.execute(SQL["set_status"], values)
        db.execute(SQL["end_rights"], {"node": departure.node, "now_ms": now_ms})
        db.execute(SQL["fence"], {"node": departure.node})
        record = nodes.read_node(db, departure.node)
        said = {} if record is None else {"name": record.name}
        on = Entity("node", departure.node.hex())
        witness.note(db, now_ms, ITSELF, _ACTIONS[departure.reason], on, said)
        for held in to_reset(db, departure.node):
            _note_reset(db, now_ms, held, said.get("name", departure.node.hex()))
    if db.execute(SQL["count"]).fetchone()[0] > DEPARTURES_MAX:
        raise Refused(Code.TOO_LARGE, f"at most {DEPARTURES_MAX} nodes can have left")


def to_reset(db: sqlite3.Connection, node: NodeId) -> list[HeldCredential]:
    """What a revoked node held and was not set since; see `HubStore.to_reset`."""
    row = db.execute(SQL["record_of"], {"node": node}).fetchone()
    record = b"" if row is None else bytes(row["record"])
    held = read_kept(record).held if record else ()
    return list(credentials.to_reset(db, held, mark(record))) if held else []


def _note_reset(db: sqlite3.Connection, now_ms: int, held: HeldCredential, node: str) -> None:
    on = Entity("credentials", held.id)
    said = {"location": held.location, "username": held.username, "held_by": node}
    witness.note(db, now_ms, ITSELF, Action.RESET_FORCED, on, said | {"set": list(held.proves)})


def refuse_departed(db: sqlite3.Connection, node: NodeId) -> None:
    """Refuse a node that left, known here or not.

    Raises:
        Refused: `revoked`, `retired`.
    """
    row = db.execute(SQL["reason_of"], {"node": node}).fetchone()
    if row is not None:
        reason = Reason(row[0])
        raise Refused(_CODES[reason], f"this node was {reason.value}")


def retire(db: sqlite3.Connection, retirement: Retirement) -> Grant:
    """End what a node may write; see `HubStore.retire`."""
    node = nodes.is_named(db, retirement.name)
    record = None if node is None else nodes.read_node(db, node)
    if record is None:
        raise Refused(Code.NOT_FOUND, f"no node is called {retirement.name}")
    refuse_departed(db, record.node)
    db.execute(SQL["begin_retiring"], {"node": record.node, "now_ms": retirement.now_ms})
    if record.retiring_at_ms is not None:
        return Grant(record.node, record.certificate)
    on, said = Entity("node", record.node.hex()), {"name": record.name}
    witness.note(db, retirement.now_ms, OPERATOR, Action.RETIRING, on, said)
    return _silence(db, record, retirement.chain, retirement.issue, retirement.now_ms)


def silence_again(db: sqlite3.Connection, opening: Opening, newest: bytes) -> bytes:
    """Give a retiring node its reduced certificate anew, if the one it showed takes that one's place; returns the newest.

    A hub put back to a backup numbers from there: a certificate from after the backup, by which the node still writes,
    may be as new as the one by which it retires, or newer. It is adopted already, so all that it allowed counts.
    """
    shown = opening.certificate
    record = nodes.read_node(db, shown.node)
    assert record is not None, "adopted in this transaction"
    if shown.writes_nothing or shown.serial < record.serial:
        return newest
    return _silence(db, record, shown.chain, opening.issue, opening.now_ms).certificate


def _silence(
    db: sqlite3.Connection,
    record: NodeRecord,
    chain: ChainId,
    issue: Callable[[Certificate], bytes],
    now_ms: int,
) -> Grant:
    # An office adjusts stock anywhere by its role, whatever it writes: as a shop without shelves it records nothing more.
    # Here it stays what it was, so that all it recorded before counts.
    silent = replace(record, role=Role.STORE)
    return nodes.reissue(db, silent, chain, (), record.reads, issue, now_ms)


def read_replacements(db: sqlite3.Connection) -> list[Replacement]:
    """Which nodes took over from which, the newest first."""
    return [
        Replacement(
            row["name"],
            row["replaced"],
            row["used_at"],
            Seq(row["acked"]),
            row["pending"],
            row["last_seen_at"],
            None if row["newest"] is None else bytes(row["newest"]),
        )
        for row in db.execute(SQL["replacements"])
    ]
