"""A day at two shops after which every paper there is has something in every field that people fill."""

import asyncio
from datetime import timedelta
from typing import Any, Final

from tests.node.api.caller import ApiCaller
from tests.security.people.callers import said
from tests.security.people.matrix import Things
from tests.security.people.staff import hire

COST: Final = {"amount": 777_123, "currency": "GBP"}
PRICE: Final = {"amount": 888_456, "currency": "GBP"}
_DIFFERENCE: Final = "transfer_difference"
_PATIENCE: Final = timedelta(seconds=30)
_LINE: Final = {"sku": "tea", "lot": "L1", "quantity": 4}


async def live_through(operator: ApiCaller, pharmacist: ApiCaller) -> Things:
    """Let it happen at S01, with S02 at the other end; what came of it there."""
    await _describe(operator)
    found = await _move(operator, pharmacist)
    found |= {"orders": await _order(operator), "transfers": await _transfer(operator)}
    found["stocktakes"] = await _count(operator, pharmacist)
    found["messages"] = await _write(pharmacist)
    await _watch(operator)
    raised = await _listed(operator, "alerts/raised", 7)
    found["raised"] = next(one["id"] for one in raised if one["sku"] == "rare")
    await said(operator, f"alerts/raised/{found['raised']}/acknowledge", {})
    listed = await _listed(operator, "exceptions", 3)
    found["exceptions"] = next(one["id"] for one in listed if one["code"] == _DIFFERENCE)
    await said(operator, f"exceptions/{found['exceptions']}/resolve", {"note": "looked at"})
    found["users"] = await hire(
        operator, "lee", "clerk", display_name="Ann Lee", email="ann@shop.example"
    )
    for name in ("suppliers", "alerts", "acknowledgements", "resolutions"):
        found[name] = (await _listed(operator, name, 1))[0]["id"]
    return Things({name: {"S01": id_} for name, id_ in found.items()})


async def _describe(operator: ApiCaller) -> None:
    for name in ("skus", "locations", "suppliers", "lots", "levels", "alerts"):
        attribute = {"collection": name, "name": "storage", "type": "text", "description": "where"}
        await said(operator, "attributes", attribute)
    choice = {"choices": {"ambient": {"label": "room"}}, "type": "choice", "description": "how"}
    await said(operator, "attributes", {"collection": "orders", "name": "storage", **choice})
    here = {"attributes": {"storage": "cellar"}}
    supplier = await said(
        operator, "suppliers", {"name": "Lakeside", "contact_info": "call 555-0100", **here}
    )
    sku: dict[str, Any] = {
        "id": "tea",
        "name": "Tea",
        "description": "black",
        "unit": "bag",
        "category": "drinks",
    }
    sku |= {"supplier": supplier["id"], "price": PRICE, "cost": COST, **here}
    sku |= {"dosage_form": "leaves", "strength": "strong", "controlled": True, "lot_tracked": False}
    sku |= {"packs": {"box": {"multiple": 20}}, "barcodes": {"5901234123457": {"pack": "box"}}}
    await said(operator, "skus", sku)
    await said(operator, "skus", {"id": "rare", "name": "Rare", "cost": COST})
    for code in ("S01", "S02"):
        place = {"id": code, "name": code, "address": "Market", "kind": "store", **here}
        await said(operator, "locations", {**place, "time_zone": "Europe/London"})
    for code in ("L1", "L2"):
        lot = {"sku": "tea", "code": code, "expiry": "2023-12-01", "note": "blue", **here}
        await said(operator, "lots", lot)
    await said(operator, "lots/tea/L2/recall", {"reason": "another strength in the blister"})
    await said(operator, "lots/tea/L2/acknowledge", {"set_aside": 1, "location": "S01"})


async def _watch(operator: ApiCaller) -> None:
    """Ask for alerts only now: before, some would be raised and cleared, or not, as the node looks."""
    here = {"location": "S01", "attributes": {"storage": "cellar"}}
    for sku, minimum in (("tea", 9), ("rare", 50)):
        asked = {"sku": sku, "minimum": minimum, "reorder_quantity": 20, **here}
        await said(operator, "levels", asked)
    await said(operator, "alerts", {"sku": "tea", "threshold": 900, "note": "soon", **here})
    set_to: dict[str, Any] = {"json": {"minimum": 4}, "headers": {"Idempotency-Key": "minimum"}}
    assert (await operator.ask("PATCH", "/v1/skus/tea", **set_to)).status == 200


