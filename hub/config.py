"""The hub's settings, from a file, the environment (`EVERSTOCK_HUB_...`) and flags, checked before anything starts.

Rule: a setting that cannot be used is an error with one sentence, never a warning. Each is explained in
`deploy/hub.example.toml`.
"""

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from runtime.daemon_settings import DaemonSettings
from runtime.settings import load_settings

ENV_PREFIX: Final = "EVERSTOCK_HUB_"


class HubSettings(DaemonSettings):
    """Everything an operator can choose."""

    listen: str = "127.0.0.1:7300"
    sessions_max: Annotated[int, Field(ge=1, le=20_000)] = 2_000
    handshakes_max: Annotated[int, Field(ge=1, le=1_000)] = 64
    unproven_max: Annotated[int, Field(ge=2, le=20_000)] = 1_000
    unproven_per_address_max: Annotated[int, Field(ge=1, le=20_000)] | None = None

    def unproven_of_one_address_max(self) -> int:
        """How many of one address may wait: half of all, unless it is set."""
        return self.unproven_per_address_max or self.unproven_max // 2


def read_settings(config: Path | None, **flags: object) -> HubSettings:
    """Read the settings; a flag that is None was not given.

    Raises: SettingsError.
    """
    return load_settings(HubSettings, env_prefix=ENV_PREFIX, config=config, flags=flags)
