"""What suggesting orders is bounded by, and what it counts as used."""

import json
import sqlite3
from collections.abc import Iterator

import pytest

from node.commands import documents, movements, suggesting
from node.commands.movements import Here
from node.commands.requests import Authority, Caller, Line, Movement, Refusal
from node.commands.suggesting import Pack, Wanted
from node.replica import usage
from protocol.certificate import Role
from protocol.declarations import COLLECTIONS
from protocol.ids import Location, Lot, Sku
from protocol.movements import MoveKind
from tests.node.chain import CHAIN, ME, certificate_of
from tests.node.replica.conftest import new_replica_database

TILL = Caller("till-1", Authority.TILL)
OPERATOR = Caller("operator", Authority.OPERATOR)
NOW_MS = 1_700_000_000_000
OFFICE = Here(CHAIN, ME, certificate_of(writes=("S01",), role=Role.OFFICE), None, NOW_MS)
WANTED = Wanted("S01", 7, 28)
DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """Tea of one supplier and rice of another, of which 3 should be there and none is."""
    database = new_replica_database()
    for sku in ("tea", "rice"):
        supplier = _make(database, "suppliers", {"name": f"{sku} trader"})
        _make(database, "skus", {"id": sku, "name": sku, "supplier": supplier})
        _make(database, "levels", {"location": "S01", "sku": sku, "minimum": 3})
    yield database
    database.close()


def _make(db: sqlite3.Connection, collection: str, asked: dict[str, object]) -> str:
    key = json.dumps(asked)
    return documents.create(db, OFFICE, OPERATOR, COLLECTIONS[collection], asked, key).id


def sell(db: sqlite3.Connection, kind: MoveKind, delta: int, days_ago: int) -> None:
    """So much tea, so long ago."""
    line = Line(Sku("tea"), Lot(""), delta)
    at_ms = NOW_MS - days_ago * DAY_MS
    movement = Movement(kind, Location("S01"), (line,), occurred_at_ms=at_ms)
    movements.record(db, OFFICE, TILL, movement, f"{kind} {delta} {days_ago}")


def skus_of(found: list[suggesting.Suggested]) -> list[str]:
    """The SKUs of all that was suggested."""
    return sorted(line.sku for one in found for line in one.lines)


def test_one_call_drafts_so_many_orders_and_the_next_one_the_others(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suggesting, "ORDERS_DRAFTED_MAX", 1)
    drafted = []
    for key in ("first", "second", "third"):
        found = suggesting.suggested(db, WANTED, NOW_MS)
        written = suggesting.draft(db, OFFICE, OPERATOR, WANTED, found, key)
        drafted += [
            line["sku"] for one in json.loads(written.body)["orders"] for line in one["lines"]
        ]
    assert sorted(drafted) == ["rice", "tea"]


def test_so_many_skus_are_looked_at(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert skus_of(suggesting.suggested(db, WANTED, NOW_MS)) == ["rice", "tea"]
    monkeypatch.setattr(suggesting, "SUGGESTED_SKUS_MAX", 1)
    assert skus_of(suggesting.suggested(db, WANTED, NOW_MS)) == ["rice"]


def test_used_is_what_customers_took_lately_less_what_they_brought_back(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    sell(db, MoveKind.SALE, -5, 2)
    sell(db, MoveKind.DISPENSE, -4, 2)
    sell(db, MoveKind.CUSTOMER_RETURN, 1, 1)
    sell(db, MoveKind.WASTE, -50, 1)
    sell(db, MoveKind.SALE, -70, 40)
    assert usage.used(db, "S01", NOW_MS - 28 * DAY_MS) == {"tea": 8}
    assert usage.used(db, "S02", 0) == {}
    monkeypatch.setattr(usage, "USED_MOVEMENTS_MAX", 1)
    assert usage.used(db, "S01", 0) == {"tea": 70}, "the newest that was recorded"


def test_a_sku_is_ordered_in_its_smallest_pack_of_more_than_one() -> None:
    packs = {"packs/pallet": {"multiple": 480}, "packs/box": {"multiple": 12}}
    assert suggesting.pack_of({**packs, "packs/piece": {"multiple": 1}}) == Pack("box", 12)
    assert suggesting.pack_of({"packs/piece": {"multiple": 1}}) == Pack(None, 1)


def test_an_archived_sku_is_not_suggested_and_a_till_drafts_nothing(
    db: sqlite3.Connection,
) -> None:
    documents.archive(db, OFFICE, OPERATOR, COLLECTIONS["skus"], "tea", "gone")
    found = suggesting.suggested(db, WANTED, NOW_MS)
    assert skus_of(found) == ["rice"]
    with pytest.raises(Refusal, match="forbidden"):
        suggesting.draft(db, OFFICE, TILL, WANTED, found, "k")
