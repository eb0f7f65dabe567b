"""Keys of sealed records, handed to the hub and asked of it: beside the log, one question at a time.

Invariant: a key is told until the hub says that it keeps it; what other nodes of the location sealed, and that something
was destroyed, is heard within `ASK_AGAIN_S` of a session, and in every new one. Nothing of it waits for, or delays, a sale.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Collection
from functools import partial
from typing import Final, NamedTuple

import structlog

from node.local import Local
from node.replica import sealed
from node.replica.sealed import Announced, Place
from node.sealing.own_keys import OwnKeys
from node.sealing.rewrapping import Rewrapping
from protocol.errors import ProtocolError
from protocol.frames.feed import Page
from protocol.frames.keys import AskKeys, KeepKeys, Keys, KeysKept
from protocol.frames.repair import Answer
from protocol.ids import Epoch, Location, NodeId
from protocol.limits import RECORD_KEYS_PER_FRAME_MAX
from protocol.sealed_keys import RecordKey, read_sealer
from runtime.store import Store

ASK_AGAIN_S: Final = 60.0
ASK_SOON_S: Final = 2.0

_log = structlog.get_logger(__name__)


class _Sealer(NamedTuple):
    """A node that seals at a location, and its key."""

    name: str
    node: NodeId
    public: bytes


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
        self._is_news = False
        """Whether something was heard since all records were gone over."""

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
                # An older key of ours may be needed no more.
                if handed.keys and len(await self._own.pairs()) > 1:
                    await self._rewrapping.run()
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
        place, keys = min(self._places()), tuple[RecordKey, ...]()
        for location in await self._store.read(sealed.locations_untold):
            found = await self._store.read(
                partial(sealed.untold, location=location, limit=RECORD_KEYS_PER_FRAME_MAX)
            )
            if found:
                place, keys = location, found
                break
        if not announcement and not keys:
            return None
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
        known, now = self._sealers(before), self._sealers(keys.sealers)
        if known and known != now:
            self._tell_of_change(keys.location, known, now)
        self._is_news |= bool(keys.keys) or known != now
        # All pages first: to go over all records after each would take a spare's whole day.
        if self._is_news and not keys.more:
            self._is_news = False
            await self._rewrapping.run()

    def _sealers(self, told: Collection[Announced]) -> set[_Sealer]:
        """Who of those that a hub told are nodes of this chain; a certificate that was renewed makes none another."""
        found, hub = set(), self._local.identity.hub_public_key
        for certificate, announcement in told:
            with contextlib.suppress(ProtocolError):
                sealer = read_sealer(certificate, announcement, hub)
                found.add(_Sealer(sealer.certificate.name, sealer.certificate.node, sealer.public))
        return found

    def _tell_of_change(self, location: Location, before: set[_Sealer], now: set[_Sealer]) -> None:
        _log.warning(
            "who may open what is sealed at a location has changed",
            location=location,
            came=sorted(each.name for each in now - before),
            left=sorted(each.name for each in before - now),
        )

    def _places(self) -> Collection[Location]:
        """Where this node seals; nowhere in a chain that has no recovery key."""
        rights = self._local.identity.rights
        return rights.writes if rights.recovery else ()


def _take(db: sqlite3.Connection, answer: Keys, read: Place) -> None:
    sealed.take(db, answer.location, answer.keys)
    sealed.save_place(db, answer.location, read)
