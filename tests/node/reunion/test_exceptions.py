"""What people have to look at after nodes were cut off from each other: the same at every node that may know of it."""

from functools import partial
from typing import Any

import pytest

from node.commands.requests import Authority, Caller, Line, Movement, Refusal
from node.commands.stocktakes import Wish
from node.exceptions import ending, listed, watching
from node.exceptions.listed import ExceptionQuery
from protocol.certificate import Role
from protocol.ids import Location, Lot, Sku
from protocol.movements import MoveKind
from protocol.workflows.progress import LineKey
from protocol.workflows.stocktakes import Verb
from tests.node.reunion.here import Here, NodeHere, eventually, settled
from tests.node.reunion.node_here import TILL
from tests.node.reunion.test_documents import Desk

TEA, L1 = Sku("tea"), Lot("L1")
LINE = LineKey(TEA, Lot(""))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look as soon as something changed."""
    monkeypatch.setattr(watching, "INTERVAL_S", 0.02)


class Person:
    """An operator at one node."""

    def __init__(self, node: NodeHere) -> None:
        self.node = node
        self.desk = Desk(node)
        self._caller = Caller(f"operator of {node.certificate.name}", Authority.OPERATOR)
        self._keys = 0

    async def counts(self, id_: str, counted: int) -> None:
        """Count the tea of a stocktake."""
        await self.does(id_, Verb.COUNT, counted=counted)

    async def does(self, id_: str, verb: Verb, **others: Any) -> None:
        """Do something with a stocktake."""
        self._keys += 1
        line = LINE if verb in (Verb.COUNT, Verb.RECOUNT) else None
        wish = Wish(verb, line, **others)
        await self.node.node.stocktakes.act(self._caller, id_, wish, f"s{self._keys}")

    async def finalises(self, id_: str) -> None:
        """Review and end a stocktake."""
        await self.does(id_, Verb.SUBMIT)
        await self.does(id_, Verb.FINALISE, reason="counted")

    async def lists(self, *names: str, state: str = "open") -> set[tuple[object, ...]]:
        """Some members of what is in a state, or of everything."""
        asked = ExceptionQuery(state=state or None, limit=1_000)
        found, following = await self.node.node.exceptions.page(asked)
        assert following is None
        return {tuple(str(one[name]) for name in names) for one in found}

    async def only(self, code: str) -> dict[str, Any]:
        """The one that is open of a kind."""
        found, _ = await self.node.node.exceptions.page(ExceptionQuery(state="open"))
        (one,) = (one for one in found if one["code"] == code)
        return one

    async def row(self, id_: str) -> listed.Listed:
        """An exception as it is listed."""
        found = await self.node.node._store.read(partial(listed.one, id_=id_))
        assert found is not None
        return found

    async def knows_over(self, id_: str) -> bool:
        """Whether an exception is listed as ended."""
        return (await self.row(id_)).ended_ms is not None

    async def says_over(self, row: listed.Listed) -> None:
        """Say that what was said of it is over, as when it ends."""
        node = self.node.node
        await node._write(lambda db: ending.note_over(db, node._here(), row))

    async def resolves(self, id_: str, note: str) -> None:
        """Say what became of one."""
        self._keys += 1
        await self.node.node.exceptions.resolve(self._caller, id_, note, None, f"r{self._keys}")


WHOLE = ("id", "code", "state", "version", "sentence", "what_to_do", "quantity", "resolutions")
"""What is the same at every node; since when is each node's own."""


async def agree(people: list[Person], *names: str, expected: set[tuple[object, ...]]) -> None:
    """Wait until all list these, and until all of them agree in everything."""
    for one in people:
        await eventually(partial(one.lists, *names), expected)
    first = await people[0].lists(*WHOLE)
    for one in people[1:]:
        await eventually(partial(one.lists, *WHOLE), first)


async def two_tills_and_an_office(here: Here) -> list[Person]:
    """Two nodes of S01 and the office; ten tea on the shelf that the office has described."""
    nodes = [await here.node("S01"), await here.node("S01 again", writes=("S01",))]
    nodes.append(await here.node("office", role=Role.OFFICE))
    people = [Person(node) for node in nodes]
    await people[2].desk.creates("skus", id=TEA, name="Tea")
    await nodes[0].receives(TEA, 10, key="opening")
    await settled(*nodes)
    for node in nodes:
        await eventually(partial(node.shows, TEA, "S01"), 10)
    return people


