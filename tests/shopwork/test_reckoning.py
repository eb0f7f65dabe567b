"""The checkers see what is wrong: each rule is shown a document, a movement or an exception that breaks it."""

from collections import Counter
from typing import Any

from protocol.effects import Account
from tests.shopwork import dues, explaining, shown
from tests.shopwork.clerk import events_of, fault_of
from tests.shopwork.explaining import Known, is_explained
from tests.shopwork.reckoning import changes_of, goods_made

LINE = {"id": "6b5b33b8d8dce229", "sku": "tea", "lot": None, "quantity": 5}


def _event(leg: str, quantity: int, lot: "str | None" = None) -> dict[str, Any]:
    return {
        "event": f"{leg}-1",
        "leg": leg,
        "sku": "tea",
        "lot": lot,
        "planned_lot": None,
        "quantity": quantity,
    }


def _document(stage: str, *events: dict[str, Any], **more: Any) -> dict[str, Any]:
    decided = more.pop("decided", [])
    return {
        "id": "one",
        "stage": stage,
        "lines": [LINE],
        "events": list(events),
        "decisions": [{"decision": each} for each in decided],
        "differences": [],
        **more,
    }


def _transfer(stage: str, *events: dict[str, Any], **more: Any) -> dict[str, Any]:
    return _document(stage, *events, source="S01", destination="S02", **more)


def test_a_transfer_in_another_stage_than_its_goods_are_is_told() -> None:
    sent = _transfer("shipped", _event("ship", 5), decided=["shipped"])
    assert fault_of("transfers", sent) is None
    assert "it is shipped" in str(fault_of("transfers", {**sent, "stage": "cancelled"}))
    arrived = _transfer("received", _event("ship", 5), _event("receive", 5), decided=["shipped"])
    assert fault_of("transfers", arrived) is None
    assert fault_of("transfers", {**arrived, "stage": "shipped"}) is not None


def test_two_decisions_that_nobody_is_told_of_are_found() -> None:
    both = _transfer("shipped", _event("ship", 5), decided=["cancelled", "shipped"])
    assert "two decisions" in str(fault_of("transfers", both))
    told = {"matter": "conflicting_status", "sku": None, "lot": None, "quantity": None}
    assert fault_of("transfers", {**both, "differences": [told]}) is None


def test_an_order_whose_status_is_not_its_stages_is_told() -> None:
    order = _document(
        "received", _event("supply", 5), kind="customer", location="S01", decided=["placed"]
    )
    assert fault_of("orders", {**order, "status": "fulfilled"}) is None
    assert "status" in str(fault_of("orders", {**order, "status": "pending"}))


def test_open_documents_owe_what_is_promised_and_under_way_and_ended_ones_nothing() -> None:
    reserved, in_transit = int(Account.RESERVED), int(Account.IN_TRANSIT)
    order = _document("partly_received", _event("supply", 2), kind="customer", location="S01")
    placed = shown.paper("orders", {**order, "decisions": [{"decision": "placed"}]})
    assert dues.promised(placed) == {("S01", "tea", "", reserved): 3}
    ended = shown.paper("orders", {**order, "decisions": [{"decision": "closed"}]})
    assert not dues.promised(ended)
    sent = _transfer("shipped", _event("ship", 5, "A"), decided=["shipped"])
    assert dues.under_way(shown.paper("transfers", sent)) == {("S02", "tea", "A", in_transit): 5}
    closed = shown.paper("transfers", {**sent, "decisions": [{"decision": "closed"}]})
    assert not dues.under_way(closed)
    assert closed.settled()["S02", "tea", "A", int(Account.LOSS)] == 5


def test_only_a_finalised_count_changes_what_is_on_hand() -> None:
    stocktake = {"id": "one", "location": "S01", "stage": "review"}
    variance = {"lines": [{"line": LINE["id"], "sku": "tea", "lot": None, "difference": -4}]}
    assert not shown.paper("stocktakes", stocktake, variance).settled()
    finalised = shown.paper("stocktakes", {**stocktake, "stage": "finalised"}, variance)
    assert finalised.settled() == {("S01", "tea", "", int(Account.ON_HAND)): -4}


def test_a_movement_of_a_transfer_that_makes_goods_is_found() -> None:
    taken = {"sku": "tea", "lot": None, "delta": -5}
    given = {"location": "S02", "sku": "tea", "lot": None, "account": "in_transit", "delta": 5}
    movement = {"location": "S01", "lines": [taken], "accounts": [given]}
    assert not goods_made(changes_of(movement))
    assert goods_made(changes_of({**movement, "accounts": [{**given, "delta": 4}]})) == {
        ("tea", ""): -1
    }


def test_goods_that_are_missing_from_a_document_are_seen() -> None:
    first = _transfer("shipped", _event("ship", 5), _event("receive", 5))
    assert events_of(first) - events_of(_transfer("shipped", _event("ship", 5))) == {
        ("receive-1", "receive", "tea", "", "")
    }


def test_exceptions_are_explained_by_what_is_shown_and_by_nothing_else() -> None:
    short = {"matter": "short", "sku": "tea", "lot": None, "quantity": 2}
    document = _transfer("closed", _event("ship", 2), decided=["closed"], differences=[short])
    key = "transfers", "one"
    shelves = Counter({("S01", "tea", "", int(Account.ON_HAND)): -3})
    known = Known({key: shown.paper(*("transfers", document))}, {key: document}, shelves, set(), {})
    row = {
        "location": "S01",
        "lot": None,
        "matter": None,
        "quantity": None,
        "sku": "tea",
        "collection": None,
        "document": None,
    }
    below = {**row, "code": "below_zero", "quantity": 3}
    assert is_explained(below, known)
    assert not is_explained({**below, "quantity": 2}, known)
    unknown = {**row, "code": "unknown_sku"}
    assert is_explained(unknown, known)
    assert not is_explained({**unknown, "sku": "rice"}, known)
    (name,) = explaining.differences("transfers", document)
    lost = {
        **row,
        "code": "transfer_difference",
        "matter": "short",
        "collection": "transfers",
        "document": "one",
    }
    assert explaining.name_of(lost) == name
    assert is_explained(lost, known)
    assert not is_explained({**lost, "matter": "over"}, known)
    assert not is_explained({**row, "code": "quarantined"}, known)
