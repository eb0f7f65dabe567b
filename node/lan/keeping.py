"""What a node keeps of its door to other machines: `lan/` in its folder, 0700, each file 0600.

    lan.json     where to listen, under which names, and whether to
    ca.key       the shop's authority, key and certificate: a secret
    ca.pem       the certificate alone: what tills are told to trust
    server.pem   key and certificate that are shown now: a secret

Invariant: each file is whole, and every one but `ca.key` and `lan.json` can be made again from those two. Switching off
keeps the authority, so that switching on again asks no till to trust another.
"""

import json
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node.lan.authority import Authority, ends_at, fingerprint, is_good
from node.lan.names import NAMES_MAX, Names, machine_name, names_found, names_given
from runtime.daemon_settings import load_certificate, server_context
from runtime.folder import Folder, FolderError
from runtime.service import listen_address

WISH_FILE: Final = "lan.json"
AUTHORITY_FILE: Final = "ca.key"
TRUSTED_FILE: Final = "ca.pem"
SERVER_FILE: Final = "server.pem"


class Wish(BaseModel):
    """What the operator asked for."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    on: bool
    listen: str
    names: Annotated[tuple[str, ...], Field(max_length=NAMES_MAX, strict=False)] = ()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port. Raises: SettingsError."""
        return listen_address(self.listen)

    def given(self) -> Names:
        """What certificates must be for. Raises: NotAName, SettingsError."""
        return names_given(self.address[0], self.names)


@dataclass(frozen=True, slots=True)
class Shown:
    """The certificate that is shown, and who vouches for it."""

    names: Names
    certificate_ends: datetime
    authority_ends: datetime
    fingerprint: str
    """Of the authority's certificate."""


class Kept:
    """The files of one node; all methods block, and whoever writes holds the node's lock."""

    def __init__(self, path: Path) -> None:
        """Nothing is made at `path` until something is written."""
        self._path = path

    @property
    def trusted(self) -> Path:
        """Where the authority's certificate is."""
        return (self._path / TRUSTED_FILE).absolute()

    @property
    def certificate(self) -> Path:
        """Where the key and certificate are that are shown."""
        return self._path / SERVER_FILE

    def wish(self) -> Wish | None:
        """What was asked for last; None when nothing ever was.

        Raises: FolderError, OSError.
        """
        if not self._path.exists():
            return None
        try:
            return Wish.model_validate_json(self._folder().read(WISH_FILE))
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise FolderError(f"{self._path / WISH_FILE} cannot be read") from error

    def keep(self, wish: Wish) -> None:
        """Keep what is asked for; durable on return."""
        content = json.dumps(wish.model_dump(mode="json"), indent=1).encode()
        self._folder().write_private(WISH_FILE, content + b"\n")

    def certify(self, wish: Wish, now: datetime, *, new_authority: bool = False) -> Shown:
        """Have an authority and a certificate that is good for some time yet; both are made where they are missing.

        Raises: NotVouchedFor: a name was given that the authority may not sign for. NotAName, FolderError, OSError.
        """
        given, found = wish.given(), names_found(wish.address[0])
        authority = None if new_authority else self._authority()
        if authority is None:
            authority = Authority.found(machine_name(), given | found, now)
            self._folder().write_private(AUTHORITY_FILE, authority.to_pem())
        if not self.trusted.is_file() or self.trusted.read_bytes() != authority.certificate_pem:
            self._folder().write_private(TRUSTED_FILE, authority.certificate_pem)
        authority.check(given)
        names = given | authority.permitted(found)
        shown = self._read(SERVER_FILE)
        if shown is None or not is_good(shown, authority, names, now):
            shown = authority.certify(names, now)
            self._folder().write_private(SERVER_FILE, shown)
        return _shown(shown, authority, names)

    def context(self) -> ssl.SSLContext:
        """What the certificate is served with. Raises: OSError."""
        context = server_context()
        self.load(context)
        return context

    def load(self, context: ssl.SSLContext) -> None:
        """Have new connections shown the certificate as it is now. Raises: OSError."""
        load_certificate(context, self.certificate)

    def shown(self) -> Shown | None:
        """What is shown, or would be; None when nothing ever was.

        Raises: FolderError, OSError.
        """
        wish, pem = self.wish(), self._read(SERVER_FILE)
        authority = self._authority()
        if wish is None or pem is None or authority is None:
            return None
        return _shown(
            pem, authority, wish.given() | authority.permitted(names_found(wish.address[0]))
        )

    def _authority(self) -> Authority | None:
        pem = self._read(AUTHORITY_FILE)
        if pem is None:
            return None
        try:
            return Authority.from_pem(pem)
        except ValueError:
            # Without the cause: its message could hold a part of the key.
            raise FolderError(f"{self._path / AUTHORITY_FILE} holds no authority") from None

    def _read(self, name: str) -> bytes | None:
        try:
            return self._folder().read(name)
        except FileNotFoundError:
            return None

    def _folder(self) -> Folder:
        return Folder(self._path)


def _shown(pem: bytes, authority: Authority, names: Names) -> Shown:
    ends = authority.certificate.not_valid_after_utc
    return Shown(names, ends_at(pem), ends, fingerprint(authority.certificate))
