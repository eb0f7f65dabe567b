"""Signing keys and tokens.

Invariant: a private key exists in one file of the data folder and in memory, nowhere else; a token
exists with its owner, and here only as a digest.
"""

import hashlib
import secrets

from nacl.encoding import HexEncoder
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey

from runtime.folder import Folder, FolderError

TOKEN_BYTES = 32  # 256 random bits: no salt or slow hash is needed against guessing


def load_or_create_signing_key(folder: Folder, name: str) -> SigningKey:
    """Read the Ed25519 key in the file `name` of `folder`, or make one; blocks.

    The caller holds the folder's lock, so that two processes do not both make one. A new key is
    durable on return.

    Raises: FolderError if the file does not hold a key; FolderUnsafe if others may read it.
    """
    try:
        text = folder.read(name)
    except FileNotFoundError:
        key = SigningKey.generate()
        folder.write_private(name, key.encode(HexEncoder) + b"\n")
        return key
    try:
        return SigningKey(text.strip(), HexEncoder)
    except (CryptoError, ValueError, TypeError):
        # Without the cause: its message could hold a part of the key.
        raise FolderError(f"{folder.path / name} does not hold a key") from None


def new_token(prefix: str) -> str:
    """Make a secret of 256 random bits, readable as ours by its prefix ('till_6sP…')."""
    return f"{prefix}_{secrets.token_urlsafe(TOKEN_BYTES)}"


def token_digest(token: str) -> bytes:
    """What is stored for a token: 32 bytes, SHA-256.

    A lookup by digest needs no comparison in constant time: what a timing could reveal is a prefix
    of the digest, which does not lead to the token.
    """
    return hashlib.sha256(token.encode()).digest()
