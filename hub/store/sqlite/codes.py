"""Enrolment codes: made by the operator, turned into a node once.

Invariant: a code is used in the transaction that makes its node, by an update that only one of two racing devices can
win. Whoever cannot prove the secret learns nothing about a code, not even that it exists.
"""

import json
import sqlite3
from typing import Final

from hub.store.fleet import Grant, NewCode, Redeemed, Redemption
from hub.store.interface import Refused
from hub.store.sqlite import nodes, witness
from hub.store.witness import OPERATOR
from protocol.certificate import Certificate, Role
from protocol.errors import Code
from protocol.ids import Location, NodeId
from protocol.notes import Action, Entity
from runtime.queries import load_queries

SQL: Final = load_queries(__file__, "codes.sql")


def add_code(db: sqlite3.Connection, code: NewCode) -> None:
    """Keep a code, after checking that what it promises can be had."""
    if nodes.is_named(db, code.name) is not None:
        raise Refused(Code.NAME_TAKEN, f"a node is called {code.name} already")
    if code.replaces is not None and nodes.is_named(db, code.replaces) is None:
        raise Refused(Code.NOT_FOUND, f"no node is called {code.replaces}")
    if not code.standby:
        nodes.refuse_second_writer(db, code.name, code.writes, replaces=code.replaces)
    db.execute(SQL["void"], {"name": code.name})
    values = {
        "code": code.id,
        "secret_digest": code.secret_digest,
        "name": code.name,
        "role": code.role.value,
        "writes": json.dumps(code.writes),
        "reads": json.dumps(code.reads),
        "replaces": code.replaces,
        "standby": int(code.standby),
        "expires_at": code.expires_at_ms,
    }
    db.execute(SQL["add"], values)
    said: dict[str, object] = {
        "role": code.role.value,
        "writes": list(code.writes),
        "reads": list(code.reads),
    }
    more = {"replaces": code.replaces, "standby": code.standby, "expires_at": code.expires_at_ms}
    on = Entity("code", code.name)
    witness.note(db, code.made_at_ms, OPERATOR, Action.CODE_MADE, on, said | more)


def redeem(db: sqlite3.Connection, redemption: Redemption) -> Redeemed:
    """Make the node that a code promises."""
    code = db.execute(SQL["code"], {"code": redemption.code}).fetchone()
    if code is None or not redemption.prove(bytes(code["secret_digest"])):
        raise Refused(Code.CODE_UNKNOWN, "this hub does not know the code")
    if code["used_at"] is not None:
        return _again(db, code, redemption)
    values = {"code": redemption.code, "now_ms": redemption.now_ms}
    if db.execute(SQL["use"], values).rowcount != 1:
        raise Refused(Code.CODE_EXPIRED, "the code has expired; ask for a new one")
    if nodes.is_named(db, code["name"]) is not None:
        # By a node that a restored hub had forgotten, and that came back after the code was made.
        raise Refused(Code.NAME_TAKEN, f"a node is called {code['name']} already")
    writes = tuple(Location(location) for location in json.loads(code["writes"]))
    if not code["standby"]:
        nodes.refuse_second_writer(db, code["name"], writes, replaces=code["replaces"])
    certificate = Certificate(
        redemption.chain,
        redemption.node,
        redemption.public_key,
        code["name"],
        Role(code["role"]),
        writes,
        tuple(json.loads(code["reads"])),
        1,
        redemption.now_ms,
    )
    signed = redemption.issue(certificate)
    nodes.add_node(db, certificate, signed, software=redemption.software, now_ms=redemption.now_ms)
    db.execute(SQL["own"], {"code": redemption.code, "node": redemption.node})
    said = {"name": code["name"], "role": code["role"], "writes": list(writes)}
    on, now_ms = Entity("node", redemption.node.hex()), redemption.now_ms
    witness.note(db, now_ms, code["name"], Action.ENROLLED, on, said)
    return Redeemed(code["name"], signed, _reduce(db, code["replaces"], writes, redemption))


def _again(db: sqlite3.Connection, code: sqlite3.Row, redemption: Redemption) -> Redeemed:
    """The same device asks again because the answer was lost on the way; another one is refused."""
    record = nodes.read_node(db, NodeId(code["node"]))
    if record is None or record.public_key != redemption.public_key:
        raise Refused(Code.CODE_USED, "the code was used already; ask for a new one")
    return Redeemed(record.name, record.certificate, ())


def _reduce(
    db: sqlite3.Connection,
    replaces: str | None,
    writes: tuple[Location, ...],
    redemption: Redemption,
) -> tuple[Grant, ...]:
    """Take the locations from the node that is replaced; what it recorded before still counts."""
    old = None if replaces is None else nodes.is_named(db, replaces)
    record = None if old is None else nodes.read_node(db, old)
    if record is None:
        return ()
    left = tuple(location for location in record.writes if location not in writes)
    return (
        nodes.reissue(
            db, record, redemption.chain, left, record.reads, redemption.issue, redemption.now_ms
        ),
    )
