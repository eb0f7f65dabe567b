"""The controlled-drug register: every entry in order, a balance that ends at what is shown, and nothing ever taken out."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.commands import documents
from node.commands.requests import Refusal
from node.replica import log, movements, view
from node.reports import register_book
from node.reports.frame import Row, Span
from node.reports.register import ControlledRegister
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.effects import CounterEffect
from protocol.frames.log import StatusEntry
from protocol.frames.repair import LedgerItem
from protocol.ids import Location, Lot, OpId, ReplicaId, Seq, Sku
from protocol.limits import REGISTER_MOVEMENTS_MAX
from protocol.movements import MoveKind
from protocol.operation import Operation, encode
from tests.node.chain import certificate_of
from tests.node.reports.shop_days import OPERATOR, ShopDays, column, ms, some

OTHER = ReplicaId(b"another replica.")
DISPENSE, RECEIVE, ADJUST, COUNT = (
    *(MoveKind.DISPENSE, MoveKind.RECEIVE),
    *(MoveKind.ADJUST, MoveKind.COUNT),
)
ENTERED = ("kind", "quantity_in", "quantity_out", "balance")


@pytest.fixture
def shop() -> Iterator[ShopDays]:
    """Open it: morphine is controlled and needs a witness, codeine is controlled, tea is neither."""
    made = pharmacy()
    yield made
    made.close()


def pharmacy() -> ShopDays:
    """See `shop`."""
    made = ShopDays()
    made.says("skus", id="morphine", name="Morphine 10 mg", controlled=True, witness=True)
    made.says("skus", id="codeine", name="Codeine 30 mg", controlled=True)
    made.says("skus", id="tea", name="Tea", description="not controlled")
    return made


def entries(shop: ShopDays) -> list[Row]:
    """All that is in it."""
    return shop.rows(ControlledRegister())


def entered(shop: ShopDays) -> list[tuple[object, ...]]:
    """What is in it, in short."""
    return [some(row, *ENTERED) for row in entries(shop)]


def id_of(row: Row) -> str:
    """The movement's id in hexadecimal."""
    return str(row["id"]).replace("-", "")


def shown(shop: ShopDays) -> dict[tuple[str, str], int]:
    """What is on hand of controlled SKUs, by SKU and lot."""
    sql = "SELECT sku, lot, value FROM counter WHERE account = 0 AND sku IN ('morphine', 'codeine')"
    return {(sku, lot): value for sku, lot, value in shop.db.execute(sql)}


# --- entries -----------------------------------------------------------------------------------------------------


def test_entries_of_controlled_skus_stand_in_order_with_what_was_left(shop: ShopDays) -> None:
    shop.does("office", RECEIVE, ("morphine", 10), ("tea", 50), lot="L1", reference="D-77")
    shop.does("till-1", DISPENSE, ("morphine", -3), lot="L1", witness="pharmacist", reference="R-1")
    shop.does("till-1", DISPENSE, ("codeine", -2), ("tea", -1), reference="R-2")
    rows = entries(shop)
    assert [some(row, "sku", "lot", *ENTERED) for row in rows] == [
        ("codeine", None, "dispense", 0, 2, -2),
        ("morphine", "L1", "receive", 10, 0, 10),
        ("morphine", "L1", "dispense", 0, 3, 7),
    ]
    names = ("name", "actor", "device", "witness", "reference", "witness_missing", "is_direct")
    assert some(rows[2], *names) == (
        *("Morphine 10 mg", "till-1", "till-1", "pharmacist", "R-1"),
        *(False, False),
    )
    assert shop.totals(ControlledRegister()) == {"location": "S01", "controlled_skus": 2}
    assert shop.notes(ControlledRegister()) == []


def test_it_is_asked_for_by_sku_and_lot(shop: ShopDays) -> None:
    for lot in ("L1", "L2", ""):
        shop.does("office", RECEIVE, ("morphine", 5), ("codeine", 1), lot=lot)
    assert column(shop.rows(ControlledRegister(sku="morphine")), "lot") == [None, "L1", "L2"]
    for lot, told in (("L2", "L2"), ("", None)):
        (row,) = shop.rows(ControlledRegister(sku="morphine", lot=lot))
        assert some(row, "sku", "lot") == ("morphine", told)
    for sku in ("tea", "nothing"):
        assert shop.rows(ControlledRegister(sku=sku)) == []


