"""No exception goes unseen (I18), and what the product reports of rare events is counted.

Rule: an exception that the runtime logs with its traceback is a bug; so is everything that node or hub call critical.
"""

import logging
from collections.abc import MutableMapping
from typing import Any, Final, Self

import structlog

from tests.sim.chain import Chain

_TOLD: Final = ("reason", "why")
"""Which part of an event goes into its probe."""


class Ears(logging.Handler):
    """Hears everything that is logged while it is entered."""

    def __init__(self, chain: Chain) -> None:
        super().__init__(logging.ERROR)
        self._chain = chain

    def emit(self, record: logging.LogRecord) -> None:
        """Complain if it is about an exception; others tell of the world."""
        if record.exc_info is not None and record.exc_info[1] is not None:
            self._chain.complain(f"I18: {record.getMessage()}: {record.exc_info[1]!r}")

    def __enter__(self) -> Self:
        structlog.configure(
            processors=[self._hear],
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        )
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)
        structlog.reset_defaults()

    def _hear(self, _logger: object, level: str, event: MutableMapping[str, Any]) -> str:
        if level == "critical":
            self._chain.complain(f"I18: {dict(event)}")
        told = [str(event[part]) for part in _TOLD if part in event]
        self._chain.probe(": ".join([event["event"], *told]))
        raise structlog.DropEvent
