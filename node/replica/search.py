"""The index by which SKUs are found: by words, and by barcodes however their digits are written.

Invariant: what the index says of a SKU follows from what is shown of its document, and is written in the transaction in
which that changes. A barcode is kept under one text for all that mean it: `keep` and `with_barcode` make it alike.

A database from before there was an index is read into it from its first document on, in pieces (`index_piece`); until
then `is_whole` says that something may be missing.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from node.replica.folding import words_of
from protocol.barcodes import Barcode, read_barcode
from protocol.codec import unpack
from protocol.declarations.catalogue import SKUS
from protocol.declarations.reading import Values, entries_of
from protocol.declarations.vocabulary import ARCHIVED
from protocol.documents import FieldState
from protocol.limits import BARCODE_SKUS_MAX
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "search.sql")
BARCODES: Final = next(one for one in SKUS.entries if one.name == "barcodes")
_ANY_YEAR: Final = 2000
"""A code's dates depend on the year that it is read in; what is indexed of it does not."""
WEIGHED_MAX: Final = 4_000
"""A word that so many SKUs have tells none of them from the others, and to weigh all 20,747 of the real drug catalogue, as
one letter asks for, takes 17 ms of processor; to take them by name 10."""
PIECE_DOCUMENTS: Final = 25
"""How many documents are put into the index while a till may wait: 3 ms in the middle, of the real drug catalogue."""


class _Entry(NamedTuple):
    """What the index holds of one SKU."""

    texts: Mapping[str, object]
    """The row of words, without its id."""
    barcodes: Mapping[str, int]
    """By the text it is found under: whether the office has it so, and not a shop alone."""


# --- keeping ----------------------------------------------------------------------------------------------------


def keep(db: sqlite3.Connection, sku: str, fields: Mapping[str, FieldState]) -> None:
    """Make the index agree with the fields that are shown of a SKU; none where no document is left of it."""
    wanted = _entry(sku, fields)
    _keep_words(db, sku, None if wanted is None else wanted.texts)
    _keep_barcodes(db, sku, {} if wanted is None else wanted.barcodes)


def _keep_words(db: sqlite3.Connection, sku: str, wanted: Mapping[str, object] | None) -> None:
    row = db.execute(_SQL["text_of"], {"id": sku}).fetchone()
    held = None if row is None else dict(row)
    if held is not None:
        if wanted is not None and held == {**wanted, "position": held["position"]}:
            return
        db.execute(_SQL["drop_words"], held)
    if wanted is None:
        db.execute(_SQL["drop_text"], {"id": sku})
        return
    saved = db.execute(_SQL["save_text"], {"id": sku, **wanted})
    position = saved.lastrowid if held is None else held["position"]
    db.execute(_SQL["add_words"], {**wanted, "position": position})


def _keep_barcodes(db: sqlite3.Connection, sku: str, wanted: Mapping[str, int]) -> None:
    held = dict(db.execute(_SQL["barcodes_of"], {"sku": sku}).fetchall())
    for code in held.keys() - wanted.keys():
        db.execute(_SQL["drop_barcode"], {"code": code, "sku": sku})
    for code, confirmed in wanted.items():
        if held.get(code) != confirmed:
            db.execute(_SQL["save_barcode"], {"code": code, "sku": sku, "confirmed": confirmed})


def _entry(sku: str, states: Mapping[str, FieldState]) -> _Entry | None:
    if not states:
        return None
    fields = {name: state.value for name, state in states.items()}
    barcodes: dict[str, int] = {}
    digits: list[str] = []
    for text in entries_of(BARCODES, fields):
        barcode = read_barcode(text, year=_ANY_YEAR)
        # Where one code is written in two ways, whoever has confirmed one has confirmed both.
        confirmed = int(fields.get(f"unconfirmed_barcodes/{text}") is None)
        barcodes[code_of(barcode)] = confirmed or barcodes.get(code_of(barcode), 0)
        digits += words_of(text) if barcode.gtin is None else barcode.lookup_keys()
    texts = {
        "archived": int(fields.get(ARCHIVED) is True),
        "code": " ".join(words_of(sku)),
        "name": _words(fields, "name"),
        "barcodes": " ".join(dict.fromkeys(digits)),
        "sort": _words(fields, "category", "dosage_form", "strength"),
        "more": _words(fields, "description"),
    }
    return _Entry(texts, barcodes)


def _words(fields: Values, *names: str) -> str:
    # Without asking whether it fits its declaration: what is not shown for that may be found all the same.
    texts = [text for name in names if isinstance(text := fields.get(name), str)]
    return " ".join(word for text in texts for word in words_of(text))


# --- finding ----------------------------------------------------------------------------------------------------


def code_of(barcode: Barcode) -> str:
    """The one text for all barcodes that mean the same: a GTIN is written with 8, 12, 13 or 14 digits."""
    return barcode.text if barcode.gtin is None else barcode.gtin


