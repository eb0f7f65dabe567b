"""Backups and restores cut short: under the name that was asked for is a whole copy or nothing, and both commands can be given again.

Invariant: whether a copy is whole is asked by restoring it with the product's own code, which verifies what comes of it.
"""

import shutil
from collections.abc import Mapping
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal

from hub import restore as hub_restore
from hub.datafolder import DATABASE, HubFolder
from hub.store.sqlite.store import SqliteHubStore
from node import backup as node_backup
from node.joining import KEY_NAME
from node.replica import DATABASE_NAME, verify
from runtime.connection import connect_writer
from runtime.folder import Folder
from runtime.keys import load_or_create_signing_key
from runtime.world import World
from tests.bench.shops import found_hub
from tests.crash.explore import Layout
from tests.crash.hubs import verified
from tests.crash.nodes import integrity, sell
from tests.crash.recorder import Recorder
from tests.crash.recording import Recording
from tests.crash.streams import Fact, Said
from tests.node.enrolled import enrolled_folder
from tests.store.shop import Shop

_COPY: Final = "copy"
_OPERATIONS: Final = 12

Module = Literal["node", "hub"]


async def copies(place: Path) -> list[Recording]:
    """`backup` and `restore` of a node and of a hub."""
    with closing(connect_writer(enrolled_folder(place / "node").database)) as db:
        for _ in range(_OPERATIONS):
            sell(db)
    shop = Shop("S01")
    for _ in range(_OPERATIONS):
        shop.sells("SKU", 1)
    await found_hub(place / "hub", [shop])
    store = await SqliteHubStore.open(place / "hub" / DATABASE)
    await shop.opens(store)
    await shop.pushes(store)
    await store.close()
    return [*await _of("node", place), *await _of("hub", place)]


async def _of(module: Module, place: Path) -> list[Recording]:
    kept, again = place / f"{module}-kept", place / f"{module}-again"
    kept.mkdir(mode=0o700)
    backup, restore = Recorder(module, kept), Recorder(module, again)
    await backup.run("backup", "--data", str(place / module), str(kept / _COPY))
    made = await backup.read(f"{module}, backup", {"checker": "copy", "module": module})
    await restore.run("restore", "--data", str(again), str(kept / _COPY))
    knowledge = {
        "checker": "restored",
        "module": module,
        "copy": (kept / _COPY).read_bytes(),
    }
    return [made, await restore.read(f"{module}, restore", knowledge)]


class CopyChecker:
    """Holds folders in which `backup` or `restore` was at work."""

    def __init__(self, folder: Path, knowledge: Mapping[str, object]) -> None:
        """`knowledge` has the `module`, and for a restore the `copy` that it is made of."""
        self._module = knowledge["module"]
        self._state = Layout(folder / "state", opened="")
        self._copy = self._state.folder / _COPY
        self._scratch = folder / "scratch"
        self._restores = knowledge["checker"] == "restored"
        if self._restores:
            content = knowledge["copy"]
            assert isinstance(content, bytes)
            self._copy = folder / _COPY
            self._copy.write_bytes(content)
            self._copy.chmod(0o600)
        self._is_done = False
        self._known: dict[bytes, str] = {}

    @property
    def contents(self) -> int:
        """Different folders so far."""
        return len(self._known)

    def note(self, fact: Fact) -> None:
        """A person was told that it is done: both commands name the file or the folder."""
        if isinstance(fact, Said) and fact.where == 2 and fact.text.strip():
            self._is_done = True

    def problems(self, image: Mapping[str, bytes]) -> list[str]:
        """See `Checker`."""
        key = blake2b(
            repr((self._is_done, sorted(image.items()))).encode(), digest_size=16
        ).digest()
        if key not in self._known:
            self._state.lay(image)
            self._state.forget()
            shutil.rmtree(self._scratch, ignore_errors=True)
            try:
                self._known[key] = self._problem(image)
            except Exception as error:
                self._known[key] = f"it cannot be used: {type(error).__name__}: {error}"
        return [self._known[key]] if self._known[key] else []

    def _problem(self, image: Mapping[str, bytes]) -> str:
        target = DATABASE_NAME if self._module == "node" else DATABASE
        name = target if self._restores else _COPY
        if name not in image and self._is_done:
            return f"{name} was said to be there, and is not"
        if not self._restores:
            return self._restored(self._scratch) if name in image else ""
        if name not in image:
            return self._restored(self._state.folder)
        return self._whole(self._state.folder)

    def _restored(self, folder: Path) -> str:
        """Restore the copy into a folder that may hold what an earlier attempt left."""
        if self._module == "node":
            made = node_backup.restore(self._copy, folder, World(), show_progress=False)
        else:
            made = hub_restore.restore(self._copy, folder, World(), move_aside=False, show=False)
        if made.operations != _OPERATIONS:
            return f"of {_OPERATIONS} operations {made.operations} are left"
        return self._whole(folder)

    def _whole(self, path: Path) -> str:
        if self._module == "hub":
            hub_folder = HubFolder(path)
            hub_folder.signing_key()
            hub_folder.token_digest()
            with closing(connect_writer(hub_folder.database)) as db:
                return "; ".join(verified(db)[:1])
        if not (path / KEY_NAME).exists():
            return "the restored node has no key"
        load_or_create_signing_key(Folder(path, must_exist=True), KEY_NAME)
        with closing(connect_writer(path / DATABASE_NAME)) as db:
            return "; ".join((integrity(db) + verify.problems(db))[:1])
