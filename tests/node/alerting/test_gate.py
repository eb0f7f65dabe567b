"""Where a webhook may lead: never into somebody's own network unless the operator says so."""

import ipaddress
import socket

import pytest

from node.alerting.gate import AddressRefused, Gate, address_may

PRIVATE = [
    "127.0.0.1",
    "127.8.9.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_refused_however_it_is_written(address: str) -> None:
    assert not address_may(address, (), is_plain=False)


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808"])
def test_a_public_address_is_reached_with_tls_and_never_without(address: str) -> None:
    assert address_may(address, (), is_plain=False)
    assert not address_may(address, (), is_plain=True)


def test_what_the_operator_allows_is_reached_also_without_tls_and_nothing_beside_it() -> None:
    allowed = [ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/8")]
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::9"):
        assert address_may(address, allowed, is_plain=True)
    for address in ("10.2.0.1", "127.0.0.1", "fe80::1"):
        assert not address_may(address, allowed, is_plain=False)


def test_the_gate_makes_a_socket_only_for_an_address_that_may_be_reached() -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))
    with pytest.raises(AddressRefused):
        Gate((), is_plain=False).open(info)
    Gate([ipaddress.ip_network("127.0.0.1/32")], is_plain=False).open(info).close()
