"""The credentials that a machine held: what is forced to be set anew when it is revoked.

Invariant: nothing of what proves somebody leaves this module, only that there is such a thing.
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from hub.store.records import HeldCredential
from hub.store.sqlite import nodes
from protocol.certificate import Role
from protocol.codec import unpack
from protocol.declarations.naming import EVERY_LOCATION, codes_of
from protocol.declarations.people import CREDENTIALS, USERS
from protocol.departure import place_digest
from protocol.documents import fields_from_wire
from protocol.ids import NodeId
from runtime.queries import load_queries

SQL: Final = load_queries(__file__, "credentials.sql")
_MEANS: Final = ("password", "pin", "badge")


def held_by(db: sqlite3.Connection, node: NodeId) -> list[str]:
    """The locations whose credentials a node held, or may have kept from when it wrote them; `*` for every one's."""
    record = nodes.read_node(db, node)
    if record is None:
        return []
    return (
        [EVERY_LOCATION] if record.role is Role.OFFICE else sorted(nodes.locations_ever(db, node))
    )


def to_reset(
    db: sqlite3.Connection, held: Collection[bytes], mark: str
) -> Iterator[HeldCredential]:
    """Those of some locations, by the digests of a departure, that were not set since by somebody who knew its mark."""
    is_everywhere = place_digest(EVERY_LOCATION) in held
    for row in db.execute(SQL["credentials"], {"collection": CREDENTIALS.name}):
        id_ = row["document_id"]
        codes = codes_of(CREDENTIALS, id_)
        if codes.keys() != set(CREDENTIALS.identity):
            continue
        if not is_everywhere and place_digest(codes["location"]) not in held:
            continue
        fields = _values(row["fields"])
        proves = tuple(name for name in _MEANS if fields.get(name) is not None)
        if proves and fields.get("reset_for") != mark:
            yield HeldCredential(
                id_, codes["location"], codes["user"], _username(db, codes["user"]), proves
            )


def _username(db: sqlite3.Connection, user: str) -> str | None:
    row = db.execute(SQL["one"], {"collection": USERS.name, "id": user}).fetchone()
    username = None if row is None else _values(row["fields"]).get("username")
    return username if isinstance(username, str) else None


def _values(packed: bytes) -> Mapping[str, object]:
    return {name: state.value for name, state in fields_from_wire(unpack(packed)).items()}
