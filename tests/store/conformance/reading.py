"""Pages, salts, digests and documents, whenever they are read."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.store.interface import (
    HubStore,
)
from protocol.certificate import Role
from protocol.effects import CounterEffect, Join
from protocol.frames.log import Item
from protocol.ids import HubSeq, Scope
from protocol.limits import (
    PAGE_BYTES_MAX,
    PAGE_ROWS_MAX,
    STAMP_AHEAD_MS_MAX,
)
from protocol.operation import decode
from protocol.wire import encode
from tests.store.conformance.needs import NewStore
from tests.store.reading import assert_digest_fits, fields, read_pages, read_rows, totals
from tests.store.shop import (
    NOW_MS,
    Shop,
    counted,
    edited,
    push_all,
)


class TestReading:
    """Pages, salts and digests say the same as the rows, whenever they are read."""

    async def test_pages_of_many_rows_are_cut_and_complete(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        for at in range(PAGE_ROWS_MAX + 5):
            shop.sells(f"sku {at}", 1)
        await push_all(shop, store)
        first, second = await read_pages(store, "stock:S01")
        assert (len(first.rows), first.more, first.to) == (PAGE_ROWS_MAX, True, PAGE_ROWS_MAX)
        assert (len(second.rows), second.more) == (5, False)
        assert first.read_in == second.read_in == (PAGE_ROWS_MAX + 5, second.salt)
        assert second.head is None, "it is where the page ends"

    async def test_pages_of_large_rows_fit_a_frame(self, store: HubStore) -> None:
        office = Shop("office", role=Role.OFFICE)
        await office.opens(store)
        for at in range(30):
            office.records(edited(f"D{at}", "text", "x" * 16_000, at=1))
        await push_all(office, store)
        pages = await read_pages(store, "catalogue")
        assert len(pages) > 1
        assert all(len(encode(page)) < 2 * PAGE_BYTES_MAX for page in pages)
        assert sum(len(page.rows) for page in pages) == 30

    async def test_a_page_without_rows_reaches_the_head(self, store: HubStore) -> None:
        first, second = Shop("S01"), Shop("S02")
        for shop in (first, second):
            await shop.opens(store)
            shop.sells("apple", 1)
            await shop.pushes(store)
        page = await store.page(Scope("stock:S01"), HubSeq(1))
        history = await store.history()
        assert (page.rows, page.base, page.to, page.more) == ((), 1, 2, False)
        assert page.salt == history.head.salt

    async def test_rows_of_both_kinds_come_in_one_order(self, store: HubStore) -> None:
        office = Shop("office", role=Role.OFFICE)
        await office.opens(store)
        for at in range(4):
            office.records(counted("S01", f"sku {at}", 1))
            office.records(edited(f"D{at}", "name", at, at=1, scopes=("stock:S01",)))
            await office.pushes(store)
        rows = await read_rows(store, "stock:S01")
        assert [row.hub_seq for row in rows] == list(range(1, 9))
        await assert_digest_fits(store, "stock:S01")

    async def test_every_hub_seq_has_the_salt_of_its_commit(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        pushes = []
        for batch in range(3):
            for at in range(3):
                shop.sells(f"sku {batch} {at}", 1)
            pushes.append(shop.push())
            await store.commit(pushes[-1])
        cursors = [HubSeq(at) for at in range(11)]
        salts = (await store.standing(shop.replica, cursors)).salts
        assert salts[HubSeq(0)] == bytes(8)
        expected = {at + 1: pushes[at // 3].salt for at in range(9)}
        assert {at: salt for at, salt in salts.items() if at} == expected

    @given(data=st.data())
    @settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_reader_in_between_ends_with_the_final_rows(
        self, data: st.DataObject, new_store: NewStore
    ) -> None:
        asyncio.run(_read_while_writing(data, new_store))

    async def test_unknown_scopes_are_empty(self, store: HubStore) -> None:
        page = await store.page(Scope("stock:nowhere"), HubSeq(0))
        assert (page.rows, page.inside, page.more) == ((), {}, False)
        assert (await store.digest(Scope("stock:nowhere"))).digest == (0, 0)


class TestDocuments:
    """Fields join; documents grow into scopes and never leave one."""

    async def test_the_larger_stamp_wins_whoever_comes_last(self, store: HubStore) -> None:
        first, second = Shop("a", role=Role.OFFICE), Shop("b", role=Role.OFFICE)
        await first.opens(store)
        await second.opens(store)
        first.records(edited("A", "name", "newer", at=20), edited("A", "price", 5, at=1))
        second.records(edited("A", "name", "older", at=10, by="b"))
        await first.pushes(store)
        before = await store.history()
        await second.pushes(store)
        assert await fields(store, "catalogue", "A") == {"name": "newer", "price": 5}
        # The edit lost, so no row changed; but the second log is inside now.
        assert (await store.history()).head == before.head
        [page] = await read_pages(store, "catalogue")
        assert page.inside == {first.replica: 1, second.replica: 1}

    async def test_the_larger_rank_wins_over_a_larger_stamp(self, store: HubStore) -> None:
        office = Shop("office", role=Role.OFFICE)
        await office.opens(store)
        office.records(edited("T", "status", "received", at=1, join=Join.MAX, rank=3))
        office.records(edited("T", "status", "shipped", at=9, join=Join.MAX, rank=2))
        await office.pushes(store)
        assert await fields(store, "catalogue", "T") == {"status": "received"}

    async def test_a_clock_far_ahead_wins_for_ten_minutes_only(self, store: HubStore) -> None:
        office = Shop("office", role=Role.OFFICE)
        await office.opens(store)
        office.records(edited("A", "name", "from 2099", at=NOW_MS + 10**12))
        await office.pushes(store)
        office.records(edited("A", "name", "in time", at=NOW_MS + STAMP_AHEAD_MS_MAX + 1))
        office.now_ms = NOW_MS + STAMP_AHEAD_MS_MAX
        await office.pushes(store)
        assert await fields(store, "catalogue", "A") == {"name": "in time"}

    async def test_an_edit_pushed_again_is_clamped_as_when_it_was_first_accepted(
        self, store: HubStore
    ) -> None:
        office = Shop("office", role=Role.OFFICE)
        await office.opens(store)
        office.now_ms = NOW_MS + 10**9
        office.records(edited("A", "name", "from 2099", at=NOW_MS + 10**12))
        office.log[0] = Item(office.log[0].body, NOW_MS)
        office.records(edited("A", "name", "in time", at=NOW_MS + STAMP_AHEAD_MS_MAX + 1))
        await office.pushes(store)
        assert await fields(store, "catalogue", "A") == {"name": "in time"}

    async def test_a_document_grows_into_scopes(self, store: HubStore) -> None:
        office = Shop("office", role=Role.OFFICE)
        await office.opens(store)
        office.records(edited("T", "from", "S01", at=1, scopes=("docs:S01",)))
        await office.pushes(store)
        office.records(edited("T", "to", "S02", at=1, scopes=("docs:S02",)))
        await office.pushes(store)
        whole = {"from": "S01", "to": "S02"}
        assert await fields(store, "docs:S01", "T") == await fields(store, "docs:S02", "T") == whole
        for scope in ("docs:S01", "docs:S02"):
            await assert_digest_fits(store, scope)
            assert len(await read_rows(store, scope)) == 1

    async def test_a_document_too_large_for_a_page_is_kept_out(self, store: HubStore) -> None:
        office = Shop("office", role=Role.OFFICE)
        await office.opens(store)
        for at in range(14):
            office.records(edited("A", f"text {at}", "x" * 16_000, at=1))
        codes = [each.code for each in await push_all(office, store)]
        assert codes == ["out_of_range"] * len(codes)
        assert codes
        [page] = await read_pages(store, "catalogue")
        assert len(page.rows) == 1


async def _read_while_writing(data: st.DataObject, new_store: NewStore) -> None:
    """Two shops push and one reader reads pages in any order; then the reader catches up."""
    store = await new_store()
    try:
        shops = [Shop("S01"), Shop("S02", writes=("S01",))]
        for shop in shops:
            await shop.opens(store)
        held: dict[object, object] = {}
        cursor = HubSeq(0)
        for _ in range(data.draw(st.integers(1, 12))):
            if data.draw(st.booleans()):
                shop = data.draw(st.sampled_from(shops))
                for _ in range(data.draw(st.integers(1, 3))):
                    shop.sells(data.draw(st.sampled_from("abc")), data.draw(st.integers(0, 3)))
                await shop.pushes(store)
            else:
                cursor = await _read_some(store, cursor, held)
        await _read_some(store, cursor, held)
        final = {row.key: row for row in await read_rows(store, "stock:S01")}
        assert held == final
        folded: dict[str, int] = {}
        for shop in shops:
            for effects in map(_effects_of, shop.log):
                for effect in effects:
                    folded[effect.sku] = folded.get(effect.sku, 0) + effect.delta
        assert await totals(store, "S01") == folded
        await assert_digest_fits(store, "stock:S01")
        [page] = await read_pages(store, "stock:S01")
        assert page.inside == {shop.replica: shop.pushed for shop in shops if shop.pushed}
    finally:
        await store.close()


async def _read_some(store: HubStore, cursor: HubSeq, held: dict[object, object]) -> HubSeq:
    page = await store.page(Scope("stock:S01"), cursor)
    held.update({row.key: row for row in page.rows})
    return page.to


def _effects_of(item: Item) -> list[CounterEffect]:
    return [each for each in decode(item.body).effects if isinstance(each, CounterEffect)]
