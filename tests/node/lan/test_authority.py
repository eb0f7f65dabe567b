"""A shop's own authority: whom it vouches for, for how long, and that nobody believes it about anything else."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from node.lan.authority import (
    CERTIFICATE_LIVES,
    RENEW_BEFORE,
    Authority,
    NotVouchedFor,
    ends_at,
    fingerprint,
    is_good,
)
from node.lan.names import Names, names_given
from tests.node.lan.shaking import client_of, forged, server_of, shake

NOW = datetime.now(UTC).replace(microsecond=0)
NAMES = names_given("192.168.7.10", ["shop.example.com", "till-host.local", "fd00::7"])


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Give an authority for those names."""
    return Authority.found("till-host", NAMES, NOW)


@pytest.mark.parametrize("name", ["192.168.7.10", "shop.example.com", "till-host.local", "fd00::7"])
def test_who_trusts_the_authority_reaches_the_node_by_each_name(
    name: str, authority: Authority, tmp_path: Path
) -> None:
    server = server_of(authority.certify(NAMES, NOW), tmp_path)
    assert shake(server, client_of(authority.certificate_pem), name) == "TLSv1.3"


def test_who_does_not_trust_it_is_told_so(authority: Authority, tmp_path: Path) -> None:
    server = server_of(authority.certify(NAMES, NOW), tmp_path)
    other = Authority.found("till-host", NAMES, NOW)
    for client in (client_of(other.certificate_pem), ssl.create_default_context()):
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate"):
            shake(server, client, "shop.example.com")


@pytest.mark.parametrize("name", ["shop.example.org", "192.168.7.11", "localhost"])
def test_a_certificate_is_for_no_other_name(
    name: str, authority: Authority, tmp_path: Path
) -> None:
    server = server_of(authority.certify(NAMES, NOW), tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match="is not valid for"):
        shake(server, client_of(authority.certificate_pem), name)


def test_a_stolen_authority_cannot_pass_for_somebody_elses_site(
    authority: Authority, tmp_path: Path
) -> None:
    client = client_of(authority.certificate_pem)
    server = server_of(forged(authority, "bank.example", NOW), tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        shake(server, client, "bank.example")
    ours = server_of(forged(authority, "shop.example.com", NOW), tmp_path)
    assert shake(ours, client, "shop.example.com"), "so it was the name that was refused"


@pytest.mark.parametrize("name", ["bank.example", "example.com", "8.8.8.8", "2001:db8::1"])
def test_what_it_may_not_sign_for_is_one_sentence(name: str, authority: Authority) -> None:
    with pytest.raises(NotVouchedFor, match=r"not made for .*--new-ca"):
        authority.certify(names_given("0.0.0.0", [name]), NOW)


def test_a_machine_may_get_another_private_address_or_local_name(authority: Authority) -> None:
    names = names_given("10.1.2.3", ["other.local", "kitchen.lan", "a.shop.example.com"])
    assert is_good(authority.certify(names, NOW), authority, names, NOW)


def test_a_certificate_is_good_until_it_is_due_to_be_renewed(authority: Authority) -> None:
    pem = authority.certify(NAMES, NOW)
    due = NOW + CERTIFICATE_LIVES - RENEW_BEFORE
    assert ends_at(pem) == NOW + CERTIFICATE_LIVES
    assert is_good(pem, authority, NAMES, due)
    assert not is_good(pem, authority, NAMES, due + timedelta(seconds=1))
    # Made by a clock that was ahead.
    assert not is_good(pem, authority, NAMES, NOW - timedelta(days=2))


def test_a_certificate_of_other_names_or_another_authority_is_not_good(
    authority: Authority,
) -> None:
    pem = authority.certify(NAMES, NOW)
    assert not is_good(pem, authority, Names(NAMES.hosts, ()), NOW)
    assert not is_good(pem, Authority.found("till-host", NAMES, NOW), NAMES, NOW)
    assert not is_good(b"nonsense", authority, NAMES, NOW)


def test_a_certificate_does_not_outlive_its_authority(authority: Authority) -> None:
    end = authority.certificate.not_valid_after_utc
    late = end - timedelta(days=10)
    pem = authority.certify(NAMES, late)
    assert ends_at(pem) == end
    assert is_good(pem, authority, NAMES, late), "or it would be made again every hour"


def test_an_authority_is_read_back_as_it_was(authority: Authority) -> None:
    again = Authority.from_pem(authority.to_pem())
    assert fingerprint(again.certificate) == fingerprint(authority.certificate)
    pem = again.certify(NAMES, NOW)
    assert is_good(pem, authority, NAMES, NOW)


def test_what_is_no_authority_is_refused(authority: Authority) -> None:
    other = Authority.found("till-host", NAMES, NOW)
    key = authority.to_pem().partition(b"-----BEGIN CERTIFICATE")[0]
    for pem in (b"", b"nonsense", authority.certificate_pem, key, key + other.certificate_pem):
        with pytest.raises(ValueError, match=r"."):
            Authority.from_pem(pem)


def test_two_authorities_of_a_machine_are_told_apart() -> None:
    made = {Authority.found("pc", NAMES, NOW).certificate.subject for _ in range(3)}
    assert len(made) > 1
