"""Bad input of every kind: a clear problem answer, nothing recorded, and the node goes on.

Each case is sent to a node that holds one opening movement; afterwards the list of movements and the stock are what
they were, and the next good request is answered.
"""

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import msgpack
import pytest
from multidict import CIMultiDict

from protocol.limits import BODY_BYTES_MAX, DEPTH_MAX, DETAILS_BYTES_MAX, LINE_PACKS_MAX
from tests.node.api.caller import ApiCaller, JsonObject, movement, sale

SECRET = "do-not-repeat-me"


def nested(depth: int) -> object:
    """Objects in one another."""
    value: object = 0
    for _ in range(depth):
        value = {"x": value}
    return value


def with_line(**fields: object) -> JsonObject:
    """A sale with one line of these fields."""
    return line_of("sale", **fields)


def line_of(kind: str, **fields: object) -> JsonObject:
    """A movement of a kind with one line of these fields."""
    return {"kind": kind, "location": "S01", "reason": "why", "lines": [fields]}


@pytest.fixture
async def shop_till(till: ApiCaller) -> AsyncIterator[ApiCaller]:
    """Give a till whose books must be the same after the test, and which must still be served."""
    assert (await till.record("opening", movement("opening", ("A1", 10)))).status == 201
    before = await till.books()
    yield till
    assert await till.books() == before
    assert (await till.record("afterwards", sale(("A1", -1)))).status == 201


