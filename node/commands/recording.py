"""Recording the steps of an act: each one that is for this node becomes an operation of its own.

Invariants:
- All that can be refused is found out before the first write, and a refusal lets the whole transaction fail.
- A step with a name is left out where it is recorded already, and where the stock that it changes is written by another
  node, which comes to it by itself.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from node.commands.answering import Warned, warned
from node.commands.editable import rights_of
from node.commands.entering import enter
from node.commands.movements import Here, with_lots
from node.commands.picking import with_lots_checked
from node.commands.requests import Line, Refusal
from node.commands.shelves import Shelves
from node.commands.shortages import check_shortage
from node.commands.witnessing import check_goods
from node.replica import documents, movements
from node.replica.documents import Held
from protocol.access import device_may
from protocol.certificate import Role
from protocol.clock import Stamp, next_stamp
from protocol.declarations.naming import scopes_of
from protocol.declarations.reading import Values, shown_values
from protocol.declarations.vocabulary import Collection
from protocol.documents import Document, apply, size_fault
from protocol.effects import Account, CounterEffect, DocumentKey, FieldEffect, Join
from protocol.ids import Location, Lot, OpId, Scope, Sku
from protocol.limits import TOTAL_MAX
from protocol.movements import MoveKind
from protocol.operation import Operation
from protocol.witness import WITNESS
from protocol.workflows.progress import event_of
from protocol.workflows.steps import EDIT, FieldWrite, Step, step_effects, step_id

_VERSION: Final = 1
_BY_CHOICE: Final = frozenset(
    kind.operation_kind for kind in (MoveKind.SALE, MoveKind.DISPENSE, MoveKind.TRANSFER_SHIP)
)
"""Goods leave because somebody wants them to, and not because that is how it turned out to be."""


class Seen(NamedTuple):
    """A document as the transaction finds it."""

    collection: Collection
    id: str
    document: Document
    values: Values
    """What is shown of it."""
    act_id: OpId
    """Of the step that has no name; as hexadecimal it names the act's event of goods."""
    notices: list[Warned]
    """What `decide` wants said beside the other warnings."""
    facts: dict[tuple[Sku, Lot], Mapping[str, object]]
    """What `decide` wants kept of goods beside their quantity, with each operation that moves them."""
    uncovered: list[Sku]
    """Of which `decide` found that more leaves than usable lots, and stock without a lot, have."""
    override: str | None = None
    """As asked."""
    witness: str | None = None
    """As asked."""

    @property
    def key(self) -> DocumentKey:
        """Its row."""
        return DocumentKey(self.collection.name, self.id)

    @property
    def is_whole(self) -> bool:
        """Whether it says all that one must say: what created it may not have come yet, or was set aside."""
        return not any(
            one.required and self.values[one.name] is None for one in self.collection.fields
        )

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """Those that it is in."""
        return scopes_of(self.collection, self.values)


def see(db: sqlite3.Connection, collection: Collection, id_: str, act_id: OpId) -> Seen:
    """A document as it is shown now.

    Raises:
        Refusal: `not_found`.
    """
    held: Held | None = documents.one(db, collection, id_)
    if held is None:
        raise Refusal("not_found", f"there is no such {collection.one} here")
    document = documents.states(db, DocumentKey(collection.name, id_))
    # No act asks for what is only told, and it is most of the work.
    values = shown_values(replace(collection, told=None), held.fields, None)
    return Seen(collection, id_, document, values, act_id, [], {}, [])


def writes_stock_of(here: Here, location: Location) -> bool:
    """Whether this node may change a location's stock for a document's sake: its own, and as an office any."""
    return location in here.certificate.writes or here.certificate.role is Role.OFFICE


def append(
    db: sqlite3.Connection,
    here: Here,
    by: str,
    seen: Seen,
    steps: Iterable[Step],
    action: str,
    device: str | None = None,
) -> list[Warned]:
    """Record those steps that are for this node and are not recorded yet; what to warn of. Durable with the transaction.

    Each becomes an operation of its own: its place in the log, the view, the list of movements, and a change to tell of.

    Args:
        db: the writer's connection, in a transaction.
        here: this node, now.
        by: who does it: a caller, or the node itself.
        seen: the document that the steps were worked out from.
        steps: at most one of them without a name.
        action: what the operations say was done.
        device: by which till or screen; None where nobody is known beside it.

    Raises:
        Refusal: `forbidden`, `insufficient_stock`, `lot_not_usable`, `too_large`, `idempotency_key_reused`,
            `validation_failed`, `witness_required`. The caller must let the transaction fail then.
    """
    operations = [
        with_lots_checked(db, here.now_ms, one, seen.override) if one.kind in _BY_CHOICE else one
        for one in _operations(db, here, by, seen, steps, action)
    ]
    for operation in operations:
        check_goods(db, operation, seen.witness)
    effects = [effect for operation in operations for effect in operation.effects]
    fields = [effect for effect in effects if isinstance(effect, FieldEffect)]
    if fault := size_fault(apply(seen.document, fields)):
        raise Refusal("too_large", fault)
    warnings = _warnings(db, operations, seen.uncovered)
    operations, more = _with_lots_described(db, here, by, seen, operations)
    for operation in operations:
        _append(db, here, seen, operation._replace(device=device or by))
    return [*warnings, *more]


# --- from steps to operations ------------------------------------------------------------------------------------


