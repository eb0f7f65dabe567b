"""A person has seen an alert.

Invariants:
- Who and when is an edit of a document whose id is made of what the alert is about, in one transaction with what the list
  shows and with the answer to its key. So every node that raised the same of its own accord hears of it.
- The first to acknowledge stands until it is raised again; whoever comes later is answered with that, and nothing is
  recorded. What was seen elsewhere counts for what was raised here before that, by the hub's clock: nobody has seen what
  began after it.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final, NamedTuple

import orjson

from node.alerting import state, telling
from node.alerting.state import CHAIN, Alert
from node.commands.answering import id_to_text
from node.commands.documents import Written, op_id_of, write_changes, write_new
from node.commands.editable import Work
from node.commands.movements import Here
from node.commands.requests import Caller, Refusal
from node.commands.rights import check_found, require
from node.replica import answers, documents
from node.replica.answers import Kept, Slot
from node.replica.documents import Held
from protocol.access.people import Resource
from protocol.access.table import action
from protocol.declarations.shops import ACKNOWLEDGEMENTS
from protocol.ids import ChainId, OpId, op_id

COLLECTION: Final = ACKNOWLEDGEMENTS.name
_RIGHT: Final = action("alerts.acknowledge")
_MISSING: Final = "there is no such alert here"
_ABOUT: Final = ("condition", "location", "sku", "lot", "rule")


class Seen(NamedTuple):
    """An alert that is raised here, and who has seen it at another node: `name@node`, by the clock here."""

    alert: Alert
    by: str
    at_ms: int


def acknowledge(
    db: sqlite3.Connection, here: Here, caller: Caller, id_: bytes, key: str
) -> Written:
    """Note that the caller has seen an alert, or answer again what was answered to this key. Durable with the transaction.

    Raises:
        Refusal: `not_found`, also for one of a location that is hidden from the caller; `forbidden`, `idempotency_key_reused`.
    """
    slot = Slot(caller.name, f"alerts/raised/{id_.hex()}/acknowledge", key)
    request = answers.request_digest(id_)
    if (kept := answers.find(db, slot)) is not None:
        if kept.request != request:
            raise Refusal("idempotency_key_reused", "this key was used before, for another request")
        return Written(orjson.loads(kept.body)["id"], kept.status, kept.body, replayed=True)
    alert = state.one(db, id_)
    if alert is None:
        raise Refusal("not_found", _MISSING)
    if alert.location:
        of_it = Resource(frozenset({alert.location}))
        check_found(caller, _RIGHT, of_it, missing=_MISSING)
    else:
        require(caller, _RIGHT)  # the chain's: of whoever acknowledges such things anywhere
    if state.acknowledge(db, id_, caller.by, here.now_ms):
        _record(db, here, caller, alert, slot)
        alert = state.one(db, id_)
        assert alert is not None, "just written"
        state.note_changed(db, [alert])
    shown = telling.alert_json(alert)
    body = orjson.dumps(shown)
    answers.keep(db, slot, Kept(request, 200, body), here.now_ms)
    return Written(str(shown["id"]), 200, body, replayed=False)


def told_elsewhere(
    db: sqlite3.Connection,
    chain: ChainId,
    pairs: Iterable[tuple[str, str]],
    clock_offset_ms: int | None,
) -> list[Seen]:
    """Of some locations and SKUs what is raised here and somebody has seen at another node."""
    found = []
    for location, sku in pairs:
        for alert in state.unacknowledged(db, location, sku):
            held = documents.one(db, ACKNOWLEDGEMENTS, _document_id(chain, alert))
            said = None if held is None else _said(held)
            if said is not None:
                by, at_ms = said[0], said[1] - (clock_offset_ms or 0)
                if alert.raised_ms <= at_ms:
                    found.append(Seen(alert, by, at_ms))
    return found


def take(db: sqlite3.Connection, seen: Iterable[Seen]) -> None:
    """Note who has seen it, unless somebody had. Durable with the transaction."""
    fresh = [one.alert for one in seen if state.acknowledge(db, one.alert.id, one.by, one.at_ms)]
    state.note_changed(db, fresh)


def pair_of(db: sqlite3.Connection, id_: str) -> tuple[str, str] | None:
    """The location and the SKU that an acknowledgement is about; None where it says none."""
    held = documents.one(db, ACKNOWLEDGEMENTS, id_)
    sku = None if held is None else held.fields.get("sku")
    if held is None or not isinstance(sku, str):
        return None
    return str(held.fields.get("location") or CHAIN), sku


def _said(held: Held) -> tuple[str, int] | None:
    by, node, at_ms = (held.fields.get(name) for name in ("by", "node", "at"))
    return (f"{by}@{node}", at_ms) if isinstance(at_ms, int) else None


def _record(db: sqlite3.Connection, here: Here, caller: Caller, alert: Alert, slot: Slot) -> None:
    offset_ms = here.clock_offset_ms or 0
    said = {
        "by": caller.by,
        "node": here.certificate.name,
        "at": here.now_ms + offset_ms,
        "raised_at": alert.raised_ms + offset_ms,
    }
    work, edit_id = Work(db, here, caller, ACKNOWLEDGEMENTS), op_id_of(here, slot)
    id_ = _document_id(here.certificate.chain, alert)
    held = documents.one(db, ACKNOWLEDGEMENTS, id_)
    if held is None:
        about = {name: getattr(alert, name) for name in _ABOUT}
        write_new(work, edit_id, id_, {**{n: v for n, v in about.items() if v}, **said})
    else:
        write_changes(work, edit_id, held, said)


def _document_id(chain: ChainId, alert: Alert) -> str:
    """The same at every node that raises it: an alert's own id is its node's."""
    route = "\0".join(("alert", alert.condition, alert.rule))
    return id_to_text(OpId(op_id(chain, alert.location, "", route, f"{alert.sku}\0{alert.lot}")))