WRONG_SHAPES: dict[str, object] = {
    "not an object": [],
    "null": None,
    "text": SECRET,
    "empty": {},
    "no kind": {"location": "S01", "lines": [{"sku": "A1", "delta": -1}]},
    "no location": {"kind": "sale", "lines": [{"sku": "A1", "delta": -1}]},
    "no lines": {"kind": "sale", "location": "S01"},
    "empty lines": {"kind": "sale", "location": "S01", "lines": []},
    "lines an object": {"kind": "sale", "location": "S01", "lines": {"0": {}}},
    "a line of text": {"kind": "sale", "location": "S01", "lines": [SECRET]},
    "1001 lines": sale(*(("A1", -1) for _ in range(1001))),
    "unknown field": sale(("A1", -1), discount=5),
    "own id": sale(("A1", -1), id="00000000-0000-0000-0000-000000000001"),
    "own actor": sale(("A1", -1), actor=SECRET),
    "a batch's key": sale(("A1", -1), key="k"),
    "unknown field of a line": with_line(sku="A1", delta=-1, price=5),
    "unknown kind": movement(SECRET, ("A1", -1)),
    "kind in capitals": movement("Sale", ("A1", -1)),
    "kind a number": {**sale(("A1", -1)), "kind": 1},
    "kind a list": {**sale(("A1", -1)), "kind": ["sale"]},
    "a transfer": movement("transfer_ship", ("A1", -1)),
    "a reversal": movement("reversal", ("A1", 1)),
    "true for 1": with_line(sku="A1", delta=True),
    "text for 5": with_line(sku="A1", delta="5"),
    "5.0": with_line(sku="A1", delta=-5.0),
    "-0.0": with_line(sku="A1", delta=-0.0),
    "2^63": with_line(sku="A1", delta=-(2**63)),
    "2^64": with_line(sku="A1", delta=-(2**64)),
    "10^9 + 1": with_line(sku="A1", delta=-(10**9) - 1),
    "a list for delta": with_line(sku="A1", delta=[-1]),
    "delta null": with_line(sku="A1", delta=None),
    "no delta": with_line(sku="A1"),
    "no sku": with_line(delta=-1),
    "sku a number": with_line(sku=17, delta=-1),
    "sku empty": with_line(sku="", delta=-1),
    "sku of 65 characters": with_line(sku="x" * 65, delta=-1),
    "sku with a newline": with_line(sku="A1\n", delta=-1),
    "sku with NUL": with_line(sku="A\0001", delta=-1),
    "sku with an escape": with_line(sku="\x1b[2J", delta=-1),
    "sku with DEL": with_line(sku="A1\x7f", delta=-1),
    "sku with a C1 control": with_line(sku="A1\x9b", delta=-1),
    "sku with a line separator": with_line(sku="A1\u2028", delta=-1),
    "lot empty": with_line(sku="A1", lot="", delta=-1),
    "lot with a tab": with_line(sku="A1", lot="L\t1", delta=-1),
    "location with a control character": {**sale(("A1", -1)), "location": "S01\r"},
    "sale upwards": sale(("A1", 1)),
    "dispense upwards": movement("dispense", ("A1", 1)),
    "waste upwards": movement("waste", ("A1", 1), reason="x"),
    "supplier return upwards": movement("supplier_return", ("A1", 1)),
    "receive downwards": movement("receive", ("A1", -1)),
    "opening downwards": movement("opening", ("A1", -1)),
    "customer return downwards": movement("customer_return", ("A1", -1)),
    "second line upwards": sale(("A1", -1), ("B2", 1)),
    "adjust without reason": movement("adjust", ("A1", -1)),
    "adjust with a blank reason": movement("adjust", ("A1", -1), reason="  "),
    "waste without reason": movement("waste", ("A1", -1), reason=None),
    "count with delta": movement("count", ("A1", -1)),
    "count with both": {
        "kind": "count",
        "location": "S01",
        "lines": [{"sku": "A1", "delta": 1, "counted": 2}],
    },
    "count below zero": {
        "kind": "count",
        "location": "S01",
        "lines": [{"sku": "A1", "counted": -1}],
    },
    "count beyond a delta": {
        "kind": "count",
        "location": "S01",
        "lines": [{"sku": "A1", "counted": 2 * 10**9}],
    },
    "sale with counted": with_line(sku="A1", counted=1),
    "a pack of nothing": with_line(pack="box of 20", packs=-2),
    "a pack that nobody has described": with_line(sku="A1", pack="box of 20", packs=-2),
    "a pack without a number": with_line(sku="A1", pack="box of 20", delta=-2),
    "more packs than a line names": with_line(sku="A1", pack="box", packs=-LINE_PACKS_MAX - 1),
    "packs of what": with_line(sku="A1", packs=-2),
    "packs and a delta": with_line(sku="A1", pack="box of 20", packs=-2, delta=-40),
    "packs upwards": with_line(sku="A1", pack="box of 20", packs=2),
    "an empty barcode": with_line(barcode=""),
    "a barcode that is a number": with_line(barcode=5901234123457),
    "a barcode alone where either way goes": line_of("adjust", barcode="96385074"),
    "a barcode alone in a count": line_of("count", barcode="96385074"),
    "a count of fewer than no packs": line_of("count", sku="A1", pack="box", packs=-1),
    "sale with a supplier": with_line(sku="A1", delta=-1, supplier="Acme"),
    "a cost that is a float": {
        "kind": "receive",
        "location": "S01",
        "lines": [{"sku": "A1", "delta": 1, "unit_cost": {"amount": 1.5, "currency": "EUR"}}],
    },
    "a currency in small letters": {
        "kind": "receive",
        "location": "S01",
        "lines": [{"sku": "A1", "delta": 1, "unit_cost": {"amount": 1, "currency": "eur"}}],
    },
    "an expiry that does not exist": {
        "kind": "receive",
        "location": "S01",
        "lines": [{"sku": "A1", "delta": 1, "expiry": "2023-02-29"}],
    },
    "time without offset": sale(("A1", -1), occurred_at="2020-01-01T00:00:00"),
    "time of day 25": sale(("A1", -1), occurred_at="2020-01-01T25:00:00Z"),
    "before 1970": sale(("A1", -1), occurred_at="1969-12-31T23:59:59Z"),
    "after 9999": sale(("A1", -1), occurred_at="9999-12-31T23:59:59-01:00"),
    "time a number": sale(("A1", -1), occurred_at=1_600_000_000),
    "reference too long": sale(("A1", -1), reference="x" * 201),
    "reference on two lines": sale(("A1", -1), reference=f"{SECRET}\n1"),
    "reason too long": movement("waste", ("A1", -1), reason="x" * 201),
    "note too long": sale(("A1", -1), note="x" * 2001),
    "note with an escape": sale(("A1", -1), note="\x1b[31m"),
    "details a list": sale(("A1", -1), details=[]),
    "details with a float": sale(("A1", -1), details={"a": {"b": [5.0]}}),
    "details beyond 64 bits": sale(("A1", -1), details={"a": 2**63}),
    "details too deep": sale(("A1", -1), details=nested(DEPTH_MAX)),
    "details too large": sale(("A1", -1), details={"a": "x" * DETAILS_BYTES_MAX}),
    "details sealed as text": sale(("A1", -1), details={"sealed": SECRET}),
    "details sealed and empty": sale(("A1", -1), details={"sealed": {}}),
}


