"""Sealed details in the transaction that records, opens or erases them.

Invariants:
- A movement and the key of what is sealed in it are recorded together; opening is noted in the transaction that finds what
  is to be opened, so nothing leaves this node unnoted.
- Erasing destroys the key, here and then everywhere; the operation, its place and its chain stay what they were.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from node.commands.answering import SEALED
from node.commands.movements import Here
from node.commands.noting import Who, note
from node.commands.requests import Caller, Refusal
from node.commands.rights import check_found
from node.replica import movements, sealed
from protocol.access.people import Resource
from protocol.access.table import Action as Right
from protocol.access.table import action
from protocol.errors import ProtocolError
from protocol.ids import Location, OpId
from protocol.notes import Action, Entity, Note
from protocol.operation import Operation, home_of
from protocol.sealed_keys import destroyed
from protocol.sealing import Binding, KeyPair, box_digest, unseal

FIELD: Final = "details"
OPEN: Final = action("patient.read")
ERASE: Final = action("patient.erase")
_MISSING: Final = "there is no such movement here"


class Opened(NamedTuple):
    """What was sealed with a movement."""

    location: Location
    details: Mapping[str, object]


def open_details(
    db: sqlite3.Connection, here: Here, caller: Caller, id_: OpId, pairs: Sequence[KeyPair]
) -> Opened:
    """Open what was sealed with a movement, and note who did. Durable with the transaction.

    Raises:
        Refusal: `not_found` for a movement that is not here or has nothing sealed, `forbidden`, `sealed_erased`,
            `sealed_unreadable`.
    """
    operation, location, box = _sealed(db, here, caller, id_, OPEN)
    key = sealed.key_of(db, id_, box_digest(box))
    if key is not None and key.is_destroyed:
        raise Refusal("sealed_erased", "what was sealed with it was erased")
    binding = Binding(here.chain, location, operation.op_id, FIELD)
    try:
        data_key = None if key is None else key.opened(binding, pairs)
        if data_key is None:
            raise Refusal("sealed_unreadable", "this node holds no key that opens it")
        details = unseal(box, binding, data_key)
    except ProtocolError as error:
        raise Refusal("sealed_unreadable", error.detail) from error
    about = Note(Action.DETAIL_OPENED, Entity("movement", id_.hex()), {"location": location})
    note(db, here, _who(caller), about)
    return Opened(location, details)


def erase_details(db: sqlite3.Connection, here: Here, caller: Caller, id_: OpId) -> bool:
    """Destroy the keys of what was sealed with a movement, for good; False when it was before. Durable with the transaction.

    Raises:
        Refusal: `not_found`, `forbidden`.
    """
    _, location, _ = _sealed(db, here, caller, id_, ERASE)
    if not sealed.keep(db, location, destroyed(id_)):
        return False
    about = Note(Action.KEY_DESTROYED, Entity("movement", id_.hex()), {"location": location})
    note(db, here, _who(caller), about)
    return True


def _sealed(
    db: sqlite3.Connection, here: Here, caller: Caller, id_: OpId, right: Right
) -> tuple[Operation, Location, bytes]:
    found = movements.one(db, id_)
    location = Location("") if found is None else Location(home_of(found.operation))
    resource = Resource(frozenset({location}) if location else frozenset())
    if found is not None:
        # Before it is said whether anything is sealed with it: that too is only for those who may read it.
        check_found(caller, right, resource, missing=_MISSING)
        if isinstance(box := found.operation.details.get(SEALED), bytes):
            return found.operation, location, box
    raise Refusal("not_found", _MISSING if found is None else "nothing is sealed with it")


def _who(caller: Caller) -> Who:
    return Who(caller.by, caller.name)