def with_barcode(db: sqlite3.Connection, barcode: Barcode) -> list[str]:
    """The SKUs that a barcode is on, by code, archived ones too; the first few of them."""
    asked = {"code": code_of(barcode), "limit": BARCODE_SKUS_MAX}
    return [row["sku"] for row in db.execute(_SQL["skus_with"], asked)]


def matching(
    db: sqlite3.Connection, text: str, *, archived: bool | None, limit: int, before: int
) -> list[str]:
    """The SKUs that have every word of `text`, each the beginning of one of theirs; the best first, without those `before`.

    Of more than `WEIGHED_MAX` those whose code or name begins with the first word, by name, and then the others.
    """
    words = match_of(text)
    if words is None:
        return []
    few = {"words": words, "limit": WEIGHED_MAX + 1}
    is_weighed = db.execute(_SQL["count"], few).fetchone()[0] <= WEIGHED_MAX
    asked = {
        "words": words,
        "beginning": f"{{code name}} : ^ {words}",
        "code": " ".join(words_of(text)),
        "archived": archived,
        "limit": limit,
        "before": before,
    }
    return [row["id"] for row in db.execute(_SQL["best" if is_weighed else "by_name"], asked)]


def match_of(text: str) -> str | None:
    """What somebody typed as an expression of FTS5; None where it has no word."""
    typed = (words_of(part) for part in text.split())
    return " AND ".join(f'"{" ".join(words)}" *' for words in typed if words) or None


def to_confirm(db: sqlite3.Connection, after: str, limit: int) -> list[str]:
    """The SKUs behind a code that have a barcode which a shop linked and the office has not confirmed."""
    asked = {"after": after, "limit": limit}
    return [row["sku"] for row in db.execute(_SQL["to_confirm"], asked)]


def is_whole(db: sqlite3.Connection) -> bool:
    """Whether every SKU that is described here is in the index."""
    return db.execute(_SQL["indexed_up_to"]).fetchone() is None


# --- making it anew ---------------------------------------------------------------------------------------------


def lacks_some(db: sqlite3.Connection) -> bool:
    """Whether there is anything for `begin_if_missing` and `index_piece` to do; a millisecond for 20,000."""
    return not is_whole(db) or bool(db.execute(_SQL["count_differs"]).fetchone()[0])


def begin_if_missing(db: sqlite3.Connection) -> None:
    """Have the index made anew if it has not as many SKUs as there are documents of them."""
    is_missing = db.execute(_SQL["count_differs"]).fetchone()[0]
    if is_missing and db.execute(_SQL["begin_indexing"]).rowcount:
        # Texts that were lost are not told to FTS5 any more, which needs them to forget their words.
        db.execute(_SQL["rebuild_words"])


def index_piece(db: sqlite3.Connection) -> bool:
    """Put some more documents into the index, if it lacks any; False when it was whole."""
    up_to = db.execute(_SQL["indexed_up_to"]).fetchone()
    if up_to is None:
        return False
    asked = {"after": up_to["after"], "limit": PIECE_DOCUMENTS}
    documents = db.execute(_SQL["next_documents"], asked).fetchall()
    for row in documents:
        keep(db, row["id"], _shown(row["shown"]))
    if len(documents) == PIECE_DOCUMENTS:
        db.execute(_SQL["go_on_indexing"], {"after": documents[-1]["id"]})
    elif not (strays := _strays(db)):
        db.execute(_SQL["end_indexing"])
    else:
        for sku in strays:
            keep(db, sku, {})
    return True


def _strays(db: sqlite3.Connection) -> list[str]:
    found = db.execute(_SQL["without_document"]).fetchall()
    found += db.execute(_SQL["barcodes_without_document"]).fetchall()
    return [sku for (sku,) in found]


def _shown(packed: bytes) -> dict[str, FieldState]:
    """Packed fields, without looking at them again: they were checked on the way in."""
    return {name: FieldState(*state) for name, *state in unpack(packed)}  # type: ignore[attr-defined]


# --- checking ---------------------------------------------------------------------------------------------------


def differing(db: sqlite3.Connection) -> Iterator[str]:
    """The SKUs of which the index says something else than their documents do. Reads all of both; the words' own index,
    which SQLite keeps by them, is not looked at."""
    if not is_whole(db):
        return
    after = ""
    while documents := db.execute(
        _SQL["next_documents"], {"after": after, "limit": 1000}
    ).fetchall():
        for row in documents:
            if _held(db, row["id"]) != _entry(row["id"], _shown(row["shown"])):
                yield row["id"]
        after = documents[-1]["id"]
    yield from dict.fromkeys(_strays(db))


def _held(db: sqlite3.Connection, sku: str) -> _Entry | None:
    row = db.execute(_SQL["text_of"], {"id": sku}).fetchone()
    if row is None:
        return None
    texts = {name: row[name] for name in row.keys() if name != "position"}  # noqa: SIM118
    return _Entry(texts, dict(db.execute(_SQL["barcodes_of"], {"sku": sku}).fetchall()))
