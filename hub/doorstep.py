"""The doorstep: connections whose first frame, the proof of a key, has not come yet.

Invariant: whoever says nothing holds nothing that a node needs. It waits here, not in a handshake's place; for three
seconds at most; and when the room is full the longest silent gives way to the newcomer, first among those of the
newcomer's own address. A node answers within one round trip, so a silent crowd gives way to it.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

import structlog

from hub.metrics import HubMetrics
from runtime.addresses import site_of

FIRST_FRAME_S_MAX: Final = 3.0
"""A node signs the challenge as soon as it hears it; this is a round trip on a bad line, several times over."""
LOG_EVERY_S: Final = 10.0

_log = structlog.get_logger(__name__)


class GaveWay(Exception):
    """The connection said nothing for longer than the others, and there was no room."""


class Doorstep:
    """Who waits, by address, the longest silent first."""

    def __init__(self, *, waiting_max: int, per_address_max: int) -> None:
        self._waiting_max = waiting_max
        self._per_address_max = per_address_max
        self._by_site: dict[str, dict[asyncio.Timeout, None]] = {}
        self._count = 0
        self._gave_way: set[asyncio.Timeout] = set()

    @contextlib.asynccontextmanager
    async def waits(self, address: str | None) -> AsyncIterator[None]:
        """Wait inside for the first frame.

        Raises: TimeoutError after FIRST_FRAME_S_MAX; GaveWay, as soon as the place is needed.
        """
        site = site_of(address)
        deadline = asyncio.timeout(FIRST_FRAME_S_MAX)
        try:
            async with deadline:
                self._make_room(site)
                self._by_site.setdefault(site, {})[deadline] = None
                self._count += 1
                try:
                    yield
                finally:
                    self._leave(site, deadline)
        except TimeoutError:
            if deadline in self._gave_way:
                raise GaveWay from None
            raise
        finally:
            self._gave_way.discard(deadline)

    def _make_room(self, site: str) -> None:
        if len(self._by_site.get(site, ())) >= self._per_address_max:
            self._send_away_from(site)
        elif self._count >= self._waiting_max:
            self._send_away_from(max(self._by_site, key=lambda each: len(self._by_site[each])))

    def _send_away_from(self, site: str) -> None:
        longest_silent = next(iter(self._by_site[site]))
        self._leave(site, longest_silent)
        if not longest_silent.expired():
            self._gave_way.add(longest_silent)
            longest_silent.reschedule(asyncio.get_running_loop().time())

    def _leave(self, site: str, deadline: asyncio.Timeout) -> None:
        of_site = self._by_site.get(site, {})
        if deadline in of_site:
            del of_site[deadline]
            self._count -= 1
        if not of_site:
            self._by_site.pop(site, None)


class UnprovenEnds:
    """Counts sessions that ended before a node was known: one line of the log for all of ten seconds."""

    def __init__(self, metrics: HubMetrics) -> None:
        self._metrics = metrics
        self._since: Counter[str] = Counter()
        self._is_quiet = False

    def count(self, why: str) -> None:
        """One more; `why` is a code of the protocol, so there are few."""
        self._metrics.unproven.inc()
        self._since[why] += 1
        if not self._is_quiet:
            self._tell()

    def _tell(self) -> None:
        self._is_quiet = bool(self._since)
        if not self._since:
            return
        _log.info(
            "sessions ended before a node was known",
            count=self._since.total(),
            why=dict(sorted(self._since.items())),
        )
        self._since.clear()
        asyncio.get_running_loop().call_later(LOG_EVERY_S, self._tell)
