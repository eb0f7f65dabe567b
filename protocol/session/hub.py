"""The hub's half of a session.

Invariant: nothing but the handshake is understood before the node has proved its key, and no operation is handed on
before WELCOME was sent. Every Operations frame yields exactly one Commit, in order, and each Commit exactly one answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from nacl.signing import SigningKey

from protocol.certificate import Certificate, check_signature, verify
from protocol.errors import Code, ProtocolError
from protocol.frames.fleet import Departures, in_frames
from protocol.frames.handshake import (
    Authenticate,
    Authenticated,
    Challenge,
    Close,
    Hello,
    Welcome,
    hub_signature_input,
    node_signature_input,
)
from protocol.frames.keys import AskKeys, KeepKeys
from protocol.frames.log import (
    Acknowledge,
    Grant,
    Negative,
    Operations,
    Ping,
    Pong,
    Status,
    StatusEntry,
)
from protocol.frames.repair import Answer as AnswerFrame
from protocol.frames.repair import (
    AskBuckets,
    AskDigests,
    AskLedger,
    Claim,
    Fetch,
    Question,
)
from protocol.frames.witness import Checkpoints
from protocol.ids import ChainHash, ChainId, Epoch, ReplicaId, Scope, Seq
from protocol.limits import (
    FRAME_BYTES_BEFORE_AUTHENTICATION_MAX,
    FRAME_BYTES_MAX,
    STATUS_ENTRIES_MAX,
)
from protocol.session.hello import (
    Accept,
    HubStanding,
    NodeStanding,
    Refuse,
    ReplicaStanding,
    hub_decides,
)
from protocol.wire import FEATURES, VERSIONS, Frame, decode, encode


@dataclass(frozen=True, slots=True)
class HubIdentity:
    """Which chain this hub serves, and its key."""

    chain: ChainId
    signing_key: SigningKey
    recovery: bytes = b""
    """The public half of the chain's recovery key, which goes into certificates; empty while it has none."""

    @property
    def public_key(self) -> bytes:
        """The key that nodes trust."""
        return bytes(self.signing_key.verify_key)


@dataclass(frozen=True, slots=True)
class Send:
    """Put these bytes on the line."""

    data: bytes


@dataclass(frozen=True, slots=True)
class CheckNode:
    """Look the node up and call `node_checked`."""

    certificate: Certificate


@dataclass(frozen=True, slots=True)
class CheckReplica:
    """Look up the replica and the cursors' salts and call `replica_checked`."""

    hello: Hello


@dataclass(frozen=True, slots=True)
class Open:
    """Carry out `accept` (register, mint, supersede) in one transaction, then call `opened`."""

    hello: Hello
    accept: Accept


@dataclass(frozen=True, slots=True)
class Commit:
    """Commit the batch and call `committed`, `stepped_back` or end the session when it was fenced."""

    operations: Operations


@dataclass(frozen=True, slots=True)
class Note:
    """What the node said of itself."""

    ping: Ping


@dataclass(frozen=True, slots=True)
class Answer:
    """A question of repair or history; the driver calls `answer` or ends the session."""

    question: Question


@dataclass(frozen=True, slots=True)
class Learn:
    """Keep those of these signed departures that are news; see `protocol.departure.joined`."""

    departures: Departures


@dataclass(frozen=True, slots=True)
class Witness:
    """Verify and keep what the node signed, compare what it keeps of this hub, and call `tell_checkpoints`."""

    checkpoints: Checkpoints


@dataclass(frozen=True, slots=True)
class End:
    """Close the connection; what was to be said has been sent."""

    code: Code


Action = Send | CheckNode | CheckReplica | Open | Commit | Note | Answer | Learn | Witness | End


class State(Enum):
    """Where the session is; it only moves down."""

    AUTHENTICATE = auto()
    CHECKING_NODE = auto()
    HELLO = auto()
    OPENING = auto()
    LIVE = auto()
    ENDED = auto()


