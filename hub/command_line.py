"""What the commands of `everstock-hub` share: options, how they reach a hub, and how they speak.

Rule: a command that writes goes through the running daemon, or takes the folder's lock when none runs. Data goes to
stdout, words to stderr.
"""

import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel

from hub.datafolder import HubFolder, wait_for
from hub.store.interface import HubStore
from protocol.session.hub import HubIdentity
from runtime.control import call_daemon

T = TypeVar("T")

Data = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="The hub's folder.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]


def say(words: str) -> None:
    """Speak to the person at the terminal."""
    sys.stderr.write(f"{words}\n")


def put(line: str) -> None:
    """Put one line of data on stdout."""
    sys.stdout.write(f"{line}\n")


def through_daemon(data: Path, path: str, body: BaseModel) -> Mapping[str, object] | None:
    """What the running daemon answered; None when none runs.

    Raises: NoHub; DaemonRefused.
    """
    return call_daemon(HubFolder(data).folder, path, body.model_dump(mode="json"))


def alone(data: Path, task: Callable[[HubStore, HubIdentity], Awaitable[T]]) -> T:
    """Do it here, under the folder's lock.

    Raises: NoHub; FolderBusy; StoreError.
    """
    hub_folder = HubFolder(data)

    async def work() -> T:
        store = await hub_folder.open_store()
        try:
            history = await store.history()
            return await task(store, HubIdentity(history.chain, key, history.recovery))
        finally:
            await store.close()

    with hub_folder.folder.lock():
        key = hub_folder.signing_key()
        return wait_for(work)
