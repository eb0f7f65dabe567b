"""Nodes that leave, and backups that say what is stable."""

from collections.abc import Awaitable
from dataclasses import replace

import pytest

from hub.store.fleet import Access, NewCode, Redemption
from hub.store.interface import Fenced, HubStore, Refused
from hub.store.records import KnownDeparture, Retirement, VerifiedBackup
from protocol.certificate import Role, issue, verify
from protocol.departure import Departure, Reason, sign
from protocol.errors import Code
from protocol.ids import Epoch, Location, NodeId, ReplicaId, Salt, Seq
from tests.store.reading import totals
from tests.store.shop import CHAIN, HUB_KEY, NOW_MS, Shop, name_bytes


class TestLeaving:
    """A node that left has no rights and no session, also at a hub that had not heard of it."""

    async def test_a_revoked_node_is_fenced_while_a_batch_is_under_way(
        self, store: HubStore
    ) -> None:
        shop = await _open(store, "S01")
        shop.sells("apple", 1)
        await store.keep_departures([_departure(shop)], NOW_MS)
        assert isinstance(await store.commit(shop.push()), Fenced)
        assert await totals(store, "S01") == {}

    @pytest.mark.parametrize("reason", Reason)
    @pytest.mark.parametrize("known", [True, False])
    async def test_a_node_that_left_opens_no_session(
        self, store: HubStore, reason: Reason, known: bool
    ) -> None:
        shop = Shop("S01")
        if known:
            await shop.opens(store)
        await store.keep_departures([_departure(shop, reason)], NOW_MS)
        assert await _refusal(shop.opens(store)) is Code(reason.value)
        record = await store.node(shop.node)
        assert (record.status if record else None) == (reason.value if known else None)

    async def test_another_may_write_where_the_node_wrote(self, store: HubStore) -> None:
        shop = await _open(store, "S01")
        assert await _refusal(store.add_code(_code("spare"))) is Code.LOCATION_TAKEN
        await store.keep_departures([_departure(shop)], NOW_MS)
        await store.add_code(_code("spare"))

    async def test_a_code_for_the_name_of_a_forgotten_node_that_came_back_is_refused(
        self, store: HubStore
    ) -> None:
        await store.add_code(_code("S01", at="S09"))
        await _open(store, "S01")
        assert await _refusal(store.redeem(_redemption("S01"))) is Code.NAME_TAKEN

    async def test_departures_are_kept_and_the_newer_takes_the_older_ones_place(
        self, store: HubStore
    ) -> None:
        shop = Shop("S01")
        retired, revoked = _departure(shop, Reason.RETIRED), _departure(shop)
        await store.keep_departures([retired], NOW_MS)
        await store.keep_departures([revoked], NOW_MS)
        assert await store.departures() == {shop.node: revoked.record}

    async def test_a_retiring_node_delivers_what_it_recorded_before(self, store: HubStore) -> None:
        shop = await _open(store, "S01")
        shop.sells("apple", 2)
        grant = await store.retire(_retirement("S01"))
        certificate = verify(grant.certificate, bytes(HUB_KEY.verify_key))
        assert (certificate.node, certificate.writes) == (shop.node, ())
        opened = await shop.opens(store, "later")
        assert opened.is_retiring
        assert (await shop.pushes(store)).quarantined == ()
        assert await totals(store, "S01") == {"apple": -2}
        await store.add_code(_code("spare"))

    @pytest.mark.parametrize("ahead_ms", [0, 5])
    async def test_a_retiring_node_that_shows_newer_rights_to_write_is_reduced_again(
        self, store: HubStore, ahead_ms: int
    ) -> None:
        """The store was put back to a backup, and its clock too; what the node was allowed since counts."""
        shop = await _open(store, "S01")
        grant = await store.retire(_retirement("S01"))
        serial = verify(grant.certificate, bytes(HUB_KEY.verify_key)).serial + ahead_ms
        held = shop.certificate._replace(serial=serial, issued_at_ms=NOW_MS + 5)
        opening = replace(
            shop.opening("later"), certificate=held, certificate_bytes=issue(held, HUB_KEY)
        )
        opened = await store.open_session(opening)
        reduced = verify(opened.certificate, bytes(HUB_KEY.verify_key))
        assert (reduced.writes, reduced.serial, opened.is_retiring) == ((), serial + 1, True)
        shop.sells("apple", 2)
        assert (await shop.pushes(store)).quarantined == ()
        record = await store.node(shop.node)
        assert record is not None
        assert (record.writes, record.certificate) == ((), opened.certificate)
        older = await store.open_session(replace(opening, session=name_bytes("once more")))
        assert older.certificate == opened.certificate

    async def test_a_node_that_leaves_or_left_is_given_no_rights(self, store: HubStore) -> None:
        shop = await _open(store, "S01")
        await store.retire(_retirement("S01"))
        assert await _refusal(store.change_access(_access("S01"))) is Code.BAD_VALUE
        await store.keep_departures([_departure(shop)], NOW_MS)
        assert await _refusal(store.change_access(_access("S01"))) is Code.BAD_VALUE
        record = await store.node(shop.node)
        assert record is not None
        assert record.writes == ()

    async def test_retiring_twice_is_retiring_once(self, store: HubStore) -> None:
        await _open(store, "S01")
        grant = await store.retire(_retirement("S01"))
        assert await store.retire(_retirement("S01")) == grant
        record = await store.node(grant.node)
        assert record is not None
        assert (record.status, record.retiring_at_ms) == ("active", NOW_MS)

    async def test_a_node_that_left_or_is_unknown_cannot_be_retired(self, store: HubStore) -> None:
        assert await _refusal(store.retire(_retirement("S01"))) is Code.NOT_FOUND
        shop = await _open(store, "S01")
        await store.keep_departures([_departure(shop)], NOW_MS)
        assert await _refusal(store.retire(_retirement("S01"))) is Code.REVOKED

    async def test_it_is_known_how_far_a_replaced_log_came(self, store: HubStore) -> None:
        shop = await _open(store, "S01")
        shop.sells("apple", 1)
        shop.sells("apple", 1)
        await shop.pushes(store)
        await store.note_seen(shop.node, 3, NOW_MS + 5)
        await store.add_code(_code("spare", replaces="S01"))
        assert await store.replacements() == []
        await store.redeem(_redemption("spare"))
        [found] = await store.replacements()
        assert (found.name, found.replaced, found.joined_at_ms) == ("spare", "S01", NOW_MS)
        assert (found.acked, found.pending, found.last_seen_at_ms) == (2, 3, NOW_MS + 5)
        assert found.newest == shop.log[-1].body


