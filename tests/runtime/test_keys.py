"""Keys and tokens."""

from pathlib import Path

import pytest

from runtime.folder import Folder, FolderError, FolderUnsafe
from runtime.keys import load_or_create_signing_key, new_token, token_digest


def test_a_key_is_made_once(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    key = load_or_create_signing_key(folder, "node.key")
    again = load_or_create_signing_key(folder, "node.key")
    other = load_or_create_signing_key(folder, "other.key")
    assert bytes(key) == bytes(again) != bytes(other)
    assert (tmp_path / "node.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"00", b"zz" * 32, b"00" * 33, b"\xff" * 64])
def test_a_damaged_key_is_never_replaced(tmp_path: Path, content: bytes) -> None:
    folder = Folder(tmp_path)
    folder.write_private("node.key", content)
    with pytest.raises(FolderError, match="does not hold a key"):
        load_or_create_signing_key(folder, "node.key")
    assert folder.read("node.key") == content


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    load_or_create_signing_key(folder, "node.key")
    (tmp_path / "node.key").chmod(0o640)
    with pytest.raises(FolderUnsafe):
        load_or_create_signing_key(folder, "node.key")


def test_tokens_are_long_different_and_fit_a_header() -> None:
    tokens = {new_token("till") for _ in range(1_000)}
    assert len(tokens) == 1_000
    for token in tokens:
        prefix, _, secret = token.partition("_")
        assert prefix == "till"
        assert len(secret) * 6 >= 128
        assert token.isascii()
        assert token.replace("_", "").replace("-", "").isalnum()


def test_a_digest_is_of_the_whole_token() -> None:
    assert len(token_digest("till_a")) == 32
    assert token_digest("till_a") == token_digest("till_a") != token_digest("till_b")
