"""The hash chain tells logs apart at the first operation that differs, and nothing else does."""

from hypothesis import given
from hypothesis import strategies as st

from protocol import chain
from protocol.chain import CHAIN_START

logs = st.lists(st.binary(max_size=30), max_size=8)


@given(logs, st.integers(0, 8))
def test_a_log_can_be_hashed_in_pieces(log: list[bytes], cut: int) -> None:
    head = chain.extend_all(CHAIN_START, log[:cut])
    assert chain.extend_all(head, log[cut:]) == chain.extend_all(CHAIN_START, log)


@given(logs, logs)
def test_two_logs_have_equal_hashes_only_when_they_are_equal(
    one: list[bytes], other: list[bytes]
) -> None:
    equal = chain.extend_all(CHAIN_START, one) == chain.extend_all(CHAIN_START, other)
    assert equal is (one == other)


@given(logs, logs, st.binary(max_size=30))
def test_logs_that_once_differed_never_agree_again(
    one: list[bytes], other: list[bytes], later: bytes
) -> None:
    a, b = chain.extend_all(CHAIN_START, one), chain.extend_all(CHAIN_START, other)
    assert (chain.extend(a, later) == chain.extend(b, later)) is (a == b)


@given(st.binary(max_size=20), st.binary(min_size=1, max_size=20))
def test_where_one_operation_ends_and_the_next_begins_is_covered(a: bytes, b: bytes) -> None:
    assert chain.extend_all(CHAIN_START, [a, b]) != chain.extend_all(CHAIN_START, [a + b])


def test_an_empty_log_has_the_hash_of_zeros() -> None:
    assert chain.extend_all(CHAIN_START, []) == bytes(32)
