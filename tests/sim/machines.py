"""Machines: a disk, a clock, a process that may be killed, and what production code sees of them.

Invariant: whatever a process knows beyond its disk dies with it. A node is put together here as its daemon does it, from
the same parts, without HTTP in front.
"""

import asyncio
import contextlib
import contextvars
import random
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import aiosqlite
from nacl.signing import SigningKey

from hub.fleet import Device, Enrolment
from node.joining import OPERATOR
from node.metrics import NodeMetrics
from node.node import Node
from node.replica import SCHEMA as NODE_SCHEMA
from node.replica import recovery, tokens
from node.replica.identity import NodeIdentity, save_identity
from protocol import enrolment
from protocol.certificate import Certificate, Role
from protocol.certificate import verify as verify_certificate
from protocol.departure import Reason
from protocol.enrolment import code_from_text
from protocol.ids import ReplicaId
from protocol.limits import HANDSHAKE_S_MAX
from runtime.connection import run_job
from runtime.folder import Folder
from runtime.line import Line
from runtime.migrations import migrate
from runtime.readers import Readers
from runtime.store import Store
from runtime.verifier import Verifier
from runtime.world import World
from tests.sim.disks import Disk, DiskConnection, empty
from tests.sim.lines import Weather
from tests.sim.loop import PROCESS, Process

if TYPE_CHECKING:
    from tests.sim.chain import Chain
    from tests.sim.fleet import Order

T = TypeVar("T")
BEGAN_MS: Final = 1_750_000_000_000
"""What the world's clock shows at the beginning."""
OPERATOR_PATIENCE_S: Final = 20.0
HUB_URL: Final = "ws://hub.sim"
GUARDS: Final = (
    """
    CREATE TEMP TRIGGER rows_only_get_newer BEFORE UPDATE OF hub_seq ON main.counter
    WHEN NEW.hub_seq < OLD.hub_seq AND NEW.hub_seq > 0
    BEGIN SELECT RAISE(ABORT, 'I7: a row was replaced by an older one'); END
    """,
    """
    CREATE TEMP TRIGGER cursors_only_go_on BEFORE UPDATE OF cursor ON main.scope
    WHEN NEW.cursor < OLD.cursor AND NEW.cursor > 0
    BEGIN SELECT RAISE(ABORT, 'I7: a cursor went back'); END
    """,
)
"""Of a node's database (I7): a row or a cursor begins at nothing again, or goes on."""
_GONE: Final = tuple(f"{reason}: " for reason in Reason)
_NOWHERE: Final = Path(tempfile.gettempdir())


class NoAnswer(Exception):
    """Whoever asked heard nothing: what was asked for may have been done or not."""


