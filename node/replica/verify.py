"""Whether the whole database still adds up, recomputed from the log and the rows.

Invariant: nothing here trusts a stored sum; each is computed again from what it is a sum of. SQLite's own check finds
fewer than half of the flipped bits of a ledger; the chain and the sums find most of the rest.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby, islice
from operator import itemgetter
from typing import Final, NamedTuple

from node.replica import checkpoints, log, retention, sealed, search
from node.replica.stored import stored_counter, stored_document
from protocol import chain, digest
from protocol.digest import Digest
from protocol.effects import CounterEffect, CounterKey, DocumentKey
from protocol.errors import ProtocolError
from protocol.ids import ChainHash, Scope, Seq
from protocol.movements import MOVE_PREFIX
from protocol.operation import Operation, decode
from protocol.rows import Row
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "verify.sql")
PROBLEMS_MAX: Final = 100
HEAD_OPERATIONS: Final = 1_000
SPOT_OPERATIONS: Final = 20


class Fault(NamedTuple):
    """One thing that is not as it should be."""

    place: str
    """Where, so that a person finds it: `log 17`, `counter S01/85123A`."""
    detail: str


class _Listed(NamedTuple):
    """How the list of movements shows one operation."""

    lines: int
    """How many of its SKUs and lots it is found by."""
    is_as_said: bool


def problems(db: sqlite3.Connection) -> list[str]:
    """The first hundred things that do not add up, each in one line; [] when all of it does."""
    return [f"{fault.place}: {fault.detail}" for fault in islice(faults(db), PROBLEMS_MAX)]


def faults(db: sqlite3.Connection) -> Iterator[Fault]:
    """Everything that does not add up, log first, in the order of its places. Reads the whole database once, in time linear in it."""
    yield from _log_faults(db)
    yield from _signed_faults(db)
    yield from _view_faults(db)
    yield from _pending_faults(db)
    yield from _digest_faults(db)
    yield from _search_faults(db)
    for id_ in sealed.damaged(db):
        yield Fault(f"key of movement {id_}", "what opens its sealed details cannot be read")


def head_faults(db: sqlite3.Connection) -> Iterator[Fault]:
    """What is wrong with the newest operations of the log: a few milliseconds, at each start."""
    last = log.head(db).seq
    after = max(log.start(db).seq, last - HEAD_OPERATIONS)
    held = log.chain_at(db, Seq(after))
    for row in db.execute(_SQL["log_after"], {"seq": after}):
        held = chain.extend(held or chain.CHAIN_START, row["body"])
        if held != row["chain"]:
            yield Fault(f"log {row['seq']}", "the hash chain breaks here")
            return


def newest_view_faults(db: sqlite3.Connection) -> Iterator[Fault]:
    """Whether the rows that the newest operations changed show what they should: a spot check, at each start."""
    last = log.head(db).seq
    for row in db.execute(_SQL["log_after"], {"seq": max(0, last - SPOT_OPERATIONS)}).fetchall():
        for effect in decode(row["body"]).effects:
            if isinstance(effect, CounterEffect):
                shown = db.execute(_SQL["one_shown_differs"], effect._asdict()).fetchone()
                if shown is not None:
                    yield Fault(
                        _counter_place(shown),
                        f"shows {shown['value']}, should be {shown['expected']}",
                    )


def _log_faults(db: sqlite3.Connection) -> Iterator[Fault]:
    before, held = log.start(db)
    expected_seq, lines = before + 1, 0
    for row in db.execute(_SQL["log_in_order"]):
        place = f"log {row['seq']}"
        if row["seq"] != expected_seq:
            yield Fault(place, f"operation {expected_seq} is missing before it")
        held = chain.extend(held, row["body"])
        if held != row["chain"]:
            yield Fault(
                place, "the hash chain breaks here: this operation or one before it was changed"
            )
            held = ChainHash(row["chain"])
        expected_seq = row["seq"] + 1
        try:
            operation = decode(row["body"])
        except ProtocolError as error:
            yield Fault(place, f"the operation cannot be read: {error.detail}")
            continue
        if operation.kind.startswith(MOVE_PREFIX):
            listed = _listed(db, row["seq"], operation)
            lines += listed.lines
            if not listed.is_as_said:
                yield Fault(place, "the list of movements shows it otherwise, or not at all")
    for fault in _held_faults(db):
        if isinstance(fault, Fault):
            yield fault
        else:
            lines += fault
    yield from _stray_faults(db, lines)


def _signed_faults(db: sqlite3.Connection) -> Iterator[Fault]:
    """Whether the log is what was signed that it is: a chain alone does not tell that its end was cut off."""
    for wrong in checkpoints.head_faults(db):
        yield Fault(f"log {wrong.seq}", wrong.detail)
    for detail in checkpoints.checkpoint_faults(db):
        yield Fault("what the hub signed", detail)


def outside_faults(db: sqlite3.Connection, signed_head: bytes) -> Iterator[Fault]:
    """The same by the signed head that is kept in a file beside the database."""
    for wrong in checkpoints.kept_outside_fault(db, signed_head):
        yield Fault(f"log {wrong.seq}", wrong.detail)


def _held_faults(db: sqlite3.Connection) -> Iterator[Fault | int]:
    """What is held outside the log: movements with bytes of their own, each with how many lines it has, and kept edits."""
    for row in db.execute(_SQL["held_movements"]):
        place = f"movement {row['position']}"
        if row["body_hash"] is not None and retention.body_hash(row["body"]) != row["body_hash"]:
            yield Fault(place, "its bytes were changed since they left the log")
        try:
            operation = decode(row["body"])
        except ProtocolError as error:
            yield Fault(place, f"the operation cannot be read: {error.detail}")
            continue
        listed = _listed(db, row["seq"], operation)
        yield listed.lines
        if not listed.is_as_said:
            yield Fault(place, "the list of movements shows it otherwise than it is")
    for row in db.execute(_SQL["kept_edits"]):
        if retention.body_hash(row["body"]) != row["body_hash"]:
            yield Fault(
                f"kept edit {row['position']}", "its bytes were changed since they left the log"
            )


def _listed(db: sqlite3.Connection, seq: int, operation: Operation) -> _Listed:
    listed = db.execute(_SQL["listed"], {"op_id": operation.op_id}).fetchone()
    if listed is None:
        return _Listed(lines=0, is_as_said=False)
    counters = [effect for effect in operation.effects if isinstance(effect, CounterEffect)]
    reference = operation.details.get("reference")
    said = (seq, operation.kind, counters[0].location, reference, operation.occurred_at)
    # Each line is looked up by its whole key, which begins with the SKU: all lines of one position are a scan of the
    # table. What is listed beyond these lines shows in their number: see _stray_faults.
    keys = _lines(operation)
    found = sum(
        db.execute(
            _SQL["is_listed_sku"], {"sku": sku, "position": listed["position"], "lot": lot}
        ).fetchone()
        is not None
        for sku, lot in keys
    )
    return _Listed(found, tuple(listed)[1:] == said and found == len(keys))


def _stray_faults(db: sqlite3.Connection, lines: int) -> Iterator[Fault]:
    """What the list of movements has and the log has not, `lines` of its lines being those of the log."""
    for row in db.execute(_SQL["listed_without_operation"]):
        yield Fault(f"log {row['seq']}", "is in the list of movements and not in the log")
    if db.execute(_SQL["count_listed_skus"]).fetchone()[0] == lines:
        return
    for row in db.execute(_SQL["listed_skus"]):
        try:
            is_said = row["body"] is not None and (row["sku"], row["lot"]) in _lines(
                decode(row["body"])
            )
        except ProtocolError:
            continue  # the log's own check has named it
        if not is_said:
            place = f"movement {row['position']}" if row["seq"] is None else f"log {row['seq']}"
            yield Fault(place, f"is found by {row['sku']!r}, of which it says nothing")


def _lines(operation: Operation) -> set[tuple[str, str]]:
    """The SKUs and lots by which an operation is found."""
    counters = (effect for effect in operation.effects if isinstance(effect, CounterEffect))
    return {(effect.sku, effect.lot) for effect in counters}


def _view_faults(db: sqlite3.Connection) -> Iterator[Fault]:
    for row in db.execute(_SQL["shown_differs"]):
        yield Fault(_counter_place(row), f"shows {row['value']}, should be {row['expected']}")
    for row in db.execute(_SQL["pending_without_counter"]):
        yield Fault(
            _counter_place(row), f"operation {row['seq']} is on top of a row that does not exist"
        )


def _pending_faults(db: sqlite3.Connection) -> Iterator[Fault]:
    """What is on top of the rows must be part of what the operations of the log say."""
    by_operation = groupby(db.execute(_SQL["pending_by_operation"]), key=itemgetter("seq"))
    for seq, deltas in by_operation:
        body = log.body_at(db, seq)
        if body is None:
            yield Fault(f"log {seq}", "is on top of the view and not in the log")
            continue
        said = _counter_sums(decode(body))
        for delta in deltas:
            key = (delta["location"], delta["sku"], delta["lot"], delta["account"])
            if said.get(key) != delta["delta"]:
                yield Fault(
                    _counter_place(delta),
                    f"operation {seq} is on top with another delta than it has",
                )


def _digest_faults(db: sqlite3.Connection) -> Iterator[Fault]:
    sums: dict[Scope, Digest] = defaultdict(lambda: digest.EMPTY)
    newest: dict[Scope, int] = defaultdict(int)
    for row in _sent_rows(db):
        for scope in row.scopes:
            sums[scope] = digest.replace(sums[scope], old=None, new=row)
            newest[scope] = max(newest[scope], row.hub_seq)
    for held in db.execute(_SQL["scopes"]):
        scope = Scope(held["scope"])
        expected = sums[scope]
        # While rows are dropped, or read again, the newest may be one that is not there now.
        is_newest = held["hub_seq"] == newest[scope] or not held["caught_up"]
        if (held["rows"], digest.from_bytes(held["digest"])) != expected or not is_newest:
            yield Fault(
                f"scope {scope}",
                f"the digest over {expected.rows} rows is not the one that is kept",
            )


def _search_faults(db: sqlite3.Connection) -> Iterator[Fault]:
    for sku in search.differing(db):
        yield Fault(f"skus/{sku}", "the index by which it is found says something else")


def _sent_rows(db: sqlite3.Connection) -> Iterator[Row]:
    for held in db.execute(_SQL["sent_counters"]):
        key = CounterKey(held["location"], held["sku"], held["lot"], held["account"])
        counter = stored_counter(key, held)
        assert counter is not None, "only rows that the hub sent are read"
        yield counter
    for held in db.execute(_SQL["sent_documents"]):
        document = stored_document(DocumentKey(held["collection"], held["id"]), held)
        assert document is not None, "only rows that the hub sent are read"
        yield document


def _counter_sums(operation: Operation) -> dict[tuple[str, str, str, int], int]:
    sums: dict[tuple[str, str, str, int], int] = defaultdict(int)
    for effect in operation.effects:
        if isinstance(effect, CounterEffect):
            sums[effect.location, effect.sku, effect.lot, effect.account] += effect.delta
    return sums


def _counter_place(row: sqlite3.Row) -> str:
    parts = [row["location"], row["sku"], *([row["lot"]] if row["lot"] else [])]
    return f"counter {'/'.join(parts)} account {row['account']}"
