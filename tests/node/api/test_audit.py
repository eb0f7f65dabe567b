"""`GET /v1/audit`: everything recorded here in one list, filtered, in pages, as JSON and as CSV."""

import csv
import io
import json
import sqlite3
from collections.abc import Iterator

import pytest

from node.commands.movements import Here
from node.commands.noting import Who, note
from node.exchange.cells import restored
from node.replica import identity, log, retention
from node.replica.identity import save_acked
from node.replica.retention import Retention
from node.reports.audit import Audit, payload_text, row_of
from node.reports.frame import Moment, Span
from protocol.audit import Record, Wanted, record_of
from protocol.effects import Account
from protocol.ids import ReplicaId, Seq
from protocol.limits import AUDIT_EXAMINED_MAX, AUDIT_LINES_MAX, AUDIT_PAYLOAD_BYTES_MAX
from protocol.notes import Action, Entity, Note
from tests.node.api.caller import ApiCaller, sale
from tests.node.chain import CHAIN, ME, certificate_of, movement
from tests.node.replica.conftest import new_replica_database
from tests.node.replica.small_hub import SmallHub
from tests.node.replica.test_retention import edit
from tests.node.replica.test_view import OTHER, pull, push, record

NOW_MS = 1_700_000_000_000
HERE = Here(CHAIN, ME, certificate_of(writes=("S01",)), None, NOW_MS)
DAY_MS = 86_400_000


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """A joined node's database."""
    database = new_replica_database()
    yield database
    database.close()


def all_of(db: sqlite3.Connection, wanted: Wanted, limit: int = 3) -> list[dict[str, object]]:
    """Every row, page by page."""
    moment = Moment(NOW_MS, identity.read_identity(db).certificate, is_operator=True)
    found: list[dict[str, object]] = []
    cursor: str | None = None
    while True:
        piece = Audit(wanted).piece(db, moment, Span(limit, cursor))
        found += [dict(row) for row in piece.rows]
        cursor = piece.following
        if cursor is None:
            return found


def lived(db: sqlite3.Connection) -> None:
    """Sales, an edit, notes; of these the oldest have left the log."""
    hub = SmallHub()
    for number in range(1, 6):
        record(db, movement(number, ("apple", 1), ("pear", 2)))
    log.append(db, log.head(db), edit(1_000, "Apple"))
    note(db, HERE, Who("ada", "till-1"), Note(Action.SIGNED_IN, Entity("person", "ada")))
    note(db, HERE, Who("bob", "till-2"), Note(Action.DETAIL_OPENED, Entity("movements", "ab")))
    push(db, hub)
    pull(db, hub)
    log.acknowledge(db, Seq(6), NOW_MS - 50 * DAY_MS)
    log.acknowledge(db, Seq(8), NOW_MS)
    save_acked(db, Seq(8), Seq(8), NOW_MS)
    assert retention.prune_piece(db, Retention(), NOW_MS) == 6
    assert log.base(db) == 7


def test_everything_is_there_once_newest_first_also_what_left_the_log(
    db: sqlite3.Connection,
) -> None:
    lived(db)
    found = all_of(db, Wanted())
    assert [row["action"] for row in found] == [
        "note.detail_opened",
        "note.signed_in",
        *["move.adjust"] * 5,
        "edit",
    ]
    assert [row["seq"] for row in found] == [8, 7, 5, 4, 3, 2, 1, None]
    assert found == all_of(db, Wanted(), limit=100) == all_of(db, Wanted(), limit=1)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Wanted(actor="ada"), 1),
        (Wanted(actor="till-2"), 1),
        (Wanted(action="note"), 2),
        (Wanted(action="note.signed_in"), 1),
        (Wanted(action="note.signed"), 0),
        (Wanted(action="move"), 5),
        (Wanted(entity=("skus", "pear")), 5),
        (Wanted(entity=("skus", None)), 6),
        (Wanted(entity=("skus", "plum")), 0),
        (Wanted(entity=("person", "ada")), 1),
        (Wanted(entity=("locations", "S01")), 5),
        (Wanted(location="S01"), 5),
        (Wanted(location="S02"), 0),
        (Wanted(since_ms=NOW_MS), 2),
        (Wanted(until_ms=NOW_MS), 6),
        (Wanted(since_ms=NOW_MS, actor="bob", action="note"), 1),
    ],
    ids=str,
)
def test_only_what_is_wanted_is_told(db: sqlite3.Connection, wanted: Wanted, count: int) -> None:
    lived(db)
    assert len(all_of(db, wanted)) == count


