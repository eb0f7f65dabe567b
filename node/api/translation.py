"""From a well-shaped body to the request that a command takes: what a body's fields must mean together.

Invariant: what comes out needs no further doubt about its form, and every fault of a body is named with its place,
so that a till's programmer sees all of them at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pydantic import ValidationError

from node.api.amounts import Amount, faults_of_amount
from node.api.bodies import as_object
from node.api.models import LineBody, MovementBody
from node.commands.picking import PICKED
from node.commands.requests import Line, Movement, Said
from protocol.ids import NO_LOT, Location, Lot, Sku
from protocol.limits import IDEMPOTENCY_KEY_CHARS_MAX
from protocol.movements import RULES, MoveKind, Sign, sign_fault
from runtime.problems import ERRORS_MAX, Problem, problem_of

Fault = Mapping[str, object]

_WITH_DOCUMENTS: Final = "is recorded through its own document, not as a movement"
_IN_UNITS: Final = {"sku", "lot", "delta"}
_SAID: Final = {"barcode", "pack", "packs"}
_GOODS_IN: Final = ("supplier", "unit_cost", "expiry")
_ONLY_GOODS_IN: Final = set(_GOODS_IN)
_NO_FACTS: Final[Mapping[str, object]] = {}


def movement_of(body: MovementBody) -> Movement:
    """Translate one movement.

    Raises: Problem `validation_failed`, with at most the first 100 faults in order of place.
    """
    faults = list(_faults(body))
    if faults:
        raise Problem(
            "validation_failed",
            "The movement contradicts itself or its kind.",
            errors=faults[:ERRORS_MAX],
        )
    return Movement(
        kind=body.kind,
        location=Location(body.location),
        lines=tuple(_line(line) for line in body.lines),
        reference=body.reference,
        occurred_at_ms=body.occurred_at,
        reason=body.reason,
        note=body.note,
        details=body.details,
        override_lot=body.override_lot,
        witness=body.witness,
    )


def batch_item(raw: object) -> tuple[str, Movement] | Problem:
    """Translate one item of a batch, as if it had come alone; a bad one is a problem at its place."""
    try:
        members = as_object(raw)
        key = idempotency_key([members.get("key")])
        rest = {name: value for name, value in members.items() if name != "key"}
        return key, movement_of(MovementBody.model_validate(rest))
    except (Problem, ValidationError) as error:
        return problem_of(error)


def idempotency_key(given: Sequence[object]) -> str:
    """The one key among those given: 1 to 200 visible ASCII characters.

    Raises: Problem `idempotency_key_missing`.
    """
    match given:
        case [str(key)] if _is_visible(key) and 1 <= len(key) <= IDEMPOTENCY_KEY_CHARS_MAX:
            return key
    raise Problem(
        "idempotency_key_missing",
        "What is recorded needs one Idempotency-Key of 1 to "
        f"{IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters, so that a repeat is known as one.",
    )


def _is_visible(key: str) -> bool:
    return key.isascii() and key.isprintable() and " " not in key


def _faults(body: MovementBody) -> Iterator[Fault]:
    rule = RULES[body.kind]
    if body.kind is MoveKind.REVERSAL:
        yield _fault("reversal", "is recorded by POST /v1/movements/{id}/reverse", "kind")
        return
    if not rule.device_alone:
        yield _fault("kind", _WITH_DOCUMENTS, "kind")
        return
    if rule.needs_reason and not (body.reason or "").strip():
        yield _fault("missing", f"is required for {body.kind.value}", "reason")
    if body.override_lot:
        if body.kind not in PICKED:
            yield _fault("kind", "belongs to what is sold or dispensed", "override_lot")
        if not (body.reason or "").strip():
            yield _fault("missing", "is required to override a lot", "reason")
    for number, line in enumerate(body.lines):
        for name, kind, message in _line_faults(body.kind, line):
            yield _fault(kind, message, "lines", number, name)


def _line_faults(kind: MoveKind, line: LineBody) -> Iterator[tuple[str, str, str]]:
    """Yield (field, type, message) for each fault of a line."""
    if _is_in_units(kind, line):
        yield from _sign_faults(kind, line)
        return
    if line.sku is None and line.barcode is None:
        yield "sku", "missing", "is required, or a barcode"
    is_count = kind is MoveKind.COUNT
    amount, units = ("counted", line.counted) if is_count else ("delta", line.delta)
    said = Amount(units, line.pack, line.packs, line.barcode)
    goes_one_way = RULES[kind].sign is not Sign.EITHER
    yield from faults_of_amount(said, amount, barcode_is_one=goes_one_way)
    yield from _sign_faults(kind, line)
    if kind is not MoveKind.RECEIVE and not _ONLY_GOODS_IN.isdisjoint(line.model_fields_set):
        for name in _GOODS_IN:
            if getattr(line, name) is not None:
                yield name, "kind", "belongs to received goods only"


def _is_in_units(kind: MoveKind, line: LineBody) -> bool:
    """Whether it says which SKU and how many of it and no more, as nearly every line does: only its sign can be wrong."""
    return (
        line.model_fields_set <= _IN_UNITS
        and line.sku is not None
        and line.delta is not None
        and kind is not MoveKind.COUNT
    )


def _sign_faults(kind: MoveKind, line: LineBody) -> Iterator[tuple[str, str, str]]:
    if kind is MoveKind.COUNT:
        if line.delta is not None:
            yield "delta", "kind", "is worked out from counted"
        if line.packs is not None and line.packs < 0:
            yield "packs", "sign", "of a count cannot be negative"
        return
    if line.counted is not None:
        yield "counted", "kind", "belongs to the kind count only"
    name, amount = ("delta", line.delta) if line.packs is None else ("packs", line.packs)
    if amount is not None and (message := sign_fault(kind, amount)):
        yield name, "sign", message


def _line(body: LineBody) -> Line:
    given = body.model_fields_set
    return Line(
        sku=Sku(body.sku or ""),
        lot=NO_LOT if body.lot is None else Lot(body.lot),
        delta=body.delta,
        counted=body.counted,
        facts=_NO_FACTS
        if given.isdisjoint(_GOODS_IN)
        else body.model_dump(include=_ONLY_GOODS_IN, exclude_none=True),
        said=None if given.isdisjoint(_SAID) else _said(body),
    )


def _said(body: LineBody) -> Said | None:
    said = Said(body.barcode, body.pack, body.packs)
    return None if said == Said() else said


def _fault(kind: str, message: str, *loc: str | int) -> Fault:
    return {"loc": list(loc), "msg": message, "type": kind}
