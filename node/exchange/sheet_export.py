"""A collection as a sheet that `import` reads: the same columns, and each attribute that the office has declared.

Invariant: what is exported here and imported into an empty chain shows the same, but for who created it and when, for the
drawn ids of suppliers, and for fields that were cleared: SKUs name a supplier by its name wherever only one has it.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from node import upkeep
from node.api.answers import to_json
from node.exchange.exporting import EXPORT_MEMORY_BYTES_MAX, new_file, text_of
from node.exchange.sheet_cells import entries_of_cell, text_of_money
from node.exchange.sheet_columns import CURRENCY_SUFFIX, ID, fields_of, maps_of
from node.exchange.sheet_rows import Known
from node.exchange.sheets import each_document, known_of
from node.exchange.tables import Table
from node.replica.documents import Held
from protocol.declarations.kinds import Id, Money, Record
from protocol.declarations.naming import codes_of
from protocol.declarations.reading import shown_values
from protocol.declarations.vocabulary import ATTRIBUTES, Collection, Entries
from runtime.folder import Folder

_SEPARATOR: Final = "; "


def export_sheet(
    folder: Folder, collection: Collection, output: Path | None, *, archived: bool
) -> None:
    """Write every document by id, all of one moment; those that are `archived` too if asked. A file is durable on return.

    Raises: FileExistsError, OSError; StoreUnavailable.
    """
    with (
        new_file(output) as target,
        tempfile.SpooledTemporaryFile(EXPORT_MEMORY_BYTES_MAX) as spool,
    ):
        with text_of(spool) as text:
            upkeep.read(folder, lambda db: _write(db, collection, text, archived=archived))
        spool.seek(0)
        shutil.copyfileobj(spool, target)


def _write(db: sqlite3.Connection, collection: Collection, out: IO[str], *, archived: bool) -> None:
    known = known_of(db, collection)
    names = {
        refers: {ids[0]: name for name, ids in named.items() if len(ids) == 1}
        for refers, named in known.named.items()
    }
    writer = Table(out, _columns(collection, known))
    held = each_document(db, collection, archived=None if archived else False)
    writer.writerows(_row(collection, one, names) for one in held)


def _columns(collection: Collection, known: Known) -> Sequence[str]:
    named = [ID] if collection.identity in {(), (ID,)} else []
    for field in fields_of(collection).values():
        named.append(field.name)
        if _is_money(collection, field.name):
            named.append(field.name + CURRENCY_SUFFIX)
    maps = [name for name in maps_of(collection) if name != ATTRIBUTES]
    return [*named, *maps, *(f"{ATTRIBUTES}.{name}" for name in sorted(known.attributes))]


def _is_money(collection: Collection, name: str) -> bool:
    return isinstance(fields_of(collection)[name].kind, Money)


def _row(
    collection: Collection, held: Held, names: Mapping[str, Mapping[str, str]]
) -> dict[str, object]:
    shown = shown_values(collection, held.fields, held.office_fields or {})
    row: dict[str, object] = {ID: held.id, **dict(_cells(collection, shown, names))}
    return {**row, **codes_of(collection, held.id)}


def _cells(
    collection: Collection, shown: Mapping[str, Any], names: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, object]]:
    for name, field in fields_of(collection).items():
        value = shown.get(name)
        if value is not None and _is_money(collection, name):
            yield from zip((name, name + CURRENCY_SUFFIX), text_of_money(value), strict=True)
        elif isinstance(field.kind, Id):
            yield name, names.get(field.kind.refers, {}).get(str(value), value)
        else:
            yield name, value
    for name, entries in maps_of(collection).items():
        if name == ATTRIBUTES:
            yield from ((f"{name}.{key}", value) for key, value in shown[name].items())
        elif shown[name]:
            yield name, cell_of_entries(entries, shown[name])


def cell_of_entries(entries: Entries, held: Mapping[str, Any]) -> str:
    """All entries of a map in one cell: short where that reads back as the same, else as JSON."""
    wanted = {key: _without_nulls(value) for key, value in held.items()}
    parts = []
    for key, value in wanted.items():
        only = next(iter(value.values()), None) if isinstance(value, Mapping) else value
        parts.append(key if only is None else f"{key}={only}")
    short = _SEPARATOR.join(parts)
    try:
        if entries_of_cell(entries, short) == wanted and isinstance(entries.value, Record):
            return short
    except ValueError:
        pass
    return to_json(wanted).decode()


def _without_nulls(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    return {name: inner for name, inner in value.items() if inner is not None}
