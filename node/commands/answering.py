"""How a movement looks from outside, and how a repeat is answered.

Invariant: an answer is made once, in the transaction that records, and kept as bytes; what lists show later is made
from the same operation by the same functions.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import orjson

from node.commands.requests import Answer, Line, Movement, Refusal
from node.commands.shelves import Shelves
from node.replica.answers import Kept
from node.replica.lots import Lots
from node.replica.movements import Recorded
from protocol.codec import with_sorted_keys
from protocol.effects import Account, CounterEffect
from protocol.ids import OpId, ReplicaId, Seq
from protocol.movements import MOVE_PREFIX
from protocol.operation import Operation
from protocol.witness import WITNESS

SEALED: Final = "sealed"
"""Where a movement has what only some may read: in a request among its details, in its operation as sealed bytes."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSET: Final = len("+00:00")
_WARNINGS: Final[Mapping[str, str]] = {
    "unknown_sku": "nobody has described this SKU yet; it counts all the same",
    "negative_stock": "less than nothing is left of it here",
    "similar_lot": "another lot of it is spelt alike, but for case or spaces; is this one of those?",
    "expiry_differs": "another last day is known of this lot; the earlier stands",
    "lots_not_described": "there are too many new lots in this delivery to keep their last days; describe them apart",
    "no_usable_lot": "more of it was sold than lots that may be used had; the rest is recorded without a lot",
}

Warned = dict[str, object]
"""Something worth knowing of what was recorded all the same: `code`, `sku`, `detail`."""
_OF_DOCUMENT: Final = ("collection", "id", "action", "event")
_ACCOUNTS: Final[Mapping[int, str]] = {account.value: account.name.lower() for account in Account}


def plain(movement: Movement) -> list[object]:
    """A movement as plain values, for comparing a repeat with the first request."""
    lines = [
        [line.sku, line.lot, line.delta, line.counted, with_sorted_keys(line.facts), *_said(line)]
        for line in movement.lines
    ]
    head = [
        movement.kind.value,
        movement.location,
        lines,
        movement.reference,
        movement.occurred_at_ms,
    ]
    tail = [movement.reason, movement.note, with_sorted_keys(movement.details)]
    # Only where it is given, so that requests from before there was such a thing are the same still.
    override = ["override_lot"] if movement.override_lot else []
    return [*head, *tail, *override, *(["witness", movement.witness] if movement.witness else [])]


def _said(line: Line) -> list[object]:
    # Nothing for a line in base units, as it was before lines could say anything else.
    return [] if line.said is None else [line.said.barcode, line.said.pack, line.said.packs]


def repeat(kept: Kept, request: bytes) -> Answer:
    """Answer what was answered before.

    Raises:
        Refusal: `idempotency_key_reused` when the request is another one.
    """
    if kept.request != request:
        raise Refusal("idempotency_key_reused", "this key was used before, for another request")
    movement_id: str = orjson.loads(kept.body)["id"]
    return Answer(movement_id, kept.status, kept.body, replayed=True)


def details_of(movement: Movement, lines: Sequence[Line]) -> dict[str, object]:
    """What of a movement is kept beside its effects, which are those of `lines`; parts that were not given are left out."""
    given: dict[str, object] = {
        "reference": movement.reference,
        "reason": movement.reason,
        "note": movement.note,
        "details": dict(movement.details) or None,
        "lines": _line_facts(lines),
        WITNESS: movement.witness,
    }
    if movement.sealing is not None:
        open_part = {name: value for name, value in movement.details.items() if name != SEALED}
        given |= {"details": open_part or None, SEALED: movement.sealing.box}
    return {name: value for name, value in given.items() if value is not None}


def recorded(
    replica: ReplicaId,
    seq: Seq,
    operation: Operation,
    shelves: Shelves,
    said: Lots,
    warnings: Sequence[Warned] = (),
) -> bytes:
    """The answer to a movement just recorded: what lists show, and where it left the stock of each line's SKU.

    `warnings` come after those of SKUs that nobody has described.
    """
    movement = movement_json(Recorded(0, replica, seq, operation))
    lines = _counter_effects(operation)
    left = {
        sku: (shelves.left(sku), shelves.available(sku, said))
        for sku in dict.fromkeys(effect.sku for effect in lines)
    }
    for shown, effect in zip(movement["lines"], lines, strict=True):  # type: ignore[call-overload]
        shelf, available = left[effect.sku]
        shown.update(on_hand=shelf.on_hand, available=available)
    unknown = [
        warned("unknown_sku", sku) for sku, (shelf, _) in left.items() if not shelf.is_described
    ]
    movement["warnings"] = [*unknown, *warnings]
    return orjson.dumps(movement)


