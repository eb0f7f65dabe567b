"""What the hub asks of a store about its fleet: the nodes, the codes that new ones join with, the rights of each.

Invariant: a right that a node once held is ended, never forgotten, since what it recorded under it counts however late
it comes. Each method that changes anything is one transaction, and refuses what cannot be with nothing written.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from hub.store.records import Retirement
from protocol.certificate import Certificate, Role
from protocol.ids import ChainId, Location, NodeId, ReplicaId, Seq


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One enrolled node."""

    node: NodeId
    name: str
    role: Role
    public_key: bytes
    writes: tuple[Location, ...]
    reads: tuple[str, ...]
    serial: int
    certificate: bytes
    status: str
    """`active`, `retired` or `revoked`."""
    replica: ReplicaId | None
    """The replica it last opened a session with."""
    acked: Seq
    pending: int | None
    software: str | None
    last_seen_at_ms: int | None
    retiring_at_ms: int | None = None
    """Since when it only delivers what it recorded before; None while it works."""


@dataclass(frozen=True, slots=True)
class NewCode:
    """An enrolment code to keep; its secret stays with the person who carries it."""

    id: bytes
    secret_digest: bytes
    name: str
    role: Role
    writes: tuple[Location, ...]
    reads: tuple[str, ...]
    replaces: str | None
    """Name of the node whose locations this one takes over when it joins."""
    standby: bool
    """May write a location that another active node writes."""
    expires_at_ms: int
    made_at_ms: int


@dataclass(frozen=True, slots=True)
class Redemption:
    """A device that shows a code."""

    code: bytes
    node: NodeId
    public_key: bytes
    software: str
    prove: Callable[[bytes], bool]
    """Whether the device knows the secret, given what the hub keeps of it."""
    issue: Callable[[Certificate], bytes]
    chain: ChainId
    now_ms: int


class Grant(NamedTuple):
    """A newer certificate of a node."""

    node: NodeId
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A device became a node."""

    name: str
    certificate: bytes
    reduced: tuple[Grant, ...]
    """Nodes that lost locations to this one."""


@dataclass(frozen=True, slots=True)
class Access:
    """New rights of a node; None leaves a part as it is."""

    name: str
    writes: tuple[Location, ...] | None
    reads: tuple[str, ...] | None
    issue: Callable[[Certificate], bytes]
    chain: ChainId
    now_ms: int


class KeepsFleet(Protocol):
    """The part of `interface.HubStore` that is about all this."""

    async def node(self, node: NodeId) -> NodeRecord | None:
        """One node."""

    async def nodes(self) -> list[NodeRecord]:
        """Every node, by name."""

    async def add_code(self, code: NewCode) -> None:
        """Keep a code; unused ones of the same name become void.

        Raises:
            Refused: `name_taken`, `location_taken`, or `not_found` for the node to replace.
        """

    async def redeem(self, redemption: Redemption) -> Redeemed:
        """Turn a code into a node, once. The same device asking again gets the same certificate.

        Raises:
            Refused: `code_unknown` (also for a wrong proof), `code_used`, `code_expired`, `location_taken`,
                `name_taken` when a node came back under the name since.
        """

    async def change_access(self, access: Access) -> Grant:
        """Give a node a new certificate; rights it held before still count for what it recorded.

        Raises:
            Refused: `not_found`, `location_taken`; `bad_value` when it has left or is retiring.
        """

    async def retire(self, retirement: Retirement) -> Grant:
        """Take every right to write from a node, which then delivers what it recorded before, and goes.

        Raises:
            Refused: `not_found`; `revoked`, `retired` when it has gone already.
        """
