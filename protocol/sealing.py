"""Sealing: what of a record only some may read, and nobody once its key is destroyed.

Invariants:
- The sealed bytes open only as the part of the record that they were sealed for: chain, location, operation and field
  are authenticated with them, so moved to another row or field they are refused.
- Every record has a data key of its own, used once: no two records share a key and a nonce, whatever becomes of chance
  elsewhere. Sealed bytes never change; whose keys open the data key may, so a key is changed without touching a log.
- Nothing here opens without a private key, and nothing here tells who sealed: a signature does that, where it matters.

XChaCha20-Poly1305 for what is sealed; libsodium's sealed box (X25519) for the data key, made of given random bytes. All
of it is libsodium's, by PyNaCl. What is sealed is padded, so its length tells little.
"""

import base64
from collections.abc import Mapping
from hashlib import blake2b
from hmac import compare_digest
from typing import Final, NamedTuple

from nacl import bindings
from nacl.exceptions import CryptoError

from protocol.codec import (
    check_plain,
    pack,
    read_blob,
    read_bytes,
    read_int,
    read_list,
    read_map,
    unpack,
    with_sorted_keys,
)
from protocol.errors import Code, ProtocolError
from protocol.ids import ChainId, OpId
from protocol.limits import DETAILS_BYTES_MAX, SEALED_BYTES_MAX, SEALED_PADDING_BYTES

KEY_BYTES: Final = 32
KEY_ID_BYTES: Final = 8
BOX_DIGEST_BYTES: Final = 16
WRAPPED_BYTES: Final = 2 * KEY_BYTES + bindings.crypto_box_SEALBYTES
_NONCE_BYTES: Final = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_BOX_NONCE_BYTES: Final = bindings.crypto_box_NONCEBYTES
_FORM: Final = 1
_PURPOSE: Final = "everstock sealed"
_RECOVERY: Final = b"everstock recovery key 1"
_RECOVERY_PREFIX: Final = "RECOVERY"
_CHECK_BYTES: Final = 3
_GROUP_CHARS: Final = 8


class KeyPair(NamedTuple):
    """An X25519 key pair."""

    public: bytes
    private: bytes


class Binding(NamedTuple):
    """What sealed bytes are a part of."""

    chain: ChainId
    location: str
    op_id: OpId
    """Of the operation, or the id of whatever else is sealed."""
    field: str

    @property
    def associated(self) -> bytes:
        """As it is authenticated."""
        return pack([_PURPOSE, _FORM, *self])


def key_pair(seed: bytes) -> KeyPair:
    """The key pair of 32 random bytes."""
    return KeyPair(*bindings.crypto_box_seed_keypair(seed))


def key_id(public: bytes) -> bytes:
    """8 bytes that name a public key."""
    return blake2b(public, digest_size=KEY_ID_BYTES, person=b"everstock key id").digest()


def box_digest(sealed: bytes) -> bytes:
    """16 bytes that name a sealed part: an operation that was recorded twice, at two nodes, was sealed twice."""
    return blake2b(sealed, digest_size=BOX_DIGEST_BYTES, person=b"everstock box").digest()


def seal(plain: Mapping[str, object], binding: Binding, data_key: bytes) -> bytes:
    """Seal a record's part: the bytes that are kept, sent and hashed.

    Args:
        plain: text keys, plain values.
        binding: what it is a part of.
        data_key: 32 fresh random bytes, never used for anything else.

    Raises:
        ProtocolError: `bad_value` when it is not plain, or larger than details may be.
    """
    packed = pack(with_sorted_keys(plain))
    if len(packed) > DETAILS_BYTES_MAX:
        raise ProtocolError(
            Code.BAD_VALUE, f"sealed details pack to at most {DETAILS_BYTES_MAX} bytes"
        )
    padded = bindings.sodium_pad(packed, SEALED_PADDING_BYTES)
    box = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        padded, binding.associated, _nonce(binding), data_key
    )
    return pack([_FORM, box])


def unseal(sealed: bytes, binding: Binding, data_key: bytes) -> dict[str, object]:
    """What was sealed.

    Raises:
        ProtocolError: `authentication_failed` when it was changed, is of another record or field, or has another key;
            `bad_value`, `bad_frame`, `too_large` for what is no sealed part at all.
    """
    form, box = read_list(
        unpack(sealed, bytes_max=SEALED_BYTES_MAX), "a sealed part", least=2, most=2
    )
    read_int(form, "the form of a sealed part", least=_FORM, most=_FORM)
    box = read_blob(box, "a sealed part", bytes_max=SEALED_BYTES_MAX)
    try:
        padded = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
            box, binding.associated, _nonce(binding), data_key
        )
        packed = bindings.sodium_unpad(padded, SEALED_PADDING_BYTES)
    except (CryptoError, ValueError) as error:
        raise _refused() from error
    found = read_map(unpack(packed, bytes_max=DETAILS_BYTES_MAX), "what was sealed")
    check_plain(found, "what was sealed")
    return found


def wrap(data_key: bytes, binding: Binding, recipient: bytes, seed: bytes) -> bytes:
    """A record's data key, for one public key: `WRAPPED_BYTES`, made of 32 fresh random bytes.

    It is libsodium's sealed box, and holds beside the key what it is the key of: put beside another record it is refused.
    """
    ephemeral = key_pair(seed)
    nonce = _box_nonce(ephemeral.public, recipient)
    content = _bound(binding) + data_key
    return ephemeral.public + bindings.crypto_box(content, nonce, recipient, ephemeral.private)


def unwrap(wrapped: bytes, binding: Binding, recipient: KeyPair) -> bytes:
    """The data key.

    Raises:
        ProtocolError: `authentication_failed` when it is for another key, was changed, or is another record's.
    """
    try:
        content: bytes = bindings.crypto_box_seal_open(wrapped, recipient.public, recipient.private)
    except (CryptoError, ValueError, TypeError) as error:
        raise _refused() from error
    bound, data_key = content[:-KEY_BYTES], content[-KEY_BYTES:]
    if not compare_digest(bound, _bound(binding)):
        raise _refused()
    return data_key


def fingerprint(secret: bytes, plain: Mapping[str, object]) -> bytes:
    """32 bytes by which a repeated request is known, and its content cannot be guessed without `secret`."""
    packed = pack(with_sorted_keys(plain))
    return blake2b(packed, key=secret, digest_size=32, person=b"everstock repeat").digest()


# --- the chain's recovery key ------------------------------------------------------------------------------------


def recovery_pair(secret: bytes) -> KeyPair:
    """The recovery key of 32 random bytes, which a person keeps."""
    return key_pair(blake2b(secret, key=_RECOVERY, digest_size=32).digest())


def recovery_to_text(secret: bytes) -> str:
    """As it is printed: `RECOVERY-` and groups of letters and digits (RFC 4648 base 32), with a check in the last one."""
    text = base64.b32encode(secret + _check(secret)).decode()
    groups = [text[at : at + _GROUP_CHARS] for at in range(0, len(text), _GROUP_CHARS)]
    return "-".join([_RECOVERY_PREFIX, *groups])


def recovery_from_text(text: str) -> bytes:
    """Read a recovery key as typed: case, blanks and hyphens do not matter.

    Raises:
        ProtocolError: `bad_value`, in words for the person who typed it.
    """
    letters = "".join(text.split()).replace("-", "").upper().removeprefix(_RECOVERY_PREFIX)
    try:
        raw = base64.b32decode(letters)
    except ValueError as error:
        raise ProtocolError(Code.BAD_VALUE, "this is not a recovery key") from error
    secret, check = raw[:KEY_BYTES], raw[KEY_BYTES:]
    if len(secret) != KEY_BYTES or not compare_digest(check, _check(secret)):
        detail = "the recovery key is incomplete or has a typing error"
        raise ProtocolError(Code.BAD_VALUE, detail)
    return secret


def read_public_key(value: object, what: str) -> bytes:
    """A public key that came from elsewhere: 32 bytes, and none of the few points that make every secret known.

    Raises:
        ProtocolError: `bad_value`.
    """
    public = read_bytes(value, what, length=KEY_BYTES)
    try:
        bindings.crypto_scalarmult(bytes(range(1, KEY_BYTES + 1)), public)
    except (CryptoError, RuntimeError) as error:
        raise ProtocolError(Code.BAD_VALUE, f"{what} is not a key") from error
    return public


def _nonce(binding: Binding) -> bytes:
    # The key is used once, so any nonce would do; this one differs between records even if a key did not.
    return blake2b(binding.associated, digest_size=_NONCE_BYTES, person=b"everstock nonce").digest()


def _box_nonce(ephemeral: bytes, recipient: bytes) -> bytes:
    """As libsodium's sealed boxes have it."""
    return blake2b(ephemeral + recipient, digest_size=_BOX_NONCE_BYTES).digest()


def _bound(binding: Binding) -> bytes:
    return blake2b(binding.associated, digest_size=32, person=b"everstock bound").digest()


def _check(secret: bytes) -> bytes:
    return blake2b(secret, digest_size=_CHECK_BYTES, person=b"everstock check").digest()


def _refused() -> ProtocolError:
    return ProtocolError(
        Code.AUTHENTICATION_FAILED, "this key does not open it, or it was changed or moved"
    )
