"""Which devices there are and what they may do: enrolment codes, certificates, access.

Invariant: the hub's private key signs here and in the session's handshake, nowhere else. What an operator asks is
checked before anything is kept, by the same functions from the command line and from the daemon.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from hub.store.fleet import Access, Grant, NewCode, Redeemed, Redemption
from hub.store.interface import HubStore, Refused
from hub.store.records import Replacement, Retirement
from protocol import enrolment
from protocol.certificate import ALL, Certificate, Role, check_reads, issue
from protocol.enrolment import CODE_ID_BYTES, SECRET_BYTES, EnrolmentCode
from protocol.errors import Code
from protocol.ids import Location, NodeId, check_code
from protocol.limits import (
    CODE_EXPIRES_S_DEFAULT,
    INT_MAX,
    LOCATIONS_PER_NODE_MAX,
    NAME_CHARS_MAX,
)
from protocol.session.hub import HubIdentity
from runtime.world import World

OFFICE: Final = "office"
EXPIRES_S_MAX: Final = 90 * 24 * 3600
"""A code is a key to the chain that lies around on paper."""

_Names = Annotated[tuple[str, ...], Field(max_length=LOCATIONS_PER_NODE_MAX, strict=False)]


class Enrolment(BaseModel):
    """What an operator wants a new device to be."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    name: str
    role: Annotated[Role, Field(strict=False)] = Role.STORE
    writes: _Names = ()
    reads: _Names = (ALL,)
    replaces: str | None = None
    standby: bool = False
    expires_s: Annotated[int, Field(ge=1, le=EXPIRES_S_MAX)] = CODE_EXPIRES_S_DEFAULT


class AccessChange(BaseModel):
    """What an operator wants a node to be allowed; None leaves a part as it is."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    name: str
    writes: _Names | None = None
    reads: _Names | None = None


class RecoveryKey(BaseModel):
    """The public half of a recovery key that an operator made."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    public: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    replaces: bool = False


