"""This node's own sealing keys: made here, announced under its signature, changed without losing what they open.

Invariant: a private half is in the database sealed for the device's key, which is in a file of its own, so the database
alone opens nothing. The newest key is what others seal for; an older one is kept until nothing needs it. One that does not
open any more is passed over and another made: neither a sale nor the hub waits for it.
"""

import asyncio
from hashlib import blake2b
from typing import Final

import structlog
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox
from nacl.signing import SigningKey

from node.local import Local
from node.replica import sealed
from protocol.letters import Letter, Receipt, sign_letter, sign_receipt
from protocol.sealed_keys import announce
from protocol.sealing import KEY_BYTES, KeyPair, key_pair
from runtime.store import Store
from runtime.world import World

_FINGERPRINTS: Final = b"everstock fingerprints 1"

_log = structlog.get_logger(__name__)


class OwnKeys:
    """The keys of one node; made at the first need of them.

    Args:
        store: where they are.
        world: for chance and the time.
        device: the device's key, which signs for the node.
        local: who the node is.
    """

    def __init__(self, store: Store, world: World, device: SigningKey, local: Local) -> None:
        self._store = store
        self._world = world
        self._device = device
        self._box = SealedBox(device.to_curve25519_private_key())
        self._local = local
        self._pairs: tuple[KeyPair, ...] = ()
        self._making = asyncio.Lock()

    @property
    def fingerprint_secret(self) -> bytes:
        """What a repeated request is known by; the same on the device for ever."""
        return blake2b(bytes(self._device), key=_FINGERPRINTS, digest_size=32).digest()

    async def pairs(self) -> tuple[KeyPair, ...]:
        """The key pairs that open here, newest first; one at least. Durable on return."""
        if not self._pairs:
            async with self._making:
                if not self._pairs:
                    held = await self._store.read(sealed.own_keys)
                    self._pairs = tuple(filter(None, (self._opened(*each) for each in held)))
                    if not self._pairs:
                        await self._make()
        return self._pairs

    async def change(self) -> None:
        """Make another key the newest; durable on return. What the older ones open they still do."""
        await self.pairs()
        async with self._making:
            await self._make()

    async def forget_older(self, newest: bytes) -> int:
        """Destroy all older than this public one, for good; how many. Durable on return.

        It is the one that was the newest when nothing was found to need the others: by now there may be another.
        """
        async with self._making:
            gone = await self._store.write(
                lambda db: sealed.forget_own_keys_before(db, newest), background=True
            )
            kept = [pair.public for pair in self._pairs].index(newest) + 1
            self._pairs = self._pairs[:kept]
        return gone

    async def announcement(self) -> bytes:
        """The node's word of its newest key."""
        newest = (await self.pairs())[0]
        who = self._local.identity.certificate
        return announce(who.chain, who.node, newest.public, self._world.now_ms(), self._device)

    def signed_letter(self, letter: Letter) -> bytes:
        """A letter under this node's signature. Raises: ProtocolError `too_large`."""
        return sign_letter(letter, self._local.identity.certificate_bytes, self._device)

    def signed_receipt(self, receipt: Receipt) -> bytes:
        """A receipt under this node's signature."""
        return sign_receipt(receipt, self._local.identity.certificate_bytes, self._device)

    async def _make(self) -> None:
        made = key_pair(self._world.random_bytes(KEY_BYTES))
        wrapped = self._box.encrypt(made.private)
        await self._store.write(lambda db: sealed.add_own_key(db, made.public, wrapped))
        self._pairs = (made, *self._pairs)

    def _opened(self, public: bytes, wrapped: bytes) -> KeyPair | None:
        try:
            private = self._box.decrypt(wrapped)
        except CryptoError:
            private = b""
        if len(private) != KEY_BYTES or bytes(PrivateKey(private).public_key) != public:
            _log.error(
                "a sealing key in the database is damaged, or another device's: what only it opens needs the recovery key",
                key=public.hex(),
            )
            return None
        return KeyPair(public, private)
