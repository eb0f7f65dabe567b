"""`everstock-node sealing`: another key for this node, and what a predecessor sealed, by the chain's recovery key.

Rule: the recovery key is read from a file, held in memory while it is used, and stored nowhere; nothing is opened here,
only wrapped for this node's own key.
"""

from pathlib import Path
from typing import Annotated, Final

import typer

from node import upkeep
from protocol.errors import Code, ProtocolError
from protocol.sealing import recovery_from_text

KEY_FILE_CHARS_MAX: Final = 1_000

sealing_app = typer.Typer(
    help="Keys of what is sealed at this node.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Data = Annotated[Path, typer.Option("--data", help="The node's folder.", show_default=False)]


@sealing_app.callback()
def sealing() -> None:
    """Keys of what is sealed at this node."""


@sealing_app.command("change-key", epilog="Example: everstock-node sealing change-key --data shop")
def change_key(data: Data) -> None:
    """Give this node another sealing key.

    What it can open is wrapped for the new one; the old one is destroyed once the hub keeps all of that.
    """
    done = upkeep.change_sealing_key(upkeep.joined_folder(data))
    _say(f"This node has another sealing key. Records wrapped for it: {done['rewrapped']}.")
    _say_unopened(done["unopened"])


@sealing_app.command(
    epilog="Example: everstock-node sealing recover --data shop --recovery-key-file key.txt"
)
def recover(
    data: Data,
    recovery_key_file: Annotated[
        Path,
        typer.Option("--recovery-key-file", help="Holds the chain's recovery key."),
    ],
) -> None:
    """Make readable here what another machine sealed.

    For a node that replaced one: run it once its sealed records have come from the hub.
    """
    with recovery_key_file.open(encoding="utf-8", errors="replace") as content:
        text = content.read(KEY_FILE_CHARS_MAX + 1)
    if len(text) > KEY_FILE_CHARS_MAX:
        raise ProtocolError(Code.BAD_VALUE, f"{recovery_key_file} does not hold a recovery key")
    recovery_from_text(text)  # a typing error is said before a daemon is asked
    done = upkeep.recover_sealed(upkeep.joined_folder(data), text)
    _say(f"Records that this node may open now, of those it could not: {done['rewrapped']}.")
    _say_unopened(done["unopened"])


def _say_unopened(count: object) -> None:
    if count:
        _say(f"Left as they were, for no key here opens them: {count}.")


def _say(words: str) -> None:
    typer.echo(words, err=True)
