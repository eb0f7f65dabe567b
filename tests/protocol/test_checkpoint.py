"""Signed heads and checkpoints: whose they are, what they cover, and which two cannot both be true."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from protocol.checkpoint import (
    NO_CHECKPOINT,
    Checkpoint,
    Head,
    Signer,
    contradiction,
    record_hash,
    root_of,
    sign_checkpoint,
    sign_head,
    verify_checkpoint,
    verify_head,
)
from protocol.codec import pack, unpack
from protocol.errors import Code, ProtocolError
from protocol.frames.witness import Checkpoints
from protocol.ids import ChainHash, ChainId, Epoch, NodeId, ReplicaId, Seq
from protocol.limits import (
    CHECKPOINT_BYTES_MAX,
    CHECKPOINTS_PER_FRAME_MAX,
    FRAME_BYTES_MAX,
    INT_MAX,
    TIME_MS_MAX,
)
from protocol.wire import decode, encode
from tests.protocol.examples import CHAIN, EPOCH, HUB_KEY, HUB_PUBLIC, NODE_KEY, NOW, REPLICA

NODE_PUBLIC = bytes(NODE_KEY.verify_key)
HEAD = Head(CHAIN, NodeId(bytes(16)), REPLICA, Seq(7), ChainHash(b"h" * 32), NOW)
FIRST = Checkpoint(CHAIN, EPOCH, 1, 10, b"r" * 32, 2, ChainHash(b"n" * 32), NO_CHECKPOINT, NOW)


def signed(**changes: Any) -> bytes:
    """A checkpoint of the hub's, after the first."""
    parts = {"number": 2, "operations": 12, "before": record_hash(sign_checkpoint(FIRST, HUB_KEY))}
    return sign_checkpoint(FIRST._replace(**parts | changes), HUB_KEY)


def contradicts(one: bytes, other: bytes) -> str | None:
    """The same whichever was heard first."""
    found = contradiction(one, other, HUB_PUBLIC, CHAIN)
    assert contradiction(other, one, HUB_PUBLIC, CHAIN) == found
    return found


def test_a_head_comes_back_as_it_was_signed() -> None:
    for signer, key in ((Signer.NODE, NODE_KEY), (Signer.HUB, HUB_KEY)):
        data = sign_head(HEAD, key, signer)
        assert verify_head(data, bytes(key.verify_key), CHAIN, signer) == HEAD


def test_a_checkpoint_comes_back_as_it_was_signed() -> None:
    assert verify_checkpoint(sign_checkpoint(FIRST, HUB_KEY), HUB_PUBLIC, CHAIN) == FIRST


def test_what_one_side_signed_is_not_taken_for_the_others() -> None:
    with pytest.raises(ProtocolError) as found:
        verify_head(sign_head(HEAD, HUB_KEY, Signer.HUB), HUB_PUBLIC, CHAIN, Signer.NODE)
    assert found.value.code is Code.AUTHENTICATION_FAILED


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_byte_of_a_statement_can_be_changed(place: int, by: int) -> None:
    data = bytearray(sign_checkpoint(FIRST, HUB_KEY))
    data[place % len(data)] ^= by
    with pytest.raises(ProtocolError):
        verify_checkpoint(bytes(data), HUB_PUBLIC, CHAIN)


def test_statements_of_another_chain_or_key_are_refused() -> None:
    other = ChainId(b"another chain !!")
    with pytest.raises(ProtocolError, match="another chain"):
        verify_head(sign_head(HEAD, NODE_KEY, Signer.NODE), NODE_PUBLIC, other, Signer.NODE)
    with pytest.raises(ProtocolError, match="another chain"):
        verify_checkpoint(sign_checkpoint(FIRST, HUB_KEY), HUB_PUBLIC, other)
    with pytest.raises(ProtocolError):
        verify_checkpoint(sign_checkpoint(FIRST, NODE_KEY), HUB_PUBLIC, CHAIN)


def test_parts_that_a_newer_version_adds_are_covered_and_ignored() -> None:
    body, _ = unpack(sign_checkpoint(FIRST, HUB_KEY))  # type: ignore[misc]
    longer = pack([*unpack(body), "later"])  # type: ignore[misc]
    purpose = b"everstock checkpoint 1\0"
    data = pack([longer, HUB_KEY.sign(purpose + longer).signature])
    assert verify_checkpoint(data, HUB_PUBLIC, CHAIN) == FIRST


def test_the_longest_statements_fit_and_so_does_a_full_frame() -> None:
    longest = sign_checkpoint(
        FIRST._replace(number=INT_MAX, operations=INT_MAX, notes=INT_MAX, at_ms=TIME_MS_MAX),
        SigningKey(b"\xff" * 32),
    )
    head = sign_head(HEAD._replace(seq=Seq(INT_MAX), at_ms=TIME_MS_MAX), NODE_KEY, Signer.NODE)
    assert (len(longest), len(head)) == (245, 177)
    full = Checkpoints((bytes(CHECKPOINT_BYTES_MAX),) * CHECKPOINTS_PER_FRAME_MAX, None)
    assert decode(encode(full)) == full
    assert len(encode(full)) <= FRAME_BYTES_MAX
    for more in (
        Checkpoints((b"",) * (CHECKPOINTS_PER_FRAME_MAX + 1), None),
        Checkpoints((bytes(CHECKPOINT_BYTES_MAX + 1),), None),
        Checkpoints((), bytes(CHECKPOINT_BYTES_MAX + 1)),
    ):
        with pytest.raises(ProtocolError):
            decode(encode(more))


def test_a_root_is_of_all_heads_in_any_order() -> None:
    one = (ReplicaId(b"a" * 16), Seq(1), ChainHash(b"1" * 32))
    two = (ReplicaId(b"b" * 16), Seq(2), ChainHash(b"2" * 32))
    assert root_of([one, two]) == root_of([two, one])
    assert len({root_of([]), root_of([one]), root_of([two]), root_of([one, two])}) == 4


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (signed(), None),
        (signed(operations=10, root=FIRST.root), None),
        (signed(number=9, before=b"?" * 32), None),
        (signed(epoch=Epoch(b"another epoch !!"), operations=1, before=b"?" * 32), None),
        (signed(number=1), "two checkpoints under number 1"),
        (signed(before=b"?" * 32), "does not follow"),
        (signed(operations=9), "shorter history"),
        (signed(notes=1), "shorter history"),
        (signed(operations=10, root=b"q" * 32), "two histories of one length"),
    ],
    ids=str,
)
def test_two_checkpoints_that_cannot_both_be_true_are_told(other: bytes, told: str | None) -> None:
    found = contradicts(sign_checkpoint(FIRST, HUB_KEY), other)
    assert (found is None) if told is None else (found is not None and told in found)


def test_a_checkpoint_does_not_contradict_itself() -> None:
    assert contradicts(signed(), signed()) is None
