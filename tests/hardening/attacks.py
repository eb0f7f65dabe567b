"""What hostile clients do, one coroutine each: one connection, from opening it to its end at the daemon's hands.

Invariant: an attack that the daemon tolerates for ever never returns by itself; whoever runs it has a clock.
"""

import asyncio
import gzip
import json
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from tests.hardening.line import (
    EMPTY_FRAGMENT,
    FIRST_FRAGMENT,
    PING,
    Line,
    Target,
    frame,
)

DRIBBLE_S: Final = 0.2
SETTLE_S: Final = 0.05
BLOCK: Final = 20_000
BOMB: Final = gzip.compress(bytes(64 * 1024 * 1024), 9)
SALE: Final = {"kind": "sale", "location": "S01", "lines": [{"sku": "A1", "delta": -1}]}

Strike = Callable[[Target], Awaitable[None]]


async def silent(target: Target) -> None:
    """Connects and says nothing."""
    async with Line(target) as line:
        await line.ends()


async def idle_caller(target: Target) -> None:
    """Asks once, with a token, and then keeps the connection."""
    async with Line(target) as line:
        await line.asks("GET", "/v1/sync", token=True)
        await line.ends()


async def slow_head(target: Target) -> None:
    """Sends a head byte by byte."""
    async with Line(target) as line:
        await _dribbles(line, line.head("GET", "/healthz", X="y" * 4_000))


async def endless_head(target: Target) -> None:
    """Sends a head that grows as fast as it is taken."""
    async with Line(target) as line:
        await line.sends(line.head("GET", "/healthz")[:-2])
        await _until_cut(line, b"X-Header: value\r\n" * 50)


async def slow_body(target: Target) -> None:
    """Has a token, announces a small sale and sends it byte by byte."""
    async with Line(target) as line:
        fields = {"Content_Type": "application/json", "Content_Length": "4000"}
        await line.sends(line.head("POST", "/v1/movements", token=True, **fields))
        await _dribbles(line, b" " * 4_000)


async def large_body(target: Target) -> None:
    """Has a token, announces a large batch, sends nearly all of it and stops."""
    async with Line(target) as line:
        fields = {"Content_Type": "application/json", "Content_Length": "1000000"}
        await line.sends(line.head("POST", "/v1/movements/batch", token=True, **fields))
        await line.sends(b" " * 999_000)
        await line.ends()


async def strangers_body(target: Target) -> None:
    """Has no token, sends nearly a megabyte and stops."""
    async with Line(target) as line:
        fields = {"Content_Type": "application/json", "Content_Length": "1000000"}
        await line.sends(line.head("POST", "/v1/movements", **fields))
        await line.sends(b" " * 999_000)
        await line.ends()


async def slow_reader(target: Target) -> None:
    """Has a token, asks for long lists and reads none of them."""
    async with Line(target, slow=True) as line:
        await line.sends(line.head("GET", "/v1/stock?limit=1000", token=True) * 32)
        await line.ends_unread()


async def body_bomb(target: Target) -> None:
    """Sends 64 KiB that want to become 64 MiB."""
    async with Line(target) as line:
        for encoding in ("gzip", "deflate", "gzip, gzip"):
            fields = {"Content_Type": "application/json", "Content_Encoding": encoding}
            await line.asks("POST", "/v1/movements", BOMB, token=True, **fields)


async def nested_body(target: Target) -> None:
    """Sends JSON that is nothing but brackets, then MessagePack that is nothing but empty maps."""
    async with Line(target) as line:
        kinds = {
            "json": b"[" * 500_000 + b"]" * 500_000,
            "msgpack": b"\xdd\0\x0f\0\0" + b"\x80" * 983_040,
        }
        for kind, body in kinds.items():
            fields = {"Content_Type": f"application/{kind}"}
            await line.asks("POST", "/v1/movements", body, token=True, **fields)


async def malformed(target: Target) -> None:
    """Sends what is no HTTP."""
    async with Line(target) as line:
        await line.sends(b"\x16\x03\x01 this is not a request\r\n\r\n")
        await line.ends()


async def stranger(target: Target) -> None:
    """Asks without a token as fast as it is answered."""
    async with Line(target) as line:
        while await line.asks("GET", "/v1/stock"):
            pass


async def pipeline(target: Target) -> None:
    """Sends requests without a token and does not wait for answers."""
    async with Line(target) as line:
        await _until_cut(line, line.head("GET", "/v1/stock") * 200)


async def churn(target: Target) -> None:
    """Connects and leaves."""
    async with Line(target) as line:
        await line.asks("GET", "/healthz")


async def silent_session(target: Target) -> None:
    """Opens a session and proves nothing."""
    async with Line(target) as line:
        await line.becomes_websocket()
        await line.ends()


async def pings(target: Target) -> None:
    """Opens a session and sends nothing but pings."""
    async with Line(target) as line:
        await line.becomes_websocket()
        await _until_cut(line, PING * BLOCK)


