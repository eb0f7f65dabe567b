"""Keys of sealed records, handed to the hub and asked of it: beside the log, one question at a time.

Invariant: a key is told until the hub says that it keeps it; what other nodes of the location sealed, and that something
was destroyed, is heard within `ASK_AGAIN_S` of a session, and in every new one. Nothing of it waits for, or delays, a sale.
"""

import sqlite3
from collections.abc import Callable, Collection
from functools import partial
from typing import Final

import structlog

from node.local import Local
from node.replica import sealed
from node.replica.sealed import Announced, Place
from node.sealing.own_keys import OwnKeys
from node.sealing.rewrapping import Rewrapping
from protocol.frames.feed import Page
from protocol.frames.keys import AskKeys, KeepKeys, Keys, KeysKept
from protocol.frames.repair import Answer
from protocol.ids import Epoch, Location
from protocol.limits import RECORD_KEYS_PER_FRAME_MAX
from runtime.store import Store

ASK_AGAIN_S: Final = 60.0
ASK_SOON_S: Final = 2.0

_log = structlog.get_logger(__name__)


class Keeping:
    """The keys of one session.

    Args:
        store: where they are.
        local: who the node is, and what it writes by now.
        own: the node's own keys.
        rewrapping: what follows when others seal at a location.
        monotonic_s: the clock.
    """

    def __init__(
        self,
        store: Store,
        local: Local,
        own: OwnKeys,
        rewrapping: Rewrapping,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._store = store
        self._local = local
        self._own = own
        self._rewrapping = rewrapping
        self._monotonic_s = monotonic_s
        self._epoch: Epoch | None = None
        self._has_begun = False
        self._announced = b""
        self._handed: KeepKeys | None = None
        self._asked_at_s: dict[Location, float] = {}
        self._more: set[Location] = set()

    def begin(self, epoch: Epoch, *, is_offered: bool) -> None:
        """Both sides agree where they stand. A hub that keeps no keys is told and asked nothing."""
        self._epoch = epoch if is_offered else None

    async def next_question(self) -> KeepKeys | AskKeys | None:
        """See `Asker`."""
        # The chain may get its recovery key in the middle of a session.
        if self._epoch is None or not self._places():
            return None
        if not self._has_begun:
            begin = partial(sealed.begin_epoch, epoch=self._epoch)
            await self._store.write(begin, background=True)
            self._has_begun = True
        return await self._to_tell() or await self._to_ask()

    async def answered(self, answer: Answer) -> None:
        """See `Asker`."""
        match answer:
            case KeysKept():
                handed, self._handed = self._handed, None
                assert handed is not None, "only what was handed in is kept"
                if handed.announcement:
                    self._announced = (await self._own.pairs())[0].public
                await self._store.write(partial(sealed.told, keys=handed.keys), background=True)
                if handed.keys and not await self._store.read(sealed.locations_untold):
                    await self._rewrapping.run()  # an older key of ours may be needed no more
            case Keys():
                await self._take(answer)
            case _:
                raise AssertionError("nothing else was asked")

    async def page_put(self, page: Page) -> None:
        """See `Asker`."""

    async def all_put(self) -> None:
        """See `Asker`."""

    async def _to_tell(self) -> KeepKeys | None:
        public = (await self._own.pairs())[0].public
        announcement = b"" if public == self._announced else await self._own.announcement()
        places = await self._store.read(sealed.locations_untold)
        if not announcement and not places:
            return None
        place = places[0] if places else min(self._places())
        keys = await self._store.read(
            partial(sealed.untold, location=place, limit=RECORD_KEYS_PER_FRAME_MAX)
        )
        self._handed = KeepKeys(announcement, place, keys)
        return self._handed

    async def _to_ask(self) -> AskKeys | None:
        now_s = self._monotonic_s()
        wanted = await self._store.read(sealed.places)
        for place in sorted({*self._places(), *wanted}):
            read = await self._store.read(partial(sealed.place, location=place))
            # Somebody wants to write to whom nobody can yet: that location's node may say its key at any moment.
            pause_s = ASK_AGAIN_S if read.sealers or place in self._places() else ASK_SOON_S
            asked_at_s = self._asked_at_s.get(place, now_s - pause_s)
            if place in self._more or now_s - asked_at_s >= pause_s:
                self._asked_at_s[place] = now_s
                self._more.discard(place)
                return AskKeys(place, read.upto if read.epoch == self._epoch else 0)
        return None

    async def _take(self, keys: Keys) -> None:
        epoch = self._epoch
        assert epoch is not None, "asked once a session began"
        before = (await self._store.read(partial(sealed.place, location=keys.location))).sealers
        read = Place(epoch, keys.upto, keys.sealers)
        await self._store.write(partial(_take, answer=keys, read=read), background=True)
        if keys.more:
            self._more.add(keys.location)
        if before != keys.sealers:
            self._tell_of_change(keys.location, before, keys.sealers)
        if keys.keys or before != keys.sealers:
            await self._rewrapping.run()

    def _tell_of_change(
        self, location: Location, before: Collection[Announced], now: Collection[Announced]
    ) -> None:
        _log.warning(
            "who may open what is sealed at a location has changed",
            location=location,
            nodes_before=len(before),
            nodes_now=len(now),
        )

    def _places(self) -> Collection[Location]:
        """Where this node seals; nowhere in a chain that has no recovery key."""
        rights = self._local.identity.rights
        return rights.writes if rights.recovery else ()


def _take(db: sqlite3.Connection, answer: Keys, read: Place) -> None:
    sealed.take(db, answer.location, answer.keys)
    sealed.save_place(db, answer.location, read)
