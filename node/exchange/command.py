"""`everstock-node import` and `export`: the command line of files.

Rule: as for every command: data on stdout, words on stderr, nothing recorded or overwritten unless it was asked for.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from node import upkeep
from node.api.values import instant_ms
from node.commands.requests import Refusal
from node.exchange import exporting
from node.exchange.exporting import MovementsWanted
from node.exchange.importing import Rights
from node.exchange.mapping import Wishes
from node.exchange.reading import NotReadable, SourceFile
from node.exchange.reporting import Report
from node.exchange.running import ImportRun
from node.exchange.wording import shown
from node.replica.stock import StockQuery
from protocol.movements import MoveKind
from runtime.service import EXIT_FOUND_WRONG

import_app = typer.Typer(
    name="import", help="Take in a CSV file.", no_args_is_help=True, rich_markup_mode=None
)
export_app = typer.Typer(
    name="export", help="Write a CSV file.", no_args_is_help=True, rich_markup_mode=None
)

Data = Annotated[Path, typer.Option("--data", help="The node's folder.", show_default=False)]
Output = Annotated[
    Path | None, typer.Option("--output", help="A new file, written whole; without it, stdout.")
]
AtLocation = Annotated[str | None, typer.Option("--location", help="Only this location.")]
OfSku = Annotated[str | None, typer.Option("--sku", help="Only this SKU.")]
Format = Annotated[Literal["csv"], typer.Option("--format", help="The only one so far.")]


File = Annotated[Path, typer.Argument(help="A CSV file with a header.")]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", help="COLUMN=FIELD, or COLUMN= to leave a column out."),
]
Kind = Annotated[str | None, typer.Option(help="The kind of rows that name none.")]
Location = Annotated[
    str | None,
    typer.Option(
        help="Their location; a node that writes only one needs none.", show_default=False
    ),
]
Reason = Annotated[str | None, typer.Option(help="Their reason.")]
Currency = Annotated[str | None, typer.Option(help="Their unit costs' currency.")]
KindMap = Annotated[
    list[str] | None, typer.Option("--kind-map", help="THEIRS=OURS, as in receipt=receive.")
]
Where = Annotated[
    list[str] | None, typer.Option(help="COLUMN=VALUE: leave out rows with another value.")
]
Returns = Annotated[
    bool, typer.Option("--returns", help="A sale of a negative quantity is a customer_return.")
]
TimeZone = Annotated[
    str | None, typer.Option(help="Of times without an offset, as in Europe/Vienna.")
]
TimeFormat = Annotated[
    str | None, typer.Option(help="Of times that are not ISO 8601, as in '%d/%m/%Y %H:%M'.")
]
Delimiter = Annotated[
    str | None,
    typer.Option(help="What separates cells; tab or a character. Default: as the header."),
]
Encoding = Annotated[
    Literal["utf-8", "cp1250", "cp1252", "iso-8859-1", "iso-8859-2", "iso-8859-15"],
    typer.Option(help="How the file's letters are written."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check every row, record nothing.")]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Record the good rows of a file that has bad ones.")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines: every bad row, then a summary.")]


@import_app.callback()
def everstock_import() -> None:
    """Take in a CSV file."""


@export_app.callback()
def everstock_export() -> None:
    """Write a CSV file."""


@import_app.command(
    epilog="Example: everstock-node import movements receipts.csv --data shop --kind sale "
    "--map StockCode=sku --map Quantity=quantity --map InvoiceNo=reference --dry-run"
)
def movements(  # noqa: PLR0913 - as many as options
    file: File,
    *,
    data: Data,
    columns: Map = None,
    kind: Kind = None,
    location: Location = None,
    reason: Reason = None,
    currency: Currency = None,
    kinds: KindMap = None,
    where: Where = None,
    returns: Returns = False,
    time_zone: TimeZone = None,
    time_format: TimeFormat = None,
    delimiter: Delimiter = None,
    encoding: Encoding = "utf-8",
    dry_run: DryRun = False,
    skip_bad: SkipBad = False,
    as_json: AsJson = False,
) -> None:
    """Record the rows of FILE as movements, each once however often this is run.

    FIELD is one of kind, location, sku, lot, delta, quantity, counted, reference, occurred_at, reason, note,
    supplier, unit_cost, currency, expiry, details; a column of that name needs no --map. delta has a sign as in
    the API; quantity has none and goes the way its kind goes.
    """
    folder = upkeep.joined_folder(data)
    rights = Rights(folder)
    given = {"kind": kind, "location": location or rights.only_location}
    constants = {**given, "reason": reason, "currency": currency}
    wishes = Wishes(
        columns=_pairs(columns, "--map"),
        constants={name: value for name, value in constants.items() if value is not None},
        kinds=_our_kinds(_pairs(kinds, "--kind-map")),
        where=tuple(_pair(text, "--where") for text in where or ()),
        returns=returns,
        time_zone=None if time_zone is None else _zone(time_zone),
        time_format=time_format,
        delimiter=None if delimiter is None else _one_character(delimiter),
        encoding=encoding,
    )
    try:
        source = SourceFile.open(file)
    except NotReadable as error:
        raise typer.Exit(_wrong(str(error))) from error
    try:
        with Report(shown(file.name), as_json=as_json, out=sys.stdout, err=sys.stderr) as report:
            run = ImportRun(folder, source, rights, report, dry_run=dry_run, skip_bad=skip_bad)
            code = run.carry_out(wishes)
    finally:
        source.close()
    raise typer.Exit(code)


@export_app.command(epilog="Example: everstock-node export stock --data shop --output stock.csv")
def stock(
    *,
    data: Data,
    location: AtLocation = None,
    sku: OfSku = None,
    output: Output = None,
    file_format: Format = "csv",
) -> None:
    """Write what is on the shelves, all of one moment, by location and SKU."""
    del file_format
    folder = upkeep.joined_folder(data)
    exporting.export_stock(folder, StockQuery(location=location, sku=sku), output)


@export_app.command(
    "movements",
    epilog="Example: everstock-node export movements --data shop --since 2026-11-01T00:00:00Z",
)
def export_movements(
    *,
    data: Data,
    location: AtLocation = None,
    sku: OfSku = None,
    since: Annotated[
        str | None, typer.Option(help="What occurred at this RFC 3339 time or later.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="What occurred before it.")] = None,
    output: Output = None,
    file_format: Format = "csv",
) -> None:
    """Write movements, oldest first, a row for each line; `import movements` reads the same columns."""
    del file_format
    folder = upkeep.joined_folder(data)
    wanted = MovementsWanted(location, sku, _instant(since, "--since"), _instant(until, "--until"))
    exporting.export_movements(folder, wanted, output)


def _wrong(words: str) -> int:
    typer.echo(f"everstock-node: {words}.", err=True)
    return EXIT_FOUND_WRONG


def _pairs(texts: Sequence[str] | None, option: str) -> Mapping[str, str]:
    return dict(_pair(text, option) for text in texts or ())


def _pair(text: str, option: str) -> tuple[str, str]:
    # The last sign: a column may have one in its name, a field or kind has none.
    left, equals, right = text.rpartition("=")
    if not equals or not left:
        raise _refused(f"{option} takes two names with = between them")
    return left.strip(), right.strip()


def _our_kinds(kinds: Mapping[str, str]) -> Mapping[str, str]:
    for ours in kinds.values():
        if ours not in {kind.value for kind in MoveKind}:
            raise _refused(f"--kind-map: {shown(ours)} is not a kind of movement")
    return kinds


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _refused(f"--time-zone: this machine knows no zone {shown(name)}") from None


def _one_character(text: str) -> str:
    found = {"tab": "\t", "comma": ",", "semicolon": ";"}.get(text, text)
    if len(found) != 1 or found in '"\r\n' or not found.isascii():
        raise _refused("--delimiter takes tab or one character")
    return found


def _instant(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    try:
        return instant_ms(text)
    except ValueError as error:
        raise _refused(f"{option} {error}") from None


def _refused(detail: str) -> Refusal:
    return Refusal("validation_failed", detail)
