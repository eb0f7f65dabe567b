"""The hub's settings, from a file, the environment (`EVERSTOCK_HUB_...`) and flags, checked before anything starts.

Rule: a setting that cannot be used is an error with one sentence, never a warning. Each is explained in
`deploy/hub.example.toml`.
"""

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from runtime.daemon_settings import DaemonSettings
from runtime.folder import Folder
from runtime.settings import SettingsError, load_settings

ENV_PREFIX: Final = "EVERSTOCK_HUB_"


class HubSettings(DaemonSettings):
    """Everything an operator can choose."""

    listen: str = "127.0.0.1:7300"
    sessions_max: Annotated[int, Field(ge=1, le=20_000)] = 2_000
    handshakes_max: Annotated[int, Field(ge=1, le=1_000)] = 64
    unproven_max: Annotated[int, Field(ge=2, le=20_000)] = 1_000
    unproven_per_address_max: Annotated[int, Field(ge=1, le=20_000)] | None = None
    backup_to: Path | None = None
    backup_every_h: Annotated[float, Field(gt=0, le=8_760, allow_inf_nan=False)] = 24.0
    backup_keep: Annotated[int, Field(ge=2, le=10_000)] = 14
    witness_in: Path | None = None

    def check(self) -> None:
        """Find now what would stop the daemon later.

        Raises: SettingsError.
        """
        super().check()
        for name, path in (("backup_to", self.backup_to), ("witness_in", self.witness_in)):
            if path is not None and not path.is_dir():
                raise SettingsError(f"{name}: {path} is not a folder.")

    def witness_folder(self, data: Folder) -> Folder:
        """Where the witness is kept: the data folder, unless another is set.

        Raises: FolderError.
        """
        return data if self.witness_in is None else Folder(self.witness_in, must_exist=True)

    def unproven_of_one_address_max(self) -> int:
        """How many of one address may wait: half of all, unless it is set."""
        return self.unproven_per_address_max or self.unproven_max // 2


def read_settings(config: Path | None, **flags: object) -> HubSettings:
    """Read the settings; a flag that is None was not given.

    Raises: SettingsError.
    """
    return load_settings(HubSettings, env_prefix=ENV_PREFIX, config=config, flags=flags)
