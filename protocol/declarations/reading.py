"""From a document's fields to what is shown of it: the values that its collection declares, as it declares them.

Invariant: what is shown fits the declaration. A field that holds something else (of a newer version, or of a device that
writes what it likes) shows as if it were not there, and stays in the document.
"""

from collections.abc import Mapping
from typing import Any

from protocol.declarations.kinds import Record
from protocol.declarations.vocabulary import (
    EVERY_DOCUMENT,
    Audience,
    Collection,
    Entries,
    Field,
)
from protocol.workflows.progress import line_id

Values = Mapping[str, object]
"""The value of each field of a document, by the name that it has there."""


def shown_values(
    collection: Collection, fields: Values, office_fields: Values | None
) -> dict[str, object]:
    """What is shown, in the order of the declaration; instants are still milliseconds.

    Args:
        collection: which one.
        fields: of the document.
        office_fields: of its office's part; None leaves those fields out, whether or not they hold anything.
    """
    shown: dict[str, object] = {}
    for field in collection.fields:
        if field.audience is Audience.READERS:
            shown[field.name] = value_of(field, fields)
        elif office_fields is not None:
            shown[field.name] = value_of(field, office_fields)
    if (work_out := collection.told or collection.derived) is not None:
        shown.update(work_out(fields))
    names = sorted(name for name in fields if "/" in name)
    for entries in collection.entries:
        held = _entries(entries, fields, names)
        shown[entries.name] = held if entries.named_by is None else _listed(held)
    for field in EVERY_DOCUMENT:
        shown[field.name] = value_of(field, fields)
    return shown


def shown_value(collection: Collection, name: str, fields: Values) -> object:
    """What is shown of one field, also of one that the workflow derives."""
    if collection.derived is not None and name in (derived := collection.derived(fields)):
        return derived[name]
    field = collection.field(name)
    assert field is not None, "only declared fields are asked for"
    return value_of(field, fields)


def value_of(field: Field, fields: Values) -> object:
    """The value of one field, or its default."""
    value = fields.get(field.name)
    if value is None or field.kind.fault(value) is not None:
        return field.default
    return value


def entries_of(entries: Entries, fields: Values) -> dict[str, Any]:
    """The entries that are there, by their keys, in order of key; a record with all its members."""
    return _entries(entries, fields, sorted(name for name in fields if "/" in name))


def _entries(entries: Entries, fields: Values, names: list[str]) -> dict[str, Any]:
    prefix = f"{entries.name}/"
    found: dict[str, Any] = {}
    for name in names:
        if name.startswith(prefix) and fields[name] is not None:
            key, value = name[len(prefix) :], _whole(entries, fields[name])
            if _fits(entries, key, value):
                found[key] = value
    return found


def key_of(entries: Entries, record: Mapping[str, object]) -> str:
    """The key of a listed record, made of what names it."""
    assert entries.named_by is not None, "only what is listed is named by its members"
    sku, lot = (record.get(name) or "" for name in entries.named_by)
    return line_id(str(sku), str(lot))


def _fits(entries: Entries, key: str, value: object) -> bool:
    if entries.key.fault(key) is not None or entries.value.fault(value) is not None:
        return False
    return entries.named_by is None or (
        isinstance(value, Mapping) and key_of(entries, value) == key
    )


def _whole(entries: Entries, value: object) -> object:
    if not isinstance(entries.value, Record) or not isinstance(value, Mapping):
        return value
    # What names an entry is written as "" where it is not there.
    parts = {part.name: value.get(part.name) for part in entries.value.parts}
    return {name: None if held == "" else held for name, held in parts.items()}


def _listed(held: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A list of records with their names, in order of what names them."""
    return [{"id": key, **record} for key, record in held.items()]
