"""Batches: taken once and in their place; a bad operation is kept without effect; an id counts once."""

import asyncio
from dataclasses import replace

from hub.store.interface import (
    Change,
    Fenced,
    HubStore,
    SteppedBack,
)
from protocol.certificate import Role
from protocol.effects import Account
from protocol.errors import Code
from protocol.frames.log import Item
from protocol.ids import Seq
from protocol.limits import (
    INSIDE_REPLICAS_MAX,
    SCOPES_PER_DOCUMENT_MAX,
    TOTAL_MAX,
)
from protocol.wire import encode
from tests.store.conformance.needs import PlantTotal
from tests.store.reading import assert_digest_fits, fields, read_pages, totals
from tests.store.shop import (
    NOW_MS,
    Shop,
    committed,
    counted,
    edited,
)


class TestCommitting:
    """A batch is taken once, in its place, or not at all."""

    async def test_what_two_shops_sold_adds_up(self, store: HubStore) -> None:
        first, second = Shop("S01"), Shop("S02", writes=("S01",))
        for shop in (first, second):
            await shop.opens(store)
            shop.sells("apple", 2)
            shop.sells("pear", 1)
            outcome = await shop.pushes(store)
            assert (outcome.acked, outcome.quarantined) == (2, ())
        assert await totals(store, "S01") == {"apple": -4, "pear": -2}
        await assert_digest_fits(store, "stock:S01")

    async def test_lots_and_accounts_are_counters_of_their_own(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        shop.records(
            counted("S01", "pill", 5, lot="L1"),
            counted("S01", "pill", 7, lot="L2"),
            counted("S01", "pill", 9),
            counted("S01", "pill", 3, account=Account.RESERVED),
        )
        await shop.pushes(store)
        assert await totals(store, "S01") == {"pill/L1": 5, "pill/L2": 7, "pill": 9, "pill/1": 3}

    async def test_counters_are_found_again_whatever_their_codes_are(self, store: HubStore) -> None:
        codes = [
            'say "cheese"',
            "back\\slash",
            "[0]",
            "null",
            "0",
            "\u00e9t\u00e9",
            "\U0001f34e",
            "O'Neill",
        ]
        shop = Shop("S01")
        await shop.opens(store)
        for batch in (1, 2):
            for code in codes:
                shop.records(counted("S01", code, batch, lot=code), key=(code, batch))
            await shop.pushes(store)
        assert await totals(store, "S01") == {f"{code}/{code}": 3 for code in codes}
        await assert_digest_fits(store, "stock:S01")

    async def test_an_operation_may_name_one_counter_twice(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        shop.records(counted("S01", "apple", 5), counted("S01", "apple", -2))
        await shop.pushes(store)
        assert await totals(store, "S01") == {"apple": 3}

    async def test_a_repeated_batch_changes_nothing_and_says_where_the_hub_stands(
        self, store: HubStore
    ) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        shop.sells("apple", 2)
        push = shop.push()
        outcome = committed(await store.commit(push))
        before = await store.history()
        again = await store.commit(push)
        assert again == SteppedBack(Code.REWIND, outcome.acked, outcome.chain)
        assert await store.history() == before
        assert (await store.counts(NOW_MS)).ledger == 1

    async def test_a_batch_beyond_the_next_operation_is_a_gap(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        for _ in range(3):
            shop.sells("apple", 1)
        outcome = await shop.pushes(store, 1)
        shop.pushed = 2
        assert await store.commit(shop.push()) == SteppedBack(Code.GAP, Seq(1), outcome.chain)
        assert await totals(store, "S01") == {"apple": -1}

    async def test_a_batch_that_follows_another_history_is_a_fork(self, store: HubStore) -> None:
        shop, copy = Shop("S01"), Shop("S01")
        await shop.opens(store)
        copy.session = shop.session
        shop.sells("apple", 1)
        outcome = await shop.pushes(store)
        copy.sells("pear", 1)
        copy.sells("pear", 1)
        copy.pushed = 1
        assert await store.commit(copy.push()) == SteppedBack(Code.FORK, Seq(1), outcome.chain)
        assert await totals(store, "S01") == {"apple": -1}

    async def test_an_older_session_is_fenced(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store, "older")
        shop.sells("apple", 1)
        push = shop.push()
        await shop.opens(store, "newer")
        assert await store.commit(push) == Fenced()
        assert (await store.counts(NOW_MS)).ledger == 0

    async def test_a_replica_that_opened_no_session_is_fenced(self, store: HubStore) -> None:
        shop = Shop("S01")
        shop.sells("apple", 1)
        assert await store.commit(shop.push()) == Fenced()

    async def test_batches_submitted_together_are_taken_in_order(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        for _ in range(40):
            shop.sells("apple", 1)
        pushes = [shop.push(10) for _ in range(4)]
        outcomes = await asyncio.gather(*map(store.commit, pushes))
        assert [committed(outcome).acked for outcome in outcomes] == [10, 20, 30, 40]
        assert await totals(store, "S01") == {"apple": -40}

    async def test_listeners_hear_of_a_commit_that_is_readable(self, store: HubStore) -> None:
        heard: list[Change] = []
        store.listen(heard.append)
        shop = Shop("S01")
        await shop.opens(store)
        shop.sells("apple", 1)
        outcome = await shop.pushes(store)
        assert heard == [outcome.change]
        history = await store.history()
        assert heard[0].scopes == {"stock:S01": 1} == history.scopes
        assert heard[0].head == history.head


class TestQuarantine:
    """A bad operation is kept without effect and never blocks those behind it."""

    async def test_bytes_that_are_no_operation(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        shop.sells("apple", 1)
        shop.log.append(Item(b"\xc1 no operation", None))
        shop.sells("apple", 1)
        outcome = await shop.pushes(store)
        assert [(each.seq, each.code) for each in outcome.quarantined] == [(2, "undecodable")]
        assert await totals(store, "S01") == {"apple": -2}
        kept = await store.quarantine(0, 10)
        assert [(each.node, each.seq, each.body) for each in kept] == [
            ("S01", 2, b"\xc1 no operation")
        ]
        assert (await store.counts(NOW_MS)).quarantined == 1

    async def test_a_location_that_the_device_may_not_write(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        shop.records(counted("S01", "apple", -1), counted("S02", "apple", -1))
        shop.sells("apple", 1)
        outcome = await shop.pushes(store)
        assert [(each.seq, each.code) for each in outcome.quarantined] == [(1, "forbidden")]
        assert await totals(store, "S01") == {"apple": -1}
        assert await totals(store, "S02") == {}

    async def test_an_edit_that_pulls_a_foreign_document_into_the_own_scope(
        self, store: HubStore
    ) -> None:
        """Scopes only grow: naming one's own would be a way to read and write what is another shop's."""
        owner, thief = Shop("S01"), Shop("S02")
        for shop in (owner, thief):
            await shop.opens(store)
        owner.records(edited("secret", "patient", "known", at=10, scopes=["docs:S01"]), kind="edit")
        await owner.pushes(store)
        thief.records(edited("secret", "note", "mine", at=20, scopes=["docs:S02"]), kind="edit")
        thief.records(edited("other", "note", "mine", at=20, scopes=["docs:S02"]), kind="edit")
        outcome = await thief.pushes(store)
        assert [(each.seq, each.code) for each in outcome.quarantined] == [(1, "forbidden")]
        assert await fields(store, "docs:S02", "secret") == {}
        assert await fields(store, "docs:S02", "other") == {"note": "mine"}

    async def test_shipping_may_put_goods_in_transit_elsewhere(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        shop.records(
            counted("S01", "apple", -3),
            counted("S02", "apple", 3, account=Account.IN_TRANSIT),
            kind="move.transfer_ship",
        )
        assert (await shop.pushes(store)).quarantined == ()
        assert await totals(store, "S02") == {"apple/2": 3}

    async def test_a_total_beyond_what_every_reader_knows(
        self, store: HubStore, plant_total: PlantTotal
    ) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        shop.records(counted("S01", "sand", 1))
        await shop.pushes(store)
        await plant_total("sand", TOTAL_MAX - 1)
        shop.records(counted("S01", "sand", 1))
        shop.records(counted("S01", "apple", 1), counted("S01", "sand", 1))
        shop.records(counted("S01", "sand", -2))
        outcome = await shop.pushes(store)
        assert [(each.seq, each.code) for each in outcome.quarantined] == [(3, "out_of_range")]
        assert await totals(store, "S01") == {"sand": TOTAL_MAX - 2}

    async def test_an_id_whose_operation_did_not_fit_can_still_count(self, store: HubStore) -> None:
        office = Shop("office", role=Role.OFFICE)
        await office.opens(store)
        scopes = [f"docs:S{number:02}" for number in range(SCOPES_PER_DOCUMENT_MAX)]
        office.records(edited("D", "name", "one", at=1, scopes=scopes))
        office.records(edited("D", "name", "two", at=2, scopes=["catalogue"]), key="again")
        office.records(edited("D", "name", "three", at=3, scopes=scopes[:1]), key="again")
        outcome = await office.pushes(store)
        assert [(each.seq, each.code) for each in outcome.quarantined] == [(2, "out_of_range")]
        assert await fields(store, "docs:S00", "D") == {"name": "three"}

    async def test_a_scope_takes_no_more_writers_than_a_page_can_name(
        self, store: HubStore
    ) -> None:
        shops = [Shop(f"N{number}", writes=("S01",)) for number in range(INSIDE_REPLICAS_MAX + 1)]
        for shop in shops:
            shop.sells("apple", 1)
        for at in range(0, len(shops), 500):
            await asyncio.gather(*(shop.opens(store) for shop in shops[at : at + 500]))
            outcomes = [
                await outcome
                for outcome in [
                    asyncio.ensure_future(shop.pushes(store)) for shop in shops[at : at + 500]
                ]
            ]
        assert [each.code for each in outcomes[-1].quarantined] == ["out_of_range"]
        assert await totals(store, "S01") == {"apple": -INSIDE_REPLICAS_MAX}
        encode((await read_pages(store, "stock:S01"))[0])
        # A log that begins anew there is inside already, but no page could say so to its node.
        reborn = replace(shops[0], incarnation=2, pushed=0)
        await reborn.opens(store)
        assert [each.code for each in (await reborn.pushes(store)).quarantined] == ["out_of_range"]
        assert await totals(store, "S01") == {"apple": -INSIDE_REPLICAS_MAX}

    async def test_what_a_node_has_not_heard_of_is_told_in_order(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        for _ in range(3):
            shop.log.append(Item(b"", None))
            shop.sells("apple", 1)
        await shop.pushes(store)
        found = await store.quarantined_of(shop.replica, Seq(1), 10)
        assert [each.seq for each in found] == [3, 5]
        assert [each.seq for each in await store.quarantined_of(shop.replica, Seq(0), 1)] == [1]
