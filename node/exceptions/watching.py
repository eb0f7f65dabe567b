"""The task that keeps the list of exceptions: it follows what changes, and looks at what that is about.

Invariants:
- It reads as others do and writes in the background, a few milliseconds at a time, and only what differs from the list; no
  till waits for it. How far it looked is kept, never ahead of what is written: to look again changes nothing.
- Nothing is listed before everything was read from the hub once. Under other rights it begins anew: what it listed before
  may be about locations whose papers it no longer reads.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final, NamedTuple

from node.alerting import following
from node.chores import Chore
from node.commands.movements import Here
from node.commands.requests import Refusal
from node.documents import Write
from node.exceptions import ending, lateness, listed, looking
from node.exceptions.listed import Noticed
from node.exceptions.looking import Looked, Rights, Shelf
from node.replica import changes, owing
from node.replica.changes import Changed
from node.replica.owing import START, Mark
from protocol.declarations.resolutions import RESOLUTIONS
from protocol.findings.noticing import NOTICED, SET_ASIDE
from runtime.store import Store, StoreError

INTERVAL_S: Final = 5.0
"""Changes of so long are looked at together; what changes after a quiet while is looked at at once."""
SHELVES_TOGETHER: Final = 2_000
"""Shelves that changes are gathered of before they are looked at: a till sells the same goods again and again."""
LOOK_AGAIN_S: Final = 60.0
"""How late it may notice what no commit tells it."""
BREATH_S: Final = 0.01
"""Between two pieces, so that other readers come in between."""
PIECE_LISTED: Final = 10
"""Shelves of which something is written in one transaction."""
MARK_LATE: Final = 1_000
"""Changes of stock that may be looked at again after a crash; a commit for each would cost the disk."""
KEPT_DAYS: Final = 400
"""How long what ended is listed."""
FORGET_PIECE: Final = 200
_DAY_MS: Final = 86_400_000
_MARKS: Final = "exceptions:"
"""Before the names under which `replica.owing` keeps how far this task has looked."""
_RIGHTS, _SHELVES, _SET_ASIDE = (f"{_MARKS}{name}" for name in ("rights", "shelves", "set_aside"))


class _Work(NamedTuple):
    """What there is to look at, of one snapshot: for nearly every commit nothing, which is seen in one reading."""

    begins: bool
    """Whether it never looked under these rights."""
    documents: list[str]
    """Collections of which some changed."""
    shelves: bool
    set_aside: bool
    late: bool


class Watching:
    """What keeps the list of one node. Made stopped."""

    def __init__(self, store: Store, write: Write, here: Callable[[], Here]) -> None:
        """`write` runs a transaction and wakes the uplink, `here` is what recording needs to know."""
        self._store = store
        self._write = write
        self._here = here
        self._chore = Chore(store, "exceptions", self._look_or_begin_anew)
        self._read: Mark | None = None
        """Up to which change of stock was looked at; may be beyond what is kept of it."""
        self._saved = START
        self._forgot_ms = 0

    def start(self) -> None:
        """Begin to look; returns at once."""
        self._chore.start(interval_s=INTERVAL_S, again_s=LOOK_AGAIN_S)

    async def stop(self) -> None:
        """End it. What was not looked at is looked at after the next start."""
        await self._chore.stop()
        self._read = None

    async def look(self) -> None:
        """Look at everything that changed since the last look. What was found is durable on return.

        Raises:
            StoreError: what was not looked at is looked at the next time.
        """
        rights = looking.rights_of(self._here().certificate)
        await self._forget()
        work = await self._store.read(partial(self._work, rights=rights))
        if work is None:
            return
        if work.begins:
            await self._begin(rights)
        for collection in work.documents:
            await _to_the_end(partial(self._look_at_documents, collection, rights))
        if work.shelves:
            await _to_the_end(partial(self._look_at_changes, rights))
        if work.set_aside:
            await _to_the_end(partial(self._look_at_set_aside, rights))
        if work.late:
            await self._say_what_is_late()

    # --- private -----------------------------------------------------------------------------------------------

    async def _look_or_begin_anew(self) -> None:
        try:
            await self.look()
        except StoreError:
            self._read = None
            raise

    def _work(self, db: sqlite3.Connection, rights: Rights) -> _Work | None:
        """What a look would come upon, as its steps begin; None where not everything was read from the hub once."""
        if not looking.is_ready(db):
            return None
        packed, _, head = rights.packed(), *changes.bounds(db)
        changed = owing.changed_among(db, (*NOTICED, RESOLUTIONS.name), packed, before=_MARKS)
        if changed and RESOLUTIONS.name not in changed:
            changed.append(RESOLUTIONS.name)  # what is found may be over, and that is written there
        at = owing.mark(db, _SET_ASIDE, self._set_aside_under(rights))
        begins = owing.mark(db, _RIGHTS, packed) == START
        return _Work(
            begins,
            changed,
            shelves=begins or self._read is None or self._read.changed != head,
            set_aside=at == START or bool(looking.set_aside_after(db, at, rights).noticed),
            late=bool(lateness.due(db, "")),
        )

    def _set_aside_under(self, rights: Rights) -> bytes:
        # A new replica has other positions, and what is sent again may count after all.
        return rights.packed() + self._here().replica

    async def _begin(self, rights: Rights) -> None:
        """Under rights that it has not looked under yet, end everything: what is still so is found again."""
        packed = rights.packed()
        now_ms = self._here().now_ms

        def begin(db: sqlite3.Connection) -> None:
            listed.end_all(db, "", now_ms)
            owing.save_mark(db, _RIGHTS, packed, Mark(0, ""))

        await self._write(begin, background=True)
        self._read = None

    async def _forget(self) -> None:
        """Once a day, forget what ended too long ago."""
        now_ms = self._here().now_ms
        if abs(now_ms - self._forgot_ms) < _DAY_MS:
            return
        before_ms = now_ms - KEPT_DAYS * _DAY_MS
        forget = partial(listed.forget_ended, before_ms=before_ms, limit=FORGET_PIECE)
        while await self._store.write(forget, background=True):
            pass
        self._forgot_ms = now_ms

    async def _mark(self, name: str, rights: bytes) -> Mark:
        return await self._store.read(lambda db: owing.mark(db, name, rights))

    async def _look_at_documents(self, collection: str, rights: Rights) -> bool:
        """Look at some documents that changed; whether those were the last."""
        name, packed = f"{_MARKS}{collection}", rights.packed()
        is_said = collection == RESOLUTIONS.name

        def look(db: sqlite3.Connection) -> tuple[Looked, list[str]]:
            at = owing.mark(db, name, packed)
            if is_said:
                found = owing.changed_since(db, collection, at, looking.PIECE_DOCUMENTS)
                is_all = len(found) < looking.PIECE_DOCUMENTS
                return Looked([], found[-1] if found else None, is_all), [one.id for one in found]
            looked = looking.documents_after(db, collection, at, rights)
            return looked._replace(noticed=_news(db, looked.noticed)), []

        looked, said = await self._store.read(look)
        if (upto := looked.upto) is not None:

            def go_on(db: sqlite3.Connection) -> None:
                again = [id_ for id_ in said if listed.look_again(db, id_)]
                self._list(db, looked.noticed, again)
                owing.save_mark(db, name, packed, upto)

            await self._write(go_on, background=True)
        return looked.is_all

    async def _look_at_changes(self, rights: Rights) -> bool:
        """Look at the shelves that some changes are about; whether those were the last."""
        packed = rights.packed()
        if self._read is None:
            self._read = self._saved = await self._mark(_SHELVES, packed)
        if self._read == START:
            await self._look_at_every_shelf(rights)
            return True
        shelves: dict[Shelf, None] = {}
        upto, is_all = self._read.changed, False
        while not is_all and len(shelves) < SHELVES_TOGETHER:
            piece = await self._store.read(partial(following.read_piece, after=upto))
            if piece.gap:
                self._read = START
                return False
            shelves |= await self._shelves_in(piece)
            upto, is_all = piece.upto, piece.upto >= piece.head
            await asyncio.sleep(BREATH_S)
        wrote = await self._look_at_shelves(list(shelves), rights)
        self._read = Mark(upto, "")
        if wrote or self._read.changed - self._saved.changed >= MARK_LATE:
            await self._save_shelves_mark(packed)
        return is_all

    async def _shelves_in(self, piece: following.Piece) -> dict[Shelf, None]:
        """What changes are about; a SKU that was described anew is where it was ever counted."""
        shelves = {(one.location, one.sku): None for one in piece.entries if one.location}
        if described := [one.sku for one in piece.entries if one.location is None]:
            found = await self._store.read(partial(looking.shelves_of, skus=described))
            shelves |= dict.fromkeys(found)
        return shelves

    async def _look_at_every_shelf(self, rights: Rights) -> None:
        """Nothing was ever looked at, or what changed is no longer known."""
        _, head = await self._store.read(changes.bounds)
        shelf: Shelf = ("", "")
        while found := await self._store.read(partial(looking.shelves_after, shelf=shelf)):
            await self._look_at_shelves(found, rights)
            shelf = found[-1]
            await asyncio.sleep(BREATH_S)
        self._read = Mark(head, "")
        await self._save_shelves_mark(rights.packed())

    async def _look_at_shelves(self, shelves: list[Shelf], rights: Rights) -> bool:
        """Look at some shelves; whether something of them was written."""
        wrote = False
        for at in range(0, len(shelves), looking.PIECE_SHELVES):
            piece = shelves[at : at + looking.PIECE_SHELVES]

            def look(db: sqlite3.Connection, asked: list[Shelf] = piece) -> list[Noticed]:
                return _news(db, looking.shelves(db, asked, rights))

            noticed = await self._store.read(look)
            for start in range(0, len(noticed), PIECE_LISTED):
                some = noticed[start : start + PIECE_LISTED]
                await self._write(partial(self._list, noticed=some), background=True)
                wrote = True
        return wrote

    async def _save_shelves_mark(self, packed: bytes) -> None:
        assert self._read is not None, "just looked"
        at = self._read
        await self._store.write(
            lambda db: owing.save_mark(db, _SHELVES, packed, at), background=True
        )
        self._saved = at

    async def _look_at_set_aside(self, rights: Rights) -> bool:
        """Look at some operations that the hub could not take; whether those were the last."""
        packed = self._set_aside_under(rights)
        at = await self._mark(_SET_ASIDE, packed)
        if at == START:

            def begin(db: sqlite3.Connection) -> None:
                listed.end_all(db, SET_ASIDE, self._here().now_ms)
                owing.save_mark(db, _SET_ASIDE, packed, Mark(0, ""))

            await self._store.write(begin, background=True)
            at = Mark(0, "")
        looked = await self._store.read(partial(looking.set_aside_after, at=at, rights=rights))
        if (upto := looked.upto) is not None:

            def go_on(db: sqlite3.Connection) -> None:
                self._list(db, looked.noticed)
                owing.save_mark(db, _SET_ASIDE, packed, upto)

            await self._write(go_on, background=True)
        return looked.is_all

    async def _say_what_is_late(self) -> None:
        after = ""
        while due := await self._store.read(partial(lateness.due, after=after)):
            for stocktake in due:
                if await self._store.read(partial(lateness.can_say, stocktake=stocktake)):
                    await self._say(stocktake)
            after = due[-1]

    async def _say(self, stocktake: str) -> None:
        try:
            await self._write(lambda db: lateness.say(db, self._here(), stocktake), background=True)
        except Refusal as refusal:
            give_up = partial(lateness.give_up, stocktake=stocktake, refusal=refusal)
            await self._store.write(give_up, background=True)

    def _list(
        self, db: sqlite3.Connection, noticed: Iterable[Noticed], beside: Iterable[str] = ()
    ) -> None:
        here = self._here()
        saved = listed.save(db, noticed, here.now_ms)
        for row in saved.over:
            ending.note_over(db, here, row)
        changed = [*saved.changed, *beside]
        for at in range(0, len(changed), changes.KEYS_MAX):
            changes.note(db, Changed(exceptions=tuple(changed[at : at + changes.KEYS_MAX])))


async def _to_the_end(look: Callable[[], Awaitable[bool]]) -> None:
    """Look at piece after piece, until one was the last."""
    is_all = await look()
    while not is_all:
        await asyncio.sleep(BREATH_S)
        is_all = await look()


def _news(db: sqlite3.Connection, noticed: Iterable[Noticed]) -> list[Noticed]:
    return [one for one in noticed if listed.differs(db, one)]
