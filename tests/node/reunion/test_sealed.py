"""Sealed details between a hub and the nodes of a location: who opens them, what is erased, changed keys, lost machines."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from hub import sealed_records
from node.commands.requests import Authority, Caller, Line, Movement, Person, Refusal
from node.replica import sealed
from protocol.access.table import PersonRole
from protocol.codec import unpack
from protocol.frames.keys import Keys, KeysKept
from protocol.ids import Location, Lot, OpId, Sku
from protocol.movements import MoveKind
from protocol.sealed_keys import record_key_from_wire
from protocol.sealing import recovery_pair
from tests.node.reunion.here import Here, NodeHere, eventually

SECRET = b"\x51" * 32
RECOVERY = recovery_pair(SECRET)
PATIENT = {"patient": "marked-patient", "prescriber": "marked-prescriber"}
TILL = Caller("till-1", Authority.TILL)


def person(role: PersonRole, *locations: str) -> Caller:
    """Somebody signed on at the till."""
    who = Person("p1", "ada", role, frozenset(locations or ("S01",)))
    return Caller("till-1", Authority.TILL, who)


PHARMACIST = person(PersonRole.PHARMACIST)


async def with_recovery(here: Here, *nodes: NodeHere) -> None:
    """Have the chain's recovery key in every node's certificate."""
    for node in nodes:
        await eventually(node.is_settled, True)
    await here.hub.tell("recovery-key", public=RECOVERY.public.hex(), replaces=True)
    for node in nodes:
        await eventually(lambda node=node: knows(node), True)  # type: ignore[misc]
    await eventually(lambda: sealers(here), sum("S01" in node.certificate.writes for node in nodes))


async def sealers(here: Here) -> int:
    """How many nodes the hub says seal at S01."""
    return len((await here.hub.running.store.keys(Location("S01"), 0)).sealers)


async def knows(node: NodeHere) -> bool:
    return node.node._uplink.local.identity.certificate.recovery == RECOVERY.public


async def dispense(node: NodeHere, key: str, sealed: Mapping[str, Any] = PATIENT) -> OpId:
    """Dispense one, with something sealed; its id."""
    line = Line(Sku("pills"), Lot(""), delta=-1)
    movement = Movement(
        MoveKind.DISPENSE, Location("S01"), (line,), details={"sealed": dict(sealed), "open": "yes"}
    )
    answer = await node.node.record(TILL, movement, key)
    return OpId(bytes.fromhex(answer.movement_id.replace("-", "")))


async def opens(node: NodeHere, id_: OpId, caller: Caller = PHARMACIST) -> object:
    """What is in it, or the code of the refusal."""
    try:
        return (await node.node.sealed.open(caller, id_)).details
    except Refusal as refusal:
        return refusal.code


async def handed_in(node: NodeHere) -> bool:
    """Whether the hub keeps every key that this node holds."""
    return (await node.asks("SELECT count(*) FROM record_key WHERE untold = 1"))[0][0] == 0


async def asks_now(node: NodeHere) -> None:
    """Have the node ask the hub for keys in a session of its own, and not within a minute."""
    await node.stop()
    await node.start()


def recovered(here: Here) -> list[object]:
    """What the chain's recovery key opens of the hub's file."""
    lines = list(sealed_records.export(here.hub.path / "hub.db"))
    assert not [line for line in lines if "marked" in line]
    return [sealed_records.open_line(line, RECOVERY).details for line in lines]


async def test_what_a_shop_sealed_its_other_node_opens_and_the_recovery_key_too(
    here: Here,
) -> None:
    shop, standby = await here.node("S01"), await here.node("S01b", writes=("S01",))
    await with_recovery(here, shop, standby)
    id_ = await dispense(shop, "k1")
    assert await opens(shop, id_) == PATIENT
    await eventually(lambda: handed_in(shop), True)
    await asks_now(shop)  # hears that another node seals there, and wraps what it has for that one
    await eventually(lambda: readers(shop), {3})
    await asks_now(standby)
    await eventually(lambda: opens(standby, id_), PATIENT)
    assert await asyncio.to_thread(recovered, here) == [PATIENT]
    assert await shop.problems() == await standby.problems() == []


async def readers(node: NodeHere) -> set[int]:
    """For how many keys the records are wrapped."""
    rows = await node.asks("SELECT key FROM record_key")
    return {len(record_key_from_wire(unpack(bytes(key))).wraps or ()) for (key,) in rows}


async def test_another_shop_and_the_hub_hold_no_key_and_no_clear_text(here: Here) -> None:
    shop, other = await here.node("S01"), await here.node("S02")
    await with_recovery(here, shop, other)
    id_ = await dispense(shop, "k1")
    await eventually(lambda: handed_in(shop), True)
    await asks_now(other)
    await eventually(other.is_settled, True)
    assert await other.asks("SELECT * FROM record_key") == []
    assert await opens(other, id_) == "not_found"


async def test_nobody_opens_it_but_who_may_there_and_every_opening_is_noted(here: Here) -> None:
    shop = await here.node("S01")
    await with_recovery(here, shop)
    id_ = await dispense(shop, "k1")
    refused = {
        Caller("operator", Authority.OPERATOR): "forbidden",
        TILL: "forbidden",
        person(PersonRole.CASHIER): "forbidden",
        person(PersonRole.MANAGER): "forbidden",
        person(PersonRole.HQ_ADMIN): "forbidden",
        person(PersonRole.PHARMACIST, "S02"): "not_found",
    }
    for caller, code in refused.items():
        assert await opens(shop, id_, caller) == code
    assert await notes(shop) == []
    assert await opens(shop, id_) == PATIENT
    assert await opens(shop, id_) == PATIENT
    assert await notes(shop) == [("note.detail_opened", "ada")] * 2


async def notes(node: NodeHere) -> list[tuple[str, str]]:
    """What was noted of sealed details, in order, with who did it."""
    from protocol.operation import decode  # noqa: PLC0415 - of this one question

    bodies = [decode(bytes(body)) for (body,) in await node.asks("SELECT body FROM log")]
    kinds = {"note.detail_opened", "note.key_destroyed"}
    return [(each.kind, each.actor) for each in bodies if each.kind in kinds]


async def test_a_repeat_is_known_without_its_clear_text_and_another_body_is_refused(
    here: Here,
) -> None:
    shop = await here.node("S01")
    await with_recovery(here, shop)
    first = await dispense(shop, "k1")
    assert await dispense(shop, "k1") == first
    with pytest.raises(Refusal, match="idempotency_key_reused"):
        await dispense(shop, "k1", {"patient": "somebody else"})
    assert (await shop.asks("SELECT count(*) FROM record_key"))[0][0] == 1
    assert await opens(shop, first) == PATIENT


async def test_a_batch_seals_its_items_and_a_chain_without_a_recovery_key_refuses_them(
    here: Here,
) -> None:
    shop = await here.node("S01")
    line = Line(Sku("pills"), Lot(""), delta=-1)
    plain = Movement(MoveKind.DISPENSE, Location("S01"), (line,))
    sealed = Movement(
        MoveKind.DISPENSE, Location("S01"), (line,), details={"sealed": dict(PATIENT)}
    )
    before = await shop.node.record_batch(TILL, [("a", plain), ("b", sealed)])
    assert isinstance(before[1], Refusal)
    assert before[1].code == "sealing_unavailable"
    await with_recovery(here, shop)
    after = await shop.node.record_batch(TILL, [("a", plain), ("b", sealed)])
    assert not isinstance(after[1], Refusal)
    id_ = OpId(bytes.fromhex(after[1].movement_id.replace("-", "")))
    assert await opens(shop, id_) == PATIENT
    assert b"marked" not in after[1].body


async def test_what_was_erased_at_one_node_opens_nowhere_and_its_chain_is_whole(
    here: Here,
) -> None:
    shop, standby = await here.node("S01"), await here.node("S01b", writes=("S01",))
    await with_recovery(here, shop, standby)
    kept, id_ = await dispense(shop, "kept"), await dispense(shop, "k1")
    await eventually(lambda: handed_in(shop), True)
    await asks_now(shop)
    await eventually(lambda: readers(shop), {3})
    await asks_now(standby)
    await eventually(lambda: opens(standby, id_), PATIENT)
    with pytest.raises(Refusal, match="forbidden"):
        await standby.node.sealed.erase(person(PersonRole.CASHIER), id_)
    assert await standby.node.sealed.erase(PHARMACIST, id_)
    assert not await standby.node.sealed.erase(PHARMACIST, id_)
    assert await opens(standby, id_) == "sealed_erased"
    await eventually(lambda: handed_in(standby), True)
    await asks_now(shop)
    await eventually(lambda: opens(shop, id_), "sealed_erased")
    assert await asyncio.to_thread(recovered, here) == [PATIENT]  # of the one that was kept
    assert await opens(shop, kept) == PATIENT
    assert await shop.problems() == await standby.problems() == []
    assert len(await shop.listed()) == 2


async def test_a_hub_put_back_to_before_an_erasure_hears_of_it_again(here: Here) -> None:
    shop = await here.node("S01")
    await with_recovery(here, shop)
    id_ = await dispense(shop, "k1")
    await eventually(lambda: handed_in(shop), True)
    await here.hub.back_up("before")
    await shop.node.sealed.erase(PHARMACIST, id_)
    await eventually(lambda: handed_in(shop), True)
    await here.hub.put_back("before")
    await here.hub.begin_epoch()
    await eventually(lambda: destroyed_at(here), True)
    assert await opens(shop, id_) == "sealed_erased"


async def destroyed_at(here: Here) -> bool:
    keys = await here.hub.running.store.keys(Location("S01"), 0)
    return all(key.is_destroyed for key in keys.keys) and bool(keys.keys)


async def test_a_changed_key_opens_what_was_sealed_before_and_the_old_one_is_destroyed(
    here: Here,
) -> None:
    shop = await here.node("S01")
    await with_recovery(here, shop)
    ids = [await dispense(shop, f"k{number}") for number in range(45)]
    log = await shop.asks("SELECT chain FROM log ORDER BY seq")
    await eventually(lambda: handed_in(shop), True)
    done = await shop.node.sealed.change_key()
    assert (done.rewrapped, done.unopened) == (45, 0)
    await eventually(lambda: own_keys(shop), 1)
    assert await shop.asks("SELECT chain FROM log ORDER BY seq") == log
    await asks_now(shop)
    assert await opens(shop, ids[0]) == await opens(shop, ids[44]) == PATIENT
    assert await asyncio.to_thread(recovered, here) == [PATIENT] * 45


async def own_keys(node: NodeHere) -> int:
    return int((await node.asks("SELECT count(*) FROM own_sealing_key"))[0][0])


async def test_a_spare_opens_what_its_predecessor_sealed_once_it_was_given_the_recovery_key(
    here: Here,
) -> None:
    shop = await here.node("S01")
    await with_recovery(here, shop)
    id_ = await dispense(shop, "k1")
    await eventually(lambda: handed_in(shop), True)
    await shop.stop()
    await here.hub.tell("revoke", name="S01")
    spare = await here.node("S01b", writes=("S01",))
    await with_recovery(here, spare)
    await asks_now(spare)
    await eventually(lambda: readers(spare), {2})
    assert await opens(spare, id_) == "sealed_unreadable"
    done = await spare.node.sealed.recover(RECOVERY)
    assert (done.rewrapped, done.unopened) == (1, 0)
    assert await opens(spare, id_) == PATIENT


async def test_nothing_more_is_sealed_for_a_node_that_was_revoked(here: Here) -> None:
    shop, stolen = await here.node("S01"), await here.node("S01b", writes=("S01",))
    await with_recovery(here, shop, stolen)
    await asks_now(stolen)
    await eventually(stolen.is_settled, True)
    await asks_now(shop)
    await dispense(shop, "k1")
    await eventually(lambda: readers(shop), {3})
    await here.hub.tell("revoke", name="S01b")
    await asks_now(shop)
    await eventually(lambda: readers(shop), {2})
    await dispense(shop, "k2")
    assert await readers(shop) == {2}


async def test_a_node_whose_own_key_was_damaged_makes_another_and_reaches_the_hub(
    here: Here,
) -> None:
    shop = await here.node("S01")
    await with_recovery(here, shop)
    before = await dispense(shop, "before")
    await eventually(lambda: handed_in(shop), True)
    await shop.writes("UPDATE own_sealing_key SET wrapped = zeroblob(80)")
    await asks_now(shop)
    after = await dispense(shop, "after")
    await eventually(lambda: handed_in(shop), True)
    await eventually(shop.is_settled, True)
    assert await opens(shop, after) == PATIENT
    assert await opens(shop, before) == "sealed_unreadable"
    await shop.node.sealed.recover(RECOVERY)
    assert await opens(shop, before) == PATIENT


async def test_a_damaged_key_of_a_record_is_not_handed_in_again_and_again(here: Here) -> None:
    shop = await here.node("S01")
    await with_recovery(here, shop)
    await dispense(shop, "k1")
    await eventually(lambda: handed_in(shop), True)
    await asks_now(shop)  # and hears it from the hub, which will not tell it again
    await eventually(lambda: heard_upto(shop), 1)
    await shop.writes("UPDATE record_key SET key = x'00', untold = 1")
    await asks_now(shop)
    for number in range(5):
        await shop.sells("apple", 1, key=number)
        await eventually(shop.is_settled, True)
    empty = [each for each in shop.heard if isinstance(each, KeysKept) and not each.count]
    assert len(empty) == 1, "the word of the node's own key goes without any"
    await dispense(shop, "k2")

    async def untold() -> int:
        sql = "SELECT count(*) FROM record_key WHERE untold = 1"
        return int((await shop.asks(sql))[0][0])

    await eventually(untold, 1)
    assert len(await shop.problems()) == 1


async def test_two_changes_of_a_key_at_once_destroy_none_that_is_needed(here: Here) -> None:
    shop = await here.node("S01")
    await with_recovery(here, shop)
    id_ = await dispense(shop, "k1")
    await eventually(lambda: handed_in(shop), True)
    own = shop.node._uplink.own_keys
    newest = (await own.pairs())[0].public
    # What destroys the older ones had looked when this one was the newest.
    await own.change()
    assert await own.forget_older(newest) == 0
    assert await opens(shop, id_) == PATIENT
    await shop.node.sealed.change_key()
    await eventually(lambda: own_keys(shop), 1)
    assert await opens(shop, id_) == PATIENT


def suspicions(said: Sequence[Mapping[str, Any]]) -> list[tuple[object, object, object]]:
    """Where it was said that others seal than before: who came, and who left."""
    found = [each for each in said if "has changed" in each["event"]]
    return [(each["location"], each["came"], each["left"]) for each in found]


async def test_who_opens_what_is_sealed_is_told_when_it_changes_and_not_when_it_is_first_heard(
    here: Here,
) -> None:
    with capture_logs() as said:
        shop = await here.node("S01")
        await with_recovery(here, shop)
        await dispense(shop, "k1")
        await eventually(lambda: handed_in(shop), True)
        for _ in range(3):
            await asks_now(shop)
            await shop.hears(Keys)
        await eventually(lambda: heard_of(shop), 1)
        assert suspicions(said) == []
        await with_recovery(here, shop, await here.node("S01b", writes=("S01",)))
        await asks_now(shop)
        await eventually(lambda: heard_of(shop), 2)
        assert suspicions(said) == [("S01", ["S01b"], [])]


async def heard_upto(node: NodeHere) -> int:
    """How far the hub's keys of S01 were read."""
    found = await node.node._store.read(lambda db: sealed.place(db, Location("S01")))
    return found.upto


async def heard_of(node: NodeHere) -> int:
    """How many nodes the hub has said to seal at S01."""
    found = await node.node._store.read(lambda db: sealed.place(db, Location("S01")))
    return len(found.sealers)
