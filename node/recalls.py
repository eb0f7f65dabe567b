"""Recalls of lots at one node: calling back, answering, and tracing what became of a lot; each one transaction.

Invariant: a trace is of one snapshot. Who has not answered is whoever has, or had, the lot and has said nothing since the
recall that stands; while none stands nobody owes an answer.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from node.commands import lots as commands
from node.commands.answering import id_to_text, movement_json, time_to_text
from node.commands.documents import Written
from node.commands.lots import Acknowledgement
from node.commands.movements import Here
from node.commands.requests import Caller
from node.local import Local
from node.replica import documents, tracing
from node.replica.kept import locations
from node.replica.tracing import Holder, Taken
from protocol.declarations.catalogue import LOTS
from protocol.declarations.naming import id_of
from protocol.declarations.reading import entries_of, shown_value
from protocol.ids import Lot, Sku
from protocol.limits import LIST_LIMIT_DEFAULT
from runtime.store import Store

Write = Callable[[Callable[[sqlite3.Connection], Written]], Awaitable[Written]]
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """Which lot to trace, and which page of its sales."""

    sku: Sku
    lot: Lot
    limit: int = LIST_LIMIT_DEFAULT
    cursor: str | None = None


class Recalls:
    """Those of one node. `write` runs a transaction and wakes the uplink, `here` is what recording needs to know, `local`
    says whose movements are kept here."""

    def __init__(self, store: Store, write: Write, here: Callable[[], Here], local: Local) -> None:
        self._store = store
        self._local = local
        self._write = write
        self._here = here

    async def recall(self, caller: Caller, sku: Sku, lot: Lot, reason: str, key: str) -> Written:
        """Call a lot back; see `commands.lots.recall`. Durable on return."""
        return await self._write(
            lambda db: commands.recall(db, self._here(), caller, sku, lot, reason, key)
        )

    async def acknowledge(
        self, caller: Caller, sku: Sku, lot: Lot, given: Acknowledgement, key: str
    ) -> Written:
        """Answer a recall; see `commands.lots.acknowledge`. Durable on return."""
        return await self._write(
            lambda db: commands.acknowledge(db, self._here(), caller, sku, lot, given, key)
        )

    async def trace(self, query: TraceQuery) -> Json | None:
        """Where a lot is and who got it, as REST shows it; None for one that nobody described or ever counted.

        Raises:
            Refusal: `validation_failed` for a foreign cursor.
        """
        certificate, kept = self._local.identity.certificate, self._local.kept

        def read(db: sqlite3.Connection) -> Json | None:
            return _trace(db, query, locations(db, certificate, kept))

        return await self._store.read(read)


def _trace(db: sqlite3.Connection, query: TraceQuery, movements_of: list[str]) -> Json | None:
    sku, lot = query.sku, query.lot
    held = documents.one(db, LOTS, id_of([sku, lot]))
    holders = {one.location: one for one in tracing.holders(db, sku, lot)}
    if held is None and not holders:
        return None
    recalled_ms = tracing.recalled_ms(db, sku, lot)
    fields = {} if held is None else held.fields
    answers = answers_of(fields, recalled_ms)
    for location in answers:
        holders.setdefault(location, Holder(location, 0, 0, 0))
    taken, following = tracing.taken(db, sku, lot, query.limit, query.cursor)
    return {
        "sku": sku,
        "code": lot,
        **{name: shown_value(LOTS, name, fields) for name in ("status", "expiry", "note")},
        "recalled_at": None if recalled_ms is None else time_to_text(recalled_ms),
        "locations": [
            {**holders[location]._asdict(), "acknowledged": answers.get(location)}
            for location in sorted(holders)
        ],
        "unacknowledged": []
        if recalled_ms is None
        else sorted(location for location in holders if location not in answers),
        "movements_of": movements_of,
        "items": [_taken_json(one, sku, lot) for one in taken],
        "next": following,
    }


def answers_of(fields: Mapping[str, object], recalled_ms: int | None) -> dict[str, Json]:
    """What locations answered to the recall that stands, by location: `by`, `at`, `set_aside`."""
    if recalled_ms is None:
        return {}
    (declared,) = (one for one in LOTS.entries if one.of_locations)
    return {
        location: {
            "by": said["by"],
            "at": time_to_text(said["at"]),
            "set_aside": said["set_aside"],
        }
        for location, said in entries_of(declared, fields).items()
        # The hub moves a stamp that is ahead of its clock back, so an answer may name a later instant than what stands.
        if said["recall"] >= recalled_ms
    }


def _taken_json(taken: Taken, sku: Sku, lot: Lot) -> Json:
    shown = movement_json(taken.movement)
    lines: list[Json] = shown.pop("lines")  # type: ignore[assignment] # of a movement there is a list
    mine = [line for line in lines if (line["sku"], line["lot"]) == (sku, lot)]
    reversed_by = None if taken.reversed_by is None else id_to_text(taken.reversed_by)
    return {**shown, "lines": mine, "reversed_by": reversed_by}
