"""Messages between locations, over a hub: stored while nobody is there, read, receipted; and those that are refused."""

from dataclasses import replace
from typing import Any

import pytest

from node.commands.requests import Authority, Caller, Person, Refusal
from node.replica.letters import LETTER
from node.sealing.letters import Writing
from protocol.access.table import PersonRole
from protocol.clock import Stamp
from protocol.effects import FieldEffect, Join
from protocol.ids import Location, OpId, Scope
from protocol.letters import COLLECTION, About, Letter, for_person, sign_letter
from protocol.limits import LETTER_CHARS_MAX
from protocol.operation import Operation
from protocol.wire import encode
from tests.node.reunion.here import Here, NodeHere, eventually
from tests.node.reunion.test_people import OPERATOR, PASSWORD, new, people_of
from tests.node.reunion.test_sealed import asks_now, heard_of, own_keys, with_recovery

S01, S02 = Location("S01"), Location("S02")
TEXT = "marked: have you any left?"


def somebody(name: str, role: PersonRole, location: str) -> Caller:
    who = Person(name, name, role, frozenset({location}))
    return Caller(name, Authority.PERSON, who)


ADA = somebody("ada", PersonRole.CLERK, "S01")
BOB = somebody("bob", PersonRole.PHARMACIST, "S02")
CID = somebody("cid", PersonRole.CASHIER, "S02")


async def sent(node: NodeHere, key: str = "k1", caller: Caller = ADA, **what: Any) -> OpId | str:
    """Send one; its id, or the code of the refusal."""
    writing = Writing(S01, S02, None, TEXT, None)
    try:
        answer = await node.node.letters.send(caller, replace(writing, **what), key)
    except Refusal as refusal:
        return refusal.code
    assert b"marked" not in answer.body
    return OpId(bytes.fromhex(answer.movement_id.replace("-", "")))


async def introduced(node: NodeHere, **what: Any) -> OpId:
    """The same, once the keys of the other location are known."""
    if (first := await sent(node, **what)) == "unavailable":
        await eventually(lambda: is_known(node), True)
        first = await sent(node, **what)
    assert isinstance(first, bytes), first
    return first


async def is_known(node: NodeHere) -> bool:
    return await sent(node, "try", caller=CID) == "forbidden"


async def texts(node: NodeHere, caller: Caller) -> list[object]:
    """What somebody is shown, the newest first."""
    items, _ = await node.node.letters.newest(caller, 100, None)
    return [item["text"] or item["problem"] for item in items]


async def one(node: NodeHere, caller: Caller, id_: OpId) -> dict[str, Any]:
    return await node.node.letters.one(caller, id_)


async def two_shops(here: Here) -> tuple[NodeHere, NodeHere]:
    shops = await here.node("S01"), await here.node("S02")
    await with_recovery(here, *shops)
    await asks_now(shops[1])
    await eventually(shops[1].is_settled, True)
    return shops


async def test_a_message_waits_for_its_reader_and_the_receipt_for_its_sender(here: Here) -> None:
    first, second = await two_shops(here)
    about = About("skus", "A1")
    id_ = await introduced(first, about=about)
    await eventually(first.is_settled, True)
    await second.stop()
    later = await sent(first, "k2", text="and another")  # nobody is there, and nothing is lost
    await eventually(first.is_settled, True)
    await first.stop()
    await second.start()
    await eventually(lambda: texts(second, BOB), ["and another", TEXT])
    shown = await one(second, BOB, id_)
    assert (shown["origin"], shown["to"], shown["by"], shown["node"]) == (
        "S01",
        "S02",
        "ada",
        "S01",
    )
    assert shown["about"] == {"collection": "skus", "id": "A1"}
    assert (await second.node.letters.note_read(BOB, id_))["receipts"][0]["by"] == "bob"
    assert len((await second.node.letters.note_read(BOB, id_))["receipts"]) == 1
    await eventually(second.is_settled, True)
    await first.start()
    await eventually(lambda: read_by(first, id_), ["bob"])
    assert await texts(first, ADA) == [TEXT, "and another"]
    assert isinstance(later, bytes)
    assert b"marked" not in b"".join(encode(frame) for frame in (*first.said, *second.heard))
    assert await first.problems() == await second.problems() == []


async def read_by(node: NodeHere, id_: OpId) -> list[str]:
    return [receipt["by"] for receipt in (await one(node, ADA, id_))["receipts"]]


async def test_a_message_to_a_role_is_for_those_and_for_its_senders(here: Here) -> None:
    first, second = await two_shops(here)
    id_ = await introduced(first, role="pharmacist")
    await eventually(lambda: texts(second, BOB), [TEXT])
    assert await texts(second, CID) == []
    assert await texts(first, ADA) == [TEXT]
    with pytest.raises(Refusal, match="not_found"):
        await one(second, CID, id_)
    for caller in (
        Caller("operator", Authority.OPERATOR),
        Caller("till-1", Authority.TILL),
    ):
        with pytest.raises(Refusal, match="forbidden"):
            await texts(second, caller)
    with pytest.raises(Refusal, match="forbidden"):
        await first.node.letters.note_read(ADA, id_)


