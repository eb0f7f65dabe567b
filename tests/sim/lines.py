"""Lines between nodes and the hub: slow, clogged, cut with the tail lost, silent in one direction, draining late.

Invariant: what a line delivers, it delivers whole, once and in the order sent, as TLS over TCP does. What was sent and
not delivered when it breaks is lost, on either side separately; who is not told finds out by missed heartbeats.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Final

from protocol.limits import HEARTBEAT_S
from tests.sim.loop import Process

_END: Final = None  # in a pipe: the sender has closed
_OUTSIDE: Final = Context()  # what is in the network outlives whoever sent it

Tap = Callable[["Connection", bool, bytes], None]


class Weather:
    """What lines are like at present between one node and the hub."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.latency_s = 0.02
        self.bytes_per_s = 1_000_000.0
        self.is_down = False
        """New connections find nobody."""
        self.is_silent = False
        """New connections are not even refused."""

    def transit_s(self, size: int) -> float:
        """How long a message takes, beside those before it."""
        return self.latency_s * (0.5 + self.rng.random()) + size / self.bytes_per_s


class End:
    """One side's view of a line; see `runtime.line.Line`."""

    def __init__(self, connection: "Connection", process: Process, *, is_node: bool) -> None:
        self.process = process
        self.is_down = False
        self.others: Pipe
        """Where this side sends to."""
        self.inbox: deque[bytes] = deque()
        self._connection = connection
        self._is_node = is_node
        self._is_ended = False
        self._news: asyncio.Future[None] | None = None

    async def send(self, data: bytes) -> None:
        """See `Line`."""
        while not self.is_down and not self.process.dying and self.others.is_full:
            await self.others.wait_for_room()
        if self.is_down or self.process.dying:
            raise ConnectionResetError("the line is down")
        self._connection.tap(self._connection, self._is_node, data)
        self.others.put(data)

    async def receive(self) -> bytes:
        """See `Line`."""
        while not self.inbox:
            if self.is_down or self._is_ended or self.process.dying:
                raise ConnectionResetError("the peer has gone")
            assert self._news is None, "one task at a time receives"
            self._news = asyncio.get_running_loop().create_future()
            try:
                await self._news
            finally:
                self._news = None
        data = self.inbox.popleft()
        self._connection.pipe_to(self).taken(len(data))
        return data

    async def close(self) -> None:
        """See `Line`."""
        if not self.is_down:
            self.others.put(_END)
            self.go_down()

    def arrived(self, data: bytes | None) -> None:
        """Take something from the network."""
        if self.is_down:
            return
        if data is _END:
            self._is_ended = True
        else:
            self.inbox.append(data)
        self._tell()

    def go_down(self) -> None:
        """From now on this side knows that the line is gone."""
        self.is_down = True
        self.others.make_room()
        self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class Pipe:
    """One direction of a line."""

    def __init__(self, weather: Weather, to: End, window: int) -> None:
        self._weather = weather
        self._to = to
        self._window = window
        self._loop = asyncio.get_running_loop()
        self._busy_until_s = 0.0
        self._under_way: deque[bytes | None] = deque()
        self._unread = 0
        self._room: asyncio.Future[None] | None = None
        self._delivering: asyncio.TimerHandle | None = None
        self._due: deque[float] = deque()
        self.clogged = False
        self.broken = False

    @property
    def unread(self) -> int:
        """Bytes sent and not read."""
        return self._unread

    @property
    def is_full(self) -> bool:
        """Whether a sender has to wait: the receiver takes nothing."""
        return self._unread >= self._window

    def put(self, data: bytes | None) -> None:
        """Send on its way; what goes into a broken pipe is lost."""
        if self.broken:
            return
        size = 0 if data is None else len(data)
        self._unread += size
        now_s = self._loop.time()
        self._busy_until_s = max(self._busy_until_s, now_s) + self._weather.transit_s(size)
        self._under_way.append(data)
        self._due.append(self._busy_until_s)
        self._next()

    def taken(self, size: int) -> None:
        """The receiver has read so much."""
        self._unread -= size
        if not self.is_full:
            self.make_room()

    def make_room(self) -> None:
        """Let a waiting sender look again."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def wait_for_room(self) -> None:
        """Wait until something was read, or the line is known to be down."""
        if self._room is None or self._room.done():
            self._room = self._loop.create_future()
        await asyncio.shield(self._room)

    def unclog(self) -> None:
        """Let what was held go on."""
        self.clogged = False
        self._next()

    def delay(self, by_s: float) -> None:
        """Hold what is under way for so much longer."""
        self._due = deque(at + by_s for at in self._due)
        self._busy_until_s += by_s
        if self._delivering is not None:
            self._delivering.cancel()
            self._delivering = None
        self._next()

    def break_(self, keep: int) -> None:
        """Lose what is under way but for the first `keep` messages, and whatever is sent from now on."""
        self.broken = True
        while len(self._under_way) > keep:
            self._under_way.pop()
            self._due.pop()

    @property
    def under_way(self) -> int:
        """How many messages have been sent and not arrived."""
        return len(self._under_way)

    def _next(self) -> None:
        if self._delivering is None and self._under_way and not self.clogged:
            self._delivering = self._loop.call_at(self._due[0], self._deliver, context=_OUTSIDE)

    def _deliver(self) -> None:
        self._delivering = None
        if self.clogged or not self._under_way:
            return
        self._due.popleft()
        self._to.arrived(self._under_way.popleft())
        self._next()


class Connection:
    """One line, as the network sees it.

    Args:
        weather: of the node's link.
        node, hub: the processes at its ends.
        window: bytes that may be sent and not read, in each direction.
        tap: called with every message sent, and whether the node sent it.
    """

    def __init__(
        self, weather: Weather, node: Process, hub: Process, window: int, tap: Tap
    ) -> None:
        self.tap = tap
        self.node = End(self, node, is_node=True)
        self.hub = End(self, hub, is_node=False)
        self.up = Pipe(weather, self.hub, window)
        self.down = Pipe(weather, self.node, window)
        self.node.others, self.hub.others = self.up, self.down
        self._rng = weather.rng
        self._loop = asyncio.get_running_loop()

    @property
    def is_open(self) -> bool:
        """Whether either side still believes in it."""
        return not (self.node.is_down and self.hub.is_down)

    def pipe_to(self, end: End) -> Pipe:
        """The direction that ends there."""
        return self.down if end is self.node else self.up

    def cut(self) -> None:
        """Both sides find out, each soon, at a moment of its own; of what was under way a prefix arrives."""
        for pipe, end in ((self.up, self.hub), (self.down, self.node)):
            pipe.break_(self._rng.randint(0, pipe.under_way))
            self._tell_later(end, 3 * self._rng.random())

    def go_silent(self, *, up: bool, down: bool) -> None:
        """Lose everything in the given directions without a word: heartbeats find out, on both sides."""
        for is_lost, pipe in ((up, self.up), (down, self.down)):
            if is_lost:
                pipe.break_(self._rng.randint(0, pipe.under_way))
        for end in (self.node, self.hub):
            self._tell_later(end, HEARTBEAT_S * (1 + self._rng.random()))

    def drain_late(self, by_s: float) -> None:
        """The node loses it at once; what it had sent still arrives, much later, and then the hub hears of the end."""
        self.node.go_down()
        self.down.break_(0)
        self.up.delay(by_s)
        self._tell_later(self.hub, by_s + HEARTBEAT_S * self._rng.random())

    def lost_peer(self, end: End, *, silently: bool) -> None:
        """The process at the other side of `end` has died; its machine says so, unless it lost power."""
        other = self.hub if end is self.node else self.node
        other.go_down()
        self.pipe_to(end).break_(self._rng.randint(0, self.pipe_to(end).under_way))
        self.pipe_to(other).break_(0)
        wait_s = HEARTBEAT_S * (1 + self._rng.random()) if silently else self._rng.random()
        self._tell_later(end, wait_s)

    def _tell_later(self, end: End, wait_s: float) -> None:
        self._loop.call_later(wait_s, end.go_down, context=_OUTSIDE)
