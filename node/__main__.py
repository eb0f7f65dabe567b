"""The command `everstock-node`: join a hub, serve a shop, and look after both.

Rule: data on stdout, words on stderr; exit 0 done, 1 found something wrong, 2 usage, 69 hub unreachable, 74 I/O,
78 configuration. Everything that can be refused without the disk or the network is refused before either.
"""

import asyncio
import errno
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from node import backup as backups
from node import joining, showing, upkeep
from node import selfcheck as own_check
from node.backup import RestoreRefused
from node.commands.answering import time_to_text
from node.commands.requests import Refusal
from node.config import NodeSettings, read_settings
from node.enrolment import Enrolled, HubUnreachable, JoinRefused, hub_address
from node.exchange import verifying
from node.exchange.command import export_app, import_app
from node.lan.command import lan_app
from node.node import Node
from node.people.command import user_app
from node.replica import DATABASE_NAME
from node.replica.identity import NotJoined
from node.sealing_command import sealing_app
from protocol.enrolment import code_from_text
from protocol.errors import ProtocolError
from protocol.ids import check_code
from protocol.limits import NAME_CHARS_MAX
from runtime import selfcheck, service
from runtime.control import DaemonRefused
from runtime.errors import StoreError
from runtime.folder import Folder, FolderError
from runtime.logs import configure_logging
from runtime.service import (
    EXIT_CONFIG,
    EXIT_FOUND_WRONG,
    EXIT_HUB_UNREACHABLE,
    EXIT_IO,
    EXIT_OK,
    EXIT_SOFTWARE,
    EXIT_USAGE,
    run,
)
from runtime.settings import SettingsError
from runtime.version import SOFTWARE
from runtime.world import World

_EXIT_BY_ERROR: Final = (
    (JoinRefused, EXIT_USAGE),
    (RestoreRefused, EXIT_USAGE),
    (ProtocolError, EXIT_USAGE),
    (Refusal, EXIT_USAGE),
    (HubUnreachable, EXIT_HUB_UNREACHABLE),
    (SettingsError, EXIT_CONFIG),
    (NotJoined, EXIT_CONFIG),
    (DaemonRefused, EXIT_IO),
    (FolderError, EXIT_IO),
    (StoreError, EXIT_IO),
    (OSError, EXIT_IO),
)

app = typer.Typer(
    name="everstock-node",
    help="A shop's node: it records what tills do and syncs with the hub when it can.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(import_app, name="import")
app.add_typer(export_app, name="export")
app.add_typer(lan_app, name="lan")
app.add_typer(sealing_app, name="sealing")
app.add_typer(user_app, name="user")

Data = Annotated[Path, typer.Option("--data", help="The node's folder.", show_default=False)]
Config = Annotated[
    Path | None, typer.Option("--config", help="A settings file, as deploy/node.example.toml.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        print(SOFTWARE)
        raise typer.Exit(EXIT_OK)


@app.callback()
def everstock_node(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="The version.")
    ] = False,
) -> None:
    """A shop's node: it records what tills do and syncs with the hub when it can."""


@app.command(
    epilog="Example: everstock-node join --data shop --hub ws://127.0.0.1:7300 --code CODE"
)
def join(
    data: Data,
    hub: Annotated[str, typer.Option(help="wss://HOST, or ws://127.0.0.1:PORT on this machine.")],
    code: Annotated[str, typer.Option(help="What `everstock-hub enrol` printed.")],
    config: Config = None,
) -> None:
    """Make DATA a node of the hub's chain. Needs the hub, once."""
    address = hub_address(hub)
    enrolment_code = code_from_text(code)
    tls = read_settings(config).hub_tls()
    folder = Folder(data)
    with folder.lock():
        found: list[Enrolled] = []

        async def main() -> int:
            found.append(await joining.join(folder, address, enrolment_code, World(), tls))
            return EXIT_OK

        run(main())
    certificate, predecessor = found[0].certificate, found[0].predecessor
    _say(
        f"This is node {certificate.name}; it writes {', '.join(certificate.writes) or 'no location'}."
    )
    if predecessor is not None:
        _say(showing.predecessor_sentence(predecessor))


@app.command(epilog="Example: everstock-node serve --data shop --listen 127.0.0.1:7310")
def serve(
    data: Data,
    listen: Annotated[
        str | None, typer.Option(help="HOST:PORT, port 0 for any. Default 127.0.0.1:7310.")
    ] = None,
    config: Config = None,
) -> None:
    """Serve tills until SIGTERM. The first line on stdout says where."""
    settings = read_settings(config, listen=listen)
    settings.check()
    configure_logging(settings.log_level)
    folder = upkeep.joined_folder(data)
    with folder.lock():
        code = run(_serve(folder, settings))
    raise typer.Exit(code)


@app.command(epilog="Example: everstock-node status --data shop --json")
def status(data: Data, as_json: AsJson = False) -> None:
    """Show how the node stands with the hub; works with the daemon stopped."""
    found = upkeep.status(upkeep.joined_folder(data))
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    table = Table(show_header=False, box=None)
    for name, value in found.items():
        table.add_row(name.replace("_", " "), _shown(value))
    Console(markup=False, highlight=False).print(table)


@app.command(epilog="Example: everstock-node token --data shop --name till-1")
def token(
    data: Data,
    name: Annotated[str, typer.Option(help="The till's name; its keys are remembered under it.")],
    revoke: Annotated[
        bool, typer.Option("--revoke", help="End every token of that name instead.")
    ] = False,
    lan: Annotated[
        bool, typer.Option("--lan", help="For a till on another machine: it counts only there.")
    ] = False,
) -> None:
    """Make a till's token and print it alone on stdout. It is shown once.

    With --lan it is the one token of that till: what it had before ends.
    """
    check_code(name, "the name", chars_max=NAME_CHARS_MAX)
    folder = upkeep.joined_folder(data)
    if revoke:
        _say(f"Tokens ended: {upkeep.revoke_tokens(folder, name)}.")
    else:
        made, older = upkeep.create_token(folder, name, for_lan=lan)
        print(made)
        if older:
            still = "An older token" if older == 1 else f"{older} older tokens"
            verb = "still works" if older == 1 else "still work"
            _say(f"{still} of {name} {verb}; `token --name {name} --revoke` ends all of them.")


@app.command(epilog="Example: everstock-node verify --data shop")
def verify(
    data: Annotated[
        Path | None, typer.Option("--data", help="The node's folder.", show_default=False)
    ] = None,
    as_json: AsJson = False,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="What `export audit` wrote, on any machine."),
    ] = None,
) -> None:
    """Recompute the log's chain, the view and the digests; exit 1 if anything differs.

    With --export, check that FILE proves itself; with --data too, that it is of the chain which that node knows.
    """
    if export is not None:
        code = verifying.verify_export(export, data, as_json=as_json)
        raise typer.Exit(code)
    if data is None:
        raise typer.BadParameter("say which node's folder, or which --export", param_hint="--data")
    problems = upkeep.problems(data)
    if as_json:
        print(json.dumps({"ok": not problems, "problems": problems}, ensure_ascii=False))
    else:
        for problem in problems:
            print(problem)
    _say("Something is wrong." if problems else "Everything adds up.")
    raise typer.Exit(EXIT_FOUND_WRONG if problems else EXIT_OK)


