"""What a node raises and clears of its own accord: once each, whatever happens in between."""

import asyncio
import tempfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from node.alerting import state
from node.alerting.settings import Alerting, Webhook
from node.replica import changes, scopes
from protocol.certificate import Role
from protocol.ids import Location, Scope, Sku
from protocol.workflows import alerts
from protocol.workflows.alerts import Condition, Level, LotLevel, Rule, Subject
from tests.node.alerting.shop import DAY_MS, Shop, mark_read, open_shop

HOOK = Webhook(name="erp", url="https://erp.example/", secret=SecretStr("whsec_" + "QUJD" * 8))
pytestmark = pytest.mark.blocking("folders are made on the loop before anything is looked at")


async def test_a_shelf_that_gets_low_and_is_filled_again_is_told_once_each(tmp_path: Path) -> None:
    async with open_shop(tmp_path / "S01") as shop:
        await shop.create("levels", {"location": "S01", "sku": "TEA", "minimum": 20})
        await shop.move("TEA", 30)
        assert await shop.look() == []
        await shop.move("TEA", -11)
        assert await shop.look() == [("low", "TEA", 1)]
        for delta in (1, -1, 2, -1):
            await shop.move("TEA", delta)
            assert await shop.look() == [("low", "TEA", 1)], "around the minimum"
        await shop.move("TEA", 10)
        assert await shop.look() == [("low", "TEA", 2)]
        (alert,) = await shop.alerts()
        assert (alert.amount, alert.threshold) == (19, 20)
        assert alert.cleared_ms == shop.clock.now_ms


async def test_what_a_location_wants_and_never_had_is_out_and_what_only_the_catalogue_knows_is_not(
    tmp_path: Path,
) -> None:
    async with open_shop(tmp_path / "S01") as shop:
        await shop.create("skus", {"id": "TEA", "name": "Tea", "minimum": 10})
        assert await shop.look() == []
        await shop.create("levels", {"location": "S01", "sku": "TEA", "minimum": 5})
        assert await shop.look() == [("low", "TEA", 1), ("out", "TEA", 1)]
        await shop.change("levels", "S01/TEA", {"archived": True})
        assert await shop.look() == [("low", "TEA", 2), ("out", "TEA", 2)]


async def test_the_catalogue_minimum_counts_where_a_sku_is_kept(tmp_path: Path) -> None:
    async with open_shop(tmp_path / "S01") as shop:
        await shop.create("skus", {"id": "TEA", "name": "Tea", "minimum": 10})
        await shop.move("TEA", 4)
        assert await shop.look() == [("low", "TEA", 1)]
        await shop.change("skus", "TEA", {"minimum": 3})
        assert await shop.look() == [("low", "TEA", 2)]


async def test_a_rule_that_is_archived_takes_its_alert_with_it(tmp_path: Path) -> None:
    async with open_shop(tmp_path / "S01") as shop:
        await shop.move("TEA", 4)
        rule = await shop.create("alerts", {"sku": "TEA", "location": "S01", "threshold": 9})
        assert await shop.look() == [("threshold", "TEA", 1)]
        shop.restart()
        await shop.change("alerts", rule, {"archived": True})
        assert await shop.look() == [("threshold", "TEA", 2)]
        await shop.change("alerts", rule, {"archived": False, "threshold": 3})
        assert await shop.look() == [("threshold", "TEA", 2)]


async def test_a_lot_expires_by_the_day_of_its_location(tmp_path: Path) -> None:
    async with open_shop(tmp_path / "S01", alerting=Alerting(expiring_days=5)) as shop:
        zone = {"id": "S01", "name": "Auckland", "time_zone": "Pacific/Auckland"}
        await shop.create("locations", zone)
        await shop.create("lots", {"sku": "PILLS", "code": "L7", "expiry": "2026-11-22"})
        await shop.move("PILLS", 3, "L7")
        # It is 12:01 UTC of the 21st, and 01:01 of the 22nd there.
        assert await shop.look() == [("expiring", "PILLS", 1)]
        shop.clock.now_ms += DAY_MS
        assert await shop.look() == [("expired", "PILLS", 1), ("expiring", "PILLS", 2)]
        (expired, _) = await shop.alerts()
        assert (expired.lot, expired.expiry, expired.amount) == ("L7", "2026-11-22", 3)
        await shop.move("PILLS", -3, "L7")
        assert await shop.look() == [("expired", "PILLS", 2), ("expiring", "PILLS", 2)]


async def test_another_zone_or_another_number_of_days_is_looked_at_at_once(tmp_path: Path) -> None:
    async with open_shop(tmp_path / "S01", alerting=Alerting(expiring_days=5)) as shop:
        await shop.create("lots", {"sku": "PILLS", "code": "L7", "expiry": "2026-11-30"})
        await shop.move("PILLS", 3, "L7")
        assert await shop.look() == []
        shop.alerting = Alerting(expiring_days=30)
        shop.restart()
        assert await shop.look() == [("expiring", "PILLS", 1)]


