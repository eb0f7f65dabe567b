"""Whose address a request is from.

Rule: the address is the connection's own. What a header says of it counts only from a proxy that the operator named, and
only its last word: whatever stands before that was written by whoever sent the request.
"""

import ipaddress
from collections.abc import Collection
from typing import Final

from aiohttp import web

from runtime.settings import SettingsError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PROXIES: Final = web.AppKey("PROXIES", tuple[Network, ...])
"""The proxies in front of an application."""

_V6_LINE_BITS: Final = 64
_HOPS_MAX: Final = 8  # nobody has more proxies of their own one behind another


def proxy_networks(texts: Collection[str]) -> tuple[Network, ...]:
    """Read the setting `trusted_proxies`: addresses, or networks such as '10.1.0.0/24'.

    Raises: SettingsError.
    """
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as error:
        raise SettingsError(f"trusted_proxies: {error}.") from error


def client_address(request: web.Request) -> str:
    """The address that a request comes from: that of the connection, or what our own proxies say of it."""
    address = request.remote or ""
    proxies = request.app.get(PROXIES, ())
    if not proxies:
        return address
    said = ",".join(request.headers.getall("X-Forwarded-For", ()))
    for hop in said.rsplit(",", _HOPS_MAX)[::-1]:
        if not _is_in(address, proxies) or _parsed(hop.strip()) is None:
            break
        address = hop.strip()
    return address


def site_of(address: str | None) -> str:
    """What counts as one address: an IPv6 line has a whole /64 to choose from."""
    parsed = _parsed(address or "")
    if parsed is None:
        return address or ""
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    network = ipaddress.IPv6Network((parsed, _V6_LINE_BITS), strict=False)
    return str(network.network_address)


def _is_in(address: str, networks: Collection[Network]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed
