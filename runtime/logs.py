"""Logs: one JSON object per line on stderr.

Rule: a line is one line whatever it says. All but printable ASCII is escaped, so text from outside
can neither begin a line nor move a terminal's cursor. Values under the names of secrets are masked.
"""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

MASK = "***"
_SECRET_WORDS = frozenset({"authorization", "code", "cookie", "password", "pin", "secret", "token"})
# A code alone is a problem's, and what an operator looks for; enrolment codes have longer names.
_HARMLESS = frozenset({"code", "error_code", "problem_code", "status_code"})
_DEPTH_MAX = 8  # deeper values are logged as text


def configure_logging(level: str) -> None:
    """Send the standard library's and structlog's records to stderr; `level` is like 'INFO'.

    Raises: ValueError for an unknown level.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # As text: the structured form holds local variables, and with them secrets.
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
        mask_secrets,
    ]
    renderer = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
    )
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(renderer)
    root = logging.getLogger()
    root.setLevel(level.upper())
    root.handlers = [output]
    # It would write down what a client offers as a protocol, and some clients put their token there.
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def mask_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask what stands under the name of a secret, at any depth."""
    return {key: _masked(key, value, 0) for key, value in event.items()}


def render(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Write the event as one line of printable ASCII."""
    line = json.dumps(event, default=repr, ensure_ascii=True)
    return line.replace("\x7f", "\\u007f")  # the one control character JSON lets through


def _masked(key: str, value: Any, depth: int) -> Any:
    if _is_secret(key):
        return MASK
    if isinstance(value, str | int | float | None):
        return value
    if depth == _DEPTH_MAX:
        return MASK
    if isinstance(value, Mapping):
        return {str(name): _masked(str(name), inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_masked("", inner, depth + 1) for inner in value]
    return value


def _is_secret(key: str) -> bool:
    name = key.lower().replace("-", "_")
    return name not in _HARMLESS and name.rpartition("_")[2] in _SECRET_WORDS
