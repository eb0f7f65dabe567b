"""The index by which SKUs are found: it agrees with the documents after whatever changes them, and is made anew."""

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from node.commands import documents
from node.commands.movements import Here
from node.commands.requests import Authority, Caller
from node.replica import documents as held_documents
from node.replica import scopes, search, verify, view
from node.replica.rows import take_in
from protocol.barcodes import read_barcode
from protocol.certificate import Role
from protocol.clock import Stamp
from protocol.declarations import COLLECTIONS
from protocol.documents import Document, FieldState
from protocol.effects import DocumentKey
from protocol.frames.feed import Page
from protocol.ids import HubSeq, Scope, Seq
from protocol.limits import BARCODE_SKUS_MAX
from protocol.rows import DocumentRow
from tests.node.chain import CHAIN, ME, certificate_of

OPERATOR = Caller("operator", Authority.OPERATOR)
STORE = Here(CHAIN, ME, certificate_of(writes=("S01",)), None, 1_700_000_000_000)
OFFICE = replace(STORE, certificate=certificate_of(writes=(), role=Role.OFFICE))
SKUS = COLLECTIONS["skus"]
CATALOGUE = Scope("catalogue")


def create(db: sqlite3.Connection, sku: str, **asked: Any) -> None:
    """The office describes a SKU."""
    documents.create(db, OFFICE, OPERATOR, SKUS, {"id": sku, "name": sku, **asked}, f"new {sku}")


def change(db: sqlite3.Connection, sku: str, key: str, **asked: Any) -> None:
    """The office changes it."""
    documents.change(db, OFFICE, OPERATOR, SKUS, sku, asked, key)


def found(db: sqlite3.Connection, text: str, archived: bool | None = False) -> list[str]:
    """What a search finds, the best first."""
    return search.matching(db, text, archived=archived, limit=100, before=0)


def scanned(db: sqlite3.Connection, scan: str) -> list[str]:
    """The SKUs that a scan is on."""
    return search.with_barcode(db, read_barcode(scan, year=2026))


def row(sku: str, hub_seq: int, **fields: object) -> DocumentRow:
    """A SKU as the hub sends it."""
    states = {
        name: FieldState(0, 0, value, Stamp(1_700_000_000_000, 0, ME))
        for name, value in fields.items()
    }
    return DocumentRow("skus", sku, HubSeq(hub_seq), Document(states, frozenset({CATALOGUE})), ())


def receive(db: sqlite3.Connection, *rows: DocumentRow, inside: int = 0) -> None:
    """Take in a page of the catalogue, with our log inside it so far."""
    state = scopes.read(db, CATALOGUE)
    assert state is not None
    page = Page(CATALOGUE, state.cursor, rows[-1].hub_seq, b"salt", False, {ME: Seq(inside)}, rows)
    take_in(db, page, rows, ME, finish=True)


def assert_sound(db: sqlite3.Connection) -> None:
    """The index is what the documents say, and SQLite's index of the words is what the texts say."""
    assert verify.problems(db) == []
    db.execute("INSERT INTO sku_search (sku_search, rank) VALUES ('integrity-check', 1)")


@pytest.mark.parametrize("by", ["the office here", "the hub"])
def test_the_words_of_all_rows_of_a_transaction_are_written_at_its_end_and_not_with_each(
    db: sqlite3.Connection, by: str
) -> None:
    """SQLite writes them too wherever a statement begins a savepoint: one that may fire a trigger, for one."""
    scopes.begin(db, [CATALOGUE])
    statements: list[str] = []
    db.set_trace_callback(statements.append)
    db.execute("BEGIN")
    if by == "the hub":
        receive(db, *(row(f"s{n}", n + 1, name=f"sku {n}") for n in range(40)))
    else:
        for n in range(40):
            create(db, f"s{n}", cost={"amount": n, "currency": "EUR"})
    db.execute("COMMIT")
    db.set_trace_callback(None)
    assert sum("'sku_search_docsize'" in said for said in statements) == 40
    assert 0 < sum("'sku_search_idx'" in said for said in statements) < 4


