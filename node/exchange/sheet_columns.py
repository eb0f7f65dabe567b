"""Which column of a sheet is which part of a document: one row for each document of a collection.

Rule: the columns are those of the collection's declaration and nothing else:

    name                a field; an amount of money has `price` and beside it `price_currency`
    packs               all entries of a map in one cell: `KEY` or `KEY=VALUE`, separated by `;`, or a JSON object
    packs.box of 20     one entry of it; the cell is its value. So are attributes: `attributes.storage`

A column that is neither named so nor mapped is left out, and the caller is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from node.commands.requests import Refusal
from node.exchange.mapping import place_of, placed
from node.exchange.wording import in_words, shown
from protocol.declarations.kinds import Money
from protocol.declarations.vocabulary import EVERY_DOCUMENT, Collection, Entries, Field, Set

CURRENCY_SUFFIX: Final = "_currency"
ID: Final = "id"


class Target(NamedTuple):
    """What a column says."""

    field: str
    """Of the document: a field, a map or a list."""
    key: str | None = None
    """Of one entry of a map."""
    is_currency: bool = False


@dataclass(frozen=True, slots=True)
class SheetWishes:
    """What the caller said about the file."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Column of the file → ours, or "" for a column to leave out."""
    constants: Mapping[str, str] = field(default_factory=dict)
    """Our column → the cell of every row where the file has none, or an empty one."""
    where: Sequence[tuple[str, str]] = ()
    """(column, value): rows that differ are left out."""
    currency: str | None = None
    decimal: str = "."
    date_format: str | None = None
    trim: bool = False
    clear_empty: bool = False
    """An empty cell clears its field; without this it says nothing about it."""
    delimiter: str | None = None
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class SheetPlan:
    """A header and the wishes, brought together."""

    wishes: SheetWishes
    width: int
    """Cells that every row must have."""
    places: Mapping[Target, int]
    """What is said → column, from 0."""
    constants: Mapping[Target, str]
    names: Mapping[Target, str]
    """What is said → its column's name, or how the command line calls it; fit for a terminal."""
    where: Sequence[tuple[int, str]]
    unused: Sequence[str]
    """Names of columns that are left out; fit for a terminal."""


def fields_of(collection: Collection) -> dict[str, Field]:
    """The fields that somebody may set, by name."""
    every = (*collection.fields, *EVERY_DOCUMENT)
    return {one.name: one for one in every if one.set in {Set.ANY_TIME, Set.AT_CREATION}}


def maps_of(collection: Collection) -> dict[str, Entries]:
    """The maps that somebody may set, by name; lists of records are no cells."""
    return {
        one.name: one
        for one in collection.entries
        if one.named_by is None and one.set is Set.ANY_TIME
    }


def column_names(collection: Collection) -> list[str]:
    """Every column of a collection, in the order of its declaration; entries of maps as `map.KEY`."""
    names = [ID] if collection.identity in {(), (ID,)} else []
    for one in fields_of(collection).values():
        names.append(one.name)
        if isinstance(one.kind, Money):
            names.append(one.name + CURRENCY_SUFFIX)
    return names + [name for one in maps_of(collection) for name in (one, f"{one}.KEY")]


def target_of(collection: Collection, name: str) -> Target | None:
    """What a column of this name says; None for one that is none of ours."""
    of, dot, key = name.partition(".")
    if dot:
        return Target(of, key) if key and of in maps_of(collection) else None
    known = {*column_names(collection)}
    called = name.casefold().replace(" ", "_")
    for exact in (name, called):
        if exact in known and exact.endswith(CURRENCY_SUFFIX):
            return Target(exact.removesuffix(CURRENCY_SUFFIX), is_currency=True)
        if exact in known:
            return Target(exact)
    return None


def sheet_plan(collection: Collection, header: Sequence[str], wishes: SheetWishes) -> SheetPlan:
    """Find what every column says.

    Raises: Refusal `validation_failed`, in one sentence that says what to change.
    """
    names = [name.strip() for name in header]
    constants = {_wished(collection, name): cell for name, cell in wishes.constants.items()}
    wished = {
        column: _wished(collection, name) if name else None
        for column, name in wishes.columns.items()
    }
    places = placed(names, wished, lambda name: target_of(collection, name), _word)
    mapped = {place_of(names, column) for column in wishes.columns}
    plan = SheetPlan(
        wishes,
        len(names),
        places,
        constants,
        {
            **{target: f"--set {_word(target)}" for target in constants},
            **{target: shown(names[at]) for target, at in places.items()},
        },
        [(place_of(names, column), value) for column, value in wishes.where],
        [shown(name) for at, name in enumerate(names) if at not in {*places.values(), *mapped}],
    )
    _check_identity(collection, plan, names)
    return plan


def _wished(collection: Collection, name: str) -> Target:
    found = target_of(collection, name)
    if found is None:
        ours = ", ".join(column_names(collection))
        raise Refusal(
            "validation_failed",
            f"{shown(name)} is no column of {collection.name}; there are {ours}",
        )
    return found


def _check_identity(collection: Collection, plan: SheetPlan, names: Sequence[str]) -> None:
    given = {target.field for target in (*plan.places, *plan.constants)}
    missing = [name for name in collection.identity if name not in given]
    if not collection.identity and not given & {ID, "name"}:
        missing = ["name"]
    if missing:
        words = f"no column is {missing[0]}; --map COLUMN={missing[0]} says which"
        raise Refusal("validation_failed", f"{words}; the file has {in_words(names)}")


def _word(target: Target) -> str:
    if target.key is not None:
        return f"{target.field}.{shown(target.key)}"
    return target.field + CURRENCY_SUFFIX * target.is_currency
