"""Letters: messages from a location to another, to those of a role there or to one person there, sealed to the reader and signed by the sender.

Invariants:
- A letter counts as the node's whose certificate it carries, and only as the letter of its own id, from and to the
  locations that it names: copied to another id, readdressed, changed or sent again under another id, it is refused.
- The signature covers what is sealed and who may open it, so a true letter cannot be sealed on for others in the sender's
  name. Who reads it checks that its sender may write from there.
- A receipt is signed in the same way, and covers the very letter that was read.
"""

from hashlib import blake2b
from typing import Final, NamedTuple

from nacl.signing import SigningKey

from protocol.certificate import Certificate, Role, check_signature, verify
from protocol.codec import pack, read_blob, read_bytes, read_int, read_list, refuse, unpack
from protocol.errors import Code, ProtocolError
from protocol.ids import ChainId, Location, OpId, check_code
from protocol.limits import (
    CERTIFICATE_BYTES_MAX,
    DOCUMENT_ID_CHARS_MAX,
    FIELD_VALUE_BYTES_MAX,
    NAME_CHARS_MAX,
    SEALED_BYTES_MAX,
    TIME_MS_MAX,
)
from protocol.sealed_keys import RecordKey, Wrap, wraps_from_wire, wraps_to_wire
from protocol.sealing import Binding, box_digest

COLLECTION: Final = "messages"
ABOUT: Final = ("skus", "orders", "transfers")
"""What a letter may point at: collections of documents."""
_PERSON: Final = "person:"
_FORM: Final = 1
_LETTER: Final = b"everstock letter 1\0"
_RECEIPT: Final = b"everstock receipt 1\0"


class About(NamedTuple):
    """The document that a letter points at."""

    collection: str
    id: str


class Letter(NamedTuple):
    """One message. What it says is in `box`; all else is seen by whoever holds the document."""

    chain: ChainId
    id: OpId
    origin: Location
    to: Location
    role: str | None
    """Of those it is for; None for everybody at the location; of one for a single person, `for_person`: a node that knows no
    such letters takes it for a role that nobody has, and shows it to nobody there."""
    sent_at_ms: int
    by: str
    """Who wrote it, as their node says."""
    about: About | None
    box: bytes
    wraps: tuple[Wrap, ...]

    @property
    def person(self) -> str | None:
        """The id of the one user that it is for; None of a letter to several."""
        role = self.role or ""
        return role.removeprefix(_PERSON) if role.startswith(_PERSON) else None

    @property
    def binding(self) -> Binding:
        """What the box is a part of."""
        return letter_binding(self.chain, self.id, self.origin, self.to)

    @property
    def key(self) -> RecordKey:
        """What opens the box."""
        return RecordKey(self.id, box_digest(self.box), 1, self.wraps)


class Receipt(NamedTuple):
    """That somebody read a letter."""

    chain: ChainId
    id: OpId
    digest: bytes
    """Of the letter as it was sent."""
    location: Location
    by: str
    at_ms: int


class Signed(NamedTuple):
    """A letter that was verified, and the certificate of the node that signed it."""

    letter: Letter
    sender: Certificate


def for_person(user: str) -> str:
    """What stands in the place of the role of a letter to a single person, by their user's id."""
    return f"{_PERSON}{user}"


def letter_binding(chain: ChainId, id_: OpId, origin: Location, to: Location) -> Binding:
    """What the box of a letter is a part of: that letter, from there to there."""
    return Binding(chain, to, id_, f"letter from {origin}")


def sign_letter(letter: Letter, certificate: bytes, key: SigningKey) -> bytes:
    """The bytes that travel: `[body, certificate, signature]`.

    Raises:
        ProtocolError: `too_large` when they are more than a field of a document holds.
    """
    about = None if letter.about is None else list(letter.about)
    parts: list[object] = [_FORM, *letter[:7], about, letter.box, wraps_to_wire(letter.wraps)]
    return _signed(_LETTER, parts, certificate, key)


