"""The sequence of changes of what is shown: what those who follow a node live are told from, also after they were away.

Invariant: a change is numbered in the transaction that makes it, so nothing is told that could still be undone; numbers
only grow and are never given twice within a life. A change names rows and never their values: whoever reads it shows
them as they are by then, so to read changes again, or several at once, is always right.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from protocol.codec import pack, unpack
from protocol.effects import DocumentKey
from protocol.ids import Location, ReplicaId, Scope, Seq, Sku
from protocol.limits import LIVE_HISTORY_BYTES_MAX, LIVE_HISTORY_CHANGES_MAX
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "changes.sql")
KEYS_MAX: Final = 1_000
"""Rows of one change; more become several, so that whoever reads them can stop in between."""
FORGET_ROWS: Final = 1_000
LIFE_BYTES: Final = 8

StockKey = tuple[Location, Sku]


class GoneDocument(NamedTuple):
    """A document no longer held, and who was shown it."""

    key: DocumentKey
    scopes: tuple[Scope, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """Rows that look otherwise than before, or are gone; each at most once."""

    stock: tuple[StockKey, ...] = ()
    documents: tuple[DocumentKey, ...] = ()
    gone_documents: tuple[GoneDocument, ...] = ()
    gone_scopes: tuple[Scope, ...] = ()
    alerts: tuple[bytes, ...] = ()
    """Ids of what was raised, cleared or acknowledged."""
    exceptions: tuple[str, ...] = ()
    """Ids of what was noticed, changed, mended or resolved."""


class Change(NamedTuple):
    """One numbered change: of an own operation, or of rows."""

    n: int
    what: Seq | Changed


def life_of(replica: ReplicaId) -> bytes:
    """What tells this sequence from any other: a new replica is begun exactly when another copy may go on with ours."""
    return replica[:LIFE_BYTES]


def note_operation(db: sqlite3.Connection, seq: Seq) -> None:
    """Number an own operation just recorded: its effects say what changed."""
    db.execute(_SQL["note_operation"], (seq,))


def note_stock(db: sqlite3.Connection, keys: Iterable[StockKey]) -> None:
    """Number changed rows of stock, if there are any; a key may be given twice."""
    distinct = list(dict.fromkeys(keys))
    for at in range(0, len(distinct), KEYS_MAX):
        note(db, Changed(stock=tuple(distinct[at : at + KEYS_MAX])))


def note_document(db: sqlite3.Connection, key: DocumentKey) -> None:
    """Number a changed document."""
    note(db, Changed(documents=(key,)))


def note_gone(db: sqlite3.Connection, scope: Scope, documents: Sequence[GoneDocument]) -> None:
    """Number the end of a scope, after that of the documents which went with it."""
    for at in range(0, len(documents), KEYS_MAX):
        note(db, Changed(gone_documents=tuple(documents[at : at + KEYS_MAX])))
    note(db, Changed(gone_scopes=(scope,)))


def note(db: sqlite3.Connection, changed: Changed) -> None:
    """Number one change of at most `KEYS_MAX` rows; nothing for none."""
    if changed != Changed():
        db.execute(_SQL["note_keys"], {"keys": pack(_to_plain(changed))})


def bounds(db: sqlite3.Connection) -> tuple[int, int]:
    """From which number on everything is known, and the newest number: (0, 0) before the first change."""
    row = db.execute(_SQL["bounds"]).fetchone()
    return (0, 0) if row["last"] is None else (row["first"] - 1, row["last"])


def after(db: sqlite3.Connection, n: int, limit: int) -> Iterator[Change]:
    """The changes after `n`, oldest first, at most `limit`."""
    for row in db.execute(_SQL["after"], {"n": n, "limit": limit}):
        what = Seq(row["seq"]) if row["keys"] is None else _from_plain(unpack(row["keys"]))
        yield Change(row["n"], what)


def newest_to_forget(
    db: sqlite3.Connection,
    *,
    count: int = LIVE_HISTORY_CHANGES_MAX,
    bytes_max: int = LIVE_HISTORY_BYTES_MAX,
) -> int:
    """Up to which number changes are more than is kept; 0 for none. The newest is always kept."""
    row = db.execute(_SQL["newest_to_forget"], {"count": count, "bytes": bytes_max}).fetchone()
    return 0 if row is None else row["n"]


def forget_piece(db: sqlite3.Connection, upto: int) -> bool:
    """Forget some of the changes up to `upto`; whether there may be more. Takes about 1 ms."""
    done = db.execute(_SQL["forget"], {"upto": upto, "limit": FORGET_ROWS})
    return done.rowcount == FORGET_ROWS


def _to_plain(changed: Changed) -> dict[str, object]:
    by_location: dict[str, list[str]] = defaultdict(list)
    for location, sku in changed.stock:
        by_location[location].append(sku)
    parts = {
        "stock": by_location,
        "documents": [list(key) for key in changed.documents],
        "gone_documents": [[*gone.key, list(gone.scopes)] for gone in changed.gone_documents],
        "gone_scopes": list(changed.gone_scopes),
        "alerts": list(changed.alerts),
        "exceptions": list(changed.exceptions),
    }
    return {name: part for name, part in parts.items() if part}


def _from_plain(parts: object) -> Changed:
    assert isinstance(parts, dict), "written by _to_plain"
    return Changed(
        stock=tuple(
            (Location(location), Sku(sku))
            for location, skus in parts.get("stock", {}).items()
            for sku in skus
        ),
        documents=tuple(DocumentKey(*key) for key in parts.get("documents", ())),
        gone_documents=tuple(
            GoneDocument(DocumentKey(collection, id_), tuple(Scope(name) for name in scopes))
            for collection, id_, scopes in parts.get("gone_documents", ())
        ),
        gone_scopes=tuple(Scope(name) for name in parts.get("gone_scopes", ())),
        alerts=tuple(parts.get("alerts", ())),
        exceptions=tuple(parts.get("exceptions", ())),
    )
