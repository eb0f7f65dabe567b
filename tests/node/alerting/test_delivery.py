"""From the outbox to the receiver: at least once, under one id, and never without an end."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from node.alerting import outbox
from node.alerting.alerts import Alerts
from node.alerting.delivery import Retry
from node.alerting.settings import Alerting, Email
from node.commands.documents import Written
from protocol.limits import (
    DELIVERIES_WAITING_MAX,
    DELIVERY_ATTEMPTS_MAX,
    DELIVERY_RETRY_FIRST_S,
    DELIVERY_RETRY_LAST_S,
    MAIL_ALERTS_MAX,
)
from protocol.workflows.alerts import Condition
from runtime.world import World
from tests.node.alerting.receivers import Mailbox, hook, mailbox, taken
from tests.node.alerting.shop import Shop, open_shop

SOON = Retry(first_s=0.01, last_s=0.02, attempts_max=5)
PATIENCE_S = 30.0
pytestmark = pytest.mark.blocking("folders are made on the loop before anything is looked at")


@contextlib.asynccontextmanager
async def at_work(shop: Shop, alerting: Alerting, retry: Retry = SOON) -> AsyncIterator[Alerts]:
    """A shop whose alerts are looked after and delivered."""

    async def write(_: object) -> Written:
        raise AssertionError("nobody acknowledges here")

    found = Alerts(shop.store, World(), shop.local, alerting, write, shop.here, retry=retry)
    found.start()
    try:
        yield found
    finally:
        await found.stop()


async def waiting(shop: Shop) -> dict[str, outbox.Counts]:
    """What is in the outbox, by receiver."""
    return await shop.store.read(outbox.counts)


async def until_waiting(shop: Shop, counts: dict[str, outbox.Counts]) -> None:
    """Wait until exactly that is in the outbox."""
    async with asyncio.timeout(PATIENCE_S):
        while await waiting(shop) != counts:  # noqa: ASYNC110 # another task writes it
            await asyncio.sleep(0.02)


async def test_raising_and_clearing_are_two_events_and_each_is_told_once(tmp_path: Path) -> None:
    async with hook() as here, open_shop(tmp_path / "S01") as shop:
        async with at_work(shop, here.alerting()) as alerts:
            await shop.move("TEA", -1)
            await here.until(1)
            await shop.move("TEA", 5)
            await here.until(2)
            await until_waiting(shop, {})
            figures = await alerts.figures()
        assert figures is not None
        assert (figures.raised, figures.waiting, figures.given_up) == ({}, 0, 0)
    raised, cleared = here.events
    assert [raised["type"], cleared["type"]] == ["alert.raised", "alert.cleared"]
    assert raised["data"]["kind"] == "negative"
    assert raised["data"]["id"] == cleared["data"]["id"]
    assert len(set(here.ids)) == 2


async def test_a_receiver_that_fails_is_asked_again_under_the_same_id(tmp_path: Path) -> None:
    async def at_last(request: web.Request) -> web.StreamResponse:
        return web.Response(status=503) if len(here.ids) < 3 else await taken(request)

    async with (
        hook(at_last) as here,
        open_shop(tmp_path / "S01") as shop,
        at_work(shop, here.alerting()),
    ):
        await shop.move("TEA", -1)
        await here.until(3)
        await until_waiting(shop, {})
    assert len(here.ids) == 3
    assert len(set(here.ids)) == 1
    assert here.events[0] == here.events[2]


async def test_what_was_tried_in_vain_is_given_up_and_listed(tmp_path: Path) -> None:
    async def broken(_: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    async with hook(broken) as here, open_shop(tmp_path / "S01") as shop:
        async with at_work(shop, here.alerting()) as alerts:
            await shop.move("TEA", -1)
            await until_waiting(shop, {"webhook:erp": outbox.Counts(0, 1)})
            (listed,), following = await alerts.given_up(10, None)
            (told,) = await alerts.webhooks()
        assert following is None
        assert (listed["id"], listed["to"], listed["attempts"]) == (here.ids[0], "webhook:erp", 5)
        assert (listed["last_error"], listed["event"]) == ("answered 500", here.events[0])
        assert len(here.ids) == SOON.attempts_max
        assert (told["waiting"], told["given_up"], told["last_error"]) == (0, 1, "answered 500")
        assert "secret" not in told


async def test_a_slow_receiver_keeps_nothing_from_another(tmp_path: Path) -> None:
    held = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        await held.wait()
        return await taken(request)

    async with hook(slow) as here, hook() as there, open_shop(tmp_path / "S01") as shop:
        other = there.webhook().model_copy(update={"name": "other"})
        both = dataclasses.replace(here.alerting(), webhooks=(here.webhook(), other))
        async with at_work(shop, both):
            for sku in ("A1", "A2", "A3"):
                await shop.move(sku, -1)
            await there.until(3)
            assert len(here.ids) <= 1
            held.set()
            await here.until(3)


async def test_a_crash_between_raising_and_delivery_delivers_under_the_same_id(
    tmp_path: Path,
) -> None:
    """What was raised is in the outbox by the same transaction, so whoever comes next delivers it."""
    async with hook() as here, open_shop(tmp_path / "S01", alerting=here.alerting()) as shop:
        await shop.move("TEA", -1)
        await shop.look()
        (id_,) = await shop.events()
        async with at_work(shop, here.alerting()):
            await here.until(1)
            await until_waiting(shop, {})
        assert here.ids == [id_]


async def test_what_waits_for_a_receiver_taken_out_of_the_settings_is_given_up(
    tmp_path: Path,
) -> None:
    async with hook() as here, open_shop(tmp_path / "S01", alerting=here.alerting()) as shop:
        await shop.move("TEA", -1)
        await shop.look()
        async with at_work(shop, Alerting()):
            await until_waiting(shop, {"webhook:erp": outbox.Counts(0, 1)})
    assert here.ids == []


async def test_who_is_told_is_what_a_rule_says_and_what_a_receiver_asks_for() -> None:
    async with hook() as here:
        low = here.webhook(conditions=(Condition.LOW,))
    every = low.model_copy(update={"name": "every", "conditions": tuple(Condition)})
    mail = Email(
        server="m:25", sender="a@b", recipients=("c@d",), conditions=(Condition.THRESHOLD,)
    )
    alerting = Alerting(webhooks=(low, every), email=mail)

    def told(condition: str, notification: str | None) -> list[str]:
        return outbox.targets_for(alerting, condition, notification)

    assert told("low", None) == ["webhook:erp", "webhook:every"]
    assert told("out", None) == ["webhook:every"]
    assert told("threshold", "live") == []
    assert told("threshold", "webhook") == ["webhook:every"]
    assert told("threshold", "email") == ["email"]


async def test_the_outbox_of_a_receiver_is_bounded_and_the_oldest_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert DELIVERIES_WAITING_MAX >= 1_000
    monkeypatch.setattr(outbox, "DELIVERIES_WAITING_MAX", 3)
    monkeypatch.setattr(outbox, "DELIVERIES_GIVEN_UP_MAX", 2)
    async with hook() as here, open_shop(tmp_path / "S01", alerting=here.alerting()) as shop:
        for number in range(6):
            await shop.move(f"A{number}", -1)
            await shop.look()
        assert await waiting(shop) == {"webhook:erp": outbox.Counts(3, 2)}
        kept = await shop.store.read(lambda db: outbox.due(db, "webhook:erp", 2**42, 10))
        assert [b"A3" in one.body or b"A4" in one.body or b"A5" in one.body for one in kept] == [
            True
        ] * 3


def test_waits_grow_to_a_bound_and_go_no_further() -> None:
    waits = [Retry().wait_ms_max(failed) for failed in (0, 1, 2, 60, 10_000)]
    first, last = int(DELIVERY_RETRY_FIRST_S * 1000), int(DELIVERY_RETRY_LAST_S * 1000)
    assert waits == [first, 2 * first, 4 * first, last, last]
    in_all_ms = sum(Retry().wait_ms_max(failed) / 2 for failed in range(DELIVERY_ATTEMPTS_MAX))
    assert Retry().attempts_max == DELIVERY_ATTEMPTS_MAX
    assert 5 < in_all_ms / 86_400_000 < 9, "about a week"


# --- mail ------------------------------------------------------------------------------------------------------


def by_mail(box: Mailbox) -> Alerting:
    """Settings by which alerts are mailed."""
    recipients = ("manager@shop.example", "office@shop.example")
    email = Email(
        server=f"127.0.0.1:{box.port}",
        security="plain",
        sender="everstock@shop.example",
        recipients=recipients,
    )
    return Alerting(email=email)


async def test_what_is_raised_together_is_one_mail_of_plain_text(tmp_path: Path) -> None:
    async with mailbox() as box, open_shop(tmp_path / "S01", alerting=by_mail(box)) as shop:
        await shop.create("levels", {"location": "S01", "sku": "TEA", "minimum": 20})
        await shop.move("TEA", -1)
        await shop.look()
        async with at_work(shop, by_mail(box)):
            await box.until(1)
            await until_waiting(shop, {})
        (mail,) = box.mails
        assert box.envelopes == [["manager@shop.example", "office@shop.example"]]
        assert mail["Subject"] == "Everstock: 3 alerts (S01)"
        assert mail.get_content_type() == "text/plain"
        lines = str(mail.get_payload()).split("\n")
        assert "TEA at S01: low, -1 available, and the minimum is 20" in [
            line.strip() for line in lines
        ]


async def test_a_mail_tells_of_so_many_and_the_next_of_the_rest(tmp_path: Path) -> None:
    async with mailbox() as box, open_shop(tmp_path / "S01", alerting=by_mail(box)) as shop:
        for number in range(MAIL_ALERTS_MAX + 1):
            await shop.move(f"TEA {number}", -1)
        await shop.look()
        async with at_work(shop, by_mail(box)):
            await until_waiting(shop, {})
    subjects = [str(mail["Subject"]) for mail in box.mails]
    assert subjects[0] == f"Everstock: {MAIL_ALERTS_MAX} alerts (S01)"
    assert len(subjects) > 1


async def test_a_mail_that_the_server_does_not_take_now_is_sent_again(tmp_path: Path) -> None:
    async with mailbox(refuses=True) as box, open_shop(tmp_path / "S01") as shop:
        async with at_work(shop, by_mail(box), Retry(0.01, 0.02, attempts_max=1_000)):
            await shop.move("TEA", -1)
            async with asyncio.timeout(PATIENCE_S):
                while await shop.store.read(lambda db: outbox.last_error(db, "email")) is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            assert box.mails == []
            box.refuses = False
            await box.until(1)
            await until_waiting(shop, {})
        assert (
            box.mails[0]["Subject"] == "Everstock: TEA at S01: negative, -1 on hand: count it (S01)"
        )
        assert box.mails[0]["Message-ID"].startswith("<alert_")