async def test_a_sale_of_before_a_count_that_comes_after_it_is_listed_everywhere(
    here: Here,
) -> None:
    people = await two_tills_and_an_office(here)
    counter, other, office = people
    await here.hub.stop()
    await other.node.sells(TEA, 3, key="nobody knows")
    id_ = await counter.desk.creates("stocktakes", location="S01")
    await counter.counts(id_, 7)
    await counter.finalises(id_)
    await other.node.sells(TEA, 1, key="after the count")
    await here.hub.start()
    nodes = [one.node for one in people]
    await settled(*nodes)
    about = ("code", "location", "sku", "quantity", "document")
    late = ("late_movement", "S01", TEA, "-3", id_)
    await agree(people, *about, expected={late})
    for node in nodes:
        await eventually(partial(node.shows, TEA, "S01"), 3)
    found = await office.only("late_movement")
    assert "was counted as 7" in found["sentence"]
    assert "a delta of +3" in found["what_to_do"]

    await counter.node.adjusts(TEA, 3, key="back", location="S01")
    await counter.resolves(found["id"], "the sale was before the count: added back")
    await settled(*nodes)
    for one in people:
        await eventually(partial(one.lists, "id"), set())
        await eventually(partial(one.lists, "id", state="resolved"), {(found["id"],)})
    shown = await office.desk.reads("resolutions", found["id"])
    assert shown is not None
    (said,) = shown["said"].values()
    assert (said["by"], said["node"]) == ("operator of S01", "S01")
    for node in nodes:
        assert await node.problems() == []
        assert (await node.status())["quarantined"] == 0


async def test_a_count_that_knew_of_the_sale_leaves_nothing_to_look_at(here: Here) -> None:
    people = await two_tills_and_an_office(here)
    counter, other, _ = people
    nodes = [one.node for one in people]
    await other.node.sells(TEA, 3, key="known")
    await settled(*nodes)
    await eventually(partial(counter.node.shows, TEA, "S01"), 7)
    id_ = await counter.desk.creates("stocktakes", location="S01")
    await counter.counts(id_, 6)
    await counter.finalises(id_)
    await settled(*nodes)
    for node in (counter.node, other.node):
        await eventually(partial(_kinds, node), ["count", "receive", "sale"])
    for one in people:
        await one.node.node.exceptions.watching.look()
        assert await one.lists("code") == set()


async def test_a_late_sale_of_a_line_that_is_counted_again_is_not_listed(here: Here) -> None:
    people = await two_tills_and_an_office(here)
    counter, other, _ = people
    nodes = [one.node for one in people]
    await here.hub.stop()
    await other.node.sells(TEA, 3, key="nobody knows")
    id_ = await counter.desk.creates("stocktakes", location="S01")
    await counter.counts(id_, 7)
    await counter.does(id_, Verb.SUBMIT)
    await here.hub.start()
    await settled(*nodes)
    await eventually(partial(counter.node.shows, TEA, "S01"), 7)
    await eventually(partial(_kinds, counter.node), ["receive", "sale"])
    await counter.does(id_, Verb.RECOUNT)
    await counter.counts(id_, 7)
    await counter.does(id_, Verb.FINALISE, reason="counted")
    await settled(*nodes)
    waiting = "SELECT count(*) FROM late_movement"
    await eventually(partial(_number, counter.node, waiting), 0)
    for one in people:
        await eventually(partial(one.lists, "code"), set())
        await eventually(partial(one.node.shows, TEA, "S01"), 7)


async def test_a_stocktake_that_is_ended_here_and_cancelled_there_is_listed_at_both(
    here: Here,
) -> None:
    people = await two_tills_and_an_office(here)
    counter, other, _ = people
    nodes = [one.node for one in people]
    id_ = await counter.desk.creates("stocktakes", location="S01")
    await counter.counts(id_, 9)
    await settled(*nodes)
    await eventually(partial(other.desk.sees, "stocktakes", id_, "stage"), ("counting",))
    await here.hub.stop()
    await counter.finalises(id_)
    await other.does(id_, Verb.CANCEL)
    await here.hub.start()
    await settled(*nodes)
    await agree(
        people, "code", "document", "location", expected={("conflicting_status", id_, "S01")}
    )
    found = await other.only("conflicting_status")
    assert "cancelled, counting, finalised, review" in found["sentence"]


async def test_last_days_that_two_shops_gave_one_lot_apart_are_listed_until_the_office_decides(
    here: Here,
) -> None:
    nodes = [await here.node("S01"), await here.node("S02")]
    nodes.append(await here.node("office", role=Role.OFFICE))
    people = [Person(node) for node in nodes]
    first, second, office = people
    await office.desk.creates("skus", id=TEA, name="Tea", lot_tracked=True)
    await settled(*nodes)
    await here.hub.stop()
    for one, day in ((first, "2999-06-30"), (second, "2999-01-31")):
        line = Line(TEA, L1, delta=5, facts={"expiry": day})
        goods = Movement(MoveKind.RECEIVE, Location(one.node.certificate.name), (line,))
        await one.node.node.record(TILL, goods, "parcel")
    await here.hub.start()
    await settled(*nodes)
    await agree(people, "code", "sku", "lot", expected={("two_expiries", TEA, L1)})
    found = await office.only("two_expiries")
    assert "2999-01-31 and 2999-06-30; 2999-01-31 stands" in found["sentence"]
    with pytest.raises(Refusal, match="forbidden"):
        await first.resolves(found["id"], "I know better")
    await office.desk.changes("lots", f"{TEA}/{L1}", expiry="2999-06-30")
    await settled(*nodes)
    for one in people:
        await eventually(partial(one.lists, "code"), set())
        await eventually(partial(one.lists, "code", state="mended"), {("two_expiries",)})


