"""What every report is made of."""

from node.reports.frame import note_of
from protocol.limits import REPORT_NAMES_MAX


def test_a_note_names_the_first_and_counts_all() -> None:
    names = [f"S{number:03}" for number in range(REPORT_NAMES_MAX + 1)]
    note = note_of("locations_not_read", "They are not read here.", names[::-1])
    assert note.names == tuple(names[:-1])
    assert note.count == REPORT_NAMES_MAX + 1
