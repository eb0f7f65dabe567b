"""What happened at the hub to own operations that it cannot take, or has lost for good: it is kept, and said.

Invariant: what was set aside is no longer shown, from the transaction on that keeps why; it stays in the log, like every
operation.
"""

import sqlite3
from collections.abc import Sequence
from functools import partial

import structlog

from node.replica import identity, incidents, log, view
from node.replica.incidents import IncidentCode
from protocol.frames.log import StatusEntry
from runtime.store import Store
from runtime.world import World

_log = structlog.get_logger(__name__)


async def set_aside(store: Store, world: World, entries: Sequence[StatusEntry]) -> None:
    """The hub could not take these operations. Durable on return.

    Raises:
        StoreError: nothing was kept; the hub says it again.
    """

    def take_out(db: sqlite3.Connection) -> None:
        log.quarantine(db, entries, world.now_ms())
        for entry in entries:
            view.forget_quarantined(db, entry.seq)
            identity.save_status_seen(db, entry.seq)

    await store.write(take_out, background=True)
    for entry in entries:
        _log.warning(
            "the hub could not take an operation",
            seq=entry.seq,
            code=entry.code,
            detail=entry.detail,
        )


async def note_gap(store: Store, world: World, detail: str) -> None:
    """The hub was put back to before what was cut off this log. Durable on return.

    Raises:
        StoreError: it was not kept.
    """
    _log.error("the hub lost operations that were cut off this log", reason=detail)
    note = partial(
        incidents.note, code=IncidentCode.HISTORY_GAP, detail=detail, now_ms=world.now_ms()
    )
    await store.write(note, background=True)
