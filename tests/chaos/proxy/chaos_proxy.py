"""A TCP proxy on loopback that does to each connection what its plan says.

Invariant: but for the Host header, as `deploy.cutting_proxy` has it, and for what the plan says, bytes pass unchanged,
in order and once. `struck` counts faults that really happened, by kind: one that was planned for a frame that never
came is not in it.
"""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections import Counter, deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from tests.chaos.proxy.faults import UP, Direction, Fault
from tests.chaos.proxy.listening import Listening, end
from tests.chaos.proxy.pieces import Kind
from tests.chaos.proxy.stream import Broken, Swallowed, Way

CHUNK_BYTES: Final = 64 * 1024
RECORDED_CONNECTIONS: Final = 4
HOLDING_S_MAX: Final = 0.1
HELD_S_MAX: Final = 30.0
RELEASED_S_MAX: Final = 0.2
"""About what a handshake takes, so that what was held arrives before, within and after the newer one's."""

Plan = Callable[[int], Sequence[Fault]]


def no_faults(_: int) -> Sequence[Fault]:
    """The plan of a perfect line."""
    return ()


class Connection:
    """One connection: its two ways, and its number from 0."""

    def __init__(self, number: int, up: Way, down: Way) -> None:
        self.number = number
        self.up = up
        self.down = down


class ChaosProxy(Listening):
    """Listens on a free port of 127.0.0.1; `plan(number)` gives what the connection of that number suffers.

    With `reads=Kind.RAW` what passes is encrypted: faults that count frames strike nothing.
    """

    def __init__(self, upstream_port: int, rng: Random, *, reads: Kind = Kind.HEAD) -> None:
        super().__init__()
        self.upstream_port = upstream_port
        self.plan: Plan = no_faults
        self.struck: Counter[str] = Counter()
        self.recorded: deque[Connection] = deque(maxlen=RECORDED_CONNECTIONS)
        self.count = 0
        self._rng = rng
        self._reads = reads
        self._served = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()

    def shut(self) -> None:
        """End every connection; whoever comes now waits at the door."""
        self._open.clear()
        self.end_all()

    def let_in(self) -> None:
        """Undo `shut`."""
        self._open.set()

    async def _pass_on(self, reader: StreamReader, writer: StreamWriter) -> None:
        await self._open.wait()
        try:
            hub_reader, hub_writer = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        except OSError:
            return  # the hub is down: to the node that looks like a broken connection
        for each in (writer, hub_writer):
            each.transport.set_write_buffer_limits(0)  # drained is sent
        connection = self._connection()
        up = asyncio.create_task(self._pump(reader, hub_writer, connection.up))
        down = asyncio.create_task(self._pump(hub_reader, writer, connection.down))
        holding = asyncio.create_task(connection.up.holding.wait())
        try:
            await asyncio.wait((up, down, holding), return_when=asyncio.FIRST_COMPLETED)
            if connection.up.held:
                await self._lose_the_node(connection, writer, hub_writer, up)
        finally:
            hub_writer.transport.abort()
            await end(up, down, holding)

    def _connection(self) -> Connection:
        number, self.count = self.count, self.count + 1
        faults = self.plan(number)
        earlier = self.recorded[-1] if self.recorded else None
        up, down = (
            Way(
                way,
                [fault for fault in faults if fault.way is way],
                Random(self._rng.random()),
                self.struck,
                (() if earlier is None else (earlier.up if way is UP else earlier.down).frames),
                self._reads,
            )
            for way in Direction
        )
        connection = Connection(number, up, down)
        self.recorded.append(connection)
        self._served.set()
        self._served = asyncio.Event()
        return connection

    async def _pump(self, source: StreamReader, sink: StreamWriter, way: Way) -> None:
        with contextlib.suppress(OSError):
            try:
                while data := await source.read(CHUNK_BYTES):
                    await way.take(self._renamed(data), sink)
            except Broken:
                way.held.clear()  # nothing follows an end
                if sink.can_write_eof():
                    sink.write_eof()
            except Swallowed:
                await asyncio.Event().wait()

    async def _lose_the_node(
        self,
        connection: Connection,
        node_writer: StreamWriter,
        hub_writer: StreamWriter,
        up: asyncio.Task[None],
    ) -> None:
        """End the node's side, keep the hub's until a newer connection was served, then pass what was held."""
        newer = self._served
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(HELD_S_MAX):
                await asyncio.wait((up,), timeout=self._rng.uniform(0, HOLDING_S_MAX))
                node_writer.transport.abort()
                await newer.wait()
                await asyncio.sleep(self._rng.uniform(0, RELEASED_S_MAX))
                await connection.up.release(hub_writer)
                # It stays for a moment: what the hub answers goes nowhere.
                await asyncio.sleep(RELEASED_S_MAX)

    def _renamed(self, data: bytes) -> bytes:
        # As `CuttingProxy._renamed`: heads come in one piece, masked frames never hold this text.
        ours, theirs = (
            f"Host: 127.0.0.1:{p}\r\n".encode() for p in (self.port, self.upstream_port)
        )
        return data.replace(ours, theirs)
