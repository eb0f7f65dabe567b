"""What live streams read: changes with the rows as they are now, and snapshots page by page.

Invariant: plain functions of an open transaction, each bounded, so that however much a reader has missed, no other
query waits for it. A row looks exactly as REST shows it at that moment.
"""

import sqlite3
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from node import showing
from node.alerting import state as alerts
from node.alerting import telling
from node.alerting.state import Alert, AlertQuery
from node.commands.answering import movement_json
from node.commands.depicting import document_json
from node.exceptions import listed as exceptions
from node.exceptions.telling import exception_json
from node.exceptions.telling import scopes_of as exception_scopes
from node.live.events import Event, EventName, Since, json_of
from node.replica import changes, documents, identity, log, movements, stock
from node.replica.changes import Changed
from node.replica.stock import StockQuery, StockRow
from protocol.codec import unpack
from protocol.declarations import COLLECTIONS, PEOPLE
from protocol.declarations.catalogue import LOTS
from protocol.declarations.naming import codes_of, shown_as
from protocol.documents import fields_from_wire
from protocol.effects import CounterEffect, DocumentKey, FieldEffect, effects_from_wire
from protocol.ids import OpId, Scope, Seq, stock_scope
from protocol.letters import COLLECTION as LETTERS
from protocol.movements import MOVE_PREFIX
from protocol.operation import decode
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "reading.sql")
_UNTOLD: Final = frozenset({*PEOPLE, LETTERS})
_Key = tuple[str, ...]
"""Of an event: ("stock", location, sku), ("document", collection, id), ("movement", id), ("alert", id), ("exception", id) or
("scope", scope)."""
_WasIn = tuple[Scope, ...]

PIECE_CHANGES: Final = 250
PIECE_ROWS: Final = 1_000
"""Rows after which a piece of changes ends, also if they are the same few: a movement that names a row a thousand times
has as many lines to show. The last change may bring it to twice as many."""
PAGE_ROWS: Final = 500


class Opening(NamedTuple):
    """Where the sequence of changes stands for a reader that comes."""

    life: bytes
    head: int
    resync: str | None
    """Why it cannot go on from where it was; None when it can."""


class Piece(NamedTuple):
    """Some of what changed: one event for each row, in order of its last change."""

    life: bytes
    upto: int
    head: int
    """The newest change; beyond `upto` there is more to read."""
    events: list[Event]
    gap: bool
    """Changes after the asked one are no longer kept, and nothing was read."""


class Place(NamedTuple):
    """Where a snapshot goes on: at a section, after a cursor."""

    section: int = 0
    cursor: str | None = None
    document: DocumentKey = DocumentKey("", "")


class Page(NamedTuple):
    """Some rows of a snapshot; their events have number 0."""

    life: bytes
    head: int
    events: list[Event]
    following: Place | None


def opening(db: sqlite3.Connection, since: Since | None) -> Opening:
    """Whether a reader can resume; without `since` it wants nothing that was."""
    life, (oldest, head) = _life(db), changes.bounds(db)
    if since is None:
        return Opening(life, head, None)
    if since.n == 0:
        return Opening(life, head, "requested")
    if since.life != life:
        return Opening(life, head, "other_life")
    if since.n > head:
        return Opening(life, head, "beyond_head")
    return Opening(life, head, "too_old" if since.n < oldest else None)


def read_changes(db: sqlite3.Connection, after: int, now_ms: int) -> Piece:
    """What changed after number `after`, up to about `PIECE_ROWS` times that a row is named, as it looks at `now_ms`."""
    life, (oldest, head) = _life(db), changes.bounds(db)
    if after < oldest:
        return Piece(life, after, head, [], gap=True)
    last: dict[_Key, tuple[int, _WasIn]] = {}
    upto, named = after, 0
    for change in changes.after(db, after, PIECE_CHANGES):
        for key, was_in in _told_of(db, change.what):
            last.pop(key, None)  # so that the order is that of the last changes
            last[key] = (change.n, was_in)
            named += 1
        upto = change.n
        if named >= PIECE_ROWS:
            break
    events = [_event(db, key, n, was_in, now_ms) for key, (n, was_in) in last.items()]
    return Piece(life, upto, head, events, gap=False)


