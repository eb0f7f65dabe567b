"""What the node's half of a session asks its driver to do.

Invariant: actions are carried out in the order given; one that stores is durable before the next frame is looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from protocol.frames.feed import CaughtUp, Page, Scopes
from protocol.frames.handshake import Close, Welcome
from protocol.frames.log import StatusEntry
from protocol.frames.repair import Answer
from protocol.frames.witness import Checkpoints
from protocol.ids import ChainHash, Seq


@dataclass(frozen=True, slots=True)
class Send:
    """Put these bytes on the line."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Welcomed:
    """Call `log_compared` about `welcome.acked`, with `acked_seen` as HELLO said it; what is to be remembered goes
    into one transaction: the epoch, `acked_seen` = `welcome.acked`, and to forget what `welcome.reset` names. A node
    that keeps its old `acked_seen` beside the new epoch makes the hub mint another at every session.
    """

    welcome: Welcome
    clock_offset_ms: int


@dataclass(frozen=True, slots=True)
class CompareLog:
    """The hub stands elsewhere than thought: call `log_compared` about this position."""

    acked: Seq
    chain: ChainHash


@dataclass(frozen=True, slots=True)
class StartNewReplica:
    """Hello rows 3 and 5-8: the log must continue under a new replica id. The session is over."""

    detail: str
    history_gap: bool = False
    """The hub lost operations that were pruned here: the new log has to have what is held of them elsewhere."""


@dataclass(frozen=True, slots=True)
class StoreAcknowledged:
    """Everything up to `acked` is in the hub's ledger."""

    acked: Seq
    accepted_at_ms: int
    stable: Seq


@dataclass(frozen=True, slots=True)
class StorePage:
    """Apply rows and the cursor."""

    page: Page


@dataclass(frozen=True, slots=True)
class StoreCaughtUp:
    """Move every cursor."""

    caught_up: CaughtUp


@dataclass(frozen=True, slots=True)
class StoreScopes:
    """Begin and end scopes."""

    scopes: Scopes


@dataclass(frozen=True, slots=True)
class StoreQuarantined:
    """These operations count nowhere."""

    entries: Sequence[StatusEntry]


@dataclass(frozen=True, slots=True)
class StoreCertificate:
    """Verify and keep the newer certificate."""

    certificate: bytes


@dataclass(frozen=True, slots=True)
class StoreDepartures:
    """Verify and keep those of these signed departures that are news; see `protocol.departure.joined`."""

    records: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class StoreCheckpoints:
    """Verify what the hub signed about its history and about this log, compare it with what is kept, and keep it."""

    checkpoints: Checkpoints


@dataclass(frozen=True, slots=True)
class ClockMeasured:
    """Hub's clock minus this node's."""

    offset_ms: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a question of repair or history that the driver asked."""

    answer: Answer
    """A Page is that of a FETCH."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The hub closed the session. Before it has proved its key the words may be anybody's: only wait and come back."""

    close: Close
    proved: bool


Action = (
    Send
    | Welcomed
    | CompareLog
    | StartNewReplica
    | StoreAcknowledged
    | StorePage
    | StoreCaughtUp
    | StoreScopes
    | StoreQuarantined
    | StoreCertificate
    | StoreDepartures
    | StoreCheckpoints
    | ClockMeasured
    | Answered
    | Ended
)
