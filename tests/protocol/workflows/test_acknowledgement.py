"""Who has not answered is known from the document, whatever arrived in which order."""

from itertools import permutations

import pytest

from protocol.errors import ProtocolError
from protocol.workflows.acknowledgement import Awaited, acknowledge, ask, awaited
from protocol.workflows.steps import Step
from tests.protocol.workflows.shops import OFFICE, PLACES, SENDER, Device, Hub

STEPS = {
    "asks": [ask("S01", 500), ask("S02", 100), ask("S03", None), ask("supplier", 300)],
    "S02 answers": [acknowledge("S02", "ada", 90)],
    "S09, never asked, answers": [acknowledge("S09", "eve", 95)],
}


def test_who_was_asked_and_has_not_answered_is_awaited_in_any_order_of_arrival() -> None:
    for order in permutations(STEPS):
        hub = Hub()
        for name in order:
            device = Device(name, frozenset({OFFICE}))
            device.record([Step("edit", PLACES[SENDER], (), tuple(STEPS[name]))])
            hub.merge(device)
        reader = Device("reader", frozenset({OFFICE}))
        hub.merge(reader)
        assert awaited(reader.document, now_ms=400) == (
            Awaited("supplier", 300, is_late=True),
            Awaited("S01", 500, is_late=False),
            Awaited("S03", None, is_late=False),
        )


def test_on_the_very_date_nobody_is_late() -> None:
    device = Device("office", frozenset({OFFICE}))
    device.record([Step("edit", PLACES[SENDER], (), (ask("S01", 500),))])
    assert not awaited(device.document, now_ms=500)[0].is_late
    assert awaited(device.document, now_ms=501)[0].is_late


def test_a_moved_date_stands() -> None:
    device = Device("office", frozenset({OFFICE}))
    for until in (500, 900):
        device.record([Step("edit", PLACES[SENDER], (), (ask("S01", until),))])
    assert awaited(device.document, now_ms=600) == (Awaited("S01", 900, is_late=False),)


def test_nobody_without_a_name_is_asked() -> None:
    with pytest.raises(ProtocolError):
        ask("", None)
    with pytest.raises(ProtocolError):
        acknowledge("a\n", "ada", 1)