def read_page(
    db: sqlite3.Connection, scopes: Collection[Scope] | None, place: Place, now_ms: int
) -> Page:
    """A page of the snapshot of `scopes`, None being everything shown: stock by location, documents, open alerts."""
    life, (_, head) = _life(db), changes.bounds(db)
    sections = _sections(scopes)
    if place.section < len(sections):
        query = StockQuery(location=sections[place.section], limit=PAGE_ROWS, cursor=place.cursor)
        rows, cursor = stock.page(db, query, now_ms)
        events = [_stock_event(row, 0) for row in rows]
        following = (
            Place(place.section + 1) if cursor is None else Place(place.section, cursor=cursor)
        )
        return Page(life, head, events, following)
    if place.section > len(sections):
        return _page_of_alerts(db, scopes, place, Page(life, head, [], None))
    asked = {**place.document._asdict(), "limit": PAGE_ROWS}
    found = db.execute(_SQL["documents_after"], asked).fetchall()
    keys = [DocumentKey(row["collection"], row["id"]) for row in found]
    shown = [
        _document_event(db, key, row, 0)
        for key, row in zip(keys, found, strict=True)
        if shown_as(COLLECTIONS, key) == key and key.collection not in _UNTOLD
    ]
    is_last = len(found) < PAGE_ROWS
    beyond = Place(place.section + 1) if is_last else Place(place.section, document=keys[-1])
    return Page(life, head, _for(scopes, shown), beyond)


def _page_of_alerts(
    db: sqlite3.Connection, scopes: Collection[Scope] | None, place: Place, page: Page
) -> Page:
    query = AlertQuery(is_open=True, limit=PAGE_ROWS, cursor=place.cursor)
    raised, cursor = alerts.page(db, query)
    events = _for(scopes, [_alert_event(alert, 0) for alert in raised])
    beyond = None if cursor is None else Place(place.section, cursor=cursor)
    return page._replace(events=events, following=beyond)


def _for(scopes: Collection[Scope] | None, events: list[Event]) -> list[Event]:
    return [one for one in events if scopes is None or set(scopes) & set(one.scopes or ())]


def _life(db: sqlite3.Connection) -> bytes:
    return changes.life_of(identity.read_position(db).replica)


def _sections(scopes: Collection[Scope] | None) -> list[str | None]:
    if scopes is None:
        return [None]
    families = (scope.partition(":") for scope in sorted(scopes))
    return [location for family, _, location in families if family == "stock"]


def _told_of(db: sqlite3.Connection, what: Seq | Changed) -> Iterator[tuple[_Key, _WasIn]]:
    """The same without people and their mail: what is shown of it is asked for, with the right to it, and never told."""
    for key, was_in in _keys(db, what):
        if key[0] != "document" or key[1] not in _UNTOLD:
            yield key, was_in


def _keys(db: sqlite3.Connection, what: Seq | Changed) -> Iterator[tuple[_Key, _WasIn]]:
    """What a change is about, and for a document that went who was shown it. A movement comes after what it did."""
    if isinstance(what, Changed):
        for location, sku in what.stock:
            yield ("stock", location, sku), ()
        for document in what.documents:
            yield ("document", *shown_as(COLLECTIONS, document)), ()
            yield from _goods_of(db, document)
        for gone in what.gone_documents:
            yield ("document", *shown_as(COLLECTIONS, gone.key)), gone.scopes
        yield from ((("alert", alert.hex()), ()) for alert in what.alerts)
        yield from ((("exception", id_), ()) for id_ in what.exceptions)
        for scope in what.gone_scopes:
            yield ("scope", scope), ()
        return
    body = log.body_at(db, what)
    assert body is not None, "retention forgets a change before its operation is cut off the log"
    operation = decode(body)
    for effect in operation.effects:
        if isinstance(effect, CounterEffect):
            yield ("stock", effect.location, effect.sku), ()
        else:
            yield ("document", *shown_as(COLLECTIONS, effect.key)), ()
            yield from _goods_of(db, effect.key)
    if operation.kind.startswith(MOVE_PREFIX):
        yield ("movement", operation.op_id.hex()), ()


def _goods_of(db: sqlite3.Connection, document: DocumentKey) -> Iterator[tuple[_Key, _WasIn]]:
    """The stock that looks otherwise when a lot does: what may not be sold is not available."""
    if document.collection != LOTS.name:
        return
    codes = codes_of(LOTS, document.id)
    if codes.keys() == set(
        LOTS.identity
    ):  # an id of another form, which no node of ours makes, names no lot
        for (location,) in db.execute(_SQL["shelves_of_lot"], codes):
            yield ("stock", location, codes["sku"]), ()


