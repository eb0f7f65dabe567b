"""Nodes and their rights.

Invariant: a node's newest certificate, its serial and the rights without an end in node_right change together. A right
is ended, never deleted: the commit asks whether a device was ever allowed.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from hub.store.fleet import Access, Grant, NodeRecord
from hub.store.interface import Refused
from hub.store.sqlite import witness
from hub.store.witness import OPERATOR
from protocol.certificate import Certificate, Role
from protocol.errors import Code, ProtocolError
from protocol.ids import ChainId, Location, NodeId, ReplicaId, Seq
from protocol.limits import LOCATIONS_PER_NODE_MAX
from protocol.notes import Action, Entity
from runtime.queries import load_queries

SQL: Final = load_queries(__file__, "nodes.sql")


def read_node(db: sqlite3.Connection, node: NodeId) -> NodeRecord | None:
    """One node, or None."""
    row = db.execute(SQL["node"], {"node": node}).fetchone()
    if row is None:
        return None
    replica = row["replica"]
    return NodeRecord(
        NodeId(row["node"]),
        row["name"],
        Role(row["role"]),
        bytes(row["public_key"]),
        tuple(locations_now(db, node)),
        tuple(json.loads(row["reads"])),
        row["serial"],
        bytes(row["certificate"]),
        row["status"],
        None if replica is None else ReplicaId(replica),
        Seq(row["acked"]),
        row["pending"],
        row["software"],
        row["last_seen_at"],
        row["retiring_at"],
    )


def read_nodes(db: sqlite3.Connection) -> list[NodeRecord]:
    """Every node, by name."""
    found = [read_node(db, NodeId(node)) for (node,) in db.execute(SQL["nodes"]).fetchall()]
    return [record for record in found if record is not None]


def locations_now(db: sqlite3.Connection, node: NodeId) -> list[Location]:
    """What the node may write, sorted."""
    return [Location(location) for (location,) in db.execute(SQL["held"], {"node": node})]


def locations_ever(db: sqlite3.Connection, node: NodeId) -> set[str]:
    """What the node was ever allowed to write."""
    return {location for (location,) in db.execute(SQL["ever_held"], {"node": node})}


def is_named(db: sqlite3.Connection, name: str) -> NodeId | None:
    """The node of this name."""
    row = db.execute(SQL["node_named"], {"name": name}).fetchone()
    return None if row is None else NodeId(row[0])


def refuse_second_writer(
    db: sqlite3.Connection, name: str, writes: Iterable[str], *, replaces: str | None
) -> None:
    """Raise `location_taken` if an active node other than these two writes one of the locations."""
    for location in writes:
        values = {"location": location, "name": name, "except": replaces or name}
        holder = db.execute(SQL["holder"], values).fetchone()
        if holder is not None:
            raise Refused(
                Code.LOCATION_TAKEN,
                f"{location} is written by {holder[0]}; say --replaces {holder[0]} or --standby",
            )


def add_node(
    db: sqlite3.Connection,
    certificate: Certificate,
    signed: bytes,
    *,
    software: str | None,
    now_ms: int,
) -> None:
    """Keep a new node and its rights."""
    values = {
        "node": certificate.node,
        "name": certificate.name,
        "role": certificate.role.value,
        "public_key": certificate.public_key,
        "reads": json.dumps(certificate.reads),
        "serial": certificate.serial,
        "certificate": signed,
        "now_ms": now_ms,
        "software": software,
    }
    db.execute(SQL["add_node"], values)
    _hold(db, certificate.node, certificate.writes, now_ms)


def adopt(db: sqlite3.Connection, certificate: Certificate, signed: bytes, now_ms: int) -> bytes:
    """Take a node at its certificate's word if it is unknown here or the certificate is newer; returns the newest.

    That is how a hub restored from a backup learns of what happened after it (hello table, row 15). What it allowed
    and allows no more, or an older one allowed, stays allowed for what was recorded then.
    """
    record = read_node(db, certificate.node)
    if record is None:
        if is_named(db, certificate.name) is not None:
            # Enrolled again under its name after the restore; both are real devices.
            name = f"{certificate.name} {certificate.node.hex()[:8]}"
            certificate = certificate._replace(name=name)
        add_node(db, certificate, signed, software=None, now_ms=now_ms)
    elif certificate.serial > record.serial:
        _set_certificate(db, record, certificate, signed, now_ms)
    else:
        if signed != record.certificate:
            # Perhaps of a history that is gone, in which it was allowed what nobody here knows of: that counts.
            _held_once(db, certificate, now_ms)
        return record.certificate
    _held_once(db, certificate, now_ms)
    return signed


def change_access(db: sqlite3.Connection, access: Access) -> Grant:
    """Issue a newer certificate with other rights."""
    node = is_named(db, access.name)
    record = None if node is None else read_node(db, node)
    if record is None:
        raise Refused(Code.NOT_FOUND, f"no node is called {access.name}")
    if record.status != "active" or record.retiring_at_ms is not None:
        # A retiring one is let go when its log is here up to its last hello: it must not have begun to write again.
        raise Refused(Code.BAD_VALUE, f"{access.name} has left or is leaving, and gets no rights")
    writes = record.writes if access.writes is None else access.writes
    refuse_second_writer(db, record.name, set(writes) - set(record.writes), replaces=None)
    reads = record.reads if access.reads is None else access.reads
    granted = reissue(db, record, access.chain, writes, reads, access.issue, access.now_ms)
    said = {"name": record.name, "writes": list(writes), "reads": list(reads)}
    before = {"wrote": list(record.writes), "read": list(record.reads)}
    on = Entity("node", record.node.hex())
    witness.note(db, access.now_ms, OPERATOR, Action.ACCESS_CHANGED, on, said | before)
    return granted


def reissue(
    db: sqlite3.Connection,
    record: NodeRecord,
    chain: ChainId,
    writes: Sequence[Location],
    reads: Sequence[str],
    issue: Callable[[Certificate], bytes],
    now_ms: int,
) -> Grant:
    """Give a node its next certificate.

    Its serial is the time, where that is ahead: a hub put back to a backup would number again what it had issued since,
    and a node that holds such a one would take back rights by it that it has lost.
    """
    ever = db.execute(SQL["ever_held"], {"node": record.node}).fetchall()
    certificate = Certificate(
        chain,
        record.node,
        record.public_key,
        record.name,
        record.role,
        tuple(writes),
        tuple(reads),
        max(record.serial + 1, now_ms),
        now_ms,
        tuple(Location(each) for (each,) in ever if each not in writes)[:LOCATIONS_PER_NODE_MAX],
    )
    signed = _issue_what_fits(certificate, issue)
    _set_certificate(db, record, certificate, signed, now_ms)
    return Grant(record.node, signed)


def _issue_what_fits(certificate: Certificate, issue: Callable[[Certificate], bytes]) -> bytes:
    """Sign it with as many of the rights that ended as have room, the newest of them: they must not keep out new ones."""
    while True:
        try:
            return issue(certificate)
        except ProtocolError as error:
            if error.code is not Code.TOO_LARGE or not certificate.once:
                raise
        certificate = certificate._replace(once=certificate.once[: len(certificate.once) // 2])


def _set_certificate(
    db: sqlite3.Connection,
    record: NodeRecord,
    certificate: Certificate,
    signed: bytes,
    now_ms: int,
) -> None:
    values = {
        "node": record.node,
        "reads": json.dumps(certificate.reads),
        "serial": certificate.serial,
        "certificate": signed,
    }
    db.execute(SQL["set_certificate"], values)
    ended = set(record.writes) - set(certificate.writes)
    db.executemany(
        SQL["end_right"],
        [{"node": record.node, "location": each, "now_ms": now_ms} for each in sorted(ended)],
    )
    _hold(db, record.node, set(certificate.writes) - set(record.writes), now_ms)


def _held_once(db: sqlite3.Connection, certificate: Certificate, now_ms: int) -> None:
    """Remember what a certificate says that its node was ever allowed."""
    db.executemany(
        SQL["held_once"],
        [
            {"node": certificate.node, "location": each, "now_ms": now_ms}
            for each in (*certificate.writes, *certificate.once)
        ],
    )


def _hold(db: sqlite3.Connection, node: NodeId, locations: Iterable[Location], now_ms: int) -> None:
    db.executemany(
        SQL["hold"],
        [{"node": node, "location": each, "now_ms": now_ms} for each in sorted(locations)],
    )
