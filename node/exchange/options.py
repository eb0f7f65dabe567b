"""What all imports on the command line have in common: options, how they are read, and the run itself.

Rule: what is wrong with an option is said before the file is opened.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from node.commands.requests import Refusal
from node.exchange import running
from node.exchange.reading import NotReadable, SourceFile
from node.exchange.reporting import Report
from node.exchange.running import ImportRun
from node.exchange.wording import shown
from runtime.folder import Folder
from runtime.service import EXIT_FOUND_WRONG

Data = Annotated[Path, typer.Option("--data", help="The node's folder.", show_default=False)]
Output = Annotated[
    Path | None, typer.Option("--output", help="A new file, written whole; without it, stdout.")
]
File = Annotated[Path, typer.Argument(help="A CSV file with a header, which may be gzipped.")]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", help="COLUMN=FIELD, or COLUMN= to leave a column out."),
]
Where = Annotated[
    list[str] | None, typer.Option(help="COLUMN=VALUE: leave out rows with another value.")
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


def run_import(
    folder: Folder,
    path: Path,
    file: running.File,
    *,
    dry_run: bool,
    skip_bad: bool,
    as_json: bool,
) -> int:
    """Import the file at `path`, and say on stdout and stderr how it goes; answers the exit code.

    Raises: Refusal, OSError, and what stands in the way of the node.
    """
    try:
        source = SourceFile.open(path)
    except NotReadable as error:
        typer.echo(f"everstock-node: {error}.", err=True)
        return EXIT_FOUND_WRONG
    try:
        with Report(shown(path.name), as_json=as_json, out=sys.stdout, err=sys.stderr) as report:
            run = ImportRun(folder, source, file, report, dry_run=dry_run, skip_bad=skip_bad)
            return run.carry_out()
    finally:
        source.close()


def pairs(texts: Sequence[str] | None, option: str) -> Mapping[str, str]:
    """LEFT=RIGHT of an option that may be given often.

    Raises: Refusal.
    """
    return dict(pair(text, option) for text in texts or ())


def pair(text: str, option: str) -> tuple[str, str]:
    """LEFT=RIGHT.

    Raises: Refusal.
    """
    # The last sign: a column may have one in its name, a field or kind has none.
    left, equals, right = text.rpartition("=")
    if not equals or not left:
        raise refused(f"{option} takes two names with = between them")
    return left.strip(), right.strip()


def one_character(text: str) -> str:
    """What separates cells.

    Raises: Refusal.
    """
    found = {"tab": "\t", "comma": ",", "semicolon": ";"}.get(text, text)
    if len(found) != 1 or found in '"\r\n' or not found.isascii():
        raise refused("--delimiter takes tab or one character")
    return found


def refused(detail: str) -> Refusal:
    """A fault of the command line."""
    return Refusal("validation_failed", detail)