@pytest.mark.parametrize("name", WRONG_SHAPES)
async def test_a_wrong_movement_is_refused(name: str, shop_till: ApiCaller) -> None:
    reply = await shop_till.record("k", WRONG_SHAPES[name])
    assert (reply.status, reply.code) == (422, "validation_failed"), reply
    assert SECRET.encode() not in reply.body, "an answer repeats what was sent"


@pytest.mark.parametrize("name", WRONG_SHAPES)
async def test_msgpack_gets_the_same_decision(name: str, shop_till: ApiCaller) -> None:
    body = WRONG_SHAPES[name]
    try:
        packed = msgpack.packb(body)
    except OverflowError:
        return  # beyond what MessagePack can say at all
    reply = await shop_till.ask(
        "POST",
        "/v1/movements",
        data=packed,
        headers={"Idempotency-Key": "k", "Content-Type": "application/msgpack"},
    )
    assert (reply.status, reply.code) == (422, "validation_failed"), reply


@pytest.mark.parametrize("name", WRONG_SHAPES)
async def test_a_wrong_item_of_a_batch_is_refused(name: str, shop_till: ApiCaller) -> None:
    item = WRONG_SHAPES[name]
    keyed = {**item, "key": "k"} if isinstance(item, dict) else item
    if name == "a batch's key":
        return  # there it belongs
    (result,) = (await shop_till.record_batch([keyed])).json()["results"]
    assert (result["status"], result["problem"]["code"]) == (422, "validation_failed")
    assert SECRET not in json.dumps(result)


async def test_each_fault_is_named_with_its_place(shop_till: ApiCaller) -> None:
    body = sale(("A1", 1), ("B2", -1), ("C3", 2), reason="")
    errors = (await shop_till.record("k", body)).json()["errors"]
    assert [error["loc"] for error in errors] == [["lines", 0, "delta"], ["lines", 2, "delta"]]
    assert {error["type"] for error in errors} == {"sign"}


GOOD = json.dumps(sale(("A1", -1))).encode()

MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "half": GOOD[:-5],
    "trailing": GOOD + b"x",
    "two": GOOD + GOOD,
    "a key twice": GOOD[:-1] + b',"kind":"opening"}',
    "a key twice inside": GOOD.replace(b'"delta": -1', b'"delta": -1, "delta": -5'),
    "NaN": GOOD.replace(b"-1", b"NaN"),
    "Infinity": GOOD.replace(b"-1", b"-Infinity"),
    "1e400": GOOD.replace(b"-1", b"-1e400"),
    "5000 digits": GOOD.replace(b"-1", b"-" + b"1" * 5000),
    "not UTF-8": GOOD.replace(b"A1", b"\xff\xfe"),
    "half a surrogate pair": GOOD.replace(b"A1", rb"\ud800"),
    "nested 33 deep": b"[" * 33 + b"]" * 33,
    "nested 100,000 deep": b"[" * 100_000,
    "single quotes": GOOD.replace(b'"', b"'"),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_json_is_refused(name: str, shop_till: ApiCaller) -> None:
    reply = await shop_till.ask(
        "POST",
        "/v1/movements",
        data=MALFORMED[name],
        headers={"Idempotency-Key": "k", "Content-Type": "application/json"},
    )
    assert (reply.status, reply.code) == (400, "malformed_body"), reply


PACKED = msgpack.packb(sale(("A1", -1)))

MALFORMED_PACKED: dict[str, bytes] = {
    "nothing": b"",
    "half": PACKED[:-5],
    "trailing": PACKED + b"\x00",
    "a key twice": b"\x82\xa4kind\xa4sale\xa4kind\xa7opening",
    "a number for a key": b"\x81\x01\x02",
    "an ext type": b"\x81\xa4kind\xd4\x01\x00",
    "a timestamp": b"\x81\xa4kind\xd6\xff\x00\x00\x00\x00",
    "not UTF-8": b"\x81\xa4kind\xa2\xff\xfe",
    "a length of 4 GiB": b"\xdd\xff\xff\xff\xff",
    "nested 100,000 deep": b"\x91" * 100_000,
    "an unused byte": b"\xc1",
}


@pytest.mark.parametrize("name", MALFORMED_PACKED)
async def test_malformed_msgpack_is_refused(name: str, shop_till: ApiCaller) -> None:
    reply = await shop_till.ask(
        "POST",
        "/v1/movements",
        data=MALFORMED_PACKED[name],
        headers={"Idempotency-Key": "k", "Content-Type": "application/msgpack"},
    )
    assert (reply.status, reply.code) == (400, "malformed_body"), reply


