"""`verify` is content with what the hub wrote, and finds each kind of damage."""

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from hub.store.sqlite.store import SqliteHubStore
from hub.verify import Report, verify
from protocol.certificate import Role
from protocol.frames.log import Item
from tests.store.shop import CHAIN, EPOCH, Shop, counted, edited


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    """A hub's database with something of everything in it, closed."""
    path = tmp_path / "hub.db"
    store = await SqliteHubStore.open(path)
    await store.found(CHAIN, EPOCH)
    shop, office = Shop("S01"), Shop("office", role=Role.OFFICE)
    for each in (shop, office):
        await each.opens(store)
    for at in range(5):
        shop.sells(f"sku {at}", at)
    shop.log.append(Item(b"\xc1", None))
    shop.records(counted("S09", "sku 1", 1))
    shop.sells("sku 1", 4, key="twice")
    shop.sells("sku 1", 9, key="twice")
    office.records(edited("A", "name", "apple", at=1, scopes=("catalogue", "docs:S01")))
    office.records(edited("A", "price", 5, at=2))
    for each in (shop, office):
        await each.pushes(store)
    reborn = Shop("S01", incarnation=2, log=shop.log[:3])
    await reborn.opens(store)
    await reborn.pushes(store)
    await store.close()
    return path


def _check(database: Path) -> Report:
    return verify(database, show_progress=False)


def test_what_the_hub_wrote_is_sound(database: Path) -> None:
    report = _check(database)
    assert report.problems == ()
    assert (report.sizes.operations, report.sizes.rows) == (14, 6)


def test_an_empty_hub_is_sound(tmp_path: Path) -> None:
    async def make() -> None:
        store = await SqliteHubStore.open(tmp_path / "hub.db")
        await store.found(CHAIN, EPOCH)
        await store.close()

    _run(make)
    assert _check(tmp_path / "hub.db").problems == ()


def _run(work: Callable[[], Awaitable[None]]) -> None:
    import asyncio  # noqa: PLC0415 - only here

    async def main() -> None:
        await work()

    asyncio.run(main())


DAMAGE = {
    "a total": ("UPDATE counter SET total = total + 1 WHERE sku = 'sku 3'", "its total is not"),
    "an entry": ("UPDATE entry SET minus = minus + 1 WHERE counter = 3", "an entry of counter 3"),
    "an entry that is gone": ("DELETE FROM entry WHERE counter = 5", "an entry of counter 5"),
    "a counter that is gone": (
        "DELETE FROM counter WHERE id = 2",
        "counter S01/sku 1//0 is missing",
    ),
    "a counter's hub_seq": ("UPDATE counter SET hub_seq = 99 WHERE id = 2", "hub_seq 99"),
    "two rows with one hub_seq": (
        "UPDATE counter SET hub_seq = 1 WHERE id = 2",
        "hub_seq 1: given",
    ),
    "a digest": ("UPDATE scope SET digest = zeroblob(16) WHERE scope = 'stock:S01'", "its digest"),
    "a row count": ("UPDATE scope SET rows = 9 WHERE scope = 'catalogue'", "9 are noted"),
    "a scope's newest row": (
        "UPDATE scope SET hub_seq = 3 WHERE scope = 'stock:S01'",
        "3 is noted",
    ),
    "a scope that is gone": (
        "DELETE FROM scope WHERE scope = 'stock:S01'",
        "has rows and no digest",
    ),
    "a writer that is gone": ("DELETE FROM scope_writer WHERE replica = 2", "the writer 2 of"),
    "a writer count": ("UPDATE scope SET writers = 7 WHERE scope = 'stock:S01'", "7 are noted"),
    "a field": ("UPDATE document SET fields = x'90'", "has other fields"),
    "a field beyond reading": ("UPDATE document SET fields = x'c1'", "cannot be read"),
    "a document that is gone": ("DELETE FROM document", "the ledger gives 1"),
    "a document's scope": (
        "UPDATE document_scope SET scope = 'fleet' WHERE scope = 'docs:S01'",
        "is in other scopes",
    ),
    "a place in a feed": ("UPDATE document_scope SET hub_seq = 1", "at another hub_seq"),
    "an operation's bytes": (
        "UPDATE ledger SET body = x'00' WHERE position = 2",
        "ledger position 2: cannot be decoded",
    ),
    "an operation that is gone": (
        "DELETE FROM ledger WHERE position = 4",
        "operation 5 of a log follows 3",
    ),
    "the newest operation gone": (
        "DELETE FROM ledger WHERE position = 11",
        "acknowledged up to 2, in the ledger up to 1",
    ),
    "what a repeat repeats": (
        "UPDATE ledger SET repeats = 3 WHERE position = 12",
        "the chain of its",
    ),
    "a quarantine that is none": (
        "UPDATE ledger SET code = 'undecodable', detail = '' WHERE position = 1",
        "ledger position 1: can be decoded",
    ),
    "a chain": ("UPDATE replica SET chain = zeroblob(32) WHERE id = 1", "the chain of its"),
    "an acknowledgement": ("UPDATE replica SET acked = 99 WHERE id = 1", "acknowledged up to 99"),
    "an id that counts": ("DELETE FROM applied WHERE position = 1", "its op_id is not the one"),
    "an id too many": ("INSERT INTO applied VALUES (zeroblob(16), '', 1)", "marked as counted"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_named(database: Path, name: str) -> None:
    statement, finding = DAMAGE[name]
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("DROP TRIGGER ledger_is_append_only_1")
        db.execute("DROP TRIGGER ledger_is_append_only_2")
        assert db.execute(statement).rowcount >= 1
    report = _check(database)
    assert any(finding in problem for problem in report.problems), report.problems
    assert report.to_json()["ok"] is False


def test_a_damaged_file_is_found(database: Path) -> None:
    content = bytearray(database.read_bytes())
    content[4096 * 3 : 4096 * 5] = b"\xa5" * 8192
    database.write_bytes(content)
    report = _check(database)
    assert report.problems
    assert report.problems[0].startswith("the database file:")