def warned(code: str, sku: str, **more: object) -> Warned:
    """A warning about a SKU."""
    return {"code": code, "sku": sku, "detail": _WARNINGS[code], **more}


def without_cost(shown: dict[str, Any]) -> dict[str, Any]:
    """A movement as it is shown to whoever may not read what goods cost."""
    lines = [{k: v for k, v in line.items() if k != "unit_cost"} for line in shown["lines"]]
    return {**shown, "lines": lines}


def movement_json(found: Recorded) -> dict[str, object]:
    """A movement as REST shows it."""
    operation = found.operation
    details = operation.details
    effects = _counter_effects(operation)
    recorded_at = occurred_at = time_to_text(operation.recorded_at)
    if operation.occurred_at != operation.recorded_at:
        occurred_at = time_to_text(operation.occurred_at)
    facts = details.get("lines")
    per_line: Mapping[str, object] = {} if facts is None else _mapping(facts)
    return {
        "id": id_to_text(operation.op_id),
        "replica": found.replica.hex(),
        "seq": found.seq,
        "kind": operation.kind.removeprefix(MOVE_PREFIX),
        "location": effects[0].location if effects else None,
        "reference": details.get("reference"),
        "recorded_at": recorded_at,
        "occurred_at": occurred_at,
        "actor": operation.actor,
        "device": operation.device,
        "reason": details.get("reason"),
        "note": details.get("note"),
        "reverses": _reversed_id(details),
        "details": details.get("details", {}),
        "lines": [_line_json(effect, per_line.get(str(at))) for at, effect in enumerate(effects)],
        **({WITNESS: details[WITNESS]} if WITNESS in details else {}),
        **({SEALED: True} if SEALED in details else {}),
        **_of_document(operation),
    }


def _of_document(operation: Operation) -> dict[str, object]:
    """What only a movement of a document has: which one, and what it changed beside what is on hand."""
    details = operation.details
    if "collection" not in details:
        return {}
    counters = [effect for effect in operation.effects if isinstance(effect, CounterEffect)]
    others = [effect for effect in counters if effect.account != Account.ON_HAND]
    return {
        # Without goods on the shelf it is listed where the account is that it changed first.
        "location": counters[0].location,
        "document": {name: details.get(name) for name in _OF_DOCUMENT},
        "accounts": [_account_json(effect) for effect in others],
    }


def _account_json(effect: CounterEffect) -> dict[str, object]:
    return {
        "location": effect.location,
        "sku": effect.sku,
        "lot": effect.lot or None,
        "account": _ACCOUNTS.get(effect.account, str(effect.account)),
        "delta": effect.delta,
    }


def id_to_text(op_id: OpId) -> str:
    """An operation's id as it is shown: a UUID."""
    text = op_id.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@lru_cache(maxsize=256)  # the sales of one commit are of the same few milliseconds
def time_to_text(time_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    time = _EPOCH + timedelta(milliseconds=time_ms)
    return time.isoformat(timespec="milliseconds")[:-_OFFSET] + "Z"


def _counter_effects(operation: Operation) -> list[CounterEffect]:
    return [
        e
        for e in operation.effects
        if isinstance(e, CounterEffect) and e.account == Account.ON_HAND
    ]


def _line_json(effect: CounterEffect, facts: object) -> dict[str, object]:
    line: dict[str, object] = {"sku": effect.sku, "lot": effect.lot or None, "delta": effect.delta}
    return line if facts is None else {**line, **_mapping(facts)}


def _mapping(value: object) -> Mapping[str, object]:
    # To ask whether something is a Mapping costs as much as the rest of a line, so it is not asked of None.
    return value if isinstance(value, Mapping) else {}


def _line_facts(lines: Sequence[Line]) -> dict[str, object] | None:
    """What lines say beyond SKU, lot and delta, by the line's place from 0."""
    found: dict[str, object] = {}
    for at, line in enumerate(lines):
        facts = dict(line.facts)
        if line.counted is not None:
            facts["counted"] = line.counted
        if facts:
            found[str(at)] = facts
    return found or None


def _reversed_id(details: Mapping[str, object]) -> str | None:
    reverses = details.get("reverses")
    return (
        id_to_text(OpId(reverses)) if isinstance(reverses, bytes) and len(reverses) == 16 else None
    )