@app.command(epilog="Example: everstock-node backup --data shop shop-monday.sqlite")
def backup(
    data: Data,
    file: Annotated[Path, typer.Argument(help="The new file; it must not exist yet.")],
) -> None:
    """Copy the whole node to FILE, checked, while the daemon sells.

    The node's key is inside, so FILE is a secret: keep it as you would keep the till's cash. `restore` makes the node of it.
    """
    made = backups.take(
        upkeep.joined_folder(data), file, World(), show_progress=sys.stderr.isatty()
    )
    _say(
        f"{file} is node {made.name}, whole and checked: {made.operations} operations in its log, "
        f"{made.pending} of them not yet at the hub. It holds the node's key: keep it secret."
    )


@app.command(epilog="Example: everstock-node restore --data shop shop-monday.sqlite")
def restore(
    data: Data,
    file: Annotated[Path, typer.Argument(help="What `everstock-node backup` made.")],
) -> None:
    """Make the node of a backup in DATA, a new or empty folder.

    It continues under a new replica: what it sends again counts once. The old folder must not be served any more.
    """
    made = backups.restore(file, data, World(), show_progress=sys.stderr.isatty())
    at = time_to_text(made.made_at_ms)
    _say(
        f"{data} is node {made.name} as of {at}. What it recorded later and had sent comes back from the hub; what it had "
        f"not sent is gone. Never serve its old folder again."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; what went wrong is one sentence and an exit code."""
    try:
        app(arguments, prog_name="everstock-node")
    except tuple(kind for kind, _ in _EXIT_BY_ERROR) as error:
        _say(_sentence(error))
        sys.exit(_exit_code(error))


async def _serve(folder: Folder, settings: NodeSettings) -> int:
    # Here, since all addresses with their types are made by it: a third of a second that other commands need not wait.
    from node.app import make_app  # noqa: PLC0415

    host, port = settings.address()
    database = folder.path / DATABASE_NAME
    start = await asyncio.to_thread(
        selfcheck.begin, folder, database, own_check.advice(folder.path)
    )
    node = await Node.open(
        folder,
        World(),
        tls=settings.hub_tls(),
        verify_every_h=settings.verify_every_h,
        retention=settings.retention(),
        alerting=settings.alerting(),
        kept=settings.kept(),
    )
    selfcheck.tell(start)
    if not await node.check() or start.to_verify:
        node.verifier.expedite()
    await service.serve(
        make_app(node, settings),
        host=host,
        port=port,
        folder=folder,
        ssl_context=settings.server_tls(),
    )
    if node.crashed:
        return EXIT_SOFTWARE
    if not node.writable:
        return EXIT_IO
    await asyncio.to_thread(selfcheck.end, folder)
    return EXIT_OK


def _exit_code(error: BaseException) -> int:
    if isinstance(error, DaemonRefused) and error.code == "validation_failed":
        return EXIT_USAGE  # the same fault has the same code with and without a daemon
    return next(code for kind, code in _EXIT_BY_ERROR if isinstance(error, kind))


def _say(words: str) -> None:
    print(words, file=sys.stderr)


def _shown(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value)) or "-"
        case dict():
            return ", ".join(f"{name} {inner}" for name, inner in value.items()) or "-"
        case _:
            return str(value)


def _sentence(error: BaseException) -> str:
    match error:
        case ProtocolError(detail=detail) | Refusal(detail=detail):
            words = detail
        case OSError(errno=errno.EADDRINUSE, filename=str(name)):
            words = f"{name} is in use"
        case OSError(filename=str(name), strerror=str(reason)):
            words = f"{name}: {reason}"
        case _:
            words = str(error)
    return f"everstock-node: {words.rstrip('.')}."


if __name__ == "__main__":
    main()
