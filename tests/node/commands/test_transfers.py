"""Transfers at one node: what each act records, who may do it, and what a parcel scanned twice comes to."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from node.commands import documents, movements, transfers
from node.commands.courses import Goods, Request
from node.commands.documents import Written
from node.commands.movements import Here
from node.commands.requests import Authority, Caller, Line, Movement, Refusal
from node.replica import log, verify
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.ids import Location, Lot, Sku
from protocol.limits import DELTA_MAX
from protocol.movements import MoveKind
from protocol.workflows.bookkeeping import parcel_event
from protocol.workflows.progress import Item, LineKey
from tests.node.chain import CHAIN, ME, certificate_of
from tests.node.commands.on_shelves import shown
from tests.node.replica.conftest import new_replica_database

TILL = Caller("till-1", Authority.TILL)
OTHER_TILL = Caller("till-2", Authority.TILL)
OPERATOR = Caller("operator", Authority.OPERATOR)
SENDER = Here(CHAIN, ME, certificate_of(writes=("S01",)), None, 1_700_000_000_000)
RECEIVER = replace(SENDER, certificate=certificate_of(writes=("S02",))._replace(name="S02"))
BOTH = replace(SENDER, certificate=certificate_of(writes=("S01", "S02"))._replace(name="both"))
OFFICE = replace(
    SENDER, certificate=certificate_of(writes=(), role=Role.OFFICE)._replace(name="office")
)
TEA, RICE = Sku("tea"), Sku("rice")


class Shops:
    """Two shops and an office that share one database, as if every line were up and fast."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self._keys = 0
        lines = [{"sku": "tea", "quantity": 10}, {"sku": "rice", "lot": "L1", "quantity": 5}]
        asked = {"source": "S01", "destination": "S02", "lines": lines}
        self.id = documents.create(
            db, SENDER, OPERATOR, COLLECTIONS["transfers"], asked, "draft"
        ).id
        for sku, lot, quantity in ((TEA, "", 30), (RICE, "L1", 20)):
            line = Line(sku, Lot(lot), quantity)
            move = Movement(MoveKind.OPENING, Location("S01"), (line,))
            movements.record(db, SENDER, TILL, move, f"opening {sku}")

    def does(
        self,
        verb: str,
        *lines: Goods,
        here: Here = SENDER,
        caller: Caller = OPERATOR,
        key: str = "",
        **others: Any,
    ) -> dict[str, Any]:
        """What is answered; without lines, for all that is left."""
        written = self.written(verb, *lines, here=here, caller=caller, key=key, **others)
        found: dict[str, Any] = json.loads(written.body)
        return found

    def written(
        self,
        verb: str,
        *lines: Goods,
        here: Here = SENDER,
        caller: Caller = OPERATOR,
        key: str = "",
        **others: Any,
    ) -> Written:
        """The same as bytes."""
        self._keys += 1
        request = Request(verb, lines or None, **others)
        return transfers.act(self.db, here, caller, self.id, request, key or f"key {self._keys}")

    def stock(self, sku: str, location: str) -> tuple[int, int, int]:
        """On hand, reserved, in transit."""
        return shown(self.db, sku, location)

    @property
    def recorded(self) -> int:
        """How many operations there are."""
        return log.head(self.db).seq


@pytest.fixture
def shops() -> Iterator[Shops]:
    """A draft from S01 to S02 of 10 tea and 5 rice of lot L1; 30 and 20 are on S01's shelf."""
    database = new_replica_database()
    found = Shops(database)
    yield found
    assert verify.problems(database) == []
    database.close()


def refused(code: str, fault: str | None = None, detail: str = "") -> Any:
    """The refusal that is expected."""
    return pytest.raises(
        Refusal, match=f"{code}: .*{detail}", check=lambda told: told.fault == fault
    )


def test_what_is_allocated_is_promised_until_it_leaves(shops: Shops) -> None:
    assert shops.does("allocate")["stage"] == "allocated"
    assert shops.stock("tea", "S01") == (30, 10, 0)
    assert shops.does("ship")["stage"] == "shipped"
    assert shops.stock("tea", "S01") == (20, 0, 0)
    assert shops.stock("tea", "S02") == (0, 0, 10)
    assert shops.stock("rice", "S02") == (0, 0, 5)


