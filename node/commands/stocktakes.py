"""What people do with a stocktake: count its lines while the shop trades, look at the differences, correct them once.

Invariants:
- A count is frozen in the transaction that takes it, against what this node shows on hand then; what is sold between the
  scan and the end changes nothing of it, and nothing waits for it.
- A difference is corrected once: a line that was corrected by another count since it was counted here is counted again
  before the end. What only another node has recorded, and this one does not list, is not known here.
- Who counts may be a till: it starts, counts and submits. Whoever reviews is an operator: a recount, standing for a count,
  a reason, the end.
- Who counted is known by the name of their token and of the node that gave it out (`till-1@S01`): every shop has its own
  `operator`, and only who did not count may stand for a count above the limit of its location (see `count_limits`).
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from node.commands import variance
from node.commands.acting import Asked, parties_of, perform
from node.commands.count_limits import limits_of
from node.commands.documents import Written
from node.commands.movements import Here
from node.commands.recording import Seen
from node.commands.requests import Caller, Refusal, Said
from node.commands.scanned_lines import worked_out
from node.replica import documents, movements, stock
from node.replica.movements import MovementQuery
from protocol.declarations.catalogue import SKUS
from protocol.declarations.paperwork import STOCKTAKES
from protocol.declarations.reading import shown_value
from protocol.declarations.vocabulary import ARCHIVED, STAGE
from protocol.ids import Location, Sku
from protocol.movements import MoveKind
from protocol.workflows import stocktakes
from protocol.workflows.bookkeeping import Places
from protocol.workflows.count_sheet import Stage, read
from protocol.workflows.progress import LineKey
from protocol.workflows.steps import Party, Step
from protocol.workflows.stocktakes import Act, Limits, Verb

CORRECTED_SINCE: Final = "corrected_since"
"""The name of that fault."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to do with a stocktake."""

    verb: Verb
    line: LineKey | None = None
    """Which line, where the verb is about one."""
    counted: int | None = 0
    """Of `count`: what is on the shelf, in base units; None where only `said` says how many."""
    reason: str | None = None
    """Of `explain`: why the line differs; of `finalise`: for lines without a reason of their own."""
    said: Said | None = None
    """Of `count`: what was scanned, or how many packs; then the line has neither SKU nor lot of the code yet."""

    def plain(self) -> list[object]:
        """For comparing a repeat with the first request."""
        line = None if self.line is None else [self.line.sku, self.line.planned]
        # Nothing for a line in base units, as it was before a count could say anything else.
        said = [] if self.said is None else [self.said.barcode, self.said.pack, self.said.packs]
        return [line, self.counted, self.reason, *said]


def act(
    db: sqlite3.Connection, here: Here, caller: Caller, id_: str, wish: Wish, key: str
) -> Written:
    """Do it, or answer again what was answered to this key. Durable with the transaction.

    The answer is the stocktake as it is shown afterwards; after a count also `line`, as whoever counted is shown it.

    Raises:
        Refusal: see `acting.perform`; also `conflict` for an archived one that was never begun, `validation_failed` for a
            SKU of another category than the one that is counted.
    """
    asked = Asked(STOCKTAKES, id_, wish.verb, wish.plain())

    meant = wish

    def decide(seen: Seen) -> Iterable[Step]:
        nonlocal meant
        places = places_of(seen)
        _check_begins(seen)
        meant = _in_base_units(db, here, wish)
        command = _command(db, here, caller, seen, meant)
        limits = _limits(db, seen, wish)
        parties = parties_of(here, caller, places)
        steps = stocktakes.act(seen.document, places, parties, command, limits)
        if wish.verb is Verb.FINALISE:
            _check_not_corrected_since(db, seen)
        return steps

    def line() -> dict[str, object]:
        if wish.verb is not Verb.COUNT or meant.line is None:
            return {}
        return {"line": variance.line_of(db, caller, id_, meant.line)}

    return perform(db, here, caller, asked, key, decide, line)


def places_of(seen: Seen) -> Places:
    """Which location it is of."""
    return {Party.OWNER: Location(str(seen.values["location"]))}


def _in_base_units(db: sqlite3.Connection, here: Here, wish: Wish) -> Wish:
    if wish.said is None or wish.line is None:
        return wish
    line, counted = worked_out(db, (), wish.line, wish.counted, wish.said, here.now_ms)
    return replace(wish, line=line, counted=counted, said=None)


def _command(db: sqlite3.Connection, here: Here, caller: Caller, seen: Seen, wish: Wish) -> Act:
    shown = 0
    if wish.verb is Verb.COUNT and wish.line is not None:
        _check_category(db, seen, wish.line.sku)
        location = places_of(seen)[Party.OWNER]
        shown = stock.shelf(db, location, wish.line.sku, wish.line.planned).in_lot
    by = f"{caller.by}@{here.certificate.name}"
    assert wish.counted is not None, "worked out, if it was not said"
    return Act(wish.verb, by, here.now_ms, wish.line, wish.counted, shown, wish.reason)


def _limits(db: sqlite3.Connection, seen: Seen, wish: Wish) -> Limits:
    if wish.verb is not Verb.FINALISE:
        return Limits()
    skus = {key.sku for key in read(seen.document).lines}
    return limits_of(db, places_of(seen)[Party.OWNER], skus)


def _check_begins(seen: Seen) -> None:
    if seen.values[ARCHIVED] is True and seen.values[STAGE] == Stage.OPEN:
        raise Refusal("conflict", "this stocktake is archived; take it back before it is begun")


def _check_not_corrected_since(db: sqlite3.Connection, seen: Seen) -> None:
    location = places_of(seen)[Party.OWNER]
    for key, line in read(seen.document).lines.items():
        if line.standing.delta and not line.is_awaited:
            since = MovementQuery(
                location=location,
                sku=key.sku,
                lot=key.planned,
                kind=MoveKind.COUNT.operation_kind,
                since_ms=line.standing.at_ms + 1,
                limit=1,
            )
            # Two sheets that found the same difference would take it off twice.
            if movements.newest(db, since)[0]:
                detail = f"{key.sku} was corrected by another count since: ask for a recount of it"
                raise Refusal("conflict", detail, fault=CORRECTED_SINCE)


def _check_category(db: sqlite3.Connection, seen: Seen, sku: Sku) -> None:
    wanted = seen.values["category"]
    if wanted is None:
        return
    held = documents.one(db, SKUS, sku)
    # What nobody has described may be of any: it is counted, and somebody will describe it.
    if held is not None and shown_value(SKUS, "category", held.fields) != wanted:
        raise Refusal("validation_failed", "this SKU is not of the category that is counted")
