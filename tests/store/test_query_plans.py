"""No statement of the hub walks over a table unless it is known to, and why it may."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.store.sqlite import recount, store
from runtime.migrations import migrate
from tests.query_plans import scans, statements

SCANS = {
    # The newest row of a table in the order of its key: SQLite calls it a scan, and stops at the limit.
    "fold.head commit_salt",
    "witness.last_note note",
    "witness.newest checkpoint",
    # As many as a chain has locations, devices and codes for them.
    "audit.replicas replica",
    "witness.logs replica",
    "proofs.logs replica",
    "proofs.signed_heads signed_head",
    "audit.scopes scope",
    "codes.void enrolment_code",
    "feed.scopes scope",
    "nodes.nodes node",
    # The newest hundred backups; every node that left; codes that were used.
    "backups.forget_file backup",
    "backups.forget_positions backup_position",
    "backups.forget_positions_of_file backup",
    "backups.forget backup",
    "backups.forget_positions backup",
    "backups.newest backup",
    "backups.stable backup",
    "backups.positions replica",
    "backups.void_codes enrolment_code",
    "departures.all departure",
    "departures.count departure",
    "departures.replacements enrolment_code",
    # Once a look at the metrics: devices and codes, and of the ledger only what is quarantined.
    "ledger.counts enrolment_code",
    "ledger.counts ledger",
    "ledger.counts node",
    # Once a verification: it is there to read everything.
    "audit.applied_size applied",
    "audit.ledger_size ledger",
    "audit.rows counter",
    "audit.rows document",
    "audit.stray_rows counter",
    "audit.stray_rows document_scope",
    "audit.wrong_numbers counter",
    "audit.wrong_numbers document",
    "audit.wrong_places document",
    "audit.wrong_totals counter",
    "recount.count_documents document",
    "recount.documents document",
    "recount.entries entry",
    "recount.ledger ledger",
    "proofs.checkpoints checkpoint",
    "proofs.ledger ledger",
    "proofs.notes note",
    "recount.scope_writers scope_writer",
}
PRIVATE = {
    "recount.add_entry",
    "recount.add_writer",
    "recount.get_document",
    "recount.put_document",
    "recount.writers",
}
"""What a verification asks of its own private database."""
FOLDER = Path(store.__file__).parent


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """An empty database of a hub."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    migrate(database, store.SCHEMA)
    yield database
    database.close()


def test_no_statement_walks_over_a_table_that_is_not_known_to(db: sqlite3.Connection) -> None:
    asked = {name: sql for name, sql in statements(FOLDER).items() if name not in PRIVATE}
    assert scans(db, asked) == SCANS


def test_no_statement_of_a_verification_walks_over_its_private_tables() -> None:
    asked = {name: sql for name, sql in statements(FOLDER).items() if name in PRIVATE}
    db = sqlite3.connect(":memory:", isolation_level=None)
    for name in ("scratch_entry", "scratch_document", "scratch_writer"):
        db.execute(recount.SQL[name])
    assert scans(db, asked) == {"recount.writers writer"}
    db.close()