class TestBackups:
    """Stable is what is inside both of the last two verified backups."""

    async def test_the_first_backup_makes_nothing_stable(self, store: HubStore) -> None:
        shop = await _open(store, "S01")
        await _sell(store, shop)
        await store.record_backup(await _backup(store, "one", {shop.replica: Seq(1)}))
        assert await store.stable() == {}
        assert [each.file for each in await store.backups(5)] == ["one"]

    async def test_a_second_makes_stable_what_was_inside_the_first(self, store: HubStore) -> None:
        shop = await _open(store, "S01")
        for number in range(1, 4):
            await _sell(store, shop)
            await store.record_backup(
                await _backup(store, str(number), {shop.replica: Seq(number)})
            )
        assert await store.stable() == {shop.replica: 2}
        assert [each.file for each in await store.backups(2)] == ["3", "2"]

    async def test_a_backup_that_is_noted_late_makes_nothing_stable_that_it_does_not_hold(
        self, store: HubStore
    ) -> None:
        shop = await _open(store, "S01")
        await _sell(store, shop)
        slow = await _backup(store, "slow", {shop.replica: Seq(1)})
        for number in (2, 3):
            await _sell(store, shop)
            await store.record_backup(
                await _backup(store, str(number), {shop.replica: Seq(number)})
            )
        await store.record_backup(slow)
        assert await store.stable() == {shop.replica: 1}

    async def test_a_backup_in_the_place_of_an_earlier_one_is_still_the_only_one(
        self, store: HubStore
    ) -> None:
        shop = await _open(store, "S01")
        for number in range(1, 4):
            await _sell(store, shop)
            await store.record_backup(await _backup(store, "a.db", {shop.replica: Seq(number)}))
        assert await store.stable() == {}
        assert [each.file for each in await store.backups(5)] == ["a.db"]

    async def test_a_backup_of_another_history_does_not_count(self, store: HubStore) -> None:
        shop = await _open(store, "S01")
        await _sell(store, shop)
        backup = await _backup(store, "one", {}, salt=Salt(b"8 others"))
        assert await _refusal(store.record_backup(backup)) is Code.BAD_VALUE
        assert await store.backups(5) == []

    async def test_more_than_is_here_is_never_called_stable(self, store: HubStore) -> None:
        shop = await _open(store, "S01")
        await _sell(store, shop)
        stranger = ReplicaId(name_bytes("stranger"))
        for name in ("one", "two"):
            positions = {shop.replica: Seq(9), stranger: Seq(9)}
            await store.record_backup(await _backup(store, name, positions))
        assert await store.stable() == {shop.replica: 1}

    async def test_a_history_that_begins_again_voids_open_codes(self, store: HubStore) -> None:
        await store.add_code(_code("S01"))
        await store.redeem(_redemption("S01"))
        await store.add_code(_code("S02", at="S02"))
        fresh = Epoch(name_bytes("fresh"))
        assert await store.begin_again(fresh) == 1
        assert (await store.history()).epoch == fresh
        assert await _refusal(store.redeem(_redemption("S02"))) is Code.CODE_UNKNOWN
        assert (await store.redeem(_redemption("S01"))).name == "S01"