async def test_a_message_to_one_person_is_for_them_at_their_location_and_the_receipt_for_its_writer(
    here: Here,
) -> None:
    first, second = await two_shops(here)
    bob, _ = await people_of(second).create(
        OPERATOR, new("bob", PersonRole.PHARMACIST, "S02"), PASSWORD
    )
    await eventually(lambda: _knows(first, bob), True)
    who = Person(bob, "bob", PersonRole.PHARMACIST, frozenset({"S02"}))
    reader = Caller("bob", Authority.PERSON, who)
    elsewhere = replace(reader, person=who._replace(locations=frozenset({"S01"})))
    beside = somebody("eve", PersonRole.CLERK, "S01")
    id_ = await introduced(first, role=for_person(bob))
    await eventually(lambda: texts(second, reader), [TEXT])
    assert await texts(second, BOB) == [], "another of that name is somebody else"
    assert await texts(second, CID) == []
    assert await texts(first, ADA) == [TEXT]
    assert await texts(first, beside) == await texts(first, elsewhere) == []
    with pytest.raises(Refusal, match="forbidden"):
        await first.node.letters.note_read(ADA, id_)
    await second.node.letters.note_read(reader, id_)
    await eventually(lambda: read_by(first, id_), ["bob"])
    assert await sent(first, "k2", role=for_person("nobody")) == "validation_failed"


async def _knows(node: NodeHere, user: str) -> bool:
    await node.node.people.look()
    return user in node.node.people.roster.users


async def test_a_repeat_sends_nothing_and_another_text_under_its_key_is_refused(here: Here) -> None:
    first, second = await two_shops(here)
    id_ = await introduced(first)
    assert await sent(first) == id_
    assert await sent(first, text="something else") == "idempotency_key_reused"
    assert await sent(first, "k2", origin=S02) == "forbidden"
    assert await sent(first, "k3", caller=BOB) == "forbidden"
    await eventually(lambda: texts(second, BOB), [TEXT])
    longest = "\U0001f9ea" * LETTER_CHARS_MAX
    assert isinstance(await sent(first, "k4", text=longest), bytes)
    await eventually(lambda: texts(second, BOB), [longest, TEXT])


async def test_s57_forged_moved_and_replayed_messages_are_shown_as_such(here: Here) -> None:
    first, second = await two_shops(here)
    true = await introduced(first)
    await eventually(lambda: texts(second, BOB), [TEXT])
    rows = await second.asks("SELECT shown FROM document WHERE collection = 'messages'")
    from node.replica.letters import unpack  # noqa: PLC0415 - of this one look
    from protocol.documents import fields_from_wire  # noqa: PLC0415

    value = fields_from_wire(unpack(bytes(rows[0][0])))[LETTER].value
    assert isinstance(value, bytes)
    # S02's node writes letters of others: a copy under another id, one in S01's name, and one of no form.
    letter = Letter(
        second.node._uplink.local.identity.chain,
        OpId(b"\x02" * 16),
        S01,
        S02,
        None,
        1,
        "ada",
        None,
        b"",
        (),
    )
    own = second.node._uplink.local.identity
    forged = sign_letter(
        letter._replace(wraps=_wraps()), own.certificate_bytes, second.node._uplink._key
    )
    for number, sent_again in ((1, value), (2, forged), (3, b"nothing")):
        await _plant(second, OpId(bytes([number]) * 16), sent_again)
    await eventually(lambda: _sorted(first, ADA), ["forged"] * 3 + [TEXT])
    assert await _sorted(second, BOB) == ["forged"] * 3 + [TEXT]
    shown = await one(first, ADA, OpId(b"\x02" * 16))
    assert (shown["origin"], shown["by"], shown["text"]) == (None, None, None)
    with pytest.raises(Refusal, match="conflict"):
        await second.node.letters.note_read(BOB, OpId(b"\x01" * 16))
    assert (await one(first, ADA, true))["text"] == TEXT


async def _sorted(node: NodeHere, caller: Caller) -> list[str]:
    return sorted(map(str, await texts(node, caller)))


def _wraps() -> Any:
    from protocol.sealed_keys import Wrap  # noqa: PLC0415 - of this one forgery

    return (Wrap(b"i" * 8, b"w" * 112),)


async def _plant(node: NodeHere, id_: OpId, value: bytes) -> None:
    """Record a document of messages by hand, as a rogue node would."""
    from node.commands.entering import enter  # noqa: PLC0415 - of this one forgery

    here = node.node._here()
    scopes = (Scope("mail:S01"), Scope("mail:S02"))
    stamp = Stamp(here.now_ms, 0, here.replica)
    effect = FieldEffect(COLLECTION, id_.hex(), LETTER, int(Join.LWW), 0, value, stamp, scopes)
    edit = Operation(id_, 1, 1, None, "eve", "eve", "edit", 1, (effect,), {})
    await node.node._write(lambda db: enter(db, here.replica, edit))


