"""From records to movements: cells become the body that a till would send, judged by the models of the API.

Invariant: whether a row is good and what it records depends on the file and the wishes alone, never on what was
imported before, so the second pass and every repeat come to the same movements under the same keys.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from node.api.models import MovementBody
from node.api.translation import movement_of
from node.commands.requests import Refusal
from node.exchange.cells import restored
from node.exchange.mapping import HEAD_FIELDS, LINE_FIELDS, Plan
from node.exchange.reading import Garbled, Record
from protocol.movements import RULES, MoveKind, Sign
from runtime.bodies import read_json
from runtime.problems import Problem, problem_of

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_KINDS: Final = frozenset(kind.value for kind in MoveKind)
_NUMBERS: Final = ("delta", "quantity", "counted", "packs", "unit_cost")

MayWrite = Callable[[str, MoveKind], None]
"""Raises Refusal when this node does not record such a movement at a location."""


class Fault(NamedTuple):
    """What is wrong with a row; `column` is "" when it is the row as a whole. Fit for a terminal."""

    line: int
    column: str
    problem: str


class Good(NamedTuple):
    """A row to record: as the API takes it, and as the command does."""

    line: int
    body: Mapping[str, object]
    meant: Any


class Bad(NamedTuple):
    """A row that makes no movement; with `ends` the rest of the file cannot be read."""

    line: int
    faults: Sequence[Fault]
    ends: bool = False


class LeftOut(NamedTuple):
    """A row that the caller does not want."""

    line: int


def movements(
    plan: Plan, records: Iterable[Record | Garbled], may_write: MayWrite
) -> Iterator[Good | Bad | LeftOut]:
    """Every row's fate, in the order of the file: one row is one movement of one line.

    Not more: a movement of several rows would be known by one of their lines only, and the same file read in other
    groups would count again what it has counted.
    """
    for record in records:
        match record:
            case Garbled(line=line, problem=problem, ends=ends):
                yield Bad(line, (Fault(line, "", problem),), ends)
            case Record(line=line) if _is_unwanted(plan, record):
                yield LeftOut(line)
            case Record():
                yield _judged(plan, record, may_write)


def _is_unwanted(plan: Plan, record: Record) -> bool:
    cells = record.cells
    return any(at < len(cells) and cells[at].strip() != value for at, value in plan.where)


def _judged(plan: Plan, record: Record, may_write: MayWrite) -> Good | Bad:
    line = record.line
    found, faults = _read(plan, record)
    if faults:
        return Bad(line, faults)
    head: dict[str, object] = {name: found[name] for name in HEAD_FIELDS if name in found}
    body = {**head, "lines": [{name: found[name] for name in LINE_FIELDS if name in found}]}
    try:
        movement = movement_of(MovementBody.model_validate(body))
    except (Problem, ValidationError) as error:
        return Bad(line, list(_faults(plan, line, problem_of(error))))
    try:
        may_write(movement.location, movement.kind)
    except Refusal:
        # In words of our own: what a code may hold includes marks that turn a terminal's text round.
        words = f"this node does not record {movement.kind} there"
        return Bad(line, [Fault(line, plan.name["location"], words)])
    return Good(line, body, movement)


def _read(plan: Plan, record: Record) -> tuple[dict[str, object], list[Fault]]:
    """A row's fields as the API takes them, and what is wrong with them."""
    line, cells = record
    if len(cells) != plan.width:
        return {}, [Fault(line, "", f"has {len(cells)} cells, the header has {plan.width}")]
    found, faults = dict[str, object](plan.wishes.constants), list[Fault]()
    for name, at in plan.place.items():
        if cells[at].strip():
            try:
                found[name] = _value(plan, name, restored(cells[at]))
            except ValueError as error:
                faults.append(Fault(line, plan.name[name], str(error)))
    if not faults:
        faults = [Fault(line, plan.name[name], words) for name, words in _settle(plan, found)]
    return found, faults