@pytest.fixture
def pharmacy(db: sqlite3.Connection) -> sqlite3.Connection:
    """A few medicines, one of them out of use."""
    create(db, "PARA-500", name="Paracétamol 500 mg", strength="500 mg", category="Pain relief")
    create(db, "PARA-1000", name="Paracétamol 1 g", dosage_form="comprimé effervescent")
    create(db, "IBU-400", name="Ibuprofen", description="like paracetamol, with food")
    create(db, "OLD-1", name="Paracetamol, old")
    change(db, "OLD-1", "archive", archived=True)
    return db


@pytest.mark.parametrize(
    ("text", "skus"),
    [
        ("paracetamol", ["PARA-1000", "PARA-500", "IBU-400"]),
        ("PARACÉT", ["PARA-1000", "PARA-500", "IBU-400"]),
        ("500mg", ["PARA-500"]),
        ("relief par", ["PARA-500"]),
        ("effervescent comprime", ["PARA-1000"]),
        ("para-5", ["PARA-500"]),
        ("ibu-400", ["IBU-400"]),
        ("aracetamol", []),
        ("paracetamol aspirin", []),
        ('" OR NOT * ^ ( {', []),
        ("-", []),
    ],
)
def test_a_search_finds_the_beginnings_of_all_its_words(
    pharmacy: sqlite3.Connection, text: str, skus: list[str]
) -> None:
    assert sorted(found(pharmacy, text)) == sorted(skus)


def test_names_come_before_what_is_only_described_so_and_an_exact_code_before_all(
    pharmacy: sqlite3.Connection,
) -> None:
    assert found(pharmacy, "paracetamol")[-1] == "IBU-400"
    create(pharmacy, "PARA", name="Parasol")
    create(pharmacy, "SHOP", name="Para para para")
    assert found(pharmacy, "para")[0] == "PARA"


def test_archived_ones_are_found_where_they_are_asked_for(pharmacy: sqlite3.Connection) -> None:
    assert found(pharmacy, "old") == []
    assert found(pharmacy, "old", True) == found(pharmacy, "old", None) == ["OLD-1"]


def test_pages_of_a_search_follow_each_other(pharmacy: sqlite3.Connection) -> None:
    whole = found(pharmacy, "paracetamol")
    pieces = [
        search.matching(pharmacy, "paracetamol", archived=False, limit=1, before=before)
        for before in range(4)
    ]
    assert [sku for piece in pieces for sku in piece] == whole


