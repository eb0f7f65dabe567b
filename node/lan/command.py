"""`everstock-node lan`: switch the door for other machines on and off.

Rule: the daemon that has the folder does it, at once; without one it is done here under the folder's lock, and the next
daemon serves so.
"""

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from node import upkeep
from node.joining import OPERATOR
from node.lan import door, trust
from node.lan.door import LISTEN
from node.node import Node
from protocol.notes import Action
from runtime.control import call_daemon
from runtime.service import listen_address
from runtime.world import World

lan_app: Final = typer.Typer(
    help="Serve tills on other machines over HTTPS; without it only this machine is served.",
    no_args_is_help=True,
)

_Data = Annotated[Path, typer.Option("--data", help="The node's folder.", show_default=False)]
_AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")]


@lan_app.command(
    epilog="Example: everstock-node lan on --data shop --listen 0.0.0.0:7311 --name shop.example.com"
)
def on(
    *,
    data: _Data,
    listen: Annotated[
        str | None, typer.Option(help=f"HOST:PORT. What it was before; at first {LISTEN}.")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(help="A name or address that tills call this machine by; may be repeated."),
    ] = None,
    new_ca: Annotated[
        bool, typer.Option("--new-ca", help="Make another authority; no till trusts it yet.")
    ] = False,
    as_json: _AsJson = False,
) -> None:
    """Serve other machines too, from now on and at every start, and say how they come to trust this one."""
    body = {"listen": listen, "names": name or None, "new_ca": new_ca}
    folder = upkeep.joined_folder(data)
    found = upkeep.told(
        folder, "lan/on", body, lambda: _on(data, listen, name or None, new_authority=new_ca)
    )
    typer.echo(json.dumps(found) if as_json else trust.steps(found), nl=as_json)


@lan_app.command(epilog="Example: everstock-node lan off --data shop")
def off(*, data: _Data) -> None:
    """Serve this machine only; whoever came in from another one is cut off. The authority is kept."""
    folder = upkeep.joined_folder(data)
    upkeep.told(folder, "lan/off", {}, lambda: _off(data))
    typer.echo("Only this machine is served.", err=True)


@lan_app.command(epilog="Example: everstock-node lan status --data shop --json")
def status(*, data: _Data, as_json: _AsJson = False) -> None:
    """Show whether other machines are served, at which address, and until when its certificate is good."""
    folder = upkeep.joined_folder(data)
    answer = call_daemon(folder, "/v1/operator/lan/status", {})
    found = _alone(data) if answer is None else answer
    if as_json:
        typer.echo(json.dumps(found))
        return
    table = Table(show_header=False, box=None)
    for key, value in found.items():
        table.add_row(key.replace("_", " "), _shown(value))
    Console(markup=False, highlight=False).print(table)


def _on(
    data: Path, listen: str | None, names: list[str] | None, *, new_authority: bool
) -> Mapping[str, object]:
    kept = door.kept_of(data)
    now_ms = World().now_ms()
    wish, _ = door.prepare(kept, listen, names, now_ms, new_authority=new_authority)
    _check_free(wish.listen)
    kept.keep(wish)
    return _noted(data, Action.LAN_OPENED)


def _off(data: Path) -> Mapping[str, object]:
    door.switch_off(data)
    return _noted(data, Action.LAN_CLOSED)


def _noted(data: Path, action: Action) -> Mapping[str, object]:
    found = _alone(data)

    async def tell(node: Node) -> Mapping[str, object]:
        await node.note(OPERATOR, door.told(action, found))
        return found

    return upkeep.run_alone(upkeep.joined_folder(data), tell)


def _alone(data: Path) -> Mapping[str, object]:
    return {**door.status(data), "listening": False, "problem": None}


def _check_free(listen: str) -> None:
    """Find out now what the daemon would find out at its next start.

    Raises: OSError.
    """
    host, port = listen_address(listen)
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as trying:
            trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trying.bind(address)
    except OSError as error:
        raise OSError(error.errno, error.strerror, listen) from error


def _shown(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value)) or "-"
        case _:
            return str(value)
