"""Letters and their receipts: forged, moved, readdressed, replayed and sealed on, they are refused. SECURITY 4.6: S57."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from protocol.access.table import PersonRole
from protocol.certificate import Role
from protocol.codec import pack, unpack
from protocol.errors import Code, ProtocolError
from protocol.ids import Location, OpId
from protocol.letters import (
    About,
    Letter,
    Receipt,
    for_person,
    letter_binding,
    letter_digest,
    read_letter,
    read_receipt,
    sign_letter,
    sign_receipt,
)
from protocol.sealed_keys import wrapped_for
from protocol.sealing import key_pair, seal, unseal
from tests.protocol import strategies
from tests.protocol.examples import CHAIN, HUB_PUBLIC, NODE_KEY, NOW, certificate_bytes

ID, OTHER_ID = OpId(b"\x5a" * 16), OpId(b"\x5b" * 16)
S01, S02 = Location("S01"), Location("S02")
READER, THIEF, FOREIGN_KEY = (
    key_pair(b"\x01" * 32),
    key_pair(b"\x02" * 32),
    SigningKey(b"\x66" * 32),
)
DATA_KEY = b"\x0d" * 32
TEXT = {"text": "marked text"}
MINE = certificate_bytes()
RECEIVERS = certificate_bytes(writes=(S02,))


def letter(**changes: Any) -> Letter:
    """A letter from S01 to S02."""
    binding = letter_binding(CHAIN, ID, S01, S02)
    wraps = wrapped_for(DATA_KEY, binding, [READER.public], [b"\x0b" * 32])
    about = About("transfers", "t1")
    box = seal(TEXT, binding, DATA_KEY)
    return Letter(CHAIN, ID, S01, S02, "pharmacist", NOW, "ada", about, box, wraps)._replace(
        **changes
    )


def refusal(attempt: Any) -> Code:
    with pytest.raises(ProtocolError) as refused:
        attempt()
    return refused.value.code


def test_a_letter_is_read_by_whom_it_is_sealed_for_and_is_its_senders() -> None:
    sent = sign_letter(letter(), MINE, NODE_KEY)
    assert b"marked" not in sent
    read, sender = read_letter(sent, ID, HUB_PUBLIC)
    assert (read, sender.name) == (letter(), "S01")
    data_key = read.key.opened(read.binding, [READER])
    assert data_key is not None
    assert unseal(read.box, read.binding, data_key) == TEXT
    assert read.key.opened(read.binding, [THIEF]) is None


@given(
    st.none() | strategies.codes(), strategies.codes(100), st.none() | st.just(About("skus", "A1"))
)
def test_a_letter_is_read_back_as_it_was_signed(
    role: str | None, by: str, about: About | None
) -> None:
    sent = letter(role=role, by=by, about=about)
    assert read_letter(sign_letter(sent, MINE, NODE_KEY), ID, HUB_PUBLIC).letter == sent


def test_s57_no_byte_of_a_letter_can_be_changed() -> None:
    sent = sign_letter(letter(), MINE, NODE_KEY)
    for at in range(len(sent)):
        changed = sent[:at] + bytes([sent[at] ^ 1]) + sent[at + 1 :]
        assert refusal(lambda changed=changed: read_letter(changed, ID, HUB_PUBLIC))


def test_s57_a_letter_copied_to_another_document_or_sent_again_is_refused() -> None:
    sent = sign_letter(letter(), MINE, NODE_KEY)
    assert refusal(lambda: read_letter(sent, OTHER_ID, HUB_PUBLIC)) is Code.BAD_VALUE


def test_s57_a_letter_in_anothers_name_is_refused() -> None:
    def read(forged: bytes) -> Code:
        return refusal(lambda: read_letter(forged, ID, HUB_PUBLIC))

    assert read(sign_letter(letter(), MINE, FOREIGN_KEY)) is Code.AUTHENTICATION_FAILED
    elsewhere = sign_letter(letter(origin=Location("S03")), MINE, NODE_KEY)
    assert read(elsewhere) is Code.AUTHENTICATION_FAILED
    own_hub = SigningKey(b"\x77" * 32)
    assert refusal(
        lambda: read_letter(sign_letter(letter(), MINE, NODE_KEY), ID, bytes(own_hub.verify_key))
    )
    office = certificate_bytes(role=Role.OFFICE, writes=())
    assert read_letter(sign_letter(letter(), office, NODE_KEY), ID, HUB_PUBLIC)


def test_s57_a_true_letter_cannot_be_sealed_on_or_readdressed_in_the_senders_name() -> None:
    body, certificate, signature = unpack(sign_letter(letter(), MINE, NODE_KEY))  # type: ignore[misc]
    wraps = wrapped_for(DATA_KEY, letter().binding, [THIEF.public], [b"\x0b" * 32])
    for changed in (letter(wraps=wraps), letter(to=Location("S03")), letter(role=None)):
        other, _, _ = unpack(sign_letter(changed, MINE, NODE_KEY))  # type: ignore[misc]
        assert other != body
        forged = pack([other, certificate, signature])
        code = refusal(lambda forged=forged: read_letter(forged, ID, HUB_PUBLIC))
        assert code is Code.AUTHENTICATION_FAILED


def test_s57_a_box_taken_from_another_letter_does_not_open_in_this_one() -> None:
    mine = letter()
    moved = letter_binding(CHAIN, OTHER_ID, S01, S02)
    assert refusal(lambda: unseal(mine.box, moved, DATA_KEY)) is Code.AUTHENTICATION_FAILED
    swapped = letter_binding(CHAIN, ID, S02, S01)
    assert refusal(lambda: unseal(mine.box, swapped, DATA_KEY)) is Code.AUTHENTICATION_FAILED
    assert refusal(lambda: mine.key.opened(moved, [READER])) is Code.AUTHENTICATION_FAILED


def receipt(sent: bytes, **changes: Any) -> Receipt:
    """That S02 read it."""
    return Receipt(CHAIN, ID, letter_digest(sent), S02, "bob", NOW)._replace(**changes)


def test_a_receipt_is_of_one_letter_and_of_a_node_that_it_was_for() -> None:
    sent = sign_letter(letter(), MINE, NODE_KEY)

    def read(of: Receipt, certificate: bytes = RECEIVERS, key: SigningKey = NODE_KEY) -> Receipt:
        return read_receipt(sign_receipt(of, certificate, key), letter(), sent, HUB_PUBLIC)

    assert read(receipt(sent)) == receipt(sent)
    for forged in (
        receipt(sent, id=OTHER_ID),
        receipt(b"another letter"),
        receipt(sent, location=S01),
    ):
        assert refusal(lambda forged=forged: read(forged)) is Code.BAD_VALUE
    assert refusal(lambda: read(receipt(sent), MINE)) is Code.AUTHENTICATION_FAILED
    assert refusal(lambda: read(receipt(sent), key=FOREIGN_KEY)) is Code.AUTHENTICATION_FAILED
    as_letter = sign_receipt(receipt(sent), RECEIVERS, NODE_KEY)
    assert refusal(lambda: read_letter(as_letter, ID, HUB_PUBLIC)) is Code.AUTHENTICATION_FAILED


@pytest.mark.parametrize("junk", [None, "text", b"", b"\xc1", pack([1, 2, 3]), bytes(20_000)])
def test_what_is_no_letter_is_refused(junk: object) -> None:
    assert refusal(lambda: read_letter(junk, ID, HUB_PUBLIC))


def test_a_letter_to_one_person_is_one_to_a_role_that_nobody_has() -> None:
    assert letter(role=for_person("2f1c")).person == "2f1c"
    assert letter(role="pharmacist").person is None
    assert letter(role=None).person is None
    with pytest.raises(ValueError, match="person"):
        PersonRole(for_person("2f1c"))
