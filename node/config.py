"""The node's settings, from a file, the environment (`EVERSTOCK_NODE_…`) and flags, checked before anything starts.

Rule: a setting that cannot be used is an error with one sentence, never a warning. Each is explained in
`deploy/node.example.toml`.
"""

import ssl
from pathlib import Path
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field

from node.alerting.settings import Alerting, AlertSettings
from node.replica.kept import Kept
from node.replica.retention import Retention
from protocol.certificate import ALL
from protocol.ids import code_fault
from protocol.limits import (
    LOCATIONS_PER_NODE_MAX,
    RETAINED_DAYS,
    RETAINED_DAYS_MAX,
    RETAINED_DAYS_MIN,
    RETAINED_DAYS_WITHOUT_BACKUP,
    RETAINED_DAYS_WITHOUT_BACKUP_MIN,
)
from runtime.daemon_settings import DaemonSettings, tls_reason
from runtime.settings import SettingsError, load_settings

ENV_PREFIX: Final = "EVERSTOCK_NODE_"


def _location(code: str) -> str:
    if code != ALL and (fault := code_fault(code)):
        raise ValueError(f"a location {fault}")
    return code


class NodeSettings(DaemonSettings, AlertSettings):
    """Everything an operator can choose."""

    instead: ClassVar[str] = (
        "; `everstock-node lan on` makes both, and serves tills there beside this machine"
    )

    listen: str = "127.0.0.1:7310"
    hub_ca: Path | None = None
    playground: bool = True
    retain_days: Annotated[int, Field(ge=RETAINED_DAYS_MIN, le=RETAINED_DAYS_MAX)] = RETAINED_DAYS
    retain_days_without_backup: Annotated[
        int, Field(ge=RETAINED_DAYS_WITHOUT_BACKUP_MIN, le=RETAINED_DAYS_MAX)
    ] = RETAINED_DAYS_WITHOUT_BACKUP
    history_locations: Annotated[
        tuple[Annotated[str, AfterValidator(_location)], ...],
        Field(max_length=LOCATIONS_PER_NODE_MAX),
    ] = ()

    def check(self) -> None:
        """Find now what would stop the daemon later.

        Raises: SettingsError.
        """
        super().check()
        self.hub_tls()
        if self.retain_days_without_backup < self.retain_days:
            raise SettingsError("retain_days_without_backup is less than retain_days.")

    def kept(self) -> Kept:
        """Of which locations movements are kept, beside those that the node writes."""
        return Kept(frozenset(self.history_locations))

    def retention(self) -> Retention:
        """How long the log goes back."""
        return Retention(self.retain_days, self.retain_days_without_backup)

    def alerting(self) -> Alerting:
        """Whom alerts are told to, and what is looked at."""
        return Alerting.of(self)

    def hub_tls(self) -> ssl.SSLContext:
        """How the hub proves its name behind `wss://`. Reads files.

        Raises: SettingsError.
        """
        try:
            context = ssl.create_default_context(cafile=self.hub_ca)
        except OSError as error:
            raise SettingsError(f"hub_ca cannot be used: {tls_reason(error)}.") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def read_settings(config: Path | None, **flags: object) -> NodeSettings:
    """Read the settings; a flag that is None was not given.

    Raises: SettingsError.
    """
    return load_settings(NodeSettings, env_prefix=ENV_PREFIX, config=config, flags=flags)
