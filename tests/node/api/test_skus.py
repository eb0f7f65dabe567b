"""What the catalogue has beside every collection's addresses: search, scans, links on the spot, placeholders."""

from pathlib import Path
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from node.api.refusals import problem_of_refusal
from node.app import make_app
from node.commands.requests import Refusal
from node.config import NodeSettings
from node.node import Node
from protocol.certificate import Role
from runtime.world import World
from tests.node.api.caller import ApiCaller, Http, Reply, movement
from tests.node.enrolled import Shop, enrolled_folder

EAN = "5901234123457"
TABLETS = {
    "id": "TAB",
    "name": "Paracétamol",
    "strength": "500 mg",
    "packs": {"box of 20": {"multiple": 20}},
    "barcodes": {EAN: {"pack": "box of 20"}},
}


async def send(caller: ApiCaller, method: str, path: str, key: str, body: object) -> Reply:
    """Send what is recorded."""
    return await caller.ask(method, path, json=body, headers={"Idempotency-Key": key})


async def create(caller: ApiCaller, **sku: Any) -> None:
    """Describe a SKU."""
    reply = await send(caller, "POST", "/v1/skus", f"new-{sku['id']}", {"name": sku["id"], **sku})
    assert reply.status == 201, reply


async def link(caller: ApiCaller, sku: str, barcode: str, key: str, **others: Any) -> Reply:
    """Link a barcode."""
    return await send(
        caller, "POST", f"/v1/skus/{sku}/barcodes", key, {"barcode": barcode, **others}
    )


async def found(caller: ApiCaller, **asked: str) -> list[str]:
    """The SKUs of one page."""
    return [item["id"] for item in (await caller.get("/v1/skus", **asked))["items"]]


async def test_skus_are_searched_page_by_page_with_the_best_first(
    till: ApiCaller, operator: ApiCaller
) -> None:
    await create(operator, **TABLETS)
    for number in range(5):
        await create(operator, id=f"TEA-{number}", name=f"Green tea {number}", description="500 g")
    assert (await found(operator, q="500 mg paracet")) == ["TAB"]
    assert (await found(till, q="TEA-3"))[0] == "TEA-3"
    names: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        page = await till.get("/v1/skus", q="green", limit=2, **cursor)
        names += [item["id"] for item in page["items"]]
        cursor = {"cursor": page["next"] or ""}
        if page["next"] is None:
            break
    assert sorted(names) == [f"TEA-{number}" for number in range(5)]
    assert await found(till, q="coffee") == await found(till, q="?!") == []


async def test_a_scan_answers_its_skus_and_what_else_the_code_says(
    till: ApiCaller, operator: ApiCaller
) -> None:
    await create(operator, **TABLETS)
    scan = f"]d201{EAN:0>14}17270630302\x1d10L-1"
    page = await till.get("/v1/skus", barcode=scan)
    assert ([item["id"] for item in page["items"]], page["next"]) == (["TAB"], None)
    said = page["scanned"]
    assert (said["form"], said["gtin"], said["lot"]) == ("gs1", f"{EAN:0>14}", "L-1")
    assert (said["expiry"], said["quantity"], said["serial"]) == ("2027-06-30", 2, None)
    assert said["choices"] == [{"sku": "TAB", "pack": "box of 20", "units": 40, "replaces": None}]
    await create(operator, id="OTHER", barcodes={EAN: {}})
    assert await found(till, barcode=EAN) == ["OTHER", "TAB"]
    unknown = await till.get("/v1/skus", barcode="96385074")
    assert (unknown["items"], unknown["scanned"]["choices"]) == ([], [])


@pytest.mark.parametrize(
    "asked",
    [
        {"q": "tea", "barcode": "1"},
        {"barcode": "1", "category": "Tea"},
        {"q": "tea", "changed_since": "0"},
        {"q": "tea", "unconfirmed": "true"},
        {"barcode": ""},
        {"q": "tea", "cursor": "xyz"},
        {"unconfirmed": "perhaps"},
    ],
)
async def test_what_is_not_asked_together_is_refused(
    asked: dict[str, str], till: ApiCaller
) -> None:
    reply = await till.ask("GET", "/v1/skus", params=asked)
    assert (reply.status, reply.code) == (422, "validation_failed")


