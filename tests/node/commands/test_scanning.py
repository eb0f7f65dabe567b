"""Lines by barcode and by pack: worked out in base units where they are recorded, and never guessed."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from node.commands import documents, movements
from node.commands.movements import Here
from node.commands.requests import Answer, Authority, Caller, Line, Movement, Refusal, Said
from node.replica import log, search
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.ids import NO_LOT, Location, Lot, Sku
from protocol.movements import MoveKind
from tests.node.chain import CHAIN, ME, certificate_of
from tests.node.replica.conftest import new_replica_database

TILL = Caller("till-1", Authority.TILL)
OPERATOR = Caller("operator", Authority.OPERATOR)
STORE = Here(CHAIN, ME, certificate_of(writes=("S01",)), None, 1_700_000_000_000)
OFFICE = replace(STORE, certificate=certificate_of(writes=(), role=Role.OFFICE))
SKUS = COLLECTIONS["skus"]
BOX = "box of 20"
EAN = "5901234123457"
CASE = "15901234123454"


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """A shop that has tablets singly, in boxes and in cases."""
    database = new_replica_database()
    describe(
        database,
        "TAB",
        packs={BOX: {"multiple": 20}, "case": {"multiple": 240}},
        barcodes={EAN: {"pack": BOX}, CASE: {"pack": "case"}, "TAB-1": {}},
    )
    yield database
    database.close()


def describe(db: sqlite3.Connection, sku: str, **asked: Any) -> None:
    """The office describes a SKU."""
    documents.create(db, OFFICE, OPERATOR, SKUS, {"id": sku, "name": sku, **asked}, f"new {sku}")


def change(db: sqlite3.Connection, sku: str, **asked: Any) -> None:
    """The office changes one."""
    key = f"change {log.head(db).seq}"
    documents.change(db, OFFICE, OPERATOR, SKUS, sku, asked, key)


def line(sku: str = "", lot: str = NO_LOT, **others: Any) -> Line:
    """A line that says `barcode`, `pack` and `packs` in place of a SKU or units."""
    said = Said(*(others.pop(name, None) for name in ("barcode", "pack", "packs")))
    return Line(Sku(sku), Lot(lot), said=said, **others)


def record(
    db: sqlite3.Connection, *lines: Line, kind: MoveKind = MoveKind.SALE, key: str = "k"
) -> Answer:
    """A till records a movement."""
    return movements.record(db, STORE, TILL, Movement(kind, Location("S01"), lines), key)


def recorded(db: sqlite3.Connection, *lines: Line, **others: Any) -> list[dict[str, Any]]:
    """The lines as they are answered, without where they left the shelf."""
    answer = json.loads(record(db, *lines, **others).body)
    for each in answer["lines"]:
        del each["on_hand"], each["available"]
    found: list[dict[str, Any]] = answer["lines"]
    return found


def refused(code: str, detail: str = "") -> Any:
    """The refusal that is expected."""
    return pytest.raises(Refusal, match=f"{code}: .*{detail}")


def test_packs_are_answered_in_base_units(db: sqlite3.Connection) -> None:
    (sold,) = recorded(db, line("TAB", pack=BOX, packs=-2))
    assert sold == {"sku": "TAB", "lot": None, "delta": -40, "pack": BOX, "packs": -2}


@pytest.mark.parametrize(
    ("kind", "delta"),
    [(MoveKind.SALE, -20), (MoveKind.RECEIVE, 20), (MoveKind.CUSTOMER_RETURN, 20)],
)
def test_a_barcode_alone_is_one_of_what_it_is_on_the_way_that_its_kind_goes(
    db: sqlite3.Connection, kind: MoveKind, delta: int
) -> None:
    (moved,) = recorded(db, line(barcode=EAN), kind=kind)
    assert moved == {"sku": "TAB", "lot": None, "delta": delta, "pack": BOX, "barcode": EAN}


@pytest.mark.parametrize(
    ("said", "delta"),
    [
        ({"barcode": "TAB-1"}, -1),
        ({"barcode": EAN, "packs": -3}, -60),
        ({"barcode": EAN, "delta": -7}, -7),
        ({"barcode": EAN, "pack": "case", "packs": -1}, -240),
        ({"barcode": "0" + EAN}, -20),
        ({"barcode": f"]C101{EAN:0>14}"}, -20),
        ({"barcode": f"(01){EAN:0>14}(30)3"}, -60),
        ({"barcode": f"(02){CASE}(37)2", "packs": -2}, -960),
        ({"barcode": f"(01){EAN:0>14}(3103)001500"}, -20),
    ],
)
def test_what_a_line_and_its_code_say_is_counted_in_base_units(
    db: sqlite3.Connection, said: dict[str, Any], delta: int
) -> None:
    assert [each["delta"] for each in recorded(db, line(**said))] == [delta]


def test_what_a_code_does_not_say_changes_nothing(db: sqlite3.Connection) -> None:
    full = f"(01){EAN:0>14}(10)L-1(17)270630"
    (received,) = recorded(db, line(barcode=full), kind=MoveKind.RECEIVE)
    assert (received["lot"], received["expiry"]) == ("L-1", "2027-06-30")
    (bare,) = recorded(db, line(barcode=EAN), kind=MoveKind.RECEIVE, key="bare")
    assert (bare["lot"], "expiry" in bare) == (None, False)
    (sold,) = recorded(db, line(barcode=full), key="sold")
    assert (sold["lot"], "expiry" in sold) == ("L-1", False)


def test_what_a_line_says_stands_over_its_code(db: sqlite3.Connection) -> None:
    full = f"(01){EAN:0>14}(10)L-1(17)270630(30)2"
    said = line("TAB", "L-2", barcode=full, delta=5, facts={"expiry": "2026-01-31"})
    (received,) = recorded(db, said, kind=MoveKind.RECEIVE)
    assert (received["lot"], received["delta"], received["expiry"]) == ("L-2", 5, "2026-01-31")


def test_a_count_in_packs_is_what_was_counted(db: sqlite3.Connection) -> None:
    recorded(db, line("TAB", delta=50), kind=MoveKind.OPENING)
    (counted,) = recorded(db, line(barcode=EAN, packs=2), kind=MoveKind.COUNT, key="count")
    assert (counted["counted"], counted["delta"]) == (40, -10)
    (counted,) = recorded(db, line(barcode=EAN, counted=45), kind=MoveKind.COUNT, key="again")
    assert (counted["counted"], counted["delta"]) == (45, 5)


def test_goods_kept_in_grams_are_counted_by_the_weight_in_their_code(
    db: sqlite3.Connection,
) -> None:
    describe(db, "HAM", unit="g", barcodes={"9501101530003": {}})
    (sold,) = recorded(db, line(barcode="(01)09501101530003(3103)001234"))
    assert (sold["sku"], sold["delta"]) == ("HAM", -1234)


def test_a_barcode_on_two_skus_is_refused_with_both_until_the_line_says_which(
    db: sqlite3.Connection,
) -> None:
    describe(db, "OTHER", barcodes={EAN: {}})
    with refused("ambiguous_barcode", "line 2") as caught:
        record(db, line("X", delta=-1), line(barcode=EAN))
    assert [(each["loc"], each["msg"]) for each in caught.value.errors] == [
        (["lines", 1, "sku"], "OTHER"),
        (["lines", 1, "sku"], "TAB"),
    ]
    assert [one["delta"] for one in recorded(db, line("OTHER", barcode=EAN))] == [-1]


def test_an_unknown_barcode_is_refused_with_how_to_link_it(db: sqlite3.Connection) -> None:
    seq = log.head(db).seq
    with refused("unknown_barcode", "POST /v1/skus/.code./barcodes"):
        record(db, line(barcode="96385074"))
    with refused("unknown_barcode", "is not on OTHER"):
        record(db, line("OTHER", barcode=EAN))
    with refused("unknown_barcode", "names no article"):
        record(db, line(barcode="(10)L-1"))
    assert log.head(db).seq == seq


def test_while_the_index_is_made_no_barcode_is_called_unknown(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO indexing VALUES (1, '')")
    with refused("unavailable"):
        record(db, line(barcode="96385074"))
    assert recorded(db, line(barcode=EAN))
    while search.index_piece(db):
        pass
    with refused("unknown_barcode"):
        record(db, line(barcode="96385074"), key="later")


def test_a_pack_that_nobody_has_described_is_refused(db: sqlite3.Connection) -> None:
    change(db, "TAB", barcodes={"96385074": {"pack": "tube"}})
    for said in (
        line("TAB", pack="tube", packs=-1),
        line("NEW", pack=BOX, packs=-1),
        line(barcode=EAN, pack="tube", packs=-1),
        line(barcode="96385074"),
    ):
        with refused("validation_failed", "line 1 names a pack"):
            record(db, said)
    assert [one["delta"] for one in recorded(db, line(barcode="96385074", delta=-3))] == [-3]


def test_a_repeat_is_compared_with_what_was_asked(db: sqlite3.Connection) -> None:
    first = record(db, line(barcode=EAN))
    change(db, "TAB", packs={BOX: {"multiple": 24}}, barcodes={EAN: None})
    assert record(db, line(barcode=EAN)) == replace(first, replayed=True)
    for other in (line(barcode="0" + EAN), line("TAB", pack=BOX, packs=-1), line("TAB", delta=-20)):
        with refused("idempotency_key_reused"):
            record(db, other)


def test_a_sku_that_was_replaced_gives_way_to_the_one_in_its_place(db: sqlite3.Connection) -> None:
    describe(db, "MADE-UP", barcodes={"96385074": {}})
    change(db, "MADE-UP", replaced_by="TAB", archived=True)
    assert [one["sku"] for one in recorded(db, line(barcode="96385074"))] == ["TAB"]
    change(db, "TAB", replaced_by="MADE-UP")  # two that name each other come to an end
    assert len(recorded(db, line(barcode="96385074"), key="circle")) == 1


def test_archived_skus_are_offered_only_where_nothing_in_use_has_the_barcode(
    db: sqlite3.Connection,
) -> None:
    describe(db, "OLD", barcodes={EAN: {}, "96385074": {}})
    change(db, "OLD", archived=True)
    assert [one["sku"] for one in recorded(db, line(barcode=EAN))] == ["TAB"]
    assert [one["sku"] for one in recorded(db, line(barcode="96385074"), key="old")] == ["OLD"]


def test_more_than_can_be_counted_is_refused(db: sqlite3.Connection) -> None:
    change(db, "TAB", packs={"ship": {"multiple": 10**9}})
    with refused("validation_failed", "beyond what can be counted"):
        record(db, line("TAB", pack="ship", packs=-2))


def test_a_line_in_base_units_asks_the_catalogue_nothing_more(db: sqlite3.Connection) -> None:
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    record(db, Line(Sku("TAB"), NO_LOT, delta=-1))
    db.set_trace_callback(None)
    assert not [sql for sql in asked if "sku_barcode" in sql or "sku_text" in sql]
