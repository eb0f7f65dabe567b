"""`everstock-node import skus`, `export skus` and the same of locations, levels, lots and suppliers.

Rule: the options are the same for all; the columns are those of the declaration, and `--help` lists them.
"""

import re
from typing import Annotated, Literal

import typer

from node import upkeep
from node.exchange.movement_file import Rights
from node.exchange.options import (
    AsJson,
    Data,
    Delimiter,
    DryRun,
    Encoding,
    File,
    Map,
    Output,
    SkipBad,
    Where,
    one_character,
    pair,
    pairs,
    refused,
    run_import,
)
from node.exchange.sheet_columns import SheetWishes, column_names
from node.exchange.sheet_export import export_sheet
from node.exchange.sheets import SheetFile
from protocol.declarations import COLLECTIONS
from protocol.declarations.vocabulary import Collection

SHEETS = ("skus", "locations", "levels", "lots", "suppliers")
_EXAMPLES = {
    "skus": "--map Artikel=id --map EAN=barcodes --map Preis=price --currency EUR --decimal comma",
    "levels": "--map Shop=location --map Min=minimum",
    "lots": "--map Batch=code --map Expires=expiry --date-format %d/%m/%Y",
}

Columns = Annotated[
    list[str] | None,
    typer.Option("--set", help="COLUMN=CELL: for rows that have no such cell, or an empty one."),
]
Currency = Annotated[str | None, typer.Option(help="Of amounts whose row names none, as in EUR.")]
Decimal = Annotated[
    Literal["point", "comma"], typer.Option(help="What stands before the decimals of amounts.")
]
DateFormat = Annotated[
    str | None, typer.Option(help="Of dates that are not YYYY-MM-DD, as in '%d/%m/%Y'.")
]
Trim = Annotated[bool, typer.Option("--trim", help="Leave out spaces around every cell.")]
ClearEmpty = Annotated[
    bool,
    typer.Option("--clear-empty", help="An empty cell clears its field; else it says nothing."),
]


def add_sheets(imports: typer.Typer, exports: typer.Typer) -> None:
    """Give `import` and `export` a command for each collection that is kept in sheets."""
    for name in SHEETS:
        _add_import(imports, COLLECTIONS[name])
        _add_export(exports, COLLECTIONS[name])


def _add_import(imports: typer.Typer, collection: Collection) -> None:
    def import_sheet(  # noqa: PLR0913 - as many as options
        file: File,
        *,
        data: Data,
        columns: Map = None,
        constants: Columns = None,
        where: Where = None,
        currency: Currency = None,
        decimal: Decimal = "point",
        date_format: DateFormat = None,
        trim: Trim = False,
        clear_empty: ClearEmpty = False,
        delimiter: Delimiter = None,
        encoding: Encoding = "utf-8",
        dry_run: DryRun = False,
        skip_bad: SkipBad = False,
        as_json: AsJson = False,
    ) -> None:
        if currency is not None and re.fullmatch("[A-Z]{3}", currency) is None:
            raise refused("--currency takes three capital letters")
        folder = upkeep.joined_folder(data)
        location = Rights(folder).only_location
        given = dict(map(_constant, constants or ()))
        if location is not None and "location" in collection.identity:
            given.setdefault("location", location)
        wishes = SheetWishes(
            pairs(columns, "--map"),
            given,
            tuple(pair(text, "--where") for text in where or ()),
            currency,
            {"point": ".", "comma": ","}[decimal],
            date_format,
            trim=trim,
            clear_empty=clear_empty,
            delimiter=None if delimiter is None else one_character(delimiter),
            encoding=encoding,
        )
        sheet = SheetFile(folder, collection, wishes)
        code = run_import(folder, file, sheet, dry_run=dry_run, skip_bad=skip_bad, as_json=as_json)
        raise typer.Exit(code)

    example = f"everstock-node import {collection.name} file.csv --data shop"
    imports.command(
        collection.name,
        help=f"Create the {collection.name} of FILE, or change what differs: one row for each "
        f"{collection.one}.\n\nFIELD is one of {', '.join(column_names(collection))}; a column of that "
        "name needs no --map. An empty cell says nothing.",
        epilog=f"Example: {example} {_EXAMPLES.get(collection.name, '')} --dry-run",
    )(import_sheet)


def _add_export(exports: typer.Typer, collection: Collection) -> None:
    def export(
        *,
        data: Data,
        archived: Annotated[
            bool, typer.Option("--archived", help="Also those that were deleted.")
        ] = False,
        output: Output = None,
    ) -> None:
        export_sheet(upkeep.joined_folder(data), collection, output, archived=archived)

    exports.command(
        collection.name,
        help=f"Write the {collection.name}, by id; `import {collection.name}` reads the same columns.",
        epilog=f"Example: everstock-node export {collection.name} --data shop --output file.csv",
    )(export)


def _constant(text: str) -> tuple[str, str]:
    # The first sign: a cell may hold one.
    column, equals, cell = text.partition("=")
    if not equals or not column.strip():
        raise refused("--set takes a column and a cell with = between them")
    return column.strip(), cell
