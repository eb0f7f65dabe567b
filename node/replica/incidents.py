"""What happened to this node that a person should know of, beside what its operations say.

Codes, which are never renamed:

    history_gap      the hub lost operations that were cut off this log; all of them are sent again
    digest_mismatch  a scope's rows were not those of the hub
    scope_mended     the rows that differed were fetched again, and both sides agree
    scope_read_again that did not help or was too much: the whole scope is read from its beginning
    history_differs  the hub signed two histories that cannot both be true; the note of it in the log has the proof

Invariant: the newest INCIDENTS_KEPT of each code stay, so that what comes again and again drives out nothing else.
"""

import sqlite3
from enum import StrEnum
from typing import Final, NamedTuple

from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "incidents.sql")
INCIDENTS_KEPT: Final = 100


class IncidentCode(StrEnum):
    """See the module."""

    HISTORY_GAP = "history_gap"
    DIGEST_MISMATCH = "digest_mismatch"
    SCOPE_MENDED = "scope_mended"
    SCOPE_READ_AGAIN = "scope_read_again"
    HISTORY_DIFFERS = "history_differs"


class Incident(NamedTuple):
    """One of them."""

    code: str
    detail: str
    """One sentence for a person."""
    happened_at_ms: int


def note(db: sqlite3.Connection, code: IncidentCode, detail: str, now_ms: int) -> None:
    """Remember one, and forget the oldest of its code if there are too many."""
    db.execute(_SQL["add"], {"code": code.value, "detail": detail, "now": now_ms})
    db.execute(_SQL["forget"], {"code": code.value, "kept": INCIDENTS_KEPT})


def is_noted(db: sqlite3.Connection, code: IncidentCode, detail: str) -> bool:
    """Whether exactly this is remembered."""
    asked = {"code": code.value, "detail": detail}
    return db.execute(_SQL["is_noted"], asked).fetchone() is not None


def newest(db: sqlite3.Connection, limit: int) -> list[Incident]:
    """The last ones of each code, at most `limit` of each; newest first."""
    return [Incident(*row) for row in db.execute(_SQL["newest"], {"limit": limit})]