class HubSession:
    """One session with a node.

    Args:
        identity: the chain and the hub's key.
        nonce: 32 fresh random bytes.
        session: 16 fresh random bytes that fence older sessions of the same replica.
    """

    def __init__(self, identity: HubIdentity, nonce: bytes, session: bytes) -> None:
        self.state = State.AUTHENTICATE
        self.session = session
        self.certificate: Certificate | None = None
        self.replica: ReplicaId | None = None
        self._identity = identity
        self._nonce = nonce
        self._node_nonce = b""
        self._version = VERSIONS[1]
        self._standing = NodeStanding.UNKNOWN

    def start(self) -> list[Action]:
        """What to send when the connection opens."""
        return [Send(encode(Challenge(self._identity.chain, self._nonce, VERSIONS)))]

    def receive(self, data: bytes) -> list[Action]:
        """Take one message from the node; a broken one ends the session with CLOSE. None count after that."""
        if self.state is State.ENDED:
            return []
        known = self.state not in {State.AUTHENTICATE, State.CHECKING_NODE}
        bytes_max = FRAME_BYTES_MAX if known else FRAME_BYTES_BEFORE_AUTHENTICATION_MAX
        try:
            return self._receive(decode(data, bytes_max=bytes_max))
        except ProtocolError as error:
            return self.end(error.code, error.detail, retry_ms=0)

    def node_checked(self, standing: NodeStanding, newer_certificate: bytes | None) -> list[Action]:
        """Go on after CheckNode; `newer_certificate` is what the node should hold instead of what it showed."""
        if self.state is State.ENDED:  # closed by either side while the driver looked it up
            return []
        assert self.state is State.CHECKING_NODE, "the driver answers each question once"
        self._standing = standing
        if standing is NodeStanding.REVOKED:
            return self.end(Code.REVOKED, "this node's certificate was revoked", retry_ms=60_000)
        self.state = State.HELLO
        message = hub_signature_input(self._nonce, self._node_nonce, self._identity.chain)
        signature = self._identity.signing_key.sign(message).signature
        return self._say(Authenticated(signature, newer_certificate))

    def replica_checked(
        self, hello: Hello, replica: ReplicaStanding | None, hub: HubStanding
    ) -> list[Action]:
        """Go on after CheckReplica: decide by the hello table."""
        if self.state is State.ENDED:
            return []
        assert self.state is State.OPENING, "the driver answers each question once"
        assert self.certificate is not None, "set before HELLO is accepted"
        decision = hub_decides(
            hello, node=self.certificate.node, standing=self._standing, replica=replica, hub=hub
        )
        match decision:
            case Refuse():
                return self.end(decision.code, decision.detail, retry_ms=decision.retry_ms)
            case Accept():
                return [Open(hello, decision)]

    def opened(  # noqa: PLR0913 - what WELCOME says
        self,
        *,
        epoch: Epoch,
        acked: Seq,
        chain: ChainHash,
        stable: Seq,
        scopes: Sequence[Scope],
        reset: Sequence[Scope],
        quarantined: Sequence[StatusEntry],
        now_ms: int,
        departed: bytes | None = None,
    ) -> list[Action]:
        """Say WELCOME and, behind it, which operations were quarantined since the node last heard.

        `acked` and `chain` must be read in the transaction that fenced older sessions: one of those may have committed
        a batch since `replica_checked`.
        """
        if self.state is State.ENDED:
            return []
        assert self.state is State.OPENING, "the driver opens once"
        self.state = State.LIVE
        welcome = Welcome(
            self.session,
            epoch,
            self._version,
            FEATURES,
            acked,
            chain,
            stable,
            tuple(scopes),
            tuple(reset),
            now_ms,
            departed,
        )
        return [*self._say(welcome), *self.report(quarantined)]

    def committed(
        self, acknowledge: Acknowledge, quarantined: Sequence[StatusEntry]
    ) -> list[Action]:
        """Acknowledge a batch; the news of quarantined operations goes first, so that it cannot be missed."""
        return [*self.report(quarantined), *self._say(acknowledge)]

    def stepped_back(self, negative: Negative) -> list[Action]:
        """Refuse a batch that does not continue the log as the hub knows it."""
        return self._say(negative)

    def report(self, quarantined: Sequence[StatusEntry]) -> list[Action]:
        """Tell the node of quarantined operations, oldest first."""
        pieces = range(0, len(quarantined), STATUS_ENTRIES_MAX)
        return self._say(
            *(Status(tuple(quarantined[at : at + STATUS_ENTRIES_MAX])) for at in pieces)
        )

    def grant(self, certificate: bytes) -> list[Action]:
        """Hand over a newer certificate."""
        return self._say(Grant(certificate))

    def tell_departures(self, records: Sequence[bytes]) -> list[Action]:
        """Tell which nodes were revoked or retired; due once the session is live."""
        return self._say(*in_frames(records)) if self.state is State.LIVE else []

    def tell_checkpoints(self, answer: Checkpoints) -> list[Action]:
        """Answer what a node told of its log and of the checkpoints that it keeps."""
        return self._say(answer)

    def end(self, code: Code, detail: str, *, retry_ms: int) -> list[Action]:
        """Say why and when to come back, then close. Nothing more once the session has ended."""
        said = self._say(Close(code, detail, retry_ms))
        if not said:
            return []
        self.state = State.ENDED
        return [*said, End(code)]

    def pong(self, ping: Ping, *, now_ms: int, stable: Seq) -> list[Action]:
        """Answer a ping."""
        return self._say(Pong(ping.sent_ms, now_ms, stable))

    def answer(self, answer: AnswerFrame) -> list[Action]:
        """Answer a question."""
        return self._say(answer)

    def _say(self, *frames: Frame) -> list[Action]:
        # A batch may be committed, or a ping answered, after the session was closed or superseded.
        return [] if self.state is State.ENDED else [Send(encode(frame)) for frame in frames]

    def _receive(self, frame: Frame) -> list[Action]:
        match self.state, frame:
            case State.AUTHENTICATE, Authenticate():
                return self._authenticate(frame)
            case State.HELLO, Hello():
                self.state = State.OPENING
                self.replica = frame.replica
                self._version = min(frame.versions[1], VERSIONS[1])
                return [CheckReplica(frame)]
            case State.LIVE, Operations():
                return [Commit(frame)]
            case State.LIVE, Ping():
                return [Note(frame)]
            case State.LIVE, Claim() | AskDigests() | AskBuckets() | Fetch() | AskLedger():
                return [Answer(frame)]
            case State.LIVE, KeepKeys() | AskKeys():
                return [Answer(frame)]
            case State.LIVE, Departures():
                return [Learn(frame)]
            case State.LIVE, Checkpoints():
                return [Witness(frame)]
            case _, Close():
                self.state = State.ENDED
                return [End(frame.code)]
            case _:
                raise ProtocolError(Code.UNEXPECTED, f"{type(frame).__name__} is not due now")

    def _authenticate(self, frame: Authenticate) -> list[Action]:
        certificate = verify(frame.certificate, self._identity.public_key)
        if certificate.chain != self._identity.chain:
            raise ProtocolError(Code.AUTHENTICATION_FAILED, "the certificate is of another chain")
        message = node_signature_input(self._nonce, frame.nonce, self._identity.chain)
        check_signature(certificate.public_key, message, frame.signature)
        self._node_nonce = frame.nonce
        self.certificate = certificate
        self.state = State.CHECKING_NODE
        return [CheckNode(certificate)]
