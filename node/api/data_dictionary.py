"""`node/DATA.md`: the data dictionary, the diagram and the JSON Schema of every collection, made of the declarations.

Rule: the page is only ever written by this module, and a test fails while it is not what this module writes.

    python -m node.api.data_dictionary > node/DATA.md
"""

import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from pydantic import TypeAdapter

from node.api.document_models import address_names, models_of
from protocol.declarations import COLLECTIONS, PEOPLE
from protocol.declarations.kinds import Code, Id, Kind, Record
from protocol.declarations.vocabulary import (
    EVERY_DOCUMENT,
    Audience,
    Collection,
    Entries,
    Field,
    Place,
    Rule,
    Set,
)

_HEAD: Final = """\
# Data dictionary

Made by `python -m node.api.data_dictionary > node/DATA.md` from `protocol/declarations/`; a test fails while it is stale.

A document is a set of fields that join one by one: of two edits made without knowledge of each other each field keeps the
one that its rule names, and edits of different fields both stand. Nothing is deleted; a document is archived.

- **Addresses.** `GET` (list), `POST` of a collection; `GET`, `PATCH` (merge patch, RFC 7396), `DELETE` (archives) of one
  document. Whatever records takes an `Idempotency-Key`; one document has an `ETag`, and edits honour `If-Match`.
  `POST` of a collection's `/batch` takes rows of a list, each with its `key`: new ones create, others change what differs.
- **Numbers** of orders, transfers and stocktakes are for people: `S01-42-K7QMB` is the 42nd of location S01. They are made
  with the document, also offline, never change, and find it: `?number=`.
- **Lists** are by id. `changed_since` takes the `changes` of an earlier answer, or the id of a live event: what changed at
  this node since, oldest change first, archived documents too. It misses nothing that arrived late, as a time would.
- **Attributes** are fields of the chain's own: the office declares them in `attributes`, and the documents of that
  collection take them, at once and without a migration.
- **Bodies** of requests are described in `/openapi.json` of every node.

"""
_PEOPLE: Final = """\
# People

These are read and written by `/v1/users`, `/v1/login` and `/v1/shifts` alone: no list, stream or export has them as they are.

"""
_PLACES: Final = {
    Place.CATALOGUE: "`catalogue`: every node",
    Place.DIRECTORY: "`directory`: every node",
    Place.DIRECTORY_AND_PEOPLE: "`directory`: every node; its location's `people:`, so that its shop may write it",
    Place.PEOPLE: "`people:` of its location: its own nodes and the office; of `*` the office alone",
    Place.LOCATIONS: "`docs:` of its locations: their own nodes and the office",
    Place.LOCATION_OR_CATALOGUE: "`docs:` of its location: its own nodes and the office; "
    "without one `catalogue`: every node",
}


def page() -> str:
    """The whole page."""
    parts = [_HEAD, _diagram(), _every_document()]
    parts += [_section(one) for one in COLLECTIONS.values()]
    return "".join([*parts, _PEOPLE, *(_inside(one) for one in PEOPLE.values())])


def _diagram() -> str:
    lines = ["## Diagram\n", "```mermaid", "erDiagram"]
    for one in COLLECTIONS.values():
        lines.append(f"    {one.name} {{")
        if one.identity in {("id",), ()}:
            lines.append(f"        {'code' if one.identity else 'uuid'} id PK")
        lines += [f"        {_type(f.kind)} {f.name}{_key(one, f)}" for f in one.fields]
        lines += [f"        {'list' if e.named_by else 'map'} {e.name}" for e in one.entries]
        lines.append("    }")
    for one in COLLECTIONS.values():
        lines += [
            f"    {target} |o--o{{ {one.name} : {name}"
            for name, target in dict(_references(one)).items()
        ]
    return "\n".join([*lines, "```", "", ""])


def _type(kind: Kind) -> str:
    return type(kind).__name__.lower()


def _key(collection: Collection, field: Field) -> str:
    keys = ["PK"] if field.name in collection.identity else []
    if isinstance(field.kind, Code | Id) and field.kind.refers:
        keys.append("FK")
    return f" {', '.join(keys)}" if keys else ""


def _references(collection: Collection) -> Iterator[tuple[str, str]]:
    for field in collection.fields:
        if isinstance(field.kind, Code | Id) and field.kind.refers:
            yield field.name, field.kind.refers
    for entries in collection.entries:
        if isinstance(entries.value, Record):
            for part in entries.value.parts:
                if isinstance(part.kind, Code | Id) and part.kind.refers:
                    yield entries.name, part.kind.refers


