"""Saying in a stocktake which movements of before its counts came after them.

Invariants:
- The node that took a count says so, once its stocktake was finalised: until then nothing was corrected by it, and every
  place in the document is needed for counting. Of a cancelled one nothing is said.
- What is said and what is still to be said change in one transaction.
- Of a line that another node of the shop counted too, in the same round, only whose count stands says something.
"""

import sqlite3
from collections import defaultdict
from hashlib import blake2b
from typing import Final

import structlog

from node.commands import recording
from node.commands.movements import Here
from node.commands.requests import Refusal
from node.commands.stocktakes import places_of
from node.replica import late
from node.replica.late import Missing
from protocol.declarations.paperwork import STOCKTAKES
from protocol.ids import OpId
from protocol.workflows import late_movements
from protocol.workflows.count_sheet import Sheet, Stage, read
from protocol.workflows.late_movements import Late
from protocol.workflows.progress import LineKey
from protocol.workflows.steps import EDIT, FieldWrite, Party, Step

ACTION: Final = "late_movements"
PIECE_MOVEMENTS: Final = 500
PIECE_STOCKTAKES: Final = 50
_NO_ACT: Final = OpId(bytes(16))
_log = structlog.get_logger(__name__)


def note_counts(db: sqlite3.Connection, here: Here, stocktake: str) -> None:
    """Keep what was inside the stock that the counts of this very moment were compared with."""
    seen = recording.see(db, STOCKTAKES, stocktake, _NO_ACT)
    place = places_of(seen)[Party.OWNER]
    for line in read(seen.document).lines.values():
        if line.standing.at_ms == here.now_ms:
            late.note_count(db, place, stocktake, line.standing, here.clock_offset_ms)


def due(db: sqlite3.Connection, after: str) -> list[str]:
    """Some stocktakes whose counts miss something, by id; [] after the last."""
    return late.stocktakes(db, after, PIECE_STOCKTAKES)


def can_say(db: sqlite3.Connection, stocktake: str) -> bool:
    """Whether something is to be done about a stocktake now."""
    return _stage(db, stocktake) in (Stage.FINALISED, Stage.CANCELLED)


def say(db: sqlite3.Connection, here: Here, stocktake: str) -> None:
    """Record what a finalised stocktake's counts did not know of, some of it. Durable with the transaction."""
    missing = late.missing(db, stocktake, PIECE_MOVEMENTS)
    if _stage(db, stocktake) == Stage.FINALISED and missing:
        seen = recording.see(db, STOCKTAKES, stocktake, _NO_ACT)
        sheet, who = read(seen.document), here.certificate.name
        if writes := tuple(_writes(sheet, missing, who)):
            ids = b"".join(sorted(one.op_id for one in missing))
            named = blake2b(ids, digest_size=16).hexdigest()
            place = places_of(seen)[Party.OWNER]
            step = Step(EDIT, place, writes=writes, name=("late", named))
            recording.append(db, here, who, seen, [step], ACTION)
    late.forget(db, stocktake, missing)


def give_up(db: sqlite3.Connection, stocktake: str, refusal: Refusal) -> None:
    """Forget what cannot be said: the document is as large as it can be, or the location is another node's by now."""
    _log.error("a stocktake takes no late movements", stocktake=stocktake, reason=str(refusal))
    late.forget(db, stocktake, late.missing(db, stocktake, PIECE_MOVEMENTS))


def _stage(db: sqlite3.Connection, stocktake: str) -> str | None:
    try:
        seen = recording.see(db, STOCKTAKES, stocktake, _NO_ACT)
    except Refusal:
        return Stage.CANCELLED  # it is gone
    return read(seen.document).progress.stage


def _writes(sheet: Sheet, missing: list[Missing], who: str) -> list[FieldWrite]:
    """What is said of the counts that stand and that `who` took; nothing is corrected by any other."""
    by_line: dict[tuple[LineKey, int], list[Missing]] = defaultdict(list)
    for one in missing:
        by_line[one.key, one.round].append(one)
    return [
        late_movements.mark(
            line.standing,
            min(one.op_id for one in found).hex(),
            Late(sum(one.delta for one in found), len(found)),
        )
        for (key, round_), found in sorted(by_line.items())
        if (line := sheet.lines.get(key)) is not None
        and line.standing.round == round_
        and line.standing.by.endswith(f"@{who}")
    ]
