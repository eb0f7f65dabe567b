"""What the hub knows of its verified backups while it serves: how far each log is stable, and how old the newest is.

Invariant: what is said here is in the store; it changes only when a backup was recorded there.
"""

from collections.abc import Mapping

from hub.store.interface import HubStore
from hub.store.records import BackupRecord, VerifiedBackup
from protocol.ids import ReplicaId, Seq
from runtime.world import World


class Stable:
    """One for all sessions; `load` it before it is asked."""

    def __init__(self, store: HubStore, world: World) -> None:
        self.newest: BackupRecord | None = None
        """The newest verified backup; None when none is known of."""
        self.rests_on: frozenset[str] = frozenset()
        """The files that hold everything that is called stable."""
        self._store = store
        self._world = world
        self._positions: Mapping[ReplicaId, Seq] = {}

    @property
    def age_s(self) -> float | None:
        """Seconds since the newest verified backup was taken; None when that is not known.

        It is not known without a backup, and of one that was taken in the future, as it seems: the clock was wrong then
        or is now. Called 0, its age would be young for as long as the clock was ahead, and no alarm would ever say that
        none follows.
        """
        if self.newest is None:
            return None
        age_ms = self._world.now_ms() - self.newest.taken_at_ms
        return age_ms / 1000 if age_ms >= 0 else None

    def of(self, replica: ReplicaId) -> Seq:
        """How far a log is inside both of the last two verified backups."""
        return self._positions.get(replica, Seq(0))

    async def load(self) -> None:
        """Read what is kept."""
        self._positions = await self._store.stable()
        newest = await self._store.backups(2)
        self.newest = next(iter(newest), None)
        self.rests_on = frozenset(each.file for each in newest)

    async def record(self, backup: VerifiedBackup) -> None:
        """Count a verified backup; durable on return. Nodes hear of it with the next answer.

        Raises:
            Refused: see `HubStore.record_backup`.
        """
        await self._store.record_backup(backup)
        await self.load()
