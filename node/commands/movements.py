"""Recording movements: what a till does all day.

Invariant: the operation, its place in the log, the view, the list and the answer to its key are written in one
transaction. All checks come before the first write, so a refused movement of a batch leaves nothing behind.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from node.commands import answering
from node.commands.answering import Warned, warned
from node.commands.entering import enter
from node.commands.goods_in import Receiver, describe, with_lots_described
from node.commands.likeness import similar_lots
from node.commands.picking import Picker
from node.commands.requests import Answer, Caller, Line, Movement, Refusal
from node.commands.rights import check, check_found, check_proved, require
from node.commands.scanning import in_base_units
from node.commands.shelves import Shelves
from node.commands.shortages import check_shortage
from node.commands.witnessing import check_witness
from node.replica import answers, movements, sealed
from node.replica.answers import Kept, Slot
from node.replica.lots import Lots
from node.replica.movements import Recorded
from protocol.access.people import Resource
from protocol.access.table import action
from protocol.certificate import Certificate, Role
from protocol.declarations.catalogue import LOTS
from protocol.declarations.editing import Author
from protocol.effects import Account, CounterEffect, FieldEffect
from protocol.ids import ChainId, OpId, ReplicaId, op_id
from protocol.limits import DELTA_MAX, TOTAL_MAX
from protocol.movements import RULES, MoveKind
from protocol.operation import Operation
from protocol.witness import WITNESS, witness_fault

ROUTE: Final = "movements"
"""A batch and a single request share it: a key first sent in a batch may be repeated alone."""
_VERSION: Final = 1
_MISSING: Final = "there is no movement with this id here"
_RIGHTS: Final = {kind: action(f"stock.{kind}") for kind in MoveKind if RULES[kind].device_alone}


@dataclass(frozen=True, slots=True)
class Here:
    """What recording needs to know of this node at this moment."""

    chain: ChainId
    replica: ReplicaId
    certificate: Certificate
    clock_offset_ms: int | None
    now_ms: int


def record(
    db: sqlite3.Connection, here: Here, caller: Caller, movement: Movement, key: str
) -> Answer:
    """Record a movement, or answer again what was answered to this key. Durable with the transaction.

    Raises:
        Refusal: `forbidden`, `idempotency_key_reused`, `insufficient_stock`, `lot_not_usable`, `validation_failed`,
            `witness_required`; and for what was scanned, see `scanning.in_base_units`.
    """
    slot = Slot(caller.name, ROUTE, key)
    request = answers.request_digest(answering.plain(movement))
    if (kept := answers.find(db, slot)) is not None:
        return answering.repeat(kept, request)
    check_may_write(here, movement.location, movement.kind)
    places = Resource(frozenset({movement.location}))
    check(caller, _RIGHTS[movement.kind], places)
    check_proved(caller, movement.witness)
    movement = in_base_units(db, movement, here.now_ms)
    id_ = op_id(here.chain, movement.location, caller.name, ROUTE, key)
    shelves = Shelves(db, movement.location)
    picker = Picker(db, caller, movement, shelves, here.now_ms)
    weighed = _weigh(shelves, movement.lines, picker)
    check_witness(shelves, movement, caller.by)
    deltas = [(line.sku, delta) for line, delta in weighed]
    uncovered = dict.fromkeys(picker.uncovered)
    short = check_shortage(db, movement.location, shelves, deltas, uncovered)
    warnings = [warned("negative_stock", sku) for sku in short]
    warnings += [warned("no_usable_lot", sku) for sku in uncovered]
    operation = _operation(here, caller, movement, id_, weighed)
    if movement.kind is MoveKind.RECEIVE:
        warnings += similar_lots(db, ((line.sku, line.lot) for line, _ in weighed))
        operation, more = with_lots(db, here, caller.by, operation, movement.lines)
        warnings += more
    answer = _append(db, here, operation, shelves, None, slot, request, warnings)
    if movement.sealing is not None:
        sealed.keep(db, movement.location, movement.sealing.key)
    return answer


def record_batch(
    db: sqlite3.Connection,
    here: Here,
    caller: Caller,
    items: Sequence[tuple[str, Movement] | Refusal],
) -> list[Answer | Refusal]:
    """Record several movements in order, each as if alone; a refusal stands in the place of its item."""
    results: list[Answer | Refusal] = []
    for item in items:
        if isinstance(item, Refusal):
            results.append(item)
            continue
        key, movement = item
        try:
            results.append(record(db, here, caller, movement, key))
        except Refusal as refusal:
            results.append(refusal)
    return results


def reverse(
    db: sqlite3.Connection,
    here: Here,
    caller: Caller,
    movement_id: OpId,
    key: str,
    *,
    witness: str | None = None,
) -> Answer:
    """Append the opposite of a movement; `witness` is who saw it, where somebody did.

    Raises:
        Refusal: `not_found`; `conflict` when it was reversed before; `forbidden`; `idempotency_key_reused`;
            `witness_required` where the witness is the caller.
    """
    route = f"movements/{movement_id.hex()}/reverse"
    slot = Slot(caller.name, route, key)
    # As it was before there were witnesses, where there is none.
    asked: object = movement_id if witness is None else [movement_id, witness]
    request = answers.request_digest(asked)
    if (kept := answers.find(db, slot)) is not None:
        return answering.repeat(kept, request)
    found = _to_reverse(db, here, caller, movement_id, witness)
    counters = [effect for effect in found.operation.effects if isinstance(effect, CounterEffect)]
    edits = [effect for effect in found.operation.effects if isinstance(effect, FieldEffect)]
    if any(effect.collection != LOTS.name for effect in edits):
        # Its document counts it too, and would not hear of this. What was read of a lot is read still.
        raise Refusal("conflict", "this is of a document; take it back there")
    check_may_write(here, counters[0].location, MoveKind.REVERSAL)
    shelves = Shelves(db, counters[0].location)
    back = tuple(effect._replace(delta=-effect.delta) for effect in counters)
    _weigh(shelves, [Line(effect.sku, effect.lot, effect.delta) for effect in back])
    details = {
        "reverses": movement_id,
        "reference": found.operation.details.get("reference"),
        WITNESS: witness,
    }
    operation = Operation(
        op_id(here.chain, counters[0].location, caller.name, route, key),
        here.now_ms,
        here.now_ms,
        here.clock_offset_ms,
        caller.by,
        caller.name,
        MoveKind.REVERSAL.operation_kind,
        _VERSION,
        back,
        {name: value for name, value in details.items() if value is not None},
    )
    return _append(db, here, operation, shelves, movement_id, slot, request)


def _to_reverse(
    db: sqlite3.Connection, here: Here, caller: Caller, movement_id: OpId, witness: str | None
) -> Recorded:
    """The movement, if whoever asks may take it back and nobody has."""
    require(caller, _RIGHTS[MoveKind.REVERSAL])
    found = movements.one(db, movement_id)
    if found is None:
        raise Refusal("not_found", _MISSING)
    check_found(caller, _RIGHTS[MoveKind.REVERSAL], _of(found.operation), missing=_MISSING)
    check_proved(caller, witness)
    if witness is not None and (fault := witness_fault(caller.by, witness)):
        raise Refusal("witness_required", fault)
    if (earlier := movements.reversal_of(db, movement_id)) is not None:
        raise Refusal(
            "conflict", f"movement {answering.id_to_text(earlier)} has reversed it already"
        )
    return found


def _of(operation: Operation) -> Resource:
    counters = [one for one in operation.effects if isinstance(one, CounterEffect)]
    return Resource(frozenset(str(one.location) for one in counters), is_shared=True)


def check_may_write(here: Here, location: str, kind: MoveKind) -> None:
    """Whether this node may change stock at a location: its own always, as an office any by adjustment.

    Raises:
        Refusal: `forbidden`.
    """
    if location in here.certificate.writes:
        return
    if here.certificate.role is Role.OFFICE and kind in {MoveKind.ADJUST, MoveKind.REVERSAL}:
        return
    raise Refusal("forbidden", f"this node does not record {kind} at {location}")


def with_lots(
    db: sqlite3.Connection, here: Here, by: str, operation: Operation, lines: Sequence[Line]
) -> tuple[Operation, list[Warned]]:
    """Goods that came in, with what was read of their lots, and what is to be said of those; `by` read it."""
    author = Author(here.replica, here.now_ms, here.certificate.role is Role.OFFICE)
    receiver = Receiver(author, by, here.certificate.name)
    described = describe(db, receiver, lines)
    operation, fits = with_lots_described(operation, described)
    if fits:
        return operation, described.warnings
    return operation, [warned("lots_not_described", lines[0].sku)]


def _weigh(
    shelves: Shelves, lines: Sequence[Line], picker: Picker | None = None
) -> list[tuple[Line, int]]:
    """Each line to record with its delta: a count's is frozen here, against what is shown in this very transaction."""
    weighed = []
    for at, asked in enumerate(lines):
        for line in (asked,) if picker is None else picker.parts(at, asked):
            shown = shelves.in_lot(line.sku, line.lot)
            delta = line.delta if line.counted is None else line.counted - shown
            assert delta is not None, "a line has a delta or a count"
            if abs(delta) > DELTA_MAX or abs(shelves.change(line.sku, line.lot, delta)) > TOTAL_MAX:
                raise Refusal(
                    "validation_failed",
                    f"line {at + 1} would change stock beyond what can be counted",
                )
            weighed.append((line, delta))
    return weighed


def _operation(
    here: Here, caller: Caller, movement: Movement, id_: OpId, weighed: Sequence[tuple[Line, int]]
) -> Operation:
    occurred_at_ms = movement.occurred_at_ms
    return Operation(
        id_,
        here.now_ms,
        here.now_ms if occurred_at_ms is None else occurred_at_ms,
        here.clock_offset_ms,
        caller.by,
        caller.name,
        movement.kind.operation_kind,
        _VERSION,
        tuple(
            CounterEffect(movement.location, line.sku, line.lot, int(Account.ON_HAND), delta)
            for line, delta in weighed
        ),
        answering.details_of(movement, [line for line, _ in weighed]),
    )


def _append(
    db: sqlite3.Connection,
    here: Here,
    operation: Operation,
    shelves: Shelves,
    reverses: OpId | None,
    slot: Slot,
    request: bytes,
    warnings: Sequence[Warned] = (),
) -> Answer:
    seq = enter(db, here.replica, operation, reverses)
    said = Lots(db, here.now_ms)
    answer = answering.recorded(here.replica, seq, operation, shelves, said, warnings)
    answers.keep(db, slot, Kept(request, 201, answer), here.now_ms)
    return Answer(answering.id_to_text(operation.op_id), 201, answer, replayed=False)