class Named(BaseModel):
    """A node that an operator names."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    name: Annotated[str, Field(max_length=NAME_CHARS_MAX)]


@dataclass(frozen=True, slots=True)
class Device:
    """A device that shows a code over a nonce of ours."""

    code: bytes
    public_key: bytes
    nonce: bytes
    proof: bytes
    software: str


class Fleet:
    """Enrols devices and changes their rights."""

    def __init__(self, store: HubStore, identity: HubIdentity, world: World) -> None:
        self._store = store
        self._identity = identity
        self._world = world
        self._recovery = identity.recovery

    async def enrol(self, wish: Enrolment) -> str:
        """Make a code and return it as text; only its digest is kept.

        Raises:
            Refused: `name_taken`, `location_taken`, `not_found`, `bad_value`.
            ProtocolError: `bad_value` for a name or location that cannot be one, `too_large` for too many of them.
        """
        check_code(wish.name, "name", chars_max=NAME_CHARS_MAX)
        writes, reads = _locations(wish.writes), _shown(wish.reads)
        if wish.role is Role.STORE and not writes:
            raise _writes_nothing()
        if wish.standby and wish.replaces is not None:
            raise Refused(Code.BAD_VALUE, "a node either replaces another or stands by")
        self._check_fits(wish.name, wish.role, writes, reads)
        random, now_ms = self._world.random_bytes, self._world.now_ms()
        code = EnrolmentCode(
            random(CODE_ID_BYTES),
            random(SECRET_BYTES),
            enrolment.fingerprint(self._identity.public_key),
        )
        new = NewCode(
            code.id,
            enrolment.secret_digest(code.secret),
            wish.name,
            wish.role,
            writes,
            reads,
            wish.replaces,
            wish.standby,
            now_ms + wish.expires_s * 1000,
            now_ms,
        )
        await self._store.add_code(new)
        return enrolment.code_to_text(code)

    async def enrol_office(self) -> str:
        """The code of the first office node, which reads everything."""
        return await self.enrol(Enrolment(name=OFFICE, role=Role.OFFICE))

    async def redeem(self, device: Device) -> Redeemed:
        """Make a node of a device that proves a code.

        Raises:
            Refused: see `HubStore.redeem`.
        """

        def prove(secret_digest: bytes) -> bool:
            return enrolment.proof_is_right(
                device.proof, secret_digest, device.nonce, device.public_key
            )

        redemption = Redemption(
            device.code,
            NodeId(self._world.random_bytes(16)),
            device.public_key,
            device.software,
            prove,
            self._issue,
            self._identity.chain,
            self._world.now_ms(),
        )
        return await self._store.redeem(redemption)

    async def predecessor(self, name: str) -> Replacement | None:
        """Whose locations the node of this name took over, and how far that one's log came; None for nobody's."""
        return next((each for each in await self._store.replacements() if each.name == name), None)

    async def change_access(self, change: AccessChange) -> Grant:
        """Give a node other rights.

        Raises:
            Refused: `not_found`, `location_taken`, `bad_value`.
            ProtocolError: `bad_value`, `too_large`.
        """
        writes = None if change.writes is None else _locations(change.writes)
        reads = None if change.reads is None else _shown(change.reads)
        if writes is None and reads is None:
            raise Refused(Code.BAD_VALUE, "say what it writes or what it reads")
        # A node that was replaced writes nothing, and may still be given other reads.
        issue_ = self._issue if writes is None else self._issue_writer
        access = Access(
            change.name, writes, reads, issue_, self._identity.chain, self._world.now_ms()
        )
        return await self._store.change_access(access)

    async def retire(self, name: str) -> Grant:
        """Have a node deliver what it recorded, and then go; what it may write ends now.

        Raises:
            Refused: `not_found`; `revoked`, `retired` when it has gone already.
        """
        retirement = Retirement(name, self._issue, self._identity.chain, self._world.now_ms())
        return await self._store.retire(retirement)

    async def take_recovery_key(self, public: bytes, *, replaces: bool) -> list[Grant]:
        """Have all that is sealed from now on sealed for this recovery key too; every node's newer certificate says so.

        What was sealed before opens with the key of then, if there was one.

        Raises:
            Refused: `bad_value` when the chain has one already and it is not to be replaced.
        """
        if self._recovery and not replaces:
            words = "the chain has a recovery key; --replace makes another one, for what is sealed from then on"
            raise Refused(Code.BAD_VALUE, words)
        await self._store.keep_recovery_key(public)
        self._recovery = public
        chain, now_ms = self._identity.chain, self._world.now_ms()
        grants = []
        for node in await self._store.nodes():
            if node.status == "active" and node.retiring_at_ms is None:
                same = Access(node.name, None, None, self._issue, chain, now_ms)
                grants.append(await self._store.change_access(same))
        return grants

    def _issue(self, certificate: Certificate) -> bytes:
        return issue(certificate._replace(recovery=self._recovery), self._identity.signing_key)

    def _issue_writer(self, certificate: Certificate) -> bytes:
        """In the store's transaction, where the node's role is known."""
        if certificate.role is Role.STORE and not certificate.writes:
            raise _writes_nothing()
        return self._issue(certificate)

    def _check_fits(
        self, name: str, role: Role, writes: Sequence[Location], reads: Sequence[str]
    ) -> None:
        """Refuse now what could not be issued when the device joins."""
        longest = Certificate(
            self._identity.chain,
            NodeId(bytes(16)),
            bytes(32),
            name,
            role,
            tuple(writes),
            tuple(reads),
            INT_MAX,
            INT_MAX,
        )
        self._issue(longest)


def _writes_nothing() -> Refused:
    return Refused(Code.BAD_VALUE, "a shop's node writes at least one location")


def _locations(codes: Sequence[str]) -> tuple[Location, ...]:
    if ALL in codes:
        raise Refused(Code.BAD_VALUE, "a node writes named locations")
    return tuple(sorted({Location(check_code(code, "location")) for code in codes}))


def _shown(reads: Sequence[str]) -> tuple[str, ...]:
    return check_reads(
        sorted({check_code(item, "reads", chars_max=NAME_CHARS_MAX) for item in reads})
    )
