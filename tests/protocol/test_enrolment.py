"""Enrolment: a code survives how people type it, and what a listener hears is worth nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from protocol import enrolment
from protocol.enrolment import EnrolmentCode, check_hello, code_from_text, code_to_text, sign_hello
from protocol.errors import Code, ProtocolError
from protocol.ids import ChainId
from tests.protocol.examples import CHAIN, HUB_KEY, HUB_PUBLIC, NODE_KEY

CODE = EnrolmentCode(b"\x01\x02\x03\x04\x05", b"\x50" * 15, enrolment.fingerprint(HUB_PUBLIC))
TEXT = code_to_text(CODE)
DEVICE_NONCE, HUB_NONCE = b"\xd0" * 32, b"\xa1" * 32


def test_a_code_is_eight_groups_of_eight_letters_and_digits() -> None:
    groups = TEXT.split("-")
    assert [len(group) for group in groups] == [8] * 8
    assert TEXT.replace("-", "").isalnum()
    assert TEXT.upper() == TEXT


@pytest.mark.parametrize(
    "typed",
    [
        TEXT.lower(),
        TEXT.replace("-", ""),
        TEXT.replace("-", " "),
        TEXT.replace("-", " - "),
        f"\n\t {TEXT} \r\n",
        "\u00a0".join(TEXT),
    ],
    ids=["lower case", "no hyphens", "blanks", "both", "line ends", "blanks of a word processor"],
)
def test_a_code_is_read_however_it_is_typed(typed: str) -> None:
    assert code_from_text(typed) == CODE


@given(st.integers(0, 63), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_one_wrong_letter_is_noticed(at: int, letter: str) -> None:
    letters = list(TEXT.replace("-", ""))
    if letters[at] != letter:
        letters[at] = letter
        with pytest.raises(ProtocolError, match="typing error"):
            code_from_text("".join(letters))


@given(st.integers(0, 62))
def test_two_letters_in_the_wrong_order_are_noticed(at: int) -> None:
    letters = list(TEXT.replace("-", ""))
    if letters[at] != letters[at + 1]:
        letters[at], letters[at + 1] = letters[at + 1], letters[at]
        with pytest.raises(ProtocolError, match="typing error"):
            code_from_text("".join(letters))


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "hello",
        TEXT[:-1],
        TEXT[:-9],
        TEXT + "A",
        TEXT + "-AAAAAAAA",
        TEXT[:-1] + "=",
        TEXT[:-1] + "1",
        TEXT[:-1] + "é",
        "A" * 64,
        "A" * 100_000,
        "\0" * 64,
    ],
)
def test_what_is_no_code_is_refused_in_one_sentence(typed: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        code_from_text(typed)
    assert refused.value.code is Code.BAD_VALUE
    assert refused.value.detail.startswith("the code ")


def hello(key: SigningKey = HUB_KEY, device_nonce: bytes = DEVICE_NONCE) -> bytes:
    return sign_hello(key, device_nonce, HUB_NONCE, CHAIN)


def test_the_hub_that_made_the_code_is_believed() -> None:
    check_hello(CODE, HUB_PUBLIC, DEVICE_NONCE, HUB_NONCE, CHAIN, hello())


def test_a_hub_with_another_key_is_told_apart_before_the_device_says_anything() -> None:
    other = SigningKey(b"\x66" * 32)
    with pytest.raises(ProtocolError) as refused:
        check_hello(CODE, bytes(other.verify_key), DEVICE_NONCE, HUB_NONCE, CHAIN, hello(other))
    assert refused.value.code is Code.WRONG_HUB


@pytest.mark.parametrize(
    "signature",
    [
        hello(SigningKey(b"\x66" * 32)),
        hello(device_nonce=b"\xd1" * 32),
        sign_hello(HUB_KEY, DEVICE_NONCE, b"\xa2" * 32, CHAIN),
        sign_hello(HUB_KEY, DEVICE_NONCE, HUB_NONCE, ChainId(b"\xc1" * 16)),
        bytes(64),
        b"",
    ],
    ids=["another key's", "an old nonce", "another nonce", "another chain", "zeros", "empty"],
)
def test_who_only_knows_the_hubs_public_key_does_not_pass_for_it(signature: bytes) -> None:
    with pytest.raises(ProtocolError) as refused:
        check_hello(CODE, HUB_PUBLIC, DEVICE_NONCE, HUB_NONCE, CHAIN, signature)
    assert refused.value.code is Code.AUTHENTICATION_FAILED


def test_what_is_signed_cannot_be_cut_elsewhere_into_nonce_and_chain() -> None:
    """A longer nonce and a shorter chain id make the same bytes; only one reading is taken."""
    with pytest.raises(ProtocolError):
        check_hello(
            CODE, HUB_PUBLIC, DEVICE_NONCE, HUB_NONCE + CHAIN[:4], ChainId(CHAIN[4:]), hello()
        )


def test_a_proof_is_good_for_one_secret_one_nonce_and_one_key() -> None:
    digest = enrolment.secret_digest(CODE.secret)
    key = bytes(NODE_KEY.verify_key)
    proof = enrolment.proof(digest, HUB_NONCE, key)
    assert enrolment.proof_is_right(proof, digest, HUB_NONCE, key)
    wrong = [
        (proof, enrolment.secret_digest(b"\x51" * 15), HUB_NONCE, key),
        (proof, digest, b"\xa2" * 32, key),
        (proof, digest, HUB_NONCE, HUB_PUBLIC),
        (proof[:-1], digest, HUB_NONCE, key),
        (b"", digest, HUB_NONCE, key),
    ]
    assert not any(enrolment.proof_is_right(*parts) for parts in wrong)
    assert CODE.secret not in proof
