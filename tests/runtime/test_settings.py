"""Settings: which source counts, and what is refused."""

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from runtime.settings import SettingsError, load_settings

PREFIX = "EVERSTOCK_TEST_"


class Sample(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    listen: str = "127.0.0.1:7310"
    log_level: str = "INFO"
    retention_days: Annotated[int, Field(ge=1, le=4_000)] = 400
    drain: bool = True
    delay_s: float = 0.5
    allowed_hosts: tuple[str, ...] = ()
    certificate: Path | None = None
    secret: SecretStr | None = None


def load(
    config: Path | None = None, environ: dict[str, str] | None = None, **flags: object
) -> Sample:
    return load_settings(
        Sample, env_prefix=PREFIX, config=config, flags=flags, environ=environ or {}
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text('listen = "file:1"\nlog_level = "file"\nretention_days = 30\n')
    return path


def test_nothing_given_is_the_defaults() -> None:
    assert load() == Sample()


def test_the_environment_goes_over_the_file_and_flags_over_both(file: Path) -> None:
    environ = {f"{PREFIX}LOG_LEVEL": "env", f"{PREFIX}LISTEN": "env:1", "PATH": "/bin"}
    settings = load(file, environ, listen="flag:1", log_level=None)
    assert (settings.listen, settings.log_level, settings.retention_days) == ("flag:1", "env", 30)


def test_a_file_may_give_every_type(tmp_path: Path) -> None:
    path = tmp_path / "all.toml"
    path.write_text(
        'allowed_hosts = ["a", "b"]\ncertificate = "/etc/c.pem"\ndrain = false\ndelay_s = 2\n'
        'secret = "hush"\n'
    )
    settings = load(path)
    assert settings.allowed_hosts == ("a", "b")
    assert settings.certificate == Path("/etc/c.pem")
    assert (settings.drain, settings.delay_s) == (False, 2.0)
    assert settings.secret is not None
    assert settings.secret.get_secret_value() == "hush"


def test_variables_are_text_for_every_type() -> None:
    values = {
        "RETENTION_DAYS": "31",
        "DRAIN": "false",
        "DELAY_S": "2.5",
        "ALLOWED_HOSTS": "a, b",
        "CERTIFICATE": "/etc/c.pem",
        "SECRET": "hush",
    }
    settings = load(environ={PREFIX + name: value for name, value in values.items()})
    assert (settings.retention_days, settings.drain, settings.delay_s) == (31, False, 2.5)
    assert settings.allowed_hosts == ("a", "b")
    assert settings.certificate == Path("/etc/c.pem")
    assert settings.secret is not None
    assert settings.secret.get_secret_value() == "hush"


def test_flags_come_as_the_command_line_parsed_them() -> None:
    settings = load(certificate=Path("/c"), retention_days=7, allowed_hosts=["a"], drain=False)
    assert settings == Sample(
        certificate=Path("/c"), retention_days=7, allowed_hosts=("a",), drain=False
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('lisen = "x"', "lisen in {file} is not a setting."),
        ('retention_days = "30"', "retention_days in {file}: Input should be a valid integer."),
        ("retention_days = 30.0", "retention_days in {file}: Input should be a valid integer."),
        ("retention_days = true", "retention_days in {file}: Input should be a valid integer."),
        ("retention_days = 0", "retention_days in {file}: Input should be greater than"),
        ("allowed_hosts = [1]", "allowed_hosts in {file}: Input should be a valid string."),
        ("[listen]\na = 1", "listen in {file}: Input should be a valid string."),
        ("listen", "{file} is not a TOML file: "),
        ('listen = "\udcff"', "{file} is not a TOML file: "),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "node.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SettingsError) as raised:
        load(file)
    assert str(raised.value).startswith(sentence.format(file=file))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("LISEN", "x", "EVERSTOCK_TEST_LISEN is not a setting."),
        ("", "x", "EVERSTOCK_TEST_ is not a setting."),
        ("RETENTION_DAYS", "many", "EVERSTOCK_TEST_RETENTION_DAYS: Input should be a valid"),
        ("RETENTION_DAYS", "5000", "EVERSTOCK_TEST_RETENTION_DAYS: Input should be less than"),
        ("DRAIN", "perhaps", "EVERSTOCK_TEST_DRAIN: Input should be a valid boolean"),
    ],
)
def test_a_mistake_in_a_variable_is_one_sentence(name: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(environ={PREFIX + name: value})
    assert str(raised.value).startswith(sentence)


def test_a_mistake_in_a_flag_is_named_as_it_was_typed() -> None:
    with pytest.raises(SettingsError, match=r"^--retention-days: Input should be a valid integer"):
        load(retention_days="x")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: No such file or directory\."):
        load(tmp_path / "none.toml")


def test_a_value_is_not_repeated_in_the_message() -> None:
    with pytest.raises(SettingsError) as raised:
        load(environ={f"{PREFIX}RETENTION_DAYS": "hunter2"})
    assert "hunter2" not in str(raised.value)
