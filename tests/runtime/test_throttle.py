"""How often something may be tried, and that no flood of names changes it."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.throttle import Operation, Rate, Throttle

LOGIN = Operation(
    "login", per_account=Rate(3, 10.0), per_address=Rate(5, 2.0), in_all=Rate(1_000, 0.001)
)
BY_ACCOUNT = Operation("pin", per_account=Rate(3, 10.0))


def admitted(throttle: Throttle, operation: Operation, now_s: float, **who: str) -> bool:
    """Whether a try is admitted."""
    return throttle.take(operation, now_s, **who) == 0.0


def test_so_many_at_once_and_then_one_by_one() -> None:
    throttle = Throttle()
    assert [admitted(throttle, BY_ACCOUNT, 0.0, account="ann") for _ in range(4)] == [True] * 3 + [
        False
    ]
    assert throttle.take(BY_ACCOUNT, 4.0, account="ann") == 6.0
    assert admitted(throttle, BY_ACCOUNT, 10.0, account="ann")
    assert throttle.take(BY_ACCOUNT, 10.0, account="ann") == 10.0


def test_who_is_refused_has_used_nothing_up() -> None:
    throttle = Throttle()
    for number in range(5):
        assert admitted(throttle, LOGIN, 0.0, account=f"name {number}", address="10.0.0.1")
    for _ in range(100):
        assert not admitted(throttle, LOGIN, 0.0, account="ann", address="10.0.0.1")
    for _ in range(3):
        assert admitted(throttle, LOGIN, 0.0, account="ann", address="10.0.0.2")


def test_accounts_addresses_and_operations_are_counted_apart() -> None:
    throttle = Throttle()
    for _ in range(3):
        assert admitted(throttle, LOGIN, 0.0, account="ann", address="10.0.0.1")
    assert not admitted(throttle, LOGIN, 0.0, account="ann", address="10.0.0.2")
    assert admitted(throttle, LOGIN, 0.0, account="bob", address="10.0.0.2")
    assert admitted(throttle, BY_ACCOUNT, 0.0, account="ann")


def test_all_addresses_together_have_a_limit() -> None:
    throttle = Throttle()
    operation = Operation("enrol", in_all=Rate(10, 1.0))
    tries = [admitted(throttle, operation, 0.0, address=f"10.0.0.{n}") for n in range(20)]
    assert sum(tries) == 10


def test_what_was_right_is_handed_back() -> None:
    throttle = Throttle()
    for _ in range(50):
        assert admitted(throttle, LOGIN, 0.0, account="ann", address="10.0.0.1")
        throttle.give_back(LOGIN, 0.0, account="ann", address="10.0.0.1")
    assert len(throttle) == 0


def test_a_right_try_does_not_take_back_the_wrong_ones() -> None:
    throttle = Throttle()
    assert admitted(throttle, BY_ACCOUNT, 0.0, account="ann")
    assert admitted(throttle, BY_ACCOUNT, 0.0, account="ann")
    assert admitted(throttle, BY_ACCOUNT, 0.0, account="ann")
    throttle.give_back(BY_ACCOUNT, 0.0, account="ann")
    assert admitted(throttle, BY_ACCOUNT, 0.0, account="ann")
    assert not admitted(throttle, BY_ACCOUNT, 0.0, account="ann")


def test_s22_a_flood_of_names_gives_nobody_a_new_start() -> None:
    throttle = Throttle(places=100)
    for _ in range(3):
        assert admitted(throttle, BY_ACCOUNT, 0.0, account="ann")
    for number in range(10_000):
        throttle.take(BY_ACCOUNT, 0.001 * number, account=f"made up {number}")
        assert len(throttle) <= 101, "the one that newcomers share is beside"
    # One more is due after ten seconds, and it is one.
    assert admitted(throttle, BY_ACCOUNT, 10.0, account="ann")
    assert not admitted(throttle, BY_ACCOUNT, 10.0, account="ann")


def test_s22_newcomers_share_what_is_left_while_a_flood_has_all_places() -> None:
    throttle = Throttle(places=100)
    for number in range(100):
        assert admitted(throttle, BY_ACCOUNT, 0.0, account=f"made up {number}")
    assert [admitted(throttle, BY_ACCOUNT, 0.0, account=f"n{n}") for n in range(5)] == [
        *[True] * 3,
        *[False] * 2,
    ]
    # When the flood is over everybody has a place again.
    for number in range(50):
        assert admitted(throttle, BY_ACCOUNT, 100.0, account=f"n{number}")


def test_s22_one_address_cannot_fill_the_places() -> None:
    throttle = Throttle(places=100)
    for number in range(10_000):
        throttle.take(LOGIN, 0.0, account=f"made up {number}", address="10.0.0.1")
    assert len(throttle) == 7, "five names, the address, and all"


def test_a_name_without_end_takes_no_more_than_another() -> None:
    throttle = Throttle()
    for _ in range(3):
        assert admitted(throttle, BY_ACCOUNT, 0.0, account="x" * 1_000_000)
    assert not admitted(throttle, BY_ACCOUNT, 0.0, account="x" * 1_000_001)


@given(st.lists(st.floats(0, 30), max_size=60))
def test_in_any_time_no_more_is_admitted_than_the_rate_says(waits: list[float]) -> None:
    throttle, now_s, at = Throttle(), 0.0, []
    for wait_s in waits:
        now_s += wait_s
        if admitted(throttle, BY_ACCOUNT, now_s, account="ann"):
            at.append(now_s)
    for first, begin_s in enumerate(at):
        for last, end_s in enumerate(at[first:], first):
            assert last - first + 1 <= 3 + (end_s - begin_s) / 10 + 1e-6


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=60))
def test_waiting_as_told_always_helps(steps: list[tuple[float, bool]]) -> None:
    throttle, now_s = Throttle(), 0.0
    for pause_s, is_right in steps:
        now_s += pause_s
        if wait_s := throttle.take(BY_ACCOUNT, now_s, account="ann"):
            now_s += wait_s
            assert throttle.take(BY_ACCOUNT, now_s, account="ann") == 0.0
        if is_right:
            throttle.give_back(BY_ACCOUNT, now_s, account="ann")