async def test_a_restart_raises_nothing_again_and_misses_nothing(tmp_path: Path) -> None:
    async with open_shop(tmp_path / "S01", alerting=Alerting(webhooks=(HOOK,))) as shop:
        await shop.move("TEA", -1)
        assert await shop.look() == [("negative", "TEA", 1)]
        events = await shop.events()
        shop.restart()
        assert await shop.look() == [("negative", "TEA", 1)]
        await shop.move("TEA", 5)
        await shop.move("CUP", -5)
        shop.restart()
        assert await shop.look() == [("negative", "CUP", 1), ("negative", "TEA", 2)]
        assert len(await shop.events()) == len(events) + 2


async def test_when_changes_were_forgotten_everything_is_looked_at(tmp_path: Path) -> None:
    async with open_shop(tmp_path / "S01") as shop:
        await shop.move("TEA", -1)
        await shop.look()
        await shop.move("TEA", 2)
        for number in range(60):
            await shop.move(f"SKU-{number:02}", -1)
        _, head = await shop.store.read(changes.bounds)
        await shop.store.write(lambda db: changes.forget_piece(db, head - 1))
        shop.restart()
        found = await shop.look()
        assert len(found) == 61
        assert ("negative", "TEA", 2) in found


async def test_before_its_rows_were_read_once_nothing_is_raised_and_then_everything(
    tmp_path: Path,
) -> None:
    async with open_shop(tmp_path / "S01", read=()) as shop:
        await shop.move("TEA", -1)
        assert await shop.look() == []
        await shop.store.write(lambda db: mark_read(db, "catalogue"))
        await shop.store.write(lambda db: scopes.start_over(db, [Scope("catalogue")]))
        assert await shop.look() == [], "of a catalogue that is half here"
        await shop.store.write(lambda db: mark_read(db, "catalogue"))
        assert await shop.look() == [("negative", "TEA", 1)]


async def test_a_location_that_goes_to_another_node_takes_its_alerts_with_it(
    tmp_path: Path,
) -> None:
    async with open_shop(tmp_path / "S01", writes=("S01", "S02")) as shop:
        await shop.move("TEA", -1, location="S02")
        await shop.move("CUP", -1)
        assert {one.location for one in await looked(shop)} == {"S01", "S02"}
        certificate = shop.local.identity.certificate
        fewer = certificate._replace(writes=(Location("S01"),))
        shop.local.identity = replace(shop.local.identity, certificate=fewer)
        assert await shop.look() == [("negative", "CUP", 1), ("negative", "TEA", 2)]
        await shop.store.write(lambda db: changes.note_stock(db, [(Location("S02"), Sku("TEA"))]))
        assert await shop.look() == [("negative", "CUP", 1), ("negative", "TEA", 2)]


async def looked(shop: Shop) -> list[state.Alert]:
    """Every alert once nothing is left to look at."""
    await shop.look()
    return await shop.alerts()


async def test_the_office_looks_after_the_chain_and_the_locations_named(tmp_path: Path) -> None:
    read = ("catalogue", "directory", "stock:S01", "stock:S02", "stock:W")
    office = {"name": "office", "writes": (), "role": Role.OFFICE}
    alerting = Alerting(locations=(Location("S02"),))
    async with open_shop(tmp_path / "o", alerting=alerting, read=read, **office) as shop:
        await shop.create("locations", {"id": "W", "name": "Losses", "kind": "loss"})
        for location in ("S01", "S02"):
            await shop.move("TEA", 50, location=location)
        await shop.move("TEA", 1_000, location="W")
        rule = await shop.create("alerts", {"sku": "TEA", "threshold": 90})
        assert await shop.look() == []
        await shop.move("TEA", -52, location="S02")
        await shop.move("CUP", -1, location="S01")
        assert await shop.look() == [("negative", "TEA", 1), ("threshold", "TEA", 1)]
        chain = next(one for one in await shop.alerts() if one.location == "")
        assert (chain.rule, chain.amount, chain.threshold) == (rule, 48, 90)
        await shop.change("alerts", rule, {"archived": True})
        assert await shop.look() == [("negative", "TEA", 1), ("threshold", "TEA", 2)]


async def test_a_shop_leaves_the_rules_for_the_chain_to_the_office(tmp_path: Path) -> None:
    async with open_shop(tmp_path / "S01") as shop:
        await shop.move("TEA", 1)
        await shop.create("alerts", {"sku": "TEA", "threshold": 90})
        assert await shop.look() == []


# --- against the pure function, from scratch --------------------------------------------------------------------

SKUS = ("TEA", "CUP")
LOTS = ("", "L1", "L2")


