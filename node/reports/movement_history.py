"""What happened to a SKU, with its running balance: what a stock card shows.

Rules:
- At each location the rows are one opening row, the movements by when they happened, one closing row. The balance is of all
  kinds and, unless a lot is asked for, of all lots, whichever of them are shown; the last closing row is what is on hand.
- It is walked back from what is shown now, so it ends there also where this node does not hold every movement. Without
  `since` the opening row is what movements held here do not explain: 0 where all of them are held.
- Movements are told in the order in which they happened, by the clock of whoever recorded them or as they said. One that
  came late stands where it belongs, and the balances after it change with it.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from node.commands.answering import id_to_text, time_to_text
from node.replica import history
from node.replica.history import Line
from node.reports import holding
from node.reports.balances import balances
from node.reports.frame import Moment, Note, Piece, Row, Span, note_of
from node.reports.ordered import Keyed, Once, piece_of
from node.reports.told import TOLD, told
from protocol.limits import USED_MOVEMENTS_MAX

_KEY: Final = (str, int, int, int, int)
_OPENING, _MOVEMENT, _CLOSING = range(3)
_EMPTY: Final = dict.fromkeys(("recorded_at", "movement", "lot", "delta", *TOLD))


@dataclass(frozen=True, slots=True)
class _Card:
    """One location's."""

    on_hand: int
    lines: list[Line]
    """Those since the beginning asked for, oldest first."""

    @property
    def opening(self) -> int:
        return self.on_hand - sum(line.effect.delta for line in self.lines)


class _Read(NamedTuple):
    cards: Mapping[str, _Card]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class MovementHistory:
    """What was asked for; None does not restrict. Times are UTC milliseconds, `until_ms` is excluded."""

    sku: str
    location: str | None = None
    lot: str | None = None
    """"" for goods without one."""
    kind: str | None = None
    """The operation's kind; it restricts the rows and not the balance."""
    since_ms: int | None = None
    until_ms: int | None = None
    _read: Once[_Read] = field(default_factory=Once, compare=False, repr=False)

    def notes(self, db: sqlite3.Connection, moment: Moment) -> tuple[Note, ...]:
        """Where movements are missing."""
        read = self._cards(db)
        locations = sorted(read.cards) if self.location is None else [self.location]
        found = list(holding.not_kept_notes(db, moment, locations))
        if read.is_cut:
            told = f"Only the newest {USED_MOVEMENTS_MAX} movements were looked at; those before are in the opening rows."
            found.append(Note("movements_cut", told))
        elif self.since_ms is None:
            told = "What was there before the first movement held here is not 0: the opening row says how much."
            unexplained = [code for code, card in read.cards.items() if card.opening]
            if unexplained:
                found.append(note_of("opening_not_explained", told, unexplained))
        return tuple(found)

    def totals(self, db: sqlite3.Connection, _: Moment) -> Mapping[str, object]:
        """Over all kinds and all locations shown."""
        cards = self._cards(db).cards.values()
        deltas = [line.effect.delta for card in cards for line in card.lines if self._is_in(line)]
        opening = sum(card.opening for card in cards)
        return {
            "opening": opening,
            "added": sum(delta for delta in deltas if delta > 0),
            "taken": -sum(delta for delta in deltas if delta < 0),
            "closing": opening + sum(deltas),
            "on_hand": sum(card.on_hand for card in cards),
        }

    def piece(self, db: sqlite3.Connection, moment: Moment, span: Span) -> Piece:
        """By location; see the rules above."""
        cards = self._cards(db).cards
        rows = [row for code in sorted(cards) for row in self._rows(code, cards[code], moment)]
        return piece_of(rows, span, _KEY)

    def _cards(self, db: sqlite3.Connection) -> _Read:
        return self._read.get(lambda: self._look(db))

    def _look(self, db: sqlite3.Connection) -> _Read:
        after_ms = history.BEGINNING if self.since_ms is None else self.since_ms - 1
        lines, is_cut = history.lines_of(db, self.sku, self.lot, self.location, after_ms)
        by_location: dict[str, list[Line]] = defaultdict(list)
        for line in lines:
            by_location[line.effect.location].append(line)
        on_hand: dict[str, int] = dict.fromkeys(by_location, 0)
        for amount in history.on_hand_of(db, self.sku, self.lot, self.location):
            on_hand[amount.location] = on_hand.get(amount.location, 0) + amount.on_hand
        cards = {code: _Card(on_hand[code], by_location.get(code, [])) for code in on_hand}
        return _Read(cards, is_cut)

    def _is_in(self, line: Line) -> bool:
        return self.until_ms is None or line.happened.at_ms < self.until_ms

    def _rows(self, location: str, card: _Card, moment: Moment) -> Iterator[Keyed]:
        shown = [line for line in card.lines if self._is_in(line)]
        since = None if self.since_ms is None else time_to_text(self.since_ms)
        left = balances(
            card.opening + sum(line.effect.delta for line in shown),
            [line.effect.delta for line in shown],
        )
        yield (location, _OPENING, 0, 0, 0), _end("opening", location, since, left[0])
        for line, balance in zip(shown, left[1:], strict=True):
            if self.kind is None or line.happened.movement.operation.kind == self.kind:
                yield (location, _MOVEMENT, *line.order), _row(line, balance)
        until_ms = moment.now_ms if self.until_ms is None else self.until_ms
        yield (
            (location, _CLOSING, 0, 0, 0),
            _end("closing", location, time_to_text(until_ms), left[-1]),
        )


def _end(row: str, location: str, at: str | None, balance: int) -> Row:
    return {"row": row, "location": location, "at": at, **_EMPTY, "balance": balance}


def _row(line: Line, balance: int) -> Row:
    operation = line.happened.movement.operation
    return {
        "row": "movement",
        "location": line.effect.location,
        "at": time_to_text(operation.occurred_at),
        "recorded_at": time_to_text(operation.recorded_at),
        "movement": id_to_text(operation.op_id),
        "lot": line.effect.lot or None,
        "delta": line.effect.delta,
        **told(operation),
        "balance": balance,
    }
