"""Finding SKUs: by a scan, by what somebody typed, and those of which a barcode waits for the office.

Invariant: what a scan offers is what can be sold by it: of the SKUs that a barcode is on those in use if any is, and in
the place of one that was replaced the one that took its place. Nothing is chosen for the caller.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from node.commands.requests import Refusal
from node.replica import changes, documents, identity, search
from node.replica.cursors import read_texts, write_cursor
from node.replica.documents import Held, Page
from protocol.barcodes import Barcode, read_barcode
from protocol.declarations.catalogue import SKUS
from protocol.declarations.reading import entries_of, value_of
from protocol.declarations.vocabulary import ARCHIVED

_PACKS: Final = next(one for one in SKUS.entries if one.name == "packs")
_REPLACED_BY: Final = SKUS.field("replaced_by")
_REPLACEMENTS_MAX: Final = 8
"""How far `replaced_by` is followed; two that name each other end there too."""
_ANY_YEAR: Final = 2000


class Choice(NamedTuple):
    """A SKU that a scan may mean."""

    held: Held
    pack: str | None
    """What the barcode is on; None for the base unit."""
    multiple: int | None
    """Base units in one; None where nobody has described the pack."""
    replaces: str | None = None
    """The SKU that the barcode is on, where it was replaced by this one."""


def choices(db: sqlite3.Connection, barcode: Barcode) -> list[Choice]:
    """What a barcode may mean here, by code; [] for one that is on nothing."""
    found: dict[str, Choice] = {}
    for sku in search.with_barcode(db, barcode):
        held = documents.one(db, SKUS, sku)
        assert held is not None, "the index has only what is described"
        choice = _choice(db, held, search.code_of(barcode))
        before = found.get(choice.held.id)
        if (
            before is None or before.replaces is not None
        ):  # its own barcode says more than a replaced one's
            found[choice.held.id] = choice
    in_use = [one for one in found.values() if one.held.fields.get(ARCHIVED) is not True]
    return sorted(in_use or found.values(), key=lambda one: one.held.id)


def multiple_of(held: Held, pack: str | None) -> int | None:
    """How many base units are in a pack of a SKU, 1 for no pack; None where there is no such pack."""
    if pack is None:
        return 1
    record = entries_of(_PACKS, held.fields).get(pack)
    return None if record is None else int(record["multiple"])


def stored_as(held: Held, barcode: Barcode) -> str | None:
    """How a barcode is written that a SKU has; None where it has it not."""
    code = search.code_of(barcode)
    texts = entries_of(search.BARCODES, held.fields)
    return next((text for text in texts if _code(text) == code), None)


def _choice(db: sqlite3.Connection, held: Held, code: str) -> Choice:
    linked = entries_of(search.BARCODES, held.fields)
    pack = next(record["pack"] for text, record in linked.items() if _code(text) == code)
    multiple = multiple_of(held, pack)
    standing = _standing(db, held)
    return Choice(standing, pack, multiple, None if standing is held else held.id)


def _code(text: str) -> str:
    return search.code_of(read_barcode(text, year=_ANY_YEAR))


def _standing(db: sqlite3.Connection, held: Held) -> Held:
    """The SKU that is used in the place of one; itself where none is, or none that is described."""
    assert _REPLACED_BY is not None, "it is declared"
    for _ in range(_REPLACEMENTS_MAX):
        by = value_of(_REPLACED_BY, held.fields)
        following = documents.one(db, SKUS, by) if isinstance(by, str) else None
        if following is None:
            break
        held = following
    return held


# --- lists ------------------------------------------------------------------------------------------------------


def matching(
    db: sqlite3.Connection, text: str, *, archived: bool | None, limit: int, cursor: str | None
) -> Page:
    """The SKUs that have every word of `text`, the best first; see `search.matching`.

    A page begins so many SKUs after the first: what is described meanwhile may move one from a page to another.

    Raises:
        Refusal: `validation_failed` for a cursor that no search gave.
    """
    before = 0 if cursor is None else _number(cursor)
    skus = search.matching(db, text, archived=archived, limit=limit + 1, before=before)
    following = write_cursor([str(before + limit)]) if len(skus) > limit else None
    return _page(db, skus[:limit], following)


def to_confirm(db: sqlite3.Connection, *, limit: int, cursor: str | None) -> Page:
    """The SKUs, by code, that have a barcode which a shop linked and the office has not confirmed.

    Raises:
        Refusal: `validation_failed` for a cursor that no such list gave.
    """
    (after,) = [""] if cursor is None else read_texts(cursor, 1)
    skus = search.to_confirm(db, after, limit + 1)
    following = write_cursor([skus[limit - 1]]) if len(skus) > limit else None
    return _page(db, skus[:limit], following)


def _page(db: sqlite3.Connection, skus: Sequence[str], following: str | None) -> Page:
    found = (documents.one(db, SKUS, sku) for sku in skus)
    return Page([held for held in found if held is not None], following, *seen(db))


def seen(db: sqlite3.Connection) -> tuple[bytes, int]:
    """The life of this database and the newest change: what an answer says of the moment that it is of."""
    _, newest = changes.bounds(db)
    return changes.life_of(identity.read_position(db).replica), newest


def _number(cursor: str) -> int:
    (text,) = read_texts(cursor, 1)
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Refusal("validation_failed", "the cursor is not one that this list gave")
    return int(text)