def read_letter(data: object, id_: OpId, hub_public_key: bytes) -> Signed:
    """Read the letter of a document, and check that it is that document's and its sender's.

    Raises:
        ProtocolError: `authentication_failed` when the hub has not signed the certificate, or that node not the letter, or
            the node may not write from there; `bad_value` when it is another document's, or no letter.
    """
    body, sender = _verified(_LETTER, data, hub_public_key)
    parts = read_list(unpack(body, bytes_max=FIELD_VALUE_BYTES_MAX), "a letter", least=11)
    form, chain, of_id, origin, to, role, sent_at, by, about, box, wraps = parts[:11]
    read_int(form, "a letter's form", least=_FORM)
    if of_id != id_ or chain != sender.chain:
        refuse("a letter", "is another one than its document is")
    letter = Letter(
        sender.chain,
        id_,
        Location(check_code(origin, "origin")),
        Location(check_code(to, "to")),
        None if role is None else check_code(role, "role", chars_max=NAME_CHARS_MAX),
        read_int(sent_at, "sent_at", most=TIME_MS_MAX),
        check_code(by, "by", chars_max=NAME_CHARS_MAX),
        _about_from_wire(about),
        read_blob(box, "what is sealed", bytes_max=SEALED_BYTES_MAX),
        wraps_from_wire(wraps),
    )
    _check_writes(sender, letter.origin)
    return Signed(letter, sender)


def letter_digest(data: bytes) -> bytes:
    """What a receipt names a letter by."""
    return blake2b(data, digest_size=32, person=b"everstock letter").digest()


def sign_receipt(receipt: Receipt, certificate: bytes, key: SigningKey) -> bytes:
    """The bytes that travel: `[body, certificate, signature]`."""
    return _signed(_RECEIPT, [_FORM, *receipt], certificate, key)


def read_receipt(data: object, letter: Letter, sent: bytes, hub_public_key: bytes) -> Receipt:
    """Read a receipt of a letter, given also as it was sent.

    Raises:
        ProtocolError: `authentication_failed` when the hub has not signed the certificate, or that node not the receipt, or
            it is no node of the location that was written to; `bad_value` when it is of another letter, or no receipt.
    """
    body, reader = _verified(_RECEIPT, data, hub_public_key)
    parts = read_list(unpack(body, bytes_max=FIELD_VALUE_BYTES_MAX), "a receipt", least=7)
    form, chain, id_, digest, location, by, at = parts[:7]
    read_int(form, "a receipt's form", least=_FORM)
    receipt = Receipt(
        ChainId(read_bytes(chain, "chain", length=16)),
        OpId(read_bytes(id_, "a letter's id", length=16)),
        read_bytes(digest, "a letter's digest", length=32),
        Location(check_code(location, "location")),
        check_code(by, "by", chars_max=NAME_CHARS_MAX),
        read_int(at, "at", most=TIME_MS_MAX),
    )
    if (receipt.chain, receipt.id, receipt.digest) != (
        letter.chain,
        letter.id,
        letter_digest(sent),
    ):
        refuse("a receipt", "is of another letter")
    if receipt.location != letter.to:
        refuse("a receipt", "is of another location than was written to")
    _check_writes(reader, receipt.location)
    return receipt


def _signed(purpose: bytes, parts: list[object], certificate: bytes, key: SigningKey) -> bytes:
    body = pack(parts)
    data = pack([body, certificate, key.sign(purpose + certificate + body).signature])
    if len(data) > FIELD_VALUE_BYTES_MAX - 8:
        raise ProtocolError(Code.TOO_LARGE, "a message and its keys are larger than a field holds")
    return data


def _verified(purpose: bytes, data: object, hub_public_key: bytes) -> tuple[bytes, Certificate]:
    sent = read_blob(data, "what is signed", bytes_max=FIELD_VALUE_BYTES_MAX)
    body, certificate, signature = read_list(
        unpack(sent, bytes_max=FIELD_VALUE_BYTES_MAX), "what is signed", least=3, most=3
    )
    body = read_blob(body, "what is signed", bytes_max=FIELD_VALUE_BYTES_MAX)
    certificate = read_blob(certificate, "a certificate", bytes_max=CERTIFICATE_BYTES_MAX)
    sender = verify(certificate, hub_public_key)
    signature = read_bytes(signature, "a signature", length=64)
    check_signature(sender.public_key, purpose + certificate + body, signature)
    return body, sender


def _check_writes(certificate: Certificate, location: Location) -> None:
    if location in certificate.writes or certificate.role is Role.OFFICE:
        return
    raise ProtocolError(Code.AUTHENTICATION_FAILED, "its node does not write from there")


def _about_from_wire(value: object) -> About | None:
    if value is None:
        return None
    collection, id_ = read_list(value, "about", least=2, most=2)
    return About(
        check_code(collection, "about", chars_max=NAME_CHARS_MAX),
        check_code(id_, "about", chars_max=DOCUMENT_ID_CHARS_MAX),
    )