async def test_an_unknown_barcode_is_linked_at_the_till_and_sold_at_once(
    till: ApiCaller, operator: ApiCaller
) -> None:
    await create(operator, **TABLETS)
    await till.record("in", movement("opening", ("TAB", 100)))
    line = {"barcode": "96385074"}
    sale = {"kind": "sale", "location": "S01", "lines": [line]}
    refused = await till.record("sale", sale)
    assert (refused.status, refused.code) == (422, "unknown_barcode")
    assert "/v1/skus/{code}/barcodes" in refused.json()["detail"]
    linked = await link(till, "TAB", "(01)00000096385074(10)L-1", "link", pack="box of 20")
    assert (linked.status, linked.json()["barcodes"]["0000096385074"]) == (
        200,
        {"pack": "box of 20"},
    )
    assert linked.json()["unconfirmed_barcodes"] == {"0000096385074": "S01"}
    sold = await till.record("sale", sale)
    assert sold.status == 201
    assert sold.json()["lines"] == [
        {
            "sku": "TAB",
            "lot": None,
            "delta": -20,
            "pack": "box of 20",
            "barcode": "96385074",
            "on_hand": 80,
            "available": 80,
        }
    ]
    again = await link(till, "TAB", "(01)00000096385074(10)L-1", "link", pack="box of 20")
    assert (again.body, again.headers["Idempotency-Replayed"]) == (linked.body, "true")
    other = await link(till, "TAB", "96385074", "link", pack="box of 20")
    assert other.code == "idempotency_key_reused"
    assert await found(operator, unconfirmed="true") == ["TAB"]


@pytest.mark.parametrize(
    ("sku", "body", "code"),
    [
        ("NOBODY", {"barcode": "96385074"}, "not_found"),
        ("TAB", {"barcode": "96385074", "pack": "crate"}, "validation_failed"),
        ("TAB", {"barcode": "(10)L-1"}, "validation_failed"),
        ("TAB", {"barcode": "\t"}, "validation_failed"),
        ("TAB", {"barcode": 96385074}, "validation_failed"),
        ("TAB", {}, "validation_failed"),
    ],
)
async def test_what_cannot_be_linked_is_refused(
    sku: str, body: dict[str, object], code: str, till: ApiCaller, operator: ApiCaller
) -> None:
    await create(operator, **TABLETS)
    assert (await send(till, "POST", f"/v1/skus/{sku}/barcodes", "k", body)).code == code


async def test_one_ambiguous_line_of_a_batch_is_refused_alone_with_its_choices(
    till: ApiCaller, operator: ApiCaller
) -> None:
    await create(operator, **TABLETS)
    await create(operator, id="OTHER", barcodes={EAN: {}})
    reply = await till.record_batch(
        [
            {"key": "a", "kind": "sale", "location": "S01", "lines": [{"barcode": EAN}]},
            {
                "key": "b",
                "kind": "sale",
                "location": "S01",
                "lines": [{"sku": "TAB", "pack": "box of 20", "packs": -1}],
            },
        ]
    )
    refused, sold = reply.json()["results"]
    assert (refused["status"], refused["problem"]["code"]) == (409, "ambiguous_barcode")
    assert [error["msg"] for error in refused["problem"]["errors"]] == ["OTHER", "TAB"]
    assert (sold["status"], sold["movement"]["lines"][0]["delta"]) == (201, -20)


def test_whoever_scans_before_the_index_is_made_is_told_to_come_again() -> None:
    problem = problem_of_refusal(Refusal("unavailable", "the index of barcodes is being made"))
    assert (problem.status, problem.headers) == (503, {"Retry-After": "1"})


