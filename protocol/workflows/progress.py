"""What a document says by now: its plan, its decisions, the goods that moved for it, what was booked for it.

Invariant: reading never fails and forgets nothing that it can read. Whatever has another form (a newer version's, a
rogue device's) is left out by a rule that depends on the value alone, so every replica leaves out the same. Goods and
entries name their SKU themselves, so none of them is lost when somebody else drops a line of the plan.

Fields of a document with lines:

    stage                     the decision; joins by rank
    decided/<decision>        {by, at}: every decision that was ever taken, also one that lost by rank
    lines/<line>              {sku, lot, quantity, ...} or null: the plan
    moved/<leg>/<event>       {items: [[sku, lot, planned lot, quantity], ...], at}: goods, an element for each event
    booked/<book>/<entry>     [[sku, lot, planned lot, amount], ...]: an element for each entry
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NamedTuple

from protocol.codec import pack, with_sorted_keys
from protocol.documents import Document
from protocol.ids import NO_LOT, Lot, Sku, code_fault
from protocol.limits import DELTA_MAX, DOCUMENT_EVENT_ITEMS_MAX, FIELD_VALUE_BYTES_MAX, TOTAL_MAX
from protocol.workflows.steps import Fault, StepRefused, field_value

STAGE: Final = "stage"
LINES: Final = "lines/"
MOVED: Final = "moved/"
BOOKED: Final = "booked/"
DECIDED: Final = "decided/"

_PIECE_BYTES_MAX: Final = FIELD_VALUE_BYTES_MAX - 1024


class LineKey(NamedTuple):
    """What names a line of the plan: two people who add the same make one line, and its SKU never changes."""

    sku: Sku
    planned: Lot
    """The lot that the plan asks for; `NO_LOT` leaves it to whoever picks."""


class Item(NamedTuple):
    """Goods of one lot, and the line that they are for."""

    sku: Sku
    lot: Lot = NO_LOT
    planned: Lot = NO_LOT

    @property
    def line(self) -> LineKey:
        """The line of the plan, which may not be there."""
        return LineKey(self.sku, self.planned)


Amounts = Mapping[Item, int]
"""Base units; only what is not 0."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A document read. Equal documents give equal fingerprints, on every machine."""

    stage: str
    decided: frozenset[str]
    lines: Mapping[LineKey, int]
    """The plan, in base units."""
    moved: Mapping[str, Amounts]
    """By leg."""
    booked: Mapping[str, Amounts]
    """By book."""
    document: Document = field(repr=False, compare=False)
    """What was read."""
    prefixes: tuple[str, ...] = field(default=(LINES, MOVED, BOOKED), repr=False, compare=False)
    """Of the fields that decide what is owed and what is booked."""

    @property
    def fingerprint(self) -> str:
        """Of all that decides what is owed and what is booked; worked out when asked for, which few readers do."""
        return fingerprint(self.document, self.prefixes)

    def goods(self, leg: str) -> Amounts:
        """What moved on a leg."""
        return self.moved.get(leg, {})

    def planned(self) -> dict[Item, int]:
        """The plan as amounts: each line in the lot that it names."""
        lines = sorted(self.lines.items())
        return {Item(key.sku, key.planned, key.planned): n for key, n in lines if n}


def line_id(sku: str, lot: str = NO_LOT) -> str:
    """The name of the line of a SKU and lot, the same wherever it is added: 16 hexadecimal digits."""
    return blake2b(pack([sku, lot]), digest_size=8).hexdigest()


def read_progress(document: Document, first_stage: str) -> Progress:
    """Read a document's fields; `first_stage` is where one without a decision stands."""
    stage = field_value(document, STAGE)
    return Progress(
        stage if isinstance(stage, str) else first_stage,
        frozenset(name.removeprefix(DECIDED) for name in document.fields if _is(name, DECIDED)),
        dict(_lines(document)),
        _sums(_elements(document, MOVED)),
        _sums(_elements(document, BOOKED)),
        document,
    )


def read_event(document: Document, leg: str, event: str) -> dict[Item, int]:
    """What one event moved on a leg; {} when it moved nothing there."""
    name = f"{MOVED}{leg}/{event}"
    found = []
    for held, state in document.fields.items():
        is_piece = held.startswith(f"{name}+") and held.removeprefix(f"{name}+").isdecimal()
        if (held == name or is_piece) and isinstance(state.value, Mapping):
            found.append(read_items(state.value.get("items")))
    return plus(*found)


def event_of(fields: Iterable[str]) -> str | None:
    """The event of goods that some fields of one operation tell of; None when they tell of none."""
    named = (name.removeprefix(MOVED).partition("/")[2] for name in fields if _is(name, MOVED))
    return next((name.partition("+")[0] for name in named), None)


def fingerprint(document: Document, prefixes: Iterable[str]) -> str:
    """A digest of the stage and of the fields under `prefixes`: of their values, not of who wrote them when."""
    chosen = tuple(prefixes)
    said = [
        [name, state.value]
        for name, state in sorted(document.fields.items())
        if name == STAGE or name.startswith(chosen)
    ]
    return blake2b(pack(with_sorted_keys(said)), digest_size=16).hexdigest()


