"""A digest kept up to date row by row is the digest computed afresh, in any order."""

from hypothesis import given
from hypothesis import strategies as st

from protocol import digest
from protocol.digest import BUCKETS, EMPTY
from protocol.effects import CounterKey
from protocol.ids import HubSeq, Location, Lot, Sku
from protocol.rows import CounterRow, Row
from tests.protocol.strategies import counter_rows, rows


@given(st.lists(st.tuples(st.integers(0, 4), rows | st.none()), max_size=12))
def test_a_digest_kept_up_to_date_equals_the_digest_computed_afresh(
    writes: list[tuple[int, Row | None]],
) -> None:
    held: dict[int, Row] = {}
    kept = EMPTY
    for place, new in writes:
        kept = digest.replace(kept, old=held.get(place), new=new)
        held.pop(place, None)
        if new is not None:
            held[place] = new
        assert kept == digest.of_rows(held.values())


@given(st.lists(rows, max_size=6), st.randoms(use_true_random=False))
def test_a_digest_does_not_depend_on_the_order_of_rows(found: list[Row], chance: object) -> None:
    assert digest.of_rows(found) == digest.of_rows(reversed(found))


@given(rows)
def test_two_equal_rows_do_not_cancel_out(row: Row) -> None:
    assert digest.of_rows([row, row]) != EMPTY
    assert digest.of_rows([row, row]).rows == 2


@given(counter_rows)
def test_every_part_of_a_row_is_covered(row: CounterRow) -> None:
    changed = [
        row._replace(location=Location(row.location[:-1] + "~")),
        row._replace(sku=Sku(row.sku[:-1] + "~")),
        row._replace(lot=Lot(row.lot[:-1] + "~")),
        row._replace(account=row.account ^ 1),
        row._replace(hub_seq=HubSeq(row.hub_seq ^ 1 or 3)),
        row._replace(total=row.total + 1),
        row._replace(tail=(*row.tail, None)),
    ]
    assert all(digest.row_hash(other) != digest.row_hash(row) for other in changed if other != row)


@given(st.integers(0, 2**128 - 1))
def test_a_digest_is_stored_in_sixteen_bytes(value: int) -> None:
    assert len(digest.to_bytes(value)) == 16
    assert digest.from_bytes(digest.to_bytes(value)) == value
    assert digest.to_text(value) == digest.to_bytes(value).hex()


def test_keys_spread_over_all_buckets_and_one_key_stays_in_its_own() -> None:
    keys = [CounterKey(Location("S01"), Sku(f"SKU{n}"), Lot(""), 0) for n in range(4_000)]
    found = [digest.bucket_of(key) for key in keys]
    assert set(found) == set(range(BUCKETS))
    assert found == [digest.bucket_of(key) for key in keys]
