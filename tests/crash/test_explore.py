"""What is kept of many violations, so that a reader and a test see each problem that was found."""

from tests.crash.explore import PROBLEMS_KEPT, State, Summary


def test_a_common_problem_does_not_hide_a_rare_one() -> None:
    """A hub without syncs lost a code in its first two hundred states, and a log only after them."""
    summary = Summary("hub, pushes")
    for event in range(10 * PROBLEMS_KEPT):
        summary.keep("lost: a code that was given out", State(event, 0))
    summary.keep("lost: a log was acknowledged up to 2", State(999, 3))
    assert summary.first == {
        "lost: a code that was given out": State(0, 0),
        "lost: a log was acknowledged up to 2": State(999, 3),
    }


def test_shares_together_name_the_first_state_of_each_problem_and_no_more_problems_than_are_kept() -> (
    None
):
    total, other = Summary("a"), Summary("a")
    total.keep("both", State(7, 1))
    other.keep("both", State(5, 2))
    for number in range(2 * PROBLEMS_KEPT):
        other.keep(f"of one share {number}", State(9, number))
    total.add(other)
    assert total.first["both"] == State(5, 2)
    assert len(total.first) == PROBLEMS_KEPT