async def _open(store: HubStore, name: str) -> Shop:
    shop = Shop(name)
    await shop.opens(store)
    return shop


async def _sell(store: HubStore, shop: Shop) -> None:
    shop.sells("apple", 1)
    await shop.pushes(store)


async def _backup(
    store: HubStore, file: str, positions: dict[ReplicaId, Seq], *, salt: Salt | None = None
) -> VerifiedBackup:
    head = (await store.history()).head
    return VerifiedBackup(file, NOW_MS, NOW_MS + 1, head.hub_seq, salt or head.salt, 1, positions)


def _departure(shop: Shop, reason: Reason = Reason.REVOKED) -> KnownDeparture:
    record = sign(Departure(CHAIN, shop.node, reason, NOW_MS), HUB_KEY)
    return KnownDeparture(shop.node, reason, record)


def _retirement(name: str) -> Retirement:
    return Retirement(name, lambda each: issue(each, HUB_KEY), CHAIN, NOW_MS)


def _access(name: str) -> Access:
    return Access(name, (Location("S01"),), None, lambda each: issue(each, HUB_KEY), CHAIN, NOW_MS)


def _code(name: str, *, at: str = "S01", replaces: str | None = None) -> NewCode:
    return NewCode(
        name_bytes("code", name, length=5),
        name_bytes("secret", name, length=32),
        name,
        Role.STORE,
        (Location(at),),
        ("*",),
        replaces,
        False,
        NOW_MS + 1000,
        NOW_MS,
    )


def _redemption(name: str) -> Redemption:
    return Redemption(
        name_bytes("code", name, length=5),
        NodeId(name_bytes("node of", name)),
        name_bytes("public", name, length=32),
        "test 1",
        lambda digest: digest == name_bytes("secret", name, length=32),
        lambda each: issue(each, HUB_KEY),
        CHAIN,
        NOW_MS,
    )


async def _refusal(attempt: Awaitable[object]) -> Code:
    with pytest.raises(Refused) as refused:
        await attempt
    return refused.value.code
