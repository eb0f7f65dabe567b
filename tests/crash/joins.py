"""What must hold while a folder becomes a node or a hub: it is one, whole, or the command can be given again.

Invariant: once the hub was asked with a key, that key stays: the code is spent on it. Once the command said that it is done, it is.
"""

from collections.abc import Mapping
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Final

from hub.datafolder import DATABASE, HubFolder, found
from hub.fleet import Fleet
from hub.store.sqlite.store import SCHEMA as HUB_SCHEMA
from node.joining import KEY_NAME, OPERATOR_TOKEN_NAME
from node.replica import DATABASE_NAME, SCHEMA, identity, tokens, verify
from node.replica.identity import NotJoined
from protocol.enrolment import code_from_text
from runtime.connection import connect_writer
from runtime.folder import Folder
from runtime.keys import load_or_create_signing_key, token_digest
from runtime.migrations import migrate
from runtime.world import World
from tests.crash.explore import Layout
from tests.crash.hubs import verified
from tests.crash.streams import Asked, Fact, Said

_ALL: Final = ""


class JoinChecker:
    """Holds folders in which `everstock-node join` was at work."""

    def __init__(self, folder: Path, knowledge: Mapping[str, object]) -> None:
        """`knowledge` has the public `key` that the node has in the end."""
        self._state = Layout(folder / "state", opened=_ALL)
        self._key = knowledge["key"]
        self._was_asked = self._is_done = False
        self._known: dict[bytes, str] = {}

    @property
    def contents(self) -> int:
        """Different folders so far."""
        return len(self._known)

    def note(self, fact: Fact) -> None:
        """The hub was asked, or a person told."""
        match fact:
            case Asked(line) if line.startswith("POST"):
                self._was_asked = True
            case Said(_, text) if "This is node" in text:
                self._is_done = True
            case _:
                pass

    def problems(self, image: Mapping[str, bytes]) -> list[str]:
        """See `Checker`."""
        asked = repr((self._was_asked, self._is_done, sorted(image.items())))
        key = blake2b(asked.encode(), digest_size=16).digest()
        if key not in self._known:
            self._state.lay(image)
            try:
                self._known[key] = self._problem()
            except Exception as error:
                self._known[key] = f"the folder cannot be opened: {type(error).__name__}: {error}"
        return [self._known[key]] if self._known[key] else []

    def _problem(self) -> str:
        folder = Folder(self._state.folder, must_exist=True)
        held = (folder.path / KEY_NAME).exists()
        with folder.lock(), closing(connect_writer(folder.path / DATABASE_NAME)) as db:
            migrate(db, SCHEMA)  # as a second `join` would
            key = bytes(load_or_create_signing_key(folder, KEY_NAME).verify_key)
            if self._was_asked and not (held and key == self._key):
                return "the key that the hub was asked with is gone, and the code with it"
            try:
                who = identity.read_identity(db)
            except NotJoined:
                return "the node that was said to have joined has not" if self._is_done else ""
            if who.certificate.public_key != key:
                return "the key is not the one that was enrolled"
            token = folder.read(OPERATOR_TOKEN_NAME).decode().strip()
            if token_digest(token) not in tokens.read_all(db):
                return "the operator's token is not known to the node"
            identity.read_position(db)
            return "; ".join(verify.problems(db)[:1])


class InitChecker:
    """Holds folders in which `everstock-hub init` was at work."""

    def __init__(self, folder: Path, _knowledge: Mapping[str, object]) -> None:
        """`folder` is to lay states out in."""
        self._state = Layout(folder / "state", opened=_ALL)
        self._code: bytes | None = None
        self._known: dict[bytes, str] = {}

    @property
    def contents(self) -> int:
        """Different folders so far."""
        return len(self._known)

    def note(self, fact: Fact) -> None:
        """The office's code was printed."""
        if isinstance(fact, Said) and fact.where == 1 and fact.text.strip():
            self._code = code_from_text(fact.text.strip()).id

    def problems(self, image: Mapping[str, bytes]) -> list[str]:
        """See `Checker`."""
        key = blake2b(repr((self._code, sorted(image.items()))).encode(), digest_size=16).digest()
        if key not in self._known:
            self._state.lay(image)
            try:
                self._known[key] = self._problem(image)
            except Exception as error:
                self._known[key] = f"the folder cannot be used: {type(error).__name__}: {error}"
        return [self._known[key]] if self._known[key] else []

    def _problem(self, image: Mapping[str, bytes]) -> str:
        if DATABASE not in image:
            if self._code is not None:
                return "a code was printed, and there is no hub"
            world = World()
            found(
                self._state.folder,
                world,
                lambda store, hub: Fleet(store, hub, world).enrol_office(),
            )
        hub_folder = HubFolder(self._state.folder)
        hub_folder.signing_key()
        hub_folder.token_digest()
        with hub_folder.folder.lock(), closing(connect_writer(hub_folder.database)) as db:
            migrate(db, HUB_SCHEMA)
            held = {row[0] for row in db.execute("SELECT code FROM enrolment_code")}
            if not held or (self._code is not None and self._code not in held):
                return "the office's code is not in the hub"
            return "; ".join(verified(db)[:1])