def test_a_plan_that_changes_changes_what_is_promised(shops: Shops) -> None:
    shops.does("allocate")
    shops.does("amend", plan=((LineKey(TEA, Lot("")), 4), (LineKey(RICE, Lot("L1")), 0)))
    assert shops.stock("tea", "S01") == (30, 4, 0)
    assert shops.stock("rice", "S01") == (20, 0, 0)
    shops.does("cancel")
    assert shops.stock("tea", "S01") == (30, 0, 0)


def test_goods_arrive_in_parts_and_the_rest_is_lost_when_it_is_closed(shops: Shops) -> None:
    shops.does("ship")
    partly = shops.does(
        "receive", Goods(TEA, 6), here=RECEIVER, damaged=(Goods(RICE, 1, Lot("L1")),)
    )
    assert partly["stage"] == "partly_received"
    assert shops.stock("tea", "S02") == (6, 0, 4)
    assert shops.stock("rice", "S02") == (0, 0, 4)
    shops.does("receive", Goods(RICE, 4, Lot("L1")), here=RECEIVER)
    assert shops.does("close", here=RECEIVER)["stage"] == "closed"
    assert shops.stock("tea", "S02") == (6, 0, 0)
    assert shops.stock("rice", "S02") == (4, 0, 0)
    shops.does("receive", Goods(TEA, 4), here=RECEIVER)
    assert shops.stock("tea", "S02") == (10, 0, 0), "it turned up after all"


def test_without_lines_all_that_is_left_is_meant(shops: Shops) -> None:
    shops.does("ship", Goods(TEA, 4))
    assert shops.does("receive", here=RECEIVER)["stage"] == "received"
    shops.does("ship")
    assert shops.stock("tea", "S01") == (20, 0, 0)
    broken = (Goods(TEA, 2),)
    shops.does("receive", here=RECEIVER, damaged=broken)
    assert shops.stock("tea", "S02") == (8, 0, 0)
    with refused("conflict", "nothing_to_do"):
        shops.does("receive", here=RECEIVER)


def test_what_is_called_back_returns_to_the_sender(shops: Shops) -> None:
    shops.does("ship")
    assert shops.does("call_back", here=OFFICE)["stage"] == "shipped"
    assert shops.does("turn_back", here=RECEIVER)["stage"] == "returning"
    assert (shops.stock("tea", "S02"), shops.stock("tea", "S01")) == ((0, 0, 0), (20, 0, 10))
    shops.does("receive_back", damaged=(Goods(RICE, 5, Lot("L1")),))
    assert (shops.stock("tea", "S01"), shops.stock("rice", "S01")) == ((30, 0, 0), (15, 0, 0))
    assert shops.does("close")["stage"] == "closed"


def test_an_event_typed_wrongly_is_taken_back_once(shops: Shops) -> None:
    shops.does("ship", Goods(TEA, 10))
    listed, _ = movements.movements.newest(
        shops.db, movements.movements.MovementQuery(reference=shops.id)
    )
    event = str(movements.answering.id_to_text(listed[0].operation.op_id))
    shops.does("reverse", event=event)
    assert (shops.stock("tea", "S01"), shops.stock("tea", "S02")) == ((30, 0, 0), (0, 0, 0))
    with refused("conflict", "nothing_to_do"):
        shops.does("reverse", event=event)


def test_two_clerks_who_scan_one_parcel_count_it_once(shops: Shops) -> None:
    shops.does("ship")
    scanned = (Goods(TEA, 10), Goods(RICE, 5, Lot("L1")))
    first = shops.does("receive", *scanned, here=RECEIVER, caller=TILL, parcel="P-1")
    assert {one["code"] for one in first["warnings"]} == {"unknown_sku"}
    assert shops.stock("tea", "S02") == (10, 0, 0)
    before = shops.recorded
    second = shops.does("receive", *scanned, here=RECEIVER, caller=OTHER_TILL, parcel="P-1")
    assert [one["code"] for one in second["warnings"]] == ["already_scanned"] * 2
    assert (shops.recorded, shops.stock("tea", "S02")) == (before, (10, 0, 0))
    third = shops.does(
        "receive", Goods(RICE, 4, Lot("L1")), here=RECEIVER, caller=OTHER_TILL, parcel="P-1"
    )
    assert [one["code"] for one in third["warnings"]] == ["scanned_otherwise"]
    broken = shops.does(
        "receive", here=RECEIVER, caller=TILL, parcel="P-1", damaged=(Goods(TEA, 10),)
    )
    assert [one["code"] for one in broken["warnings"]] == ["scanned_otherwise"]
    assert (shops.recorded, shops.stock("rice", "S02")) == (before, (5, 0, 0))


