"""Who may open what, brought up to date: after a change of keys, for a node that came, without one that left.

Invariant: sealed bytes and logs stay as they are; only wrapped keys change, each to its next version, and only those that
this node can open. An own older key is destroyed once no record or letter needs it and the hub keeps every newer wrap.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from node.commands.sealing import FIELD
from node.local import Local
from node.replica import departures, letters, sealed
from node.replica.sealed import Announced
from node.sealing.own_keys import OwnKeys
from protocol.certificate import Certificate
from protocol.errors import ProtocolError
from protocol.ids import ChainId, Location, NodeId
from protocol.limits import INT_MAX, WRAPS_MAX
from protocol.sealed_keys import RecordKey, may_seal_for, read_sealer, wrapped_for
from protocol.sealing import Binding, KeyPair, key_id
from runtime.store import Store
from runtime.world import World

PIECE: Final = 20
"""Records looked at for one transaction; the keys are worked out before it."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was brought up to date."""

    rewrapped: int
    unopened: int
    """What none of the keys here opens, and so was left as it is."""


def readers_of(
    local: Local, own: bytes, location: Location, told: Sequence[Announced], gone: set[NodeId]
) -> tuple[bytes, ...]:
    """The public keys that what happens at a location is sealed for: recovery, own, and of nodes that write there.

    What a hub told and its key or the node's did not sign is left out, and so are nodes that left.
    """
    who = local.identity
    found = [who.certificate.recovery, own]
    for certificate, announcement in told:
        with contextlib.suppress(ProtocolError):
            sealer = read_sealer(certificate, announcement, who.hub_public_key)
            if _counts(sealer.certificate, who.certificate, gone) and may_seal_for(
                sealer, location
            ):
                found.append(sealer.public)
    return tuple(dict.fromkeys(found))[:WRAPS_MAX]


class Rewrapping:
    """Brings the keys of all records that are held here up to date. One at a time."""

    def __init__(self, store: Store, world: World, local: Local, own: OwnKeys) -> None:
        self._store = store
        self._world = world
        self._local = local
        self._own = own
        self._turn = asyncio.Lock()

    async def readers(self, location: Location) -> tuple[bytes, ...]:
        """For whom to seal at a location now."""
        own = (await self._own.pairs())[0].public
        place, gone = await self._store.read(
            lambda db: (sealed.place(db, location), set(departures.read_all(db)))
        )
        return readers_of(self._local, own, location, place.sealers, gone)

    async def run(self, *, recovery: KeyPair | None = None) -> Done:
        """Go over all records; with the chain's recovery key also over those that nothing else here opens."""
        async with self._turn:
            pairs = await self._own.pairs()
            opening = pairs if recovery is None else (*pairs, recovery)
            done = Done(0, 0)
            for location in await self._store.read(sealed.locations):
                of_it = await self._over(location, opening)
                done = Done(done.rewrapped + of_it.rewrapped, done.unopened + of_it.unopened)
            untold = await self._store.read(sealed.locations_untold)
            # What the hub does not keep yet could be lost with this machine, and the key that opens the older wrap too.
            if len(pairs) > 1 and not untold and await self._need_newest_alone(pairs):
                await self._own.forget_older(pairs[0].public)
            return done

    async def _over(self, location: Location, pairs: Sequence[KeyPair]) -> Done:
        readers = await self.readers(location)
        ids = [key_id(each) for each in readers]
        chain = self._local.identity.chain
        after: RecordKey | None = None
        rewrapped, unopened = 0, 0
        while True:
            found = await self._store.read(
                partial(
                    sealed.wrapped_for_others,
                    location=location,
                    key_ids=ids,
                    after=after,
                    limit=PIECE,
                )
            )
            if not found:
                return Done(rewrapped, unopened)
            after = found[-1]
            work = partial(
                _rewrapped, found, chain, location, pairs, readers, self._world.random_bytes
            )
            news = await asyncio.to_thread(work)
            if news:
                await self._store.write(
                    partial(_keep_all, location=location, keys=news), background=True
                )
            rewrapped, unopened = rewrapped + len(news), unopened + len(found) - len(news)

    async def _need_newest_alone(self, pairs: Sequence[KeyPair]) -> bool:
        """Whether no record is wrapped for an older key of this node."""
        older = {key_id(each.public) for each in pairs[1:]}
        for location in await self._store.read(sealed.locations):
            ids = [key_id(each) for each in await self.readers(location)]
            after: RecordKey | None = None
            while found := await self._store.read(
                partial(
                    sealed.wrapped_for_others,
                    location=location,
                    key_ids=ids,
                    after=after,
                    limit=PIECE,
                )
            ):
                after = found[-1]
                if any(wrap.key_id in older for each in found for wrap in each.wraps or ()):
                    return False
        return not await self._store.read(lambda db: letters.is_any_wrapped_for(db, older))


def _counts(theirs: Certificate, ours: Certificate, gone: set[NodeId]) -> bool:
    return theirs.chain == ours.chain and theirs.node != ours.node and theirs.node not in gone


def _rewrapped(
    keys: Sequence[RecordKey],
    chain: ChainId,
    location: Location,
    pairs: Sequence[KeyPair],
    readers: Sequence[bytes],
    random_bytes: Callable[[int], bytes],
) -> list[RecordKey]:
    news = []
    for key in keys:
        binding = Binding(chain, location, key.op_id, FIELD)
        try:
            data_key = key.opened(binding, pairs)
        except ProtocolError:
            data_key = None  # damaged, or another record's: left as it is, for whoever can open another wrap of it
        # A node of the location may have said that its word is the last.
        if data_key is not None and key.version < INT_MAX:
            seeds = [random_bytes(32) for _ in readers]
            wraps = wrapped_for(data_key, binding, readers, seeds)
            news.append(key._replace(version=key.version + 1, wraps=wraps))
    return news


def _keep_all(db: sqlite3.Connection, location: Location, keys: Sequence[RecordKey]) -> None:
    for key in keys:
        sealed.keep(db, location, key)
