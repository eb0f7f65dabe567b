"""`everstock-node verify --export FILE`: what a file of a node's log proves, in words.

Rule: the first line on stdout says what is proved, or the first place that is not; exit 1 for the latter.
"""

import json
from pathlib import Path

import typer

from node import upkeep
from node.exchange import audit_file
from protocol.evidence import NotProved
from runtime.service import EXIT_FOUND_WRONG, EXIT_OK


def verify_export(file: Path, data: Path | None, *, as_json: bool) -> int:
    """Check a file, say what was found, and return the exit code.

    Raises: OSError for a file that cannot be read; NotJoined, StoreError for a folder.
    """
    folder = None if data is None else upkeep.joined_folder(data)
    try:
        checked = audit_file.prove_file(file, with_rows=as_json, folder=folder)
    except NotProved as error:
        if as_json:
            typer.echo(json.dumps({"ok": False, "problems": [str(error)]}))
        else:
            typer.echo(error)
        typer.echo("The file does not prove itself.", err=True)
        return EXIT_FOUND_WRONG
    proved = checked.proved
    told = {
        "ok": True,
        "problems": [],
        "node": proved.certificate.name,
        "first": proved.first,
        "last": proved.last,
        "witnessed": proved.receipt_seq,
        "hub_public_key": checked.hub_public_key.hex(),
        "is_known": folder is not None,
        "items": checked.rows,
    }
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
        return EXIT_OK
    typer.echo(
        f"Operations {proved.first} to {proved.last} are what {proved.certificate.name} recorded and signed."
    )
    if proved.receipt_seq is None:
        typer.echo(
            "The hub gave no receipt within them: that none was left out rests on the node alone."
        )
    else:
        typer.echo(f"The hub's receipt covers them up to {proved.receipt_seq}.")
    if folder is None:
        typer.echo(
            f"All of it rests on the hub's key {checked.hub_public_key.hex()}: compare it with a node of that chain, "
            "or name one with --data."
        )
    return EXIT_OK
