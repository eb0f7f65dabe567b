"""Certificates: what the hub says a device is and may do, signed, so that even a hub that forgot it can tell.

Invariant: a certificate is valid when the chain's hub key signed exactly its bytes; a later serial of the same node
replaces an earlier one. Ed25519 (RFC 8032), which is deterministic.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from protocol.codec import pack, read_blob, read_bytes, read_int, read_list, refuse, unpack
from protocol.errors import Code, ProtocolError
from protocol.ids import ChainId, Location, NodeId, Scope, check_code, code_fault
from protocol.limits import (
    CERTIFICATE_BYTES_MAX,
    LOCATIONS_PER_NODE_MAX,
    NAME_CHARS_MAX,
    TIME_MS_MAX,
)

ALL: Final = "*"
"""In `reads`: every location, also ones that come later."""
GROUP_PREFIX: Final = "group:"
_FORM: Final = 1
_PURPOSE: Final = b"everstock certificate 1\0"


class Role(StrEnum):
    """What an enrolled device is."""

    STORE = "store"
    OFFICE = "office"


class Certificate(NamedTuple):
    """A device's identity and rights."""

    chain: ChainId
    node: NodeId
    public_key: bytes
    """Ed25519, 32 bytes; the private half never leaves the device."""
    name: str
    role: Role
    writes: tuple[Location, ...]
    reads: tuple[str, ...]
    """Locations, `group:<name>`, or `*`."""
    serial: int
    issued_at_ms: int
    once: tuple[Location, ...] = ()
    """Where it might write before and may no more: what was recorded then counts, also at a hub that forgot it."""
    recovery: bytes = b""
    """The chain's public recovery key, to which is sealed whatever is sealed; empty while the chain has none."""

    @property
    def writes_nothing(self) -> bool:
        """Whether its holder records no movement any more. An office does anywhere by its role, whatever it writes."""
        return self.role is Role.STORE and not self.writes

    def silenced(self) -> "Certificate":
        """The same without a right to record; see `writes_nothing`."""
        return self._replace(role=Role.STORE, writes=())

    def reads_location(self, location: str) -> bool:
        """Whether the stock of `location` may be shown here. Its own shelves always may."""
        return ALL in self.reads or location in self.reads or location in self.writes

    def reads_scope(self, scope: Scope) -> bool:
        """Whether rows of `scope` may be sent to this device (ARCHITECTURE "Who reads what")."""
        family, colon, location = scope.partition(":")
        if not colon:
            return True
        if family == "stock":
            return self.reads_location(location)
        return self.role is Role.OFFICE or location in self.writes


def issue(certificate: Certificate, hub_key: SigningKey) -> bytes:
    """Sign a certificate; returns the bytes that travel: `[body, signature]`.

    Raises:
        ProtocolError: `too_large` when it names more locations than its first frame has room for.
    """
    # What there is none of is left out, from the end, so that a certificate is as it was before there was such a thing.
    once = [list(certificate.once)] if certificate.once or certificate.recovery else []
    recovery = [certificate.recovery] if certificate.recovery else []
    body = pack(
        [
            _FORM,
            certificate.chain,
            certificate.node,
            certificate.public_key,
            certificate.name,
            certificate.role.value,
            list(certificate.writes),
            list(certificate.reads),
            certificate.serial,
            certificate.issued_at_ms,
            *once,
            *recovery,
        ]
    )
    signed = pack([body, hub_key.sign(_PURPOSE + body).signature])
    if len(signed) > CERTIFICATE_BYTES_MAX:
        raise ProtocolError(
            Code.TOO_LARGE, f"a certificate has at most {CERTIFICATE_BYTES_MAX} bytes: use groups"
        )
    return signed


def verify(data: bytes, hub_public_key: bytes) -> Certificate:
    """Read a certificate and check the hub's signature on it.

    Raises:
        ProtocolError: `authentication_failed` when the signature is not the hub's, `bad_value`/`bad_frame` otherwise.
    """
    body, signature = read_list(
        unpack(data, bytes_max=CERTIFICATE_BYTES_MAX), "a certificate", least=2, most=2
    )
    body = read_blob(body, "a certificate", bytes_max=CERTIFICATE_BYTES_MAX)
    check_signature(
        hub_public_key, _PURPOSE + body, read_bytes(signature, "a signature", length=64)
    )
    return _from_wire(body)


def check_signature(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Check an Ed25519 signature.

    Raises:
        ProtocolError: `authentication_failed`.
    """
    try:
        _verify(public_key, message, signature)
    except (BadSignatureError, ValueError) as error:
        raise ProtocolError(
            Code.AUTHENTICATION_FAILED, "the signature does not fit the key"
        ) from error


@lru_cache(maxsize=512)  # of some hundred bytes each, 3.5 KB at most
def _verify(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Raise unless it fits; what fitted once always does.

    Every session shows certificate, departures and newest checkpoints again: in simulated chains more than half of all
    signatures are the same three parts once more. What does not fit raises, and so is never remembered.
    """
    VerifyKey(public_key).verify(message, signature)


def check_reads(reads: Sequence[str]) -> tuple[str, ...]:
    """Check what a device may read: `*`, locations, or `group:` and a name.

    Raises:
        ProtocolError: `bad_value`.
    """
    for item in reads:
        if item != ALL and code_fault(item.removeprefix(GROUP_PREFIX)) is not None:
            refuse("reads", "must hold `*`, location codes or `group:NAME`")
    return tuple(reads)


def _from_wire(body: bytes) -> Certificate:
    # A newer hub may add parts; they are covered by the signature and ignored here.
    parts = read_list(unpack(body, bytes_max=CERTIFICATE_BYTES_MAX), "a certificate", least=10)
    form, chain, node, public_key, name, role, writes, reads, serial, issued_at = parts[:10]
    read_int(form, "the certificate's form", least=_FORM)
    if type(role) is not str or role not in set(Role):
        refuse("role", "is unknown")
    locations = read_list(writes, "writes", most=LOCATIONS_PER_NODE_MAX)
    before = read_list(parts[10] if len(parts) > 10 else [], "once", most=LOCATIONS_PER_NODE_MAX)
    shown = read_list(reads, "reads", most=LOCATIONS_PER_NODE_MAX)
    recovery = read_bytes(parts[11], "recovery key", length=32) if len(parts) > 11 else b""
    return Certificate(
        ChainId(read_bytes(chain, "chain", length=16)),
        NodeId(read_bytes(node, "node", length=16)),
        read_bytes(public_key, "public key", length=32),
        check_code(name, "name", chars_max=NAME_CHARS_MAX),
        Role(role),
        tuple(Location(check_code(location, "location")) for location in locations),
        check_reads([check_code(item, "reads", chars_max=NAME_CHARS_MAX) for item in shown]),
        read_int(serial, "serial", least=1),
        read_int(issued_at, "issued_at", most=TIME_MS_MAX),
        tuple(Location(check_code(location, "location")) for location in before),
        recovery,
    )