@pytest.mark.parametrize(
    ("asked", "skus"),
    [
        ({"q": "paracet"}, ["TAB"]),
        ({"q": "500MG"}, ["TAB"]),
        ({"q": "59012"}, ["TAB"]),
        ({"q": "a"}, ["PEAR", "TAB"]),
        ({"q": "paracet", "sku": "TAB"}, ["TAB"]),
        ({"q": "paracet", "sku": "PEAR"}, []),
        ({"q": "paracet", "location": "S01"}, ["TAB"]),
        ({"q": "coffee"}, []),
        ({"q": '"*'}, []),
    ],
)
async def test_stock_is_found_by_the_words_of_the_catalogue_too(
    asked: dict[str, str], skus: list[str], till: ApiCaller, operator: ApiCaller
) -> None:
    await create(operator, **TABLETS)
    await till.record("in", movement("opening", ("TAB", 100), ("PEAR", 1)))
    rows = (await till.get("/v1/stock", **asked))["items"]
    assert [row["sku"] for row in rows] == skus


async def test_a_sku_that_only_stock_knows_has_a_placeholder(
    till: ApiCaller, operator: ApiCaller
) -> None:
    sold = await till.record("sale", movement("sale", ("NEW/1", -1)))
    assert [one["code"] for one in sold.json()["warnings"]] == ["unknown_sku"]
    shown = await till.get("/v1/skus/NEW%2F1")
    assert (shown["id"], shown["placeholder"], shown["name"]) == ("NEW/1", True, None)
    assert await found(till) == []
    await create(operator, id="NEW/1", name="New")
    described = await till.get("/v1/skus/NEW%2F1")
    assert (described["name"], "placeholder" in described) == ("New", False)
    assert (await till.ask("GET", "/v1/skus/NEVER")).code == "not_found"


@pytest.fixture
def office_folder(tmp_path: Path) -> Shop:
    """Give the folder of an office that keeps a shop too."""
    return enrolled_folder(tmp_path / "office", role=Role.OFFICE)


@pytest.fixture
async def office(office_folder: Shop, aiohttp_client: AiohttpClient) -> ApiCaller:
    """Give its operator."""
    shop = office_folder
    node = await Node.open(shop.folder, World())
    http: Http = await aiohttp_client(make_app(node, NodeSettings()))
    return ApiCaller(http, shop.operator_token)


async def test_the_office_confirms_what_a_shop_has_linked(office: ApiCaller) -> None:
    marked = {"barcodes": {"96385074": {}, "7": {}}, "unconfirmed_barcodes": {"96385074": "S01"}}
    await create(office, **{**TABLETS, **marked})
    assert await found(office, unconfirmed="true") == ["TAB"]
    confirmed = await link(office, "TAB", "0000096385074", "confirm")
    assert confirmed.json()["unconfirmed_barcodes"] == {}
    assert sorted(confirmed.json()["barcodes"]) == ["7", "96385074"]
    assert await found(office, unconfirmed="true") == []


async def test_the_office_merges_a_sku_that_a_shop_made_up_for_a_barcode(
    office: ApiCaller,
) -> None:
    await create(office, **TABLETS)
    await create(office, id="MADE-UP", barcodes={"96385074": {}})
    merged = {"replaced_by": "TAB", "archived": True}
    assert (await send(office, "PATCH", "/v1/skus/MADE-UP", "merge", merged)).status == 200
    page = await office.get("/v1/skus", barcode="96385074")
    assert page["scanned"]["choices"] == [
        {"sku": "TAB", "pack": None, "units": 1, "replaces": "MADE-UP"}
    ]


async def test_a_shop_does_not_change_what_the_office_has_linked(
    till: ApiCaller, operator: ApiCaller
) -> None:
    await create(operator, **TABLETS)
    assert (await link(till, "TAB", EAN, "other-pack")).code == "conflict"
    same = await link(till, "TAB", EAN, "same", pack="box of 20")
    assert (same.status, same.json()["unconfirmed_barcodes"]) == (200, {})