@pytest.fixture
def common(pharmacy: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> sqlite3.Connection:
    """The same, where three that are found are so many that they are not weighed against each other."""
    monkeypatch.setattr(search, "WEIGHED_MAX", 2)
    return pharmacy


def test_of_very_many_those_come_first_whose_name_or_code_begins_so_in_order_of_name(
    common: sqlite3.Connection,
) -> None:
    create(common, "Z-1", name="Mints with p")
    create(common, "P", name="Zinc")
    create(common, "A-2", name="Panthenol")
    assert found(common, "p") == ["P", "A-2", "PARA-1000", "PARA-500", "IBU-400", "Z-1"]
    assert found(common, "m p") == ["Z-1", "PARA-500"], "all of its words, if so few have them"
    assert found(common, "p", True) == ["OLD-1"]
    assert found(common, "p", None)[2:5] == ["PARA-1000", "PARA-500", "OLD-1"]
    pieces = [
        search.matching(common, "p", archived=False, limit=2, before=before)
        for before in (0, 2, 4, 6)
    ]
    assert [sku for piece in pieces for sku in piece] == found(common, "p")


def test_the_index_follows_every_edit(pharmacy: sqlite3.Connection) -> None:
    change(pharmacy, "IBU-400", "rename", name="Ibuprofène", barcodes={"96385074": {}})
    assert found(pharmacy, "ibuprofene") == found(pharmacy, "9638") == ["IBU-400"]
    assert scanned(pharmacy, "96385074") == ["IBU-400"]
    change(pharmacy, "IBU-400", "unlink", barcodes={"96385074": None})
    assert scanned(pharmacy, "96385074") == found(pharmacy, "9638") == []
    assert_sound(pharmacy)


def test_an_edit_that_fails_leaves_the_index_as_it_was(pharmacy: sqlite3.Connection) -> None:
    pharmacy.execute("SAVEPOINT failing")
    change(pharmacy, "IBU-400", "rename", name="Something else", barcodes={"96385074": {}})
    pharmacy.execute("ROLLBACK TO failing")
    assert found(pharmacy, "ibuprofen") == ["IBU-400"]
    assert scanned(pharmacy, "96385074") == []
    assert_sound(pharmacy)


def test_one_number_is_found_however_many_zeros_it_is_written_with(db: sqlite3.Connection) -> None:
    create(db, "UPC", barcodes={"036000291452": {}})
    create(db, "CASE", barcodes={"10036000291459": {}})
    for scan in (
        "036000291452",
        "0036000291452",
        "00036000291452",
        "0100036000291452",
        "(01)00036000291452(10)A",
    ):
        assert scanned(db, scan) == ["UPC"], scan
    assert scanned(db, "10036000291459") == ["CASE"]
    assert found(db, "0036000291") == ["UPC"]


def test_what_is_no_proper_barcode_is_found_as_it_was_stored(db: sqlite3.Connection) -> None:
    for number, text in enumerate(("007", "12345678", "ABC-1", "0100036000291453", "(01)1", "é")):
        create(db, f"SKU-{number}", barcodes={text: {}})
        assert scanned(db, text) == [f"SKU-{number}"]
    assert scanned(db, "7") == scanned(db, "abc-1") == []


def test_a_barcode_on_two_skus_offers_both(db: sqlite3.Connection) -> None:
    create(db, "B", barcodes={"0036000291452": {}})
    create(db, "A", barcodes={"036000291452": {}})
    assert scanned(db, "036000291452") == ["A", "B"]


def test_a_barcode_on_a_whole_shelf_offers_the_first_few(db: sqlite3.Connection) -> None:
    for number in range(BARCODE_SKUS_MAX + 1):
        create(db, f"P-{number:02}", barcodes={"2000000000008": {}})
    assert scanned(db, "2000000000008") == [f"P-{number:02}" for number in range(BARCODE_SKUS_MAX)]


def test_pages_of_the_feed_are_found_too_and_what_goes_is_not(db: sqlite3.Connection) -> None:
    scopes.begin(db, [CATALOGUE])
    receive(db, row("TEA", 3, name="Tea", **{"barcodes/96385074": {}}), row("MILK", 4, name="Milk"))
    assert (found(db, "tea"), scanned(db, "96385074"), found(db, "mil")) == (
        ["TEA"],
        ["TEA"],
        ["MILK"],
    )
    receive(db, row("TEA", 5, name="Green tea"))
    assert (found(db, "green"), scanned(db, "96385074")) == (["TEA"], [])
    assert list(search.differing(db)) == []
    while not scopes.let_go_piece(db, CATALOGUE):
        pass
    assert found(db, "tea") == found(db, "milk") == []
    assert_sound(db)


@pytest.mark.parametrize("elsewhere", [{}, {"name": "Brie", "category": "Cheese"}])
def test_an_own_sku_is_found_as_the_hub_has_it_once_its_row_comes_back(
    db: sqlite3.Connection, elsewhere: dict[str, str]
) -> None:
    scopes.begin(db, [CATALOGUE])
    create(db, "A1", name="Camembert", barcodes={"4012345678901": {}})
    own = held_documents.states(db, DocumentKey("skus", "A1"))
    later = Stamp(1_700_000_000_001, 0, b"\xff" * 16)
    said = {name: FieldState(1, 1, value, later) for name, value in elsewhere.items()}
    sent = Document({**own.fields, **said}, own.scopes)
    receive(db, DocumentRow("skus", "A1", HubSeq(1), sent, ()), inside=1)
    name = elsewhere.get("name", "Camembert")
    assert found(db, name[:4]) == ["A1"]
    assert found(db, "camem") == ([] if elsewhere else ["A1"])
    assert scanned(db, "4012345678901") == ["A1"]
    assert_sound(db)


def test_an_own_edit_that_the_hub_set_aside_is_not_found_any_more(db: sqlite3.Connection) -> None:
    create(db, "TEA", name="Tea", barcodes={"96385074": {}})
    view.forget_quarantined(db, Seq(1))
    assert found(db, "tea") == scanned(db, "96385074") == []
    assert_sound(db)


def empty(db: sqlite3.Connection) -> None:
    """An index as a database has it that is new to one."""
    db.execute("DELETE FROM sku_text")
    db.execute("DELETE FROM sku_barcode")


def test_a_missing_index_is_made_anew_in_pieces_while_edits_go_on(db: sqlite3.Connection) -> None:
    count = 2 * search.PIECE_DOCUMENTS + 1
    for number in range(count):
        create(db, f"SKU-{number:03}", name="Tea", barcodes={f"T{number}": {}})
    empty(db)
    search.begin_if_missing(db)
    assert not search.is_whole(db)
    assert search.index_piece(db)
    assert len(found(db, "tea")) == search.PIECE_DOCUMENTS
    assert list(search.differing(db)) == []  # of what is not whole nothing is said
    change(db, f"SKU-{count - 1:03}", "soon", name="Coffee")
    assert found(db, "coffee") == [f"SKU-{count - 1:03}"]
    create(db, "SKU-000-A", name="Cocoa")
    while search.index_piece(db):
        pass
    assert search.is_whole(db)
    assert (len(found(db, "tea")), found(db, "cocoa")) == (count - 1, ["SKU-000-A"])
    assert scanned(db, "T7") == ["SKU-007"]
    assert_sound(db)
    search.begin_if_missing(db)
    assert search.is_whole(db)


def test_what_the_index_has_and_no_document_says_is_seen_and_goes(db: sqlite3.Connection) -> None:
    create(db, "TEA", name="Tea")
    db.execute(
        "INSERT INTO sku_text (id, archived, code, name, barcodes, sort, more)"
        " VALUES ('GONE', 0, 'gone', 'gone', '', '', '')"
    )
    db.execute("INSERT INTO sku_barcode VALUES ('7', 'GONE', 1)")
    assert list(search.differing(db)) == ["GONE"]
    assert verify.problems(db) == ["skus/GONE: the index by which it is found says something else"]
    search.begin_if_missing(db)
    while search.index_piece(db):
        pass
    assert scanned(db, "7") == []
    assert_sound(db)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE sku_text SET name = 'coffee'",
        "UPDATE sku_text SET archived = 1",
        "DELETE FROM sku_text",
        "DELETE FROM sku_barcode",
        "UPDATE sku_barcode SET confirmed = 0",
        "INSERT INTO sku_barcode VALUES ('7', 'TEA', 1)",
    ],
)
def test_an_index_that_says_something_else_is_seen(db: sqlite3.Connection, damage: str) -> None:
    create(db, "TEA", name="Tea", barcodes={"96385074": {}})
    assert list(search.differing(db)) == []
    db.execute(damage)
    assert list(search.differing(db)) == ["TEA"]


def test_the_documents_of_other_collections_are_not_indexed(db: sqlite3.Connection) -> None:
    asked: Mapping[str, object] = {"id": "S01", "name": "Market Street"}
    documents.create(db, OFFICE, OPERATOR, COLLECTIONS["locations"], asked, "key")
    view.show_document(db, DocumentKey("locations", "S01"))
    assert found(db, "market") == []
