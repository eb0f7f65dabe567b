"""Notes: what happened and moved or changed nothing, such as a refused sign-in, a token made, a sealed detail opened.

A node's note is an operation of the kind `note.<action>` without effects, in its log: so it is chained, sent, counted and
kept like every other operation, and a hub that has never heard of its action keeps it as well. What the hub itself does
is a note in a table of its own, since it authors no operation.

Invariant: an action is never renamed. A note holds no secret: no password, no token, nothing that is sealed.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from protocol.codec import check_plain, pack, read_list, read_map, refuse
from protocol.ids import check_code
from protocol.limits import DOCUMENT_ID_CHARS_MAX, NAME_CHARS_MAX, NOTE_PAYLOAD_BYTES_MAX

NOTE_PREFIX: Final = "note."
_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
_ON: Final = "on"
_SAID: Final = "said"


class Action(StrEnum):
    """What a note tells of."""

    # --- people at a node ---
    SIGNED_IN = "signed_in"
    SIGN_IN_REFUSED = "sign_in_refused"
    """The first guess at a name, or somebody who is not let in whatever they show."""
    SIGNED_OUT = "signed_out"
    LOCKED_OUT = "locked_out"
    """Too many refused sign-ins: nobody signs in under this name for a while."""
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a name
    """What proves somebody was set, by themselves or by somebody else: a password, a PIN, a badge."""
    SHIFT_BEGAN = "shift_began"
    SHIFT_ENDED = "shift_ended"
    # --- machines and what they may ---
    TOKEN_MADE = "token_made"  # noqa: S105 - a name
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 - a name
    LAN_OPENED = "lan_opened"
    LAN_CLOSED = "lan_closed"
    # --- what was looked at or taken out ---
    DETAIL_OPENED = "detail_opened"
    """A sealed detail was opened."""
    KEY_DESTROYED = "key_destroyed"
    """What was sealed with it can be opened no more: a person was erased."""
    EXPORTED = "exported"
    # --- the history itself ---
    HISTORY_DIFFERS = "history_differs"
    """The other side signed another history than is known here."""
    # --- at the hub ---
    CODE_MADE = "code_made"
    ENROLLED = "enrolled"
    ACCESS_CHANGED = "access_changed"
    RETIRING = "retiring"
    RETIRED = "retired"
    REVOKED = "revoked"
    RESET_FORCED = "reset_forced"
    """A revoked machine held what proves somebody: it opens nothing until it is set anew."""
    BACKED_UP = "backed_up"
    EPOCH_BEGUN = "epoch_begun"
    """The hub was put back to a backup: its history begins anew."""


UNPROVEN: Final = frozenset({Action.SIGN_IN_REFUSED, Action.LOCKED_OUT})
"""What anybody can make happen who reaches the node: only so many of each are noted in an hour, of names that somebody has,
and as many of those that nobody has."""


class Entity(NamedTuple):
    """What a record of the audit is about."""

    type: str
    """A collection of documents, or `token`, `node`, `person`, `location` …"""
    id: str


class Note(NamedTuple):
    """What is noted, but for who did it and when."""

    action: str
    """One of `Action`, or one that a newer version knows."""
    entity: Entity | None = None
    payload: Mapping[str, object] = _NOTHING
    """Plain values that a person may read. `location` is where it happened: whoever reads that one's audit reads this."""


def to_details(note: Note) -> dict[str, object]:
    """A note as the details of its operation.

    Raises:
        ProtocolError: `bad_value` when it is not plain, or too large.
    """
    details: dict[str, object] = {}
    if note.entity is not None:
        details[_ON] = list(_checked(note.entity))
    if note.payload:
        said = dict(sorted(note.payload.items()))
        check_plain(said, "a note")
        if len(pack(said)) > NOTE_PAYLOAD_BYTES_MAX:
            refuse("a note", f"must pack to at most {NOTE_PAYLOAD_BYTES_MAX} bytes")
        details[_SAID] = said
    return details


def from_details(kind: str, details: Mapping[str, object]) -> Note:
    """What the operation of this kind notes; of what cannot be read as such, its details.

    Never refuses: whoever reads an audit must see everything that is in it.
    """
    action = kind.removeprefix(NOTE_PREFIX)
    rest = {name: value for name, value in details.items() if name not in {_ON, _SAID}}
    said = details.get(_SAID, {})
    if not isinstance(said, dict):
        rest[_SAID], said = said, {}
    on = details.get(_ON)
    entity = None
    if isinstance(on, list) and len(on) == 2 and all(type(part) is str for part in on):
        entity = Entity(*on)
    elif on is not None:
        rest[_ON] = on
    return Note(action, entity, {**said, **rest})


def note_to_wire(note: Note) -> list[object]:
    """A note by itself, as the hub keeps its own."""
    return [note.action, to_details(note)]


def note_from_wire(value: object) -> Note:
    """Read such a note.

    Raises:
        ProtocolError: `bad_value`.
    """
    action, details = read_list(value, "a note", least=2, most=2)
    if type(action) is not str:
        refuse("a note's action", "must be text")
    return from_details(action, read_map(details, "a note"))


def _checked(entity: Entity) -> Entity:
    check_code(entity.type, "an entity's type", chars_max=NAME_CHARS_MAX)
    check_code(entity.id, "an entity's id", chars_max=DOCUMENT_ID_CHARS_MAX)
    return entity
