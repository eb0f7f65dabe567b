"""What a node is told after a loss and about history: of one state, in pieces, and complete."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.store.interface import HubStore
from protocol import digest
from protocol.certificate import Role
from protocol.digest import BUCKETS, bucket_of, from_bytes, row_hash
from protocol.frames.repair import LedgerItem
from protocol.ids import HubSeq, Location, ReplicaId, Scope
from protocol.limits import LEDGER_EXAMINED_MAX, PAGE_ROWS_MAX
from protocol.rows import Row
from protocol.wire import encode
from tests.store.conformance.needs import NewStore
from tests.store.reading import read_rows
from tests.store.shop import Shop, counted, edited, name_bytes, push_all

S01 = Scope("stock:S01")
NOBODY = ReplicaId(name_bytes("nobody"))


class TestQuestions:
    """Digests, buckets and their rows say the same as the pages."""

    async def test_the_buckets_of_a_scope_add_up_to_its_digest(self, store: HubStore) -> None:
        office = Shop("office", role=Role.OFFICE)
        await office.opens(store)
        for at in range(300):
            office.records(counted("S01", f"sku {at}", at))
            office.records(edited(f"D{at}", "name", at, at=1, scopes=("stock:S01",)))
        await push_all(office, store)
        [entry] = (await store.digests([S01])).entries
        answer = await store.buckets(S01)
        found = [from_bytes(answer.digests[16 * at : 16 * at + 16]) for at in range(BUCKETS)]
        rows = await read_rows(store, "stock:S01")
        assert found == [
            sum(row_hash(row) for row in rows if bucket_of(row.key) == at) % 2**128
            for at in range(BUCKETS)
        ]
        assert digest.Digest(len(rows), sum(found) % 2**128) == entry.digest
        assert entry.hub_seq == answer.at == rows[-1].hub_seq

    async def test_scopes_nobody_has_written_in_are_empty(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        shop.sells("apple", 1)
        await shop.pushes(store)
        nowhere = Scope("stock:nowhere")
        entries = (await store.digests([nowhere, S01])).entries
        assert [(each.scope, each.hub_seq, each.digest.rows) for each in entries] == [
            (nowhere, 0, 0),
            (S01, 1, 1),
        ]
        assert (await store.buckets(nowhere)).digests == bytes(BUCKETS * 16)
        page = await store.bucket_rows(nowhere, bytes(range(256)), HubSeq(0))
        assert (page.rows, page.more, page.to) == ((), False, 1)

    async def test_the_rows_of_some_buckets_come_whole_and_no_others(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        for at in range(3 * PAGE_ROWS_MAX):
            shop.sells(f"sku {at}", 1)
        await push_all(shop, store)
        buckets = bytes(range(0, 256, 2))
        rows, pages = await _bucket_rows(store, buckets)
        assert pages > 1
        everything = await read_rows(store, "stock:S01")
        assert rows == [row for row in everything if bucket_of(row.key) in buckets]

    async def test_a_page_of_buckets_looks_at_so_many_rows_and_no_more(
        self, store: HubStore
    ) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        for at in range(6_000):
            shop.sells(f"sku {at}", 1)
        await push_all(shop, store)
        page = await store.bucket_rows(S01, b"\x07", HubSeq(0))
        assert page.more
        assert page.rows
        assert page.to > page.rows[-1].hub_seq
        rows, _ = await _bucket_rows(store, b"\x07")
        assert rows == [
            row for row in await read_rows(store, "stock:S01") if bucket_of(row.key) == 7
        ]

    async def test_rows_that_move_while_they_are_fetched_come_at_their_latest(
        self, store: HubStore
    ) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        for at in range(PAGE_ROWS_MAX + 100):
            shop.sells(f"sku {at}", 1)
        await push_all(shop, store)
        first = await store.bucket_rows(S01, bytes(range(256)), HubSeq(0))
        assert first.more
        shop.sells("sku 0", 1)
        shop.sells(f"sku {PAGE_ROWS_MAX + 50}", 1)
        await push_all(shop, store)
        second = await store.bucket_rows(S01, bytes(range(256)), first.to)
        found = {row.key: row for row in (*first.rows, *second.rows)}
        assert set(found.values()) == set(await read_rows(store, "stock:S01"))


class TestHistory:
    """Operations of the other replicas of a location, each once, in the order of the ledger."""

    async def test_the_others_operations_at_a_location_come_in_their_order(
        self, store: HubStore
    ) -> None:
        shop, standby = Shop("S01"), Shop("S01b", writes=("S01",))
        office = Shop("office", role=Role.OFFICE)
        for each in (shop, standby, office):
            await each.opens(store)
        expected: list[bytes] = []
        for at in range(5):
            for each in (shop, standby, office):
                where = "S01" if each is not office or at % 2 else "S02"
                each.records(counted(where, "apple", 1))
                if each is not shop and where == "S01":
                    expected.append(each.log[-1].body)
                await each.pushes(store)
        items = await _history(store, shop.replica, limit=3)
        assert [item.body for item in items] == expected
        assert [item.position for item in items] == sorted(item.position for item in items)
        assert {item.replica for item in items} == {standby.replica, office.replica}

    async def test_repeats_and_what_has_no_effect_are_left_out(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        shop.sells("apple", 1, key="receipt")
        shop.records(counted("S02", "not mine", 1))
        await shop.pushes(store)
        again = Shop("S01", incarnation=2)
        await again.opens(store)
        again.sells("apple", 1, key="receipt")
        again.sells("apple", 2, key="another receipt")
        await again.pushes(store)
        items = await _history(store, NOBODY)
        assert [item.body for item in items] == [shop.log[0].body, again.log[1].body]
        assert [item.body for item in await _history(store, again.replica)] == [shop.log[0].body]
        assert [item.seq for item in await _history(store, shop.replica)] == [2]

    async def test_a_page_looks_at_so_many_operations_and_says_where_to_go_on(
        self, store: HubStore
    ) -> None:
        office = Shop("office", role=Role.OFFICE)
        await office.opens(store)
        for _ in range(LEDGER_EXAMINED_MAX + 10):
            office.records(counted("S02", "apple", 1))
        office.records(counted("S01", "apple", 1))
        office.records(counted("S02", "apple", 1))
        await push_all(office, store)
        page = await store.ledger(Location("S01"), NOBODY, 0, 100)
        assert (page.items, page.more, page.upto) == ((), True, LEDGER_EXAMINED_MAX)
        page = await store.ledger(Location("S01"), NOBODY, page.upto, 100)
        assert [item.position for item in page.items] == [LEDGER_EXAMINED_MAX + 11]
        assert (page.more, page.upto) == (False, LEDGER_EXAMINED_MAX + 12)

    async def test_a_page_fits_a_frame(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        for at in range(20):
            shop.records(*(counted("S01", f"sku {at} {line} {'x' * 40}", 1) for line in range(900)))
            await shop.pushes(store)
        page = await store.ledger(Location("S01"), NOBODY, 0, 1_000)
        assert page.more
        assert encode(page)
        assert len(await _history(store, NOBODY, limit=1_000)) == 20

    @given(data=st.data())
    @settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_whatever_others_record_in_between_comes_once(
        self, data: st.DataObject, new_store: NewStore
    ) -> None:
        asyncio.run(_read_while_writing(data, new_store))


async def _bucket_rows(store: HubStore, buckets: bytes) -> tuple[list[Row], int]:
    rows: list[Row] = []
    base, pages, more = HubSeq(0), 0, True
    while more:
        page = await store.bucket_rows(S01, buckets, base)
        assert (page.base, page.buckets) == (base, buckets)
        rows += page.rows
        base, more, pages = page.to, page.more, pages + 1
    return rows, pages


async def _history(store: HubStore, but: ReplicaId, limit: int = 2) -> list[LedgerItem]:
    items: list[LedgerItem] = []
    upto, more = 0, True
    while more:
        page = await store.ledger(Location("S01"), but, upto, limit)
        assert len(page.items) <= limit
        assert all(upto < item.position <= page.upto for item in page.items)
        items += page.items
        upto, more = page.upto, page.more
    return items


async def _read_while_writing(data: st.DataObject, new_store: NewStore) -> None:
    store = await new_store()
    try:
        shops = [Shop("S01"), Shop("b", writes=("S01",)), Shop("c", writes=("S01", "S02"))]
        for shop in shops:
            await shop.opens(store)
        found: list[bytes] = []
        upto, more = 0, True
        for _ in range(data.draw(st.integers(1, 15))):
            if data.draw(st.booleans()):
                shop = data.draw(st.sampled_from(shops))
                for _ in range(data.draw(st.integers(1, 3))):
                    place = data.draw(st.sampled_from(shop.writes))
                    shop.records(counted(place, "apple", 1))
                await shop.pushes(store)
            else:
                page = await store.ledger(Location("S01"), shops[0].replica, upto, 2)
                found += [item.body for item in page.items]
                upto = page.upto
        more = True
        while more:
            page = await store.ledger(Location("S01"), shops[0].replica, upto, 2)
            found += [item.body for item in page.items]
            upto, more = page.upto, page.more
        everything = await _history(store, shops[0].replica)
        assert found == [item.body for item in everything]
        expected = {
            item.body
            for shop in shops[1:]
            for item in shop.log
            if b"\xa3S01" in item.body  # the location of its one effect
        }
        assert set(found) == expected
    finally:
        await store.close()
