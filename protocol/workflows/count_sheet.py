"""A stocktake read: what was counted of each line, in which round, and who stands for it.

Invariant: of a line the count of the latest round stands, and of one round the later. So the sheet is a function of the
joined document, whatever the order in which counts arrived.

Fields beside those of `progress`:

    counts/<line>/<round>     {sku, lot, counted, delta, by, at}; round 1 is the first count
    recounts/<line>           the round that is asked for; joins by rank, which is the round
    verified/<line>           {by, at, round, delta}: a second person stands for this count
    reasons/<line>            why it differs
    decided/finalised         {by, at, reason}: why the lines differ that have no reason of their own
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from protocol.documents import Document
from protocol.ids import NO_LOT, Lot, Sku, code_fault
from protocol.limits import COUNT_ROUNDS_MAX, TOTAL_MAX
from protocol.workflows.progress import (
    BOOKED,
    DECIDED,
    LineKey,
    Progress,
    line_id,
    read_progress,
)
from protocol.workflows.steps import field_value

COUNTS: Final = "counts/"
RECOUNTS: Final = "recounts/"
VERIFIED: Final = "verified/"
REASONS: Final = "reasons/"

_ROUNDS: Final = {str(number): number for number in range(1, COUNT_ROUNDS_MAX + 1)}


class Stage(StrEnum):
    """Where a stocktake stands."""

    OPEN = "open"
    COUNTING = "counting"
    REVIEW = "review"
    FINALISED = "finalised"
    CANCELLED = "cancelled"


class Count(NamedTuple):
    """One count of one line."""

    key: LineKey
    round: int
    counted: int
    delta: int
    """Counted less what was shown then."""
    by: str
    at_ms: int


class Finalised(NamedTuple):
    """Who finalised, when, and why lines differ that say nothing of their own."""

    by: str
    at_ms: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """What is known of one line by now."""

    counts: tuple[Count, ...]
    """By round; the last one stands."""
    asked_round: int
    """The round that has been asked for: 1, or more when somebody wants it counted again."""
    verified_by: str | None
    """Who stands for the count that stands, beside whoever counted: expressly, or by finalising."""
    reason: str | None
    """Why it differs: its own, or what was said of all at the end."""

    @property
    def standing(self) -> Count:
        """The count that stands."""
        return self.counts[-1]

    @property
    def is_awaited(self) -> bool:
        """Whether it is still to be counted again."""
        return self.standing.round < self.asked_round


@dataclass(frozen=True, slots=True)
class Sheet:
    """A stocktake read."""

    progress: Progress
    lines: Mapping[LineKey, Line]
    """Those that were counted."""
    final: Finalised | None
    """None unless it is finalised."""


def read(document: Document) -> Sheet:
    """What the stocktake says."""
    counts: dict[LineKey, dict[int, Count]] = {}
    for name, state in sorted(document.fields.items()):
        if name.startswith(COUNTS) and (count := _read_count(name, state.value)) is not None:
            counts.setdefault(count.key, {})[count.round] = count
    progress = read_progress(document, Stage.OPEN)
    prefixes = (BOOKED, COUNTS)
    final = _read_final(document) if progress.stage == Stage.FINALISED else None
    return Sheet(
        Progress(
            progress.stage,
            progress.decided,
            {},
            {},
            progress.booked,
            document,
            prefixes,
        ),
        {key: _read_line(document, key, counts[key], final) for key in sorted(counts)},
        final,
    )


def shown_to_counter(
    sheet: Sheet, *, blind: bool
) -> dict[LineKey, tuple[int, int | None, int | None]]:
    """By line (counted, expected, difference), as somebody who counts may see it.

    Of a blind count the last two are None until the counting is done: who knows them, counts towards them.
    """
    hidden = blind and sheet.progress.stage in (Stage.OPEN, Stage.COUNTING)
    seen = {key: line.standing for key, line in sheet.lines.items()}
    return {
        key: (
            count.counted,
            None if hidden else count.counted - count.delta,
            None if hidden else count.delta,
        )
        for key, count in seen.items()
    }


def line_name(key: LineKey) -> str:
    """What the line is called in the names of its fields."""
    return line_id(key.sku, key.planned)


def _read_count(name: str, value: object) -> Count | None:
    match value:
        case {"sku": str(sku), "counted": int(counted), "delta": int(delta), **others}:
            lot, by, at_ms = others.get("lot") or NO_LOT, others.get("by"), others.get("at")
            if not isinstance(lot, str) or type(by) is not str or type(at_ms) is not int:
                return None
            if (
                code_fault(sku)
                or (lot and code_fault(lot))
                or max(abs(counted), abs(delta)) > TOTAL_MAX
            ):
                return None
            key = LineKey(Sku(sku), Lot(lot))
            line, _, digits = name.removeprefix(COUNTS).partition("/")
            if line == line_name(key) and digits in _ROUNDS:
                return Count(key, _ROUNDS[digits], counted, delta, by, at_ms)
        case _:
            pass
    return None


def _read_final(document: Document) -> Finalised | None:
    match field_value(document, f"{DECIDED}{Stage.FINALISED}"):
        case {"at": int(at_ms), "by": str(by), **others}:
            reason = others.get("reason")
            return Finalised(by, at_ms, reason if isinstance(reason, str) else None)
        case _:
            return None


def _read_line(
    document: Document, key: LineKey, counts: Mapping[int, Count], final: Finalised | None
) -> Line:
    ordered = tuple(counts[number] for number in sorted(counts))
    name, standing = line_name(key), ordered[-1]
    asked = field_value(document, f"{RECOUNTS}{name}")
    verified_by = None
    match field_value(document, f"{VERIFIED}{name}"):
        # Of another count than the one that stands it says nothing.
        case {"by": str(by), "round": standing.round, "delta": standing.delta} if by != standing.by:
            verified_by = by
        case _ if final is not None and final.by != standing.by:
            verified_by = final.by
        case _:
            pass
    reason = field_value(document, f"{REASONS}{name}")
    if not isinstance(reason, str):
        reason = final.reason if final is not None and standing.delta else None
    return Line(
        ordered,
        asked if type(asked) is int and 1 <= asked <= COUNT_ROUNDS_MAX else 1,
        verified_by,
        reason,
    )
