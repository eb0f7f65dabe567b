"""TLS handshakes in memory: what a client says of a certificate; and certificates that our code would not make."""

import ssl
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from node.lan.authority import Authority
from runtime.daemon_settings import load_certificate, server_context


def client_of(certificate_pem: bytes) -> ssl.SSLContext:
    """A till that trusts this authority and no other."""
    return ssl.create_default_context(cadata=certificate_pem.decode())


def server_of(pem: bytes, folder: Path) -> ssl.SSLContext:
    """A node that shows this certificate; `pem` holds its key as well."""
    file = folder / "shown.pem"
    file.write_bytes(pem)
    context = server_context()
    load_certificate(context, file)
    return context


def shake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str:
    """Let a client call a server by a name; answers the version of TLS that they agree on.

    Raises: ssl.SSLError with what one of them says.
    """
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(down, up, server_hostname=name)
    answering = server.wrap_bio(up, down, server_side=True)
    still_open = [asking, answering]
    for _ in range(10):
        for end in list(still_open):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            still_open.remove(end)
    assert not still_open, "they went on talking"
    version = asking.version()
    assert version is not None
    return version


def forged(
    authority: Authority, host: str, now: datetime, *, days: tuple[int, int] = (-1, 30)
) -> bytes:
    """A certificate for a host, as somebody makes it who has the authority's key, good for these days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody")])
    issuer = authority.certificate.subject
    alternative = x509.SubjectAlternativeName([x509.DNSName(host)])
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    made = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(alternative, critical=False)
        .add_extension(signer, critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem + made.public_bytes(serialization.Encoding.PEM)