def test_a_rare_filter_gives_short_pages_and_not_slow_ones(db: sqlite3.Connection) -> None:
    for number in range(AUDIT_EXAMINED_MAX + 5):
        log.append(db, log.head(db), movement(number, ("apple", 1)))
    moment = Moment(NOW_MS, certificate_of(writes=("S01",)), is_operator=True)
    piece = Audit(Wanted(actor="nobody")).piece(db, moment, Span(10))
    assert piece.rows == []
    assert piece.following is not None
    last = Audit(Wanted(actor="nobody")).piece(db, moment, Span(10, piece.following))
    assert (last.rows, last.following) == ([], None)


def test_what_cannot_be_read_is_a_record_too() -> None:
    told = record_of(ReplicaId(bytes(16)), Seq(3), b"\xc1")
    assert told.action == "unreadable"
    assert row_of(told)["seq"] == 3


def test_of_a_large_operation_as_much_is_shown_as_there_is_room_for() -> None:
    lines = [(f"sku {at}", 1) for at in range(AUDIT_LINES_MAX + 2)]
    told = record_of(ME, Seq(1), movement(1, *lines))
    changes = told.payload["changes"]
    assert isinstance(changes, list)
    assert len(changes) == AUDIT_LINES_MAX
    assert changes[0] == ["S01", "sku 0", "", int(Account.ON_HAND), 1]
    assert told.payload["left_out"] == 2
    assert Entity("skus", f"sku {AUDIT_LINES_MAX + 1}") in told.touched
    room = AUDIT_PAYLOAD_BYTES_MAX - len('{"a":""}')
    assert json.loads(payload_text({"a": "x" * room})) == {"a": "x" * room}
    assert json.loads(payload_text({"a": "x" * (room + 1)})) == {
        "left_out_bytes": AUDIT_PAYLOAD_BYTES_MAX + 1
    }
    assert payload_text({"a": b"\x01\xff"}) == '{"a":"01ff"}'


def test_others_movements_at_this_location_are_told_with_their_log(db: sqlite3.Connection) -> None:
    told = Record(
        OTHER, 1, None, "a", "b", "move.sale", None, frozenset(), None, NOW_MS, NOW_MS, {}
    )
    assert row_of(told)["replica"] == OTHER.hex()


# --- over HTTP ---------------------------------------------------------------------------------------------------


async def test_the_operator_reads_what_a_till_did_and_the_till_does_not(
    till: ApiCaller, operator: ApiCaller
) -> None:
    posted = await till.record("audited", sale(("A1", -1)))
    assert posted.status == 201
    assert (await till.ask("GET", "/v1/audit")).code == "forbidden"
    found = await operator.get("/v1/audit", entity="skus/A1", action="move.sale")
    newest = found["items"][0]
    assert newest["id"] == posted.json()["id"]
    assert json.loads(newest["payload"])["changes"][0][1:] == ["A1", "", 0, -1]
    table = await operator.ask("GET", "/v1/audit?format=csv&limit=5&action=move.sale")
    rows = list(csv.DictReader(io.StringIO(table.body.decode())))
    assert rows[0]["id"] == newest["id"]
    assert restored(rows[0]["payload"]) == newest["payload"]
    # S65: that a table was taken out is in the audit itself.
    [noted] = (await operator.get("/v1/audit", action="note.exported"))["items"]
    assert noted["actor"] == "operator"
    assert json.loads(noted["payload"]) == {"action": "move.sale", "format": "csv"}
    for wrong in ("cursor=x", "since=yesterday", "limit=0", "action=" + "x" * 101):
        assert (await operator.ask("GET", f"/v1/audit?{wrong}")).status == 422