async def test_a_changed_key_still_opens_old_messages(here: Here) -> None:
    first, second = await two_shops(here)
    id_ = await introduced(first)
    await eventually(lambda: texts(second, BOB), [TEXT])
    await second.node.sealed.change_key()
    await asks_now(second)
    assert (await one(second, BOB, id_))["text"] == TEXT
    assert await own_keys(second) == 2, "a message is wrapped for the old one"


async def test_a_third_shop_has_none_of_it(here: Here) -> None:
    first, second = await two_shops(here)
    third = await here.node("S03")
    await introduced(first)
    await eventually(lambda: texts(second, BOB), [TEXT])
    await eventually(third.is_settled, True)
    assert await third.asks("SELECT * FROM document WHERE collection = 'messages'") == []


async def test_who_reads_one_at_two_nodes_of_a_shop_that_is_cut_off_makes_no_exception(
    here: Here,
) -> None:
    first, second = await two_shops(here)
    id_ = await introduced(first)
    standby = await here.node("S02b", writes=("S02",))
    nodes = (first, second, standby)
    for node in nodes:
        await eventually(node.is_settled, True)
    await eventually(lambda: texts(second, BOB), [TEXT])
    await eventually(lambda: count_of(standby), 1)
    await here.hub.stop()
    for node in (second, standby):
        assert len((await node.node.letters.note_read(BOB, id_))["receipts"]) == 1
    await here.hub.start()
    for node in nodes:
        await eventually(node.is_settled, True)
    await eventually(lambda: read_by(first, id_), ["bob"])
    for node in nodes:
        assert await node.asks("SELECT code FROM quarantined") == []


async def count_of(node: NodeHere) -> int:
    """How many letters there are."""
    sql = "SELECT count(*) FROM document WHERE collection = 'messages'"
    return int((await node.asks(sql))[0][0])


async def test_what_is_sent_at_two_nodes_of_a_shop_that_is_cut_off_is_one_message_and_no_exception(
    here: Here,
) -> None:
    first, second, standby = await shops_and_standby(here)
    nodes = (first, second, standby)
    await here.hub.stop()
    id_ = await sent(first)
    assert isinstance(id_, bytes)
    assert await sent(standby) == id_
    await here.hub.start()
    for node in nodes:
        await eventually(node.is_settled, True)
    for node, who in ((first, ADA), (second, BOB), (standby, ADA)):
        await eventually(lambda node=node, who=who: texts(node, who), [TEXT, TEXT, TEXT])  # type: ignore[misc]
    await second.node.letters.note_read(BOB, id_)
    for node in (first, standby):
        await eventually(lambda node=node: read_by(node, id_), ["bob"])  # type: ignore[misc]
    for node in nodes:
        assert await node.asks("SELECT code FROM quarantined") == []


async def test_a_message_that_was_read_and_is_sent_again_at_another_node_is_read_again(
    here: Here,
) -> None:
    first, second, standby = await shops_and_standby(here)
    nodes = (first, second, standby)
    id_ = await sent(first)
    assert isinstance(id_, bytes)
    for node in nodes:
        await eventually(lambda node=node: count_of(node), 3)  # type: ignore[misc]
    await second.node.letters.note_read(BOB, id_)
    await eventually(lambda: read_by(standby, id_), ["bob"])
    assert await sent(standby) == id_
    await eventually(lambda: read_by(first, id_), [])  # the receipt is of the letter as it was
    await eventually(lambda: read_by(standby, id_), [])
    await eventually(lambda: sender(second, id_), "S01b")
    await second.node.letters.note_read(BOB, id_)
    for node in (first, standby):
        await eventually(lambda node=node: read_by(node, id_), ["bob"])  # type: ignore[misc]
    for node in nodes:
        await eventually(node.is_settled, True)
        assert await node.asks("SELECT code FROM quarantined") == []


async def shops_and_standby(here: Here) -> tuple[NodeHere, NodeHere, NodeHere]:
    """Two shops, and another node of the first; one message of each of its nodes was sent."""
    first, second = await two_shops(here)
    standby = await here.node("S01b", writes=("S01",))
    nodes = (first, second, standby)
    await with_recovery(here, *nodes)
    for node in (first, standby):
        await asks_now(node)  # and hears whom else of its shop to seal for
        await eventually(lambda node=node: heard_of(node), 2)  # type: ignore[misc]
    await introduced(first, key="of the first")
    await introduced(standby, key="of the standby")
    for node in nodes:
        await eventually(lambda node=node: count_of(node), 2)  # type: ignore[misc]
        await eventually(node.is_settled, True)
    return nodes


async def sender(node: NodeHere, id_: OpId) -> str:
    """Which node signed it."""
    return str((await one(node, BOB, id_))["node"])
