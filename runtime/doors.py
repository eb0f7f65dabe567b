"""Which of a daemon's doors a request came in by: its own, or one that was opened for other machines.

Rule: where a request comes from is asked here, and of nothing that the request says of itself but by a proxy of ours.
"""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from aiohttp import web

from runtime.addresses import client_address


@dataclass(frozen=True, slots=True)
class Door:
    """An address that a daemon listens at."""

    names: frozenset[str] = frozenset()
    """What the daemon is called there beside the address itself, and at no other door."""
    is_for_others: bool = False
    """Whether whoever comes in by it counts as on another machine."""


OWN: Final = Door()
"""The one that `service.serve` opens."""


def door_of(request: web.Request) -> Door:
    """The door of a request."""
    found = getattr(request.protocol, "door", OWN)  # aiohttp's own test server has none
    assert isinstance(found, Door)
    return found


def is_from_elsewhere(request: web.Request) -> bool:
    """Whether a request comes from another machine, or by a door that was opened for those."""
    return door_of(request).is_for_others or not _is_loopback(client_address(request))


@lru_cache(maxsize=256)
def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return not address  # a Unix socket
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback
