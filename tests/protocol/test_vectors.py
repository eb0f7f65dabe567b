"""PROTOCOL.md is right: each of its examples is written and read by the code, byte for byte.

The expected bytes are on the page. Where the page gives a rule in words (a hash over what, a
signature over what), the test follows the words with the standard library and checks both.
"""

import uuid
from hashlib import blake2b

import msgpack
import pytest
from nacl.signing import SigningKey, VerifyKey

from protocol import certificate, chain, checkpoint, departure, digest, enrolment, operation, rows
from protocol.clock import Stamp, clamp
from protocol.codec import unpack
from protocol.effects import CounterEffect, CounterKey, DocumentKey, FieldEffect
from protocol.enrolment import EnrolmentCode
from protocol.frames.handshake import check_hub, hub_signature_input, node_signature_input
from protocol.ids import op_id
from protocol.rows import CounterRow, DocumentRow
from protocol.wire import Frame, decode, encode
from tests.protocol import vector_page
from tests.protocol.vector_page import Vector

KINDS: dict[str, set[str]] = {}
TYPES = {frame.TYPE: frame for frame in Frame.__args__}


def examples(kind: str) -> pytest.MarkDecorator:
    """Parametrise a test over every block of one kind."""
    found = vector_page.vectors(kind)
    KINDS[kind] = set(found)
    return pytest.mark.parametrize("vector", found.values(), ids=found)


def plain_pack(value: object) -> bytes:
    return msgpack.packb(value, use_bin_type=True)


@examples("frame")
def test_a_frame_is_written_and_read_as_the_page_says(vector: Vector) -> None:
    kind = TYPES[vector["type"]]
    frame = kind.from_body(vector["body"])
    data = vector["hex"]
    assert decode(data) == frame
    assert decode(data).to_body() == vector["body"]
    if data[0] == 0:
        assert data[1:] == plain_pack([vector["type"], vector["body"]])
        assert encode(frame) == data
    else:  # compressed bytes differ between versions of zlib
        assert decode(encode(frame)) == frame


def test_every_frame_type_has_an_example_and_one_is_compressed() -> None:
    found = vector_page.vectors("frame").values()
    assert {vector["type"] for vector in found} == set(TYPES)
    assert {vector["hex"][0] for vector in found} == {0, 1}


@examples("operation")
def test_an_operation_is_written_and_read_as_the_page_says(vector: Vector) -> None:
    body, parts = vector["hex"], vector["parts"]
    assert body == plain_pack(parts)
    fact = operation.decode(body)
    assert operation.encode(fact) == body
    assert operation.op_id_of(body) == fact.op_id == parts[0]
    assert fact.recorded_at == parts[1]
    assert fact.occurred_at == (parts[1] if parts[2] is None else parts[2])
    assert (fact.clock_offset_ms, fact.actor, fact.device) == tuple(parts[3:6])
    assert (fact.kind, fact.version, fact.details) == (parts[6], parts[7], parts[9])
    assert fact.tail == tuple(parts[10:])


def test_one_example_operation_has_both_kinds_of_effects() -> None:
    fact = operation.decode(vector_page.vectors("operation")["both-effects"]["hex"])
    first, second, third = fact.effects
    assert first == CounterEffect("S01", "漢-5", "L7", 0, 24)
    assert isinstance(second, FieldEffect)
    assert (second.collection, second.id, second.field) == ("lot", "漢-5/L7", "expires")
    assert second.stamp == Stamp(1767225599000, 0, b"\x22" * 16)
    assert isinstance(third, FieldEffect)
    assert (third.join, third.rank, third.scopes) == (1, 3, ("docs:S01", "docs:S02"))


@examples("row")
def test_a_row_is_written_read_and_hashed_as_the_page_says(vector: Vector) -> None:
    data = vector["hex"]
    row = rows.row_from_wire(unpack(data))
    assert data == plain_pack(vector["parts"]) == rows.row_bytes(row)
    assert digest.to_bytes(digest.row_hash(row)) == vector["hash"]
    assert blake2b(data, digest_size=16).digest() == vector["hash"]


def test_the_example_rows_are_of_both_kinds() -> None:
    found = [rows.row_from_wire(vector["parts"]) for vector in vector_page.vectors("row").values()]
    assert {type(row) for row in found} == {CounterRow, DocumentRow}
    assert [row.tail for row in found if row.tail] == [("later", {"more": 1})]


@examples("chain")
def test_a_chain_is_what_the_page_says(vector: Vector) -> None:
    held, by_words = chain.CHAIN_START, bytes(32)
    for body, expected in zip(vector["operations"], vector["hashes"], strict=True):
        held = chain.extend(held, body)
        by_words = blake2b(body, digest_size=32, key=by_words).digest()
        assert held == by_words == expected


