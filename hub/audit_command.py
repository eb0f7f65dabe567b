"""The command `audit`: who did what to what, in the whole chain or at one node, also one that was revoked.

Rule: it reads the database itself, whether a daemon runs or not; newest first, a line each.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from hub import offline
from hub.auditing import AuditAsked, row_of
from hub.command_line import AsJson, Data, put
from hub.datafolder import HubFolder

_Text = str | None


def add_to(cli: typer.Typer) -> None:
    """Make this a command of `everstock-hub`."""
    cli.command(epilog="Example: everstock-hub audit --data hub --node S01")(audit)


def audit(  # noqa: PLR0913 - as many as options
    data: Data,
    *,
    node: Annotated[_Text, typer.Option(metavar="NAME", help="What this node recorded.")] = None,
    notes: Annotated[bool, typer.Option("--notes", help="What was done at the hub.")] = False,
    since: Annotated[_Text, typer.Option(metavar="TIME", help="RFC 3339; by recording.")] = None,
    until: Annotated[_Text, typer.Option(metavar="TIME", help="Not included.")] = None,
    actor: Annotated[_Text, typer.Option(metavar="NAME", help="A person or a till.")] = None,
    action: Annotated[
        _Text, typer.Option(metavar="ACTION", help="As in move.sale, note, edit.")
    ] = None,
    entity: Annotated[
        _Text, typer.Option(metavar="TYPE/ID", help="What is named, as in skus/A-100.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say who did what, newest first.

    With --json it is one object a line, with everything that was recorded.
    """
    given = {"since": since, "until": until, "actor": actor, "action": action, "entity": entity}
    said = {name: text for name, text in given.items() if text is not None}
    source = "notes" if notes else "operations"
    asked = AuditAsked.model_validate({**said, "source": source, "node": node})
    _print(HubFolder(data).database, asked, as_json=as_json)


def _print(database: Path, asked: AuditAsked, *, as_json: bool) -> None:
    for found in offline.audit(database, asked):
        row = row_of(found)
        if as_json:
            put(json.dumps(row))
            continue
        on = "/".join(str(row[part]) for part in ("entity_type", "entity_id") if row[part])
        who = f"{row['actor']} at {row['device']}"
        parts = [row["recorded_at"], found.node, who, row["action"], on, row["code"] or ""]
        put("  ".join(str(part) for part in parts if part))
