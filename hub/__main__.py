"""The command `everstock-hub`: make a hub, serve it, enrol devices, look after it.

Rule: data on stdout, words on stderr; exit 0 done, 1 found something wrong, 2 usage, 74 I/O, 78 configuration. A
command that writes goes through the running daemon, or takes the folder's lock when none runs.
"""

import errno
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import ValidationError

from hub import app as application
from hub import audit_command, offline, recovery_commands, sealed_commands, shown, verify
from hub.command_line import AsJson, Data, alone, say, through_daemon
from hub.config import read_settings
from hub.datafolder import FolderTaken, HubFolder, NoHub, found
from hub.fleet import AccessChange, Enrolment, Fleet
from hub.listing import print_nodes
from hub.sealed_commands import NewRecoveryKey, RecoveryKeyFile
from hub.store.interface import Refused
from hub.witness import read_witness
from protocol.certificate import ALL, Role
from protocol.errors import Code, ProtocolError
from runtime.control import DaemonRefused, call_daemon
from runtime.errors import StoreError
from runtime.folder import FolderError
from runtime.logs import configure_logging
from runtime.service import (
    EXIT_CONFIG,
    EXIT_FOUND_WRONG,
    EXIT_IO,
    EXIT_USAGE,
    run,
)
from runtime.settings import SettingsError
from runtime.version import VERSION
from runtime.world import World

_EXIT_BY_ERROR: Final = (
    (Refused, EXIT_USAGE),
    (ProtocolError, EXIT_USAGE),
    (ValidationError, EXIT_USAGE),
    (FolderTaken, EXIT_USAGE),
    (SettingsError, EXIT_CONFIG),
    (NoHub, EXIT_CONFIG),
    (FolderError, EXIT_IO),
    (StoreError, EXIT_IO),
    (OSError, EXIT_IO),
)
_CALLERS_FAULTS: Final = range(400, 500)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}

cli = typer.Typer(
    name="everstock-hub",
    help="The hub of a chain: it merges what the shops did and tells all of them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Writes = Annotated[
    list[str] | None,
    typer.Option(
        "--writes",
        metavar="CODE",
        help="A location it may write; repeat it, or separate by commas.",
    ),
]
Reads = Annotated[
    list[str] | None,
    typer.Option(
        "--reads",
        metavar="CODE",
        help="A location whose stock it sees, group:NAME, or * for all.",
    ),
]


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(VERSION)
        raise typer.Exit


