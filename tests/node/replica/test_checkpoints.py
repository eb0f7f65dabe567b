"""What is kept of what the hub signed goes together, in whatever order it is told."""

import itertools
import sqlite3

import pytest

from node.replica import checkpoints, identity
from protocol.checkpoint import NO_CHECKPOINT, Checkpoint, record_hash, sign_checkpoint
from protocol.ids import ChainHash, Epoch
from tests.node.chain import CHAIN, HUB_KEY

NOW_MS = 1_700_000_000_000


def told(*roots: bytes) -> list[tuple[Checkpoint, bytes]]:
    """One history: a checkpoint for each root, each naming the one before."""
    found: list[tuple[Checkpoint, bytes]] = []
    before = NO_CHECKPOINT
    for number, root in enumerate(roots, 1):
        one = Checkpoint(
            CHAIN,
            Epoch(bytes(16)),
            number,
            10 * number,
            root * 32,
            number,
            ChainHash(bytes(32)),
            before,
            NOW_MS,
        )
        record = sign_checkpoint(one, HUB_KEY)
        found.append((one, record))
        before = record_hash(record)
    return found


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_history_is_kept_whole_in_whatever_order_it_is_told(
    db: sqlite3.Connection, order: tuple[int, ...]
) -> None:
    who, history = identity.read_identity(db), told(b"a", b"b", b"c")
    for place in order:
        assert checkpoints.keep_checkpoint(db, who, *history[place]) is None
    assert list(checkpoints.all_kept(db)) == [record for _, record in history]
    assert list(checkpoints.checkpoint_faults(db)) == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_of_two_histories_what_came_first_is_kept_and_the_other_is_told(
    db: sqlite3.Connection, order: tuple[int, ...]
) -> None:
    """A hub that was put back without a word signs numbers again."""
    who, one, other = identity.read_identity(db), told(b"a", b"b"), told(b"a", b"x", b"y")
    mixed = [one[0], one[1], other[1], other[2]]
    contradictions = [checkpoints.keep_checkpoint(db, who, *mixed[place]) for place in order]
    kept = list(checkpoints.all_kept(db))
    assert mixed[order[0]][1] in kept
    for place, found in zip(order, contradictions, strict=True):
        record = mixed[place][1]
        assert (found is None) == (record in kept)
        if found is not None:
            assert found.told == record
            assert found.kept in kept
    assert any(contradictions)
    assert list(checkpoints.checkpoint_faults(db)) == []
