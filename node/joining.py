"""What `join` leaves in a folder: the device's key, the operator's token and who the node is.

Invariant: a folder is joined when its database holds an identity, which is written last; interrupted before that, the
folder can be joined again. A log is never overwritten: what was recorded and not yet sent exists nowhere else.
"""

import asyncio
import sqlite3
import ssl
from typing import Final

from node.commands.requests import Authority, Caller
from node.enrolment import NONCE_BYTES, Enrolled, HubAddress, JoinRefused, enrol
from node.replica import DATABASE_NAME, SCHEMA, log, movements, recovery, tokens
from node.replica.identity import NodeIdentity, read_identity, save_identity, save_predecessor
from protocol.certificate import Certificate, Role
from protocol.enrolment import EnrolmentCode
from protocol.ids import ChainId, ReplicaId
from runtime.folder import Folder
from runtime.keys import load_or_create_signing_key, new_token, token_digest
from runtime.store import Store
from runtime.world import World

KEY_NAME: Final = "node.key"
OPERATOR_TOKEN_NAME: Final = "operator.token"  # noqa: S105 - a file's name
OPERATOR: Final = Caller("operator", Authority.OPERATOR)


async def join(
    folder: Folder, hub: HubAddress, code: EnrolmentCode, world: World, tls: ssl.SSLContext
) -> Enrolled:
    """Make the folder a node of the hub's chain; the caller holds its lock. Durable on return.

    A folder that already has a log keeps it, and continues it as a new replica: a shop whose certificate was lost or
    replaced needs a code, not a new start.

    Raises: JoinRefused, HubUnreachable; StoreError and FolderError for the disk.
    """
    store = await Store.open(folder.path / DATABASE_NAME, SCHEMA, reader_count=1)
    try:
        chain = await store.read(_chain_of_log)
        key = await asyncio.to_thread(load_or_create_signing_key, folder, KEY_NAME)
        nonce = world.random_bytes(NONCE_BYTES)
        enrolled = await enrol(hub, code, key, nonce, tls, chain=chain)
        await store.read(lambda db: _check_covered(db, enrolled.certificate))
        token = new_token("operator")
        content = f"{token}\n".encode()
        await asyncio.to_thread(folder.write_private, OPERATOR_TOKEN_NAME, content)
        await store.write(lambda db: _save(db, hub, enrolled, token, world))
    finally:
        await store.close()
    return enrolled


def _chain_of_log(db: sqlite3.Connection) -> ChainId | None:
    """The chain that the folder's operations belong to; None when there are none."""
    return read_identity(db).chain if log.head(db).seq else None


def _check_covered(db: sqlite3.Connection, certificate: Certificate) -> None:
    """Refuse to carry a log under rights that do not cover it: its sales would be set aside at the hub.

    Raises: JoinRefused.
    """
    recorded_at = movements.own_locations(db)
    if certificate.role is Role.OFFICE or set(recorded_at) <= set(certificate.writes):
        return
    name = read_identity(db).certificate.name
    raise JoinRefused(
        f"This folder is node {name}, with movements at {', '.join(recorded_at)}; the code is for node "
        f"{certificate.name}, which writes {', '.join(certificate.writes) or 'nowhere'}. Nothing was changed."
    )


def _save(
    db: sqlite3.Connection, hub: HubAddress, enrolled: Enrolled, token: str, world: World
) -> None:
    now_ms = world.now_ms()
    identity = NodeIdentity(
        enrolled.chain,
        hub.url,
        enrolled.hub_public_key,
        enrolled.certificate_bytes,
        enrolled.certificate,
    )
    save_identity(db, identity, now_ms)
    save_predecessor(db, enrolled.predecessor)
    recovery.begin_replica(db, ReplicaId(world.random_bytes(16)))
    tokens.revoke(db, OPERATOR)
    tokens.add(db, token_digest(token), OPERATOR, now_ms)
