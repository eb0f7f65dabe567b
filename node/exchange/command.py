"""`everstock-node import` and `export`: the command line of files.

Rule: as for every command: data on stdout, words on stderr, nothing recorded or overwritten unless it was asked for.
"""

from collections.abc import Mapping
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from node import upkeep
from node.api.values import instant_ms
from node.exchange import audit_file, exporting
from node.exchange.exporting import MovementsWanted
from node.exchange.mapping import Wishes
from node.exchange.movement_file import MovementFile, Rights
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
from node.exchange.sheet_command import add_sheets
from node.exchange.wording import shown
from node.replica.stock import StockQuery
from protocol.movements import MoveKind

import_app = typer.Typer(
    name="import", help="Take in a CSV file.", no_args_is_help=True, rich_markup_mode=None
)
export_app = typer.Typer(
    name="export", help="Write a CSV file.", no_args_is_help=True, rich_markup_mode=None
)

AtLocation = Annotated[str | None, typer.Option("--location", help="Only this location.")]
OfSku = Annotated[str | None, typer.Option("--sku", help="Only this SKU.")]
Format = Annotated[Literal["csv"], typer.Option("--format", help="The only one so far.")]


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
Returns = Annotated[
    bool, typer.Option("--returns", help="A sale of a negative quantity is a customer_return.")
]
TimeZone = Annotated[
    str | None, typer.Option(help="Of times without an offset, as in Europe/Vienna.")
]
TimeFormat = Annotated[
    str | None, typer.Option(help="Of times that are not ISO 8601, as in '%d/%m/%Y %H:%M'.")
]


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

    FIELD is one of kind, location, sku, lot, delta, quantity, counted, reference, occurred_at, reason, note, witness,
    supplier, unit_cost, currency, expiry, details; a column of that name needs no --map. barcode, pack and packs do.
    delta has a sign as in the API; quantity has none and goes the way its kind goes, in packs where there is a pack
    or a barcode.
    """
    folder = upkeep.joined_folder(data)
    rights = Rights(folder)
    given = {"kind": kind, "location": location or rights.only_location}
    constants = {**given, "reason": reason, "currency": currency}
    wishes = Wishes(
        columns=pairs(columns, "--map"),
        constants={name: value for name, value in constants.items() if value is not None},
        kinds=_our_kinds(pairs(kinds, "--kind-map")),
        where=tuple(pair(text, "--where") for text in where or ()),
        returns=returns,
        time_zone=None if time_zone is None else _zone(time_zone),
        time_format=time_format,
        delimiter=None if delimiter is None else one_character(delimiter),
        encoding=encoding,
    )
    code = run_import(
        folder,
        file,
        MovementFile(wishes, rights),
        dry_run=dry_run,
        skip_bad=skip_bad,
        as_json=as_json,
    )
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


@export_app.command(
    "audit", epilog="Example: everstock-node export audit --data shop --from 2026-11-01T00:00:00Z"
)
def export_audit_range(
    *,
    data: Data,
    since: Annotated[
        str | None, typer.Option("--from", help="What was recorded at this RFC 3339 time or later.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="What was recorded before it.")] = None,
    output: Output = None,
) -> None:
    """Write what this node recorded within a time, with the proof that nothing in it was changed.

    `everstock-node verify --export FILE` checks it on any machine, without this node or the hub. What sets a password or a
    PIN is in it whole, as a hash: give it to nobody who should not try to guess them.
    """
    folder = upkeep.joined_folder(data)
    try:
        found = audit_file.export_audit(
            folder, _instant(since, "--from"), _instant(until, "--to"), output
        )
    except audit_file.NothingThere as error:
        raise refused(str(error)) from None
    sentence = f"Operations {found.first} to {found.last} of this node's log."
    if found.is_cut:
        sentence += " What was recorded before has left the log; the hub has it."
    if found.proving:
        sentence += (
            f" {found.proving} of them set a password, a PIN or a badge and hold its hash, without which nothing before"
            " them would be proved: keep the file from whoever should not try to guess them."
        )
    typer.echo(sentence, err=True)


def _our_kinds(kinds: Mapping[str, str]) -> Mapping[str, str]:
    for ours in kinds.values():
        if ours not in {kind.value for kind in MoveKind}:
            raise refused(f"--kind-map: {shown(ours)} is not a kind of movement")
    return kinds


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise refused(f"--time-zone: this machine knows no zone {shown(name)}") from None


def _instant(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    try:
        return instant_ms(text)
    except ValueError as error:
        raise refused(f"{option} {error}") from None


add_sheets(import_app, export_app)
