"""`everstock-node user`: people, from the command line of the machine that has the node.

Rule: a password that was made is alone on stdout, as a token is; what else there is to say is on stderr. A password is never
an argument, where every process of the machine could read it: it is read from stdin, or made.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from node import upkeep
from node.people.administering import Act
from protocol.access.table import PersonRole

user_app: Final = typer.Typer(
    help="People: who may sign in at this node, and as what.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Data = Annotated[Path, typer.Option("--data", help="The node's folder.", show_default=False)]
Username = Annotated[str, typer.Option("--username", help="What they sign in as.")]
Location = Annotated[
    str | None,
    typer.Option(
        "--location", help="Where; without it, the shop that they belong to. * is head office."
    ),
]
WithPassword = Annotated[
    bool, typer.Option("--password-stdin", help="Read a password from stdin; else one is made.")
]
WithPin = Annotated[
    bool, typer.Option("--pin-stdin", help="Read a PIN for tills from stdin instead.")
]
Undo = Annotated[bool, typer.Option("--undo", help="Let them sign in again.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")]


@user_app.callback()
def everstock_user() -> None:
    """People: who may sign in at this node, and as what."""


@user_app.command(
    epilog="Example: everstock-node user create --data office --username ann --role hq_admin"
)
def create(
    data: Data,
    username: Username,
    role: Annotated[
        PersonRole | None, typer.Option(help="What they are; none gives no rights.")
    ] = None,
    location: Location = None,
    display_name: Annotated[str | None, typer.Option(help="What people call them.")] = None,
    email: Annotated[str | None, typer.Option(help="Where mail reaches them.")] = None,
    *,
    password_stdin: WithPassword = False,
) -> None:
    """Create somebody, and print the password that was made for them."""
    given = {"display_name": display_name, "email": email, "password": _read(asked=password_stdin)}
    done = _do(data, Act.CREATE, username=username, role=role, location=location, **given)
    _say_made(done, f"{username} can sign in, and should change this password.")


@user_app.command(
    epilog="Example: everstock-node user grant --data shop --username ann --role clerk"
)
def grant(
    data: Data,
    username: Username,
    role: Annotated[PersonRole | None, typer.Option(help="Without it, nothing any more.")] = None,
    location: Location = None,
) -> None:
    """Make somebody something at a location."""
    _do(data, Act.GRANT, username=username, role=role, location=location)
    _say(f"{username} is {role or 'nothing'} there now.")


@user_app.command(epilog="Example: everstock-node user disable --data shop --username ann")
def disable(
    data: Data,
    username: Username,
    location: Location = None,
    *,
    undo: Undo = False,
) -> None:
    """Let somebody not sign in any more: their sessions end at once."""
    _do(data, Act.ENABLE if undo else Act.DISABLE, username=username, location=location)
    _say(f"{username} {'may' if undo else 'may not'} sign in there now.")


@user_app.command(epilog="Example: everstock-node user reset --data shop --username ann")
def reset(
    data: Data,
    username: Username,
    location: Location = None,
    *,
    password_stdin: WithPassword = False,
    pin_stdin: WithPin = False,
) -> None:
    """Set somebody's password, or PIN; their sessions end, and their name is unlocked."""
    given: dict[str, Any] = {
        "pin" if pin_stdin else "password": _read(asked=password_stdin or pin_stdin)
    }
    done = _do(data, Act.RESET, username=username, location=location, **given)
    _say_made(done, f"{username} should change this password.")


@user_app.command("list", epilog="Example: everstock-node user list --data shop")
def show(
    data: Data,
    *,
    as_json: AsJson = False,
) -> None:
    """Show everybody whom this node knows."""
    done = _do(data, Act.LIST)
    if as_json:
        typer.echo(json.dumps(done, ensure_ascii=False))
        return
    table = Table(box=None)
    for column in ("username", "name", "location", "role", "state"):
        table.add_column(column)
    items = done["items"]
    assert isinstance(items, list), "what `administer` lists"
    for one in items:
        for post in one["posts"] or [
            {"location": one["location"], "role": None, "disabled": False, "must_reset": False}
        ]:
            state = "must be reset" if post["must_reset"] else ""
            state = "archived" if one["archived"] else "disabled" if post["disabled"] else state
            row = (one["username"], one["display_name"], post["location"], post["role"], state)
            table.add_row(*(str(cell or "-") for cell in row))
    Console(markup=False, highlight=False).print(table)


def _do(data: Path, act: Act, **given: Any) -> Mapping[str, Any]:
    asked = {name: str(value) for name, value in given.items() if value is not None}
    return upkeep.administer_user(upkeep.joined_folder(data), {"act": act.value, **asked})


def _read(*, asked: bool) -> str | None:
    return sys.stdin.readline().rstrip("\r\n") if asked else None


def _say_made(done: Mapping[str, Any], words: str) -> None:
    if done["password"] is not None:
        typer.echo(done["password"])
        _say(words)
    else:
        _say("Done.")


def _say(words: str) -> None:
    typer.echo(words, err=True)