def test_what_happened_earlier_and_came_late_stands_where_it_came(shop: ShopDays) -> None:
    shop.does("till-1", RECEIVE, ("codeine", 10))
    before = entries(shop)
    late_ms = ms("2026-11-20T09:00:00+01:00")
    shop.does("till-1", DISPENSE, ("codeine", -1), occurred_at_ms=late_ms)
    assert entries(shop)[: len(before)] == before
    assert entries(shop)[-1]["occurred_at"] == "2026-11-20T08:00:00.000Z"


def test_lines_of_one_lot_are_one_entry(shop: ShopDays) -> None:
    shop.does("till-1", ADJUST, ("codeine", 5), ("codeine", -2), ("codeine", 1))
    assert entered(shop) == [("adjust", 6, 2, 4)]


def test_what_was_sold_before_a_witness_was_asked_for_says_that_none_was_named(
    shop: ShopDays,
) -> None:
    shop.says("skus", id="fentanyl", name="Fentanyl", controlled=True)
    shop.does("till-1", DISPENSE, ("fentanyl", -1))
    shop.does("till-1", RECEIVE, ("fentanyl", 5))
    office = replace(shop.here, certificate=certificate_of(writes=(), role=Role.OFFICE))
    declared, asked = COLLECTIONS["skus"], {"witness": True}
    documents.change(shop.db, office, OPERATOR, declared, "fentanyl", asked, shop.key())
    assert column(entries(shop), "witness_missing") == [True, False]


def test_a_sku_that_a_shop_described_is_in_it_too(shop: ShopDays) -> None:
    declared = COLLECTIONS["skus"]
    said = {"id": "ketamine", "name": "Ketamine", "controlled": True}
    documents.create(shop.db, shop.here, OPERATOR, declared, said, shop.key())
    shop.does("till-1", RECEIVE, ("ketamine", 4))
    assert column(entries(shop), "sku") == ["ketamine"]


# --- corrections -------------------------------------------------------------------------------------------------


def test_a_correction_names_what_it_corrects_and_both_stay(shop: ShopDays) -> None:
    shop.does("office", RECEIVE, ("codeine", 10))
    wrong = shop.does("till-1", DISPENSE, ("codeine", -7), reference="R-1")
    back = shop.reverses("till-2", wrong)
    rows = entries(shop)
    assert entered(shop)[1:] == [("dispense", 0, 7, 3), ("reversal", 7, 0, 10)]
    assert some(rows[1], "reverses", "is_direct") == (None, False)
    assert str(rows[1]["reversed_by"]).replace("-", "") == back.hex()
    assert str(rows[2]["reverses"]).replace("-", "") == wrong.hex()
    assert some(rows[2], "actor", "is_direct", "reversed_by") == ("till-2", False, None)


def test_goods_of_an_order_that_are_taken_back_are_named_too(shop: ShopDays) -> None:
    shop.does("office", RECEIVE, ("codeine", 10))
    id_, dispensed = shop.hands_out("codeine", 3)
    shop.takes_back(id_, dispensed)
    (_, out, back) = entries(shop)
    assert [some(row, *ENTERED[1:]) for row in (out, back)] == [(0, 3, 7), (3, 0, 10)]
    assert (id_of(out), out["reference"]) == (dispensed, id_)
    assert str(back["reverses"]).replace("-", "") == dispensed
    assert str(out["reversed_by"]).replace("-", "") == id_of(back)


def test_a_change_by_word_alone_is_marked(shop: ShopDays) -> None:
    shop.does("office", RECEIVE, ("codeine", 10))
    shop.does("till-1", ADJUST, ("codeine", -1), reason="spilt")
    shop.does("till-1", COUNT, ("codeine", 8))
    shop.does("till-1", COUNT, ("codeine", 8))
    names = ("kind", "balance", "counted", "is_direct", "reason")
    assert [some(row, *names) for row in entries(shop)] == [
        ("receive", 10, None, False, "why"),
        ("adjust", 9, None, True, "spilt"),
        ("count", 8, 8, True, "why"),
        ("count", 8, 8, False, "why"),
    ]