@examples("digest")
def test_a_digest_is_what_the_page_says(vector: Vector) -> None:
    found = digest.of_rows(rows.row_from_wire(parts) for parts in vector["rows"])
    hashes = [blake2b(plain_pack(parts), digest_size=16).digest() for parts in vector["rows"]]
    assert digest.to_bytes(found.value) == vector["value"]
    assert sum(map(int.from_bytes, hashes)) % 2**128 == int.from_bytes(vector["value"])
    assert found.rows == vector["count"]


@examples("bucket")
def test_a_bucket_is_what_the_page_says(vector: Vector) -> None:
    parts = vector["key"]
    key = CounterKey(*parts) if len(parts) == 4 else DocumentKey(*parts)
    assert digest.bucket_of(key) == vector["bucket"]
    assert blake2b(plain_pack(parts), digest_size=1).digest()[0] == vector["bucket"]


@examples("op_id")
def test_an_op_id_is_what_the_page_says(vector: Vector) -> None:
    parts = [vector[name] for name in ("location", "client", "route", "key")]
    assert op_id(vector["chain"], *parts) == vector["op_id"]
    by_words = uuid.uuid5(uuid.UUID(bytes=vector["chain"]), "\0".join(parts))
    assert by_words.bytes == vector["op_id"]


@examples("clamp")
def test_a_stamp_counts_as_the_page_says(vector: Vector) -> None:
    stamp = Stamp(*vector["stamp"])
    held = clamp(stamp, now_ms=vector["now"], accepted_at_ms=vector["accepted_at"])
    assert held == Stamp(*vector["clamped"])
    accepted = min(vector["now"], vector["accepted_at"] or vector["now"])
    ahead = stamp.wall_ms - (accepted + 600_000)
    if ahead > 0:
        assert held.wall_ms == accepted + 600_000
        assert held.tick == ahead * 2**14 + stamp.tick


@examples("head")
def test_a_head_is_what_the_page_says(vector: Vector) -> None:
    signer = checkpoint.Signer[vector["signer"].upper()]
    key = SigningKey(vector["seed"])
    head = checkpoint.Head(*vector["parts"][1:])
    assert checkpoint.sign_head(head, key, signer) == vector["hex"]
    public_key = bytes(key.verify_key)
    assert checkpoint.verify_head(vector["hex"], public_key, head.chain_id, signer) == head
    body, signature = unpack(vector["hex"])
    assert body == plain_pack(vector["parts"])
    purpose = f"everstock head {vector['signer']} 1".encode() + b"\0"
    VerifyKey(public_key).verify(purpose + body, signature)


@examples("checkpoint")
def test_a_checkpoint_is_what_the_page_says(vector: Vector) -> None:
    key = SigningKey(vector["hub_seed"])
    told = checkpoint.Checkpoint(*vector["parts"][1:])
    assert checkpoint.sign_checkpoint(told, key) == vector["hex"]
    public_key = bytes(key.verify_key)
    assert checkpoint.verify_checkpoint(vector["hex"], public_key, told.chain_id) == told
    body, signature = unpack(vector["hex"])
    assert body == plain_pack(vector["parts"])
    VerifyKey(public_key).verify(b"everstock checkpoint 1\0" + body, signature)
    said = b"".join(replica + seq.to_bytes(8) + hash_ for replica, seq, hash_ in vector["heads"])
    assert blake2b(said, digest_size=32).digest() == told.root
    assert checkpoint.root_of(map(tuple, vector["heads"])) == told.root
    assert checkpoint.record_hash(vector["hex"]) == vector["hash"]
    assert blake2b(vector["hex"], digest_size=32).digest() == vector["hash"]


@examples("certificate")
def test_a_certificate_is_what_the_page_says(vector: Vector) -> None:
    hub_key = SigningKey(vector["hub_seed"])
    public_key = bytes(hub_key.verify_key)
    held = certificate.verify(vector["hex"], public_key)
    assert certificate.issue(held, hub_key) == vector["hex"]
    body, signature = unpack(vector["hex"])
    assert body == plain_pack(vector["parts"])
    VerifyKey(public_key).verify(b"everstock certificate 1\0" + body, signature)
    assert [
        held.chain,
        held.node,
        held.public_key,
        held.name,
        held.role,
        list(held.writes),
        list(held.reads),
        held.serial,
        held.issued_at_ms,
    ] == vector["parts"][1:]


