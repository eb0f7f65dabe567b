"""Which column of a file is which field of a movement, and what the caller said for all rows.

Rule: the fields are those of `POST /v1/movements`, flat, and two conveniences: `quantity`, without a sign, goes the
way its kind goes, and counts what the row names: base units, or packs where it names a pack or a barcode; `currency`
stands beside `unit_cost`. A column that is neither named like a field nor mapped is left out, and the caller is told.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from node.commands.requests import Refusal
from node.exchange.wording import in_words, shown

T = TypeVar("T")

HEAD_FIELDS: Final = (
    *("kind", "location", "reference", "occurred_at", "reason", "note", "witness", "details"),
)
ONLY_MAPPED: Final = ("barcode", "pack", "packs")
"""Not found by name: many a file has such a column beside the SKU, and means nothing of ours by it."""
LINE_FIELDS: Final = (
    *("sku", "lot", "delta", "quantity", "counted", "supplier", "unit_cost", "currency", "expiry"),
    *ONLY_MAPPED,
)
FIELDS: Final = (*HEAD_FIELDS, *LINE_FIELDS)
_AMOUNTS: Final = ("delta", "quantity", "counted", "packs")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller said about the file."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Column of the file → field, or "" for a column to leave out."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """Field → its value where the file has none."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Kind as the file says it → ours."""
    where: Sequence[tuple[str, str]] = ()
    """(column, value): rows that differ are left out."""
    returns: bool = False
    """A sale of less than nothing is a customer's return."""
    time_zone: ZoneInfo | None = None
    time_format: str | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class Plan:
    """A header and the wishes, brought together."""

    wishes: Wishes
    width: int
    """Cells that every row must have."""
    place: Mapping[str, int]
    """Field → column, from 0."""
    name: Mapping[str, str]
    """Field → its column's name, or how the command line calls it; fit for a terminal."""
    where: Sequence[tuple[int, str]]
    unused: Sequence[str]
    """Names of columns that are left out; fit for a terminal."""


def plan_of(header: Sequence[str], wishes: Wishes) -> Plan:
    """Find every field's column.

    Raises: Refusal `validation_failed`, in one sentence that says what to change.
    """
    names = [name.strip() for name in header]
    for field_name in wishes.columns.values():
        if field_name not in {"", *FIELDS}:
            raise _refused(f"{shown(field_name)} is no field; there are {', '.join(FIELDS)}")
    place = placed(names, wishes.columns, _field_called, str)
    mapped = {column: place_of(names, column) for column in wishes.columns}
    plan = Plan(
        wishes,
        len(names),
        place,
        {one: shown(names[place[one]]) if one in place else _option(one) for one in FIELDS},
        [(place_of(names, column), value) for column, value in wishes.where],
        [
            shown(name)
            for at, name in enumerate(names)
            if at not in {*place.values(), *mapped.values()}
        ],
    )
    _check_complete(plan, names)
    return plan


def placed(
    names: Sequence[str],
    wished: Mapping[str, T | None],
    called: Callable[[str], T | None],
    word: Callable[[T], str],
) -> dict[T, int]:
    """The column of each field: what the caller says of a column, else what its name says.

    Raises: Refusal `validation_failed` when two columns are the same field.
    """
    place: dict[T, int] = {}
    for at, name in enumerate(names):
        found = wished[name] if name in wished else called(name)
        if not found:
            continue
        if found in place:
            both = f"{shown(names[place[found]])} and {shown(name)}"
            raise _refused(
                f"the columns {both} are both {word(found)}; --map COLUMN= leaves one out"
            )
        place[found] = at
    return place


def _field_called(name: str) -> str:
    called = name.casefold().replace(" ", "_")
    return called if called in FIELDS and called not in ONLY_MAPPED else ""


def place_of(names: Sequence[str], column: str) -> int:
    """Which column has a name.

    Raises: Refusal `validation_failed` when none or several have.
    """
    match [at for at, name in enumerate(names) if name == column]:
        case [at]:
            return at
        case []:
            raise _refused(f"there is no column {shown(column)}; the file has {in_words(names)}")
        case _:
            raise _refused(f"there are several columns {shown(column)}")


def _check_complete(plan: Plan, names: Sequence[str]) -> None:
    given = {*plan.place, *plan.wishes.constants}
    has = f"the file has {in_words(names)}"
    has_barcodes = "barcode" in given
    for name in (*(() if has_barcodes else ("sku",)), "kind", "location"):
        if name not in given:
            instead = "" if name == "sku" else f" or --{name}"
            raise _refused(f"no column is {name}; --map COLUMN={name}{instead} says it; {has}")
    amounts = [name for name in _AMOUNTS if name in plan.place]
    if not amounts and not has_barcodes:
        raise _refused(f"no column is delta, quantity or counted; --map says which; {has}")
    if {"delta", "quantity"} <= set(amounts):
        raise _refused("a file has either delta or quantity; --map COLUMN= leaves one out")


def _option(field_name: str) -> str:
    return f"--{field_name}" if field_name in {"kind", "location", "reason"} else field_name


def _refused(detail: str) -> Refusal:
    return Refusal("validation_failed", detail)