def plus(*all_amounts: Amounts) -> dict[Item, int]:
    """The sum, without what came to 0, in order of item."""
    total: dict[Item, int] = {}
    for amounts in all_amounts:
        for item, amount in amounts.items():
            total[item] = total.get(item, 0) + amount
    return {item: total[item] for item in sorted(total) if total[item]}


def minus(amounts: Amounts, *others: Amounts) -> dict[Item, int]:
    """The difference, without what came to 0, in order of item."""
    return plus(amounts, *({item: -amount for item, amount in o.items()} for o in others))


def per_line(*all_amounts: Amounts) -> dict[LineKey, int]:
    """The sum over lots."""
    total: dict[LineKey, int] = {}
    for item, amount in (pair for amounts in all_amounts for pair in amounts.items()):
        total[item.line] = total.get(item.line, 0) + amount
    return total


def items_to_value(amounts: Amounts) -> list[object]:
    """The form in a document, in order: `[[sku, lot, planned lot, amount], ...]`."""
    return [[*item, amounts[item]] for item in sorted(amounts)]


def pieces(amounts: Amounts) -> Iterator[tuple[str, list[object]]]:
    """That form in parts that each fit a field, with what to put behind the field's name: "", "+1", "+2"."""
    part: list[object] = []
    size = count = 0
    for item in items_to_value(amounts):
        item_bytes = len(pack(item))
        if part and size + item_bytes > _PIECE_BYTES_MAX:
            yield f"+{count}" if count else "", part
            part, size, count = [], 0, count + 1
        part.append(item)
        size += item_bytes
    if part:
        yield f"+{count}" if count else "", part


def check_goods(amounts: Amounts) -> None:
    """Refuse goods that no movement takes.

    Raises:
        StepRefused: `nothing_to_do`, `too_many_lines`, `bad_code` or `bad_quantity`.
    """
    if not amounts:
        raise StepRefused(Fault.NOTHING_TO_DO, "no lines were given")
    if len(amounts) > DOCUMENT_EVENT_ITEMS_MAX:
        detail = f"at most {DOCUMENT_EVENT_ITEMS_MAX} lines at once"
        raise StepRefused(Fault.TOO_MANY_LINES, detail)
    for item, amount in amounts.items():
        if code_fault(item.sku) or not (_is_lot(item.lot) and _is_lot(item.planned)):
            raise StepRefused(Fault.BAD_CODE, "a line names a SKU, and a lot or none")
        if not 1 <= amount <= DELTA_MAX:
            raise StepRefused(Fault.BAD_QUANTITY, f"a quantity is between 1 and {DELTA_MAX}")


def _lines(document: Document) -> Iterator[tuple[LineKey, int]]:
    for name, state in sorted(document.fields.items()):
        match state.value if _is(name, LINES) else None:
            case {"sku": str(sku), "quantity": int(quantity), **others}:
                lot = others.get("lot") or NO_LOT
                if not isinstance(lot, str) or code_fault(sku) or not _is_lot(lot):
                    continue
                # A name that is not the line's own would let two fields plan one line.
                named = name == f"{LINES}{line_id(sku, lot)}"
                if named and quantity >= 0 and _is_amount(quantity):
                    yield LineKey(Sku(sku), Lot(lot)), quantity
            case _:
                pass


def _elements(document: Document, prefix: str) -> Iterator[tuple[str, object]]:
    for name, state in sorted(document.fields.items()):
        group, slash, element = name.removeprefix(prefix).partition("/")
        if _is(name, prefix) and slash and element:
            value = state.value
            yield group, value.get("items") if isinstance(value, Mapping) else value


def _sums(elements: Iterable[tuple[str, object]]) -> dict[str, dict[Item, int]]:
    found: dict[str, list[Amounts]] = {}
    for group, value in elements:
        found.setdefault(group, []).append(read_items(value))
    return {group: plus(*all_amounts) for group, all_amounts in found.items()}


def read_items(value: object) -> dict[Item, int]:
    """Read what `items_to_value` wrote; what has another form is left out."""
    total: dict[Item, int] = {}
    for part in value if isinstance(value, list | tuple) else ():
        match part:
            case [str(sku), str(lot), str(planned), int(amount)] if _is_amount(amount):
                if code_fault(sku) is None and _is_lot(lot) and _is_lot(planned):
                    item = Item(Sku(sku), Lot(lot), Lot(planned))
                    total[item] = total.get(item, 0) + amount
            case _:
                pass
    return total


def _is(name: str, prefix: str) -> bool:
    return len(name) > len(prefix) and name.startswith(prefix)


def _is_lot(value: str) -> bool:
    return value == NO_LOT or code_fault(value) is None


def _is_amount(value: int) -> bool:
    # The type too: True is an int to a pattern.
    return type(value) is int and -TOTAL_MAX <= value <= TOTAL_MAX
