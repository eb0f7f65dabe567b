"""The keys of sealed records: what stands is kept, changes are told in order, a destroyed one is gone."""

from dataclasses import replace

from hub.store.interface import HubStore
from hub.store.records import KnownDeparture
from protocol.departure import Departure, Reason, sign
from protocol.ids import Location, OpId
from protocol.limits import RECORD_KEYS_PER_FRAME_MAX
from protocol.sealed_keys import RecordKey, Wrap, destroyed
from protocol.sealing import BOX_DIGEST_BYTES, KEY_ID_BYTES, WRAPPED_BYTES
from tests.store.shop import CHAIN, HUB_KEY, NOW_MS, Shop

S01, S02 = Location("S01"), Location("S02")


def key_of(number: int, version: int = 1, mark: bytes = b"w", box: bytes = b"x") -> RecordKey:
    """A record's key, as it could be."""
    wrap = Wrap(mark * KEY_ID_BYTES, mark * WRAPPED_BYTES)
    return RecordKey(OpId(number.to_bytes(16)), box * BOX_DIGEST_BYTES, version, (wrap,))


class TestSealedKeys:
    """Kept beside the ledger, so that they can be destroyed."""

    async def test_what_is_kept_is_told_to_whoever_asks_from_where_they_were(
        self, store: HubStore
    ) -> None:
        shop = await _open(store, "S01")
        await store.keep_keys(shop.node, b"", S01, [key_of(1), key_of(2)])
        first = await store.keys(S01, 0)
        assert (first.keys, first.more) == ((key_of(1), key_of(2)), False)
        await store.keep_keys(shop.node, b"", S01, [key_of(1, version=2)])
        then = await store.keys(S01, first.upto)
        assert then.keys == (key_of(1, version=2),)
        assert (await store.keys(S01, then.upto)).upto == then.upto
        assert (await store.keys(S02, 0)).keys == ()

    async def test_an_older_state_changes_nothing(self, store: HubStore) -> None:
        shop = await _open(store, "S01")
        await store.keep_keys(shop.node, b"", S01, [key_of(1, version=2)])
        upto = (await store.keys(S01, 0)).upto
        await store.keep_keys(shop.node, b"", S01, [key_of(1), key_of(1, version=2)])
        assert (await store.keys(S01, upto)).keys == ()

    async def test_what_was_destroyed_stays_destroyed(self, store: HubStore) -> None:
        shop = await _open(store, "S01")
        await store.keep_keys(shop.node, b"", S01, [key_of(1)])
        await store.keep_keys(shop.node, b"", S01, [destroyed(key_of(1).op_id)])
        await store.keep_keys(shop.node, b"", S01, [key_of(1, version=9)])
        assert (await store.keys(S01, 0)).keys == (destroyed(key_of(1).op_id),)

    async def test_what_two_nodes_sealed_under_one_id_has_two_keys(self, store: HubStore) -> None:
        shop = await _open(store, "S01")
        one, other = key_of(1, version=2), key_of(1, box=b"y")
        await store.keep_keys(shop.node, b"", S01, [one])
        await store.keep_keys(shop.node, b"", S01, [other])
        assert (await store.keys(S01, 0)).keys == (one, other)

    async def test_both_are_destroyed_together_and_whoever_has_read_them_hears_of_it(
        self, store: HubStore
    ) -> None:
        shop = await _open(store, "S01")
        one, other = key_of(1), key_of(1, box=b"y")
        await store.keep_keys(shop.node, b"", S01, [one, other])
        upto = (await store.keys(S01, 0)).upto
        gone = destroyed(one.op_id)
        await store.keep_keys(shop.node, b"", S01, [gone])
        told = await store.keys(S01, upto)
        assert (told.keys, told.upto > upto) == ((gone,), True)
        await store.keep_keys(shop.node, b"", S01, [one, key_of(1, version=9, box=b"z")])
        assert (await store.keys(S01, 0)).keys == (gone,)

    async def test_the_same_id_at_another_location_is_another_record(self, store: HubStore) -> None:
        shop = await _open(store, "S01")
        await store.keep_keys(shop.node, b"", S01, [key_of(1)])
        await store.keep_keys(shop.node, b"", S02, [destroyed(key_of(1).op_id)])
        assert (await store.keys(S01, 0)).keys == (key_of(1),)

    async def test_many_are_told_in_frames(self, store: HubStore) -> None:
        shop = await _open(store, "S01")
        everything = [key_of(number) for number in range(RECORD_KEYS_PER_FRAME_MAX + 5)]
        await store.keep_keys(shop.node, b"", S01, everything)
        first = await store.keys(S01, 0)
        rest = await store.keys(S01, first.upto)
        assert (first.more, rest.more) == (True, False)
        assert [*first.keys, *rest.keys] == everything

    async def test_who_seals_at_a_location_is_told_while_it_writes_there(
        self, store: HubStore
    ) -> None:
        shop, other = await _open(store, "S01"), await _open(store, "S02")
        assert (await store.keys(S01, 0)).sealers == ()
        await store.keep_keys(shop.node, b"a first key", S01, [])
        await store.keep_keys(shop.node, b"the newest key", S01, [])
        await store.keep_keys(other.node, b"another key", S02, [])
        certificate = (await shop.opens(store)).certificate
        assert (await store.keys(S01, 0)).sealers == ((certificate, b"the newest key"),)
        gone = Departure(CHAIN, shop.node, Reason.REVOKED, NOW_MS)
        known = KnownDeparture(shop.node, Reason.REVOKED, sign(gone, HUB_KEY))
        await store.keep_departures([known], NOW_MS)
        assert (await store.keys(S01, 0)).sealers == ()

    async def test_the_recovery_key_is_remembered(self, store: HubStore) -> None:
        before = await store.history()
        assert before.recovery == b""
        await store.keep_recovery_key(b"\x01" * 32)
        await store.keep_recovery_key(b"\x02" * 32)
        assert await store.history() == replace(before, recovery=b"\x02" * 32)


async def _open(store: HubStore, name: str) -> Shop:
    shop = Shop(name)
    await shop.opens(store)
    return shop