async def test_two_who_resolve_one_thing_apart_agree_and_both_are_named(here: Here) -> None:
    people = await two_tills_and_an_office(here)
    counter, other, office = people
    nodes = [one.node for one in people]
    await counter.node.sells(TEA, 12, key="too many")
    await settled(*nodes)
    await agree(people, "code", "quantity", expected={("below_zero", "2")})
    found = await other.only("below_zero")
    await here.hub.stop()
    await counter.resolves(found["id"], "a delivery was not booked")
    await office.resolves(found["id"], "they will count on Monday")
    assert await other.lists("id") == {(found["id"],)}
    await here.hub.start()
    await settled(*nodes)
    for one in people:
        await eventually(partial(one.lists, "id"), set())
    shown = await other.desk.reads("resolutions", found["id"])
    assert shown is not None
    assert {said["by"] for said in shown["said"].values()} == {
        "operator of S01",
        "operator of office",
    }
    await other.node.sells(TEA, 1, key="one more")
    await settled(*nodes)
    await agree(people, "code", "quantity", expected={("below_zero", "3")})


async def test_what_another_node_of_the_shop_has_said_to_be_over_is_not_said_again(
    here: Here,
) -> None:
    people = await two_tills_and_an_office(here)
    counter, other, _ = people
    nodes = [one.node for one in people]
    await counter.node.sells(TEA, 12, key="too many")
    await settled(*nodes)
    await agree(people, "code", "quantity", expected={("below_zero", "2")})
    found = await other.only("below_zero")
    await other.resolves(found["id"], "a delivery was not booked")
    await settled(*nodes)
    listed_as = await other.row(found["id"])
    assert listed_as.resolved
    await counter.node.receives(TEA, 12, key="the delivery")
    await settled(*nodes)
    for one in people:
        await eventually(partial(one.knows_over, found["id"]), True)
    await settled(*nodes)
    everything = "SELECT count(*) FROM log"
    before = await _number(other.node, everything)
    # As if the mending had been looked at before the other's word on it: the list is behind what has come.
    await other.says_over(listed_as)
    assert await _number(other.node, everything) == before


async def test_a_shop_lists_its_own_shelves_and_not_its_neighbours(here: Here) -> None:
    nodes = [await here.node("S01"), await here.node("S02")]
    nodes.append(await here.node("office", role=Role.OFFICE))
    people = [Person(node) for node in nodes]
    await nodes[0].sells(TEA, 1, key="S01")
    await nodes[1].sells(TEA, 2, key="S02")
    await settled(*nodes)
    for one, places in zip(people, ({"S01"}, {"S02"}, {"S01", "S02"}), strict=True):
        expected = {(code, place) for place in places for code in ("below_zero", "unknown_sku")}
        await eventually(partial(one.lists, "code", "location"), expected)
    await people[2].desk.creates("skus", id=TEA, name="Tea")
    await settled(*nodes)
    for one, places in zip(people, ({"S01"}, {"S02"}, {"S01", "S02"}), strict=True):
        await eventually(
            partial(one.lists, "code", "location"), {("below_zero", place) for place in places}
        )


async def _kinds(node: NodeHere) -> list[str]:
    return sorted(await node.kinds())


async def _number(node: NodeHere, sql: str) -> int:
    found: int = (await node.asks(sql))[0][0]
    return found


async def test_what_is_resolved_at_two_nodes_of_a_shop_that_is_cut_off_is_said_twice_and_no_exception(
    here: Here,
) -> None:
    people = await two_tills_and_an_office(here)
    first, other, _ = people
    nodes = [one.node for one in people]
    await first.node.receives("unheard", 1, key="unheard")
    await agree(people, "code", expected={("unknown_sku",)})
    id_ = (await first.only("unknown_sku"))["id"]
    await settled(*nodes)
    await here.hub.stop()
    ada = Caller("ada", Authority.OPERATOR)
    for one in (first, other):
        await one.node.node.exceptions.resolve(ada, id_, "a sample", None, "one key")
    await here.hub.start()
    await settled(*nodes)
    for one in people:
        await eventually(partial(one.lists, "code", state=""), {("unknown_sku",)})
        await eventually(partial(one.lists, "id", state="resolved"), {(id_,)})
        assert await one.node.asks("SELECT code FROM quarantined") == []
        assert await one.node.problems() == []
    shown = await first.desk.reads("resolutions", id_)
    assert shown is not None
    assert sorted(said["node"] for said in shown["said"].values()) == ["S01", "S01 again"]