class Clock:
    """A machine's wall clock: wrong by years, running fast or slow, set while it runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.offset_ms = 0
        self.drift = 0.0
        self._loop = loop

    def now_ms(self) -> int:
        """UTC milliseconds, as this machine believes."""
        return BEGAN_MS + self.offset_ms + int(1000 * self._loop.time() * (1 + self.drift))


class Machine:
    """What nodes' machines and the hub's have in common."""

    def __init__(self, chain: "Chain", name: str, image: bytes, guards: Sequence[str]) -> None:
        self.chain = chain
        self.name = name
        self.rng = random.Random(f"{chain.seed} {name}")
        self.disk = Disk(self.rng, image, guards)
        self.clock = Clock(chain.loop)
        self.world = World(self.clock.now_ms, chain.loop.time, self.rng.randbytes)
        self.process: Process | None = None
        self.restart_wait_s = 5.0
        self.is_scrap = False
        self.images: list[bytes] = []
        """Backups of its disk, oldest first."""
        self.history = 0
        """How often the disk was rolled back: what was answered in another history says nothing about this one."""

    @property
    def is_up(self) -> bool:
        """Whether its process runs."""
        return self.process is not None

    def spawn(self, work: Coroutine[Any, Any, T], process: Process) -> "asyncio.Task[T]":
        """Run something in a process of this machine."""
        context = contextvars.copy_context()
        context.run(PROCESS.set, process)
        return self.chain.loop.create_task(work, context=context)

    def start(self) -> None:
        """Start the process, unless it runs or the machine is scrap."""
        if self.process is not None or self.is_scrap:
            return
        self.process = process = Process(self.name)
        self.chain.note("start", self.name)
        task = self.spawn(self._serve(process), process)
        task.add_done_callback(self._served)

    def kill(self, why: str, *, silently: bool = False) -> None:
        """End the process at once; `silently` as in a power cut: nobody at the other ends is told."""
        process, self.process = self.process, None
        if process is None:
            return
        self.chain.note("kill", self.name, why)
        self.disk.crash_in = None
        self.chain.loop.continue_process(process)
        process.kill()
        self.chain.lost(process, silently=silently)

    async def close(self) -> None:
        """End the process in order, as its daemon does when it is told to."""
        raise NotImplementedError

    def crash(self, when: str) -> None:
        """Die at the disk; somebody starts it again after a while."""
        self.chain.probe(f"crash {when}")
        self.kill(f"crash {when}", silently=self.rng.random() < 0.3)
        self.chain.loop.call_later(
            self.restart_wait_s * self.rng.random(), self.start, context=contextvars.Context()
        )

    def store(self, process: Process, observe: Callable[[int, float], None]) -> Store:
        """Open the disk as `Store.open` does."""
        path = _NOWHERE / f"{self.name}.db"
        readers = Readers(path, [_as_sqlite(DiskConnection(self.disk, process)) for _ in range(2)])
        return Store(path, self._writer(process), readers, observe=observe)

    def _writer(self, process: Process) -> aiosqlite.Connection:
        return _as_sqlite(DiskConnection(self.disk, process, self.crash))

    async def do(self, work: Callable[[], Awaitable[T]], patience_s: float) -> T:
        """Have the running process do something, as a client or an operator does; giving up does not stop it.

        Raises: NoAnswer; what it refuses with.
        """
        if self.process is None:
            raise NoAnswer("nobody answers")
        task = self.spawn(_awaited(work), self.process)
        await asyncio.wait([task], timeout=patience_s)
        if not task.done() or task.cancelled():
            task.add_done_callback(_seen)
            raise NoAnswer("nothing came in time")
        return task.result()

    async def _serve(self, process: Process) -> None:
        raise NotImplementedError

    def _served(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.chain.complain(f"{self.name} could not start: {error!r}")


class NodeMachine(Machine):
    """A shop's PC."""

    def __init__(self, chain: "Chain", name: str) -> None:
        super().__init__(chain, name, empty(NODE_SCHEMA), GUARDS)
        self.weather = Weather(random.Random(f"{chain.seed} weather {name}"))
        self.key = SigningKey(self.rng.randbytes(32))
        self.node: Node | None = None
        self.metrics = NodeMetrics(chain.loop.time)
        self.locations: tuple[str, ...] = ()
        self.is_office = False
        self.enrolled_as = name
        self.granted: list[tuple[float, Certificate]] = []
        """Rights it held until a moment ago, and when they ended."""
        self.dials: list[tuple[Process, float, bool]] = []
        """Of a node that is to leave: who dialled, when, and whether it had been told that it left."""

    def kill(self, why: str, *, silently: bool = False) -> None:
        """See `Machine`."""
        self.node = None
        super().kill(why, silently=silently)

    async def join(self, wish: Enrolment) -> None:
        """Become a node of the chain, as `join` does, with the hub's own enrolment."""
        hub = self.chain.hub
        fleet = hub.fleet
        if fleet is None:
            raise NoAnswer("the hub does not serve")
        code = code_from_text(await hub.do(lambda: fleet.enrol(wish), OPERATOR_PATIENCE_S))
        nonce = self.rng.randbytes(32)
        public_key = bytes(self.key.verify_key)
        proof = enrolment.proof(enrolment.secret_digest(code.secret), nonce, public_key)
        device = Device(code.id, public_key, nonce, proof, "sim")
        redeemed = await hub.do(lambda: fleet.redeem(device), OPERATOR_PATIENCE_S)
        certificate = verify_certificate(redeemed.certificate, hub.identity.public_key)
        who = NodeIdentity(
            certificate.chain,
            HUB_URL,
            hub.identity.public_key,
            redeemed.certificate,
            certificate,
        )
        db, now_ms = self.disk.db, self.clock.now_ms()
        db.execute("BEGIN")
        save_identity(db, who, now_ms)
        recovery.begin_replica(db, ReplicaId(self.rng.randbytes(16)))
        tokens.add(db, self.rng.randbytes(32), OPERATOR, now_ms)
        db.execute("COMMIT")
        self.locations = tuple(certificate.writes)
        self.is_office = certificate.role is Role.OFFICE

    async def close(self) -> None:
        """See `Machine`."""
        process = self.process
        with contextlib.suppress(NoAnswer):
            await self.ask(lambda node: node.close(), OPERATOR_PATIENCE_S)
        if self.process is process:
            self.kill("closed")

    def take_identity_of(self, other: "NodeMachine") -> None:
        """Be a copy of another machine: its key is in its folder."""
        self.key, self.enrolled_as = other.key, other.enrolled_as
        self.locations, self.is_office = other.locations, other.is_office

    @property
    def order(self) -> "Order | None":
        """That its node is to leave; None while it stays."""
        orders = self.chain.orders
        return orders.get(self.certificate.node) if orders else None

    def reads(self, location: str) -> bool:
        """Whether it may show a location's stock, by the certificate it holds."""
        return self.certificate.reads_location(location)

    @property
    def certificate(self) -> Certificate:
        """On its disk."""
        signed, hub_public_key = self.disk.db.execute(
            "SELECT certificate, hub_public_key FROM identity"
        ).fetchone()
        return certificate_of(signed, hub_public_key)

    async def ask(self, work: Callable[[Node], Awaitable[T]], patience_s: float) -> T:
        """Ask the running node for something, as a till does over HTTP. Raises: see `do`."""
        node = self.node
        if node is None:
            raise NoAnswer("nobody answers")
        return await self.do(lambda: work(node), patience_s)

    async def _serve(self, process: Process) -> None:
        store = self.store(process, self.metrics.observe_commit)
        await run_job(self._writer(process), migrate, NODE_SCHEMA)
        verifier = Verifier(
            "node", Folder(self.chain.folder), store.path, every_h=0, world=self.world
        )
        node = await Node.over(
            store, self.key, self.world, self.metrics, self._dial, verifier, self.chain.retention
        )
        node.on_failure(lambda: self.chain.complain(f"{self.name} has failed"))
        await node.start()
        self.node = node
        self.chain.started(self)

    @contextlib.asynccontextmanager
    async def _dial(self, url: str) -> AsyncIterator[Line]:
        assert url == HUB_URL, "there is one hub"
        weather, process = self.weather, PROCESS.get()
        if self.order is not None and self.node is not None:
            self.dials.append((process, self.chain.loop.time(), was_told(self.node)))
        if weather.is_silent:
            await asyncio.sleep(HANDSHAKE_S_MAX)
            raise TimeoutError
        await asyncio.sleep(weather.transit_s(100) + weather.transit_s(100))
        hub = self.chain.hub
        if weather.is_down or hub.process is None or hub.sessions is None:
            raise ConnectionRefusedError("nobody listens")
        connection = self.chain.connect(self, process, hub.process)
        hub.spawn(hub.serve_line(hub.sessions, connection.hub, self.name), hub.process)
        try:
            yield connection.node
        finally:
            await connection.node.close()


@lru_cache(maxsize=256)
def certificate_of(signed: bytes, hub_public_key: bytes) -> Certificate:
    """The certificate in these bytes, verified; looked at far more often than there are any."""
    return verify_certificate(signed, hub_public_key)


def was_told(node: Node) -> bool:
    """Whether the last that a node heard from the hub is that it is let in no more."""
    return (node._uplink.local.last_error or "").startswith(_GONE)


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


def _as_sqlite(connection: DiskConnection) -> aiosqlite.Connection:
    return connection  # type: ignore[return-value]


def _seen(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        task.exception()
