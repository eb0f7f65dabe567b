"""Two processes that continue one log in turn: when that is a copied folder and not a restart."""

from itertools import pairwise

from hub.live import LOGS_KEPT, Takeovers
from protocol.ids import ReplicaId
from protocol.limits import FLIPS_MAX, FLIPS_WITHIN_S

LOG = ReplicaId(b"r" * 16)
A, B, C = b"a" * 16, b"b" * 16, b"c" * 16


def test_a_superseded_process_that_comes_back_is_counted_and_a_new_one_is_not() -> None:
    takeovers = Takeovers()
    assert takeovers.count(LOG, A, 0.0) == 0
    takeovers.note(LOG, A, B, 0.0)
    assert takeovers.count(LOG, A, 1.0) == 1
    assert takeovers.count(LOG, C, 1.0) == 0
    takeovers.note(LOG, B, A, 60.0)
    assert takeovers.count(LOG, B, 120.0) == 2
    takeovers.note(LOG, A, B, 120.0)
    assert takeovers.count(LOG, A, 180.0) == FLIPS_MAX


def test_flips_are_forgotten_after_ten_minutes() -> None:
    takeovers = Takeovers()
    takeovers.note(LOG, A, B, 0.0)
    takeovers.note(LOG, B, A, 10.0)
    takeovers.note(LOG, A, B, 20.0)
    assert takeovers.count(LOG, A, 10.0 + FLIPS_WITHIN_S) == 3
    assert takeovers.count(LOG, A, 11.0 + FLIPS_WITHIN_S) == 2
    assert takeovers.count(LOG, A, 21.0 + FLIPS_WITHIN_S) == 1


def test_a_process_started_anew_many_times_never_counts() -> None:
    takeovers = Takeovers()
    boots = [bytes([number]) * 16 for number in range(50)]
    for older, newer in pairwise(boots):
        assert takeovers.count(LOG, newer, 1.0) == 0
        takeovers.note(LOG, older, newer, 1.0)


def test_of_many_logs_those_taken_over_last_are_remembered() -> None:
    takeovers = Takeovers()
    logs = [ReplicaId(number.to_bytes(16)) for number in range(LOGS_KEPT + 1)]
    for log in logs:
        takeovers.note(log, A, B, 0.0)
    assert takeovers.count(logs[0], A, 1.0) == 0
    assert takeovers.count(logs[1], A, 1.0) == takeovers.count(logs[-1], A, 1.0) == 1
