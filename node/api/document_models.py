"""The shapes of requests and answers about documents, made of the declarations of their collections.

Invariant: nothing is said here that a declaration says already, and the models judge by the kinds of the declaration alone:
what a body may hold, what a list can be asked for, what is shown, and what OpenAPI says of it cannot differ.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError

from node.api.goods_lines import DraftLine
from node.api.models import Body
from node.api.queries import Address, Query
from node.api.shown import Cursor as NextCursor
from node.api.shown import MadeShown, Shown
from node.api.values import Code, Cursor, Limit
from protocol.declarations import kinds
from protocol.declarations.kinds import Kind, Record, Schema, nullable
from protocol.declarations.vocabulary import (
    ARCHIVED,
    EVERY_DOCUMENT,
    Audience,
    Collection,
    Entries,
    Only,
    Set,
)
from protocol.declarations.vocabulary import Field as Declared
from protocol.limits import LIST_LIMIT_DEFAULT

CHANGE_PATTERN: Final = r"^(0|[0-9a-f]{16}\.(0|[1-9][0-9]{0,17}))$"
LINE_ID_SCHEMA: Final = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
TIME_SCHEMA: Final = {"type": "string", "format": "date-time"}

ChangeNumber = Annotated[
    str,
    Field(pattern=CHANGE_PATTERN),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": CHANGE_PATTERN,
            "description": "The `changes` of an earlier answer, or the id of a live event: only what changed since, "
            "archived documents too, oldest change first. Of another life of this node's database, everything.",
        }
    ),
]
_IS_ARCHIVED = Annotated[
    Literal["true", "false", "any"] | None,
    Field(description="`false` unless `changed_since` is given, and then `any`."),
]
_CODE_IN_ADDRESS = Annotated[Code, Field(description="As it is, percent-encoded.")]
_ID_IN_ADDRESS = Annotated[
    str, AfterValidator(str.lower), WithJsonSchema({"type": "string", "format": "uuid"})
]


class Listed(Query):
    """What every list of documents can be asked for."""

    archived: _IS_ARCHIVED = None
    changed_since: ChangeNumber | None = None
    limit: Limit = LIST_LIMIT_DEFAULT
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True)
class DocumentModels:
    """The types of one collection's addresses."""

    created: type[Body]
    changed: type[Body]
    address: type[Address]
    listed: type[Listed]
    shown: type[Shown]
    page: type[Shown]


def models_of(collection: Collection) -> DocumentModels:
    """Make them, or give those that were made: a document's shape has one name in the description, whoever shows it."""
    made_of, made = _MADE.get(collection.name, (None, None))
    if made is None or made_of is not collection:
        made = _models(collection)
        _MADE[collection.name] = (collection, made)
    return made


_MADE: Final[dict[str, tuple[Collection, DocumentModels]]] = {}


def _models(collection: Collection) -> DocumentModels:
    shown = _shown(collection)
    return DocumentModels(
        _created(collection),
        _changed(collection),
        _address(collection),
        _listed(collection),
        shown,
        _page(collection, shown),
    )


def _page(collection: Collection, shown: type[Shown]) -> type[Shown]:
    seen = Annotated[str, Field(description="For `changed_since`, from the first page.")]
    fields: dict[str, Any] = {
        "items": (list[shown], ...),  # type: ignore[valid-type] # it is made here
        "next": (NextCursor | None, ...),
        "changes": (seen, ...),
    }
    return create_model(
        f"{collection.model}Page",
        __base__=MadeShown,
        __doc__=f"Some {collection.name}.",
        **fields,
    )


# --- what is sent -----------------------------------------------------------------------------------------------


