"""The node's half of a session.

Invariant: operations go up in order, each batch once per session, at most four unanswered; nothing is sent or believed
before the hub has proved its key. The half holds positions only: the log and the rows are the driver's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from nacl.signing import SigningKey

from protocol.errors import Code, ProtocolError
from protocol.frames.feed import CaughtUp, Page, Scopes
from protocol.frames.fleet import Departures, in_frames
from protocol.frames.handshake import (
    Authenticate,
    Authenticated,
    Challenge,
    Close,
    Hello,
    Welcome,
    check_hub,
    node_signature_input,
)
from protocol.frames.keys import AskKeys, KeepKeys, Keys, KeysKept
from protocol.frames.log import (
    Acknowledge,
    Grant,
    Item,
    Negative,
    Operations,
    Ping,
    Pong,
    Status,
)
from protocol.frames.repair import (
    Answer,
    AskBuckets,
    AskDigests,
    AskLedger,
    Buckets,
    Claim,
    Claimed,
    Digests,
    Fetch,
    Ledger,
    Question,
)
from protocol.frames.witness import Checkpoints
from protocol.ids import ChainHash, ChainId, Seq
from protocol.limits import (
    BATCH_BYTES_MAX,
    BATCH_OPERATIONS_MAX,
    BATCHES_IN_FLIGHT_MAX,
    FRAME_BYTES_BEFORE_AUTHENTICATION_MAX,
    FRAME_BYTES_MAX,
)
from protocol.session.hello import LocalLog, NewReplica, Push, node_decides
from protocol.session.node_actions import (
    Action,
    Answered,
    ClockMeasured,
    CompareLog,
    Ended,
    Send,
    StartNewReplica,
    StoreAcknowledged,
    StoreCaughtUp,
    StoreCertificate,
    StoreCheckpoints,
    StoreDepartures,
    StorePage,
    StoreQuarantined,
    StoreScopes,
    Welcomed,
)
from protocol.wire import VERSIONS, Frame, decode, encode


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this node is and whom it trusts."""

    certificate: bytes
    signing_key: SigningKey
    chain: ChainId
    hub_public_key: bytes


class State(Enum):
    """Where the session is; it only moves down, but for COMPARING, which a negative acknowledgement returns to."""

    CHALLENGE = auto()
    PROOF = auto()
    WELCOME = auto()
    COMPARING = auto()
    LIVE = auto()
    ENDED = auto()


