"""Whether everything the hub keeps follows from its ledger, and the ledger from what replicas were acknowledged.

Invariant: one snapshot, read only, bounded memory. Each finding is a sentence that names the place.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final, NamedTuple

from hub.store.sqlite import proofs
from hub.store.sqlite.feed import document_of
from hub.store.sqlite.recount import SQL as RECOUNT
from hub.store.sqlite.recount import Recount
from protocol.chain import CHAIN_START, extend
from protocol.digest import from_bytes, of_rows
from protocol.ids import ChainHash, HubSeq
from protocol.rows import CounterRow, DocumentRow, Row
from runtime.queries import load_queries

SQL: Final = load_queries(__file__, "audit.sql")
FINDINGS_MAX: Final = 100
"""Of one kind: the first matter, the others follow from the same cause."""

Progress = Callable[[int, int], None]
"""Called with operations checked and operations in all."""


class Sizes(NamedTuple):
    """How much there was to check."""

    operations: int
    rows: int


def read_sizes(db: sqlite3.Connection) -> Sizes:
    """Operations and rows."""
    return Sizes(
        db.execute(SQL["ledger_size"]).fetchone()[0], db.execute(SQL["rows"]).fetchone()[0]
    )


def problems(db: sqlite3.Connection, progress: Progress) -> Iterator[str]:
    """Everything that does not add up, the ledger's own faults first."""
    with closing(Recount(db)) as recount:
        yield from _ledger(db, recount, progress)
        yield from proofs.faults(db)
        yield from recount.flush()
        applied = db.execute(SQL["applied_size"]).fetchone()[0]
        if applied != recount.counted:
            yield f"{applied} op_ids are marked as counted, and the ledger counts {recount.counted}"
        yield from recount.differences()
    yield from _totals(db)
    yield from _scopes(db)


def _ledger(db: sqlite3.Connection, recount: Recount, progress: Progress) -> Iterator[str]:
    """Every log is without gaps up to acked, and its chain is the one acknowledged."""
    size = db.execute(SQL["ledger_size"]).fetchone()[0]
    replicas = {row["id"]: row for row in db.execute(SQL["replicas"])}
    ends: dict[int, tuple[int, ChainHash]] = {}
    for done, row in enumerate(db.execute(RECOUNT["ledger"]), start=1):
        replica, seq = row["replica"], row["seq"]
        last, chain = ends.get(replica, (0, CHAIN_START))
        where = f"ledger position {row['position']}"
        if seq != last + 1:
            yield f"{where}: operation {seq} of a log follows {last}"
        if row["body"] is None:
            yield f"{where}: repeats an operation that is not there"
            ends[replica] = (seq, chain)
            continue
        ends[replica] = (seq, extend(chain, bytes(row["body"])))
        for fault in recount.add(row):
            yield f"{where}: {fault}"
        progress(done, size)
    for id_, replica in replicas.items():
        last, chain = ends.get(id_, (0, CHAIN_START))
        name = replica["replica"].hex()
        if last != replica["acked"]:
            yield f"replica {name}: acknowledged up to {replica['acked']}, in the ledger up to {last}"
        elif chain != replica["chain"]:
            yield f"replica {name}: the chain of its operations is not the one acknowledged"


def _totals(db: sqlite3.Connection) -> Iterator[str]:
    limit = {"limit": FINDINGS_MAX}
    for row in db.execute(SQL["wrong_totals"], limit):
        yield f"counter {'/'.join(map(str, row))}: its total is not the sum of its entries"
    for (hub_seq,) in db.execute(SQL["wrong_numbers"], limit):
        yield f"hub_seq {hub_seq}: given twice, or beyond the head"
    for row in db.execute(SQL["wrong_places"], limit):
        yield f"document {'/'.join(map(str, row))}: a scope's feed has it at another hub_seq"


def _scopes(db: sqlite3.Connection) -> Iterator[str]:
    for (scope,) in db.execute(SQL["stray_rows"], {"limit": FINDINGS_MAX}):
        yield f"scope {scope}: has rows and no digest"
    for scope in db.execute(SQL["scopes"]).fetchall():
        name = scope["scope"]
        newest = 0

        def rows(name: str = name) -> Iterator[Row]:
            nonlocal newest
            for row in _rows(db, name):
                newest = max(newest, row.hub_seq)
                yield row

        digest = of_rows(rows())
        if digest.rows != scope["rows"]:
            yield f"scope {name}: has {digest.rows} rows, and {scope['rows']} are noted"
        elif digest.value != from_bytes(scope["digest"]):
            yield f"scope {name}: its digest is not that of its rows"
        if newest != scope["hub_seq"]:
            yield f"scope {name}: its newest row is {newest}, and {scope['hub_seq']} is noted"
        if scope["writers"] != scope["counted"]:
            yield f"scope {name}: has {scope['counted']} writers, and {scope['writers']} are noted"


def _rows(db: sqlite3.Connection, scope: str) -> Iterator[Row]:
    family, _, location = scope.partition(":")
    if family == "stock":
        for row in db.execute(SQL["counters_of"], {"location": location}):
            yield CounterRow(*row)
    for id_, collection, document_id, hub_seq, fields in db.execute(
        SQL["documents_of"], {"scope": scope}
    ):
        state = document_of(db, id_, fields)
        yield DocumentRow(collection, document_id, HubSeq(hub_seq), state)