def _created(collection: Collection) -> type[Body]:
    extra: dict[str, Any] = {"examples": [dict(collection.example)]}
    if conditions := [_condition(only) for only in collection.only]:
        extra["allOf"] = conditions
    fields: dict[str, Any] = {}
    if collection.identity == ("id",):
        fields["id"] = (_checked(kinds.Code(), "Its code.", clears=False), ...)
    for field in collection.fields:
        if field.set in {Set.ANY_TIME, Set.AT_CREATION}:
            taken = _checked(field.kind, field.meaning, clears=not field.required)
            fields[field.name] = (taken, ... if field.required else None)
    for entries in collection.entries:
        if entries.set is Set.ANY_TIME:
            fields[entries.name] = (_entries(entries, removes=False), None)
    return create_model(
        f"{collection.model}Body",
        __base__=_with_extra(extra),
        __doc__=f"A new {collection.one}.",
        **fields,
    )


def _changed(collection: Collection) -> type[Body]:
    fields: dict[str, Any] = {}
    for field in (*collection.fields, *EVERY_DOCUMENT):
        if field.set is Set.ANY_TIME:
            clears = not field.required and field.name != ARCHIVED
            fields[field.name] = (_checked(field.kind, field.meaning, clears=clears), None)
    for entries in collection.entries:
        if entries.set is Set.ANY_TIME:
            fields[entries.name] = (_entries(entries, removes=True), None)
    return create_model(
        f"{collection.model}Changes",
        __base__=_with_extra({"examples": [_example_of_changes(collection)]}),
        __doc__=f"What to change of a {collection.one} (RFC 7396): what is not there stays, null clears.",
        **fields,
    )


def _example_of_changes(collection: Collection) -> dict[str, object]:
    fixed = {one.name for one in collection.fields if one.set is not Set.ANY_TIME}
    given = {
        name: value
        for name, value in collection.example.items()
        if name not in fixed and name not in collection.identity
    }
    return dict(list(given.items())[:2])


def _condition(only: Only) -> Schema:
    is_it = {"properties": {only.other: {"const": only.value}}, "required": [only.other]}
    absent = {"properties": {only.field: {"type": "null"}}}
    present = {"properties": {only.field: {"type": "string"}}, "required": [only.field]}
    return {"if": is_it, "then": present if only.required else {}, "else": absent}


def _with_extra(extra: Schema) -> type[Body]:
    return type("Body", (Body,), {"model_config": ConfigDict(json_schema_extra=extra)})


def _checked(kind: Kind, meaning: str, *, clears: bool) -> Any:
    """A value that fits a kind, or null where that clears it."""

    def check(value: object) -> object:
        if value is None and clears:
            return None
        if fault := kind.fault(value):
            raise PydanticCustomError("value", "{fault}", {"fault": fault})
        return value

    schema = nullable(kind.schema()) if clears else kind.schema()
    return Annotated[Any, PlainValidator(check), WithJsonSchema({**schema, "description": meaning})]


def _entries(entries: Entries, *, removes: bool) -> Any:
    value = _checked(entries.value, "", clears=removes)
    schema = _entries_schema(entries, removes=removes)
    bound = Field(max_length=entries.entries_max)
    if entries.scanned is not None:
        meant = Field(description=entries.meaning)
        return Annotated[list[DraftLine] | None, bound, meant]
    if entries.named_by is not None:
        return Annotated[list[value] | None, bound, WithJsonSchema(schema)]  # type: ignore[valid-type]
    key = Annotated[str, AfterValidator(_fitting(entries.key))]
    return Annotated[dict[key, value] | None, bound, WithJsonSchema(schema)]  # type: ignore[valid-type]


def _entries_schema(entries: Entries, *, removes: bool) -> Schema:
    value = entries.value.schema()
    meaning = {"description": entries.meaning}
    if entries.named_by is not None:
        shape = {"type": "array", "items": value, "maxItems": entries.entries_max}
        return {**nullable(shape), **meaning}
    shape = {
        "type": "object",
        "propertyNames": entries.key.schema(),
        "additionalProperties": nullable(value) if removes else value,
        "maxProperties": entries.entries_max,
    }
    return {**nullable(shape), **meaning}


