"""Certificates: what the hub signed and nothing else, and which rows they open."""

import pytest
from nacl.signing import SigningKey

from protocol import certificate
from protocol.certificate import Role, check_reads, check_signature, issue, verify
from protocol.codec import pack, unpack
from protocol.errors import Code, ProtocolError
from protocol.ids import Scope
from protocol.limits import CERTIFICATE_BYTES_MAX
from tests.protocol.examples import (
    HUB_KEY,
    HUB_PUBLIC,
    NODE_KEY,
    certificate_bytes,
    credentials,
)


def signed(parts: object) -> bytes:
    """Any body under a true signature of the hub."""
    body = pack(parts)
    return pack([body, HUB_KEY.sign(b"everstock certificate 1\0" + body).signature])


def parts(**changes: object) -> list[object]:
    """A certificate's body, with parts changed by position name."""
    names = ["form", "chain", "node", "key", "name", "role", "writes", "reads", "serial", "issued"]
    body, _ = unpack(certificate_bytes())  # type: ignore[misc]
    values = dict(zip(names, unpack(body), strict=True))  # type: ignore[arg-type]
    return list({**values, **changes}.values())


def test_a_certificate_of_the_hub_is_believed() -> None:
    assert verify(certificate_bytes(), HUB_PUBLIC) == credentials()


@pytest.mark.parametrize("at", range(0, len(certificate_bytes()), 3))
def test_a_certificate_with_any_byte_changed_is_not(at: int) -> None:
    data = bytearray(certificate_bytes())
    data[at] ^= 1
    with pytest.raises(ProtocolError):
        verify(bytes(data), HUB_PUBLIC)


def test_a_certificate_of_another_key_is_not() -> None:
    forged = issue(credentials(role=Role.OFFICE), NODE_KEY)
    with pytest.raises(ProtocolError) as refused:
        verify(forged, HUB_PUBLIC)
    assert refused.value.code is Code.AUTHENTICATION_FAILED


def test_a_certificate_says_where_its_node_might_write_before() -> None:
    reduced = credentials(writes=(), once=("S01", "S02"))
    assert verify(issue(reduced, HUB_KEY), HUB_PUBLIC) == reduced


def test_a_certificate_says_to_which_key_the_chain_recovers() -> None:
    for once in ((), ("S02",)):
        held = credentials(once=once, recovery=b"\x0b" * 32)
        assert verify(issue(held, HUB_KEY), HUB_PUBLIC) == held


@pytest.mark.parametrize("recovery", [b"", b"\x0b" * 31, "k" * 32, None])
def test_a_recovery_key_is_32_bytes(recovery: object) -> None:
    with pytest.raises(ProtocolError):
        verify(signed([*parts(), [], recovery]), HUB_PUBLIC)


@pytest.mark.parametrize("once", ["S01", [""], [1], ["S01"] * 501, None])
def test_where_it_might_write_before_is_checked(once: object) -> None:
    with pytest.raises(ProtocolError):
        verify(signed([*parts(), once]), HUB_PUBLIC)


def test_a_signature_for_another_purpose_does_not_make_a_certificate() -> None:
    body = pack(parts())
    for message in (body, b"everstock session hub 1\0" + body):
        with pytest.raises(ProtocolError):
            verify(pack([body, HUB_KEY.sign(message).signature]), HUB_PUBLIC)


def test_parts_that_a_newer_hub_adds_are_covered_and_ignored() -> None:
    assert verify(signed([*parts(form=2), [], bytes(32), "later"]), HUB_PUBLIC) == credentials(
        recovery=bytes(32)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"form": 0},
        {"form": True},
        {"chain": b"short"},
        {"node": "n" * 16},
        {"key": bytes(31)},
        {"name": ""},
        {"name": "a\nb"},
        {"role": "owner"},
        {"role": []},
        {"role": None},
        {"writes": "S01"},
        {"writes": [""]},
        {"reads": ["group:"]},
        {"reads": ["x" * 65]},
        {"reads": [1]},
        {"serial": 0},
        {"issued": -1},
        {"issued": 1.5},
    ],
    ids=repr,
)
def test_a_signed_body_is_still_read_strictly(change: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        verify(signed(parts(**change)), HUB_PUBLIC)


@pytest.mark.parametrize("body", [[], parts()[:9], {}, 1, None])
def test_a_signed_body_of_another_form_is_refused(body: object) -> None:
    with pytest.raises(ProtocolError):
        verify(signed(body), HUB_PUBLIC)


def test_a_certificate_that_would_not_fit_its_first_frame_is_not_issued() -> None:
    many = tuple(f"SHOP-{number:05}" for number in range(320))
    with pytest.raises(ProtocolError) as refused:
        issue(credentials(writes=many), HUB_KEY)
    assert refused.value.code is Code.TOO_LARGE
    assert len(issue(credentials(writes=many[:200]), HUB_KEY)) <= CERTIFICATE_BYTES_MAX


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_a_failed_authentication(length: int) -> None:
    with pytest.raises(ProtocolError) as refused:
        check_signature(bytes(length), b"message", bytes(64))
    assert refused.value.code is Code.AUTHENTICATION_FAILED


def test_every_key_checks_its_own_signatures_only() -> None:
    other = SigningKey(b"\x01" * 32)
    check_signature(HUB_PUBLIC, b"message", HUB_KEY.sign(b"message").signature)
    with pytest.raises(ProtocolError):
        check_signature(HUB_PUBLIC, b"message", other.sign(b"message").signature)


def test_reads_are_everything_locations_or_groups() -> None:
    assert check_reads(["*", "S01", "group:north"]) == ("*", "S01", "group:north")
    for broken in ("", "group:", "a\tb", "x" * 65):
        with pytest.raises(ProtocolError):
            check_reads([broken])


STORE = credentials(writes=("S01",), reads=("S02", "group:north"))
OFFICE = credentials(role=Role.OFFICE, writes=(), reads=("*",))


@pytest.mark.parametrize(
    ("held", "scope", "readable"),
    [
        (STORE, "catalogue", True),
        (STORE, "directory", True),
        (STORE, "fleet", True),
        (STORE, "stock:S01", True),
        (STORE, "stock:S02", True),
        (STORE, "stock:S03", False),
        (STORE, "docs:S01", True),
        (STORE, "people:S01", True),
        (STORE, "docs:S02", False),
        (STORE, "people:S02", False),
        (STORE, "mail:S02", False),
        (credentials(reads=("*",)), "stock:S99", True),
        (credentials(reads=("*",)), "people:S99", False),
        (credentials(reads=()), "stock:S01", True),
        (OFFICE, "people:S99", True),
        (OFFICE, "stock:S99", True),
        (credentials(role=Role.OFFICE, reads=()), "stock:S99", False),
    ],
)
def test_who_reads_which_scope(held: certificate.Certificate, scope: str, readable: bool) -> None:
    assert held.reads_scope(Scope(scope)) is readable
