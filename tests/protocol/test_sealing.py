"""Sealing: opened by whom it was sealed for, as what it was sealed as, and by nobody else. SECURITY 4.6: S58."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings
from nacl.public import PrivateKey, PublicKey, SealedBox

from protocol import sealing
from protocol.codec import pack
from protocol.errors import Code, ProtocolError
from protocol.ids import ChainId, OpId
from protocol.limits import DETAILS_BYTES_MAX, SEALED_BYTES_MAX, SEALED_PADDING_BYTES
from protocol.sealing import Binding
from tests.protocol.examples import CHAIN
from tests.protocol.strategies import blob, codes

HERE = Binding(CHAIN, "S01", OpId(b"\x5a" * 16), "details")
KEY = b"\x0d" * 32
PATIENT = {"patient": "marked-patient", "prescriber": {"name": "marked-prescriber"}}
RECIPIENT = sealing.key_pair(b"\x21" * 32)
OTHER = sealing.key_pair(b"\x22" * 32)

places = st.builds(
    Binding,
    blob(16).map(ChainId),
    codes(),
    blob(16).map(OpId),
    st.sampled_from(["details", "text"]),
)
plain = st.dictionaries(
    st.text("abc", max_size=5), st.none() | st.integers(-9, 9) | st.text(max_size=9), max_size=4
)


def is_refused(attempt: Any) -> bool:
    with pytest.raises(ProtocolError) as refused:
        attempt()
    return refused.value.code in {Code.AUTHENTICATION_FAILED, Code.BAD_VALUE, Code.BAD_FRAME}


@given(plain, places, blob(32))
def test_what_was_sealed_is_opened_with_its_key(
    details: dict[str, object], binding: Binding, key: bytes
) -> None:
    sealed = sealing.seal(details, binding, key)
    assert sealing.unseal(sealed, binding, key) == details
    assert sealing.seal(dict(reversed(details.items())), binding, key) == sealed


def test_nothing_of_it_is_in_what_is_kept() -> None:
    sealed = sealing.seal(PATIENT, HERE, KEY)
    assert b"marked" not in sealed
    assert b"patient" not in sealed


@pytest.mark.parametrize(
    "moved",
    [
        HERE._replace(op_id=OpId(b"\x5b" * 16)),
        HERE._replace(field="text"),
        HERE._replace(location="S02"),
        HERE._replace(chain=ChainId(b"\xc1" * 16)),
    ],
)
def test_s58_moved_to_another_row_or_field_it_does_not_open(moved: Binding) -> None:
    sealed = sealing.seal(PATIENT, HERE, KEY)
    wrapped = sealing.wrap(KEY, HERE, RECIPIENT.public, b"\x31" * 32)
    assert is_refused(lambda: sealing.unseal(sealed, moved, KEY))
    assert is_refused(lambda: sealing.unwrap(wrapped, moved, RECIPIENT))


def test_s58_no_byte_of_it_can_be_changed() -> None:
    sealed = sealing.seal(PATIENT, HERE, KEY)
    wrapped = sealing.wrap(KEY, HERE, RECIPIENT.public, b"\x31" * 32)
    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        assert is_refused(lambda changed=changed: sealing.unseal(changed, HERE, KEY))
    for at in range(len(wrapped)):
        changed = wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :]
        assert is_refused(lambda changed=changed: sealing.unwrap(changed, HERE, RECIPIENT))
    for cut in (b"", sealed[:-1], sealed + b"\0"):
        assert is_refused(lambda cut=cut: sealing.unseal(cut, HERE, KEY))
    for cut in (b"", wrapped[:-1], wrapped[:40]):
        assert is_refused(lambda cut=cut: sealing.unwrap(cut, HERE, RECIPIENT))


def test_s58_another_key_opens_neither() -> None:
    sealed = sealing.seal(PATIENT, HERE, KEY)
    wrapped = sealing.wrap(KEY, HERE, RECIPIENT.public, b"\x31" * 32)
    assert is_refused(lambda: sealing.unseal(sealed, HERE, b"\x0e" * 32))
    assert is_refused(lambda: sealing.unwrap(wrapped, HERE, OTHER))


@given(st.lists(places, min_size=2, max_size=8, unique=True))
def test_s58_two_records_never_share_a_nonce_even_under_one_key(several: list[Binding]) -> None:
    """A key is used once, so a nonce cannot repeat under it; were one used twice, the nonces would differ still."""
    assert len({sealing._nonce(binding) for binding in several}) == len(several)
    boxes = {sealing.seal(PATIENT, binding, KEY) for binding in several}
    assert len(boxes) == len(several)


@given(places, blob(32), blob(32))
def test_a_wrapped_key_is_a_sealed_box_of_libsodium(
    binding: Binding, key: bytes, seed: bytes
) -> None:
    wrapped = sealing.wrap(key, binding, RECIPIENT.public, seed)
    assert len(wrapped) == sealing.WRAPPED_BYTES
    assert sealing.unwrap(wrapped, binding, RECIPIENT) == key
    assert SealedBox(PrivateKey(RECIPIENT.private)).decrypt(wrapped)[-32:] == key
    foreign = SealedBox(PublicKey(RECIPIENT.public)).encrypt(sealing._bound(binding) + key)
    assert sealing.unwrap(foreign, binding, RECIPIENT) == key


def test_its_length_says_little_of_what_is_in_it() -> None:
    lengths = {len(sealing.seal({"patient": "x" * n}, HERE, KEY)) for n in range(100)}
    assert len(lengths) == 1
    assert SEALED_PADDING_BYTES < min(lengths) < 2 * SEALED_PADDING_BYTES


def test_the_largest_details_can_be_sealed_and_no_larger_ones() -> None:
    room = DETAILS_BYTES_MAX - len(pack({"t": "x" * 300})) + 300
    sealed = sealing.seal({"t": "x" * room}, HERE, KEY)
    assert len(sealed) <= SEALED_BYTES_MAX
    assert sealing.unseal(sealed, HERE, KEY) == {"t": "x" * room}
    assert is_refused(lambda: sealing.seal({"t": "x" * (room + 1)}, HERE, KEY))


def test_what_a_holder_of_the_key_sealed_and_is_no_map_is_refused_and_no_crash() -> None:
    for value in ([1], 1.5, {"a": 1.5}, None):
        padded = bindings.sodium_pad(pack(value), SEALED_PADDING_BYTES)
        box = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            padded, HERE.associated, sealing._nonce(HERE), KEY
        )
        assert is_refused(lambda box=box: sealing.unseal(pack([1, box]), HERE, KEY))


@given(plain, plain)
def test_a_repeat_is_known_by_a_digest_that_nobody_else_can_compute(
    one: dict[str, object], other: dict[str, object]
) -> None:
    secret = b"\x41" * 32
    same = sealing.fingerprint(secret, one) == sealing.fingerprint(secret, other)
    assert same == (one == other)
    assert sealing.fingerprint(b"\x42" * 32, one) != sealing.fingerprint(secret, one)


@given(blob(32))
def test_a_recovery_key_is_read_back_as_it_was_printed_and_typed(secret: bytes) -> None:
    text = sealing.recovery_to_text(secret)
    assert sealing.recovery_from_text(text) == secret
    assert sealing.recovery_from_text(f" {text.lower().replace('-', ' ')}\n") == secret


@pytest.mark.parametrize("change", ["", "A", "RECOVERY-", "not a key", "é"])
def test_a_recovery_key_with_a_typing_error_is_refused_in_words(change: str) -> None:
    assert is_refused(lambda: sealing.recovery_from_text(change))
    text = sealing.recovery_to_text(b"\x51" * 32)
    swapped = text[:12] + ("A" if text[12] != "A" else "B") + text[13:]
    with pytest.raises(ProtocolError, match="typing error"):
        sealing.recovery_from_text(swapped)


def test_the_recovery_key_opens_what_was_wrapped_for_its_public_half() -> None:
    pair = sealing.recovery_pair(b"\x51" * 32)
    wrapped = sealing.wrap(KEY, HERE, pair.public, b"\x31" * 32)
    assert sealing.unwrap(wrapped, HERE, sealing.recovery_pair(b"\x51" * 32)) == KEY
    assert pair.public != sealing.key_pair(b"\x51" * 32).public


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31)])
def test_a_public_key_that_makes_every_secret_known_is_refused(point: bytes) -> None:
    assert is_refused(lambda: sealing.read_public_key(point, "a key"))
    assert sealing.read_public_key(OTHER.public, "a key") == OTHER.public
