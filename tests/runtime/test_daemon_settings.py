"""What every daemon refuses to listen with."""

from pathlib import Path

import pytest

from runtime.daemon_settings import DaemonSettings
from runtime.settings import SettingsError

CERTIFICATE = Path(__file__).parent.parent / "node" / "tls" / "localhost.pem"
KEY = CERTIFICATE.with_name("localhost.key")


def test_loopback_needs_no_certificate() -> None:
    settings = DaemonSettings(listen="127.0.0.1:0")
    settings.check()
    assert settings.address() == ("127.0.0.1", 0)
    assert settings.server_tls() is None


@pytest.mark.parametrize("listen", ["0.0.0.0:7300", "[::]:7300", "192.0.2.1:7300"])
def test_nothing_is_served_to_other_machines_without_a_certificate(listen: str) -> None:
    with pytest.raises(SettingsError, match="can be reached from other machines"):
        DaemonSettings(listen=listen).check()


def test_a_certificate_with_its_key_serves_any_address() -> None:
    settings = DaemonSettings(listen="0.0.0.0:7300", tls_certificate=CERTIFICATE, tls_key=KEY)
    settings.check()
    assert settings.server_tls() is not None


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [
        (CERTIFICATE, None, "belong together"),
        (None, KEY, "belong together"),
        (CERTIFICATE, CERTIFICATE, "cannot be used"),
        (CERTIFICATE, Path("missing.key"), "cannot be used"),
    ],
)
def test_half_a_certificate_is_one_sentence(
    certificate: Path | None, key: Path | None, words: str
) -> None:
    settings = DaemonSettings(listen="127.0.0.1:0", tls_certificate=certificate, tls_key=key)
    with pytest.raises(SettingsError, match=words):
        settings.check()