def _value(plan: Plan, name: str, cell: str) -> object:
    """A cell as the API takes it; the model says whether it will do.

    Raises: ValueError with what is wrong.
    """
    if not cell.isascii() and any("\udc80" <= char <= "\udcff" for char in cell):
        raise ValueError(f"is not {plan.wishes.encoding}; --encoding says what it is")
    if name in _NUMBERS:
        if _WHOLE.fullmatch(cell.strip()) is None:
            raise ValueError("must be a whole number")
        return int(cell)
    match name:
        case "kind":
            return plan.wishes.kinds.get(cell.strip(), cell.strip())
        case "occurred_at":
            return _instant(plan, cell.strip())
        case "details":
            try:
                return read_json(cell.encode())
            except Problem as problem:
                raise ValueError(problem.detail.replace("the body", "it").rstrip(".")) from None
        case "expiry" | "currency":
            return cell.strip()
        case _:
            return cell


def _instant(plan: Plan, text: str) -> str:
    zone, layout = plan.wishes.time_zone, plan.wishes.time_format
    try:
        found = _parsed(text, layout)
    except ValueError:
        if layout is not None:
            raise ValueError("does not have the form that --time-format says") from None
        return text
    if found.tzinfo is not None:
        # As it is written: the model keeps more digits than a datetime does.
        return text if layout is None and "T" in text.upper() else found.isoformat()
    if zone is None:
        raise ValueError("has no offset from UTC; --time-zone says which time it is")
    there = found.replace(tzinfo=zone)
    try:
        in_utc = there.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be in the years 1970 to 9999") from None
    if in_utc.astimezone(zone).replace(tzinfo=None) != found.replace(tzinfo=None):
        raise ValueError(f"is an hour that {zone.key} skipped")
    return in_utc.isoformat()


def _parsed(text: str, layout: str | None) -> datetime:
    if layout is None:
        return datetime.fromisoformat(text)
    return datetime.strptime(text, layout)  # noqa: DTZ007 - its zone is looked at by the caller


def _settle(plan: Plan, found: dict[str, object]) -> Iterator[tuple[str, str]]:
    """What one field means beside another; yields (field, problem)."""
    kind = found.get("kind")
    if (amount := found.pop("quantity", None)) is not None:
        assert isinstance(amount, int), "numbers have been read"
        counts = "packs" if "barcode" in found or "pack" in found else "delta"
        if kind == MoveKind.SALE and amount < 0 and plan.wishes.returns:
            found["kind"], found[counts] = MoveKind.CUSTOMER_RETURN.value, -amount
        elif kind not in _KINDS:
            found[counts] = amount  # the kind is at fault, and the model says so
        elif (sign := RULES[MoveKind(str(kind))].sign) is Sign.EITHER:
            yield "quantity", f"does not say which way a {kind} goes; delta does"
        else:
            found[counts] = amount if sign is Sign.IN else -amount
    if kind == MoveKind.COUNT and "counted" in found:
        found.pop("delta", None)  # an export shows what it came to; here it is worked out anew
    currency = found.pop("currency", None)
    if "unit_cost" in found:
        found["unit_cost"] = {"amount": found["unit_cost"], "currency": currency}


def _faults(plan: Plan, line: int, problem: Problem) -> Iterator[Fault]:
    """The places in a body as columns of the file."""
    if not problem.errors:
        yield Fault(line, "", problem.detail)
    for error in problem.errors:
        match error["loc"]:
            case ["lines", int(), str(name), *_]:
                yield Fault(line, _column(plan, name), str(error["msg"]))
            case [str(name), *_] if name != "lines":
                yield Fault(line, _column(plan, name), str(error["msg"]))
            case _:
                yield Fault(line, "", str(error["msg"]))


def _column(plan: Plan, name: str) -> str:
    # A delta may have been worked out from another column, and so may packs.
    if name in {"delta", "packs"} and name not in plan.place and "quantity" in plan.place:
        return plan.name["quantity"]
    return plan.name.get(name, name)
