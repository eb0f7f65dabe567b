"""Documents at a node: own edits are joined over the hub's row, never laid over it."""

import sqlite3

from node.replica import rows, scopes, verify, view
from protocol.clock import Stamp
from protocol.codec import unpack
from protocol.documents import Document, FieldState, fields_from_wire
from protocol.effects import FieldEffect, Join
from protocol.frames.feed import Page
from protocol.ids import HubSeq, ReplicaId, Scope, Seq
from protocol.rows import DocumentRow
from tests.node.chain import ME
from tests.node.replica.small_hub import SALT

CATALOGUE = Scope("catalogue")
OTHER = ReplicaId(b"another replica.")


def edit(field: str, value: object, wall_ms: int, *, replica: ReplicaId = ME) -> FieldEffect:
    """A field of one SKU set at a time."""
    stamp = Stamp(wall_ms, 0, replica)
    return FieldEffect("skus", "a", field, int(Join.LWW), 0, value, stamp, (CATALOGUE,))


def row(hub_seq: int, tail: tuple[object, ...] = (), **fields: tuple[object, int]) -> DocumentRow:
    """The SKU as the hub has it."""
    states = {
        name: FieldState(int(Join.LWW), 0, value, Stamp(wall_ms, 0, OTHER))
        for name, (value, wall_ms) in fields.items()
    }
    return DocumentRow("skus", "a", HubSeq(hub_seq), Document(states, frozenset({CATALOGUE})), tail)


def take_in(db: sqlite3.Connection, held: DocumentRow, own: int) -> None:
    """The hub sends the row, with our log inside it up to `own`."""
    scopes.begin(db, [CATALOGUE])
    page = Page(CATALOGUE, HubSeq(0), held.hub_seq, SALT, False, {ME: Seq(own)}, (held,))
    rows.take_in(db, page, page.rows, ME, finish=True)


def shown(db: sqlite3.Connection) -> dict[str, object]:
    """What a screen would show."""
    row = db.execute("SELECT shown FROM document WHERE collection = 'skus' AND id = 'a'").fetchone()
    if row is None:
        return {}
    return {name: state.value for name, state in fields_from_wire(unpack(row["shown"])).items()}


def test_an_own_edit_is_shown_at_once_beside_the_hubs_fields(db: sqlite3.Connection) -> None:
    take_in(db, row(1, name=("Aple", 10), unit=("each", 10)), own=0)
    view.record(db, Seq(1), [edit("name", "Apple", 20)])
    assert shown(db) == {"name": "Apple", "unit": "each"}
    assert verify.problems(db) == []


def test_a_newer_edit_of_somebody_else_beats_an_own_pending_one(db: sqlite3.Connection) -> None:
    view.record(db, Seq(1), [edit("name", "Apple", 20)])
    take_in(db, row(1, name=("Apple (new)", 30)), own=0)
    assert shown(db) == {"name": "Apple (new)"}


def test_an_edit_that_lost_at_the_hub_is_gone_once_the_row_includes_it(
    db: sqlite3.Connection,
) -> None:
    view.record(db, Seq(1), [edit("name", "From 2099", 10**14)])
    assert shown(db) == {"name": "From 2099"}
    take_in(db, row(1, name=("Apple", 30)), own=1)
    assert shown(db) == {"name": "Apple"}


def test_a_quarantined_edit_is_taken_back(db: sqlite3.Connection) -> None:
    take_in(db, row(1, name=("Apple", 10)), own=0)
    view.record(db, Seq(1), [edit("name", "Pear", 20)])
    view.forget_quarantined(db, Seq(1))
    assert shown(db) == {"name": "Apple"}


def test_a_tail_from_a_newer_hub_is_kept_and_hashed(db: sqlite3.Connection) -> None:
    take_in(db, row(1, ("later", 5), name=("Apple", 10)), own=0)
    assert verify.problems(db) == []
    take_in(db, row(2, name=("Apples", 20)), own=0)
    assert verify.problems(db) == []
