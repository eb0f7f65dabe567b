"""What people have to look at, as it follows from what is shown: the same for whoever shows the same."""

import random
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.clock import Stamp
from protocol.codec import pack
from protocol.declarations.catalogue import LOTS
from protocol.declarations.editing import Author, Change, contradicting, days_said, effects_of
from protocol.declarations.naming import CATALOGUE_SCOPE
from protocol.documents import EMPTY, Document, FieldState, apply, fields_to_wire
from protocol.effects import Account, CounterEffect, DocumentKey, FieldEffect, Join
from protocol.findings import noticing
from protocol.findings.finding import Code, Finding
from protocol.ids import Location, Lot, OpId, ReplicaId, Sku
from protocol.operation import Operation
from protocol.workflows import late_movements
from protocol.workflows.count_sheet import COUNTS, Count, line_name
from protocol.workflows.late_movements import Late
from protocol.workflows.progress import LineKey

LOT = DocumentKey("lots", "tea/L1")
DAYS = st.dates(date(2020, 1, 1), date(2030, 1, 1)).map(str)
KEY = LineKey(Sku("tea"), Lot("L1"))


def author(name: int, wall_ms: int = 1_000_000) -> Author:
    """Somebody at a store."""
    return Author(ReplicaId(bytes([name]) * 16), wall_ms, is_office=False)


def says(day: str | None, held: Document, who: Author) -> tuple[FieldEffect, ...]:
    """The edit of somebody who sees `held`, and gives a day."""
    return effects_of(LOTS, LOT, (CATALOGUE_SCOPE,), [Change("expiry", day)], held, who)


@given(st.lists(DAYS, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_days_that_were_given_apart_are_all_found_in_any_order(
    days: list[str], draw: random.Random
) -> None:
    edits = [says(day, EMPTY, author(n)) for n, day in enumerate(days)]
    draw.shuffle(edits)
    lot = EMPTY
    for effects in edits:
        lot = apply(lot, effects)
    assert days_said("expiry", lot) == tuple(sorted(set(days)))
    found = noticing.of_document("lots", LOT.id, lot)
    assert bool(found) == (len(set(days)) > 1)
    assert not found or noticing.SIGNS["lots"] in pack(fields_to_wire(lot.fields))
    for one in found:
        assert (one.code, one.sku, one.lot) == (Code.TWO_EXPIRIES, "tea", "L1")
        assert one.facts["stands"] == min(days)


@given(DAYS, DAYS, DAYS)
def test_who_saw_them_and_gives_a_day_settles_it(first: str, second: str, third: str) -> None:
    lot = apply(EMPTY, [*says(first, EMPTY, author(1)), *says(second, EMPTY, author(2))])
    lot = apply(lot, says(third, lot, author(3)))
    assert days_said("expiry", lot) == (third,)
    assert days_said("expiry", apply(lot, says(None, lot, author(3)))) == ()


@given(DAYS, DAYS)
def test_a_day_read_against_the_one_that_stands_is_kept_beside_it(stands: str, read: str) -> None:
    lot = apply(EMPTY, says(stands, EMPTY, author(1)))
    if read == stands:
        return
    scopes, change = (CATALOGUE_SCOPE,), Change("expiry", read)
    lot = apply(lot, contradicting(LOTS, LOT, scopes, change, lot, author(2)))
    assert days_said("expiry", lot) == tuple(sorted((stands, read)))
    assert lot.fields["expiry"].value == min(stands, read)
    later = Change("expiry", max(stands, read))
    assert contradicting(LOTS, LOT, scopes, later, lot, author(3)) == (), "it was said before"


def test_a_lot_of_before_days_were_kept_has_the_one_that_it_shows() -> None:
    state = FieldState(int(Join.MAX), 5, "2027-01-31", Stamp(1, 0, ReplicaId(bytes(16))))
    assert days_said("expiry", Document({"expiry": state}, frozenset())) == ("2027-01-31",)
    assert days_said("expiry", EMPTY) == ()


@given(st.dictionaries(st.sampled_from(["", "L1", "L2"]), st.integers(-9, -1)), st.booleans())
def test_a_shelf_has_a_finding_for_each_lot_below_zero_and_one_if_nobody_described_it(
    below: dict[str, int], is_described: bool
) -> None:
    found = noticing.of_shelf("S01", "tea", below, is_described=is_described)
    assert {one.lot: one.facts["quantity"] for one in found if one.code is Code.BELOW_ZERO} == {
        lot: -value for lot, value in below.items()
    }
    assert sum(one.code is Code.UNKNOWN_SKU for one in found) == (not is_described)
    assert len({one.id for one in found}) == len(found)
    assert len({one.source for one in found}) <= 1


def test_another_quantity_is_another_version_of_the_same_thing() -> None:
    (three,) = noticing.of_shelf("S01", "tea", {"": -3}, is_described=True)
    (four,) = noticing.of_shelf("S01", "tea", {"": -4}, is_described=True)
    (elsewhere,) = noticing.of_shelf("S02", "tea", {"": -3}, is_described=True)
    assert three.id == four.id != elsewhere.id
    assert three.version != four.version
    assert three.version == elsewhere.version


def document(**fields: object) -> Document:
    """A document of values."""
    never = Stamp(0, 0, ReplicaId(bytes(16)))
    states = {name: FieldState(int(Join.LWW), 0, value, never) for name, value in fields.items()}
    return Document(states, frozenset())


def count_of(round_: int) -> Count:
    """The count of that line, as it was taken at S01."""
    return Count(KEY, round_, 7, -3, "a@S01", 5)


def finalised(
    *marks: tuple[int, str, Late], round_: int = 1, stage: str = "finalised", by: str = "a@S01"
) -> Document:
    """A stocktake of S01 in which one line was counted, with what came late."""
    count = {"sku": "tea", "lot": "L1", "counted": 7, "delta": -3, "by": by, "at": 5}
    counts = {f"{COUNTS}{line_name(KEY)}/{n}": count for n in range(1, round_ + 1)}
    late = [late_movements.mark(count_of(of), first, what) for of, first, what in marks]
    said = {one.field: one.value for one in late}
    decided = {f"decided/{stage}": {"by": "a", "at": 6}}
    return document(location="S01", stage=stage, **counts, **decided, **said)


def test_what_a_count_did_not_know_of_is_found_once_it_was_corrected_by() -> None:
    marks = ((1, "aa", Late(-3, 2)), (1, "bb", Late(1, 1)))
    (found,) = noticing.of_document("stocktakes", "x", finalised(*marks))
    assert (found.code, found.location, found.sku, found.lot) == (
        Code.LATE_MOVEMENT,
        "S01",
        "tea",
        "L1",
    )
    assert found.facts == {"quantity": -2, "movements": 3, "counted": 7}
    for open_stage in ("counting", "review", "cancelled"):
        assert noticing.of_document("stocktakes", "x", finalised(*marks, stage=open_stage)) == ()
    of_before = finalised(*marks, round_=2)
    assert noticing.of_document("stocktakes", "x", of_before) == (), "it was counted again since"
    by_another = finalised(*marks, by="a@S02")
    assert noticing.of_document("stocktakes", "x", by_another) == (), "their count stands"
    evens_out = finalised((1, "aa", Late(-3, 1)), (1, "bb", Late(3, 1)))
    assert noticing.of_document("stocktakes", "x", evens_out) == ()


def test_a_mark_of_before_they_said_whose_count_it_is_about_counts_as_it_did() -> None:
    value = {"sku": "tea", "lot": "L1", "delta": -1, "movements": 1}
    said = {f"{late_movements.LATE}{line_name(KEY)}/1/aa": value}
    states = {**finalised().fields, **document(**said).fields}
    (found,) = noticing.of_document("stocktakes", "x", Document(states, frozenset()))
    assert found.facts["quantity"] == -1


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        {"sku": "rice", "lot": "L1", "delta": -1, "movements": 1},
        {"sku": "tea", "lot": "L1", "delta": -1, "movements": 0},
        {"sku": "tea", "lot": "L1", "delta": 2**60, "movements": 1},
        {"sku": "tea", "lot": 5, "delta": -1, "movements": 1},
    ],
)
def test_what_is_no_such_mark_is_left_out(value: object) -> None:
    said = {f"{late_movements.LATE}{line_name(KEY)}/1/aa": value}
    states = {**finalised().fields, **document(**said).fields}
    assert noticing.of_document("stocktakes", "x", Document(states, frozenset())) == ()


