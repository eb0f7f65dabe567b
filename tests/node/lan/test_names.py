"""What a machine may be called in a certificate and in a Host header."""

import ipaddress

import pytest

from node.lan.names import NotAName, names_found, names_given
from runtime.guards import _AUTHORITY


def test_names_and_addresses_are_told_apart_sorted_and_once_each() -> None:
    names = names_given(
        "192.168.1.5", ["Shop.Example.com", "[fd00::1]", "shop.example.com", " pc "]
    )
    assert names.hosts == ("pc", "shop.example.com")
    assert [str(one) for one in names.addresses] == ["192.168.1.5", "fd00::1"]
    assert names.authorities() == {"pc", "shop.example.com", "192.168.1.5", "[fd00::1]"}
    assert all(_AUTHORITY.fullmatch(one) for one in names.authorities())


def test_to_listen_everywhere_is_no_name() -> None:
    for host in ("0.0.0.0", "::"):
        assert names_given(host, []).authorities() == frozenset()


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "*.example.com",
        "a..b",
        "-a",
        "a-",
        "a_b",
        "caf\u00e9",
        "a b",
        "a/b",
        "a:80",
        "http://a",
        "x" * 64,
        ".".join(["x" * 60] * 5),
        "a\nb",
        "fe80::1%eth0/64",
    ],
)
def test_what_no_host_is_called_is_one_sentence(name: str) -> None:
    with pytest.raises(NotAName, match=r"no name of a host"):
        names_given("0.0.0.0", [name])


def test_a_machine_offers_addresses_of_its_own_networks_alone() -> None:
    for host, version in (("0.0.0.0", 4), ("::", 6)):
        for address in names_found(host).addresses:
            assert address.version == version
            assert address.is_private
            assert not address.is_loopback
    assert names_found("192.168.1.5").addresses == ()
    assert ipaddress.ip_address("127.0.0.1") not in names_found("0.0.0.0").addresses
