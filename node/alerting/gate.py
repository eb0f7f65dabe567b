"""To which addresses a webhook may lead: public ones, and those that the operator allows.

Invariant: what is judged is the very address that the socket is made for, after every name was looked up: a name that
means another address a moment later changes nothing, and neither does an address written in another way. Plain HTTP goes
only where the operator allows it by name.
"""

import ipaddress
import socket
from collections.abc import Sequence
from typing import Final

from node.alerting.settings import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL: Final = ipaddress.IPv6Network("64:ff9b:1::/48")


class AddressRefused(OSError):
    """A webhook leads to where none may."""


def address_may(address: str, allowed: Sequence[Network], *, is_plain: bool) -> bool:
    """Whether a webhook may be sent to an address; `is_plain` is without TLS."""
    found = _meant(ipaddress.ip_address(address.partition("%")[0]))
    if any(found in network for network in allowed):
        return True
    return not is_plain and found.is_global and not found.is_multicast


class Gate:
    """Makes the sockets of one webhook."""

    def __init__(self, allowed: Sequence[Network], *, is_plain: bool) -> None:
        self._allowed = tuple(allowed)
        self._is_plain = is_plain

    def open(
        self,
        info: tuple[
            int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]
        ],
    ) -> socket.socket:
        """A socket for an address that was looked up; see `aiohttp.TCPConnector`.

        Raises:
            AddressRefused: no webhook leads there.
        """
        family, kind, protocol, _, address = info
        if not address_may(str(address[0]), self._allowed, is_plain=self._is_plain):
            raise AddressRefused("the address is private and not in webhook_networks")
        return socket.socket(family, kind, protocol)


def _meant(address: Address) -> Address:
    """The address that a packet for this one reaches in the end."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _NAT64_LOCAL:
        return ipaddress.IPv4Address(
            0
        )  # made up by a network of one's own: nobody can say where it leads
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    return address
