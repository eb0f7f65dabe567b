"""What did not arrive as it was sent: every difference of every transfer, or summed up by route or by SKU.

Rules:
- A difference is what the transfer's document says by now (`protocol.workflows.differences`), so it appears at both ends
  alike, and goes when what was missing arrives after all.
- A transfer is of the instant at which something last happened to it: goods moved, or somebody decided.
- Value is at the selling price, and at cost for who may see it; both are today's.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from node.commands.answering import time_to_text
from node.replica.documents import Held
from node.reports import papers
from node.reports.coverage import cost_notes
from node.reports.frame import Moment, Note, Piece, Row, Span, Sums
from node.reports.ordered import Keyed, Once, piece_of
from node.reports.sayings import Said, add_worth, remembered
from protocol.declarations.paperwork import TRANSFERS
from protocol.declarations.reading import shown_values
from protocol.limits import REPORT_PAPERS_MAX
from protocol.workflows.differences import Matter
from protocol.workflows.transfer_table import SHIP

By = Literal["difference", "route", "sku", "route_sku"]
_KEY: Final = (str, str, str, str)
_DRAFTS: Final = ("draft", "allocated", "cancelled")


class Found(NamedTuple):
    """One difference of one transfer."""

    transfer: str
    number: str | None
    source: str
    destination: str
    stage: str
    shipped_ms: int | None
    last_ms: int
    matter: str
    sku: str
    lot: str
    quantity: int
    """Base units; 0 of the document as a whole."""


class _Read(NamedTuple):
    found: list[Found]
    transfers: int
    is_cut: bool


@dataclass(frozen=True, slots=True)
class TransferDifferences:
    """What was asked for; None does not restrict. Times are UTC milliseconds, `until_ms` is excluded."""

    by: By = "difference"
    source: str | None = None
    destination: str | None = None
    sku: str | None = None
    matter: Matter | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    _read: Once[_Read] = field(default_factory=Once, compare=False, repr=False)

    def notes(self, db: sqlite3.Connection, moment: Moment) -> tuple[Note, ...]:
        """What is not in it."""
        ends = {self.source, self.destination} - {None} or {None}
        # Either end has the whole document.
        unread = [papers.unread_notes(db, moment, end) for end in sorted(ends, key=str)]
        found = [*cost_notes(moment), *(unread[0] if all(unread) else ())]
        if self._differences(db).is_cut:
            found.append(papers.cut_note(TRANSFERS))
        return tuple(found)

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object]:
        """Over all differences asked for."""
        read = self._differences(db)
        quantities = {matter.value: 0 for matter in Matter}
        for one in read.found:
            quantities[one.matter] += one.quantity
        said, values, costs = remembered(db, moment), Sums(), Sums()
        for one in read.found:
            add_worth(values, said(one.sku).price, one.quantity)
            add_worth(costs, said(one.sku).cost, one.quantity)
        counted = (Matter.SHORT, Matter.OVER, Matter.DAMAGED, Matter.UNANNOUNCED)
        return {
            "transfers": read.transfers,
            "differing": len({one.transfer for one in read.found}),
            **{matter.value: quantities[matter] for matter in counted},
            "values": values.shown(),
            "values_at_cost": costs.shown(),
        }

    def piece(self, db: sqlite3.Connection, moment: Moment, span: Span) -> Piece:
        """By transfer, or by what they are summed up by."""
        found = self._differences(db).found
        said = remembered(db, moment)
        listed = self.by == "difference"
        rows = _listed(found, said) if listed else _summed(found, self.by, said)
        return piece_of(list(rows), span, _KEY)

    def _differences(self, db: sqlite3.Connection) -> _Read:
        return self._read.get(lambda: self._look(db))

    def _look(self, db: sqlite3.Connection) -> _Read:
        found: list[Found] = []
        transfers = examined = 0
        for held in papers.read(db, TRANSFERS, self._matching()):
            examined += 1
            if examined > REPORT_PAPERS_MAX:
                return _Read(found, transfers, is_cut=True)
            shown = shown_values(TRANSFERS, held.fields, None)
            differences = list(_of(held, shown))
            last_ms = differences[0].last_ms if differences else _last_ms(held, shown)
            if (shown["stage"] in _DRAFTS and not differences) or not self._is_in(last_ms):
                continue
            transfers += 1
            found += [one for one in differences if self._is_asked_for(one)]
        return _Read(found, transfers, is_cut=False)

    def _matching(self) -> Mapping[str, object]:
        ends = {"source": self.source, "destination": self.destination}
        return {name: code for name, code in ends.items() if code is not None}

    def _is_in(self, last_ms: int) -> bool:
        return (self.since_ms is None or last_ms >= self.since_ms) and (
            self.until_ms is None or last_ms < self.until_ms
        )

    def _is_asked_for(self, one: Found) -> bool:
        return (self.sku is None or one.sku == self.sku) and (
            self.matter is None or one.matter == self.matter
        )


def _of(held: Held, shown: Mapping[str, object]) -> Iterator[Found]:
    told: list[Mapping[str, object]] = shown["differences"]  # type: ignore[assignment] # rows
    if not told:
        return
    events: list[Mapping[str, object]] = shown["events"]  # type: ignore[assignment] # rows
    shipped = _times(one for one in events if one["leg"] == SHIP)
    number, last_ms = shown["number"], _last_ms(held, shown)
    for one in told:
        yield Found(
            held.id,
            None if number is None else str(number),
            str(shown["source"]),
            str(shown["destination"]),
            str(shown["stage"]),
            min(shipped, default=None),
            last_ms,
            str(one["matter"]),
            str(one["sku"] or ""),
            str(one["lot"] or ""),
            int(str(one["quantity"] or 0)),
        )


def _last_ms(held: Held, shown: Mapping[str, object]) -> int:
    """When something last happened; of goods of a numbered parcel nobody says when, so then the newest edit."""
    events: list[Mapping[str, object]] = shown["events"]  # type: ignore[assignment] # rows
    decisions: list[Mapping[str, object]] = shown["decisions"]  # type: ignore[assignment] # rows
    times = _times((*events, *decisions))
    is_known = len(times) == len(events) + len(decisions) and times
    return max(times) if is_known else held.updated_ms


def _times(rows: Iterable[Mapping[str, object]]) -> list[int]:
    return [at for row in rows if isinstance(at := row["at"], int)]


def _listed(found: list[Found], said: Callable[[str], Said]) -> Iterator[Keyed]:
    for one in sorted(found, key=lambda one: (one.transfer, one.matter, one.sku, one.lot)):
        shipped = None if one.shipped_ms is None else time_to_text(one.shipped_ms)
        sums = _Sum(said)
        sums.add(one)
        row: Row = {
            "transfer": one.transfer,
            "number": one.number,
            "source": one.source,
            "destination": one.destination,
            "stage": one.stage,
            "shipped_at": shipped,
            "last_at": time_to_text(one.last_ms),
            "matter": one.matter,
            "sku": one.sku or None,
            "name": said(one.sku).name,
            "lot": one.lot or None,
            **sums.shown(),
        }
        yield (one.transfer, one.matter, one.sku, one.lot), row


def _summed(found: list[Found], by: By, said: Callable[[str], Said]) -> Iterator[Keyed]:
    groups: dict[tuple[str, str, str, str], _Sum] = {}
    for one in found:
        route = (one.source, one.destination) if by != "sku" else ("", "")
        sku = one.sku if by != "route" else ""
        groups.setdefault((*route, sku, one.matter), _Sum(said)).add(one)
    for key in sorted(groups):
        source, destination, sku, matter = key
        row: Row = {
            **dict.fromkeys(("transfer", "number", "stage", "shipped_at", "last_at", "lot")),
            "source": source or None,
            "destination": destination or None,
            "matter": matter,
            "sku": sku or None,
            "name": said(sku).name,
            **groups[key].shown(),
        }
        yield key, row


class _Sum:
    """Differences added up."""

    def __init__(self, said: Callable[[str], Said]) -> None:
        self._said = said
        self._quantity = self._count = 0
        self._value, self._cost = Sums(), Sums()

    def add(self, one: Found) -> None:
        """Add one."""
        self._quantity += one.quantity
        self._count += 1
        said = self._said(one.sku)
        add_worth(self._value, said.price, one.quantity)
        add_worth(self._cost, said.cost, one.quantity)

    def shown(self) -> Row:
        """What a row says of them; a sum in two currencies is no value."""
        return {
            "differences": self._count,
            "quantity": self._quantity or None,
            "value": self._value.only(),
            "value_at_cost": self._cost.only(),
        }
