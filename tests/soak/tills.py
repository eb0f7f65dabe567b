"""The soak's callers: tills that sell at a steady rate, a screen that shows stock, a reader of the live stream.

Invariant: a sale keeps its idempotency key until it is answered, and is counted once when it is. So what `sold`
holds is, to the unit, what every replica must hold in the end.
"""

import asyncio
import contextlib
import json
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.soak.http_line import HttpLine, LineLost

SKU_COUNT: Final = 2_000
LINE_COUNTS: Final = (1, 1, 1, 1, 1, 1, 1, 2, 2, 3)
"""Of ten sales, seven have one line."""
LOSES_ITS_ANSWER_CHANCE: Final = 0.01
AGAIN_S: Final = 0.1
BUSY_STATUSES: Final = frozenset({429, 503})
POLL_S: Final = 1.0


def sku_of(number: int) -> str:
    """The code of one of `SKU_COUNT` SKUs."""
    return f"{number:06d}"


class SoakError(Exception):
    """The chain did what it must not."""


@dataclass(slots=True)
class Trade:
    """What happened at one shop so far."""

    location: str
    sent: int = 0
    """Requests, the repeated ones too."""
    answered: int = 0
    """Sales with their 201."""
    replayed: int = 0
    """Answers to a repeat of a sale that had been recorded."""
    sold: Counter[str] = field(default_factory=Counter)
    """SKU → units, below zero."""
    interval_ms: "array[float]" = field(default_factory=lambda: array("f"))
    """Latencies since the last sample, from the first sending of a sale to its answer."""
    latency_ms_max: float = 0.0

    @property
    def repeated(self) -> int:
        return self.sent - self.answered

    def take_interval(self) -> "array[float]":
        """The latencies since this was last called."""
        taken, self.interval_ms = self.interval_ms, array("f")
        return taken


class SoakTill:
    """One till: sales in order, each due at its time; late ones follow at once, none is left out."""

    def __init__(self, name: str, line: HttpLine, trade: Trade, rng: Random) -> None:
        self._name = name
        self._line = line
        self._trade = trade
        self._rng = rng

    async def sell(self, per_s: float, closing_time: asyncio.Event) -> None:
        """Sell until closing time, and settle the last sale.

        Raises:
            SoakError: a sale was refused.
        """
        clock = asyncio.get_running_loop().time
        due_s = clock() + self._rng.random() / per_s
        number = 0
        while not closing_time.is_set():
            if (wait_s := due_s - clock()) > 0:
                await asyncio.sleep(wait_s)
            await self._sale(f"{self._name}-{number}", clock)
            number += 1
            due_s += 1 / per_s
        self._line.close()

    async def _sale(self, key: str, clock: Callable[[], float]) -> None:
        rng, trade = self._rng, self._trade
        basket = [
            (sku_of(rng.randrange(SKU_COUNT)), -rng.randrange(1, 6))
            for _ in range(rng.choice(LINE_COUNTS))
        ]
        lines = [{"sku": sku, "delta": delta} for sku, delta in basket]
        sale = {"kind": "sale", "location": trade.location, "reference": key, "lines": lines}
        body = json.dumps(sale).encode()
        began_s = clock()
        if rng.random() < LOSES_ITS_ANSWER_CHANCE:
            trade.sent += 1
            await self._line.post_and_leave("/v1/movements", body, key)
        await self._until_answered(body, key)
        latency_ms = 1000 * (clock() - began_s)
        trade.interval_ms.append(latency_ms)
        trade.latency_ms_max = max(trade.latency_ms_max, latency_ms)
        trade.answered += 1
        for sku, delta in basket:
            trade.sold[sku] += delta

    async def _until_answered(self, body: bytes, key: str) -> None:
        while True:
            self._trade.sent += 1
            try:
                answer = await self._line.post("/v1/movements", body, key)
            except LineLost:
                await asyncio.sleep(AGAIN_S)
                continue
            if answer.status == 201:
                self._trade.replayed += answer.is_replay
                return
            if answer.status not in BUSY_STATUSES:
                raise SoakError(f"{key}: {answer.status} {answer.body[:500]!r}")
            await asyncio.sleep(AGAIN_S)


async def watch_stock(lines: list[HttpLine], locations: list[str]) -> None:
    """Show a page of every location in turn, at every node in turn, until cancelled.

    Raises:
        SoakError: a page was refused.
    """
    turn = 0
    while True:
        location = locations[turn // len(lines) % len(locations)]
        try:
            answer = await lines[turn % len(lines)].get(f"/v1/stock?location={location}&limit=100")
        except LineLost:
            pass  # asked again in its turn
        else:
            if answer.status != 200 and answer.status not in BUSY_STATUSES:
                raise SoakError(f"a page of stock: {answer.status} {answer.body[:500]!r}")
        turn += 1
        await asyncio.sleep(POLL_S)


@dataclass(slots=True)
class LiveReader:
    """Reads one node's live stream, and resumes it where it broke."""

    line: HttpLine
    port: int
    location: str
    events: int = 0
    streams: int = 0
    last_id: str = ""

    async def read(self) -> None:
        """Read until cancelled. Raises: SoakError when the stream is refused."""
        while True:
            with contextlib.suppress(OSError, EOFError, ValueError):
                await self._stream()  # it is resumed where it broke
            await asyncio.sleep(AGAIN_S)

    async def _stream(self) -> None:
        resume = f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else ""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            target = f"/v1/events?scopes=stock:{self.location}"
            writer.write(self.line.get_head(target, f"Accept: text/event-stream\r\n{resume}"))
            head = await reader.readuntil(b"\r\n\r\n")
            if int(head[9:12]) != 200:
                raise SoakError(f"the live stream: {head.splitlines()[0]!r}")
            self.streams += 1
            # The chunks' own size lines are among these lines, and look like none of an event.
            while text := await reader.readline():
                if text.startswith(b"id:"):
                    self.last_id = text[3:].strip().decode()
                elif text.startswith(b"event:"):
                    self.events += 1
        finally:
            writer.close()


async def has_live_stream(line: HttpLine, location: str) -> bool:
    """Whether this build serves `/v1/events`."""
    try:
        # No such scope: where the route exists this is refused, and no stream is left open.
        return (await line.get(f"/v1/events?scopes=nowhere:{location}")).status != 404
    finally:
        line.close()
