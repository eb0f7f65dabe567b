"""A node's database in memory, joined to a chain that nobody else knows."""

import sqlite3
from collections.abc import Iterator

import pytest

from node.replica import SCHEMA, recovery, scopes
from node.replica.identity import NodeIdentity, save_identity
from protocol.certificate import issue
from protocol.ids import Scope
from runtime.migrations import migrate
from tests.node.chain import CHAIN, HUB_KEY, ME, certificate_of

STOCK = Scope("stock:S01")


def new_replica_database() -> sqlite3.Connection:
    """A database as `join` leaves it, reading its own stock."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.row_factory = sqlite3.Row
    joined(db)
    return db


def joined(db: sqlite3.Connection) -> None:
    """Make the node of an empty database; see `new_replica_database`."""
    migrate(db, SCHEMA)
    certificate = certificate_of(writes=("S01",))
    identity = NodeIdentity(
        CHAIN,
        "ws://127.0.0.1:1",
        bytes(HUB_KEY.verify_key),
        issue(certificate, HUB_KEY),
        certificate,
    )
    save_identity(db, identity, 1_000)
    recovery.begin_replica(db, ME)
    scopes.begin(db, [STOCK])


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """See `new_replica_database`."""
    database = new_replica_database()
    yield database
    database.close()