def test_what_the_hub_set_aside_stays_and_changes_no_balance(shop: ShopDays) -> None:
    shop.does("office", RECEIVE, ("codeine", 10))
    shop.does("till-1", DISPENSE, ("codeine", -1))
    seq = log.head(shop.db).seq
    shop.does("till-1", DISPENSE, ("codeine", -2))
    shop.hub_has()
    log.quarantine(shop.db, [StatusEntry(seq, "forbidden", "no such right")], 0)
    view.forget_quarantined(shop.db, seq)
    rows = entries(shop)
    assert column(rows, "is_set_aside") == [False, True, False]
    assert column(rows, "balance") == [10, 10, 8]
    assert rows[-1]["balance"] == shown(shop)["codeine", ""]


# --- what is not known here --------------------------------------------------------------------------------------


def test_what_no_entry_explains_is_brought_forward(shop: ShopDays) -> None:
    shop.does("till-1", DISPENSE, ("codeine", -2), lot="L1")
    shop.db.execute(
        "UPDATE counter SET value = value + 12, total = total + 12 WHERE sku = 'codeine'"
    )
    rows = entries(shop)
    assert [some(row, "row", "balance", "id") for row in rows[:1]] == [
        ("brought_forward", 12, None)
    ]
    assert column(rows, "balance") == [12, 10]
    (note,) = ControlledRegister().piece(shop.db, shop.moment, Span(10)).notes
    assert (note.code, note.names) == ("opening_not_explained", ("codeine",))
    shop.db.execute(
        "UPDATE counter SET value = value - 12, total = total - 12 WHERE sku = 'codeine'"
    )


def test_a_lot_of_which_nothing_was_recorded_here_is_brought_forward_alone(shop: ShopDays) -> None:
    shop.db.execute(
        "INSERT INTO counter (location, sku, lot, account, value, total)"
        " VALUES ('S01', 'morphine', 'L9', 0, 30, 30)"
    )
    (row,) = entries(shop)
    assert some(row, "sku", "lot", "row", "balance") == ("morphine", "L9", "brought_forward", 30)
    shop.db.execute("DELETE FROM counter WHERE lot = 'L9'")


def test_entries_of_another_node_are_in_it(shop: ShopDays) -> None:
    effects = (CounterEffect(Location("S01"), Sku("morphine"), Lot("L1"), 0, -2),)
    at_ms, name = shop.here.now_ms, "till-9"
    operation = Operation(
        *(OpId(bytes(16)), at_ms, at_ms, None, name, name, "move.dispense", 1, effects),
        {"witness": "manager"},
    )
    item = LedgerItem(1, OTHER, Seq(1), at_ms, encode(operation))
    movements.pull(shop.db, Location("S01"), [item], 1)
    rows = entries(shop)
    # Its row of stock has not come yet: what is shown is 0, so 2 more are brought forward than it took.
    assert column(rows, "balance") == [2, 0]
    assert some(rows[1], "actor", "witness", "witness_missing") == ("till-9", "manager", False)


def test_a_register_is_shown_only_where_its_entries_are_kept(shop: ShopDays) -> None:
    with pytest.raises(Refusal) as refused:
        shop.rows(ControlledRegister("S02"))
    assert refused.value.code == "movements_not_held"
    shop.does("till-1", RECEIVE, ("codeine", 1))
    shop.db.execute("UPDATE counter SET hub_seq = 7")
    assert shop.notes(ControlledRegister()) == ["movements_not_fetched"]
    shop.db.execute("UPDATE counter SET hub_seq = 0")


