"""The keys of sealed records: who may open, that destroyed is for good, and whose word of a key counts."""

import functools
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from protocol.codec import pack, unpack
from protocol.errors import ProtocolError
from protocol.ids import ChainId, Location, NodeId, OpId
from protocol.limits import SEALING_KEY_BYTES_MAX, TIME_MS_MAX
from protocol.sealed_keys import (
    RecordKey,
    announce,
    destroyed,
    may_seal_for,
    read_sealer,
    record_key_from_wire,
    record_key_to_wire,
    wrapped_for,
)
from protocol.sealing import BOX_DIGEST_BYTES, Binding, box_digest, key_pair
from tests.protocol import strategies
from tests.protocol.examples import (
    CHAIN,
    HUB_PUBLIC,
    NODE,
    NODE_KEY,
    NOW,
    certificate_bytes,
)

OP = OpId(b"\x5a" * 16)
HERE = Binding(CHAIN, "S01", OP, "details")
SHOP, SPARE, RECOVERY = (key_pair(bytes([n]) * 32) for n in (1, 2, 3))
SEEDS = [bytes([n]) * 32 for n in (11, 12, 13)]
DATA_KEY = b"\x0d" * 32
BOX = b"\x0b" * BOX_DIGEST_BYTES


def newer(one: RecordKey, other: RecordKey) -> RecordKey:
    return other if other.stands_before(one) else one


def test_each_for_whom_it_was_wrapped_opens_it_and_nobody_else() -> None:
    wraps = wrapped_for(DATA_KEY, HERE, [SHOP.public, RECOVERY.public], SEEDS)
    key = RecordKey(OP, BOX, 1, wraps)
    assert key.opened(HERE, [SHOP]) == DATA_KEY
    assert key.opened(HERE, [SPARE, RECOVERY]) == DATA_KEY
    assert key.opened(HERE, [SPARE]) is None
    assert destroyed(OP).opened(HERE, [SHOP, RECOVERY]) is None


def test_s58_a_key_put_beside_another_record_does_not_open_it() -> None:
    wraps = wrapped_for(DATA_KEY, HERE, [SHOP.public], SEEDS)
    other = HERE._replace(op_id=OpId(b"\x5b" * 16))
    with pytest.raises(ProtocolError):
        RecordKey(other.op_id, BOX, 1, wraps).opened(other, [SHOP])


@given(
    st.lists(
        st.builds(RecordKey, st.just(OP), st.just(b""), st.integers(0, 2), st.none())
        | st.builds(RecordKey, st.just(OP), st.just(BOX), st.integers(0, 2), strategies.wraps),
        max_size=4,
    )
)
def test_the_same_state_stands_whatever_the_order_and_destroyed_is_for_good(
    states: list[RecordKey],
) -> None:
    read = [record_key_from_wire(unpack(pack(record_key_to_wire(each)))) for each in states]
    ends = {
        pack(record_key_to_wire(functools.reduce(newer, order)))
        for order in itertools.permutations(read)
        if order
    }
    assert len(ends) <= 1
    if any(each.is_destroyed for each in read):
        assert ends == {pack(record_key_to_wire(destroyed(OP)))}


@pytest.mark.parametrize(
    "wire",
    [
        None,
        [OP, BOX, 1],
        [b"short", b"", 0, None],
        [OP, b"", -1, None],
        [OP, b"", True, None],
        [OP, BOX, 1, []],
        [OP, BOX, 1, [[b"\x01" * 8, b"\x02" * 111]]],
        [OP, BOX, 1, [[b"\x01" * 7, b"\x02" * 112]]],
        [OP, BOX, 1, [[b"\x01" * 8, b"\x02" * 112]] * 2],
        [OP, BOX, 1, [[bytes([n]) * 8, b"\x02" * 112] for n in range(17)]],
        [OP, BOX, 1, [[b"\x02" * 8, b"\x02" * 112], [b"\x01" * 8, b"\x02" * 112]]],
        [OP, BOX, 0, None],
        [OP, BOX[1:], 1, [[b"\x01" * 8, b"\x02" * 112]]],
        [OP, b"", 1, [[b"\x01" * 8, b"\x02" * 112]]],
        [OP, 1, [[b"\x01" * 8, b"\x02" * 112]]],
    ],
)
def test_what_is_no_key_of_a_record_is_refused(wire: object) -> None:
    with pytest.raises(ProtocolError):
        record_key_from_wire(wire)


def test_a_sealed_part_is_named_by_all_of_its_bytes() -> None:
    names = {box_digest(part) for part in (b"", b"\x00", b"\x01", b"\x01\x00")}
    assert len(names) == 4
    assert {len(name) for name in names} == {BOX_DIGEST_BYTES}


def word(
    chain: ChainId = CHAIN,
    node: NodeId = NODE,
    public: bytes = SHOP.public,
    key: SigningKey = NODE_KEY,
) -> bytes:
    """A node's word of its key."""
    return announce(chain, node, public, NOW, key)


def test_a_nodes_word_of_its_key_is_believed_under_its_certificate() -> None:
    sealer = read_sealer(certificate_bytes(), word(), HUB_PUBLIC)
    assert (sealer.certificate.node, sealer.public) == (NODE, SHOP.public)
    assert may_seal_for(sealer, Location("S01"))
    assert not may_seal_for(sealer, Location("S02"))
    assert len(announce(CHAIN, NODE, SHOP.public, TIME_MS_MAX, NODE_KEY)) <= SEALING_KEY_BYTES_MAX


@pytest.mark.parametrize(
    "forged",
    [
        word(key=SigningKey(b"\x66" * 32)),
        word(node=NodeId(b"\x12" * 16)),
        word(chain=ChainId(b"\xc1" * 16)),
        word(public=bytes(32)),
        b"",
        pack([b"", b""]),
    ],
)
def test_s57_a_key_that_another_put_in_its_place_is_refused(forged: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_sealer(certificate_bytes(), forged, HUB_PUBLIC)


def test_s57_no_byte_of_a_word_or_its_certificate_can_be_changed() -> None:
    for at in range(len(word())):
        changed = word()[:at] + bytes([word()[at] ^ 1]) + word()[at + 1 :]
        with pytest.raises(ProtocolError):
            read_sealer(certificate_bytes(), changed, HUB_PUBLIC)
    with pytest.raises(ProtocolError):
        read_sealer(certificate_bytes(), word(), SHOP.public)
