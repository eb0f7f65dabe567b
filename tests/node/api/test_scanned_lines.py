"""Lines of orders, transfers and counts by pack and by scan: worked out as a movement's are, and refused as those are."""

from pathlib import Path
from typing import Any

import pytest

from node.api.openapi import document
from node.api.routes import routes
from tests.node.api.caller import ApiCaller, JsonObject, Reply, movement
from tests.node.enrolled import Shop, enrolled_folder

BOX = "box of 20"
EAN = "5901234123457"
GS1 = f"(01){EAN:0>14}(10)L-1(17)270630(30)2"
CUT_OFF = "(01)09501101530003(17)"
"""A GS1 code that ends in the middle of its last day: malformed, and yet what is printed on the box."""
PLACE = {"customer": {"kind": "customer"}, "purchase": {"kind": "purchase"}}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of a node that writes both ends of a transfer."""
    return enrolled_folder(tmp_path / "both", name="both", writes=("S01", "S02"))


class Desk:
    """An operator with tablets that come singly and in boxes, 400 of them on the shelf in lot L-1."""

    def __init__(self, operator: ApiCaller) -> None:
        self.operator = operator
        self._keys = 0

    async def asks(self, path: str, body: object, key: str = "") -> Reply:
        """Send something to be recorded."""
        self._keys += 1
        headers = {"Idempotency-Key": key or f"key-{self._keys}"}
        return await self.operator.ask("POST", path, json=body, headers=headers)

    async def does(self, path: str, body: object, key: str = "") -> Any:
        """The same, which must be taken."""
        reply = await self.asks(path, body, key)
        assert reply.status in {200, 201}, reply
        return reply.json()

    async def describes(self, sku: str, **fields: object) -> None:
        """A SKU gets a document."""
        await self.does("/v1/skus", {"id": sku, "name": sku, **fields})

    async def drafts(self, collection: str, *lines: JsonObject, **fields: object) -> str:
        """The address of a new document."""
        places = {"transfers": {"source": "S01", "destination": "S02"}}
        head = places.get(collection, {"location": "S01"})
        made = await self.does(f"/v1/{collection}", {**head, **fields, "lines": lines})
        return f"/v1/{collection}/{made['id']}"

    async def plan(self, address: str) -> list[tuple[str, str | None, int]]:
        """The lines of a document by SKU, each with its lot and base units."""
        found = await self.operator.get(address)
        return sorted((one["sku"], one["lot"], one["quantity"]) for one in found["lines"])

    async def moved(self, kind: str) -> list[JsonObject]:
        """The lines of the newest movement of a kind, as movements show them."""
        found = await self.operator.get("/v1/movements", kind=kind, limit=1)
        lines: list[JsonObject] = found["items"][0]["lines"]
        return lines


@pytest.fixture
async def desk(operator: ApiCaller) -> Desk:
    """One with its tablets."""
    made = Desk(operator)
    packs, barcodes = {BOX: {"multiple": 20}}, {EAN: {"pack": BOX}, CUT_OFF: {"pack": BOX}}
    await made.describes("TAB", packs=packs, barcodes=barcodes)
    goods = movement("opening")
    goods["lines"] = [{"sku": "TAB", "lot": "L-1", "delta": 400}]
    assert (await operator.record("goods", goods)).status == 201
    return made


@pytest.mark.parametrize(
    ("line", "quantity"),
    [
        ({"sku": "TAB", "pack": BOX, "packs": 3}, 60),
        ({"barcode": EAN, "packs": 3}, 60),
        ({"barcode": EAN, "quantity": 7}, 7),
        ({"barcode": CUT_OFF, "packs": 1}, 20),
        ({"sku": "TAB", "quantity": 7, "barcode": None, "pack": None, "packs": None}, 7),
    ],
)
async def test_a_plan_by_pack_or_scan_is_kept_in_base_units(
    desk: Desk, line: JsonObject, quantity: int
) -> None:
    for collection, fields in (("orders", PLACE["purchase"]), ("transfers", {})):
        drafted = await desk.drafts(collection, {**line, "note": "soon"}, **fields)
        assert await desk.plan(drafted) == [("TAB", None, quantity)]
        (only,) = (await desk.operator.get(drafted))["lines"]
        assert (only["note"], set(only)) == ("soon", {"id", "sku", "lot", "quantity", "note"})
        amended = await desk.drafts(collection, {"sku": "TAB", "quantity": 1}, **fields)
        await desk.does(f"{amended}/lines", {"lines": [line]})
        assert await desk.plan(amended) == [("TAB", None, quantity)]
        patch = {"lines": [line, {"sku": "X", "quantity": 1}]}
        reply = await desk.operator.ask(
            "PATCH", amended, json=patch, headers={"Idempotency-Key": f"patch-{amended}"}
        )
        assert reply.status == 200, reply
        assert await desk.plan(amended) == [("TAB", None, quantity), ("X", None, 1)]


async def test_a_code_names_the_lot_of_a_transfer_and_leaves_that_of_an_order_open(
    desk: Desk,
) -> None:
    line = {"barcode": GS1, "packs": 1}
    assert await desk.plan(await desk.drafts("transfers", line)) == [("TAB", "L-1", 40)]
    ordered = await desk.drafts("orders", line, **PLACE["purchase"])
    assert await desk.plan(ordered) == [("TAB", None, 40)]
    named = await desk.drafts("orders", {**line, "lot": "L-2"}, **PLACE["purchase"])
    assert await desk.plan(named) == [("TAB", "L-2", 40)]
    await desk.does(f"{named}/lines", {"lines": [{"barcode": GS1, "lot": "L-2", "quantity": 0}]})
    assert await desk.plan(named) == []


async def test_a_parcel_is_shipped_and_received_by_scanning_it(desk: Desk) -> None:
    transfer = await desk.drafts("transfers", {"sku": "TAB", "quantity": 60})
    await desk.does(
        f"{transfer}/ship", {"lines": [{"barcode": GS1}, {"barcode": EAN, "lot": "L-1"}]}
    )
    (shipped,) = await desk.moved("transfer_ship")
    assert (shipped["lot"], shipped["delta"], "expiry" in shipped) == ("L-1", -60, False)
    scanned = {
        "lines": [{"barcode": GS1}],
        "damaged": [{"sku": "TAB", "lot": "L-1", "pack": BOX, "packs": 1}],
    }
    received = await desk.does(f"{transfer}/receive", scanned)
    (row,) = received["progress"]
    assert (row["received"], row["damaged"], row["short"], row["over"]) == (40, 20, 0, 0)
    (arrived,) = await desk.moved("transfer_receive")
    assert (arrived["delta"], arrived["barcode"], arrived["pack"]) == (40, GS1, BOX)


async def test_what_a_supplier_delivers_says_its_lot_and_last_day_by_its_code(desk: Desk) -> None:
    order = await desk.drafts(
        "orders", {"sku": "TAB", "pack": BOX, "packs": 3}, **PLACE["purchase"]
    )
    await desk.does(f"{order}/place", {})
    full = f"(01){EAN:0>14}(10)L-9(17)270630"
    cost = {"amount": 12, "currency": "GBP"}
    await desk.does(
        f"{order}/fulfil", {"lines": [{"barcode": full, "packs": 2, "unit_cost": cost}]}
    )
    (line,) = await desk.moved("receive")
    assert (line["lot"], line["delta"], line["expiry"], line["unit_cost"]) == (
        *("L-9", 40, "2027-06-30"),
        cost,
    )
    await desk.does(f"{order}/fulfil", {"lines": [{"barcode": EAN}]})
    (bare,) = await desk.moved("receive")
    assert (bare["lot"], bare["delta"], "expiry" in bare) == (None, 20, False)


async def test_a_customer_takes_what_is_scanned(desk: Desk) -> None:
    order = await desk.drafts("orders", {"barcode": EAN, "packs": 2}, **PLACE["customer"])
    await desk.does(f"{order}/place", {})
    await desk.does(f"{order}/dispense", {"lines": [{"barcode": GS1, "packs": 1}]}, key="once")
    again = await desk.asks(f"{order}/dispense", {"lines": [{"barcode": GS1, "packs": 1}]}, "once")
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await desk.asks(f"{order}/dispense", {"lines": [{"barcode": EAN, "packs": 1}]}, "once")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    (line,) = await desk.moved("dispense")
    assert (line["lot"], line["delta"], line["packs"]) == ("L-1", -40, 1)


async def test_several_scans_of_one_lot_do_not_say_how_many_packs_they_were(desk: Desk) -> None:
    transfer = await desk.drafts("transfers", {"sku": "TAB", "quantity": 60})
    scans = [{"barcode": EAN, "lot": "L-1"}] * 3
    await desk.does(f"{transfer}/ship", {"lines": scans})
    (line,) = await desk.moved("transfer_ship")
    assert (line["delta"], "pack" in line, "barcode" in line) == (-60, False, False)


async def test_a_shelf_is_counted_in_packs_and_by_scan(desk: Desk) -> None:
    sheet = (await desk.does("/v1/stocktakes", {"location": "S01"}))["id"]
    path = f"/v1/stocktakes/{sheet}/lines"
    for body, counted, lot in (
        ({"sku": "TAB", "lot": "L-1", "pack": BOX, "packs": 19}, 380, "L-1"),
        ({"barcode": f"(01){EAN:0>14}(10)L-1", "packs": 20}, 400, "L-1"),
        ({"barcode": EAN, "counted": 3}, 3, None),
        ({"barcode": CUT_OFF, "packs": 0}, 0, None),
    ):
        line = (await desk.does(path, body))["line"]
        assert (line["sku"], line["counted"], line["lot"]) == ("TAB", counted, lot)


async def test_an_ambiguous_or_unknown_barcode_is_refused_in_its_place(desk: Desk) -> None:
    await desk.describes("OTHER", barcodes={EAN: {}})
    transfer = await desk.drafts("transfers", {"sku": "TAB", "quantity": 60})
    sheet = (await desk.does("/v1/stocktakes", {"location": "S01"}))["id"]
    for path, body, loc in (
        (
            f"{transfer}/ship",
            {"lines": [{"sku": "TAB", "quantity": 1}, {"barcode": EAN}]},
            ["lines", 1],
        ),
        (f"{transfer}/receive", {"lines": [], "damaged": [{"barcode": EAN}]}, ["damaged", 0]),
        (f"{transfer}/lines", {"lines": [{"barcode": EAN, "packs": 1}]}, ["lines", 0]),
        (
            "/v1/orders",
            {"location": "S01", "kind": "purchase", "lines": [{"barcode": EAN, "packs": 1}]},
            ["lines", 0],
        ),
        (f"/v1/stocktakes/{sheet}/lines", {"barcode": EAN, "packs": 1}, []),
    ):
        refused = await desk.asks(path, body)
        assert (refused.status, refused.code) == (409, "ambiguous_barcode"), path
        errors = refused.json()["errors"]
        assert [(each["loc"], each["msg"]) for each in errors] == [
            ([*loc, "sku"], "OTHER"),
            ([*loc, "sku"], "TAB"),
        ]
    unknown = await desk.asks(f"{transfer}/ship", {"lines": [{"barcode": "96385074"}]})
    assert (unknown.code, unknown.json()["errors"][0]["loc"]) == (
        "unknown_barcode",
        ["lines", 0, "barcode"],
    )
    said = {"lines": [{"sku": "OTHER", "barcode": EAN, "packs": 1}]}
    await desk.does(f"{transfer}/lines", said)
    assert await desk.plan(transfer) == [("OTHER", None, 1), ("TAB", None, 60)]


async def test_a_line_says_enough_and_does_not_contradict_itself(desk: Desk) -> None:
    transfer = await desk.drafts("transfers", {"sku": "TAB", "quantity": 60})
    sheet = (await desk.does("/v1/stocktakes", {"location": "S01"}))["id"]
    tab = {"sku": "TAB"}
    bad = [
        {"quantity": 1},
        tab,
        {**tab, "pack": BOX},
        {**tab, "packs": 1},
        {**tab, "pack": BOX, "packs": 1, "quantity": 20},
        {**tab, "pack": "tube", "packs": 1},
        {**tab, "pack": BOX, "packs": -1},
    ]
    before = await desk.operator.books()
    for line in bad:
        for path in (f"{transfer}/ship", f"{transfer}/lines", "/v1/transfers"):
            head = {"source": "S01", "destination": "S02"} if path == "/v1/transfers" else {}
            refused = await desk.asks(path, {**head, "lines": [line]})
            assert (refused.status, refused.code) == (422, "validation_failed"), (path, line)
        count = {("counted" if name == "quantity" else name): said for name, said in line.items()}
        refused = await desk.asks(f"/v1/stocktakes/{sheet}/lines", count)
        assert (refused.status, refused.code) == (422, "validation_failed"), count
    for path in (f"{transfer}/lines", "/v1/transfers"):
        head = {"source": "S01", "destination": "S02"} if path == "/v1/transfers" else {}
        alone = await desk.asks(path, {**head, "lines": [{"barcode": EAN}]})
        assert alone.code == "validation_failed", "a plan says how many"
        twice = [{"barcode": EAN, "packs": 1}, {"sku": "TAB", "quantity": 5}]
        refused = await desk.asks(path, {**head, "lines": twice})
        assert refused.code == "validation_failed", "one line, named in two ways"
        nothing = await desk.asks(path, {**head, "lines": [None]})
        assert nothing.code == "validation_failed"
    assert await desk.operator.books() == before


@pytest.mark.parametrize(
    ("model", "amount"),
    [
        ("GoodsLine", "quantity"),
        ("DeliveredLine", "quantity"),
        ("PlanLine", "quantity"),
        ("DraftLine", "quantity"),
        ("CountBody", "counted"),
    ],
)
def test_what_a_line_may_say_is_described(model: str, amount: str) -> None:
    schema = document(routes())["components"]["schemas"][model]
    assert {"sku", "barcode", "lot", "pack", "packs", amount} <= set(schema["properties"])
    named, ways = schema["allOf"]
    assert [one["required"] for one in named["anyOf"]] == [["sku"], ["barcode"]]
    needed = [one["required"] for one in ways["anyOf"]]
    assert needed[:2] == [[amount], ["packs"]]
    assert (["barcode"] in needed) == (model in {"GoodsLine", "DeliveredLine"})


async def test_complaint_25_what_a_code_does_not_say_changes_nothing_of_a_line(desk: Desk) -> None:
    transfer = await desk.drafts("transfers", {"sku": "TAB", "lot": "L-1", "quantity": 60})
    bare = {"barcode": EAN, "lot": "L-1", "quantity": 40}
    await desk.does(f"{transfer}/lines", {"lines": [bare]})
    assert await desk.plan(transfer) == [("TAB", "L-1", 40)]
    await desk.does(f"{transfer}/ship", {"lines": [{**bare, "planned_lot": "L-1"}]})
    (line,) = await desk.moved("transfer_ship")
    assert (line["lot"], line["delta"]) == ("L-1", -40)


async def test_complaint_26_packs_are_whole_and_come_to_whole_units(desk: Desk) -> None:
    transfer = await desk.drafts("transfers", {"sku": "TAB", "quantity": 60})
    for packs in (1.5, 2.0, "2", True):
        lines = {"lines": [{"sku": "TAB", "pack": BOX, "packs": packs}]}
        for verb in ("ship", "lines"):
            refused = await desk.asks(f"{transfer}/{verb}", lines)
            assert (refused.status, refused.code) == (422, "validation_failed")
    await desk.does(f"{transfer}/lines", {"lines": [{"sku": "TAB", "pack": BOX, "packs": 2}]})
    assert await desk.plan(transfer) == [("TAB", None, 40)]