async def _move(operator: ApiCaller, pharmacist: ApiCaller) -> dict[str, str]:
    bought: dict[str, Any] = {"supplier": "Lakeside", "expiry": "2023-12-01", "unit_cost": COST}
    lots = [{"sku": "tea", "lot": lot, "delta": 50, **bought} for lot in ("L1", "L2")]
    lots.append({"sku": "rare", "delta": 2, **bought})
    about: dict[str, Any] = {"reference": "receipt 1", "note": "by night", "details": {"open": 1}}
    made = await _moved(operator, {"kind": "receive", "location": "S01", "lines": lots, **about})
    sold: dict[str, Any] = {
        "kind": "sale",
        "location": "S01",
        "lines": [{"sku": "tea", "lot": "L1", "delta": -6}],
    }
    taken = await _moved(operator, {**sold, "witness": "manager"})
    await said(operator, f"movements/{taken}/reverse", {})
    await _moved(pharmacist, sold)
    lost = [{"sku": "tea", "lot": "L1", "delta": -1}]
    await _moved(operator, {"kind": "waste", "location": "S01", "lines": lost, "reason": "broken"})
    await _moved(
        operator, {"kind": "sale", "location": "S01", "lines": [{"sku": "unheard", "delta": -1}]}
    )
    sealed = {**sold, "kind": "dispense", "details": {"sealed": {"patient": "Jo"}}}
    return {"movements": made, "sealed": await _moved(pharmacist, sealed)}


async def _moved(caller: ApiCaller, movement: dict[str, Any]) -> str:
    return str((await said(caller, "movements", movement))["id"])


async def _order(operator: ApiCaller) -> str:
    (supplier,) = (await operator.get("/v1/suppliers"))["items"]
    asked: dict[str, Any] = {
        "kind": "purchase",
        "location": "S01",
        "expected_on": "2023-12-01",
        "note": "please",
    }
    asked |= {"supplier": supplier["id"], "reference": "PO 1", "lines": [_LINE]}
    asked["attributes"] = {"storage": "ambient"}
    order = (await said(operator, "orders", asked))["id"]
    due = {"acknowledge_by": "2023-12-01T12:00:00Z"}
    for verb, body in (("submit", due), ("approve", {}), ("place", due)):
        await said(operator, f"orders/{order}/{verb}", body)
    await said(operator, f"orders/{order}/acknowledge", {"who": "supplier"})
    got = {**_LINE, "quantity": 3, "expiry": "2023-12-01", "unit_cost": COST}
    await said(operator, f"orders/{order}/fulfil", {"lines": [got], "parcel": "P-1"})
    return str(order)


async def _transfer(operator: ApiCaller) -> str:
    asked: dict[str, Any] = {
        "source": "S01",
        "destination": "S02",
        "expected_on": "2023-12-01",
        "note": "soon",
    }
    transfer = (await said(operator, "transfers", {**asked, "reference": "T 1", "lines": [_LINE]}))[
        "id"
    ]
    await said(operator, f"transfers/{transfer}/allocate", {})
    await said(operator, f"transfers/{transfer}/ship", {"lines": [_LINE], "parcel": "P-2"})
    some = {"lines": [{**_LINE, "quantity": 2}], "damaged": [{**_LINE, "quantity": 1}]}
    await said(operator, f"transfers/{transfer}/receive", some)
    return str(transfer)


async def _count(operator: ApiCaller, pharmacist: ApiCaller) -> str:
    asked = {"location": "S01", "name": "Aisle 3", "category": "drinks", "note": "twice"}
    count = (await said(operator, "stocktakes", asked))["id"]
    for verb, body in (
        ("start", {}),
        ("lines", {"sku": "tea", "lot": "L1", "counted": 30}),
        ("submit", {}),
        ("explain", {"sku": "tea", "lot": "L1", "reason": "DAMAGED"}),
        ("verify", {"sku": "tea", "lot": "L1"}),
        ("finalise", {"reason": "RECOUNTED"}),
    ):
        who = pharmacist if verb == "lines" else operator
        await said(who, f"stocktakes/{count}/{verb}", body)
    return str(count)


async def _write(pharmacist: ApiCaller) -> str:
    about = {"collection": "skus", "id": "tea"}
    letter = {"origin": "S01", "to": "S02", "role": "pharmacist", "text": "any left?"}
    return str((await said(pharmacist, "messages", {**letter, "about": about}))["id"])


async def _listed(operator: ApiCaller, path: str, count: int) -> list[dict[str, Any]]:
    """A list, once the node has looked and has so many on it."""
    async with asyncio.timeout(_PATIENCE.total_seconds()):
        while len(items := (await operator.get(f"/v1/{path}"))["items"]) != count:  # noqa: ASYNC110 # the node looks of its own accord
            await asyncio.sleep(0.02)
    return list(items)
