"""How a session is opened: who is there, where its log and cursors stand, and what the hello table makes of it.

Invariant: the decision is `protocol.session.hello`'s; this looks up what it asks and carries out what it says. From
`open` on the session is the only one of its replica, in the store first and in memory after.
"""

from dataclasses import dataclass
from typing import Final

import structlog

from hub.checkpoints import CheckpointKeeper
from hub.departures import GONE_RETRY_MS, Departures
from hub.feed import Feed
from hub.live import LiveSession, LiveSessions
from hub.metrics import HubMetrics
from hub.questions import Questions
from hub.seen import SignsOfLife
from hub.stable import Stable
from hub.store.interface import HubStore, Opened, Opening, Refused
from hub.subscription import Subscription
from protocol.certificate import Certificate, issue, verify
from protocol.departure import Reason
from protocol.errors import Code
from protocol.frames.handshake import Hello
from protocol.ids import Epoch, HubSeq, Scope, Seq
from protocol.limits import STATUS_ENTRIES_MAX, SUPERSEDED_RETRY_MS
from protocol.session.hello import Accept, HubStanding, NodeStanding, ReplicaStanding
from protocol.session.hub import Action, HubIdentity, HubSession, Open
from runtime.world import World

EPOCH_RETRY_MS: Final = 2_000
HORIZON: Final = HubSeq(0)
"""No salt is pruned yet, so every cursor of this history can be continued."""

RETIRE_RETRY_MS: Final = 200
COME_ONCE_MORE: Final = "this node retires: it comes once more to say that nothing is left"
ALL_IS_HERE: Final = "this node is retired, and everything it recorded is at the hub"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Hub:
    """What all sessions share."""

    store: HubStore
    feed: Feed
    live: LiveSessions
    identity: HubIdentity
    world: World
    metrics: HubMetrics
    seen: SignsOfLife
    departures: Departures
    stable: Stable
    questions: Questions
    checkpoints: CheckpointKeeper


