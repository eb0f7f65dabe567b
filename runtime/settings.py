"""Settings from a TOML file, then the environment, then flags; the later one counts.

Rule: whatever is given is used or refused. An unknown key, also an unknown variable under our
prefix, is an error: a misspelt limit that silently keeps its default is found on the worst day.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

S = TypeVar("S", bound=BaseModel)


class SettingsError(ValueError):
    """A setting is wrong; the message is one sentence that names it."""


class _Given(NamedTuple):
    """A value, still as its source has it, and how to name it to the operator."""

    value: object
    source: str
    is_text: bool = False  # a variable is text whatever it stands for; files and flags have types


def load_settings(
    model: type[S],
    *,
    env_prefix: str,
    config: Path | None,
    flags: Mapping[str, object],
    environ: Mapping[str, str] = os.environ,
) -> S:
    """Read settings for `model`, whose config is frozen, strict and forbids extra keys.

    `env_prefix` is like 'EVERSTOCK_NODE_'; a variable's name goes on with the key in capitals, and
    a list is separated by commas. A flag that is None was not given.

    Raises: SettingsError.
    """
    given = _from_file(config) if config else {}
    given |= {
        name.removeprefix(env_prefix).lower(): _Given(value, name, is_text=True)
        for name, value in environ.items()
        if name.startswith(env_prefix)
    }
    given |= {
        key: _Given(value, f"--{key.replace('_', '-')}")
        for key, value in flags.items()
        if value is not None
    }
    values = {key: _read(model, key, entry) for key, entry in given.items()}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _sentence(error, given) from error


def _from_file(config: Path) -> dict[str, _Given]:
    try:
        table = tomllib.loads(config.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{config}: {error.strerror}.") from error
    except ValueError as error:
        raise SettingsError(f"{config} is not a TOML file: {error}.") from error
    return {key: _Given(value, f"{key} in {config}") for key, value in table.items()}


def _read(model: type[BaseModel], key: str, given: _Given) -> object:
    field = model.model_fields.get(key)
    if field is None:
        raise SettingsError(f"{given.source} is not a setting.")
    adapter: TypeAdapter[Any] = TypeAdapter(_type_of(field))
    try:
        if given.is_text:
            return _read_text(adapter, field, str(given.value))
        # JSON's rules: a list may become a tuple, but 5.0 is no int and 1 is not true.
        return adapter.validate_json(json.dumps(given.value, default=str), strict=True)
    except ValidationError as error:
        raise _sentence(error, {key: given}, key) from error


def _type_of(field: FieldInfo) -> Any:
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def _read_text(adapter: TypeAdapter[Any], field: FieldInfo, text: str) -> Any:
    if get_origin(field.annotation) not in {list, tuple, set, frozenset}:
        return adapter.validate_strings(text)
    return adapter.validate_python([part.strip() for part in text.split(",") if part.strip()])


def _sentence(error: ValidationError, given: Mapping[str, _Given], key: str = "") -> SettingsError:
    # The value stays out of the message: it may be a secret.
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = [key] * bool(key) + [str(part) for part in first["loc"]]
    name = given[path[0]].source if path and path[0] in given else ".".join(path)
    return SettingsError(f"{name or 'The settings'}: {first['msg']}.")
