"""The settings that every daemon of ours has: where it listens, behind which certificate, and how much it says.

Rule: nothing is served to other machines without TLS, and what cannot be used is found before anything starts.
"""

import ssl
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from runtime.addresses import Network, proxy_networks
from runtime.service import is_loopback, listen_address
from runtime.settings import SettingsError


class DaemonSettings(BaseModel):
    """What an operator can choose of any daemon; each daemon adds its own, and where it listens by default."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    instead: ClassVar[str] = ""
    """What a daemon offers in place of a certificate that the operator has to bring."""

    listen: str
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    verify_every_h: Annotated[float, Field(ge=0, le=8_760, allow_inf_nan=False)] = 24.0

    def check(self) -> None:
        """Find now what would stop the daemon later.

        Raises: SettingsError.
        """
        self.address()
        self.server_tls()
        self.proxies()

    def address(self) -> tuple[str, int]:
        """Host and port to listen on.

        Raises: SettingsError, also for an address that others can reach without TLS.
        """
        host, port = listen_address(self.listen)
        if not is_loopback(host) and self.tls_certificate is None:
            raise SettingsError(
                f"listen: {self.listen} can be reached from other machines, so it needs "
                f"tls_certificate and tls_key{self.instead}."
            )
        return host, port

    def proxies(self) -> tuple[Network, ...]:
        """Who is believed about the address of others.

        Raises: SettingsError.
        """
        return proxy_networks(self.trusted_proxies)

    def server_tls(self) -> ssl.SSLContext | None:
        """What callers connect with; None for plain HTTP on loopback. Reads files.

        Raises: SettingsError.
        """
        if self.tls_certificate is None and self.tls_key is None:
            return None
        if self.tls_certificate is None or self.tls_key is None:
            raise SettingsError("tls_certificate and tls_key belong together.")
        context = server_context()
        try:
            load_certificate(context, self.tls_certificate, self.tls_key)
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"tls_certificate and tls_key cannot be used: {tls_reason(error)}."
            ) from error
        return context


def server_context() -> ssl.SSLContext:
    """What a daemon of ours serves TLS with: 1.2 and 1.3."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def load_certificate(context: ssl.SSLContext, certificate: Path, key: Path | None = None) -> None:
    """Have new connections shown this certificate; without `key` the file holds both. Reads files.

    Raises: OSError, ValueError.
    """
    # Without a password to give: a key that asks for one would stop the daemon at a prompt.
    context.load_cert_chain(certificate, key, password=lambda: b"")


def tls_reason(error: Exception) -> str:
    """Why a certificate or key cannot be used, in OpenSSL's words or the system's."""
    # ssl.SSLError is an OSError whose strerror is OpenSSL's sentence, with its source line.
    return str(getattr(error, "strerror", None) or error).rstrip(".")