class Newcomer:
    """The node at the other end, as it becomes known."""

    def __init__(self, half: HubSession, hub: Hub) -> None:
        self.boot = b""
        self.subscription: Subscription | None = None
        self.keeps_departures = False
        """Whether the node keeps what it is told of nodes that left."""
        self.goes_at: Seq | None = None
        """A retiring node has delivered what it knew of at HELLO when its log is here up to this; None for others."""
        self._half = half
        self._hub = hub
        self._acked = Seq(0)
        self._has_heard = False
        """Whether a retiring node showed the certificate by which it writes nothing any more."""
        self._decided_in = Epoch(b"")
        self._shown: Certificate | None = None
        self._newest: Certificate | None = None
        self._issued = b""

    @property
    def certificate(self) -> Certificate:
        """The newest certificate of the node."""
        assert self._newest is not None, "known once the node has proved its key"
        return self._newest

    @property
    def name(self) -> str | None:
        """For the log; None while it is unknown."""
        return None if self._newest is None else self._newest.name

    async def check_node(self, certificate: Certificate) -> list[Action]:
        """Look the node up; what it showed is signed by this hub's key."""
        record = await self._hub.store.node(certificate.node)
        self._shown = self._newest = certificate
        reason = self._hub.departures.reason(certificate.node)
        if reason is not None:
            # Also of a node that this hub has forgotten: it was put back to a backup, and heard of it again.
            return self._half.node_checked(NodeStanding(reason.value), None)
        if record is None:
            return self._half.node_checked(NodeStanding.UNKNOWN, None)
        if record.public_key != certificate.public_key:
            detail = "the node was enrolled with another key"
            return self._half.end(Code.AUTHENTICATION_FAILED, detail, retry_ms=SUPERSEDED_RETRY_MS)
        newer = record.certificate if record.serial > certificate.serial else None
        if newer is not None:
            self._newest = verify(newer, self._hub.identity.public_key)
            self._issued = newer
        return self._half.node_checked(NodeStanding(record.status), newer)

    async def check_replica(self, hello: Hello) -> list[Action]:
        """Look up where the log and every cursor that was named stand."""
        named = {at for at, _ in hello.positions}
        standing = await self._hub.store.standing(hello.replica, named)
        replica = None
        if standing.owner is not None:
            live = self._hub.live.of_replica(hello.replica)
            live_boot = None if live is None else live.boot
            flips = self._hub.live.flips(hello.replica, hello.boot, self._hub.world.monotonic_s())
            replica = ReplicaStanding(standing.owner, standing.acked, live_boot, flips)
        self._decided_in = standing.epoch
        hub = HubStanding(standing.epoch, standing.head, HORIZON, standing.salts)
        return self._half.replica_checked(hello, replica, hub)

    async def open(self, opening: Open, session: LiveSession) -> list[Action]:
        """Carry out what the hello table accepted; WELCOME and the feed, or the end."""
        hub, hello, accept = self._hub, opening.hello, opening.accept
        self.boot = hello.boot
        try:
            opened = await hub.store.open_session(self._opening(hello, accept))
        except Refused as refused:
            # Who left since it was looked up asks again as seldom as all who left; for another log nothing need pass.
            is_other_log = refused.code is Code.NEW_REPLICA_REQUIRED
            retry_ms = 0 if is_other_log else GONE_RETRY_MS
            return self._half.end(refused.code, refused.detail, retry_ms=retry_ms)
        if hub.live.epoch is not None and hub.live.epoch != opened.epoch:
            # Begun while this transaction's answer was on its way: what was read is of the history before.
            return self._end_for_new_epoch()
        self._take_over(session)
        if accept.mint_epoch and opened.epoch != self._decided_in:
            self._end_others(session, opened.epoch)
        if gone := await self._gone(opened, hello):
            return gone
        # Another session may have begun an epoch since the hello table decided: the cursors are of the one before.
        is_other_epoch = hello.epoch is not None and hello.epoch != opened.epoch
        all_anew = accept.reset_all or is_other_epoch
        reset = None if all_anew else frozenset(accept.reset) | self._widened()
        subscription = Subscription(hub.feed, self.certificate, hello, reset, opened.writes_in)
        self.subscription = subscription
        hub.feed.add(subscription)
        if subscription.scopes_left_out:
            count = subscription.scopes_left_out
            _log.error("a node reads more scopes than a session has", node=self.name, left=count)
        if opened.certificate != self._issued:
            # Access was changed since the node was looked up.
            self._newest = verify(opened.certificate, hub.identity.public_key)
            subscription.regrant(self._newest, opened.certificate)
        welcome = self._half.opened(
            epoch=opened.epoch,
            acked=opened.acked,
            chain=opened.chain,
            stable=hub.stable.of(hello.replica),
            scopes=subscription.scopes,
            reset=subscription.scopes if reset is None else sorted(reset),
            quarantined=(),
            now_ms=hub.world.now_ms(),
            departed=hub.departures.digest,
        )
        welcome += self._departures(hello)
        if opened.newest_quarantined <= hello.status_seen:
            return welcome
        return [*welcome, *await self._quarantined(hello)]

    async def _gone(self, opened: Opened, hello: Hello) -> list[Action]:
        """The end of a node that left, or has nothing left to do; nothing for others."""
        if (reason := self._hub.departures.reason(self.certificate.node)) is not None:
            # Revoked while this transaction's answer was on its way: not among those that were told to end.
            return self._half.end(
                Code(reason.value), f"this node was {reason.value}", retry_ms=GONE_RETRY_MS
            )
        if not opened.is_retiring:
            return []
        self.goes_at, self._acked = hello.last_seq, opened.acked
        # Of this transaction: when the node was looked up, it may not have been retiring yet.
        newest = verify(opened.certificate, self._hub.identity.public_key)
        self._has_heard = self._shown is not None and self._shown.serial >= newest.serial
        # As many operations need not be the same ones: the node may have been put back to a backup. It finds out by WELCOME.
        return [] if self._has_heard else await self.delivered(opened.acked)

    async def spoke(self) -> list[Action]:
        """A message came behind WELCOME: the node has found its log to be the one that is here."""
        return await self.delivered(self._acked)

    def _departures(self, hello: Hello) -> list[Action]:
        """All of them, for a node that keeps others."""
        departures = self._hub.departures
        self.keeps_departures = hello.departed is not None
        is_new = self.keeps_departures and hello.departed != departures.digest
        return self._half.tell_departures(departures.records) if is_new else []

    async def delivered(self, acked: Seq) -> list[Action]:
        """Let a retiring node go once everything that it had recorded is in the ledger."""
        if self.goes_at is None or acked < self.goes_at:
            return []
        return await self._let_go()

    async def _let_go(self) -> list[Action]:
        if not self._has_heard:
            # Until it heard in this session that it writes nowhere any more, it may have recorded another sale.
            retry_ms = self._hub.world.jitter_ms(RETIRE_RETRY_MS)
            return self._half.end(Code.RESTARTING, COME_ONCE_MORE, retry_ms=retry_ms)
        await self._hub.departures.depart(self.certificate.node, Reason.RETIRED)
        return self._half.end(Code.RETIRED, ALL_IS_HERE, retry_ms=GONE_RETRY_MS)

    async def _quarantined(self, hello: Hello) -> list[Action]:
        """Everything the node has not heard of yet, in pieces."""
        actions: list[Action] = []
        after, piece_size = hello.status_seen, STATUS_ENTRIES_MAX
        while piece_size == STATUS_ENTRIES_MAX:
            found = await self._hub.store.quarantined_of(hello.replica, after, STATUS_ENTRIES_MAX)
            actions += self._half.report(found)
            piece_size = len(found)
            after = found[-1].seq if found else after
        return actions

    def _opening(self, hello: Hello, accept: Accept) -> Opening:
        certificate = self.certificate
        if not self._issued:
            # As the node shows it, which may be another one of the same serial than this hub has kept, if it was put
            # back to a backup meanwhile. Ed25519 is deterministic: these are the bytes that were issued.
            self._issued = issue(certificate, self._hub.identity.signing_key)
        return Opening(
            certificate,
            self._issued,
            hello.replica,
            self._half.session,
            hello.boot,
            hello.software,
            Epoch(self._hub.world.random_bytes(16)) if accept.mint_epoch else None,
            self._decided_in,
            lambda each: issue(each, self._hub.identity.signing_key),
            self._hub.world.now_ms(),
        )

    def _take_over(self, session: LiveSession) -> None:
        older = self._hub.live.enter(session, self._hub.world.monotonic_s())
        if older is None:
            return
        if older.boot == self.boot:
            older.drop()  # the node's own process came back: the old connection is half open
            return
        self._hub.metrics.duplicates.inc()
        _log.warning(
            "two processes continue one log", node=self.name, replica=session.replica.hex()
        )
        detail = "another process of this node has taken over"
        older.stop(Code.SUPERSEDED, detail, retry_ms=SUPERSEDED_RETRY_MS)

    def _end_for_new_epoch(self) -> list[Action]:
        retry_ms = self._hub.world.jitter_ms(EPOCH_RETRY_MS)
        return self._half.end(Code.RESTARTING, "the hub's history begins anew", retry_ms=retry_ms)

    def _end_others(self, session: LiveSession, epoch: Epoch) -> None:
        """Their cursors are of the history that has just ended."""
        if self._hub.live.epoch == epoch:
            return  # by another session, which has done this
        self._hub.live.epoch = epoch
        _log.warning("the hub's history was rolled back: a new epoch begins", node=self.name)
        for other in self._hub.live:
            if other is not session:
                retry_ms = self._hub.world.jitter_ms(EPOCH_RETRY_MS)
                other.stop(Code.RESTARTING, "the hub's history begins anew", retry_ms=retry_ms)

    def _widened(self) -> frozenset[Scope]:
        """Scopes that came into reach while the node was away: its common cursor says nothing about them."""
        shown, newest = self._shown, self.certificate
        if shown is None or shown.serial == newest.serial:
            return frozenset()
        return frozenset(
            scope
            for scope in self._hub.feed.scopes
            if newest.reads_scope(scope) and not shown.reads_scope(scope)
        )
