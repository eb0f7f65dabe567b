"""The list of exceptions: a row for each that ever was.

Invariant: `resolved` of a row is what the document of its id says of its version, from the transaction on that writes either
of them here. A row is found again by what it was read from, so whoever reads that once more ends what is no longer found.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from node.replica import documents
from node.replica.cursors import read_position, write_cursor
from protocol.codec import pack, unpack, with_sorted_keys
from protocol.declarations.reading import entries_of
from protocol.declarations.resolutions import RESOLUTIONS
from protocol.findings.finding import Code, Finding
from protocol.limits import INT_MAX, LIST_LIMIT_DEFAULT
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "listed.sql")
SAID, OVER = RESOLUTIONS.entries
EXAMINED_MAX: Final = 5_000
"""Rows that are looked at for one page, however few of them are asked for: about ten milliseconds."""


class Listed(NamedTuple):
    """An exception as it is listed. Times are UTC milliseconds; "" is where there is none of something."""

    position: int
    id: str
    source: str
    code: Code
    matter: str
    location: str
    other_location: str
    sku: str
    lot: str
    collection: str
    document: str
    operation: str
    facts: Mapping[str, object]
    version: str
    since_ms: int
    ended_ms: int | None
    resolved: bool


@dataclass(frozen=True, slots=True)
class ExceptionQuery:
    """What to list; None does not restrict."""

    state: str | None = None
    """`open`, `resolved` or `mended`."""
    code: Code | None = None
    location: str | None = None
    """Either end of what is about two."""
    sku: str | None = None
    limit: int = LIST_LIMIT_DEFAULT
    cursor: str | None = None


class Noticed(NamedTuple):
    """All that there is to find in one source."""

    source: str
    findings: tuple[Finding, ...]


def differs(db: sqlite3.Connection, noticed: Noticed) -> bool:
    """Whether the list says something else of a source than what there is to find."""
    held = {row.id: row for row in _of_source(db, noticed.source) if row.ended_ms is None}
    found = {one.id: one.version for one in noticed.findings}
    return found != {id_: row.version for id_, row in held.items()}


class Saved(NamedTuple):
    """What became of the list."""

    changed: list[str]
    """The ids of what looks otherwise now."""
    over: list[Listed]
    """What was resolved and has ended, as it was."""


def save(db: sqlite3.Connection, noticed: Iterable[Noticed], now_ms: int) -> Saved:
    """List what was found and end what was not. Once more changes nothing."""
    changed: list[str] = []
    over: list[Listed] = []
    for source, findings in noticed:
        held = {row.id: row for row in _of_source(db, source)}
        changed += [one.id for one in findings if _put(db, one, held.pop(one.id, None), now_ms)]
        for row in held.values():
            if row.ended_ms is None:
                db.execute(_SQL["end"], {"id": row.id, "now": now_ms})
                changed.append(row.id)
                over += [row] if row.resolved else []
    return Saved(changed, over)


def one(db: sqlite3.Connection, id_: str) -> Listed | None:
    """One exception."""
    row = db.execute(_SQL["one"], {"id": id_}).fetchone()
    return None if row is None else _listed(row)


def page(db: sqlite3.Connection, query: ExceptionQuery) -> tuple[list[Listed], str | None]:
    """Exceptions, noticed last first, and the cursor of the next page, which there may be behind a short one.

    Raises:
        Refusal: `validation_failed` for a cursor that no list gave.
    """
    here = {
        "before": INT_MAX if query.cursor is None else read_position(query.cursor),
        "examined": max(EXAMINED_MAX, query.limit),
    }
    asked = {
        **here,
        "state": query.state,
        "code": None if query.code is None else query.code.value,
        "location": query.location,
        "sku": query.sku,
        "limit": query.limit,
    }
    of_open = "_open" * (query.state == "open")
    found = [_listed(row) for row in db.execute(_SQL[f"newest{of_open}"], asked)]
    if len(found) == query.limit:
        return found, write_cursor([found[-1].position])
    last = db.execute(_SQL[f"examined{of_open}"], here).fetchone()
    return found, None if last is None else write_cursor([last["position"]])


def said_of(db: sqlite3.Connection, id_: str) -> dict[str, dict[str, Any]]:
    """What people said of an exception, by the operation that says it."""
    held = documents.one(db, RESOLUTIONS, id_)
    return {} if held is None else entries_of(SAID, held.fields)


def in_force(db: sqlite3.Connection, id_: str, version: str) -> list[str]:
    """What was said of a version of an exception since it was last mended, by operation, in order."""
    held = documents.one(db, RESOLUTIONS, id_)
    if held is None:
        return []
    over = entries_of(OVER, held.fields)
    said = entries_of(SAID, held.fields)
    return [name for name, one in said.items() if one["version"] == version and not over.get(name)]


def look_again(db: sqlite3.Connection, id_: str) -> bool:
    """Bring a row to what its document says by now; whether it looks otherwise. Nothing where there is no such row."""
    row = one(db, id_)
    if row is None:
        return False
    resolved = bool(in_force(db, id_, row.version))
    db.execute(_SQL["set_resolved"], {"id": id_, "resolved": resolved})
    return resolved != row.resolved


def end_all(db: sqlite3.Connection, family: str, now_ms: int) -> None:
    """End what was read from sources of a family; of "" all."""
    prefix = f"{family}/" if family else ""
    asked = {"first": prefix, "beyond": prefix[:-1] + "0" if prefix else "\U0010ffff"}
    db.execute(_SQL["end_all"], {**asked, "now": now_ms})


def forget_ended(db: sqlite3.Connection, before_ms: int, limit: int) -> bool:
    """Forget some of what ended before an instant; whether there may be more. What people said of it stays."""
    return db.execute(_SQL["forget_ended"], {"before": before_ms, "limit": limit}).rowcount == limit


# --- rows -------------------------------------------------------------------------------------------------------


def _put(db: sqlite3.Connection, finding: Finding, held: Listed | None, now_ms: int) -> bool:
    resolved = bool(in_force(db, finding.id, finding.version))
    values = {
        **{name: getattr(finding, name) for name in _TEXTS},
        "id": finding.id,
        "code": finding.code.value,
        "facts": pack(with_sorted_keys(finding.facts)),
        "version": finding.version,
        "resolved": resolved,
        "now": now_ms,
    }
    if held is None:
        db.execute(_SQL["add"], values)
        return True
    if held.ended_ms is None and (held.version, held.resolved) == (finding.version, resolved):
        return False
    # With other facts it is new to whoever reads the list from its top.
    same = held.ended_ms is None and held.version == finding.version
    since_ms = now_ms if held.ended_ms is not None else held.since_ms
    db.execute(_SQL["change"], {**values, "since": since_ms, "stays": same})
    return True


_TEXTS: Final = (
    *("source", "matter", "location", "other_location", "sku", "lot"),
    *("collection", "document", "operation"),
)


def _of_source(db: sqlite3.Connection, source: str) -> Sequence[Listed]:
    return [_listed(row) for row in db.execute(_SQL["of_source"], {"source": source})]


def _listed(row: sqlite3.Row) -> Listed:
    values = dict(zip(Listed._fields, row, strict=True))
    facts = unpack(row["facts"])
    return Listed(
        **{
            **values,
            "code": Code(row["code"]),
            "facts": facts,
            "resolved": bool(row["resolved"]),
        }
    )
