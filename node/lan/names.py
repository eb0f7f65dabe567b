"""The names and addresses by which other machines reach this one.

Rule: what is not a plain host name or address is refused: it goes into a certificate, and into what the guards let through.
"""

import contextlib
import fcntl
import ipaddress
import re
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PRIVATE_NETWORKS: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8"),
        *("fc00::/7", "fe80::/10", "::1/128"),
    )
)
NAMES_MAX: Final = (
    20  # given by the operator; a certificate with hundreds no longer fits one handshake's flight
)
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_SIOCGIFADDR: Final = 0x8915
_IPV6_ADDRESSES: Final = Path("/proc/net/if_inet6")


class NotAName(ValueError):
    """A name cannot be a host's; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Names:
    """Sorted, each once, hosts in small letters."""

    hosts: tuple[str, ...]
    addresses: tuple[Address, ...]

    def __or__(self, other: "Names") -> "Names":
        return _sorted([*self.hosts, *other.hosts, *map(str, (*self.addresses, *other.addresses))])

    def authorities(self) -> frozenset[str]:
        """What a Host header may say, but for the port."""
        literals = (str(one) if one.version == 4 else f"[{one}]" for one in self.addresses)
        return frozenset((*self.hosts, *literals))


def names_given(listen_host: str, given: Iterable[str]) -> Names:
    """What the operator said: the names, and the address to listen at where that is one.

    Raises: NotAName.
    """
    return _sorted([*given] if is_any(listen_host) else [*given, listen_host])


def names_found(listen_host: str) -> Names:
    """What this machine knows of itself beside: its name, and where it listens everywhere its private addresses."""
    match listen_host:
        case "0.0.0.0":  # noqa: S104 - a comparison
            found = [*_of_use(_ipv4())]
        case "::":
            found = [*_of_use(_ipv6())]
        case _:
            found = []
    return _sorted([*_machine_names(), *found])


def is_any(listen_host: str) -> bool:
    """Whether to listen there is to listen at every address."""
    return listen_host in {"0.0.0.0", "::"}  # noqa: S104 - a comparison


def is_private(address: Address) -> bool:
    """Whether an address is of a network that has no place on the internet."""
    return any(address in network for network in PRIVATE_NETWORKS)


def _sorted(parts: Iterable[str]) -> Names:
    hosts: set[str] = set()
    addresses: set[Address] = set()
    for part in parts:
        text = part.strip().lower().removeprefix("[").removesuffix("]")
        try:
            addresses.add(ipaddress.ip_address(text))
        except ValueError:
            hosts.add(check_host(text))
    return Names(tuple(sorted(hosts)), tuple(sorted(addresses, key=_order)))


def _order(address: Address) -> tuple[int, int]:
    return address.version, int(address)


def check_host(name: str) -> str:
    """The name, if a host can have it. Names of other scripts are given as they stand in the domain name system.

    Raises: NotAName.
    """
    if _HOST.fullmatch(name) is None:
        raise NotAName(f"{name!r} is no name of a host: letters, digits and hyphens, with dots")
    return name


def machine_name() -> str:
    """What this machine calls itself, without its domain."""
    return socket.gethostname().lower().partition(".")[0]


def _machine_names() -> Iterator[str]:
    name = machine_name()
    if _HOST.fullmatch(name) is not None and not name.isdigit():
        yield name
        yield f"{name}.local"  # as printers and phones find it, by multicast


def _of_use(addresses: Iterable[str]) -> Iterator[str]:
    """The addresses by which a shop's network knows this machine.

    A public one is not offered unless it was given: those of IPv6 change every day.
    """
    for address in addresses:
        parsed = ipaddress.ip_address(address)
        if is_private(parsed) and not parsed.is_loopback and not parsed.is_link_local:
            yield address


def _ipv4() -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, interface in socket.if_nameindex():
            request = struct.pack("256s", interface.encode()[:15])
            with contextlib.suppress(OSError):  # an interface without an address
                answer = fcntl.ioctl(asking, _SIOCGIFADDR, request)
                yield socket.inet_ntoa(answer[20:24])


def _ipv6() -> Iterator[str]:
    with contextlib.suppress(OSError):  # a machine without IPv6
        for line in _IPV6_ADDRESSES.read_text().splitlines():
            yield str(ipaddress.IPv6Address(bytes.fromhex(line.split()[0])))
