"""How a document looks from outside, and the tag by which a reader says which state of it was seen.

Invariant: every surface shows a document through `document_json`. What only the office holds is shown to its operators
alone, and a tag is that of exactly the bytes that were answered: two callers who are shown different things have
different tags.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

import orjson

from node.commands.answering import time_to_text
from node.commands.requests import Caller
from node.commands.rights import has_right
from node.replica.documents import Held
from protocol.access.table import action
from protocol.declarations import COLLECTIONS
from protocol.declarations.kinds import Instant, Record, Rows
from protocol.declarations.naming import codes_of
from protocol.declarations.reading import shown_values
from protocol.declarations.vocabulary import EVERY_DOCUMENT, Collection

_TAG_BYTES: Final = 12
_COST: Final = action("cost.read")
CONTACT: Final = action("contact.read")
CONTACTS: Final = {"suppliers": "contact_info"}
"""The fields that say how to reach somebody, by collection."""
_INSTANTS: Final = {
    name: [one.name for one in (*declared.fields, *EVERY_DOCUMENT) if isinstance(one.kind, Instant)]
    for name, declared in COLLECTIONS.items()
}
_INSTANT_PARTS: Final = {
    name: [
        (entries.name, parts)
        for entries in declared.entries
        if isinstance(entries.value, Record)
        and (parts := [one.name for one in entries.value.parts if isinstance(one.kind, Instant)])
    ]
    for name, declared in COLLECTIONS.items()
}
"""The maps of records that hold times, and which of their members do."""
_INSTANTS_OF_ROWS: Final = {
    name: [
        (one.name, [part.name for part in one.kind.row.parts if isinstance(part.kind, Instant)])
        for one in declared.fields
        if isinstance(one.kind, Rows)
    ]
    for name, declared in COLLECTIONS.items()
}
"""The same of the lists that a workflow works out."""


def document_json(collection: Collection, held: Held, *, for_office: bool) -> dict[str, object]:
    """A document as REST shows it; the office's part only where it is asked for and held."""
    shown = shown_values(collection, held.fields, held.office_fields if for_office else None)
    for name in _INSTANTS[collection.name]:
        value = shown[name]
        if isinstance(value, int):
            shown[name] = time_to_text(value)
    updated_at = time_to_text(held.updated_ms)
    for name, parts in _INSTANT_PARTS[collection.name]:
        shown[name] = {key: _with_times(record, parts) for key, record in shown[name].items()}  # type: ignore[attr-defined]
    for name, parts in _INSTANTS_OF_ROWS[collection.name]:
        shown[name] = [_with_times(row, parts) for row in shown[name]]  # type: ignore[attr-defined]
    return {"id": held.id, **shown, **codes_of(collection, held.id), "updated_at": updated_at}


def _with_times(record: Mapping[str, object], parts: Sequence[str]) -> dict[str, object]:
    times = {name: record[name] for name in parts}
    return {**record, **{n: time_to_text(ms) for n, ms in times.items() if isinstance(ms, int)}}


def document_body(collection: Collection, held: Held, caller: Caller) -> bytes:
    """The same as a caller is answered it."""
    return orjson.dumps(document_shown(collection, caller, held))


def document_shown(collection: Collection, caller: Caller, held: Held) -> dict[str, object]:
    """The same, with nothing in fields that a caller may not read."""
    shown = document_json(collection, held, for_office=sees_office_part(caller))
    if (hidden := CONTACTS.get(collection.name)) is not None and not has_right(caller, CONTACT):
        shown[hidden] = None
    return shown


def sees_office_part(caller: Caller) -> bool:
    """Whether a caller may be shown what only the office holds: no till may, also none at the office."""
    return has_right(caller, _COST)


def tag_of(body: bytes) -> str:
    """The entity tag of an answer (RFC 9110 section 8.8.3), with its quotes."""
    return f'"{blake2b(body, digest_size=_TAG_BYTES).hexdigest()}"'
