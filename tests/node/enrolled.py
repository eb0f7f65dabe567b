"""A folder as `join` leaves it, made without a hub: its certificate is signed by a key drawn here.

The node in it reaches for a hub at a closed port, as in a shop whose line is down.
"""

import contextlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from nacl.signing import SigningKey

from node.joining import KEY_NAME, OPERATOR, OPERATOR_TOKEN_NAME
from node.replica import DATABASE_NAME, SCHEMA, recovery, tokens
from node.replica.identity import NodeIdentity, save_identity
from protocol.certificate import ALL, Certificate, Role, issue
from protocol.ids import ChainId, Location, NodeId, ReplicaId
from runtime.connection import connect_writer
from runtime.folder import Folder
from runtime.keys import load_or_create_signing_key, new_token, token_digest
from runtime.migrations import migrate

NOBODY_LISTENS: Final = "ws://127.0.0.1:1"


@dataclass(frozen=True, slots=True)
class Shop:
    """A joined folder and its operator's token."""

    folder: Folder
    operator_token: str

    @property
    def database(self) -> Path:
        """Where the node's database is."""
        return self.folder.path / DATABASE_NAME


@cache
def _empty_database() -> bytes:
    """A database with nothing in it but the schema: made once, since thousands of tests begin with one."""
    with TemporaryDirectory() as place:
        made = Path(place) / DATABASE_NAME
        with contextlib.closing(connect_writer(made)) as db:
            migrate(db, SCHEMA)
        return made.read_bytes()


def enrolled_folder(
    path: Path,
    *,
    name: str = "S01",
    writes: tuple[str, ...] = ("S01",),
    role: Role = Role.STORE,
    recovery_key: bytes = b"",
) -> Shop:
    """Make the folder of a node that writes `writes` and reads everything, in a chain with this recovery key."""
    hub_key = SigningKey.generate()
    folder = Folder(path)
    key = load_or_create_signing_key(folder, KEY_NAME)
    certificate = Certificate(
        ChainId(b"e" * 16),
        NodeId(b"n" * 16),
        bytes(key.verify_key),
        name,
        role,
        tuple(Location(location) for location in writes),
        (ALL,),
        serial=1,
        issued_at_ms=1_700_000_000_000,
        recovery=recovery_key,
    )
    token = new_token("operator")
    folder.write_private(OPERATOR_TOKEN_NAME, f"{token}\n".encode())
    signed = issue(certificate, hub_key)
    identity = NodeIdentity(
        certificate.chain, NOBODY_LISTENS, bytes(hub_key.verify_key), signed, certificate
    )
    (path / DATABASE_NAME).touch(mode=0o600)
    (path / DATABASE_NAME).write_bytes(_empty_database())
    with contextlib.closing(connect_writer(path / DATABASE_NAME)) as db:
        save_identity(db, identity, certificate.issued_at_ms)
        recovery.begin_replica(db, ReplicaId(b"r" * 16))
        tokens.add(db, token_digest(token), OPERATOR, certificate.issued_at_ms)
    return Shop(folder, token)
