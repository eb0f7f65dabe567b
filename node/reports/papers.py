"""Reading every document of a kind for a report, in pieces.

Rule: a report over documents is a function of what they show, so it needs no tables of its own; what it reads is bounded by
`REPORT_PAPERS_MAX`, and a report that stopped there says so.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import islice

from node import showing
from node.replica import documents, identity, scopes
from node.replica.documents import DocumentQuery, Held
from node.reports.frame import Moment, Note, note_of
from protocol.declarations.catalogue import LOCATIONS
from protocol.declarations.vocabulary import ARCHIVED, Collection
from protocol.ids import Scope
from protocol.limits import LIST_LIMIT_MAX, REPORT_PAPERS_MAX


def read(
    db: sqlite3.Connection, collection: Collection, matching: Mapping[str, object]
) -> Iterator[Held]:
    """The documents that show these values, by id, archived or not, at most one more than `REPORT_PAPERS_MAX`."""
    return islice(_all(db, collection, matching), REPORT_PAPERS_MAX + 1)


def unread_notes(db: sqlite3.Connection, moment: Moment, location: str | None) -> tuple[Note, ...]:
    """Of which locations this node reads no papers: of the one that was asked for, or of all that are described."""
    described = (one.id for one in read(db, LOCATIONS, {}) if one.fields.get(ARCHIVED) is not True)
    asked = sorted(described) if location is None else [location]
    held, who = scopes.held(db), moment.certificate
    knows_all = showing.is_caught_up(db, identity.read_position(db))
    unread = []
    for code in asked:
        scope = Scope(f"docs:{code}")
        # What it may read and the hub has nothing of is read, once it has caught up.
        is_empty = knows_all and who.reads_scope(scope)
        if scope not in held and code not in who.writes and not is_empty:
            unread.append(code)
    if not unread:
        return ()
    told = "This node does not read the papers of these locations: of theirs, only what another location is part of is here."
    return (note_of("papers_not_read", told, unread),)


def cut_note(collection: Collection) -> Note:
    """That there are more than are read."""
    told = f"Only the first {REPORT_PAPERS_MAX} {collection.name} were looked at: ask for one location."
    return Note("documents_cut", told)


def _all(
    db: sqlite3.Connection, collection: Collection, matching: Mapping[str, object]
) -> Iterator[Held]:
    cursor: str | None = None
    while True:
        query = DocumentQuery(collection, matching, limit=LIST_LIMIT_MAX, cursor=cursor)
        page = documents.page(db, query)
        yield from page.items
        if (cursor := page.following) is None:
            return
