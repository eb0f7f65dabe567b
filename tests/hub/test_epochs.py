"""Several nodes come back at once to a hub whose history was rolled back."""

import asyncio

import pytest

from protocol.frames.handshake import Welcome
from protocol.ids import HubSeq, Salt
from tests.hub.conftest import Running
from tests.hub.peer import Peer
from tests.store.shop import EPOCH, Shop

NODES = 6


async def opened(peer: Peer) -> Welcome | None:
    """The hub's WELCOME; None when it said to come back instead."""
    try:
        return await peer.opens()
    except ConnectionResetError:
        return None


@pytest.mark.parametrize("turn", range(8))
async def test_whoever_is_let_in_with_a_new_epoch_reads_everything_again(
    running: Running, turn: int
) -> None:
    """Half of them show cursors of the lost history, half of the one that is left."""
    seller = await running.enrol(Shop("S99"))
    seller.sells("apple", 1)
    async with running.peer(seller) as peer:
        await peer.opens()
        await peer.pushes()
        await peer.caught_up(1)
        known = peer.cursor
    peers = [running.peer(await running.enrol(Shop(f"S{number:02}"))) for number in range(NODES)]
    for number, peer in enumerate(peers):
        lost = (HubSeq(5), Salt(b"gone now"))
        peer.epoch, peer.cursor = EPOCH, lost if (number + turn) % 2 else known
        await peer.connect()
    welcomes = await asyncio.gather(*map(opened, peers))
    for peer, welcome in zip(peers, welcomes, strict=True):
        if welcome is not None:
            assert welcome.epoch == EPOCH or welcome.reset == welcome.scopes, turn
        await peer.line.close()
    epochs = {welcome.epoch for welcome in welcomes if welcome is not None} - {EPOCH}
    assert len(epochs) <= 1, "one rollback, one new epoch"
