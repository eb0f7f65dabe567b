"""From records to rows of documents: cells become the body that the batch address takes, judged by its models.

Invariant: whether a row is good depends on the file, the wishes and what the office has declared, so the second pass
comes to the rows of the first. Whether the node will take a good row depends on what it holds by then.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from node.api.document_models import given
from node.api.models import Body
from node.exchange.cells import restored
from node.exchange.reading import Garbled, Record
from node.exchange.rows import Bad, Fault, Good, LeftOut
from node.exchange.sheet_cells import (
    entries_of_cell,
    entry_of_cell,
    money_of_cell,
    value_of_cell,
)
from node.exchange.sheet_columns import (
    CURRENCY_SUFFIX,
    ID,
    SheetPlan,
    Target,
    fields_of,
    maps_of,
)
from protocol.declarations.kinds import Id, Kind, Money
from protocol.declarations.vocabulary import ATTRIBUTES, Collection
from runtime.problems import problem_of


@dataclass(frozen=True, slots=True)
class Known:
    """What the node held when the import began."""

    attributes: Mapping[str, Kind]
    """By name: what the office has declared for this collection."""
    named: Mapping[str, Mapping[str, list[str]]]
    """Collection with drawn ids → name → the ids of those that have it."""


class SheetReader:
    """Reads the rows of one file."""

    def __init__(
        self, collection: Collection, plan: SheetPlan, known: Known, model: type[Body]
    ) -> None:
        self._collection = collection
        self._plan = plan
        self._known = known
        self._model = model
        self._fields = fields_of(collection)
        self._maps = maps_of(collection)

    def rows(self, records: Iterable[Record | Garbled]) -> Iterator[Good | Bad | LeftOut]:
        """Every row's fate, in the order of the file."""
        for record in records:
            match record:
                case Garbled(line=line, problem=problem, ends=ends):
                    yield Bad(line, (Fault(line, "", problem),), ends)
                case Record(line=line, cells=cells):
                    where = self._plan.where
                    if any(at < len(cells) and cells[at].strip() != value for at, value in where):
                        yield LeftOut(line)
                    else:
                        yield self._judged(record)

    def _judged(self, record: Record) -> Good | Bad:
        line, cells = record
        if len(cells) != self._plan.width:
            words = f"has {len(cells)} cells, the header has {self._plan.width}"
            return Bad(line, [Fault(line, "", words)])
        body: dict[str, Any] = {}
        faults: list[Fault] = []
        for target, cell in self._said(cells):
            try:
                self._take(body, target, cell, cells)
            except ValueError as error:
                faults.append(Fault(line, self._plan.names[target], str(error)))
        if faults:
            return Bad(line, faults)
        try:
            asked = given(self._model.model_validate({"key": "-", **body}))
        except ValidationError as error:
            return Bad(line, list(self._faults(line, error)))
        del asked["key"]
        return Good(line, body, asked)

    def _said(self, cells: list[str]) -> Iterator[tuple[Target, str]]:
        constants = self._plan.constants
        for target, at in self._plan.places.items():
            if not target.is_currency:
                cell = self._cell(cells[at])
                yield target, cell if cell.strip() else constants.get(target, cell)
        for target, cell in constants.items():
            if not target.is_currency and target not in self._plan.places:
                yield target, cell

    def _cell(self, cell: str) -> str:
        text = restored(cell)
        return text.strip() if self._plan.wishes.trim else text

    def _take(self, body: dict[str, Any], target: Target, cell: str, cells: list[str]) -> None:
        """Put what a cell says into the body.

        Raises: ValueError with what is wrong.
        """
        if not cell.isascii() and any("\udc80" <= char <= "\udcff" for char in cell):
            encoding = self._plan.wishes.encoding
            raise ValueError(f"is not {encoding}; --encoding says what it is")
        if not cell.strip():
            self._clear(body, target)
        elif target.key is not None:
            body.setdefault(target.field, {})[target.key] = self._entry(target, cell)
        elif target.field in self._maps:
            said = entries_of_cell(self._maps[target.field], cell)
            body[target.field] = {**said, **body.get(target.field, {})}
        elif target.field in self._fields:
            body[target.field] = self._value(target.field, cell, cells)
        else:
            body[target.field] = cell.strip() if not self._collection.identity else cell

    def _clear(self, body: dict[str, Any], target: Target) -> None:
        field = self._fields.get(target.field)
        if not self._plan.wishes.clear_empty or target.field in {ID, *self._collection.identity}:
            return
        if target.key is not None:
            body.setdefault(target.field, {})[target.key] = None
        elif field is None or not (field.required or field.name == "archived"):
            body.setdefault(target.field, None)

    def _entry(self, target: Target, cell: str) -> object:
        assert target.key is not None, "of one entry"
        date_format = self._plan.wishes.date_format
        if target.field != ATTRIBUTES:
            return entry_of_cell(self._maps[target.field], cell, date_format)
        kind = self._known.attributes.get(target.key)
        if kind is None:
            raise ValueError("is an attribute that the office has not declared")
        value = value_of_cell(kind, cell, date_format)
        if fault := kind.fault(value):
            raise ValueError(fault)
        return value

    def _value(self, name: str, cell: str, cells: list[str]) -> object:
        field, wishes = self._fields[name], self._plan.wishes
        match field.kind:
            case Money():
                return money_of_cell(cell, self._currency(name, cells), wishes.decimal)
            case Id(refers=refers) as kind if kind.fault(cell.strip().lower()):
                return self._id_of(refers, cell)
            case kind:
                return value_of_cell(kind, cell, wishes.date_format)

    def _currency(self, name: str, cells: list[str]) -> str | None:
        target = Target(name, is_currency=True)
        at = self._plan.places.get(target)
        cell = "" if at is None else cells[at].strip()
        return cell or self._plan.constants.get(target) or self._plan.wishes.currency

    def _id_of(self, refers: str, cell: str) -> str:
        ids = self._known.named.get(refers, {}).get(cell.strip(), [])
        if len(ids) != 1:
            what = "nothing" if not ids else f"{len(ids)} of them"
            raise ValueError(f"names {what} in {refers}; it takes a name there, or an id")
        return ids[0]

    def _faults(self, line: int, error: ValidationError) -> Iterator[Fault]:
        """The places in a body as columns of the file."""
        for found in problem_of(error).errors:
            match found["loc"]:
                case [str(name), str(key), *_] if Target(name, key) in self._plan.names:
                    column = self._plan.names[Target(name, key)]
                case [str(name), *_]:
                    column = self._plan.names.get(Target(name), name)
                case _:
                    column = ""
            yield Fault(line, column, str(found["msg"]))


__all__ = ["CURRENCY_SUFFIX", "Known", "SheetReader"]