@cli.callback()
def before_a_command(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Read the options that no command needs."""


@cli.command(epilog="Example: everstock-hub init --data hub")
def init(data: Data, recovery_key_file: RecoveryKeyFile = None) -> None:
    """Make a hub in DIR and print the code of the office's node.

    Beside it the chain's recovery key is told, once: on the terminal, or in the file that is named.
    """
    world = World()
    made = NewRecoveryKey(world)
    if recovery_key_file is not None and recovery_key_file.exists():
        raise FileExistsError(errno.EEXIST, "it is there already", str(recovery_key_file))
    print(
        found(
            data,
            world,
            lambda store, hub: Fleet(store, hub, world).enrol_office(),
            recovery=made.public,
        )
    )
    say(f"The hub is in {data}. The code above enrols the office's node, once, within a day.")
    if recovery_key_file is not None:
        made.write(recovery_key_file)
        say(f"The chain's recovery key is in {recovery_key_file} and nowhere else.")
    else:
        say(f"The chain's recovery key, kept nowhere else: {made.text}")
    say(
        "Keep it on paper, away from every machine of the chain: with it and a copy of the hub, sealed details are "
        "read when a shop's node is lost. `everstock-hub recovery-key --replace` makes another."
    )


@cli.command(epilog="Example: everstock-hub serve --data hub --listen 127.0.0.1:7300")
def serve(
    data: Data,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Port 0 is any. Default 127.0.0.1:7300.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A settings file, as deploy/hub.example.toml."),
    ] = None,
) -> None:
    """Serve nodes until SIGTERM. The first line on stdout says where."""
    settings = read_settings(config, listen=listen)
    settings.check()
    configure_logging(settings.log_level)
    hub_folder = HubFolder(data)
    with hub_folder.folder.lock():
        code = run(application.serve(hub_folder, settings, World()))
    raise typer.Exit(code)


@cli.command(epilog="Example: everstock-hub enrol --data hub --name S01 --writes S01")
def enrol(
    data: Data,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="What the node is called; never used twice.")
    ],
    writes: Writes = None,
    reads: Reads = None,
    role: Annotated[Role, typer.Option(help="A shop's node or an office's.")] = Role.STORE,
    replaces: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The node whose locations it takes over when it joins."),
    ] = None,
    standby: Annotated[
        bool, typer.Option("--standby", help="Write beside the node that writes there now.")
    ] = False,
    expires: Annotated[
        str, typer.Option(metavar="TIME", help="How long the code is good: 30m, 24h, 7d.")
    ] = "24h",
) -> None:
    """Print a code that makes one device a node."""
    wish = Enrolment(
        name=name,
        role=role,
        writes=_listed(writes) or (),
        reads=_listed(reads) or (ALL,),
        replaces=replaces,
        standby=standby,
        expires_s=_duration_s(expires),
    )
    answer = through_daemon(data, "/v1/operator/enrol", wish)
    code = (
        answer["code"]
        if answer
        else alone(data, lambda store, hub: Fleet(store, hub, World()).enrol(wish))
    )
    print(code)


@cli.command(epilog="Example: everstock-hub access --data hub S01 --writes S01,S02")
def access(
    data: Data,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The node.", show_default=False)],
    writes: Writes = None,
    reads: Reads = None,
) -> None:
    """Change what a node may write and read.

    An option that is not given leaves that as it is.
    """
    if writes is None and reads is None:
        raise Refused(Code.BAD_VALUE, "say --writes or --reads")
    change = AccessChange(name=name, writes=_listed(writes), reads=_listed(reads))
    if through_daemon(data, "/v1/operator/access", change) is None:
        alone(data, lambda store, hub: Fleet(store, hub, World()).change_access(change))
    say(f"{name} has its new rights; it hears of them now, or when it next connects.")


@cli.command(epilog="Example: everstock-hub nodes --data hub --json")
def nodes(data: Data, as_json: AsJson = False) -> None:
    """List the nodes and how far each is behind.

    The lag is in row changes that a connected node may still have to be sent, and known while the hub runs.
    """
    found_nodes = _nodes(HubFolder(data))
    if as_json:
        print(json.dumps({"items": found_nodes}))
    else:
        print_nodes(found_nodes)


@cli.command(epilog="Example: everstock-hub quarantine --data hub --json")
def quarantine(data: Data, as_json: AsJson = False) -> None:
    """List the operations that have no effect, and why.

    With --json it is one object a line, and says in `release` what an office posts to /v1/movements of its node, under
    which Idempotency-Key, to make it count after all.
    """
    for operation in offline.quarantine(HubFolder(data).database):
        item = shown.quarantined(operation)
        print(json.dumps(item) if as_json else shown.line(item))


@cli.command("verify", epilog="Example: everstock-hub verify --data hub")
def verify_command(data: Data, as_json: AsJson = False) -> None:
    """Compute everything again from the ledger.

    Prints each place where something else is kept, the first one first, and then ends with 1.
    """
    hub_folder = HubFolder(data)
    # Before the database is looked at: a daemon may be writing both.
    witness = read_witness(hub_folder.folder)
    report = verify.verify(hub_folder.database, show_progress=sys.stderr.isatty(), witness=witness)
    if as_json:
        print(json.dumps(report.to_json()))
    else:
        for problem in report.problems:
            print(problem)
    if report.problems:
        say("Something is wrong.")
        raise typer.Exit(EXIT_FOUND_WRONG)
    sizes = report.sizes
    say(f"Everything adds up: {sizes.operations} operations, {sizes.rows} rows.")


recovery_commands.add_to(cli)
sealed_commands.add_to(cli)
audit_command.add_to(cli)


def main() -> None:
    """Run the command line; what went wrong is one sentence and an exit code."""
    try:
        cli()
    except DaemonRefused as refused:
        say(_sentence(refused))
        is_ours = refused.problem.get("status") in _CALLERS_FAULTS
        sys.exit(EXIT_USAGE if is_ours else EXIT_IO)
    except tuple(kind for kind, _ in _EXIT_BY_ERROR) as error:
        say(_sentence(error))
        sys.exit(next(code for kind, code in _EXIT_BY_ERROR if isinstance(error, kind)))


def _nodes(hub_folder: HubFolder) -> list[Mapping[str, object]]:
    """As the running daemon sees them, else as the database has them."""
    answer = call_daemon(hub_folder.folder, "/v1/operator/status", {})
    if answer is None:
        return [
            {**shown.node(record), **shown.NOT_CONNECTED}
            for record in offline.nodes(hub_folder.database)
        ]
    listed = answer.get("nodes")
    return [node for node in listed if isinstance(node, dict)] if isinstance(listed, list) else []


def _listed(values: Sequence[str] | None) -> tuple[str, ...] | None:
    """Options repeated, with commas, or both; one empty option is an empty list."""
    if values is None:
        return None
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def _duration_s(text: str) -> int:
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    if match is None:
        raise Refused(Code.BAD_VALUE, f"--expires {text} is not like 30m, 24h or 7d")
    return int(match[1]) * _SECONDS[match[2]]


def _sentence(error: BaseException) -> str:
    match error:
        case ProtocolError(detail=detail) | Refused(detail=detail):
            words = detail
        case ValidationError():
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            words = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        case OSError(filename=str(name), strerror=str(reason)):
            words = f"{name}: {reason}"
        case _:
            words = str(error)
    return f"everstock-hub: {words.rstrip('.')}."


if __name__ == "__main__":
    main()
