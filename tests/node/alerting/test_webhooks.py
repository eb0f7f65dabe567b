"""One attempt at a webhook: signed, bounded, and never into a network that is not allowed."""

import asyncio

import pytest
from aiohttp import web
from pydantic import SecretStr

from node.alerting import webhooks
from node.alerting.settings import secret_bytes
from node.alerting.webhooks import Failed, Sender, signature
from protocol.limits import DELIVERY_S_MAX
from tests.node.alerting.receivers import LOOPBACK, Answer, hook, taken

NOW_MS = 1_795_262_400_123


def test_a_signature_is_that_of_the_example_in_the_specification() -> None:
    """The vector of the reference libraries of Standard Webhooks."""
    key = secret_bytes(SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    found = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_an_event_is_posted_with_its_id_its_time_and_a_signature_over_both() -> None:
    async with hook() as here:
        await Sender(here.webhook(), LOOPBACK).send("alert_1", b'{"type": "alert.raised"}', NOW_MS)
        assert here.ids == ["alert_1"]
        assert here.events == [{"type": "alert.raised"}]


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/", "http://localhost:{port}/"])
async def test_without_leave_nothing_on_this_machine_is_called_also_by_a_name(url: str) -> None:
    """A name is judged by the address that the socket is made for, so what it meant before is of no use."""
    async with hook() as here:
        port = here.url.rpartition(":")[2].partition("/")[0]
        leading = here.webhook().model_copy(update={"url": url.format(port=port)})
        with pytest.raises(Failed, match="not in webhook_networks"):
            await Sender(leading, ()).send("alert_1", b"{}", NOW_MS)
        assert here.paths == []
        await Sender(leading, LOOPBACK).send("alert_1", b"{}", NOW_MS)
        assert here.paths == ["/"]


async def redirecting(_request: web.Request) -> web.StreamResponse:
    """A receiver that sends its callers elsewhere."""
    return web.Response(status=307, headers={"Location": "/elsewhere"})


async def endless(request: web.Request) -> web.StreamResponse:
    """A receiver that answers without an end."""
    answer = web.StreamResponse(status=500)
    await answer.prepare(request)
    while True:
        await answer.write(bytes(1 << 20))


async def gone(_request: web.Request) -> web.StreamResponse:
    """A receiver that wants no more."""
    return web.Response(status=410)


@pytest.mark.parametrize(
    ("answer", "reason", "for_good"),
    [(redirecting, "307", False), (endless, "500", False), (gone, "410", True)],
)
async def test_only_a_status_of_success_is_success_and_no_redirect_is_followed(
    answer: Answer, reason: str, for_good: bool
) -> None:
    async with hook(answer) as here:
        with pytest.raises(Failed, match=reason) as caught:
            await Sender(here.webhook(), LOOPBACK).send("alert_1", b"{}", NOW_MS)
        assert caught.value.for_good == for_good
        assert here.paths == ["/in"]


async def test_a_receiver_that_never_answers_costs_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhooks, "DELIVERY_S_MAX", DELIVERY_S_MAX / 100)

    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return await taken(request)

    async with hook(silent) as here:
        with pytest.raises(Failed, match="in time"):
            await Sender(here.webhook(), LOOPBACK).send("alert_1", b"{}", NOW_MS)


async def test_a_receiver_that_is_not_there_is_told_without_its_address() -> None:
    async with hook() as here:
        gone_away = here.webhook()
    with pytest.raises(Failed) as caught:
        await Sender(gone_away, LOOPBACK).send("alert_1", b"{}", NOW_MS)
    assert "127.0.0.1" not in str(caught.value)