class NodeSession:
    """One session with the hub.

    Args:
        identity: certificate, key and the hub's public key.
        hello: where this replica stood when the connection was opened; it may have grown since.
        nonce: 32 fresh random bytes.
    """

    def __init__(self, identity: Identity, hello: Hello, nonce: bytes) -> None:
        self.state = State.CHALLENGE
        self.acked = Seq(0)
        self.sent = Seq(0)
        self._identity = identity
        self._hello = hello
        self._nonce = nonce
        self._hub_nonce = b""
        self._unanswered = 0
        self._stepped_back: Negative | None = None
        self._asked: Question | None = None

    @property
    def wants_operations(self) -> bool:
        """Whether `push` may be called now."""
        return (
            self.state is State.LIVE
            and self._stepped_back is None
            and self._unanswered < BATCHES_IN_FLIGHT_MAX
        )

    def receive(self, data: bytes, now_ms: int) -> list[Action]:
        """Take one message from the hub; none counts after the session has ended.

        Raises:
            ProtocolError: the hub broke the protocol and the session is over; the driver sends `close` and tries again
                later.
        """
        if self.state is State.ENDED:
            return []
        proved = self.state not in {State.CHALLENGE, State.PROOF}
        bytes_max = FRAME_BYTES_MAX if proved else FRAME_BYTES_BEFORE_AUTHENTICATION_MAX
        try:
            return self._receive(decode(data, bytes_max=bytes_max), now_ms)
        except ProtocolError:
            self.state = State.ENDED
            raise

    def close(self, code: Code, detail: str) -> Send:
        """What to send before this side ends the session."""
        self.state = State.ENDED
        return Send(encode(Close(code, detail, 0)))

    def _receive(self, frame: Frame, now_ms: int) -> list[Action]:
        match self.state:
            case _ if isinstance(frame, Close):
                return self._closed(frame)
            case State.CHALLENGE if isinstance(frame, Challenge):
                return self._answer_challenge(frame)
            case State.PROOF if isinstance(frame, Authenticated):
                return self._believe(frame)
            case State.WELCOME if isinstance(frame, Welcome):
                return self._welcomed(frame, now_ms)
            case State.COMPARING | State.LIVE:
                return self._receive_open(frame, now_ms)
            case _:
                raise _unexpected(frame)

    def log_compared(self, chain: ChainHash, log: LocalLog) -> list[Action]:
        """Go on from what the log says about the position that Welcomed or CompareLog named; `chain` is the hub's."""
        assert self.state is State.COMPARING, "the driver answers each question once"
        decision = node_decides(self.acked, chain, log)
        match decision:
            case Push(first=first):
                self.sent = Seq(first - 1)
                self.state = State.LIVE
                return []
            case NewReplica(detail=detail, history_gap=history_gap):
                self.state = State.ENDED
                return [StartNewReplica(detail, history_gap)]

    def push(self, prev: ChainHash, items: Sequence[Item]) -> list[Action]:
        """Send the operations after `sent`; `prev` is the log's hash there. Check `wants_operations` first."""
        assert self.wants_operations, "the driver asks before it pushes"
        assert items, "a batch has at least one operation"
        frame = Operations(Seq(self.sent + 1), prev, tuple(items))
        self.sent = Seq(self.sent + len(items))
        self._unanswered += 1
        return [Send(encode(frame))]

    def tell_departures(self, records: Sequence[bytes]) -> list[Action]:
        """Hand the hub what it signed about nodes that left; due when WELCOME named another digest than HELLO."""
        if self.state is not State.LIVE:
            return []
        return [Send(encode(frame)) for frame in in_frames(records)]

    def tell_head(self, head: bytes | None, newest: bytes | None) -> list[Action]:
        """Hand the hub, which named the feature `checkpoints`, this log's signed head, where it has one, and the newest
        checkpoint that is kept here; it answers with those after that one.
        """
        if self.state is not State.LIVE:
            return []
        return [Send(encode(Checkpoints(() if newest is None else (newest,), head)))]

    @property
    def may_ask(self) -> bool:
        """Whether `ask` may be called now: a session is open and no question unanswered."""
        return self.state is State.LIVE and self._asked is None

    def ask(self, question: Question) -> list[Action]:
        """Ask the hub, which named the feature `repair`; `Answered` brings its answer. Check `may_ask` first."""
        assert self.may_ask, "one question at a time"
        self._asked = question
        return [Send(encode(question))]

    def ping(self, now_ms: int, pending: int) -> list[Action]:
        """Exchange clocks, and say how much waits to be sent."""
        return [Send(encode(Ping(now_ms, pending)))]

    def _answer_challenge(self, frame: Challenge) -> list[Action]:
        if frame.chain != self._identity.chain:
            raise ProtocolError(Code.WRONG_HUB, "the hub belongs to another chain")
        if max(frame.versions[0], VERSIONS[0]) > min(frame.versions[1], VERSIONS[1]):
            raise ProtocolError(
                Code.UPGRADE_REQUIRED,
                f"the hub speaks versions {frame.versions[0]} to {frame.versions[1]}",
            )
        self._hub_nonce = frame.nonce
        message = node_signature_input(frame.nonce, self._nonce, self._identity.chain)
        signature = self._identity.signing_key.sign(message).signature
        self.state = State.PROOF
        return [Send(encode(Authenticate(self._identity.certificate, self._nonce, signature)))]

    def _believe(self, frame: Authenticated) -> list[Action]:
        check_hub(
            self._identity.hub_public_key,
            self._hub_nonce,
            self._nonce,
            self._identity.chain,
            frame.signature,
        )
        self.state = State.WELCOME
        hello: Action = Send(encode(self._hello))
        return (
            [hello] if frame.certificate is None else [StoreCertificate(frame.certificate), hello]
        )

    def _closed(self, frame: Close) -> list[Action]:
        proved = self.state not in {State.CHALLENGE, State.PROOF}
        self.state = State.ENDED
        if frame.code is not Code.NEW_REPLICA_REQUIRED:
            return [Ended(frame, proved)]
        if proved:
            return [StartNewReplica(frame.detail)]
        # Whoever answers the connection can say CLOSE; only the hub may make this log change its replica.
        return [Ended(replace(frame, code=Code.UNEXPECTED), proved)]

    def _welcomed(self, frame: Welcome, now_ms: int) -> list[Action]:
        least, most = self._hello.versions
        if not least <= frame.version <= most:
            raise ProtocolError(Code.UPGRADE_REQUIRED, f"the hub chose version {frame.version}")
        self.state = State.COMPARING
        self.acked = frame.acked
        return [Welcomed(frame, frame.now_ms - now_ms)]

    def _receive_open(  # noqa: C901, PLR0911 - one case for each frame
        self, frame: Frame, now_ms: int
    ) -> list[Action]:
        match frame:
            case Acknowledge():
                return self._acknowledged(frame)
            case Negative():
                return self._refused(frame)
            case Page(buckets=None):
                return [StorePage(frame)]
            case CaughtUp():
                return [StoreCaughtUp(frame)]
            case Scopes():
                return [StoreScopes(frame)]
            case Status():
                return [StoreQuarantined(frame.entries)]
            case Grant():
                return [StoreCertificate(frame.certificate)]
            case Departures():
                return [StoreDepartures(frame.records)]
            case Checkpoints():
                return [StoreCheckpoints(frame)]
            case Pong():
                # Half the round trip is the best guess of the way back (Cristian's algorithm).
                return [ClockMeasured(frame.now_ms - (frame.sent_ms + now_ms) // 2)]
            case Claimed() | Digests() | Buckets() | Page() | Ledger() | KeysKept() | Keys():
                return self._answered(frame)
            case _:
                raise _unexpected(frame)

    def _answered(self, frame: Answer) -> list[Action]:
        if self._asked is None or not _is_answered(self._asked, frame):
            raise _unexpected(frame)
        self._asked = None
        return [Answered(frame)]

    def _acknowledged(self, frame: Acknowledge) -> list[Action]:
        self._count_answer(frame)
        if not self.acked <= frame.acked <= self.sent:
            raise ProtocolError(Code.UNEXPECTED, "the hub acknowledged what was never sent")
        self.acked = frame.acked
        return [
            StoreAcknowledged(frame.acked, frame.accepted_at_ms, frame.stable),
            *self._step_back(),
        ]

    def _refused(self, frame: Negative) -> list[Action]:
        self._count_answer(frame)
        # The batches behind a refused one are refused too; only the first refusal says where the hub stands.
        self._stepped_back = self._stepped_back or frame
        return self._step_back()

    def _step_back(self) -> list[Action]:
        if self._stepped_back is None or self._unanswered:
            return []
        frame, self._stepped_back = self._stepped_back, None
        self.state = State.COMPARING
        self.acked = frame.acked
        return [CompareLog(frame.acked, frame.chain)]

    def _count_answer(self, frame: Frame) -> None:
        if self._unanswered == 0:
            raise _unexpected(frame)
        self._unanswered -= 1


def fill_batch(items: Sequence[Item]) -> Sequence[Item]:
    """The longest beginning of `items` that fits one frame; never empty when `items` is not."""
    size = 0
    for count, item in enumerate(items[:BATCH_OPERATIONS_MAX]):
        size += len(item.body) + 16
        if size > BATCH_BYTES_MAX and count:
            return items[:count]
    return items[:BATCH_OPERATIONS_MAX]


def _is_answered(question: Question, frame: Frame) -> bool:
    """Whether the frame is about what was asked; one that says there is more goes on, or a node would ask for ever."""
    match question, frame:
        case Claim(), Claimed():
            return True
        case AskDigests(scopes), Digests(entries):
            return {entry.scope for entry in entries} <= set(scopes)
        case AskBuckets(scope), Buckets():
            return frame.scope == scope
        case Fetch(scope, buckets, base), Page():
            goes_on = not frame.more or frame.to > base
            return (frame.scope, frame.buckets) == (scope, buckets) and goes_on
        case AskLedger(location, after), Ledger():
            return frame.location == location and (not frame.more or frame.upto > after)
        case KeepKeys(_, location, keys), KeysKept():
            return frame.location == location and frame.count == len(keys)
        case AskKeys(location, after), Keys():
            goes_on = frame.upto > after or not (frame.more or frame.keys)
            return frame.location == location and goes_on
        case _:
            return False


def _unexpected(frame: Frame) -> ProtocolError:
    return ProtocolError(Code.UNEXPECTED, f"{type(frame).__name__} is not due now")
