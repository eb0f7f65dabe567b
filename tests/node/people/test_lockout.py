"""Who guessed too often, and for how long."""

from node.people.lockout import Lockout, digest_of
from protocol.limits import SIGN_IN_FAILURES_MAX, SIGN_IN_LOCK_S, SIGN_IN_NAMES_MAX

ANN, BOB = digest_of("ann"), digest_of("bob")


def failed(times: int, name: bytes = ANN) -> Lockout:
    lockout = Lockout({}, 0.0)
    for _ in range(times):
        lockout.note_attempt(name, 0.0)
    return lockout


def test_a_name_is_locked_after_so_many_attempts_and_longer_each_time() -> None:
    assert failed(SIGN_IN_FAILURES_MAX - 1).waits_s(ANN, 0.0) == 0
    assert failed(SIGN_IN_FAILURES_MAX).waits_s(ANN, 0.0) == SIGN_IN_LOCK_S
    assert failed(SIGN_IN_FAILURES_MAX + 1).waits_s(ANN, 0.0) == 2 * SIGN_IN_LOCK_S
    assert failed(SIGN_IN_FAILURES_MAX + 99).waits_s(ANN, 0.0) == 64 * SIGN_IN_LOCK_S
    assert failed(SIGN_IN_FAILURES_MAX).waits_s(ANN, SIGN_IN_LOCK_S + 1) == 0
    assert failed(SIGN_IN_FAILURES_MAX).waits_s(BOB, 0.0) == 0


def test_s32_a_restart_begins_the_wait_anew() -> None:
    kept = {ANN: SIGN_IN_FAILURES_MAX, BOB: 1}
    again = Lockout(kept, 1_000.0)
    assert again.waits_s(ANN, 1_000.0) == SIGN_IN_LOCK_S
    assert again.waits_s(BOB, 1_000.0) == 0
    assert again.note_attempt(BOB, 1_000.0) == 2


def test_whoever_signs_in_begins_at_nothing() -> None:
    lockout = failed(SIGN_IN_FAILURES_MAX)
    lockout.forgive(ANN)
    assert lockout.waits_s(ANN, 0.0) == 0
    assert lockout.note_attempt(ANN, 0.0) == 1


def test_so_many_names_are_remembered_and_those_with_the_fewest_go_first() -> None:
    lockout = failed(SIGN_IN_FAILURES_MAX)
    for at in range(SIGN_IN_NAMES_MAX):
        lockout.note_attempt(digest_of(f"name {at}"), 0.0)
    assert lockout.waits_s(ANN, 0.0) == SIGN_IN_LOCK_S
