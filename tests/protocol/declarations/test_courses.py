"""What is shown of a course: each line's amounts, what is on its way, who decided and answered, what to look at."""

from typing import Any

import pytest

from protocol.clock import Stamp
from protocol.declarations import COLLECTIONS
from protocol.declarations.kinds import Instant, Rows
from protocol.declarations.reading import shown_values
from protocol.documents import Document, FieldState
from protocol.ids import Location, Lot, ReplicaId, Sku
from protocol.workflows import orders, transfers
from protocol.workflows.acknowledgement import acknowledge, ask
from protocol.workflows.acts import Act
from protocol.workflows.progress import Item, LineKey
from protocol.workflows.steps import EDIT, Party, Step, after

PLACES = {Party.SENDER: Location("S01"), Party.RECEIVER: Location("S02")}
TEA, RICE = Item(Sku("tea")), Item(Sku("rice"), Lot("L1"))


def document(**fields: object) -> Document:
    """A document that holds these fields."""
    stamp = Stamp(1, 0, ReplicaId(bytes(16)))
    states = {name: FieldState(0, 0, value, stamp) for name, value in fields.items()}
    return Document(states, frozenset())


def shown(collection: str, held: Document) -> dict[str, Any]:
    """What is shown of it."""
    fields = {name: state.value for name, state in held.fields.items()}
    return shown_values(COLLECTIONS[collection], fields, None)


def transferred(*acts: tuple[str, Party, dict[str, Any]]) -> dict[str, Any]:
    """What is shown of a transfer of 10 tea to which this was done."""
    held = document(source="S01", destination="S02")
    plan = {LineKey(Sku("tea"), Lot("")): 10}
    first: tuple[str, Party, dict[str, Any]] = ("amend", Party.SENDER, {"lines": plan})
    for at, (verb, party, others) in enumerate((first, *acts)):
        act = Act(verb, "till-1", at, event=f"{at}", **others)
        held = after(held, transfers.act(held, PLACES, {party}, act))
    return shown("transfers", held)


def test_a_transfer_shows_how_far_each_line_is_and_what_is_coming() -> None:
    found = transferred(
        ("ship", Party.SENDER, {"items": {TEA: 9, RICE: 2}}),
        ("receive", Party.RECEIVER, {"items": {TEA: 4}, "damaged": {RICE: 1}}),
    )
    rice, tea = found["progress"]
    assert (tea["planned"], tea["shipped"], tea["received"], tea["damaged"]) == (10, 9, 4, 0)
    assert (rice["lot"], rice["planned"], rice["shipped"], rice["damaged"]) == (None, 0, 2, 1)
    assert found["incoming"] == [
        {"sku": "rice", "lot": "L1", "planned_lot": None, "quantity": 1},
        {"sku": "tea", "lot": None, "planned_lot": None, "quantity": 5},
    ]
    assert (found["stage"], tea["short"], rice["over"]) == ("partly_received", 0, 0)
    assert [one["decision"] for one in found["decisions"]] == ["shipped"]
    assert found["differences"] == [
        {"matter": "damaged", "sku": "rice", "lot": "L1", "quantity": 1}
    ]


def test_what_did_not_arrive_is_short_once_it_is_closed_and_what_came_beyond_is_over() -> None:
    found = transferred(
        ("ship", Party.SENDER, {"items": {TEA: 9}}),
        ("receive", Party.RECEIVER, {"items": {TEA: 7, RICE: 2}}),
        ("close", Party.RECEIVER, {}),
    )
    rice, tea = found["progress"]
    assert (tea["short"], tea["over"], rice["over"], found["incoming"]) == (2, 0, 2, [])
    matters = {(one["matter"], one["sku"]) for one in found["differences"]}
    assert matters == {("short", "tea"), ("over", "rice")}


def test_every_event_is_shown_with_the_name_that_takes_it_back() -> None:
    found = transferred(
        ("ship", Party.SENDER, {"items": {TEA: 9}}),
        ("receive", Party.RECEIVER, {"items": {TEA: 9}, "parcel": "P-1"}),
    )
    parcel, ship = found["events"]
    assert (ship["event"], ship["leg"], ship["quantity"], ship["at"]) == ("1", "ship", 9, 1)
    assert parcel["event"].startswith("P-1:")
    assert (parcel["leg"], parcel["at"]) == ("receive", None)


def test_an_order_shows_what_is_owed_and_who_has_not_answered() -> None:
    held = document(kind="purchase", location="S01")
    places, plan = {Party.OWNER: Location("S01")}, {LineKey(Sku("tea"), Lot("")): 10}
    for at, (verb, others) in enumerate(
        (
            ("amend", {"lines": plan}),
            ("place", {}),
            ("fulfil", {"items": {TEA: 4, Item(Sku("rice")): 1}}),
        )
    ):
        act = Act(verb, "till-1", at, event=f"{at}", **others)  # type: ignore[arg-type]
        held = after(held, orders.act(held, orders.Kind.PURCHASE, places, {Party.OWNER}, act))
    asked = (ask("supplier", 5), ask("S09", None), acknowledge("S09", "till-2", 7))
    found = shown("orders", after(held, [Step(EDIT, Location("S01"), (), asked)]))
    rice, tea = found["progress"]
    assert tea == {"sku": "tea", "lot": None, "ordered": 10, "fulfilled": 4, "owed": 6}
    assert rice == {"sku": "rice", "lot": None, "ordered": 0, "fulfilled": 1, "owed": 0}
    assert found["acknowledgements"] == [
        {"who": "S09", "until": None, "by": "till-2", "at": 7},
        {"who": "supplier", "until": 5, "by": None, "at": None},
    ]
    assert found["differences"] == [{"matter": "over", "sku": "rice", "lot": None, "quantity": 1}]


@pytest.mark.parametrize("collection", ["orders", "transfers"])
def test_what_has_another_form_is_not_shown_and_spoils_nothing(collection: str) -> None:
    odd = {
        "kind": ["neither"],
        "decided/shipped": {"by": 7, "at": "noon"},
        "decided/closed": "yes",
        "moved/ship/e1": {"items": [["tea", "", "", 3]], "at": -1},
        "moved/ship": {"items": []},
        "asked/S09": "soon",
        "acknowledged/S09": {"by": 1},
        "moved/supply/e2": {"items": "all"},
    }
    found = shown(collection, document(**odd))
    assert found["decisions"] == found["events"] == []
    for field in COLLECTIONS[collection].fields:
        if isinstance(field.kind, Rows):
            assert field.kind.fault(found[field.name]) is None


def test_a_list_of_records_fits_when_each_does_and_its_schema_names_every_member() -> None:
    rows = next(one.kind for one in COLLECTIONS["orders"].fields if one.name == "acknowledgements")
    assert isinstance(rows, Rows)
    assert rows.fault([{"who": "S09"}]) is None
    assert rows.fault([{"who": "S09"}, {"until": 1}]) is not None
    assert rows.fault({"who": "S09"}) == "must be a list"
    items = rows.schema()["items"]
    assert items["required"] == ["who", "until", "by", "at"]
    assert [one.name for one in rows.row.parts if isinstance(one.kind, Instant)] == ["until", "at"]
