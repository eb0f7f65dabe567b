"""How a verified backup is told to the hub that it is of: through the running daemon, or in its folder.

Invariant: only what `hub.backup.take` returned is told; the store checks that it is of its own history.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from hub.store.records import VerifiedBackup
from protocol.ids import HubSeq, ReplicaId, Salt, Seq
from protocol.limits import INT_MAX, TIME_MS_MAX

_REPLICA_HEX: Final = r"^[0-9a-f]{32}$"

_Time = Annotated[int, Field(ge=0, le=TIME_MS_MAX)]
_Count = Annotated[int, Field(ge=0, le=INT_MAX)]
_Replica = Annotated[str, Field(pattern=_REPLICA_HEX)]


class TakenBackup(BaseModel):
    """A verified backup on its way to the daemon. The body's cap has room for 20,000 logs."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    file: Annotated[str, Field(max_length=4_096)]
    taken_at_ms: _Time
    verified_at_ms: _Time
    hub_seq: _Count
    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    operations: _Count
    positions: Mapping[_Replica, _Count]

    @classmethod
    def of(cls, backup: VerifiedBackup) -> "TakenBackup":
        """The form that travels."""
        return cls(
            file=str(Path(backup.file)),
            taken_at_ms=backup.taken_at_ms,
            verified_at_ms=backup.verified_at_ms,
            hub_seq=backup.hub_seq,
            salt=backup.salt.hex(),
            operations=backup.operations,
            positions={replica.hex(): acked for replica, acked in backup.positions.items()},
        )

    def verified(self) -> VerifiedBackup:
        """The form inside."""
        return VerifiedBackup(
            self.file,
            self.taken_at_ms,
            self.verified_at_ms,
            HubSeq(self.hub_seq),
            Salt(bytes.fromhex(self.salt)),
            self.operations,
            {
                ReplicaId(bytes.fromhex(replica)): Seq(acked)
                for replica, acked in self.positions.items()
            },
        )
