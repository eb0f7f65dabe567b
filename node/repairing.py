"""Whether this node holds what the hub has, scope by scope, and what is done where it does not.

Invariant: two digests are compared only where both are of the same state of a scope. What differs is fetched and replaced;
if that does not help, the scope alone is read again from its beginning. A scope is mended at most once in REPAIR_PAUSE_S,
over restarts too, because a fault in a digest looks the same as damage; no operation is ever dropped for it.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from functools import partial

import structlog

from node.inquiry import Ends
from node.metrics import NodeMetrics
from node.replica import identity, incidents, mending, scopes
from node.replica.incidents import IncidentCode
from node.replica.mending import Fetched, Key
from node.replica.rows import FeedGap
from node.replica.scopes import ScopeState
from protocol import digest
from protocol.digest import BUCKETS, Digest
from protocol.effects import DocumentKey
from protocol.frames.feed import Page
from protocol.frames.repair import (
    Answer,
    AskBuckets,
    AskDigests,
    Buckets,
    DigestEntry,
    Digests,
    Fetch,
    Question,
)
from protocol.ids import HubSeq, ReplicaId, Scope, Seq
from protocol.limits import (
    DIGEST_CHECK_ROWS,
    DIGEST_CHECK_S,
    DIGEST_SCOPES_MAX,
    REPAIR_PAUSE_S,
    REPAIR_ROWS_MAX,
)
from runtime.store import Store
from runtime.world import World

_log = structlog.get_logger(__name__)


class ReadAgain(FeedGap):
    """A scope is to be read from its beginning: the session starts again from the cursors."""


@dataclass(slots=True)
class _Work:
    """A scope that is being mended."""

    scope: Scope
    question: Question | None
    """What is to be asked next; None while an answer is awaited, or that the scope is read to its end once more."""
    waits: bool = False
    """Whether that is what it waits for."""
    rows: dict[Key, Fetched] = field(default_factory=dict)


class Repairing:
    """The digest checks of one session. `wake` is set when another question may be due."""

    def __init__(
        self,
        store: Store,
        world: World,
        metrics: NodeMetrics,
        replica: ReplicaId,
        ends: Ends,
        wake: asyncio.Event,
    ) -> None:
        self._store = store
        self._world = world
        self._metrics = metrics
        self._replica = replica
        self._ends = ends
        self._wake = wake
        self._due_s = 0.0
        self._rows = 0
        self._unchecked: list[Scope] = []
        self._added_up: set[Scope] = set()
        self._suspects: deque[Scope] = deque()
        self._work: _Work | None = None

    async def next_question(self) -> Question | None:
        """See `Asker`."""
        while self._work is None and self._suspects:
            await self._begin(self._suspects.popleft())
        if self._work is not None:
            question, self._work.question = self._work.question, None
            return question
        await self._begin_check()
        if not self._unchecked:
            return None
        asked = tuple(self._unchecked[:DIGEST_SCOPES_MAX])
        del self._unchecked[:DIGEST_SCOPES_MAX]
        return AskDigests(asked)

    async def answered(self, answer: Answer) -> None:
        """See `Asker`."""
        match self._work, answer:
            case None, Digests(entries):
                await self._compare(entries)
            case _Work() as work, Digests(entries):
                await self._conclude(work, entries)
            case _Work() as work, Buckets():
                await self._fetch_what_differs(work, answer)
            case _Work() as work, Page():
                await self._collect(work, answer)
            case _:
                raise AssertionError("nothing else was asked")

    async def page_put(self, page: Page) -> None:
        """See `Asker`."""
        self._rows += len(page.rows)
        if not page.more:
            self._look_again(page.scope)

    async def all_put(self) -> None:
        """See `Asker`."""
        self._wake.set()
        if self._work is not None:
            self._look_again(self._work.scope)

    # --- checking --------------------------------------------------------------------------------------------------

    async def _begin_check(self) -> None:
        now_s = self._world.monotonic_s()
        is_due = now_s >= self._due_s or self._rows >= DIGEST_CHECK_ROWS
        if not is_due or not self._ends.all_once or self._unchecked:
            return
        self._due_s, self._rows = now_s + DIGEST_CHECK_S, 0
        held = sorted(await self._store.read(scopes.held))
        self._unchecked = held
        await self._add_one_up(held)

    async def _add_one_up(self, held: list[Scope]) -> None:
        """Compare a scope's rows with the sum that is kept of them, another one each time: disks rot."""
        left = [scope for scope in held if scope not in self._added_up]
        if not left:
            self._added_up.clear()
            return
        scope = left[0]
        self._added_up.add(scope)
        is_right = await self._store.read(partial(mending.adds_up, scope=scope))
        if not is_right:
            await self._note_mismatch(scope, "its rows do not add up to the sum that is kept")

    async def _compare(self, entries: tuple[DigestEntry, ...]) -> None:
        states = await self._store.read(
            lambda db: [scopes.read(db, entry.scope) for entry in entries]
        )
        for entry, state in zip(entries, states, strict=True):
            held = self._comparable(entry, state)
            if held is not None and held != entry.digest:
                detail = f"{_shown(held)} here, {_shown(entry.digest)} at the hub"
                await self._note_mismatch(entry.scope, detail)

    def _comparable(self, entry: DigestEntry, state: ScopeState | None) -> Digest | None:
        """The digest kept of a scope; None where it is not of the state that the entry is of."""
        if state is None or not state.caught_up:
            return None
        is_same_state = self._ends.of(entry.scope) >= entry.hub_seq >= state.hub_seq
        return state.digest if is_same_state else None

    async def _note_mismatch(self, scope: Scope, detail: str) -> None:
        if scope in self._suspects:
            return
        self._metrics.digest_mismatches.inc()
        _log.error("a scope's rows are not the hub's", scope=scope, detail=detail)
        self._suspects.append(scope)
        await self._note(IncidentCode.DIGEST_MISMATCH, f"{scope}: {detail}")

    # --- mending ---------------------------------------------------------------------------------------------------

    async def _begin(self, scope: Scope) -> None:
        now_ms = self._world.now_ms()
        began_ms = await self._store.read(partial(mending.began_at_ms, scope=scope))
        # A clock that was put back must not keep a scope damaged for years.
        if began_ms is not None and 0 <= now_ms - began_ms < REPAIR_PAUSE_S * 1000:
            _log.warning("it was mended within the hour, and is left as it is", scope=scope)
            return
        await self._store.write(
            partial(mending.note_begun, scope=scope, now_ms=now_ms), background=True
        )
        self._work = _Work(scope, AskBuckets(scope))

    async def _fetch_what_differs(self, work: _Work, theirs: Buckets) -> None:
        ours, newest = await self._store.read(partial(mending.read_buckets, scope=work.scope))
        differing = bytes(
            bucket
            for bucket in range(BUCKETS)
            if ours.digests[bucket]
            != digest.from_bytes(theirs.digests[16 * bucket : 16 * bucket + 16])
        )
        if sum(ours.rows[bucket] for bucket in differing) > REPAIR_ROWS_MAX:
            await self._read_again(work.scope, "more rows differ than are fetched one by one")
        if differing:
            work.question = Fetch(work.scope, differing, HubSeq(0))
            return
        # The rows are the hub's: what was kept of them is wrong. None has changed since they were added up.
        save = partial(mending.save_sum, scope=work.scope, value=ours.whole, newest=newest)
        await self._store.write(save, background=True)
        work.question = AskDigests((work.scope,))

    async def _collect(self, work: _Work, page: Page) -> None:
        assert page.buckets is not None, "the answer to a FETCH"
        own = page.inside.get(self._replica, Seq(0))
        work.rows |= {row.key: Fetched(row, own) for row in page.rows}
        if len(work.rows) > 2 * REPAIR_ROWS_MAX:
            await self._read_again(work.scope, "the hub has more rows than are fetched one by one")
        if page.more:
            work.question = Fetch(work.scope, page.buckets, page.to)
            return
        # Read behind the cursors, perhaps; whether the hub still has that state is asked with them.
        note = partial(identity.note_head_seen, read_in=page.read_in)
        await self._store.write(note, background=True)
        await self._replace(work, page.buckets, page.to)
        work.rows.clear()
        work.question = AskDigests((work.scope,))

    async def _replace(self, work: _Work, buckets: bytes, upto: HubSeq) -> None:
        """Nothing else stores pages meanwhile: the next frame is looked at when this has been done."""
        scope = work.scope
        find = partial(mending.strays, scope=scope, buckets=buckets, known=work.rows, upto=upto)
        strays = await self._store.read(find)
        fetched = list(work.rows.values())
        for at in range(0, len(fetched), mending.PIECE_ROWS):
            piece = fetched[at : at + mending.PIECE_ROWS]
            replace = partial(mending.replace_piece, fetched=piece, upto=upto)
            await self._store.write(replace, background=True)
        for at in range(0, len(strays), mending.PIECE_ROWS):
            clear = partial(mending.clear_piece, keys=strays[at : at + mending.PIECE_ROWS])
            await self._store.write(clear, background=True)
        ours, newest = await self._store.read(partial(mending.read_buckets, scope=scope))
        save = partial(mending.save_sum, scope=scope, value=ours.whole, newest=newest)
        await self._store.write(save, background=True)
        _log.warning("rows were fetched again", scope=scope, rows=len(fetched), gone=len(strays))

    async def _conclude(self, work: _Work, entries: tuple[DigestEntry, ...]) -> None:
        entry = next((entry for entry in entries if entry.scope == work.scope), None)
        if entry is None:
            self._work = None  # it has left this node's reach
            return
        state = await self._store.read(partial(scopes.read, scope=entry.scope))
        held = self._comparable(entry, state)
        if held is None:
            work.waits = True
            return
        if held != entry.digest:
            detail = (
                f"{_shown(held)} here, {_shown(entry.digest)} at the hub after rows were fetched"
            )
            await self._read_again(work.scope, detail)
        self._work = None
        self._metrics.repairs.inc()
        await self._note(IncidentCode.SCOPE_MENDED, f"{work.scope}: {_shown(held)} on both sides")

    async def _read_again(self, scope: Scope, why: str) -> None:
        """Raises: ReadAgain, always."""
        await self._store.write(partial(scopes.start_over, scopes=[scope]), background=True)
        after: DocumentKey | None = scopes.BEFORE_DOCUMENTS
        while after is not None:
            forget = partial(mending.forget_piece, scope=scope, after=after)
            after = await self._store.write(forget, background=True)
        self._metrics.repairs.inc()
        await self._note(IncidentCode.SCOPE_READ_AGAIN, f"{scope}: {why}")
        raise ReadAgain(f"{scope} is read again from its beginning: {why}")

    def _look_again(self, scope: Scope) -> None:
        work = self._work
        if work is not None and work.scope == scope and work.waits:
            work.waits = False
            work.question = AskDigests((scope,))
            self._wake.set()

    async def _note(self, code: IncidentCode, detail: str) -> None:
        note = partial(incidents.note, code=code, detail=detail, now_ms=self._world.now_ms())
        await self._store.write(note, background=True)


def _shown(held: Digest) -> str:
    return f"{held.rows} rows of digest {digest.to_text(held.value)}"