def _every_document() -> str:
    rows = [_row(field, field.rule) for field in EVERY_DOCUMENT]
    rows.append(
        "| `updated_at` | RFC 3339 time | worked out | | | The newest stamp of its fields. |"
    )
    return "\n".join(["## Every document\n", *_TABLE, *rows, "", ""])


_TABLE: Final = (
    "| Field | Type | Set | Of two edits stands | Default | Meaning |",
    "| --- | --- | --- | --- | --- | --- |",
)


def _section(collection: Collection) -> str:
    one = "/".join(f"{{{name}}}" for name in address_names(collection))
    named = " and ".join(f"`{name}`" for name in collection.identity) or "drawn at creation"
    facts = [
        f"- Addresses: `/v1/{collection.name}`, `/v1/{collection.name}/{one}`",
        f"- Id: {named}",
        f"- Scope and readers: {_PLACES[collection.place]}",
        f"- Who may write: {collection.writers.value}",
    ]
    if collection.filters:
        facts.append(f"- Lists by: {', '.join(f'`{name}`' for name in collection.filters)}")
    facts += [f"- {sentence}" for sentence in _agreements(collection)]
    rows = [_row(field, collection.rule(field.name)) for field in collection.fields]
    rows += [_entries_row(one, collection.rule(f"{one.name}/")) for one in collection.entries]
    parts = [f"## {collection.name}\n", f"{collection.meaning}\n", *facts, "", *_TABLE, *rows, ""]
    return "\n".join([*parts, "```json", _json_schema(collection), "```", "", ""])


def _inside(collection: Collection) -> str:
    """A collection that no address lists as it is."""
    named = " and ".join(f"`{name}`" for name in collection.identity) or "drawn at creation"
    facts = [
        f"- Id: {named}",
        f"- Scope and readers: {_PLACES[collection.place]}",
        f"- Whose nodes may write: {collection.writers.value}",
    ]
    rows = [_row(field, collection.rule(field.name)) for field in collection.fields]
    parts = [f"## {collection.name}\n", f"{collection.meaning}\n", *facts, "", *_TABLE, *rows, ""]
    return "\n".join([*parts, ""])


def _agreements(collection: Collection) -> Iterator[str]:
    for only in collection.only:
        asked = ", which needs it" if only.required else ""
        yield f"`{only.field}` goes with the {only.other} `{only.value}` alone{asked}"
    if collection.distinct:
        yield f"{' and '.join(f'`{name}`' for name in collection.distinct)} are never the same"
    if collection.by_acts_alone:
        yield "Nobody makes or changes one by hand: it has no `POST`, `PATCH` or `DELETE`"
    if collection.open_while:
        stages = ", ".join(f"`{stage}`" for stage in collection.open_while)
        yield f"Edited by hand only in the stage {stages}"


def _row(field: Field, rule: Rule) -> str:
    when = field.set.value + (", required" if field.required else "")
    if field.stores_change:
        when += ", by stores too"
    meaning = field.meaning
    if field.audience is Audience.OFFICE:
        meaning += " Only the office holds it."
    default = "" if field.default is None else f"`{json.dumps(field.default)}`"
    is_fixed = field.set is Set.AT_CREATION and rule in {Rule.LAST, Rule.OFFICE}
    stands = "" if is_fixed else rule.value
    kind = field.kind.words()
    return f"| `{field.name}` | {kind} | {when} | {stands} | {default} | {meaning} |"


def _entries_row(entries: Entries, rule: Rule) -> str:
    form = "list" if entries.named_by else f"map by {entries.key.words()}"
    when = entries.set.value + (", by stores too" if entries.stores_change else "")
    words = f"{form}, of {entries.value.words()}; at most {entries.entries_max}"
    return f"| `{entries.name}` | {words} | {when} | {rule.value}, of each entry | | {entries.meaning} |"


def _json_schema(collection: Collection) -> str:
    """What is shown, a line for each field."""
    schema: dict[str, Any] = TypeAdapter(models_of(collection).shown).json_schema()
    lines = [
        f'    "{name}": {json.dumps({key: value for key, value in shape.items() if key not in _SAID})}'
        for name, shape in schema["properties"].items()
    ]
    head = (
        '"$schema": "https://json-schema.org/draft/2020-12/schema",\n'
        f'  "title": "{collection.model}",\n  "type": "object",\n'
        f'  "required": {json.dumps(schema["required"])},\n  "properties": '
    )
    return "{\n  " + head + "{\n" + ",\n".join(lines) + "\n  }\n}"


_SAID: Final = {"title", "description", "default"}
"""Of a field: what its row has."""


if __name__ == "__main__":
    sys.stdout.write(page())
