"""The task that looks: at what changed, and at whole locations where that is due.

Invariants:
- It reads as others do and writes in the background, a few milliseconds at a time with a breath between; no till waits
  for it. What it has looked at is kept as a number of the sequence of changes, never ahead of what is written; to look
  again at what was looked at before changes nothing.
- Only this task raises and clears. It is the same whether the hub is there or not.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from node.alerting import following, looking, outbox, places, state
from node.alerting.acknowledging import Seen, take, told_elsewhere
from node.alerting.following import Entry
from node.alerting.places import Place
from node.alerting.rules import Pair, RuleBook, read_one, read_page
from node.alerting.settings import Alerting
from node.alerting.state import CHAIN, Found
from node.alerting.sweeping import Sweep
from node.local import Local
from protocol.workflows import alerts
from runtime.store import Store, StoreError
from runtime.world import World

BREATH_S: Final = 0.05
"""Between two pieces: with many sales a second it looks at each SKU twenty times a second at most."""
DAY_CHECK_S: Final = 60.0
AWAITED_S: Final = 1.0
"""The same while a location waits for its first rows."""
MARK_LATE: Final = 1_000
"""Changes that may have been looked at and be looked at again after a crash; a commit for each would cost the disk."""
PIECE_PAIRS: Final = 25
"""SKUs at a location that are looked at in one reading: a few milliseconds. The last may be at many locations."""
PIECE_CLEARED: Final = 100

_log = structlog.get_logger(__name__)


class Evaluation:
    """What looks after one node's alerts; `run` it as a task that its owner cancels."""

    def __init__(
        self,
        store: Store,
        world: World,
        local: Local,
        alerting: Alerting,
        told: Callable[[], None],
    ) -> None:
        """`told()` is called once something may be in the outbox."""
        self._store = store
        self._world = world
        self._local = local
        self._alerting = alerting
        self._told = told
        self._rules = RuleBook()
        self._pending: dict[Entry, None] = {}
        self._sweeps: dict[str, Sweep] = {}
        self._places: dict[str, Place] = {}
        self._looked = self._saved = -1
        """Up to which change everything was looked at, and what is kept of that; -1 before anything was read."""
        self._read = -1
        self._watched: tuple[str, ...] = ()
        self._places_at_s = float("-inf")
        self._news = asyncio.Event()
        self._is_begun = False

    async def run(self) -> None:
        """Look for ever, first at what changed while nobody looked."""
        self._store.on_commit(self._news.set)
        while True:
            try:
                self._news.clear()
                has_more = await self.step()
            except StoreError as error:
                _log.warning("alerts could not be looked at", reason=str(error))
                has_more, self._sweeps = (
                    False,
                    {},
                )  # a piece may have been left out: begin them again
                self._places_at_s = float("-inf")
            await asyncio.sleep(BREATH_S)
            if not has_more:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._check_s):
                        await self._news.wait()

    async def step(self) -> bool:
        """Do one piece of work; whether there may be more. `run` does so for ever.

        Raises:
            StoreError: it is to be done again.
        """
        if not self._is_begun:
            await self._begin()
        await self._look_after_places()
        if not self._pending and await self._read_changes():
            return True
        if self._pending:
            await self._look_at_pending()
            return True
        if await self._sweep():
            return True
        if self._looked - self._saved >= MARK_LATE:
            await self.save()
        return False

    async def save(self) -> None:
        """Keep how far was looked; else it is looked at again after the next start."""
        if self._looked > self._saved:
            await self._store.write(partial(state.save_mark, n=self._looked), background=True)
            self._saved = self._looked

    # --- private -----------------------------------------------------------------------------------------------

    @property
    def _check_s(self) -> float:
        """How often it is found out which locations are to be looked at as a whole."""
        awaits_rows = any(not place.is_ready for place in self._places.values())
        return AWAITED_S if awaits_rows else DAY_CHECK_S

    async def _begin(self) -> None:
        """Read the rules, and where to go on."""
        self._rules, cursor = RuleBook(), None
        targets = outbox.targets_of(self._alerting)
        now_ms = self._world.now_ms()
        await self._store.write(lambda db: outbox.drop_others(db, targets, now_ms), background=True)
        mark = await self._store.read(state.read_mark)
        # Before the rules: one that changes meanwhile is read again.
        self._looked = self._saved = self._read = -1 if mark is None else mark
        while True:
            page = partial(read_page, cursor=cursor, wanted=self._is_wanted)
            found, cursor = await self._store.read(page)
            for told in found:
                self._rules.put(told.rule.id, told)
            if cursor is None:
                break
        self._is_begun = True

    def _is_wanted(self, location: str) -> bool:
        return location in places.watched(self._local.identity.certificate, self._alerting)

    async def _look_after_places(self) -> None:
        """Find out which locations are to be looked at as a whole, once a minute and when one of them changes."""
        certificate = self._local.identity.certificate
        now = places.watched(certificate, self._alerting)
        clock_s = self._world.monotonic_s()
        if now == self._watched and clock_s < self._places_at_s + self._check_s:
            return
        if now != self._watched and self._watched:
            self._is_begun, self._pending = False, {}  # rules of other locations were left out
            await self._begin()
        read = partial(
            places.read_places,
            locations=now,
            expiring_days=self._alerting.expiring_days,
            now_ms=self._world.now_ms(),
        )
        self._places, held = await self._store.read(lambda db: (read(db), state.places(db)))
        self._watched, self._places_at_s = now, clock_s
        self._sweeps = {at: sweep for at, sweep in self._sweeps.items() if at in self._places}
        for location, place in self._places.items():
            basis = held.get(location)
            if basis is None and place.is_ready:
                # Noted before anything is raised, so that what is raised is cleared should it go.
                await self._store.write(partial(_note, location=location), background=True)
            looked_once = bool(basis) or place.is_ready
            self._places[location] = place._replace(is_ready=looked_once)
            if looked_once and basis != place.basis:
                self._sweeps.setdefault(location, Sweep(location))
        for location in held.keys() - set(now):
            await self._leave(location)

    async def _leave(self, location: str) -> None:
        """Clear what is raised at a location that is looked after no more."""
        while raised := await self._store.read(
            partial(state.raised_at, location=location, limit=PIECE_CLEARED)
        ):
            await self._write([Found(one) for one in alerts.withdraw(raised, raised)])
        await self._store.write(partial(state.forget_place, location=location), background=True)

    async def _read_changes(self) -> bool:
        """Read what changed since; whether something of it is to be looked at, or there is more."""
        piece = await self._store.read(partial(following.read_piece, after=self._read))
        if piece.gap:
            await self._start_over(piece.head)
            return True
        if piece.upto == self._read:
            return False
        for rule in piece.rules:
            await self._take_rule(rule)
        self._pending.update(dict.fromkeys(filter(self._concerns, piece.entries)))
        if piece.has_places:
            self._places_at_s = float("-inf")
        self._read = piece.upto
        if not self._pending:
            self._looked = piece.upto
        return bool(self._pending) or piece.has_places or piece.upto < piece.head

    async def _start_over(self, head: int) -> None:
        """What changed is no longer known, or nothing was ever looked at: look at everything from here on."""

        def write(db: sqlite3.Connection) -> None:
            state.forget_places(db)
            state.save_mark(db, head)

        await self._store.write(write, background=True)
        self._looked = self._saved = self._read = head
        self._sweeps = {}
        self._places_at_s = float("-inf")
        self._is_begun = False
        await self._begin()

    async def _take_rule(self, rule: str) -> None:
        told, pairs = await self._store.read(
            lambda db: (read_one(db, rule), state.pairs_of_rule(db, rule))
        )
        wanted = told if told is not None and self._is_wanted(told.rule.location) else None
        for pair in self._rules.put(rule, wanted) | set(pairs):
            self._pending[Entry(*pair)] = None

    def _concerns(self, entry: Entry) -> bool:
        if entry.location is None:
            return True
        place = self._places.get(entry.location)
        return (place is not None and place.is_ready) or bool(self._rules.of(CHAIN, entry.sku))

    async def _look_at_pending(self) -> None:
        entries: list[Entry] = []
        pairs: list[Pair] = []
        for entry in self._pending:
            entries.append(entry)
            pairs += self._pairs(entry)
            if len(pairs) >= PIECE_PAIRS:
                break
        await self._look(pairs)
        for entry in entries:
            del self._pending[entry]
        if not self._pending:
            self._looked = self._read

    def _pairs(self, entry: Entry) -> list[Pair]:
        at = self._watched if entry.location is None else (entry.location, CHAIN)
        return [(location, entry.sku) for location in dict.fromkeys(at)]

    async def _sweep(self) -> bool:
        """Look at some of a location that is to be looked at as a whole; whether there was one."""
        if not self._sweeps:
            return False
        location, sweep = next(iter(self._sweeps.items()))
        skus = await self._store.read(partial(sweep.next_piece, rules=self._rules))
        await self._look([(location, sku) for sku in skus])
        if sweep.is_done and self._sweeps.get(location) is sweep:
            basis = self._places[location].basis
            await self._store.write(
                partial(state.save_place, location=location, basis=basis), background=True
            )
            del self._sweeps[location]
        return True

    async def _look(self, pairs: list[Pair]) -> None:
        """Look at some SKUs, and write what begins and ends."""
        now_ms = self._world.now_ms()
        ready = {
            at: place.days._replace(now_ms=now_ms)
            for at, place in self._places.items()
            if place.is_ready
        }
        asked = [pair for pair in dict.fromkeys(pairs) if pair[0] in ready]

        chain, offset_ms = self._local.identity.certificate.chain, self._local.clock_offset_ms

        def look(db: sqlite3.Connection) -> tuple[list[Found], list[Seen]]:
            found = [
                found
                for location, sku in asked
                for found in looking.look(db, self._rules, location, sku, ready[location])
            ]
            return found, told_elsewhere(db, chain, asked, offset_ms)

        if not asked:
            return
        found, seen = await self._store.read(look)
        if found:
            await self._write(found)
        if seen:
            await self._store.write(partial(take, seen=seen), background=True)

    async def _write(self, found: list[Found]) -> None:
        certificate, now_ms = self._local.identity.certificate, self._world.now_ms()
        looked = self._looked

        def write(db: sqlite3.Connection) -> None:
            saved = state.save(db, certificate, found, now_ms)
            outbox.add(db, saved, self._alerting, now_ms)
            state.save_mark(db, looked)

        await self._store.write(write, background=True)
        self._saved = looked
        self._told()


def _note(db: sqlite3.Connection, location: str) -> None:
    state.save_place(db, location, "")
