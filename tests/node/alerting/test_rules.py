"""The rules that a node holds in memory."""

from node.alerting.rules import RuleBook, Told
from protocol.limits import ALERT_RULES_MAX
from protocol.workflows.alerts import Rule


def told(number: int) -> Told:
    """A rule of one shop."""
    return Told(Rule(f"{number}", "S01", f"sku{number}", 5), "live")


def test_no_more_rules_are_held_than_a_node_can_look_at_and_room_that_is_made_is_used() -> None:
    book = RuleBook()
    for number in range(ALERT_RULES_MAX):
        assert book.put(f"{number}", told(number)) == {("S01", f"sku{number}")}
    assert book.put("one more", told(ALERT_RULES_MAX)) == set()
    assert book.put("0", None) == {("S01", "sku0")}
    assert book.put("one more", told(ALERT_RULES_MAX)) == {("S01", f"sku{ALERT_RULES_MAX}")}
