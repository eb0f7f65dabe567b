"""Goods that go from one shop to another while neither hears of the other: nothing of them is ever nowhere."""

import json
from functools import partial
from typing import Any

from node.commands.courses import Goods, Request
from node.commands.requests import Authority, Caller
from protocol.certificate import Role
from protocol.declarations.paperwork import TRANSFERS
from protocol.ids import Lot, Sku
from tests.node.reunion.here import Here, NodeHere, eventually, settled

OPERATOR = Caller("operator", Authority.OPERATOR)
FIRST, SECOND = Caller("till-1", Authority.TILL), Caller("till-2", Authority.TILL)
TEA, RICE = Sku("tea"), Sku("rice")
LINES = [{"sku": "tea", "quantity": 10}, {"sku": "rice", "quantity": 4}]


class End:
    """One end of a transfer."""

    def __init__(self, node: NodeHere) -> None:
        self._node = node
        self._keys = 0

    async def drafts(self) -> str:
        """A transfer of 10 tea and 4 rice from S01 to S02."""
        asked = {"source": "S01", "destination": "S02", "lines": LINES}
        return (await self._node.node.documents.create(OPERATOR, TRANSFERS, asked, "draft")).id

    async def does(
        self, verb: str, id_: str, *lines: Goods, by: Caller = OPERATOR, **others: Any
    ) -> dict[str, Any]:
        """What is answered; without lines, for all that is left."""
        self._keys += 1
        request = Request(verb, lines or None, **others)
        written = await self._node.node.workflows.act_on_transfer(by, id_, request, f"{self._keys}")
        found: dict[str, Any] = json.loads(written.body)
        return found

    async def stage(self, id_: str) -> str | None:
        """Where it stands, as it is shown here; None where it is not known."""
        body = await self._node.node.documents.one(OPERATOR, TRANSFERS, id_)
        return None if body is None else json.loads(body)["stage"]

    async def stock(self, sku: str, location: str) -> tuple[int, int, int]:
        """On hand, reserved, in transit."""
        row = await self._node.node.reading.stock_row(location, sku)
        assert row is not None
        return row["on_hand"], row["reserved"], row["in_transit"]  # type: ignore[return-value]


async def the_shops(here: Here) -> tuple[list[NodeHere], list[End]]:
    """Sender and receiver, with 30 tea and 20 rice on the sender's shelf."""
    nodes = [await here.node("S01"), await here.node("S02")]
    for sku, quantity in ((TEA, 30), (RICE, 20)):
        await nodes[0].receives(sku, quantity, key=f"opening {sku}")
    await settled(*nodes)
    return nodes, [End(node) for node in nodes]


async def agree(ends: list[End], sku: str, location: str, expected: tuple[int, int, int]) -> None:
    """Wait until both ends show the same of a SKU."""
    for end in ends:
        await eventually(partial(end.stock, sku, location), expected)


async def test_what_is_shipped_and_received_while_cut_off_is_right_at_both_ends(
    here: Here,
) -> None:
    nodes, ends = await the_shops(here)
    sender, receiver = ends
    id_ = await sender.drafts()
    await sender.does("allocate", id_)
    await settled(*nodes)
    await eventually(partial(receiver.stage, id_), "allocated")
    await agree(ends, "tea", "S01", (30, 10, 0))
    await here.hub.stop()
    assert (await sender.does("ship", id_))["stage"] == "shipped"
    assert await sender.stock("tea", "S02") == (0, 0, 10)
    # The lorry is faster than the line: what is there counts, and is in transit less than nothing.
    received = await receiver.does(
        "receive", id_, Goods(TEA, 9), damaged=(Goods(RICE, 1),), by=FIRST
    )
    assert received["stage"] == "received"
    assert await receiver.stock("tea", "S02") == (9, 0, -9)
    await here.hub.start()
    await settled(*nodes)
    await agree(ends, "tea", "S01", (20, 0, 0))
    await agree(ends, "tea", "S02", (9, 0, 1))
    await agree(ends, "rice", "S02", (0, 0, 3))
    for end in ends:
        await eventually(partial(end.stage, id_), "partly_received")
    await receiver.does("receive", id_, Goods(RICE, 3))
    await receiver.does("close", id_)
    await settled(*nodes)
    await agree(ends, "tea", "S02", (9, 0, 0))
    await agree(ends, "rice", "S02", (3, 0, 0))
    for node, end in zip(nodes, ends, strict=True):
        await eventually(partial(end.stage, id_), "closed")
        assert await node.problems() == []


async def test_two_clerks_at_two_cut_off_tills_of_a_shop_count_one_parcel_once(
    here: Here,
) -> None:
    nodes, ends = await the_shops(here)
    nodes.append(await here.node("S02 again", writes=("S02",)))
    ends.append(End(nodes[-1]))
    sender, *clerks = ends
    id_ = await sender.drafts()
    await sender.does("ship", id_)
    await settled(*nodes)
    for clerk in clerks:
        await eventually(partial(clerk.stage, id_), "shipped")
    await here.hub.stop()
    first, second = clerks
    await first.does("receive", id_, Goods(TEA, 10), by=FIRST, parcel="P-1")
    both = (Goods(TEA, 10), Goods(RICE, 4))
    assert (await second.does("receive", id_, *both, by=SECOND, parcel="P-1"))["stage"] == (
        "received"
    )
    assert await first.stock("tea", "S02") == await second.stock("tea", "S02") == (10, 0, 0)
    await here.hub.start()
    await settled(*nodes)
    await agree(ends, "tea", "S02", (10, 0, 0))
    await agree(ends, "rice", "S02", (4, 0, 0))
    again = await first.does("receive", id_, *both, by=SECOND, parcel="P-1")
    assert [one["code"] for one in again["warnings"]] == ["already_scanned"] * 2
    for node, end in zip(nodes, ends, strict=True):
        await eventually(partial(end.stage, id_), "received")
        assert await node.problems() == []


async def test_what_the_office_cancels_while_it_is_shipped_has_been_shipped(here: Here) -> None:
    nodes, ends = await the_shops(here)
    nodes.append(await here.node("office", role=Role.OFFICE))
    sender, _, office = (*ends, End(nodes[-1]))
    id_ = await sender.drafts()
    await sender.does("allocate", id_)
    await settled(*nodes)
    await eventually(partial(office.stage, id_), "allocated")
    await here.hub.stop()
    await office.does("cancel", id_)
    await sender.does("ship", id_, Goods(TEA, 10, Lot("")))
    await here.hub.start()
    await settled(*nodes)
    for end in (*ends, office):
        await eventually(partial(end.stage, id_), "shipped")
        await eventually(partial(end.stock, "tea", "S01"), (20, 0, 0))
        await eventually(partial(end.stock, "tea", "S02"), (0, 0, 10))
    for node in nodes:
        assert await node.problems() == []