def test_collections_in_which_nothing_is_looked_for_have_nothing() -> None:
    for collection in ("levels", "orders", "orders.office", "of a newer version"):
        assert noticing.of_document(collection, "x", document(name="x")) == ()


def test_a_sku_with_a_barcode_that_nobody_confirmed_has_the_sign_of_it() -> None:
    for confirmed in (True, False):
        linked = {} if confirmed else {"unconfirmed_barcodes/96385074": "S01"}
        sku = document(**{"name": "Tea", "barcodes/96385074": {}, **linked})
        found = noticing.of_document("skus", "tea", sku)
        assert [one.code for one in found] == [Code.UNCONFIRMED_BARCODE] * len(linked)
        assert (noticing.SIGNS["skus"] in pack(fields_to_wire(sku.fields))) == bool(found)


def set_aside(*effects: CounterEffect | FieldEffect, code: str = "forbidden") -> Finding:
    """What is found of an operation that the hub could not take."""
    operation = Operation(
        OpId(b"o" * 16), 1, 1, None, "till-1", "till-1", "move.sale", 1, effects, {}
    )
    (found,) = noticing.of_set_aside(operation, code, "why", ("S01", "S02"))
    return found


def test_an_operation_that_was_set_aside_is_listed_where_somebody_can_say_what_became_of_it() -> (
    None
):
    def sold(location: str, sku: str = "tea") -> CounterEffect:
        return CounterEffect(Location(location), Sku(sku), Lot(""), Account.ON_HAND, -1)

    here = set_aside(sold("S02"))
    assert (here.code, here.location, here.sku) == (Code.QUARANTINED, "S02", "tea")
    elsewhere = set_aside(sold("S09"), sold("S09", "rice"))
    assert (elsewhere.location, elsewhere.sku) == ("S01", "")
    twice = set_aside(sold("S01"), code="repeat_differs")
    assert (twice.code, twice.operation) == (Code.REPEAT_DIFFERS, "6f" * 16)
    edit = says("2999-01-31", EMPTY, author(1))
    assert (set_aside(*edit).collection, set_aside(*edit).document) == LOT