@dataclass
class Scratch:
    """The same shop as numbers, and what the pure function says of them."""

    on_hand: dict[tuple[str, str], int] = field(default_factory=dict)
    minimums: dict[str, int] = field(default_factory=dict)
    expiries: dict[tuple[str, str], str] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    known: dict[Subject, int] = field(default_factory=dict)
    events: int = 0

    def look(self, today: str, expiring_until: str) -> None:
        """Raise and clear what there is now."""
        marks = {}
        for sku in SKUS:
            shelf = {lot: amount for (of, lot), amount in self.on_hand.items() if of == sku}
            over = sum(
                max(0, amount)
                for lot, amount in shelf.items()
                if self.expiries.get((sku, lot), "9") < today
            )
            on_hand = sum(shelf.values())
            level = Level("S01", sku, on_hand, on_hand - over, self.minimums.get(sku))
            marks |= alerts.level_marks(level, self.rules.values())
            for lot, amount in shelf.items():
                if (expiry := self.expiries.get((sku, lot))) is not None:
                    there = LotLevel("S01", sku, lot, amount, expiry)
                    marks |= alerts.lot_marks(there, today=today, expiring_until=expiring_until)
        gone = alerts.withdraw(self.known.keys() - marks.keys(), self.known)
        for change in [*alerts.evaluate(marks, self.known), *gone]:
            self.known[change.subject] = change.number
            self.events += 1


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("move"), st.sampled_from(SKUS), st.sampled_from(LOTS), st.integers(-9, 9)
        ),
        st.tuples(st.just("minimum"), st.sampled_from(SKUS), st.integers(0, 8)),
        st.tuples(st.just("rule"), st.sampled_from(SKUS), st.integers(0, 9)),
        st.tuples(st.just("unrule")),
        st.tuples(st.just("expiry"), st.sampled_from(SKUS), st.sampled_from(LOTS[1:])),
        st.tuples(st.just("day")),
        st.tuples(st.just("restart")),
        st.tuples(st.just("look")),
    ),
    max_size=30,
)


@pytest.mark.timeout(600)
@settings(max_examples=40)
@given(steps)
def test_random_days_raise_and_clear_exactly_what_the_pure_function_does(
    days: list[tuple[object, ...]],
) -> None:
    """Stock, levels, lots, rules, days and restarts at random, looked at now and then, against numbers kept beside it.

    What is in the outbox is counted too: one event for each time that something began or ended, and no other.
    """

    async def live() -> None:
        with tempfile.TemporaryDirectory() as folder:
            alerting = Alerting(expiring_days=2, webhooks=(HOOK,))
            async with open_shop(Path(folder) / "S01", alerting=alerting) as shop:
                scratch = Scratch()
                for step in [*days, ("look",)]:
                    await _live_on(shop, scratch, step)

    asyncio.run(live())


async def _live_on(shop: Shop, scratch: Scratch, step: tuple[object, ...]) -> None:
    match step:
        case ("move", str(sku), str(lot), int(delta)):
            await shop.move(sku, delta, lot)
            scratch.on_hand[sku, lot] = scratch.on_hand.get((sku, lot), 0) + delta
        case ("minimum", str(sku), int(minimum)):
            if sku in scratch.minimums:
                await shop.change("levels", f"S01/{sku}", {"minimum": minimum})
            else:
                level = {"location": "S01", "sku": sku, "minimum": minimum}
                await shop.create("levels", level)
            scratch.minimums[sku] = minimum
        case ("rule", str(sku), int(threshold)):
            asked = {"location": "S01", "sku": sku, "threshold": threshold}
            id_ = await shop.create("alerts", {**asked, "notification": "webhook"})
            scratch.rules[id_] = Rule(id_, "S01", sku, threshold)
        case ("unrule",) if scratch.rules:
            id_, _ = scratch.rules.popitem()
            await shop.change("alerts", id_, {"archived": True})
        case ("expiry", str(sku), str(lot)) if (sku, lot) not in scratch.expiries:
            expiry = _days(shop.clock.now_ms + 3 * DAY_MS)
            await shop.create("lots", {"sku": sku, "code": lot, "expiry": expiry})
            scratch.expiries[sku, lot] = expiry
        case ("day",):
            shop.clock.now_ms += DAY_MS
        case ("restart",):
            shop.restart()
        case ("look",):
            await shop.look()
            now_ms = shop.clock.now_ms
            scratch.look(_days(now_ms), _days(now_ms + 2 * DAY_MS))
            found = {_subject(one): one.number for one in await shop.alerts()}
            assert found == scratch.known
            assert len(await shop.events()) == scratch.events


def _days(now_ms: int) -> str:
    return datetime.fromtimestamp(now_ms / 1000, UTC).date().isoformat()


def _subject(one: state.Alert) -> Subject:
    return Subject(Condition(one.condition), one.rule, one.location, one.sku, one.lot)
