"""Which own operations are to be asked about, and what the hub's answer makes of the view.

Invariant: a claim is due from the transaction that began a new replica or epoch until every answer was carried out; what
was carried out is part of the view, durable, and asked again only after the next loss. An answer is carried out on rows
that are at least as new as it is: the caller sees to that, scope by scope.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import orjson

from node.replica import changes, scopes, view
from protocol.effects import CounterEffect, CounterKey, DocumentKey, Effect, scopes_of
from protocol.ids import OpId, Scope, Seq
from protocol.limits import CLAIM_IDS_MAX
from protocol.merge import is_on_top
from protocol.operation import decode
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "claims.sql")
READ_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of operations looked at for one question: eight thousand of the largest would be 1.6 GB."""


class Asked(NamedTuple):
    """One operation of a question."""

    seq: Seq
    op_id: OpId
    scopes: frozenset[Scope]
    """Those of the rows it touches."""


class Due(NamedTuple):
    """A question."""

    is_whole: bool
    """Whether what the hub does not have may be missing from the view."""
    asked: list[Asked]
    """Oldest first; none when there is nothing left to ask."""


def begin(db: sqlite3.Connection, *, whole: bool) -> None:
    """Have all operations asked about anew: those on top, or with `whole` every one that is retained."""
    db.execute(_SQL["begin"], {"is_whole": whole})


def next_asked(db: sqlite3.Connection, upto: Seq) -> Due | None:
    """The next question, about operations up to this position; None when no claim is due."""
    due = db.execute(_SQL["read"]).fetchone()
    if due is None:
        return None
    found: list[Asked] = []
    size = 0
    asked = {"after": due["after"], "upto": upto, "limit": CLAIM_IDS_MAX}
    for row in db.execute(_SQL["retained" if due["is_whole"] else "on_top"], asked):
        operation = decode(row["body"])
        touched = frozenset(scope for effect in operation.effects for scope in scopes_of(effect))
        found.append(Asked(Seq(row["seq"]), operation.op_id, touched))
        size += len(row["body"])
        if size > READ_BYTES_MAX:
            break
    return Due(bool(due["is_whole"]), found)


def are_due(db: sqlite3.Connection) -> bool:
    """Whether something is still to be asked, or an answer to be carried out."""
    return db.execute(_SQL["read"]).fetchone() is not None


def advance(db: sqlite3.Connection, upto: Seq) -> None:
    """Every answer up to here was carried out."""
    db.execute(_SQL["advance"], {"upto": upto})


def end(db: sqlite3.Connection) -> None:
    """Nothing is left to ask."""
    db.execute(_SQL["end"])


def settle(db: sqlite3.Connection, scope: Scope, seqs: Sequence[Seq]) -> None:
    """Take operations out of the view of a scope's rows: their effects are inside the rows.

    Rows of a scope that is not held are shown no further than what is on top of them, and come whole should it be.
    """
    view.forget_some(db, scope, orjson.dumps(seqs).decode(), scopes.held(db))


def put_back(db: sqlite3.Connection, scope: Scope, seqs: Iterable[Seq]) -> None:
    """Put operations that the hub does not have on top of a scope's rows again, unless they are or a mark covers them."""
    for row in db.execute(_SQL["bodies"], {"seqs": orjson.dumps(list(seqs)).decode()}).fetchall():
        seq = Seq(row["seq"])
        if row["is_quarantined"]:
            continue
        effects = _missing(db, scope, seq, decode(row["body"]).effects)
        view.record(db, seq, effects)
        stock = defaultdict(list)
        for effect in effects:
            if isinstance(effect, CounterEffect):
                stock[effect.location].append(effect.sku)
            else:
                changes.note_document(db, effect.key)
        for location, skus in stock.items():
            changes.note_stock(db, ((location, sku) for sku in skus))


def _missing(
    db: sqlite3.Connection, scope: Scope, seq: Seq, effects: Sequence[Effect]
) -> list[Effect]:
    """An operation's effects on the rows of a scope that neither are on top nor inside; all it does to a row, or nothing."""
    named: dict[CounterKey | DocumentKey, set[Scope]] = defaultdict(set)
    for effect in effects:
        named[effect.key].update(scopes_of(effect))
    held = scopes.held(db).keys()
    missing = {
        key
        for key, its_scopes in named.items()
        if scope in its_scopes
        and (scope in held or not its_scopes & held)
        and not view.has_on_top(db, key, seq)
        and not _is_inside(db, scope, seq, key)
    }
    return [effect for effect in effects if effect.key in missing]


def _is_inside(
    db: sqlite3.Connection, scope: Scope, seq: Seq, key: CounterKey | DocumentKey
) -> bool:
    name = "own_of_counter" if isinstance(key, CounterKey) else "own_of_document"
    own = db.execute(_SQL[name], {**key._asdict(), "scope": scope}).fetchone()
    row_own, scope_own = own
    return not is_on_top(seq, row_own=row_own, scope_own=scope_own)
