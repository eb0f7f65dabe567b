"""A person has seen an alert.

Invariant: who and when is an operation of kind `note`, which changes no stock and is in the log for ever; in one
transaction with what the list shows and with the answer to its key. The first to acknowledge stands until it is raised
again; whoever comes later is answered with that, and nothing is recorded.
"""

import sqlite3
from typing import Final

import orjson

from node.alerting import state, telling
from node.alerting.state import Alert
from node.commands.documents import Written
from node.commands.entering import enter
from node.commands.movements import Here
from node.commands.requests import Caller, Refusal
from node.replica import answers
from node.replica.answers import Kept, Slot
from protocol.certificate import Role
from protocol.ids import OpId, op_id
from protocol.operation import Operation

KIND: Final = "note"
_VERSION: Final = 1


def acknowledge(
    db: sqlite3.Connection, here: Here, caller: Caller, id_: bytes, key: str
) -> Written:
    """Note that the caller has seen an alert, or answer again what was answered to this key. Durable with the transaction.

    Raises:
        Refusal: `not_found`, `idempotency_key_reused`.
    """
    slot = Slot(caller.name, f"alerts/raised/{id_.hex()}/acknowledge", key)
    request = answers.request_digest(id_)
    if (kept := answers.find(db, slot)) is not None:
        if kept.request != request:
            raise Refusal("idempotency_key_reused", "this key was used before, for another request")
        return Written(orjson.loads(kept.body)["id"], kept.status, kept.body, replayed=True)
    alert = state.one(db, id_)
    if alert is None:
        raise Refusal("not_found", "there is no such alert here")
    if state.acknowledge(db, id_, caller.name, here.now_ms):
        _record(db, here, caller, alert, slot)
        alert = state.one(db, id_)
        assert alert is not None, "just written"
        state.note_changed(db, [alert])
    shown = telling.alert_json(alert)
    body = orjson.dumps(shown)
    answers.keep(db, slot, Kept(request, 200, body), here.now_ms)
    return Written(str(shown["id"]), 200, body, replayed=False)


def _record(db: sqlite3.Connection, here: Here, caller: Caller, alert: Alert, slot: Slot) -> None:
    details = {
        "action": "acknowledge",
        "alert": alert.id,
        "number": alert.number,
        "condition": alert.condition,
        "location": alert.location,
        "sku": alert.sku,
        "lot": alert.lot,
        "rule": alert.rule,
        "raised_at": alert.raised_ms,
    }
    operation = Operation(
        _op_id(here, slot),
        here.now_ms,
        here.now_ms,
        here.clock_offset_ms,
        caller.name,
        caller.name,
        KIND,
        _VERSION,
        (),
        details,
    )
    enter(db, here.replica, operation)


def _op_id(here: Here, slot: Slot) -> OpId:
    """The same for a repeat at this node, and no other node's: the names of tokens are a node's own."""
    certificate = here.certificate
    home = str(certificate.writes[0]) if certificate.writes else ""
    of_node = certificate.role is Role.OFFICE or not home
    client = f"{certificate.name}\0{slot.client}" if of_node else slot.client
    return op_id(here.chain, home, client, slot.route, slot.key)
