"""Whom a node tells of alerts, and what it looks at: a part of its settings.

Rule: what cannot be used is found before anything starts. Secrets are never shown, not by `repr` either.
"""

import base64
import binascii
import ipaddress
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from yarl import URL

from protocol.ids import Location, code_fault
from protocol.limits import (
    ALERT_EXPIRING_DAYS,
    LOCATIONS_PER_NODE_MAX,
    MAIL_RECIPIENTS_MAX,
    WEBHOOKS_MAX,
)
from protocol.workflows.alerts import Condition

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 # how every secret begins, and none itself
SECRET_BYTES_MIN: Final = 24
SECRET_BYTES_MAX: Final = 64
_ALL: Final = tuple(Condition)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError("must be networks such as 10.0.0.0/8") from error
    return text


def _location(text: str) -> str:
    if fault := code_fault(text):
        raise ValueError(fault)
    return text


def _url(text: str) -> str:
    try:
        url = URL(text)
    except ValueError as error:
        raise ValueError("must be a URL") from error
    if url.scheme not in ("http", "https") or not url.host or url.user or url.fragment:
        raise ValueError("must be https://HOST/PATH, without a user or a fragment")
    return text


def _secret(text: SecretStr) -> SecretStr:
    secret_bytes(text)
    return text


def secret_bytes(secret: SecretStr) -> bytes:
    """The key of a webhook's secret.

    Raises: ValueError.
    """
    said = "must be whsec_ and then 24 to 64 random bytes in base64"
    text = secret.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(said) from error
    if not text.startswith(SECRET_PREFIX) or not SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX:
        raise ValueError(said)
    return key


class _Given(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Webhook(_Given):
    """An address that is told of alerts."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
    url: Annotated[str, Field(max_length=2_000), AfterValidator(_url)]
    secret: Annotated[SecretStr, AfterValidator(_secret)]
    conditions: tuple[Condition, ...] = _ALL


class Email(_Given):
    """A mail server, and who gets mail from it."""

    server: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:\[\]-]+:[0-9]{1,5}$")]
    security: Literal["starttls", "tls", "plain"] = "starttls"
    user: str | None = None
    password: SecretStr | None = None
    sender: Annotated[str, Field(pattern=r"^[^\s@<>,;]+@[^\s@<>,;]+$", max_length=254)]
    recipients: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[^\s@<>,;]+@[^\s@<>,;]+$", max_length=254)], ...],
        Field(min_length=1, max_length=MAIL_RECIPIENTS_MAX),
    ]
    conditions: tuple[Condition, ...] = _ALL

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the server."""
        host, _, port = self.server.rpartition(":")
        return host.strip("[]"), int(port)

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together")
        if not 0 < self.address[1] < 2**16:
            raise ValueError("server has no port that exists")
        return self


class AlertSettings(BaseModel):
    """What an operator can choose of alerts; `NodeSettings` has these beside its own."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    alert_expiring_days: Annotated[int, Field(ge=0, le=3_650)] = ALERT_EXPIRING_DAYS
    alert_locations: Annotated[
        tuple[Annotated[str, AfterValidator(_location)], ...],
        Field(max_length=LOCATIONS_PER_NODE_MAX),
    ] = ()
    webhooks: Annotated[tuple[Webhook, ...], Field(max_length=WEBHOOKS_MAX)] = ()
    webhook_networks: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    email: Email | None = None

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [one.name for one in self.webhooks]
        if len(names) != len(set(names)):
            raise ValueError("two webhooks have one name")
        return self


@dataclass(frozen=True, slots=True)
class Alerting:
    """The same as the node's parts take it."""

    expiring_days: int = ALERT_EXPIRING_DAYS
    locations: tuple[Location, ...] = ()
    """At the office: those that no other node looks after."""
    webhooks: tuple[Webhook, ...] = ()
    networks: tuple[Network, ...] = ()
    """Private ones that webhooks may lead to."""
    email: Email | None = None

    @classmethod
    def of(cls, settings: AlertSettings) -> "Alerting":
        """Take them over."""
        return cls(
            settings.alert_expiring_days,
            tuple(Location(one) for one in settings.alert_locations),
            settings.webhooks,
            tuple(ipaddress.ip_network(one) for one in settings.webhook_networks),
            settings.email,
        )
