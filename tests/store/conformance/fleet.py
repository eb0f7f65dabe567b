"""Sessions that open, codes that become nodes, rights that change."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

import pytest

from hub.store.fleet import Access, NewCode, Redemption
from hub.store.interface import HubStore, Refused
from protocol.certificate import Certificate, Role, issue, verify
from protocol.errors import Code
from protocol.ids import Location, NodeId
from tests.store.reading import totals
from tests.store.shop import (
    CHAIN,
    EPOCH,
    HUB_KEY,
    NOW_MS,
    Shop,
    counted,
    name_bytes,
)


class TestOpening:
    """Opening a session registers, fences and mints in one transaction."""

    async def test_an_unknown_replica_begins_at_nothing(self, store: HubStore) -> None:
        shop = Shop("S01")
        assert (await store.standing(shop.replica, [])).owner is None
        opened = await shop.opens(store)
        assert (opened.acked, opened.epoch, opened.writes_in) == (0, EPOCH, ())
        assert (await store.standing(shop.replica, [])).owner == shop.node

    async def test_it_says_where_the_replica_wrote(self, store: HubStore) -> None:
        shop = Shop("S01", writes=("S01", "S02"))
        await shop.opens(store)
        shop.records(counted("S02", "apple", 1))
        outcome = await shop.pushes(store)
        opened = await shop.opens(store, "later")
        assert (opened.acked, opened.chain) == (1, outcome.chain)
        assert opened.writes_in == ("stock:S02",)

    async def test_a_replica_belongs_to_one_node(self, store: HubStore) -> None:
        shop, thief = Shop("S01"), Shop("S02")
        await shop.opens(store)
        with pytest.raises(Refused) as refused:
            await store.open_session(replace(thief.opening(), replica=shop.replica))
        assert refused.value.code is Code.NEW_REPLICA_REQUIRED
        shop.sells("apple", 1)
        assert (await shop.pushes(store)).acked == 1

    async def test_an_epoch_is_minted_when_asked(self, store: HubStore) -> None:
        shop = Shop("S01")
        fresh = type(EPOCH)(bytes(16))
        opened = await store.open_session(shop.opening(new_epoch=fresh))
        assert opened.epoch == fresh == (await store.history()).epoch

    async def test_an_epoch_is_begun_once_when_two_sessions_ask(self, store: HubStore) -> None:
        """Both decided in the old one; the second finds that it is over and takes the new one."""
        first, second = Shop("S01"), Shop("S02")
        one, two = type(EPOCH)(bytes([1] * 16)), type(EPOCH)(bytes([2] * 16))
        assert (await store.open_session(first.opening(new_epoch=one))).epoch == one
        assert (await store.open_session(second.opening(new_epoch=two))).epoch == one
        later = second.opening(new_epoch=two, decided_in=one)
        assert (await store.open_session(later)).epoch == two

    async def test_a_forgotten_node_is_taken_at_its_certificate(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        record = await store.node(shop.node)
        assert record is not None
        assert (record.name, record.writes, record.serial) == ("S01", ("S01",), 1)
        assert verify(record.certificate, bytes(HUB_KEY.verify_key)) == shop.certificate

    async def test_a_forgotten_node_whose_name_was_given_again_is_kept_apart(
        self, store: HubStore
    ) -> None:
        await Shop("S01").opens(store)
        other = Shop("S01", incarnation=2)
        other.node = NodeId(name_bytes("another"))
        await other.opens(store)
        names = [record.name for record in await store.nodes()]
        assert names == ["S01", f"S01 {other.node.hex()[:8]}"]

    async def test_signs_of_life_are_kept(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        await store.note_seen(shop.node, 17, NOW_MS + 5)
        await store.note_seen(shop.node, None, NOW_MS + 9)
        record = await store.node(shop.node)
        assert record is not None
        assert (record.pending, record.last_seen_at_ms) == (17, NOW_MS + 9)


class TestEnrolling:
    """A code becomes one node, once; rights change and are never forgotten."""

    async def test_a_code_becomes_a_node(self, store: HubStore) -> None:
        await store.add_code(_code("S01", "S01"))
        redeemed = await store.redeem(_redemption("S01"))
        certificate = verify(redeemed.certificate, bytes(HUB_KEY.verify_key))
        assert (certificate.name, certificate.writes, certificate.serial) == ("S01", ("S01",), 1)
        record = await store.node(certificate.node)
        assert record is not None
        assert record.certificate == redeemed.certificate

    async def test_of_two_devices_that_race_one_wins(self, store: HubStore) -> None:
        await store.add_code(_code("S01", "S01"))
        outcomes = await asyncio.gather(
            *(store.redeem(_redemption("S01", f"device {each}")) for each in range(8)),
            return_exceptions=True,
        )
        refused = [each.code for each in outcomes if isinstance(each, Refused)]
        assert refused == [Code.CODE_USED] * 7
        assert len(await store.nodes()) == 1

    async def test_a_device_whose_answer_was_lost_gets_it_again(self, store: HubStore) -> None:
        await store.add_code(_code("S01", "S01"))
        first = await store.redeem(_redemption("S01"))
        again = await store.redeem(_redemption("S01"))
        assert again.certificate == first.certificate
        assert len(await store.nodes()) == 1

    async def test_a_stranger_learns_nothing_of_a_code(self, store: HubStore) -> None:
        await store.add_code(_code("S01", "S01"))
        unknown = await _refusal(store.redeem(_redemption("S99")))
        unproved = await _refusal(store.redeem(_redemption("S01", proves=False)))
        assert unknown is unproved is Code.CODE_UNKNOWN
        await store.redeem(_redemption("S01"))
        assert await _refusal(store.redeem(_redemption("S01", proves=False))) is unknown

    async def test_a_code_ends(self, store: HubStore) -> None:
        await store.add_code(_code("S01", "S01"))
        late = _redemption("S01", at=NOW_MS + 1000)
        assert await _refusal(store.redeem(late)) is Code.CODE_EXPIRED
        assert (await store.counts(NOW_MS)).codes_open == 1
        assert (await store.counts(NOW_MS + 1000)).codes_open == 0

    async def test_a_newer_code_voids_the_older_of_its_name(self, store: HubStore) -> None:
        await store.add_code(_code("S01", "S01"))
        await store.add_code(_code("S01", "S01", id=name_bytes("code", "new", length=5)))
        assert await _refusal(store.redeem(_redemption("S01"))) is Code.CODE_UNKNOWN

    async def test_a_name_is_given_once(self, store: HubStore) -> None:
        await store.add_code(_code("S01", "S01"))
        await store.redeem(_redemption("S01"))
        assert await _refusal(store.add_code(_code("S01", "S02"))) is Code.NAME_TAKEN

    async def test_a_second_writer_is_refused_when_the_code_is_made(self, store: HubStore) -> None:
        await store.add_code(_code("S01", "S01"))
        await store.redeem(_redemption("S01"))
        assert await _refusal(store.add_code(_code("spare", "S01"))) is Code.LOCATION_TAKEN

    async def test_a_second_writer_is_refused_when_it_joins(self, store: HubStore) -> None:
        await store.add_code(_code("S01", "S01"))
        await store.add_code(_code("spare", "S01"))
        await store.redeem(_redemption("S01"))
        attempt = store.redeem(_redemption("spare", "other"))
        assert await _refusal(attempt) is Code.LOCATION_TAKEN

    async def test_a_standby_writes_beside_the_first(self, store: HubStore) -> None:
        await store.add_code(_code("S01", "S01"))
        await store.redeem(_redemption("S01"))
        await store.add_code(_code("spare", "S01", standby=True))
        redeemed = await store.redeem(_redemption("spare", "other"))
        assert redeemed.reduced == ()
        assert [record.writes for record in await store.nodes()] == [("S01",), ("S01",)]

    async def test_a_replacement_takes_over_and_the_old_log_still_counts(
        self, store: HubStore
    ) -> None:
        old = Shop("S01", writes=("S01", "S02"))
        await old.opens(store)
        old.sells("apple", 2)
        await store.add_code(_code("spare", "S01", replaces="S01"))
        redeemed = await store.redeem(_redemption("spare", "other"))
        [grant] = redeemed.reduced
        reduced = verify(grant.certificate, bytes(HUB_KEY.verify_key))
        assert (reduced.name, reduced.writes, reduced.serial) == ("S01", ("S02",), NOW_MS)
        assert (await old.pushes(store)).quarantined == ()
        assert await totals(store, "S01") == {"apple": -2}

    async def test_replacing_nobody_is_refused(self, store: HubStore) -> None:
        attempt = store.add_code(_code("spare", "S01", replaces="S01"))
        assert await _refusal(attempt) is Code.NOT_FOUND

    async def test_access_changes_and_past_rights_still_count(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        shop.sells("apple", 1)
        grant = await store.change_access(_access("S01", ("S02",), ("S02", "S03")))
        certificate = verify(grant.certificate, bytes(HUB_KEY.verify_key))
        assert (certificate.writes, certificate.reads) == (("S02",), ("S02", "S03"))
        shop.records(counted("S02", "apple", -4))
        assert (await shop.pushes(store)).quarantined == ()
        assert await totals(store, "S01") == {"apple": -1}
        assert await totals(store, "S02") == {"apple": -4}

    async def test_access_to_what_another_writes_is_refused(self, store: HubStore) -> None:
        await Shop("S01").opens(store)
        await Shop("S02").opens(store)
        attempt = store.change_access(_access("S01", ("S01", "S02")))
        assert await _refusal(attempt) is Code.LOCATION_TAKEN
        assert await _refusal(store.change_access(_access("S09", ()))) is Code.NOT_FOUND

    async def test_a_newer_certificate_is_kept_when_an_older_one_is_shown(
        self, store: HubStore
    ) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        grant = await store.change_access(_access("S01", ("S01", "S02")))
        opened = await shop.opens(store, "later")
        assert opened.certificate == grant.certificate

    async def test_rights_taken_at_a_store_put_back_to_a_backup_stay_taken(
        self, store: HubStore
    ) -> None:
        """Before that they were changed more often than the backup knows; what was recorded under them counts."""
        shop = Shop("S01")
        await shop.opens(store)
        often = shop.certificate._replace(writes=("S01", "S02", "S03"), serial=40)
        shop.records(counted("S03", "apple", -4))
        grant = await store.change_access(_access("S01", ("S01",)))
        opening = replace(
            shop.opening("later"), certificate=often, certificate_bytes=issue(often, HUB_KEY)
        )
        assert (await store.open_session(opening)).certificate == grant.certificate
        record = await store.node(shop.node)
        assert record is not None
        assert record.writes == ("S01",)
        assert (await shop.pushes(store)).quarantined == ()
        assert await totals(store, "S03") == {"apple": -4}

    async def test_what_an_unknown_node_was_once_allowed_counts(self, store: HubStore) -> None:
        """The store was put back to a backup from before the node; its certificate says what it may no more."""
        shop = Shop("S01")
        shop.sells("apple", 2)
        reduced = shop.certificate._replace(
            writes=(Location("S02"),), serial=7, once=(Location("S01"),)
        )
        opening = replace(
            shop.opening("later"), certificate=reduced, certificate_bytes=issue(reduced, HUB_KEY)
        )
        await store.open_session(opening)
        record = await store.node(shop.node)
        assert record is not None
        assert record.writes == ("S02",)
        assert (await shop.pushes(store)).quarantined == ()
        assert await totals(store, "S01") == {"apple": -2}

    async def test_a_certificate_says_what_its_node_was_once_allowed(self, store: HubStore) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        await store.change_access(_access("S01", ("S02", "S03")))
        grant = await store.change_access(_access("S01", ("S03",)))
        assert set(verify(grant.certificate, bytes(HUB_KEY.verify_key)).once) == {"S01", "S02"}
        grant = await store.change_access(_access("S01", ("S01", "S03")))
        assert verify(grant.certificate, bytes(HUB_KEY.verify_key)).once == ("S02",)

    async def test_what_a_node_was_once_allowed_does_not_keep_out_what_it_may(
        self, store: HubStore
    ) -> None:
        shop = Shop("S01")
        await shop.opens(store)
        found = []
        for old in "ABCDE":
            many = tuple(f"{old}{number:03}" for number in range(300))
            grant = await store.change_access(_access("S01", many, ()))
            found.append(verify(grant.certificate, bytes(HUB_KEY.verify_key)))
            assert found[-1].writes == many
        assert {each[0] for each in found[-1].once} == {"D"}


def _code(name: str, *writes: str, **changes: object) -> NewCode:
    code = NewCode(
        name_bytes("code", name, length=5),
        name_bytes("secret", name, length=32),
        name,
        Role.STORE,
        tuple(map(Location, writes)),
        ("*",),
        None,
        False,
        NOW_MS + 1000,
        NOW_MS,
    )
    return replace(code, **changes)  # type: ignore[arg-type]


def _redemption(
    name: str, device: str = "device", *, proves: bool = True, at: int = NOW_MS
) -> Redemption:
    def issue_it(certificate: Certificate) -> bytes:
        return issue(certificate, HUB_KEY)

    return Redemption(
        name_bytes("code", name, length=5),
        NodeId(name_bytes(name, device)),
        name_bytes("public", device, length=32),
        "test 1",
        lambda digest: proves and digest == name_bytes("secret", name, length=32),
        issue_it,
        CHAIN,
        at,
    )


def _access(
    name: str, writes: tuple[str, ...] | None, reads: tuple[str, ...] | None = None
) -> Access:
    located = None if writes is None else tuple(map(Location, writes))
    return Access(name, located, reads, lambda each: issue(each, HUB_KEY), CHAIN, NOW_MS)


async def _refusal(attempt: Awaitable[object]) -> Code:
    with pytest.raises(Refused) as refused:
        await attempt
    return refused.value.code
