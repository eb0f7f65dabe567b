"""Which locations a node looks after, and what counts as soon there."""

from node.alerting.places import days_of, watched
from node.alerting.settings import Alerting
from protocol.certificate import Role
from protocol.ids import Location
from tests.node.chain import certificate_of


def test_a_shop_looks_after_its_own_locations_whatever_its_settings_name() -> None:
    shop = certificate_of(writes=("S01", "S02"))
    assert watched(shop, Alerting(locations=(Location("S03"),))) == ("S01", "S02")


def test_the_office_looks_after_the_chain_and_what_is_named_and_it_may_read() -> None:
    named = Alerting(locations=(Location("S03"), Location("S04"), Location("W")))
    office = certificate_of(writes=("W",), reads=("S03",), role=Role.OFFICE)
    assert watched(office, named) == ("W", "S03", "")


def test_days_ahead_end_with_the_last_day_that_can_be_written() -> None:
    assert days_of("2026-11-22", 2, 0).expiring_until == "2026-11-24"
    assert days_of("9999-12-30", 90, 0).expiring_until == "9999-12-31"
