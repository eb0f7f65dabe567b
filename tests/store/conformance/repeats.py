"""One op_id of a home counts once, and readers learn that a repeat is inside."""

from collections.abc import Sequence
from dataclasses import replace

from hub.store.interface import (
    HubStore,
)
from protocol.certificate import Role
from protocol.ids import OpId
from tests.store.reading import read_pages, totals
from tests.store.shop import (
    Shop,
    counted,
    edited,
    name_bytes,
)


class TestRepeats:
    """One op_id of a home location counts once, whoever brings it and however often."""

    async def test_a_log_that_continues_under_a_new_replica_counts_once(
        self, store: HubStore
    ) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        shop.sells("apple", 2)
        await shop.pushes(store)
        reborn = replace(shop, incarnation=2, pushed=0)
        reborn.sells("apple", 1)
        await reborn.opens(store)
        outcome = await reborn.pushes(store)
        assert (outcome.acked, outcome.quarantined) == (2, ())
        assert await totals(store, "S01") == {"apple": -3}

    async def test_readers_learn_that_a_repeat_is_inside(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        shop.sells("apple", 2)
        await shop.pushes(store)
        reborn = replace(shop, incarnation=2, pushed=0)
        await reborn.opens(store)
        before = await store.history()
        outcome = await reborn.pushes(store)
        assert outcome.change is not None
        assert outcome.change.scopes == {"stock:S01": 1}
        assert outcome.change.head == before.head == (await store.history()).head
        [page] = await read_pages(store, "stock:S01", base=1)
        assert (page.rows, page.inside) == ((), {shop.replica: 1, reborn.replica: 1})

    async def test_the_same_id_with_other_effects_counts_once_and_is_reported(
        self, store: HubStore
    ) -> None:
        first, second = Shop("S01"), Shop("spare", writes=("S01",))
        await first.opens(store)
        await second.opens(store)
        first.sells("apple", 2, key="receipt 7")
        second.sells("apple", 3, key="receipt 7")
        await first.pushes(store)
        outcome = await second.pushes(store)
        assert [each.code for each in outcome.quarantined] == ["repeat_differs"]
        assert await totals(store, "S01") == {"apple": -2}
        assert [each.body for each in await store.quarantine(0, 10)] == [second.log[0].body]

    async def test_true_and_one_are_other_effects(self, store: HubStore) -> None:
        office = Shop("office", role=Role.OFFICE)
        await office.opens(store)
        office.records(edited("A", "sold", True, at=1), key="edit")
        office.records(edited("A", "sold", 1, at=1), key="edit")
        outcome = await office.pushes(store)
        assert [each.code for each in outcome.quarantined] == ["repeat_differs"]

    async def test_twice_in_one_batch_counts_once(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        shop.sells("apple", 2, key="receipt")
        shop.sells("apple", 2, key="receipt")
        shop.log.append(shop.log[0])
        outcome = await shop.pushes(store)
        assert (outcome.acked, outcome.quarantined) == (3, ())
        assert await totals(store, "S01") == {"apple": -2}

    async def test_the_same_id_at_another_home_counts_too(self, store: HubStore) -> None:
        first, second = Shop("S01"), Shop("S02")
        await first.opens(store)
        await second.opens(store)
        first.sells("apple", 2, key="receipt")
        second.sells("apple", 2, key="receipt")
        await first.pushes(store)
        assert (await second.pushes(store)).quarantined == ()
        assert await totals(store, "S01") == await totals(store, "S02") == {"apple": -2}

    async def test_what_was_forbidden_leaves_its_id_to_who_may(self, store: HubStore) -> None:
        rogue, shop = Shop("S02"), Shop("S01")
        await rogue.opens(store)
        await shop.opens(store)
        rogue.records(counted("S01", "apple", -9), key="receipt")
        await rogue.pushes(store)
        shop.sells("apple", 2, key="receipt")
        assert (await shop.pushes(store)).quarantined == ()
        assert await totals(store, "S01") == {"apple": -2}

    async def test_a_claim_tells_what_is_inside_of_what_may_be_known(self, store: HubStore) -> None:
        shop, stranger = Shop("S01"), Shop("S02")
        office = Shop("office", role=Role.OFFICE)
        for each in (shop, stranger, office):
            await each.opens(store)
        known = shop.sells("apple", 2).op_id
        await shop.pushes(store)
        asked = [OpId(name_bytes("never")), known]
        assert await _claimed(store, shop, asked) == [False, True]
        assert await _claimed(store, office, asked) == [False, True]
        assert await _claimed(store, stranger, asked) == [False, False]


async def _claimed(store: HubStore, shop: Shop, asked: Sequence[OpId]) -> list[bool]:
    claimed = await store.claim(shop.node, asked)
    assert claimed.at == (await store.history()).head.hub_seq
    return [claimed.is_inside(number) for number in range(len(asked))]
