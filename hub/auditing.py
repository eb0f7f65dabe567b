"""`GET /v1/audit` of the hub: who did what to what in the whole chain, for its operator.

Invariant: it is read and never written here, but for the note that it was looked at: a page after the first needs no
other. What a node did, also one that was revoked, is asked for by its name.
"""

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from hub import shown
from hub.store.interface import HubStore
from hub.store.trail import Found, Place, TrailPage
from hub.store.witness import OPERATOR, HubNote
from protocol.audit import Record, Wanted, entity_wanted
from protocol.codec import pack, unpack
from protocol.errors import ProtocolError
from protocol.limits import (
    AUDIT_PAYLOAD_BYTES_MAX,
    CURSOR_CHARS_MAX,
    DOCUMENT_ID_CHARS_MAX,
    INT_MAX,
    LIST_LIMIT_DEFAULT,
    LIST_LIMIT_MAX,
    NAME_CHARS_MAX,
)
from protocol.notes import Action, Entity, Note
from runtime.problems import Problem
from runtime.world import World

_ENTITY_CHARS_MAX: Final = NAME_CHARS_MAX + 1 + DOCUMENT_ID_CHARS_MAX


def _instant(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise PydanticCustomError("instant", "must be RFC 3339 with an offset") from error
    if at.tzinfo is None:
        raise PydanticCustomError("instant", "must be RFC 3339 with an offset")
    return round(at.timestamp() * 1000)


_Instant = Annotated[int, BeforeValidator(_instant)]
_Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX)]
_Whole = Annotated[int, BeforeValidator(lambda text: int(text) if str(text).isdecimal() else text)]


class AuditAsked(BaseModel):
    """Which records; what is not given does not restrict."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    source: Literal["operations", "notes"] = "operations"
    """What nodes recorded, or what was done at the hub."""
    node: _Name | None = None
    """Only what this node recorded, its newest log first; also one that has left."""
    since: _Instant | None = None
    until: _Instant | None = None
    actor: _Name | None = None
    action: _Name | None = None
    entity: Annotated[str, Field(min_length=1, max_length=_ENTITY_CHARS_MAX)] | None = None
    limit: Annotated[_Whole, Field(ge=1, le=LIST_LIMIT_MAX)] = LIST_LIMIT_DEFAULT
    cursor: Annotated[str, Field(max_length=CURSOR_CHARS_MAX)] | None = None

    @model_validator(mode="after")
    def _notes_are_of_the_hub(self) -> Self:
        if self.node is not None and self.source == "notes":
            raise PydanticCustomError("node", "notes of the hub are of no node")
        return self

    @property
    def wanted(self) -> Wanted:
        """The same, as records are looked at."""
        entity = None if self.entity is None else entity_wanted(self.entity)
        return Wanted(self.since, self.until, self.actor, self.action, entity)


class AuditRoutes:
    """The hub's audit, behind the operator's token."""

    def __init__(self, store: HubStore, world: World) -> None:
        self._store = store
        self._world = world

    async def show(self, request: web.Request) -> web.Response:
        """A page of records, newest first; `next` is the cursor of the next one."""
        try:
            asked = AuditAsked.model_validate(dict(request.query))
            place = None if asked.cursor is None else _read_place(asked.cursor)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            told = f"{'.'.join(map(str, first['loc'])) or 'the question'}: {first['msg']}"
            raise Problem("validation_failed", f"{told}.") from error
        page = await self._page(asked, place)
        if place is None:
            said = {name: str(value) for name, value in request.query.items() if name != "limit"}
            told_of = Note(Action.EXPORTED, Entity("audit", asked.source), said)
            await self._store.add_note(HubNote(self._world.now_ms(), OPERATOR, told_of))
        following = None if page.following is None else _write_place(page.following)
        return web.json_response({"items": list(map(row_of, page.items)), "next": following})

    async def _page(self, asked: AuditAsked, place: Place | None) -> TrailPage:
        if asked.source == "notes":
            return await self._store.notes_trail(asked.wanted, place, asked.limit)
        node = None
        if asked.node is not None:
            named = [each.node for each in await self._store.nodes() if each.name == asked.node]
            if not named:
                raise Problem("not_found", f"No node is called {asked.node}.")
            node = named[0]
        return await self._store.operations_trail(asked.wanted, node, place, asked.limit)


def row_of(found: Found) -> Mapping[str, object]:
    """A record as JSON shows it; fields as in the audit of a node, and what only the hub knows."""
    record = found.record
    return {
        "recorded_at": shown.instant(record.recorded_at_ms),
        "occurred_at": shown.instant(record.occurred_at_ms),
        "accepted_at": shown.instant(found.accepted_at_ms),
        "node": found.node,
        "actor": record.actor,
        "device": record.device,
        "action": record.action,
        "entity_type": None if record.entity is None else record.entity.type,
        "entity_id": None if record.entity is None else record.entity.id,
        "location": record.location,
        "payload": _payload(record),
        "code": found.code,
        "replica": None if record.replica is None else record.replica.hex(),
        "seq": record.seq,
        "id": None if record.op_id is None else record.op_id.hex(),
    }


def _payload(record: Record) -> str:
    """JSON in one line, as the audit of a node has it."""
    text = _to_text(_plain(dict(record.payload)))
    size = len(text.encode())
    return text if size <= AUDIT_PAYLOAD_BYTES_MAX else _to_text({"left_out_bytes": size})


def _to_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _plain(value: Any) -> object:
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return value


def _write_place(place: Place) -> str:
    return base64.urlsafe_b64encode(pack(list(place))).decode().rstrip("=")


def _read_place(cursor: str) -> Place:
    try:
        match unpack(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))):
            case [int(log), int(before)] if 0 <= log <= INT_MAX and 0 <= before <= INT_MAX:
                return Place(int(log), int(before))
    except (ValueError, ProtocolError):
        pass
    raise Problem("validation_failed", "cursor: it is not one that this list gave.")
