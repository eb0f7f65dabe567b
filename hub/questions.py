"""Answers to what a node asks after a loss, and about history.

Invariant: a node is told of what it may read, and of history where it may write, and of nothing else. What takes a reader
of the store for long is done for one session at a time, and buckets are computed once for all who ask while their scope
stands still.
"""

import asyncio
from collections import OrderedDict
from typing import Final

from hub.feed import Feed
from hub.store.interface import HubStore
from protocol.certificate import Certificate, Role
from protocol.digest import BUCKETS
from protocol.frames.feed import Page
from protocol.frames.keys import AskKeys, KeepKeys, Keys, KeysKept
from protocol.frames.repair import (
    Answer,
    AskBuckets,
    AskDigests,
    AskLedger,
    Buckets,
    Claim,
    Fetch,
    Ledger,
    Question,
)
from protocol.ids import NO_SALT, HubSeq, ReplicaId, Scope

BUCKETS_KEPT: Final = 64
"""Of 4 KiB each: what the nodes of a chain ask about at about the same time."""


class Questions:
    """What all sessions share in answering."""

    def __init__(self, store: HubStore, feed: Feed) -> None:
        self._store = store
        self._feed = feed
        self._turn = asyncio.Semaphore(1)
        self._buckets: OrderedDict[Scope, tuple[HubSeq, Buckets]] = OrderedDict()

    async def answer(
        self, question: Question, certificate: Certificate, replica: ReplicaId
    ) -> Answer:
        """What the node that holds this certificate and continues this log is to be told.

        What is out of its reach is answered as if there were nothing: rights may have changed since it asked.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        match question:
            case Claim(op_ids):
                return await self._store.claim(certificate.node, op_ids)
            case AskDigests(scopes):
                # One may have left its reach since it asked.
                return await self._store.digests(list(filter(certificate.reads_scope, scopes)))
            case AskBuckets(scope):
                if not certificate.reads_scope(scope):
                    return Buckets(scope, HubSeq(0), bytes(BUCKETS * 16))
                async with self._turn:
                    return await self._buckets_of(scope)
            case Fetch(scope, buckets, base):
                if not certificate.reads_scope(scope):
                    return Page(
                        scope, base, base, NO_SALT, more=False, inside={}, rows=(), buckets=buckets
                    )
                async with self._turn:
                    return await self._store.bucket_rows(scope, buckets, base)
            case AskLedger(location, after, limit):
                if certificate.role is not Role.OFFICE and location not in certificate.writes:
                    return Ledger(location, after, more=False, items=())
                async with self._turn:
                    return await self._store.ledger(location, replica, after, limit)
            case KeepKeys() | AskKeys():
                return await self._about_keys(question, certificate)

    async def _about_keys(
        self, question: KeepKeys | AskKeys, certificate: Certificate
    ) -> KeysKept | Keys:
        match question:
            case KeepKeys(announcement, location, keys):
                # Also of a location that it writes no more: what it sealed then is still its to hand in.
                kept = keys if location in (*certificate.writes, *certificate.once) else ()
                await self._store.keep_keys(certificate.node, announcement, location, kept)
                return KeysKept(location, len(keys))
            case AskKeys(location, after):
                told = await self._store.keys(location, after)
                if location in certificate.writes:
                    return told
                # Who seals there is for everybody who writes to them; what they sealed is for nobody else.
                return Keys(location, after, more=False, keys=(), sealers=told.sealers)

    async def _buckets_of(self, scope: Scope) -> Buckets:
        # Rows change only with the newest hub_seq of their scope; an answer read since that was announced has it.
        newest = self._feed.scopes.get(scope, HubSeq(0))
        held = self._buckets.get(scope)
        if held is None or held[0] != newest:
            held = newest, await self._store.buckets(scope)
            self._buckets[scope] = held
        self._buckets.move_to_end(scope)
        if len(self._buckets) > BUCKETS_KEPT:
            self._buckets.popitem(last=False)
        return held[1]