@examples("departure")
def test_a_departure_is_what_the_page_says(vector: Vector) -> None:
    hub_key = SigningKey(vector["hub_seed"])
    public_key = bytes(hub_key.verify_key)
    held = departure.verify(vector["hex"], public_key, vector["parts"][1])
    assert departure.sign(held, hub_key) == vector["hex"]
    body, signature = unpack(vector["hex"])
    assert body == plain_pack(vector["parts"])
    VerifyKey(public_key).verify(b"everstock departure 1\0" + body, signature)
    assert [held.chain, held.node, held.reason, held.at_ms] == vector["parts"][1:]
    assert departure.digest([vector["hex"]]) == vector["digest"]


@examples("signatures")
def test_session_signatures_are_over_what_the_page_says(vector: Vector) -> None:
    hub_key, node_key = SigningKey(vector["hub_seed"]), SigningKey(vector["node_seed"])
    parts = (vector["hub_nonce"], vector["node_nonce"], vector["chain"])
    node_input, hub_input = node_signature_input(*parts), hub_signature_input(*parts)
    in_words = vector["chain"] + vector["hub_nonce"] + vector["node_nonce"]
    assert node_input == b"everstock session node 1\0" + in_words
    assert hub_input == b"everstock session hub 1\0" + in_words
    assert node_key.sign(node_input).signature == vector["node_signature"]
    assert hub_key.sign(hub_input).signature == vector["hub_signature"]
    check_hub(
        bytes(hub_key.verify_key),
        vector["hub_nonce"],
        vector["node_nonce"],
        vector["chain"],
        vector["hub_signature"],
    )


@examples("code")
def test_an_enrolment_code_reads_as_the_page_says(vector: Vector) -> None:
    public_key = bytes(SigningKey(vector["hub_seed"]).verify_key)
    code = EnrolmentCode(vector["id"], vector["secret"], vector["fingerprint"])
    assert enrolment.fingerprint(public_key) == code.fingerprint
    assert enrolment.code_to_text(code) == vector["text"]
    assert enrolment.code_from_text(vector["text"]) == code
    body = b"".join(code)
    check = blake2b(body, digest_size=5, person=b"everstock code").digest()
    raw = int.from_bytes(body + check)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    by_words = "".join(letters[raw >> shift & 31] for shift in range(315, -1, -5))
    assert vector["text"].replace("-", "") == by_words


@examples("enrolment")
def test_an_enrolment_exchange_is_what_the_page_says(vector: Vector) -> None:
    hub_key, device_key = SigningKey(vector["hub_seed"]), SigningKey(vector["device_seed"])
    nonces = (vector["device_nonce"], vector["hub_nonce"])
    hello = b"everstock enrolment hello 1\0" + b"".join(nonces) + vector["chain"]
    assert enrolment.sign_hello(hub_key, *nonces, vector["chain"]) == vector["hub_signature"]
    assert hub_key.sign(hello).signature == vector["hub_signature"]
    secret_digest = blake2b(vector["secret"], digest_size=32).digest()
    assert enrolment.secret_digest(vector["secret"]) == vector["secret_digest"] == secret_digest
    public_key = bytes(device_key.verify_key)
    said = b"everstock enrolment proof 1" + vector["hub_nonce"] + public_key
    assert blake2b(said, key=secret_digest, digest_size=32).digest() == vector["proof"]
    assert enrolment.proof(secret_digest, vector["hub_nonce"], public_key) == vector["proof"]


def test_no_example_of_the_page_is_left_unchecked() -> None:
    found: dict[str, set[str]] = {}
    for name, (kind, _) in vector_page.read(vector_page.PAGE.read_text()).items():
        found.setdefault(kind, set()).add(name)
    assert found == KINDS
    assert vector_page.PAGE.read_text().count("```vector") == sum(map(len, found.values()))


@pytest.mark.parametrize(
    "block",
    [
        "```vector name=x\nhex = 00\n```\n",
        "```vector name=x kind=frame\nnonsense\n```\n",
        "```vector name=x kind=frame\nhex = 0g\n```\n",
        "```vector name=x kind=frame\nbody = {h'00\n```\n",
        "```vector name=x kind=frame\nhex = 00\n```\n" * 2,
    ],
    ids=["no kind", "no field", "no hex", "no value", "twice"],
)
def test_a_block_that_cannot_be_read_is_an_error(block: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        vector_page.read(block)


def test_every_frame_and_every_cap_named_in_the_page_exists() -> None:
    text = vector_page.PAGE.read_text()
    for kind in TYPES.values():
        words = "".join(f"_{c}" if c.isupper() else c for c in kind.__name__).upper().strip("_")
        assert f"### {words}\n\n{kind.TYPE}, " in text