def test_what_only_the_second_clerk_scanned_of_a_parcel_counts_too(shops: Shops) -> None:
    shops.does("ship")
    shops.does("receive", Goods(TEA, 10), here=RECEIVER, parcel="P-1")
    shops.does("receive", Goods(TEA, 10), Goods(RICE, 5, Lot("L1")), here=RECEIVER, parcel="P-1")
    assert shops.stock("tea", "S02") == (10, 0, 0)
    assert shops.stock("rice", "S02") == (5, 0, 0)


@pytest.mark.parametrize(("sender", "receiver"), [(SENDER, RECEIVER), (BOTH, BOTH)])
def test_a_parcel_is_taken_back_as_received_after_it_was_taken_back_as_sent(
    shops: Shops, sender: Here, receiver: Here
) -> None:
    event = parcel_event("P-1", Item(TEA))
    shops.does("ship", Goods(TEA, 10), here=sender, parcel="P-1")
    shops.does("reverse", here=sender, event=event)
    shops.does("receive", Goods(TEA, 10), here=receiver, parcel="P-1")
    assert shops.stock("tea", "S02") == (10, 0, -10)
    shops.does("reverse", here=receiver, event=event)
    assert (shops.stock("tea", "S01"), shops.stock("tea", "S02")) == ((30, 0, 0), (0, 0, 0))
    with refused("conflict", "nothing_to_do"):
        shops.does("reverse", here=sender, event=event)


def test_who_writes_both_ends_takes_a_parcel_back_at_both_at_once(shops: Shops) -> None:
    shops.does("ship", Goods(TEA, 10), here=BOTH, parcel="P-1")
    shops.does("receive", here=BOTH, damaged=(Goods(TEA, 10),), parcel="P-1")
    shops.does("reverse", here=BOTH, event=parcel_event("P-1", Item(TEA)))
    assert (shops.stock("tea", "S01"), shops.stock("tea", "S02")) == ((30, 0, 0), (0, 0, 0))


def test_a_movement_of_a_transfer_says_so_and_is_taken_back_there_alone(shops: Shops) -> None:
    shops.does("allocate")
    shops.does("ship", Goods(TEA, 10))
    listed, _ = movements.movements.newest(
        shops.db, movements.movements.MovementQuery(reference=shops.id)
    )
    shown = [movements.answering.movement_json(one) for one in listed]
    assert [one["kind"] for one in shown] == ["release", "transfer_ship", "reserve"]
    release, ship, _ = shown
    document = {"collection": "transfers", "id": shops.id, "action": "ship"}
    event = listed[1].operation.op_id.hex()
    assert (ship["location"], ship["document"]) == ("S01", {**document, "event": event})
    assert release["document"] == {**document, "event": None}
    assert ship["lines"] == [{"sku": "tea", "lot": None, "delta": -10}]
    there = {"location": "S02", "sku": "tea", "lot": None, "account": "in_transit", "delta": 10}
    assert ship["accounts"] == [there]
    assert (release["location"], release["lines"]) == ("S01", [])
    with refused("conflict", None, "take it back there"):
        movements.reverse(shops.db, SENDER, TILL, listed[1].operation.op_id, "by hand")


def test_a_repeated_key_answers_the_same_bytes_and_records_nothing(shops: Shops) -> None:
    first = shops.written("ship", key="once")
    before = shops.recorded
    shops.does("receive", here=RECEIVER)
    after = shops.recorded
    assert shops.written("ship", key="once") == replace(first, replayed=True)
    assert (before < after, shops.recorded) == (True, after)
    with refused("idempotency_key_reused"):
        shops.does("ship", Goods(TEA, 1), key="once")


def test_each_end_does_its_own_part_and_a_till_moves_goods_only(shops: Shops) -> None:
    for verb, here in (("ship", RECEIVER), ("receive", SENDER), ("allocate", RECEIVER)):
        with refused("forbidden", "wrong_party"):
            shops.does(verb, here=here)
    for verb in ("allocate", "cancel", "close", "call_back", "amend"):
        with refused("forbidden", None, "a till"):
            shops.does(verb, caller=TILL)
    shops.does("ship", caller=TILL)


