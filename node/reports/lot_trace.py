"""What became of a lot: who holds it, who answered its recall, and every movement of it in and out; for the recall's file.

Rules:
- First every location that has, or ever had, any of it, then its movements by when they happened. A sale or a dispense that
  was taken back is there, with what took it back: the goods were in somebody's hands.
- Movements are those of the locations that this node writes; the others that hold it are named in a note, since their
  customers may have some too.
"""

import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from node.commands.answering import id_to_text, time_to_text
from node.recalls import answers_of
from node.replica import documents, history, tracing
from node.replica.history import Line
from node.replica.tracing import Holder
from node.replica.usage import Use, net, use_of
from node.reports import holding
from node.reports.frame import Moment, Note, Piece, Row, Span, note_of
from node.reports.ordered import Keyed, Once, piece_of
from node.reports.told import TOLD, reversals, told
from protocol.declarations.catalogue import LOTS, SKUS
from protocol.declarations.naming import id_of
from protocol.declarations.reading import shown_value
from protocol.ids import OpId
from protocol.limits import USED_MOVEMENTS_MAX

_KEY: Final = (int, str, int, int, int)
_LOCATION, _MOVEMENT = range(2)
_OF_LOCATION: Final = (
    *("on_hand", "reserved", "in_transit", "taken", "acknowledged_by", "acknowledged_at"),
    "set_aside",
)
_OF_MOVEMENT: Final = ("at", "movement", "delta", *TOLD, "reversed_by")


class _Read(NamedTuple):
    held: Mapping[str, object] | None
    """What its document says; None of one that nobody described."""
    recalled_ms: int | None
    holders: Mapping[str, Holder]
    answers: Mapping[str, Mapping[str, object]]
    lines: list[Line]
    """Oldest first."""
    uses: Mapping[str, Counter[Use]]
    """What customers took of it, by location; those whose movements are held here."""
    is_cut: bool

    @property
    def unacknowledged(self) -> list[str]:
        """Who has, or had, any of it, and said nothing since the recall that stands."""
        if self.recalled_ms is None:
            return []
        return sorted(set(self.holders) - set(self.answers))

    def total(self, use: Use) -> int | None:
        """Over the locations whose movements are held here; None where those of none are."""
        if self.holders and not self.uses:
            return None
        return sum(uses[use] for uses in self.uses.values())


@dataclass(frozen=True, slots=True)
class LotTrace:
    """Which lot."""

    sku: str
    lot: str
    _read: Once[_Read] = field(default_factory=Once, compare=False, repr=False)

    def notes(self, db: sqlite3.Connection, moment: Moment) -> tuple[Note, ...]:
        """Who has not answered, and whose movements are not in it."""
        read = self._trace(db, moment)
        found = list(holding.not_kept_notes(db, moment, sorted(read.holders)))
        if read.held is None and not read.holders:
            told = "Nobody has described such a lot, and it was never counted, as far as this node reads."
            found.append(Note("lot_not_known", told))
        if missing := read.unacknowledged:
            told = "These locations have, or had, some of it and did not answer the recall."
            found.append(note_of("recall_not_acknowledged", told, missing))
        if read.is_cut:
            told = f"Only the newest {USED_MOVEMENTS_MAX} movements of it are in this report."
            found.append(Note("movements_cut", told))
        return tuple(found)

    def totals(self, db: sqlite3.Connection, moment: Moment) -> Mapping[str, object]:
        """Of the whole lot."""
        read = self._trace(db, moment)
        fields = read.held or {}
        sku = documents.one(db, SKUS, self.sku)
        holders = read.holders.values()
        return {
            "sku": self.sku,
            "name": None if sku is None else shown_value(SKUS, "name", sku.fields),
            "lot": self.lot,
            "status": shown_value(LOTS, "status", fields),
            "expiry": shown_value(LOTS, "expiry", fields),
            "note": shown_value(LOTS, "note", fields),
            "recalled_at": None if read.recalled_ms is None else time_to_text(read.recalled_ms),
            "locations": len(read.holders),
            "unacknowledged": len(read.unacknowledged),
            "on_hand": sum(one.on_hand for one in holders),
            "in_transit": sum(one.in_transit for one in holders),
            "set_aside": sum(int(str(one["set_aside"] or 0)) for one in read.answers.values()),
            **{use.value: read.total(use) for use in Use},
        }

    def piece(self, db: sqlite3.Connection, moment: Moment, span: Span) -> Piece:
        """Locations by code, then movements by when they happened."""
        read = self._trace(db, moment)
        rows: list[Keyed] = [
            ((_LOCATION, code, 0, 0, 0), _location_row(read, read.holders[code]))
            for code in sorted(read.holders)
        ]
        back_by = reversals(line.happened.movement.operation for line in read.lines)
        rows += [
            ((_MOVEMENT, "", *line.order), _movement_row(line, back_by)) for line in read.lines
        ]
        return piece_of(rows, span, _KEY)

    def _trace(self, db: sqlite3.Connection, moment: Moment) -> _Read:
        return self._read.get(lambda: self._look(db, moment))

    def _look(self, db: sqlite3.Connection, moment: Moment) -> _Read:
        held = documents.one(db, LOTS, id_of([self.sku, self.lot]))
        fields = None if held is None else held.fields
        recalled_ms = tracing.recalled_ms(db, self.sku, self.lot)
        answers = answers_of(fields or {}, recalled_ms)
        holders = {one.location: one for one in tracing.holders(db, self.sku, self.lot)}
        for location in answers:
            holders.setdefault(location, Holder(location, 0, 0, 0))
        lines, is_cut = history.lines_of(db, self.sku, self.lot, None, history.BEGINNING)
        uses = _uses([code for code in holders if holding.kept(db, moment, code)], lines)
        return _Read(fields, recalled_ms, holders, answers, lines, uses, is_cut)


def _uses(kept: list[str], lines: list[Line]) -> Mapping[str, Counter[Use]]:
    found: dict[str, Counter[Use]] = {code: Counter() for code in kept}
    for line in lines:
        taken = use_of(line)
        if taken is not None and line.effect.location in found:
            use, units = taken
            found[line.effect.location][use] += units
    return found


def _location_row(read: _Read, holder: Holder) -> Row:
    answer = read.answers.get(holder.location, {})
    uses = read.uses.get(holder.location)
    taken = None if uses is None else net(uses)
    return {
        "row": "location",
        **dict.fromkeys(_OF_MOVEMENT),
        **holder._asdict(),
        "taken": taken,
        "acknowledged_by": answer.get("by"),
        "acknowledged_at": answer.get("at"),
        "set_aside": answer.get("set_aside"),
    }


def _movement_row(line: Line, back_by: Mapping[OpId, OpId]) -> Row:
    operation = line.happened.movement.operation
    by = back_by.get(operation.op_id)
    return {
        "row": "movement",
        **dict.fromkeys(_OF_LOCATION),
        "location": line.effect.location,
        "at": time_to_text(operation.occurred_at),
        "movement": id_to_text(operation.op_id),
        "delta": line.effect.delta,
        **told(operation),
        "reversed_by": None if by is None else id_to_text(by),
    }