def _fitting(kind: Kind) -> Callable[[str], str]:
    def check(text: str) -> str:
        if fault := kind.fault(text):
            raise PydanticCustomError("key", "{fault}", {"fault": fault})
        return text

    return check


# --- what is asked for ------------------------------------------------------------------------------------------


def _address(collection: Collection) -> type[Address]:
    names = address_names(collection)
    hint = _CODE_IN_ADDRESS if collection.identity else _ID_IN_ADDRESS
    fields: dict[str, Any] = dict.fromkeys(names, (hint, ...))
    return create_model(f"{collection.model}Address", __base__=Address, **fields)


def address_names(collection: Collection) -> tuple[str, ...]:
    """The parts of a document's address behind the collection's; a part called `id` is a drawn id."""
    return ("code",) if collection.identity == ("id",) else collection.identity or ("id",)


def _listed(collection: Collection) -> type[Listed]:
    fields: dict[str, Any] = {}
    for name in collection.filters:
        declared = collection.field(name)
        assert declared is not None, "only declared fields can be asked for"
        wanted = _checked(declared.kind, "", clears=True)
        fields[name] = (wanted, None)
    return create_model(
        f"{collection.model}Listed",
        __base__=Listed,
        __doc__=f"Which {collection.name} to list; what is not given does not restrict.",
        **fields,
    )


# --- what is shown ----------------------------------------------------------------------------------------------


def _shown(collection: Collection) -> type[Shown]:
    fields: dict[str, Any] = {"id": _described({"type": "string"}, "Its name in this collection.")}
    for field in (*collection.fields, *EVERY_DOCUMENT):
        fields[field.name] = _shown_field(field)
    for entries in collection.entries:
        schema = _shown_entries(entries)
        fields[entries.name] = _described(schema, entries.meaning)
    updated = "When it was last changed, by the clock of whoever did."
    fields["updated_at"] = _described(TIME_SCHEMA, updated)
    return create_model(
        f"{collection.model}Shown", __base__=MadeShown, __doc__=collection.meaning, **fields
    )


def _shown_field(field: Declared) -> tuple[Any, Any]:
    schema = field.kind.schema()
    hint, _ = _described(schema if field.default is not None else nullable(schema), field.meaning)
    return hint, ... if field.audience is Audience.READERS else None


def _shown_entries(entries: Entries) -> Schema:
    if not isinstance(entries.value, Record):
        return {"type": "object", "additionalProperties": entries.value.schema()}
    properties = {
        part.name: {
            **(part.kind.schema() if part.required else nullable(part.kind.schema())),
            "description": part.meaning,
        }
        for part in entries.value.parts
    }
    named = {} if entries.named_by is None else {"id": LINE_ID_SCHEMA}
    value = {
        "type": "object",
        "properties": {**named, **properties},
        "required": [*named, *properties],
        "additionalProperties": False,
    }
    if entries.named_by is not None:
        return {"type": "array", "items": value}
    return {"type": "object", "additionalProperties": value}


def _described(schema: Schema, meaning: str) -> tuple[Any, Any]:
    return Annotated[Any, WithJsonSchema({**schema, "description": meaning})], ...


def filters_of(collection: Collection, asked: Listed) -> dict[str, object]:
    """The fields that a list is asked for by, with their values."""
    given = ((name, getattr(asked, name)) for name in collection.filters)
    return {name: value for name, value in given if value is not None}


def given(body: Body) -> dict[str, object]:
    """The fields that a body names, also those that it names null, as plain values."""
    return {name: _plain(getattr(body, name)) for name in _in_order(body, body.model_fields_set)}


def _plain(value: object) -> object:
    match value:
        case Body():
            return value.model_dump(exclude_unset=True)
        case list():
            return [_plain(one) for one in value]
        case _:
            return value


def _in_order(body: Body, names: Iterable[str]) -> list[str]:
    wanted = set(names)
    return [name for name in type(body).model_fields if name in wanted]
