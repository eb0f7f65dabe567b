"""Head office's server: the hub put together as its daemon does it, without HTTP in front.

Invariant: what operators do by commands beside the daemon (backup, restore) is done by the same functions, on an image
instead of a file.
"""

import contextlib
from typing import TYPE_CHECKING, Final

from nacl.signing import SigningKey
from prometheus_client import CollectorRegistry

from hub.app import SESSIONS_END_S, make_hub, remember
from hub.config import HubSettings
from hub.fleet import Fleet
from hub.metrics import HubMetrics
from hub.opening import Hub
from hub.sessions import Sessions
from hub.store.records import VerifiedBackup
from hub.store.sqlite import backups, feed
from hub.store.sqlite.store import SCHEMA as HUB_SCHEMA
from hub.store.sqlite.store import SqliteHubStore
from protocol.certificate import Certificate
from protocol.ids import ChainId, Epoch
from protocol.session.hub import HubIdentity
from runtime.connection import run_job
from runtime.migrations import migrate
from tests.sim.disks import connect, empty
from tests.sim.lines import End
from tests.sim.loop import Process
from tests.sim.machines import (
    OPERATOR_PATIENCE_S,
    Machine,
    NoAnswer,
    NodeMachine,
    certificate_of,
)

if TYPE_CHECKING:
    from tests.sim.chain import Chain


GUARDS: Final = (
    """
    CREATE TEMP TRIGGER logs_only_grow BEFORE UPDATE OF acked ON main.replica
    WHEN NEW.acked < OLD.acked
    BEGIN SELECT RAISE(ABORT, 'I4: a log became shorter'); END
    """,
    """
    CREATE TEMP TRIGGER changes_are_numbered_upwards BEFORE UPDATE ON main.counter
    WHEN NEW.hub_seq <= OLD.hub_seq
    BEGIN SELECT RAISE(ABORT, 'I7: a row changed without a later number'); END
    """,
    """
    CREATE TEMP TRIGGER who_left_is_let_in_no_more BEFORE UPDATE OF session ON main.replica
    WHEN NEW.session != zeroblob(16) AND EXISTS (SELECT 1 FROM main.departure WHERE node = NEW.node)
    BEGIN SELECT RAISE(ABORT, 'I19: a session was opened for a node that left'); END
    """,
    """
    CREATE TEMP TRIGGER who_left_delivers_no_more BEFORE UPDATE OF acked ON main.replica
    WHEN NEW.acked > OLD.acked AND EXISTS (SELECT 1 FROM main.departure WHERE node = NEW.node)
    BEGIN SELECT RAISE(ABORT, 'I19: an operation of a node that left was taken'); END
    """,
    """
    CREATE TEMP TRIGGER departures_are_kept BEFORE DELETE ON main.departure
    BEGIN SELECT RAISE(ABORT, 'I19: a departure was forgotten'); END
    """,
)
"""Of the hub's database, within one history."""


class HubMachine(Machine):
    """Head office's server."""

    def __init__(self, chain: "Chain") -> None:
        super().__init__(chain, "hub", empty(HUB_SCHEMA), GUARDS)
        self.identity = HubIdentity(
            ChainId(self.rng.randbytes(16)), SigningKey(self.rng.randbytes(32))
        )
        self.settings = HubSettings()
        self.metrics = HubMetrics(CollectorRegistry())
        self.hub: Hub | None = None
        self.sessions: Sessions | None = None
        self.fleet: Fleet | None = None
        self.first_image: bytes | None = None
        """The oldest backup that was ever taken."""

    def kill(self, why: str, *, silently: bool = False) -> None:
        """See `Machine`."""
        self.hub = self.sessions = self.fleet = None
        super().kill(why, silently=silently)

    async def found(self) -> None:
        """Make the chain, as `init` does."""
        self.process = process = Process("init")
        store = SqliteHubStore(self.store(process, lambda _size, _s: None))
        await store.found(self.identity.chain, Epoch(self.rng.randbytes(16)))
        await store.close()
        self.process = None

    async def close(self) -> None:
        """See `Machine`. Nodes are told when to come back."""
        process, hub, sessions = self.process, self.hub, self.sessions
        if hub is None or sessions is None:
            return

        async def end() -> None:
            await sessions.end_all(SESSIONS_END_S)
            await hub.seen.close()
            await hub.store.close()

        with contextlib.suppress(NoAnswer):
            await self.do(end, OPERATOR_PATIENCE_S)
        if self.process is process:
            self.kill("closed")

    def certificate_held_of(self, machine: NodeMachine) -> Certificate | None:
        """What a node may do as this disk says; None where it is unknown here."""
        signed = self.disk.db.execute(
            "SELECT certificate FROM node WHERE public_key = ?", (bytes(machine.key.verify_key),)
        ).fetchone()
        return (
            None if signed is None else certificate_of(bytes(signed[0]), self.identity.public_key)
        )

    def mint_epoch(self) -> None:
        """Begin a new epoch, as `restore` does, and void every open code."""
        backups.begin_again(self.disk.db, Epoch(self.rng.randbytes(16)))

    def verified_backup(self, image: bytes) -> VerifiedBackup:
        """What `backup` says of an image that it has restored elsewhere and verified."""
        db, now_ms = connect(image), self.clock.now_ms()
        head, positions = feed.read_history(db).head, backups.read_positions(db)
        operations = backups.count_operations(db)
        db.close()
        return VerifiedBackup("sim", now_ms, now_ms, head.hub_seq, head.salt, operations, positions)

    async def serve_line(self, sessions: Sessions, line: End, address: str) -> None:
        """Serve one connection."""
        await sessions.serve(line, address, when_proven=lambda: None)

    async def _serve(self, process: Process) -> None:
        await run_job(self._writer(process), migrate, HUB_SCHEMA)
        store = SqliteHubStore(self.store(process, lambda _size, _s: None))
        history = await store.history()
        hub = make_hub(store, history, self.identity.signing_key, self.world, self.metrics)
        await remember(hub)
        self.fleet = Fleet(store, self.identity, self.world)
        self.hub = hub
        self.sessions = Sessions(hub, self.settings)
        self.chain.started(self)
