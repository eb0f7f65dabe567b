"""One way of one connection under its faults.

Invariant: what is passed on is, byte for byte, what came, but for the faults given; each counts itself when it strikes.
"""

import asyncio
from asyncio import StreamWriter
from collections import Counter
from collections.abc import Sequence
from random import Random

from tests.chaos.proxy.faults import (
    UP,
    Cut,
    CutAtFrame,
    Delay,
    Direction,
    Duplicate,
    Fault,
    FlipBit,
    Garbage,
    HoldBack,
    Replay,
    Swallow,
    Throttle,
    Truncate,
)
from tests.chaos.proxy.pieces import Kind, Piece, Splitter, binary_frame


class Broken(Exception):
    """The connection ends here."""


class Swallowed(Exception):
    """Nothing passes this way any more, and nobody is told."""


class Way:
    """Takes what one side sent and writes what the other shall get.

    Attributes:
        passed_bytes: what the other side was sent.
        frames: every frame that came, as it came; `frame_ends` is where each ended, in bytes from the first of the head.
        held: what is kept back for later; `holding` is set once there is any.
    """

    def __init__(
        self,
        way: Direction,
        faults: Sequence[Fault],
        rng: Random,
        struck: Counter[str],
        earlier: Sequence[bytes],
        expected: Kind = Kind.HEAD,
    ) -> None:
        self.passed_bytes = 0
        self.frames: list[bytes] = []
        self.frame_ends: list[int] = []
        self.held = bytearray()
        self.holding = asyncio.Event()
        self._way = way
        self._faults = faults
        self._rng = rng
        self._struck = struck
        self._earlier = tuple(earlier)
        self._splitter = Splitter(expected)
        self._struck_here: set[Fault] = set()
        self._came_bytes = 0
        self._gone_ahead = 0

    def suffer(self, fault: Fault) -> None:
        """Let it strike a connection that is open already."""
        # Without faults bytes pass before their piece is whole: what has passed of it must not pass again.
        if not self._faults:
            self._gone_ahead = self.passed_bytes - self._came_bytes
        self._faults = [*self._faults, fault]

    async def take(self, data: bytes, sink: StreamWriter) -> None:
        """Pass on what these bytes complete.

        Raises:
            Broken, Swallowed: a fault says so.
        """
        if not self._faults:
            for piece in self._splitter.feed(data):
                self._record(piece)
            await self._write(data, sink)
            return
        for piece in self._splitter.feed(data):
            number = len(self.frames)
            self._record(piece)
            for changed in self._changed(piece, number):
                ahead, self._gone_ahead = self._gone_ahead, 0
                await self._pass(changed[ahead:], sink)

    async def release(self, sink: StreamWriter) -> None:
        """Write what was held back."""
        held, self.held = bytes(self.held), bytearray()
        await self._write(held, sink)

    def _record(self, piece: Piece) -> None:
        self._came_bytes += len(piece.data)
        if piece.kind is not Kind.RAW:
            self.frame_ends.append(self._came_bytes)
        if piece.kind is Kind.FRAME:
            self.frames.append(piece.data)

    def _changed(self, piece: Piece, number: int) -> list[bytes]:
        """What to pass instead of a piece; more than one when something comes beside it."""
        if piece.kind is not Kind.FRAME:
            return [piece.data]
        before: list[bytes] = []
        data, again = piece.data, False
        for fault in self._faults:
            match fault:
                case CutAtFrame(frames=frames) if number == frames:
                    self._strike(fault)
                    raise Broken
                case Duplicate(frame=frame) if number == frame:
                    self._strike(fault)
                    again = True
                case Garbage(frame=frame, payload=payload) if number == frame:
                    self._strike(fault)
                    before.append(binary_frame(payload, masked=self._way is UP))
                case Truncate(frame=frame, missing_bytes=missing) if number == frame:
                    self._strike(fault)
                    data = data[: max(1, len(data) - missing)]
                case Replay(frame=frame, only=only) if number == frame and self._earlier:
                    self._strike(fault)
                    before += self._earlier if only is None else self._earlier[only : only + 1]
                case _:
                    pass
        return [*before, data, data] if again else [*before, data]

    async def _pass(self, data: bytes, sink: StreamWriter) -> None:
        for fault in self._faults:
            match fault:
                case HoldBack(frames=frames) if len(self.frames) > frames:
                    self._strike(fault)
                    self.held += data
                    self.holding.set()
                    return
                case FlipBit(at_byte=at_byte, bit=bit):
                    at = at_byte - self.passed_bytes
                    if 0 <= at < len(data):
                        self._strike(fault)
                        data = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
                case Delay(least_s=least_s, most_s=most_s):
                    self._strike(fault)
                    await asyncio.sleep(self._rng.uniform(least_s, most_s))
                case Throttle(bytes_per_s=bytes_per_s):
                    self._strike(fault)
                    await asyncio.sleep(len(data) / bytes_per_s)
                case Cut(after_bytes=after_bytes) | Swallow(after_bytes=after_bytes):
                    left = after_bytes - self.passed_bytes
                    if left < len(data):
                        await self._write(data[:left], sink)
                        self._strike(fault)
                        raise Broken if isinstance(fault, Cut) else Swallowed
                case _:
                    pass
        await self._write(data, sink)

    async def _write(self, data: bytes, sink: StreamWriter) -> None:
        if data:
            sink.write(data)
            self.passed_bytes += len(data)
            await sink.drain()

    def _strike(self, fault: Fault) -> None:
        # Once a connection, however many pieces it delays.
        if fault not in self._struck_here:
            self._struck_here.add(fault)
            self._struck[type(fault).__name__] += 1