def _operations(
    db: sqlite3.Connection, here: Here, by: str, seen: Seen, steps: Iterable[Step], action: str
) -> list[Operation]:
    last = max((state.stamp for state in seen.document.fields.values()), default=None)
    stamp = next_stamp(last, here.now_ms, here.replica)
    details = {"collection": seen.collection.name, "id": seen.id, "action": str(action)}
    found = []
    for step in steps:
        id_ = seen.act_id if step.name is None else step_id(here.chain, seen.key, step.name)
        if step.name is not None and (
            _is_recorded(db, seen.document, step, id_) or not _is_for_here(here, step)
        ):
            continue
        effects = _effects(here, seen, step, stamp)
        found.append(
            Operation(
                id_,
                here.now_ms,
                here.now_ms,
                here.clock_offset_ms,
                by,
                by,
                step.kind,
                _VERSION,
                effects,
                {**details, **_said_of_goods(seen, step)},
            )
        )
    assert sum(one.op_id == seen.act_id for one in found) <= 1, "one key names one operation"
    return found


def _said_of_goods(seen: Seen, step: Step) -> dict[str, object]:
    """What an operation that moves goods says beside: its document, so that all of one are found together."""
    if not step.counters:
        return {}
    on_hand = [effect for effect in step.counters if effect.account == Account.ON_HAND]
    facts = {
        str(place): dict(said)
        for place, effect in enumerate(on_hand)
        if (said := seen.facts.get((effect.sku, effect.lot)))
    }
    event = event_of(write.field for write in step.writes)
    return {
        "reference": seen.id,
        **({"event": event} if event else {}),
        **({"lines": facts} if facts else {}),
        **({WITNESS: seen.witness} if seen.witness else {}),
    }


def _with_lots_described(
    db: sqlite3.Connection, here: Here, by: str, seen: Seen, operations: list[Operation]
) -> tuple[list[Operation], list[Warned]]:
    """Goods of a supplier with what was read of their lots: said by the act itself.

    Goods of a numbered parcel are operations with a name, the same whoever scans them, so the act is one beside them.
    """
    lines = [
        Line(effect.sku, effect.lot, effect.delta, facts=facts)
        for operation in operations
        if operation.kind == MoveKind.RECEIVE.operation_kind
        for effect in operation.effects
        if isinstance(effect, CounterEffect)
        if (facts := seen.facts.get((effect.sku, effect.lot)))
    ]
    if not lines:
        return operations, []
    named = [one for one in operations if one.op_id != seen.act_id]
    reference = {"reference": seen.id}
    beside = operations[0]._replace(op_id=seen.act_id, kind=EDIT, effects=(), details=reference)
    act = next((one for one in operations if one.op_id == seen.act_id), beside)
    act, warnings = with_lots(db, here, by, act, lines)
    return [*named, *([act] if act.effects else [])], warnings


def _effects(
    here: Here, seen: Seen, step: Step, stamp: Stamp
) -> tuple[CounterEffect | FieldEffect, ...]:
    return step_effects(step, here.chain, seen.key, seen.scopes, stamp)


def _is_for_here(here: Here, step: Step) -> bool:
    return not step.counters or writes_stock_of(here, step.location)


def _is_recorded(db: sqlite3.Connection, document: Document, step: Step, id_: OpId) -> bool:
    """Whether a named step counts already: the document says so, or its movement is listed and the document is late."""
    if step.writes and all(_stands(document, write) for write in step.writes):
        return True
    return bool(step.counters) and movements.one(db, id_) is not None


def _stands(document: Document, write: FieldWrite) -> bool:
    held = document.fields.get(write.field)
    if held is None:
        return False
    return write.join is not Join.MAX or held.rank >= write.rank


# --- what becomes of the stock -----------------------------------------------------------------------------------


def _warnings(
    db: sqlite3.Connection, operations: Sequence[Operation], uncovered: Sequence[Sku]
) -> list[Warned]:
    """Weigh all goods before anything is written."""
    shelves: dict[Location, Shelves] = {}
    by_choice: dict[Location, list[CounterEffect]] = {}
    skus: dict[str, bool] = {}
    for operation in operations:
        for effect in operation.effects:
            if not isinstance(effect, CounterEffect) or effect.account != Account.ON_HAND:
                continue
            there = shelves.setdefault(effect.location, Shelves(db, effect.location))
            if abs(there.change(effect.sku, effect.lot, effect.delta)) > TOTAL_MAX:
                raise Refusal(
                    "validation_failed",
                    f"{effect.sku} would change stock beyond what can be counted",
                )
            skus[effect.sku] = bool(there.left(effect.sku).is_described)
            if operation.kind in _BY_CHOICE:
                by_choice.setdefault(effect.location, []).append(effect)
    found = [warned("unknown_sku", sku) for sku, is_described in skus.items() if not is_described]
    for location, effects in by_choice.items():
        deltas = [(effect.sku, effect.delta) for effect in effects]
        short = check_shortage(db, location, shelves[location], deltas, uncovered)
        found += [warned("negative_stock", sku) for sku in short]
    return [*found, *(warned("no_usable_lot", sku) for sku in dict.fromkeys(uncovered))]


# --- recording ---------------------------------------------------------------------------------------------------


def _append(db: sqlite3.Connection, here: Here, seen: Seen, operation: Operation) -> None:
    present = {seen.key: seen.document.scopes}
    if not device_may(rights_of(here), operation, present):
        raise Refusal("forbidden", f"this node does not do this to this {seen.collection.one}")
    enter(db, here.replica, operation)
