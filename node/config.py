"""The node's settings, from a file, the environment (`EVERSTOCK_NODE_…`) and flags, checked before anything starts.

Rule: a setting that cannot be used is an error with one sentence, never a warning. Each is explained in
`deploy/node.example.toml`.
"""

import ssl
from pathlib import Path
from typing import Final

from runtime.daemon_settings import DaemonSettings, tls_reason
from runtime.settings import SettingsError, load_settings

ENV_PREFIX: Final = "EVERSTOCK_NODE_"


class NodeSettings(DaemonSettings):
    """Everything an operator can choose."""

    listen: str = "127.0.0.1:7310"
    hub_ca: Path | None = None
    playground: bool = True

    def check(self) -> None:
        """Find now what would stop the daemon later.

        Raises: SettingsError.
        """
        super().check()
        self.hub_tls()

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
