"""A shop's own certificate authority, and the certificate that the node shows on the shop's network.

Invariant: the authority vouches for nothing but this shop. Its certificate names the only names and addresses that it may
sign for (RFC 5280, section 4.2.1.10): this machine's, those that the operator gave, private networks, and names that no
public authority gives out. So whoever steals its key cannot pass for a bank on a till that trusts it.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from node.lan.names import PRIVATE_NETWORKS, Names, is_private

AUTHORITY_LIVES: Final = timedelta(days=3_650)
CERTIFICATE_LIVES: Final = timedelta(days=90)
RENEW_BEFORE: Final = timedelta(days=30)
"""A shop that is closed for a month comes back to a certificate that is good."""
BACKDATED: Final = timedelta(days=1)
"""A till's clock may be behind."""

# Names that are nobody's on the internet, whoever asks (RFC 6762, RFC 8375, and what routers hand out).
_LOCAL_DOMAINS: Final = ("local", "lan", "internal", "home.arpa")


class NotVouchedFor(Exception):
    """A name is none of those that the authority may sign for; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A shop's authority."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def found(cls, machine: str, names: Names, now: datetime) -> Self:
        """Make one for the machine of this name, which may sign for `names`."""
        key = ec.generate_private_key(ec.SECP256R1())
        # Told apart in a list of authorities, also from the one before it on the same machine.
        serial = x509.random_serial_number()
        label = f"Everstock {machine[:40]} {serial % 0x10000:04x}"
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Everstock shop authority"),
                x509.NameAttribute(NameOID.COMMON_NAME, label),
            ]
        )
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            x509.CertificateBuilder(subject, subject, key.public_key(), serial)
            .not_valid_before(now - BACKDATED)
            .not_valid_after(now + AUTHORITY_LIVES)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(_constraints(names), critical=True)
            .add_extension(identifier, critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read what `to_pem` wrote.

        Raises: ValueError.
        """
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("not a key of ours")
        certificate = x509.load_pem_x509_certificate(pem)
        if certificate.public_key() != key.public_key():
            raise ValueError("the key is another certificate's")
        return cls(key, certificate)

    def to_pem(self) -> bytes:
        """Key and certificate: a secret."""
        return _key_pem(self.key) + self.certificate_pem

    @property
    def certificate_pem(self) -> bytes:
        """What tills are told to trust."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def certify(self, names: Names, now: datetime) -> bytes:
        """Make a key and its certificate for `names`, as one PEM file: a secret.

        Raises: NotVouchedFor.
        """
        self.check(names)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Everstock node")])
        alternatives = [
            *(x509.DNSName(name) for name in names.hosts),
            *(x509.IPAddress(address) for address in names.addresses),
        ]
        own = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        end = min(now + CERTIFICATE_LIVES, self.certificate.not_valid_after_utc)
        certificate = (
            x509.CertificateBuilder(self.certificate.subject, subject, key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now - BACKDATED, end - BACKDATED))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(issuer, critical=False)
            .add_extension(identifier, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return _key_pem(key) + certificate.public_bytes(serialization.Encoding.PEM)

    def check(self, names: Names) -> None:
        """Raises: NotVouchedFor: one is none of those that it may sign for."""
        permitted = self.permitted(names)
        for name in (*names.hosts, *names.addresses):
            if name not in permitted.hosts and name not in permitted.addresses:
                raise NotVouchedFor(
                    f"the shop's authority was not made for {name}: `lan on --new-ca` makes another, which every till "
                    "must be told to trust"
                )

    def permitted(self, names: Names) -> Names:
        """Those of the names that it may sign for."""
        found = self.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
        values = [one.value for one in found.permitted_subtrees or ()]
        domains = [one for one in values if isinstance(one, str)]
        networks = [one for one in values if not isinstance(one, str)]
        return Names(
            tuple(host for host in names.hosts if _is_within(host, domains)),
            tuple(one for one in names.addresses if any(one in network for network in networks)),
        )


def is_good(pem: bytes, authority: Authority, names: Names, now: datetime) -> bool:
    """Whether a certificate can be shown for some time yet, for just these names, by this authority's word."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        certificate.verify_directly_issued_by(authority.certificate)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, x509.ExtensionNotFound, InvalidSignature):
        return False
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    # No later than the authority itself: one that ends is not renewed again and again before it does.
    late = min(now + RENEW_BEFORE, authority.certificate.not_valid_after_utc)
    is_of_time = begins <= now and late <= ends
    shown = {*found.get_values_for_type(x509.DNSName), *found.get_values_for_type(x509.IPAddress)}
    return is_of_time and shown == {*names.hosts, *names.addresses}


def ends_at(pem: bytes) -> datetime:
    """When a certificate ends.

    Raises: ValueError.
    """
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc


def fingerprint(certificate: x509.Certificate) -> str:
    """What people compare on two screens: SHA-256, in pairs."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def at(now_ms: int) -> datetime:
    """A time as certificates have it."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).replace(microsecond=0)


def _constraints(names: Names) -> x509.NameConstraints:
    hosts = dict.fromkeys([*_LOCAL_DOMAINS, *names.hosts])
    own = [ipaddress.ip_network(address) for address in names.addresses if not is_private(address)]
    permitted: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
    permitted += [x509.IPAddress(network) for network in (*PRIVATE_NETWORKS, *own)]
    return x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None)


def _is_within(host: str, domains: Iterable[str]) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
