"""Documents over HTTP: every collection alike, what is answered, shown, refused and told live."""

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import jsonschema
import msgpack
import pytest
from pydantic import TypeAdapter
from yarl import URL

from node.api import data_dictionary
from node.api.document_models import address_names, models_of
from node.api.openapi import document
from node.api.routes import routes
from protocol.declarations import COLLECTIONS
from protocol.declarations.vocabulary import Set
from protocol.limits import BARCODE_CHARS_MAX, LIST_LIMIT_MAX
from tests.node.api.caller import ApiCaller, JsonObject, Reply, sale

DOCUMENT = document(routes())
APPLE = {"id": "apple", "name": "Apple"}
ALL = pytest.mark.parametrize("collection", COLLECTIONS)
BY_HAND = pytest.mark.parametrize(
    "collection", [name for name, one in COLLECTIONS.items() if not one.by_acts_alone]
)


async def a_till(office: ApiCaller) -> ApiCaller:
    """A till of the office."""
    made = await office.ask("POST", "/v1/operator/tokens", json={"name": "till-1"})
    return ApiCaller(office.http, made.json()["token"])


async def ask(
    caller: ApiCaller,
    method: str,
    path: str,
    body: object = None,
    key: str = "k",
    **headers: str,
) -> Reply:
    """An edit under a key."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {"Idempotency-Key": key, "Content-Type": "application/json", **named}
    content = None if body is None else json.dumps(body).encode()
    return await caller.ask(method, path, data=content, headers=given)


async def created(
    caller: ApiCaller, collection: str, body: Mapping[str, object], key: str = "new"
) -> Reply:
    """A document that must be taken."""
    reply = await ask(caller, "POST", f"/v1/{collection}", body, key)
    assert reply.status == 201, reply
    return reply


def fits(value: object, model: str) -> None:
    """Hold an answer against its description, without allowing more than that."""
    schema = {**DOCUMENT["components"]["schemas"][model], "additionalProperties": False}
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(
        value
    )


@BY_HAND
async def test_an_example_is_created_shown_changed_and_archived(
    collection: str, office: ApiCaller
) -> None:
    declared = COLLECTIONS[collection]
    made = await created(office, collection, declared.example)
    address, shown = made.headers["Location"], made.json()
    fits(shown, f"{declared.model}Shown")
    found = await office.ask("GET", address)
    assert (found.json(), found.headers["ETag"]) == (shown, made.headers["ETag"])
    (changes,) = DOCUMENT["components"]["schemas"][f"{declared.model}Changes"]["examples"]
    changed = await ask(office, "PATCH", address, changes, "same", If_Match=made.headers["ETag"])
    assert (changed.status, changed.body) == (200, made.body), "it changed nothing"
    gone = await ask(office, "DELETE", address, key="gone", If_Match=made.headers["ETag"])
    assert (gone.status, gone.json()["archived"]) == (200, True)
    assert gone.headers["ETag"] != made.headers["ETag"]
    page = await office.get(f"/v1/{collection}")
    fits(page, f"{declared.model}Page")
    assert page["items"] == []
    (item,) = (await office.get(f"/v1/{collection}", archived="true"))["items"]
    assert item == gone.json() == (await office.ask("GET", address)).json()
    stale = await ask(office, "DELETE", address, key="stale", If_Match=made.headers["ETag"])
    assert (stale.status, stale.code) == (412, "precondition_failed")


@BY_HAND
async def test_a_till_reads_and_does_not_edit(collection: str, office: ApiCaller) -> None:
    declared = COLLECTIONS[collection]
    made = await created(office, collection, declared.example)
    till = await a_till(office)
    assert (await till.ask("GET", made.headers["Location"])).status == 200
    assert len((await till.get(f"/v1/{collection}"))["items"]) == 1
    for method, path, body in (
        ("POST", f"/v1/{collection}", declared.example),
        ("PATCH", made.headers["Location"], {"archived": True}),
        ("DELETE", made.headers["Location"], None),
    ):
        reply = await ask(till, method, path, body)
        assert (reply.status, reply.code) == (403, "forbidden")
    assert (await office.ask("GET", made.headers["Location"])).body == made.body


@BY_HAND
async def test_what_is_not_there_is_not_found(collection: str, office: ApiCaller) -> None:
    names = address_names(COLLECTIONS[collection])
    address = "/".join([f"/v1/{collection}", *("0-0" if name == "id" else "x" for name in names)])
    for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
        assert (await ask(office, method, address, body)).code == "not_found"


@BY_HAND
async def test_no_stage_and_nothing_fixed_is_written_by_hand(
    collection: str, office: ApiCaller
) -> None:
    declared = COLLECTIONS[collection]
    made = await created(office, collection, declared.example)
    by_others = [one.name for one in declared.fields if one.set in {Set.BY_STEPS, Set.BY_NODE}]
    for name in [*by_others, "created_by", "updated_at", "unknown"]:
        reply = await ask(
            office, "POST", f"/v1/{collection}", {**declared.example, name: None}, name
        )
        assert reply.code == "validation_failed", name
    fixed = [one.name for one in declared.fields if one.set is Set.AT_CREATION]
    for name in [*by_others, *fixed, "id", "created_by", "unknown"]:
        reply = await ask(office, "PATCH", made.headers["Location"], {name: None}, name)
        assert reply.code == "validation_failed", name


async def test_a_repeat_gets_the_same_bytes_and_says_that_it_is_one(operator: ApiCaller) -> None:
    first = await created(operator, "skus", APPLE)
    again = await ask(operator, "POST", "/v1/skus", APPLE, "new")
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["ETag"] == first.headers["ETag"]
    other = await ask(operator, "POST", "/v1/skus", {**APPLE, "unit": "g"}, "new")
    assert other.code == "idempotency_key_reused"
    missing = await operator.ask("POST", "/v1/skus", json=APPLE)
    assert missing.code == "idempotency_key_missing"


async def test_a_merge_patch_keeps_clears_and_takes_out(office: ApiCaller) -> None:
    packs = {"bag": {"multiple": 6}, "crate": {"multiple": 60}}
    made = await created(
        office, "skus", {**APPLE, "category": "Fruit", "unit": "g", "packs": packs}
    )
    content = json.dumps(
        {"category": None, "packs": {"bag": None, "sack": {"multiple": 20}}}
    ).encode()
    headers = {"Idempotency-Key": "p", "Content-Type": "application/merge-patch+json"}
    reply = await office.ask("PATCH", made.headers["Location"], data=content, headers=headers)
    shown = reply.json()
    assert (shown["category"], shown["unit"], shown["name"]) == (None, "g", "Apple")
    assert shown["packs"] == {"crate": {"multiple": 60}, "sack": {"multiple": 20}}


async def test_msgpack_is_taken_as_json_is(operator: ApiCaller) -> None:
    headers = {"Idempotency-Key": "m", "Content-Type": "application/msgpack"}
    packed = msgpack.packb({**APPLE, "packs": {"bag": {"multiple": 6}}})
    reply = await operator.ask("POST", "/v1/skus", data=packed, headers=headers)
    assert reply.json()["packs"] == {"bag": {"multiple": 6}}


CODES = ["0042", "a/b", "a%2Fb", "caf\u00e9 \U0001f600", "~1", "a?b#c", "a+b c", "\u6f22"]


@pytest.mark.parametrize("code", CODES)
async def test_a_code_is_kept_as_it_is_also_in_an_address(code: str, operator: ApiCaller) -> None:
    made = await created(operator, "skus", {"id": code, "name": "x"})
    assert made.json()["id"] == code
    assert made.headers["Location"] == f"/v1/skus/{quote(code, safe='')}"
    lot = await created(operator, "lots", {"sku": code, "code": code}, "lot")
    for reply in (made, lot):
        async with operator.http.get(
            URL(reply.headers["Location"], encoded=True),
            headers={"Authorization": f"Bearer {operator.token}"},
        ) as answer:
            assert (answer.status, await answer.read()) == (200, reply.body)


BAD: dict[str, JsonObject] = {
    "no name": {"id": "apple"},
    "a name that is null": {"id": "apple", "name": None},
    "an empty name": {"id": "apple", "name": ""},
    "a name with a control character": {"id": "apple", "name": "a\x00"},
    "a code with one": {"id": "a\nb", "name": "x"},
    "a code that is too long": {"id": "x" * 65, "name": "x"},
    "a code that is a number": {"id": 5, "name": "x"},
    "a number as text": {**APPLE, "minimum": "5"},
    "a number with a point": {**APPLE, "minimum": 5.0},
    "a negative minimum": {**APPLE, "minimum": -1},
    "a flag as a number": {**APPLE, "controlled": 1},
    "a price without a currency": {**APPLE, "price": {"amount": 5}},
    "a pack of nothing": {**APPLE, "packs": {"bag": {"multiple": 0}}},
    "a pack without a multiple": {**APPLE, "packs": {"bag": {}}},
    "a pack that is null": {**APPLE, "packs": {"bag": None}},
    "packs as a list": {**APPLE, "packs": [{"multiple": 5}]},
    "a barcode that is too long": {**APPLE, "barcodes": {"9" * (BARCODE_CHARS_MAX + 1): {}}},
    "a barcode without a sign": {**APPLE, "barcodes": {"": {}}},
    "a barcode of several packs": {**APPLE, "barcodes": {"1": {"pack": ["a", "b"]}}},
    "an attribute that is nested": {**APPLE, "attributes": {"a": {"b": 1}}},
    "a supplier that is no id": {**APPLE, "supplier": "Lakeside"},
    "a field that is not declared": {**APPLE, "colour": "red"},
}


@pytest.mark.parametrize("name", BAD)
async def test_what_does_not_fit_is_refused_and_its_schema_says_so(
    name: str, office: ApiCaller
) -> None:
    reply = await ask(office, "POST", "/v1/skus", BAD[name])
    assert (reply.status, reply.code) == (422, "validation_failed"), reply
    assert (await office.get("/v1/skus"))["items"] == []
    if name != "a number with a point":  # which is an integer to JSON Schema
        schema = {"$ref": "#/components/schemas/SkuBody", "components": DOCUMENT["components"]}
        assert not jsonschema.Draft202012Validator(schema).is_valid(BAD[name])


@pytest.mark.parametrize("tag", ["", "x", '"a', "W/", '"a" "b"', "*, *"])
async def test_a_condition_that_is_none_is_refused(tag: str, operator: ApiCaller) -> None:
    made = await created(operator, "skus", APPLE)
    reply = await ask(operator, "DELETE", made.headers["Location"], If_Match=tag)
    assert (reply.status, reply.code) == (400, "bad_request")


@pytest.mark.parametrize(
    ("tag", "is_met"), [("*", True), ('"x", {tag}', True), ("W/{tag}", False), ('"x"', False)]
)
async def test_a_condition_names_states(tag: str, is_met: bool, office: ApiCaller) -> None:
    made = await created(office, "skus", APPLE)
    named = tag.replace("{tag}", made.headers["ETag"])
    reply = await ask(office, "DELETE", made.headers["Location"], If_Match=named)
    assert reply.status == (200 if is_met else 412)


async def test_lists_are_paged_filtered_and_told_what_changed(office: ApiCaller) -> None:
    for number in range(5):
        category = "Fruit" if number % 2 else "Bread"
        await created(
            office, "skus", {"id": f"A{number}", "name": "x", "category": category}, f"{number}"
        )
    page = await office.get("/v1/skus", limit=2)
    assert [one["id"] for one in page["items"]] == ["A0", "A1"]
    following = await office.get("/v1/skus", limit=2, cursor=page["next"])
    assert [one["id"] for one in following["items"]] == ["A2", "A3"]
    assert following["changes"] == page["changes"]
    fruit = await office.get("/v1/skus", category="Fruit")
    assert [one["id"] for one in fruit["items"]] == ["A1", "A3"]
    assert (await office.get("/v1/skus", changed_since=page["changes"]))["items"] == []
    await ask(office, "DELETE", "/v1/skus/A3", key="gone")
    changed = await office.get("/v1/skus", changed_since=page["changes"])
    assert [(one["id"], one["archived"]) for one in changed["items"]] == [("A3", True)]
    assert len((await office.get("/v1/skus", changed_since="0"))["items"]) == 5
    assert (await office.get("/v1/skus", changed_since="0", archived="false"))["items"] != []


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "0"},
        {"limit": str(LIST_LIMIT_MAX + 1)},
        {"cursor": "x"},
        {"archived": "yes"},
        {"changed_since": "2026-01-01T00:00:00Z"},
        {"changed_since": "0.5"},
        {"category": ""},
        {"name": "Apple"},
        {"location": "S01"},
    ],
)
async def test_a_list_is_not_asked_for_what_it_does_not_know(
    parameters: dict[str, str], till: ApiCaller
) -> None:
    reply = await till.ask("GET", "/v1/skus", params=parameters)
    assert reply.code == "validation_failed"


async def test_what_a_sku_costs_is_shown_to_no_till(office: ApiCaller) -> None:
    cost = {"amount": 12, "currency": "EUR"}
    made = await created(office, "skus", {**APPLE, "cost": cost})
    assert made.json()["cost"] == cost
    till = await a_till(office)
    shown = await till.ask("GET", made.headers["Location"])
    assert "cost" not in shown.json()
    assert shown.headers["ETag"] != made.headers["ETag"]
    assert b"cost" not in (await till.ask("GET", "/v1/skus")).body
    fits(shown.json(), "SkuShown")
    no_oracle = await till.ask("GET", "/v1/skus", params={"cost": "12"})
    assert no_oracle.code == "validation_failed"


async def test_an_edit_is_told_live_as_a_document_without_what_it_costs(office: ApiCaller) -> None:
    since = (await office.get("/v1/skus"))["changes"]
    cost = {"amount": 12, "currency": "EUR"}
    await created(office, "skus", {**APPLE, "cost": cost})
    await ask(office, "PATCH", "/v1/skus/apple", {"cost": {**cost, "amount": 13}}, "dearer")
    till = await a_till(office)
    headers = {"Authorization": f"Bearer {till.token}"}
    async with office.http.get("/v1/events", params={"since": since}, headers=headers) as stream:
        text = ""
        while '"apple"' not in text:
            text += (await stream.content.readline()).decode()
    assert "event: document" in text
    (data,) = (line for line in text.splitlines() if '"apple"' in line)
    told = json.loads(data.removeprefix("data:"))
    shown = (await till.ask("GET", "/v1/skus/apple")).json()
    assert (told["collection"], told["id"], told["fields"]) == ("skus", "apple", shown)
    assert "cost" not in text


async def test_a_described_sku_is_sold_without_a_warning(
    operator: ApiCaller, till: ApiCaller
) -> None:
    before = await till.record("1", sale(("apple", -1)))
    assert [one["code"] for one in before.json()["warnings"]] == ["unknown_sku"]
    await created(operator, "skus", APPLE)
    assert (await till.record("2", sale(("apple", -1)))).json()["warnings"] == []


async def test_stock_shows_what_the_catalogue_says_and_is_searched_by_it(
    operator: ApiCaller, till: ApiCaller
) -> None:
    goods = [{"sku": "apple", "lot": "L1", "delta": 5}, {"sku": "pear", "delta": 5}]
    await till.record("in", {"kind": "opening", "location": "S01", "lines": goods})
    await created(operator, "skus", {**APPLE, "minimum": 6}, "1")
    await created(operator, "lots", {"sku": "apple", "code": "L1", "expiry": "2027-06-30"}, "2")
    row = await till.get("/v1/stock/S01/apple")
    assert (row["name"], row["minimum"], row["lots"][0]["expiry"]) == ("Apple", 6, "2027-06-30")
    for asked in ({"below_minimum": "true"}, {"expiring_within_days": 36_500}):
        found = await till.get("/v1/stock", **asked)
        assert [(one["sku"], one["name"]) for one in found["items"]] == [("apple", "Apple")]
    assert (await till.get("/v1/stock", expiring_within_days=0))["items"] == []
    await created(operator, "levels", {"location": "S01", "sku": "apple", "minimum": 5}, "3")
    assert (await till.get("/v1/stock", below_minimum="true"))["items"] == []


def test_the_data_dictionary_is_what_the_declarations_say() -> None:
    page = Path(data_dictionary.__file__).parents[1] / "DATA.md"
    assert page.read_text("utf-8") == data_dictionary.page(), (
        "node/DATA.md is stale: python -m node.api.data_dictionary > node/DATA.md"
    )


@ALL
def test_the_data_dictionary_has_a_schema_that_the_models_agree_with(collection: str) -> None:
    declared = COLLECTIONS[collection]
    section = data_dictionary.page().partition(f"\n## {collection}\n")[2].partition("\n## ")[0]
    schema = json.loads(section.partition("```json\n")[2].partition("```")[0])
    jsonschema.Draft202012Validator.check_schema(schema)
    described = TypeAdapter(models_of(declared).shown).json_schema()
    assert set(schema["properties"]) == set(described["properties"])
    assert schema["required"] == described["required"]
    for field in (*declared.fields, *declared.entries):
        assert f"| `{field.name}` |" in section