def test_what_the_stage_does_not_allow_is_refused_and_recorded_nowhere(shops: Shops) -> None:
    for verb, here in (("close", RECEIVER), ("turn_back", RECEIVER), ("receive_back", SENDER)):
        with refused("conflict", "wrong_stage"):
            shops.does(verb, Goods(TEA, 1), here=here)
    shops.does("ship")
    before = shops.recorded
    with refused("conflict", "wrong_stage"):
        shops.does("cancel")
    with refused("validation_failed", "bad_quantity"):
        shops.does("turn_back", Goods(TEA, 11), here=RECEIVER)
    with refused("validation_failed", "bad_quantity"):
        shops.does("receive", Goods(TEA, DELTA_MAX), Goods(TEA, 1), here=RECEIVER)
    assert shops.recorded == before


def test_a_shop_that_refuses_to_go_below_zero_does_not_ship_what_is_not_there(
    shops: Shops,
) -> None:
    policy = {"id": "S01", "name": "One", "negative_stock": "refuse"}
    documents.create(shops.db, OFFICE, OPERATOR, COLLECTIONS["locations"], policy, "policy")
    with refused("insufficient_stock"):
        shops.does("ship", Goods(TEA, 31))
    documents.change(
        shops.db,
        OFFICE,
        OPERATOR,
        COLLECTIONS["locations"],
        "S01",
        {"negative_stock": "warn"},
        "policy 2",
    )
    codes = [one["code"] for one in shops.does("ship", Goods(TEA, 31))["warnings"]]
    assert codes == ["unknown_sku", "negative_stock"]


def test_what_the_office_decides_for_a_shop_is_booked_there_at_once(shops: Shops) -> None:
    shops.does("allocate", here=OFFICE)
    assert shops.stock("tea", "S01") == (30, 10, 0)
    shops.does("cancel", here=OFFICE)
    assert shops.stock("tea", "S01") == (30, 0, 0)


def test_goods_that_arrive_before_their_news_count(shops: Shops) -> None:
    early = shops.does("receive", Goods(TEA, 10), here=RECEIVER)
    assert early["stage"] == "received"
    assert shops.stock("tea", "S02") == (10, 0, -10)
    shops.does("ship", Goods(TEA, 10))
    assert shops.stock("tea", "S02") == (10, 0, 0)


def test_complaint_17_what_was_changed_before_it_was_shipped_arrives_as_it_was_changed(
    shops: Shops,
) -> None:
    shops.does("allocate")
    line = LineKey(TEA, Lot(""))
    changed = shops.does("amend", plan=((line, 4), (LineKey(Sku("salt"), Lot("")), 2)), here=OFFICE)
    kept = {one["sku"]: one["id"] for one in changed["lines"]}
    shipped = shops.does("ship")
    assert {one["sku"]: one["id"] for one in shipped["lines"]} == kept, "no line is made anew"
    sent = {one["sku"]: one["shipped"] for one in shipped["progress"]}
    assert sent == {"tea": 4, "rice": 5, "salt": 2}
    with refused("conflict", "wrong_stage"):
        shops.does("amend", plan=((line, 9),))
    received = shops.does("receive", here=RECEIVER)
    assert (received["stage"], received["incoming"], received["differences"]) == (
        "received",
        [],
        [],
    )
    assert shops.stock("tea", "S02") == (4, 0, 0)


def test_complaint_18_every_unit_is_somewhere_while_goods_arrive_in_part_damaged_and_too_many(
    shops: Shops,
) -> None:
    def tea_in_all() -> int:
        everywhere = "SELECT sum(value) FROM counter WHERE sku = 'tea' AND account IN (0, 2, 3)"
        found: int = shops.db.execute(everywhere).fetchone()[0]
        return found

    for verb, here, whole, damaged in (
        ("ship", SENDER, 10, 0),
        ("receive", RECEIVER, 4, 3),
        ("receive", RECEIVER, 6, 0),
        ("close", RECEIVER, 0, 0),
        ("receive", RECEIVER, 1, 0),
    ):
        lines = (Goods(TEA, whole),) if whole else ()
        broken = (Goods(TEA, damaged),) if damaged else ()
        found = shops.does(verb, *lines, here=here, damaged=broken)
        assert tea_in_all() == 30
    matters = {(one["matter"], one["sku"], one["quantity"]) for one in found["differences"]}
    assert matters == {("over", "tea", 4), ("damaged", "tea", 3)}
    assert shops.stock("tea", "S02") == (11, 0, 0)
