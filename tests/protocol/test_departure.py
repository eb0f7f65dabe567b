"""Departures: only the hub can say that a node left, and every machine comes to the same list."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from protocol.codec import pack
from protocol.departure import (
    Departure,
    Reason,
    digest,
    held_of,
    joined,
    mark,
    place_digest,
    read_kept,
    sign,
    verify,
)
from protocol.errors import Code, ProtocolError
from protocol.frames.fleet import Departures, in_frames
from protocol.ids import ChainId, NodeId
from protocol.limits import (
    DEPARTURE_BYTES_MAX,
    DEPARTURE_PLACES_MAX,
    DEPARTURES_PER_FRAME_MAX,
    FRAME_BYTES_MAX,
    TIME_MS_MAX,
)
from protocol.wire import decode, encode
from tests.protocol.examples import CHAIN, HUB_KEY, HUB_PUBLIC, NODE, NOW


def record(
    node: NodeId = NODE, reason: Reason = Reason.REVOKED, at_ms: int = NOW, chain: ChainId = CHAIN
) -> bytes:
    """A departure signed by the hub."""
    return sign(Departure(chain, node, reason, at_ms), HUB_KEY)


def test_what_the_hub_signed_is_read_back() -> None:
    assert verify(record(), HUB_PUBLIC, CHAIN) == Departure(CHAIN, NODE, Reason.REVOKED, NOW)
    assert len(record(at_ms=TIME_MS_MAX)) <= DEPARTURE_BYTES_MAX


@pytest.mark.parametrize("places", [0, 1, DEPARTURE_PLACES_MAX])
def test_whose_credentials_the_machine_held_is_read_back_and_fits(places: int) -> None:
    held = held_of([f"S{number:02}" for number in range(places)], "*")
    assert len(held) == places
    signed = sign(Departure(CHAIN, NODE, Reason.REVOKED, TIME_MS_MAX, held), HUB_KEY)
    assert verify(signed, HUB_PUBLIC, CHAIN).held == read_kept(signed).held == held
    assert len(signed) <= DEPARTURE_BYTES_MAX


def test_of_more_locations_than_are_named_it_counts_as_every_ones() -> None:
    many = [f"S{number:02}" for number in range(DEPARTURE_PLACES_MAX + 1)]
    assert held_of(many, "*") == (place_digest("*"),)


def test_the_mark_of_a_revocation_is_of_its_signed_bytes() -> None:
    first, later = record(), record(at_ms=NOW + 1)
    assert mark(first) == mark(record()) != mark(later)


@pytest.mark.parametrize("held", [b"abc", bytes(4 * DEPARTURE_PLACES_MAX + 4), "S01", 1], ids=repr)
def test_what_was_held_and_cannot_be_read_is_refused(held: object) -> None:
    body = pack([1, CHAIN, NODE, "revoked", NOW, held])
    signature = HUB_KEY.sign(b"everstock departure 1\0" + body).signature
    with pytest.raises(ProtocolError):
        verify(pack([body, signature]), HUB_PUBLIC, CHAIN)


@pytest.mark.parametrize("at", range(len(record())))
def test_a_changed_byte_is_refused(at: int) -> None:
    changed = bytearray(record())
    changed[at] ^= 1
    with pytest.raises(ProtocolError):
        verify(bytes(changed), HUB_PUBLIC, CHAIN)


def test_nobody_but_the_hub_can_make_one() -> None:
    forged = sign(Departure(CHAIN, NODE, Reason.REVOKED, NOW), SigningKey(b"\x08" * 32))
    with pytest.raises(ProtocolError) as refused:
        verify(forged, HUB_PUBLIC, CHAIN)
    assert refused.value.code is Code.AUTHENTICATION_FAILED


def test_one_of_another_chain_is_refused() -> None:
    with pytest.raises(ProtocolError) as refused:
        verify(record(chain=ChainId(b"\x01" * 16)), HUB_PUBLIC, CHAIN)
    assert refused.value.code is Code.BAD_VALUE


def test_what_is_kept_already_is_no_news() -> None:
    kept = {NODE: record()}
    assert joined(kept, [record()], HUB_PUBLIC, CHAIN) == {}
    assert joined(kept, [record(reason=Reason.RETIRED)], HUB_PUBLIC, CHAIN) == {}
    assert joined({}, [record()], HUB_PUBLIC, CHAIN) == kept


departures = st.lists(
    st.builds(
        record,
        st.sampled_from([NodeId(bytes([each]) * 16) for each in range(3)]),
        st.sampled_from(Reason),
        st.integers(1, 3),
    ),
    max_size=6,
)


@given(st.lists(departures, max_size=3), st.randoms())
def test_whatever_the_order_every_machine_keeps_the_same(
    told: list[list[bytes]], chance: object
) -> None:
    one = _kept(told)
    chance.shuffle(told)  # type: ignore[attr-defined]
    assert _kept(told) == one == _kept([*told, *told])
    assert digest(one.values()) == digest(_kept(told).values())


def test_digests_tell_lists_apart() -> None:
    assert digest([]) == bytes(16)
    one, other = record(), record(reason=Reason.RETIRED)
    assert len({digest([]), digest([one]), digest([other]), digest([one, other])}) == 4
    assert digest([one, other]) == digest([other, one])


def test_as_many_as_there_can_be_in_one_frame_fit_it() -> None:
    longest = bytes(range(DEPARTURE_BYTES_MAX))
    frames = in_frames([longest] * (DEPARTURES_PER_FRAME_MAX + 1))
    assert [len(frame.records) for frame in frames] == [DEPARTURES_PER_FRAME_MAX, 1]
    data = encode(frames[0])
    assert len(data) <= FRAME_BYTES_MAX
    assert decode(data) == frames[0]


@pytest.mark.parametrize("more", [0, 1])
def test_a_frame_with_more_or_longer_records_is_refused(more: int) -> None:
    many = Departures((b"",) * (DEPARTURES_PER_FRAME_MAX + more))
    long = Departures((bytes(DEPARTURE_BYTES_MAX + more),))
    for frame in (many, long):
        if more:
            with pytest.raises(ProtocolError):
                decode(encode(frame))
        else:
            assert decode(encode(frame)) == frame


def _kept(told: Sequence[Sequence[bytes]]) -> dict[NodeId, bytes]:
    kept: dict[NodeId, bytes] = {}
    for records in told:
        kept |= joined(kept, records, HUB_PUBLIC, CHAIN)
    return kept
