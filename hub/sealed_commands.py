"""The commands about what is sealed: `recovery-key`, `sealed`, `open-sealed`.

Rule: the private half of a recovery key is made in the command's own process, printed or written once, and goes nowhere
else: not to the daemon, not into the hub's folder, not into a log.
"""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from hub import sealed_records
from hub.command_line import Data, alone, put, say, through_daemon
from hub.datafolder import HubFolder
from hub.fleet import Fleet, RecoveryKey
from hub.sealed_records import LINE_CHARS_MAX
from protocol.errors import Code, ProtocolError
from protocol.sealing import KEY_BYTES, KeyPair, recovery_from_text, recovery_pair, recovery_to_text
from runtime.service import EXIT_FOUND_WRONG
from runtime.world import World

KEY_FILE_CHARS_MAX = 1_000

RecoveryKeyFile = Annotated[
    Path | None,
    typer.Option(
        "--recovery-key-file",
        metavar="FILE",
        help="Write the chain's recovery key to this new file.",
    ),
]


class NewRecoveryKey:
    """A recovery key that was just made; its private half is here until it is handed over, and nowhere else."""

    def __init__(self, world: World) -> None:
        secret = world.random_bytes(KEY_BYTES)
        self.public = recovery_pair(secret).public
        self.text = recovery_to_text(secret)

    def write(self, file: Path) -> None:
        """Write it to a new file that only its owner may read; durable on return. Raises: FileExistsError; OSError."""
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(f"{self.text}\n")
            out.flush()
            os.fsync(out.fileno())


def add_to(cli: typer.Typer) -> None:
    """Make these commands of `everstock-hub`."""
    for command, name, example in (
        (recovery_key, "recovery-key", "recovery-key --data hub"),
        (sealed, "sealed", "sealed --data hub > sealed.jsonl"),
        (open_sealed, "open-sealed", "open-sealed --recovery-key-file key.txt sealed.jsonl"),
    ):
        cli.command(name, epilog=f"Example: everstock-hub {example}")(command)


def recovery_key(
    data: Data,
    replace: Annotated[  # noqa: FBT002 - a flag is named on the command line
        bool, typer.Option("--replace", help="Make another one, for what is sealed from now on.")
    ] = False,
) -> None:
    """Make the chain's recovery key and print it, once.

    A hub made by this version has one from the beginning: `init` told it. Nodes hear of it now or when they next connect.
    """
    made = NewRecoveryKey(World())
    wish = RecoveryKey(public=made.public.hex(), replaces=replace)
    if through_daemon(data, "/v1/operator/recovery-key", wish) is None:
        alone(
            data,
            lambda store, hub: Fleet(store, hub, World()).take_recovery_key(
                made.public, replaces=replace
            ),
        )
    put(made.text)
    say(
        "Above is the private half. It is kept nowhere: write it down, keep it away from every machine of the chain. "
        "Whoever has it, and a copy of the hub, reads what is sealed from now on; without it, what is sealed is lost "
        "with the shop's node."
    )


def sealed(data: Data) -> None:
    """Print all sealed records, as they are kept.

    They are for `open-sealed` on another machine, one JSON object a line. Nothing in it opens without a private key. Records whose keys were destroyed are not in it.
    """
    count = 0
    for line in sealed_records.export(HubFolder(data).database):
        put(line)
        count += 1
    say(f"{count} sealed records.")


def open_sealed(
    file: Annotated[Path, typer.Argument(metavar="EXPORT", help="What `sealed` printed.")],
    recovery_key_file: Annotated[
        Path,
        typer.Option("--recovery-key-file", metavar="FILE", help="Holds the recovery key."),
    ],
) -> None:
    """Open sealed records with the recovery key.

    Needs no hub and no node. Prints one JSON object a record, in clear. Ends with 1 where this key did not open one.
    """
    pair, failed = _pair_of(recovery_key_file), 0
    with file.open(encoding="utf-8", errors="replace") as lines:
        while line := lines.readline(LINE_CHARS_MAX):
            opened = sealed_records.open_line(line, pair)
            if opened.details is None:
                failed += 1
                say(f"{opened.movement}: {opened.why}.")
            else:
                put(json.dumps({"movement": opened.movement, "details": opened.details}))
    if failed:
        raise typer.Exit(EXIT_FOUND_WRONG)


def _pair_of(file: Path) -> KeyPair:
    with file.open(encoding="utf-8", errors="replace") as content:
        text = content.read(KEY_FILE_CHARS_MAX + 1)
    if len(text) > KEY_FILE_CHARS_MAX:
        raise ProtocolError(Code.BAD_VALUE, f"{file} does not hold a recovery key")
    return recovery_pair(recovery_from_text(text))
