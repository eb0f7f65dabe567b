"""Enrolment over HTTP: a code, a nonce, a proof, a certificate."""

from collections.abc import Mapping

import pytest
from nacl.signing import SigningKey

from hub.enrolment import NONCE_LIVES_MS, NONCES_MAX, REQUESTS_PER_ADDRESS_MAX, Nonces
from hub.fleet import Enrolment
from protocol.certificate import verify
from protocol.enrolment import check_hello, code_from_text, proof, secret_digest
from protocol.ids import ChainId
from protocol.limits import ENROLMENT_BYTES_MAX
from runtime.world import World
from tests.hub.conftest import Clock, Running
from tests.store.shop import CHAIN, HUB_KEY, name_bytes

DEVICE = SigningKey(name_bytes("device", length=32))
NONCE = bytes(32)


async def _hello(running: Running) -> Mapping[str, str]:
    response = await running.get(f"/v1/enrol?nonce={NONCE.hex()}", token=None)
    assert response.status == 200
    answer: Mapping[str, str] = await response.json()
    return answer


async def _body(running: Running, text: str, key: SigningKey = DEVICE) -> dict[str, str]:
    """What a device with this code sends."""
    code, hello = code_from_text(text), await _hello(running)
    nonce, public_key = bytes.fromhex(hello["nonce"]), bytes(key.verify_key)
    return {
        "code_id": code.id.hex(),
        "public_key": public_key.hex(),
        "nonce": nonce.hex(),
        "proof": proof(secret_digest(code.secret), nonce, public_key).hex(),
        "software": "test 1",
    }


async def _enrol(running: Running, body: object) -> tuple[int, str]:
    response = await running.post("/v1/enrol", body, token=None)
    answer = await response.json()
    return response.status, answer.get("code") or answer["name"]


async def test_a_device_that_proves_its_code_becomes_a_node(running: Running) -> None:
    text = await running.fleet.enrol(Enrolment(name="S01", writes=("S01",)))
    response = await running.post("/v1/enrol", await _body(running, text), token=None)
    assert response.status == 201
    answer = await response.json()
    certificate = verify(bytes.fromhex(answer["certificate"]), bytes(HUB_KEY.verify_key))
    assert (answer["name"], answer["chain"]) == ("S01", CHAIN.hex())
    assert certificate.public_key == bytes(DEVICE.verify_key)
    assert (certificate.writes, certificate.reads) == (("S01",), ("*",))


async def test_the_hub_proves_the_key_whose_fingerprint_is_in_the_code(running: Running) -> None:
    code = code_from_text(await running.fleet.enrol_office())
    hello = await _hello(running)
    check_hello(
        code,
        bytes.fromhex(hello["public_key"]),
        NONCE,
        bytes.fromhex(hello["nonce"]),
        ChainId(bytes.fromhex(hello["chain"])),
        bytes.fromhex(hello["signature"]),
    )


async def test_a_used_code_is_refused_to_another_device(running: Running) -> None:
    text = await running.fleet.enrol_office()
    assert await _enrol(running, await _body(running, text)) == (201, "office")
    other = SigningKey(name_bytes("other", length=32))
    assert await _enrol(running, await _body(running, text, other)) == (409, "code_used")
    assert await _enrol(running, await _body(running, text)) == (201, "office")


async def test_an_expired_code_is_refused(running: Running) -> None:
    text = await running.fleet.enrol(Enrolment(name="S01", writes=("S01",), expires_s=60))
    running.clock.now_ms += 60_000
    assert await _enrol(running, await _body(running, text)) == (410, "code_expired")


async def test_a_wrong_proof_looks_like_an_unknown_code(running: Running) -> None:
    text = await running.fleet.enrol_office()
    wrong = await _body(running, text) | {"proof": bytes(32).hex()}
    unknown = await _body(running, text) | {"code_id": bytes(5).hex()}
    assert await _enrol(running, wrong) == await _enrol(running, unknown) == (403, "code_unknown")


async def test_what_a_listener_heard_enrols_no_other_key(running: Running) -> None:
    text = await running.fleet.enrol_office()
    heard = await _body(running, text)
    other = SigningKey(name_bytes("other", length=32))
    stolen = heard | {"public_key": bytes(other.verify_key).hex()}
    assert await _enrol(running, stolen) == (403, "code_unknown")


async def test_a_nonce_is_good_once_and_for_a_minute(running: Running) -> None:
    text = await running.fleet.enrol_office()
    body = await _body(running, text)
    assert await _enrol(running, body) == (201, "office")
    assert await _enrol(running, body) == (403, "timed_out")
    late = await _body(running, text)
    running.clock.now_ms += NONCE_LIVES_MS + 1
    assert await _enrol(running, late) == (403, "timed_out")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"proof": "zz"}, 422, "validation_failed"),
        ({"proof": 5}, 422, "validation_failed"),
        ({"public_key": "00"}, 422, "validation_failed"),
        ({"more": "00"}, 422, "validation_failed"),
        ({"software": "a\u0007b"}, 422, "bad_value"),
        ({"software": "x" * ENROLMENT_BYTES_MAX}, 413, "too_large"),
    ],
)
async def test_a_malformed_request_is_refused(
    running: Running, changes: dict[str, object], status: int, code: str
) -> None:
    text = await running.fleet.enrol_office()
    assert await _enrol(running, await _body(running, text) | changes) == (status, code)
    assert await running.hub.store.nodes() == []


@pytest.mark.parametrize("nonce", ["", "zz", "00" * 15, "00" * 65])
async def test_a_hello_needs_a_nonce_of_the_device(running: Running, nonce: str) -> None:
    response = await running.get(f"/v1/enrol?nonce={nonce}", token=None)
    assert response.status == 422


async def test_one_address_cannot_have_all_nonces(running: Running) -> None:
    for _ in range(REQUESTS_PER_ADDRESS_MAX):
        await _hello(running)
    refused = await running.get(f"/v1/enrol?nonce={NONCE.hex()}", token=None)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "60")
    running.clock.now_ms += 60_001
    await _hello(running)


def test_nonces_are_bounded_and_the_oldest_goes_first() -> None:
    nonces = Nonces(World(now_ms=Clock()))
    given = [nonces.give() for _ in range(NONCES_MAX + 1)]
    assert not nonces.take(given[0])
    assert nonces.take(given[1])
    assert nonces.take(given[-1])
