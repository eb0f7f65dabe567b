"""Ten nodes that push all they have to a hub as fast as it acknowledges, as one process.

`python -m tests.bench.pushers` reads an order from stdin and prints what it measured, both as JSON. The sessions are
opened by the node's own half of the protocol; then frames made beforehand are sent, with as many unanswered as a node
allows itself. What the hub sends of the other shops' stock is received and not read: a node has a computer of its own.
"""

import asyncio
import gc
import json
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Final

import aiohttp
import uvloop

from protocol.frames.handshake import Close
from protocol.frames.log import Acknowledge, Negative, Status
from protocol.limits import BATCHES_IN_FLIGHT_MAX
from protocol.wire import decode, encode
from tests.bench import children
from tests.bench.shops import batches_of, make_shops
from tests.hub.peer import Peer

_READ_BELOW_BYTES: Final = 512
"""An answer to a batch is smaller; what is larger is a page."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """From the first frame sent to the last acknowledgement read."""

    operations: int
    per_s: float
    bytes_per_operation: float
    received_mb: float


async def push_all(port: int, batches: int) -> Pushed:
    """Push to the hub on a port of this machine, from a process of its own."""
    return Pushed(**await children.order(__name__, {"port": port, "batches": batches}))


async def _push_all(port: int, batches: int) -> Pushed:
    shops = make_shops(batches=batches)
    frames = [[encode(batch) for batch in batches_of(shop)] for shop in shops]
    operations = sum(len(shop.log) for shop in shops)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        peers = [Peer(http, f"http://127.0.0.1:{port}/v1/session", shop) for shop in shops]
        for peer in peers:
            await peer.connect()
            await peer.opens()
        gc.collect()
        gc.disable()
        began_s = time.perf_counter()
        received = await asyncio.gather(*map(_push, peers, frames))
        took_s = time.perf_counter() - began_s
        for peer in peers:
            await peer.line.close()
    sent = sum(map(len, [frame for each in frames for frame in each]))
    return Pushed(operations, operations / took_s, sent / operations, sum(received) / 1e6)


async def _push(peer: Peer, frames: list[bytes]) -> int:
    """Send all frames and hear them acknowledged; how many bytes came."""
    waiting, unanswered, received = deque(frames), 0, 0
    while waiting or unanswered:
        while waiting and unanswered < BATCHES_IN_FLIGHT_MAX:
            await peer.line.send_bytes(waiting.popleft())
            unanswered += 1
        message = await peer.line.receive()
        if message.type is not aiohttp.WSMsgType.BINARY:
            raise ConnectionResetError(f"the hub closed the line: {peer.line.close_code}")
        received += len(message.data)
        if len(message.data) < _READ_BELOW_BYTES:
            match decode(message.data):
                case Acknowledge():
                    unanswered -= 1
                case Negative() | Status() | Close() as frame:
                    raise RuntimeError(f"the hub does not take the log: {frame}")
                case _:
                    pass
    return received


def main() -> None:
    """Read, do, print."""
    order = json.load(sys.stdin)
    json.dump(asdict(uvloop.run(_push_all(order["port"], order["batches"]))), sys.stdout)


if __name__ == "__main__":
    main()