def test_older_entries_than_are_listed_are_brought_forward_and_said(
    shop: ShopDays, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert REGISTER_MOVEMENTS_MAX >= 10_000
    for _ in range(4):
        shop.does("till-1", RECEIVE, ("codeine", 5))
    monkeypatch.setattr(register_book, "REGISTER_MOVEMENTS_MAX", 2)
    rows = entries(shop)
    assert column(rows, "row") == ["brought_forward", "entry", "entry"]
    assert column(rows, "balance") == [10, 15, 20]
    piece = ControlledRegister().piece(shop.db, shop.moment, Span(9))
    assert [(note.code, note.names) for note in piece.notes] == [("movements_cut", ("codeine",))]


# --- a part of it ------------------------------------------------------------------------------------------------


def test_a_part_of_the_time_begins_with_what_was_left_before(shop: ShopDays) -> None:
    for hour, (kind, delta) in enumerate(
        [(RECEIVE, 10), (DISPENSE, -1), (DISPENSE, -2), (DISPENSE, -3)]
    ):
        shop.at(f"2026-11-22T1{hour}:00:00+01:00")
        shop.does("till-1", kind, ("codeine", delta))
    since, until = ms("2026-11-22T11:00:00+01:00"), ms("2026-11-22T13:00:00+01:00")
    rows = shop.rows(ControlledRegister(since_ms=since, until_ms=until))
    assert column(rows, "balance") == [10, 9, 7]
    assert column(rows, "row") == ["brought_forward", "entry", "entry"]
    assert column(shop.rows(ControlledRegister(since_ms=since)), "balance") == [10, 9, 7, 4]
    assert column(shop.rows(ControlledRegister(until_ms=until)), "balance") == [10, 9, 7]
    after = shop.rows(ControlledRegister(since_ms=ms("2026-11-23T00:00:00+01:00")))
    assert [some(row, "row", "balance") for row in after] == [("brought_forward", 4)]
    assert shop.rows(ControlledRegister(until_ms=0)) == []


# --- everything at once ------------------------------------------------------------------------------------------

MOVES = st.tuples(
    st.sampled_from([RECEIVE, DISPENSE, ADJUST, COUNT, MoveKind.REVERSAL, MoveKind.WASTE]),
    st.sampled_from(["morphine", "codeine", "tea"]),
    st.sampled_from(["", "L1", "L2"]),
    st.integers(0, 9),
    st.integers(-48, 48),
)


@settings(max_examples=40)
@given(st.lists(MOVES, max_size=14), st.lists(st.integers(0, 30), max_size=3), st.integers(1, 4))
def test_the_balance_always_ends_at_what_is_shown(
    moves: list[tuple[MoveKind, str, str, int, int]], aside: list[int], limit: int
) -> None:
    shop = pharmacy()
    done: list[OpId] = []
    for kind, sku, lot, quantity, hours in moves:
        if kind is MoveKind.REVERSAL:
            if done:
                shop.reverses("till-1", done.pop())
            continue
        sign = -1 if kind in {DISPENSE, MoveKind.WASTE} else 1
        at_ms = shop.here.now_ms + hours * 3_600_000
        more = {"lot": lot, "occurred_at_ms": at_ms, "witness": "pharmacist"}
        done.append(shop.does("till-1", kind, (sku, sign * quantity), **more))
    described = 4
    for number in aside:
        seq = Seq(described + 1 + number)
        if seq <= log.head(shop.db).seq:
            log.quarantine(shop.db, [StatusEntry(seq, "forbidden", "no")], 0)
            view.forget_quarantined(shop.db, seq)
    rows = shop.rows(ControlledRegister(), limit=limit)
    assert rows == entries(shop)
    by_lot: dict[tuple[object, object], list[Row]] = defaultdict(list)
    for row in rows:
        by_lot[row["sku"], row["lot"] or ""].append(row)
    for (sku, lot), value in shown(shop).items():
        assert value == (by_lot[sku, lot][-1]["balance"] if by_lot[sku, lot] else 0)
    for lines in by_lot.values():
        assert column(lines, "row") == ["entry"] * len(lines), "all of it is held here"
        balance = 0
        for row in lines:
            moved = int(str(row["quantity_in"])) - int(str(row["quantity_out"]))
            balance += 0 if row["is_set_aside"] else moved
            assert row["balance"] == balance
    shop.close()