@pytest.mark.parametrize(
    "packed",
    [
        msgpack.packb({**sale(("A1", -1)), "reference": b"bytes"}),
        msgpack.packb({**sale(("A1", -1)), "details": {"a": [b"bytes"]}}),
        msgpack.packb({**sale(("A1", -1)), b"kind": "sale"}),
        msgpack.packb({**sale(("A1", -1)), "details": {b"a": 1}}),
        msgpack.packb({**sale(("A1", -1)), "details": {"a": float("nan")}}),
        msgpack.packb({**sale(("A1", -1)), "details": {"a": 2**64 - 1}}),
        msgpack.packb({**sale(("A1", -1)), "location": b"S01"}),
    ],
)
async def test_what_only_msgpack_can_say_is_refused(packed: bytes, shop_till: ApiCaller) -> None:
    reply = await shop_till.ask(
        "POST",
        "/v1/movements",
        data=packed,
        headers={"Idempotency-Key": "k", "Content-Type": "application/msgpack"},
    )
    assert (reply.status, reply.code) == (422, "validation_failed"), reply


WRONG_KEYS: dict[str, list[tuple[str, str]]] = {
    "none": [],
    "empty": [("Idempotency-Key", "")],
    "201 characters": [("Idempotency-Key", "k" * 201)],
    "a blank": [("Idempotency-Key", "two words")],
    "not ASCII": [("Idempotency-Key", "caf\u00e9")],
    "two": [("Idempotency-Key", "a"), ("Idempotency-Key", "b")],
}


@pytest.mark.parametrize("name", WRONG_KEYS)
async def test_a_missing_or_unusable_key_is_refused(name: str, shop_till: ApiCaller) -> None:
    headers = CIMultiDict([("Authorization", f"Bearer {shop_till.token}"), *WRONG_KEYS[name]])
    async with shop_till.http.post(
        "/v1/movements", json=sale(("A1", -1)), headers=headers
    ) as response:
        problem = await response.json()
    assert (response.status, problem["code"]) == (400, "idempotency_key_missing")


@pytest.mark.parametrize("key", [None, 5, "", "k" * 201, "a b", "\u00e9", ["k"], True])
async def test_an_item_without_a_usable_key_is_refused(key: Any, shop_till: ApiCaller) -> None:
    (result,) = (await shop_till.record_batch([{**sale(("A1", -1)), "key": key}])).json()["results"]
    assert (result["status"], result["problem"]["code"]) == (400, "idempotency_key_missing")


async def test_a_key_used_for_another_body_is_refused(shop_till: ApiCaller) -> None:
    reply = await shop_till.record("opening", movement("opening", ("A1", 11)))
    assert (reply.status, reply.code) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"movements": {}},
        {"movements": [], "more": 1},
        {"movements": [{"key": f"k{n}", **sale(("A1", -1))} for n in range(1001)]},
    ],
)
async def test_a_batch_of_the_wrong_shape_records_nothing(
    body: object, shop_till: ApiCaller
) -> None:
    reply = await shop_till.ask("POST", "/v1/movements/batch", json=body)
    assert (reply.status, reply.code) == (422, "validation_failed"), reply


async def test_a_body_over_a_mebibyte_is_too_large(shop_till: ApiCaller) -> None:
    blank = b" " * (BODY_BYTES_MAX + 1 - len(GOOD))
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    content = io.BytesIO(GOOD + blank)
    reply = await shop_till.ask("POST", "/v1/movements", data=content, headers=headers)
    assert (reply.status, reply.code) == (413, "too_large")


async def test_a_body_that_does_not_say_its_length_is_cut_too(shop_till: ApiCaller) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * (BODY_BYTES_MAX // 10)

    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    reply = await shop_till.ask("POST", "/v1/movements", data=pieces(), headers=headers)
    assert (reply.status, reply.code) == (413, "too_large")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "x-unheard-of"])
async def test_a_compressed_body_is_refused(encoding: str, shop_till: ApiCaller) -> None:
    headers = {
        "Idempotency-Key": "k",
        "Content-Type": "application/json",
        "Content-Encoding": encoding,
    }
    reply = await shop_till.ask("POST", "/v1/movements", data=GOOD, headers=headers)
    assert reply.status in {400, 415}, reply
    assert reply.code in {"malformed_body", "unsupported_media_type", "bad_request"}


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x"],
)
async def test_a_type_that_a_form_can_send_is_refused(
    content_type: str, shop_till: ApiCaller
) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": content_type}
    reply = await shop_till.ask("POST", "/v1/movements", data=GOOD, headers=headers)
    assert (reply.status, reply.code) == (415, "unsupported_media_type")
