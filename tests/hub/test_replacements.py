"""Since when receipts of a node that was replaced may be missing."""

import pytest

from hub.shown import missing_since_ms, replacement
from hub.store.records import Replacement
from protocol.ids import OpId, Seq
from protocol.limits import TIME_MS_MAX
from protocol.operation import Operation, encode
from tests.store.shop import NOW_MS


def operation(recorded_at: int, offset_ms: int | None = None) -> bytes:
    """The newest one that came, recorded by the node's own clock."""
    parts = (OpId(bytes(16)), recorded_at, recorded_at, offset_ms, "till-1", "till-1", "move.sale")
    return encode(Operation(*parts, 1, (), {}))


def found(newest: bytes | None, pending: int | None, last_seen_at_ms: int | None) -> Replacement:
    """A spare that took over."""
    return Replacement("spare", "S01", NOW_MS, Seq(9), pending, last_seen_at_ms, newest)


@pytest.mark.parametrize(
    ("newest", "pending", "last_seen", "since"),
    [
        (None, None, None, None),
        (None, 4, 5_000, None),
        (None, 0, 5_000, 5_000),
        (operation(4_000), 3, 5_000, 4_000),
        (operation(4_000), None, 5_000, 4_000),
        (operation(4_000), 0, 5_000, 5_000),
        (operation(6_000), 0, 5_000, 6_000),
        (operation(4_000, 500), 3, 5_000, 4_500),
        (b"unreadable", 3, 5_000, None),
        (b"unreadable", 0, 5_000, 5_000),
    ],
)
def test_it_is_known_from_what_came_and_what_the_node_said(
    newest: bytes | None, pending: int | None, last_seen: int | None, since: int | None
) -> None:
    assert missing_since_ms(found(newest, pending, last_seen)) == since


@pytest.mark.parametrize(
    ("offset_ms", "since"),
    [(-TIME_MS_MAX, "1970-01-01T00:00:00.000Z"), (TIME_MS_MAX, "9999-12-31T23:59:59.999Z")],
)
def test_a_clock_that_is_wrong_by_millennia_breaks_no_list(offset_ms: int, since: str) -> None:
    shown = replacement(found(operation(4_000, offset_ms), 1, None))
    assert shown["missing_since"] == since
