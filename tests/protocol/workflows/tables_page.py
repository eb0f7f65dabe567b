"""The page of the tables, written from the tables: `python -m tests.protocol.workflows.tables_page`.

Invariant: protocol/workflows/TABLES.md is what `page` gives, byte for byte; test_tables_page.py compares them.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from protocol.workflows import order_table, stocktakes, transfer_table
from protocol.workflows.bookkeeping import Book, Leg
from protocol.workflows.steps import Transition

PATH = Path(__file__).parents[3] / "protocol" / "workflows" / "TABLES.md"
HEAD = """# What may happen to a document, and what it does

Written from the tables of this folder by `python -m tests.protocol.workflows.tables_page`; a test compares the two.
`decision` is what the field `stage` joins by; the other stages follow from the goods. Whoever is named under `who` is a
device's part in the document; which person may do it is asked under `<collection>.<verb>`.
"""


def page() -> str:
    """The whole page."""
    kinds = {
        "Transfer": (
            transfer_table.TABLE,
            transfer_table.RANKS,
            transfer_table.LEGS,
            transfer_table.BOOKS,
        ),
        "Purchase order": _order(order_table.Kind.PURCHASE),
        "Customer order": _order(order_table.Kind.CUSTOMER),
        "Internal order": _order(order_table.Kind.INTERNAL),
        "Stocktake": (stocktakes.TABLE, stocktakes.RANKS, {}, stocktakes.BOOKS),
    }
    return "\n".join([HEAD, *(_section(name, *parts) for name, parts in kinds.items())])


def _order(
    kind: order_table.Kind,
) -> tuple[tuple[Transition, ...], Mapping[str, int], Mapping[str, Leg], Mapping[str, Book]]:
    return (
        order_table.TABLES[kind],
        order_table.RANKS,
        order_table.LEGS[kind],
        order_table.BOOKS[kind],
    )


def _section(
    name: str,
    table: Iterable[Transition],
    ranks: Mapping[str, int],
    legs: Mapping[str, Leg],
    books: Mapping[str, Book],
) -> str:
    rows = list(table)
    known = {stage for row in rows for stage in (*row.sources, *row.targets)}
    decisions = ", ".join(f"{stage} {rank}" for stage, rank in ranks.items() if stage in known)
    lines = [f"## {name}", "", f"Decisions and their ranks: {decisions}.", ""]
    lines += ["| verb | from | to | goods | books | who |", "|---|---|---|---|---|---|"]
    lines += [_row(row) for row in rows]
    if legs or books:
        lines += ["", "| goods or book | recorded by | as | one unit does |", "|---|---|---|---|"]
    for leg, rule in legs.items():
        kind = "edit" if rule.kind is None else rule.kind.operation_kind
        lines.append(f"| {leg} | {rule.home} | {kind} | {_postings(rule)} |")
    for book, entry in books.items():
        kinds = " or ".join(dict.fromkeys(k.operation_kind for k in (entry.up, entry.down)))
        lines.append(f"| {book} | {entry.home} | {kinds} | {_postings(entry)} |")
    return "\n".join([*lines, ""])


def _row(row: Transition) -> str:
    sets = (row.sources, row.targets, row.legs, row.books, row.parties)
    cells = [row.verb, *(", ".join(sorted(map(str, cell))) for cell in sets)]
    return f"| {' | '.join(cells)} |"


def _postings(rule: Leg | Book) -> str:
    said = (f"{p.account.name.lower()} of {p.place} {p.sign:+d}" for p in rule.postings)
    return ", ".join(said) or "nothing: a transfer's operations move the goods"


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
