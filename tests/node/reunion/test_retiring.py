"""A node that was retired, and a hub that forgot it: what was told by whoever proved to be the hub stands until it lets in."""

import pytest

from node.commands.requests import Refusal
from protocol.errors import Code
from protocol.frames.handshake import Close
from tests.node.reunion.here import Here, NodeHere, eventually, settled


async def _error(node: NodeHere) -> str:
    return str((await node.status())["last_error"]).partition(":")[0]


async def _restart(node: NodeHere) -> None:
    """Who was retired comes back after a minute, or at once when it is started."""
    await node.stop()
    await node.start()


async def _retired_by_two_histories(here: Here) -> NodeHere:
    """A shop that was retired, given rights again by a hub put back to before, and told once more by its neighbour's word."""
    shop, neighbour = await here.node("S01"), await here.node("S02")
    await shop.sells("apple", 1, key="before")
    await settled(shop, neighbour)
    await here.hub.back_up("old.db")
    await settled(shop, neighbour)
    await here.hub.tell("retire", name="S01")
    await eventually(lambda: _error(shop), "retired")
    await eventually(lambda: _departed(neighbour), 1)
    await neighbour.stop()
    await here.hub.put_back("old.db")
    await _restart(shop)
    await settled(shop)
    await here.hub.change_access("S01", writes=["S01"], reads=["*"])
    await eventually(lambda: _writes(shop), ["S01"])
    await shop.sells("apple", 1, key="by its new rights")
    await settled(shop)
    await neighbour.start()
    await eventually(lambda: _error(shop), "retired")
    return shop


async def _departed(node: NodeHere) -> int:
    [[departed]] = await node.asks("SELECT count(*) FROM departure")
    return int(departed)


async def _writes(node: NodeHere) -> list[str]:
    writes: list[str] = (await node.status())["writes"]
    return writes


async def test_what_was_told_that_it_left_records_nothing_by_rights_of_a_forgetful_hub(
    here: Here,
) -> None:
    shop = await _retired_by_two_histories(here)
    assert await _writes(shop) == []
    with pytest.raises(Refusal, match="does not record"):
        await shop.sells("apple", 1, key="after it was told")
    await here.hub.stop()
    await _restart(shop)
    with pytest.raises(Refusal, match="does not record"):
        await shop.sells("apple", 1, key="after it was started again, alone")


async def test_a_hub_that_lets_it_in_again_gives_it_its_rights_back(here: Here) -> None:
    shop = await _retired_by_two_histories(here)
    await here.nodes[1].stop()
    await here.hub.put_back("old.db")
    await _restart(shop)
    await eventually(lambda: _writes(shop), ["S01"])
    await shop.sells("apple", 1, key="once more")
    await settled(shop)


async def test_whoever_cannot_prove_to_be_the_hub_retires_nobody(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    from protocol.session import hub as hub_half  # noqa: PLC0415 - what is changed for this test alone

    def ends_at_once(self: hub_half.HubSession, *_: object) -> list[hub_half.Action]:
        return self.end(Code.RETIRED, "this node was retired", retry_ms=0)

    monkeypatch.setattr(hub_half.HubSession, "node_checked", ends_at_once)
    shop = await here.node("S01")
    assert (await shop.hears(Close)).code is Code.RETIRED
    await eventually(lambda: _error(shop), "retired")
    await shop.sells("apple", 1, key="nobody stops it")
