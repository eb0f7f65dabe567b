"""Messages over HTTP: what is no message is refused, and no token of the machine sends or reads one."""

from pathlib import Path
from typing import Any

import pytest

from node.node import Node
from node.replica.cursors import write_cursor
from protocol.limits import LETTER_CHARS_MAX
from protocol.sealing import recovery_pair
from tests.node.api.caller import ApiCaller, Http
from tests.node.enrolled import Shop, enrolled_folder
from tests.security.people.staff import Clock, hire, quickly, signed_in

SECRET = "Marked-Text"
HERE = {"origin": "S01", "to": "S01", "text": SECRET}
SOME_ID = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of node S01, in a chain with a recovery key."""
    return enrolled_folder(tmp_path / "S01", recovery_key=recovery_pair(b"\x51" * 32).public)


@pytest.fixture
async def node(shop: Shop) -> Node:
    """Give the node, at which people sign in quickly."""
    return quickly(await Node.open(shop.folder, Clock().world()))


@pytest.fixture
async def ada(http: Http, operator: ApiCaller) -> ApiCaller:
    """Give a clerk of the shop."""
    await hire(operator, "ada", "clerk")
    return await signed_in(http, "ada")


async def sends(caller: ApiCaller, body: Any) -> Any:
    headers = {"Idempotency-Key": "k1"}
    return await caller.ask("POST", "/v1/messages", headers=headers, json=body)


@pytest.mark.parametrize(
    "wrong",
    [
        {**HERE, "text": ""},
        {**HERE, "text": "x" * (LETTER_CHARS_MAX + 1)},
        {**HERE, "text": "\x1b[31m"},
        {**HERE, "text": 1},
        {**HERE, "role": "king"},
        {**HERE, "person": "ada"},
        {**HERE, "person": SOME_ID},
        {**HERE, "person": SOME_ID, "role": "clerk"},
        {**HERE, "about": {"collection": "users", "id": "ada"}},
        {**HERE, "about": {"collection": "skus"}},
        {**HERE, "by": "somebody else"},
        {"to": "S01", "text": SECRET},
    ],
)
async def test_what_is_no_message_is_refused_and_not_repeated(
    ada: ApiCaller, wrong: dict[str, Any]
) -> None:
    reply = await sends(ada, wrong)
    assert (reply.status, reply.code) == (422, "validation_failed")
    assert SECRET.encode() not in reply.body


async def test_no_token_of_the_machine_sends_or_reads_mail(
    till: ApiCaller, operator: ApiCaller
) -> None:
    for caller in (till, operator):
        reply = await sends(caller, HERE)
        assert (reply.status, reply.code) == (403, "forbidden")
        for method, path, body in (
            ("GET", "/v1/messages", None),
            ("GET", f"/v1/messages/{SOME_ID}", None),
            ("POST", f"/v1/messages/{SOME_ID}/read", {}),
        ):
            reply = await caller.ask(method, path, json=body)
            assert reply.status in {403, 404}, (method, path)


async def test_a_message_within_a_shop_is_sent_listed_and_read_by_its_people(
    ada: ApiCaller,
) -> None:
    reply = await sends(ada, HERE)
    assert reply.status == 201, reply
    assert SECRET.encode() not in reply.body
    id_ = reply.json()["id"]
    assert reply.headers["Location"] == f"/v1/messages/{id_}"
    [listed] = (await ada.get("/v1/messages"))["items"]
    assert (listed["id"], listed["text"], listed["by"]) == (id_, SECRET, "ada")
    read = await ada.ask("POST", f"/v1/messages/{id_}/read", json={})
    assert [receipt["by"] for receipt in read.json()["receipts"]] == ["ada"]
    assert (await ada.ask("GET", f"/v1/messages/{SOME_ID}")).status == 404


@pytest.mark.parametrize("number", ["9" * 19, "9" * 40, "-1", "x", "", "\u0665", "1_0", " 1"])
async def test_a_cursor_that_was_made_up_is_refused(ada: ApiCaller, number: str) -> None:
    reply = await ada.ask("GET", "/v1/messages", params={"cursor": write_cursor([number, ""])})
    assert (reply.status, reply.code) == (422, "validation_failed")


async def test_a_message_to_one_person_is_shown_to_them_and_to_whoever_wrote_it_alone(
    ada: ApiCaller, http: Http, operator: ApiCaller
) -> None:
    bob = await hire(operator, "bob", "clerk")
    await hire(operator, "eve", "clerk")
    await hire(operator, "boss", "manager")
    eve, boss, reader = [await signed_in(http, name) for name in ("eve", "boss", "bob")]
    reply = await sends(ada, {**HERE, "person": bob})
    assert reply.status == 201, reply
    told = reply.json()
    assert (told["person"], told["role"]) == (bob, None)
    at = f"/v1/messages/{told['id']}"
    for caller in (reader, ada):
        assert (await caller.get(at))["text"] == SECRET
    for caller in (eve, boss):
        assert (await caller.get("/v1/messages"))["items"] == []
        assert (await caller.ask("GET", at)).code == "not_found"
        assert (await caller.ask("POST", f"{at}/read", json={})).code == "not_found"
    own = await ada.ask("POST", f"{at}/read", json={})
    assert own.code == "forbidden", "it was not to whoever wrote it"
    await reader.ask("POST", f"{at}/read", json={})
    assert [one["by"] for one in (await ada.get(at))["receipts"]] == ["bob"]


async def test_a_location_whose_keys_nobody_told_yet_is_told_to_be_tried_later(
    ada: ApiCaller,
) -> None:
    reply = await sends(ada, {**HERE, "to": "S02"})
    assert (reply.status, reply.code) == (503, "unavailable")
    assert reply.headers["Retry-After"] == "1"
