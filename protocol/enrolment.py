"""Enrolment: how a new device and the hub come to trust each other with one short code.

Invariant: the code's secret never crosses the line. The device proves that it knows it over a nonce of the hub and
its own public key, so a listener cannot enrol another key with what it heard; the hub proves its key, whose
fingerprint is in the code, before the device says anything.

    device → hub   GET  /v1/enrol?nonce=…      ← public key, chain id, hub nonce, signature over (nonce, hub nonce)
    device → hub   POST /v1/enrol              {code id, public key, hub nonce, proof, version}
                                               ← certificate
"""

import base64
from hashlib import blake2b
from hmac import compare_digest
from typing import Final, NamedTuple

from nacl.signing import SigningKey

from protocol.certificate import check_signature
from protocol.errors import Code, ProtocolError
from protocol.ids import ChainId

CODE_ID_BYTES: Final = 5
SECRET_BYTES: Final = 15
FINGERPRINT_BYTES: Final = 15
_CHECK_BYTES: Final = 5
_CHAIN_BYTES: Final = 16
_CHARS: Final = (CODE_ID_BYTES + SECRET_BYTES + FINGERPRINT_BYTES + _CHECK_BYTES) * 8 // 5
_HELLO: Final = b"everstock enrolment hello 1\0"
_PROOF: Final = b"everstock enrolment proof 1"


class EnrolmentCode(NamedTuple):
    """What a person carries from the hub to a new device."""

    id: bytes
    """Names the code at the hub; not secret."""
    secret: bytes
    """120 random bits; the hub stores only `secret_digest`."""
    fingerprint: bytes
    """The first 120 bits of the hash of the hub's public key."""


def fingerprint(public_key: bytes) -> bytes:
    """What of a hub's public key goes into the code."""
    return blake2b(public_key, digest_size=FINGERPRINT_BYTES).digest()


def secret_digest(secret: bytes) -> bytes:
    """What the hub keeps of a secret, and the key of the device's proof."""
    return blake2b(secret, digest_size=32).digest()


def code_to_text(code: EnrolmentCode) -> str:
    """Groups of eight letters and digits (RFC 4648 base 32), the last of them a check against typing errors."""
    body = code.id + code.secret + code.fingerprint
    text = base64.b32encode(body + _check(body)).decode()
    return "-".join(text[at : at + 8] for at in range(0, _CHARS, 8))


def code_from_text(text: str) -> EnrolmentCode:
    """Read a code as typed: case, blanks and hyphens do not matter.

    Raises:
        ProtocolError: `bad_value`, in words for the person who typed it.
    """
    letters = "".join(text.split()).replace("-", "").upper()
    try:
        raw = base64.b32decode(letters)
    except ValueError as error:
        raise ProtocolError(
            Code.BAD_VALUE, "the code has a character that codes never have"
        ) from error
    body, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    if len(letters) != _CHARS or not compare_digest(check, _check(body)):
        raise ProtocolError(Code.BAD_VALUE, "the code is incomplete or has a typing error")
    secret_at = CODE_ID_BYTES + SECRET_BYTES
    return EnrolmentCode(body[:CODE_ID_BYTES], body[CODE_ID_BYTES:secret_at], body[secret_at:])


def sign_hello(hub_key: SigningKey, device_nonce: bytes, hub_nonce: bytes, chain: ChainId) -> bytes:
    """The hub's proof that it holds its key, fresh for this device's nonce."""
    return hub_key.sign(_HELLO + device_nonce + hub_nonce + chain).signature


def check_hello(
    code: EnrolmentCode,
    public_key: bytes,
    device_nonce: bytes,
    hub_nonce: bytes,
    chain: ChainId,
    signature: bytes,
) -> None:
    """Check that who answers is the hub that made the code.

    Raises:
        ProtocolError: `wrong_hub` when its key is another one, `authentication_failed` when it does not hold the key.
    """
    if not compare_digest(fingerprint(public_key), code.fingerprint):
        raise ProtocolError(Code.WRONG_HUB, "this hub's key is not the one the code was made by")
    if len(chain) != _CHAIN_BYTES:  # else the same bytes could be cut into another nonce and chain
        raise ProtocolError(Code.AUTHENTICATION_FAILED, f"a chain id has {_CHAIN_BYTES} bytes")
    check_signature(public_key, _HELLO + device_nonce + hub_nonce + chain, signature)


def proof(digest_of_secret: bytes, hub_nonce: bytes, device_public_key: bytes) -> bytes:
    """The device's proof that it knows the code, good for this nonce and this key only."""
    return blake2b(
        _PROOF + hub_nonce + device_public_key, key=digest_of_secret, digest_size=32
    ).digest()


def proof_is_right(
    claimed: bytes, digest_of_secret: bytes, hub_nonce: bytes, device_public_key: bytes
) -> bool:
    """Compare in constant time."""
    return compare_digest(claimed, proof(digest_of_secret, hub_nonce, device_public_key))


def _check(body: bytes) -> bytes:
    return blake2b(body, digest_size=_CHECK_BYTES, person=b"everstock code").digest()
