"""S30: a stolen node is out by one command, at once and for ever, and what it had not sent never counts."""

import asyncio
import contextlib

import pytest

from protocol.errors import Code
from protocol.ids import Scope
from tests.hub.conftest import Running
from tests.hub.peer import Peer
from tests.store.shop import Shop

AT_ONCE_S = 1.0
"""From the answer of the command to a refusal. No measurement: this is the promise."""


async def revoke(running: Running, name: str) -> None:
    """What `everstock-hub revoke NAME` asks of a hub that runs."""
    answer = await running.post("/v1/operator/revoke", {"name": name})
    assert answer.status == 200


async def stock(running: Running, scope: str) -> object:
    """What the hub holds of a scope, to the bit."""
    return await running.hub.store.digest(Scope(scope))


async def comes_back(running: Running, shop: Shop) -> Code:
    """Have a node connect again; how it is refused."""
    async with running.peer(shop) as again:
        return (await again.closed()).code


async def test_s30_one_command_ends_its_session_and_refuses_the_next(running: Running) -> None:
    thief = await running.enrol(Shop("S01"))
    async with running.peer(thief) as peer:
        await peer.opens()
        await revoke(running, "S01")
        async with asyncio.timeout(AT_ONCE_S):
            assert (await peer.closed()).code is Code.REVOKED
    async with asyncio.timeout(AT_ONCE_S):
        assert await comes_back(running, thief) is Code.REVOKED
    for _ in range(3):
        assert await comes_back(running, thief) is Code.REVOKED


async def test_s30_what_it_had_sent_before_counts_and_what_it_had_not_never_does(
    running: Running,
) -> None:
    thief = await running.enrol(Shop("S01"))
    other = await running.enrol(Shop("S02"))
    thief.sells("apple", 1)
    async with running.peer(thief) as peer:
        await peer.opens()
        await peer.pushes()
        assert await peer.acknowledged() == 1
        before = await stock(running, "stock:S01")
        await revoke(running, "S01")
        thief.sells("apple", 1_000)
        assert await _pushes(peer) is Code.REVOKED
    assert await stock(running, "stock:S01") == before
    assert await comes_back(running, thief) is Code.REVOKED
    assert await stock(running, "stock:S01") == before
    ledger = (await (await running.get("/v1/status")).json())["ledger"]
    assert ledger == 1
    # Nobody else is kept waiting for it.
    other.sells("apple", 1)
    async with running.peer(other) as peer:
        await peer.opens()
        await peer.pushes()
        assert await peer.acknowledged() == 1


async def _pushes(peer: Peer) -> Code:
    with contextlib.suppress(ConnectionError):  # the line may be closed already
        await peer.pushes()
    return (await peer.closed()).code


async def test_s30_its_key_under_another_certificate_or_log_is_refused_too(
    running: Running,
) -> None:
    thief = await running.enrol(Shop("S01"))
    await revoke(running, "S01")
    again = Shop("S01", incarnation=2)
    assert await comes_back(running, again) is Code.REVOKED
    assert await comes_back(running, thief) is Code.REVOKED


async def test_s30_where_it_wrote_another_may_take_over(running: Running) -> None:
    await running.enrol(Shop("S01"))
    wish = {"name": "S01b", "role": "store", "writes": ["S01"], "reads": ["*"], "expires_s": 60}
    assert (await running.post("/v1/operator/enrol", wish)).status == 409
    await revoke(running, "S01")
    assert (await running.post("/v1/operator/enrol", wish)).status == 201


@pytest.mark.parametrize("token", [None, "wrong"])
async def test_s30_nobody_but_the_operator_revokes(running: Running, token: str | None) -> None:
    shop = await running.enrol(Shop("S01"))
    answer = await running.post("/v1/operator/revoke", {"name": "S01"}, token=token)
    assert answer.status == 401
    async with running.peer(shop) as peer:
        await peer.opens()
