"""What a node looks at of itself before it serves, beside what every daemon does.

Invariants: a log whose end does not follow from what is before it is not continued, since what is recorded on top of it
could never be sent. That a row shows something else than it should is told and does not keep a shop from selling. All
of it takes milliseconds, however large the database is.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog

from node.replica import identity, verify
from protocol.errors import ProtocolError
from runtime.errors import StoreUnavailable
from runtime.store import Store
from runtime.world import World

CLOCK_BEHIND_MS: Final = 5 * 60 * 1000
"""What a clock may have been set back without being told: one that was never set goes back by years."""

_log = structlog.get_logger(__name__)


def advice(folder: Path) -> str:
    """What to do about a damaged database."""
    return (
        f"`everstock-node verify --data {folder}` lists every place; make the node anew in another folder, of a backup "
        "with `everstock-node restore` or with a code made by `everstock-hub enrol --replaces`, and keep this folder"
    )


async def check(store: Store, world: World) -> bool:
    """Look at the newest operations and at the clock; whether all is well. The store is open, nobody is served yet.

    Raises: StoreUnavailable for a log that cannot be continued.
    """
    try:
        broken = await store.read(lambda db: next(verify.head_faults(db), None))
        warnings = await store.read(lambda db: list(_warnings(db, world.now_ms())))
    except ProtocolError as error:
        raise _refusal(store.path, f"a stored operation cannot be read: {error.detail}") from error
    if broken is not None:
        raise _refusal(store.path, f"{broken.place}: {broken.detail}")
    for warning in warnings:
        _log.warning(warning)
    return not warnings


def _warnings(db: sqlite3.Connection, now_ms: int) -> Iterator[str]:
    contact_ms = identity.read_position(db).last_contact_at_ms
    if contact_ms is not None and now_ms < contact_ms - CLOCK_BEHIND_MS:
        minutes = (contact_ms - now_ms) // 60_000
        yield f"the clock is {minutes} minutes before the last contact with the hub: set it, sales carry its time"
    for fault in verify.newest_view_faults(db):
        yield f"what is shown does not add up: {fault.place} {fault.detail}"


def _refusal(database: Path, what: str) -> StoreUnavailable:
    return StoreUnavailable(f"{database} is damaged: {what}; {advice(database.parent)}")