async def fragments(target: Target) -> None:
    """Opens a session and begins a message that never ends and never grows."""
    async with Line(target) as line:
        await line.becomes_websocket()
        await line.sends(FIRST_FRAGMENT)
        await _until_cut(line, EMPTY_FRAGMENT * BLOCK)


async def slow_message(target: Target) -> None:
    """Opens a session and begins a message that ends at some later time."""
    async with Line(target) as line:
        await line.becomes_websocket()
        await line.sends(FIRST_FRAGMENT)
        await _dribbles(line, EMPTY_FRAGMENT * 1_000)


async def large_frame(target: Target) -> None:
    """Opens a session and announces a frame of 4 GiB."""
    async with Line(target) as line:
        await line.becomes_websocket()
        await line.sends(bytes((0x82, 0xFF)) + (2**32).to_bytes(8) + bytes(4))
        await _until_cut(line, bytes(BLOCK))


async def compressed_frame(target: Target) -> None:
    """Opens a session and sends a frame as permessage-deflate would, which was not agreed on."""
    async with Line(target) as line:
        await line.becomes_websocket()
        await line.sends(frame(zlib.compress(bytes(2**20))[2:-4], rsv=0x40))
        await line.ends()


async def wire_bomb(target: Target) -> None:
    """Opens a session and sends a first frame that our own compression would open to 64 MiB."""
    async with Line(target) as line:
        await line.becomes_websocket()
        await line.sends(frame(b"\x01" + zlib.compress(bytes(2**26), 9)[:3_900]))
        await line.ends()


async def endless_answer(target: Target) -> None:
    """Opens a session, sends pings and reads none of the pongs."""
    async with Line(target, slow=True) as line:
        await line.becomes_websocket()
        writing = asyncio.create_task(_until_cut(line, frame(bytes(125), opcode=9) * 100))
        await line.ends_unread()
        writing.cancel()


@dataclass(frozen=True, slots=True)
class Attack:
    """What is done to whom, by how many at once."""

    strike: Strike
    daemon: Literal["node", "hub"]
    at_once: int

    @property
    def name(self) -> str:
        return self.strike.__name__.replace("_", " ")


ATTACKS: Final = (
    Attack(silent, "node", 2_000),
    Attack(idle_caller, "node", 2_000),
    Attack(slow_head, "node", 300),
    Attack(endless_head, "node", 8),
    Attack(slow_body, "node", 300),
    Attack(large_body, "node", 100),
    Attack(strangers_body, "node", 100),
    Attack(slow_reader, "node", 100),
    Attack(body_bomb, "node", 4),
    Attack(nested_body, "node", 1),
    Attack(malformed, "node", 8),
    Attack(stranger, "node", 8),
    Attack(pipeline, "node", 4),
    Attack(churn, "node", 8),
    Attack(silent, "hub", 2_000),
    Attack(slow_head, "hub", 300),
    Attack(silent_session, "hub", 300),
    Attack(pings, "hub", 4),
    Attack(fragments, "hub", 4),
    Attack(slow_message, "hub", 100),
    Attack(endless_answer, "hub", 4),
    Attack(large_frame, "hub", 4),
    Attack(compressed_frame, "hub", 4),
    Attack(wire_bomb, "hub", 4),
    Attack(malformed, "hub", 8),
    Attack(stranger, "hub", 8),
)


@dataclass(slots=True)
class Score:
    """How many connections an assault opened, how many the daemon ended, and how many it did not let in."""

    opened: int = 0
    ended: int = 0
    refused: int = 0


async def assault(attack: Attack, target: Target, seconds: float) -> Score:
    """Keep `at_once` attackers at it for so long; each comes back when its connection has ended."""
    score = Score()

    async def comes_back() -> None:
        while True:
            score.opened += 1
            try:
                await attack.strike(target)
            except (OSError, asyncio.IncompleteReadError):
                score.refused += 1
                await asyncio.sleep(0.01)
            score.ended += 1

    attackers = [asyncio.create_task(comes_back()) for _ in range(attack.at_once)]
    done, _ = await asyncio.wait(attackers, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for each in attackers:
        each.cancel()
    await asyncio.gather(*attackers, return_exceptions=True)
    for each in done:
        each.result()
    await asyncio.sleep(
        SETTLE_S
    )  # transports that were cut off amid connecting close in the loop's next turns
    return score


async def _dribbles(line: Line, data: bytes) -> None:
    async with asyncio.TaskGroup() as group:
        ending = group.create_task(line.ends())
        for byte in data:
            if ending.done():
                return
            try:
                await line.sends(bytes((byte,)))
            except ConnectionError:
                return
            await asyncio.sleep(DRIBBLE_S)


async def _until_cut(line: Line, block: bytes) -> None:
    async with asyncio.TaskGroup() as group:
        ending = group.create_task(line.ends())
        while not ending.done():
            try:
                await line.sends(block)
            except ConnectionError:
                return
            await asyncio.sleep(0)


def sale(key: int) -> bytes:
    """The body of an ordinary sale."""
    return json.dumps({**SALE, "note": f"number {key}"}).encode()