def _event(db: sqlite3.Connection, key: _Key, n: int, was_in: _WasIn, now_ms: int) -> Event:
    match key:
        case ("stock", location, sku):
            return _stock_or_removed(db, location, sku, n, now_ms)
        case ("movement", id_):
            return _movement_event(db, OpId(bytes.fromhex(id_)), n)
        case ("alert", id_):
            alert = alerts.one(db, bytes.fromhex(id_))
            assert alert is not None, "an alert that was raised once is kept"
            return _alert_event(alert, n)
        case ("exception", id_):
            return _exception_event(db, id_, n)
        case ("document", collection, id_):
            return _document_or_removed(db, DocumentKey(collection, id_), was_in, n)
        case _:
            scope = Scope(key[1])
            return Event(n, key, EventName.REMOVED, json_of({"scope": scope}), (scope,))


def _stock_or_removed(
    db: sqlite3.Connection, location: str, sku: str, n: int, now_ms: int
) -> Event:
    row = stock.totals(db, location, sku, now_ms)
    # Zeros are what a row may well hold, and what a row that is not there would show.
    if any(row[2:7]) or stock.is_touched(db, location, sku):
        return _stock_event(row, n)
    data = json_of({"location": location, "sku": sku})
    return Event(n, _stock_key(location, sku), EventName.REMOVED, data, (stock_scope(location),))


def _stock_event(row: StockRow, n: int) -> Event:
    data = json_of(showing.stock_json(row))
    scope = stock_scope(row.location)
    return Event(n, _stock_key(row.location, row.sku), EventName.STOCK, data, (scope,))


def _stock_key(location: str, sku: str) -> _Key:
    return ("stock", location, sku)


def _movement_event(db: sqlite3.Connection, id_: OpId, n: int) -> Event:
    found = movements.one(db, id_)
    assert found is not None, "listed in the transaction that numbered it"
    shown = movement_json(found)
    # Movements of a shop are its own business, as its documents are; stock alone is shown to the neighbours.
    scopes = () if shown["location"] is None else (Scope(f"docs:{shown['location']}"),)
    return Event(n, ("movement", id_.hex()), EventName.MOVEMENT, json_of(shown), scopes)


def _alert_event(alert: Alert, n: int) -> Event:
    data = json_of(telling.alert_json(alert))
    return Event(n, ("alert", alert.id.hex()), EventName.ALERT, data, (telling.scope_of(alert),))


def _exception_event(db: sqlite3.Connection, id_: str, n: int) -> Event:
    row, key = exceptions.one(db, id_), ("exception", id_)
    if row is None:  # it ended so long ago that it is forgotten
        return Event(n, key, EventName.REMOVED, json_of({"exception": id_}), ())
    data = json_of(exception_json(db, row))
    return Event(n, key, EventName.EXCEPTION, data, exception_scopes(row))


def _document_or_removed(db: sqlite3.Connection, key: DocumentKey, was_in: _WasIn, n: int) -> Event:
    row = db.execute(_SQL["document"], key._asdict()).fetchone()
    if row is not None:
        return _document_event(db, key, row, n)
    return Event(n, ("document", *key), EventName.REMOVED, json_of(key._asdict()), was_in)


def _document_event(db: sqlite3.Connection, key: DocumentKey, row: sqlite3.Row, n: int) -> Event:
    data = json_of({**key._asdict(), "fields": _fields(db, key, row)})
    scopes = {Scope(name) for name in unpack(row["scopes"])}  # type: ignore[attr-defined]
    for edit in db.execute(_SQL["edits"], key._asdict()):
        effects = effects_from_wire(unpack(edit["effects"]))
        scopes.update(*(one.scopes for one in effects if isinstance(one, FieldEffect)))
    return Event(n, ("document", *key), EventName.DOCUMENT, data, tuple(scopes))


def _fields(db: sqlite3.Connection, key: DocumentKey, row: sqlite3.Row) -> dict[str, object]:
    """A document as REST shows it, without what is the office's alone: a stream has readers of every kind."""
    declared = COLLECTIONS.get(key.collection)
    held = None if declared is None else documents.one(db, declared, key.id)
    if declared is not None and held is not None:
        return document_json(declared, held, for_office=False)
    return {name: state.value for name, state in fields_from_wire(unpack(row["shown"])).items()}
