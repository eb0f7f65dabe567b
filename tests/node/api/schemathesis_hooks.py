"""What schemathesis must be told about requests, since JSON Schema cannot say it.

Rule: a hook only turns a request that should be accepted into one that can be; it takes no check away, and where the
settings do (`schemathesis.toml`) one of ours stands in its place.
"""

import itertools
import os
import re
from typing import Any

import msgpack
import schemathesis

KEY = re.compile(r"[!-~]{1,180}")
THERE = {
    "/v1/skus/{code}": {"code": "A1"},
    "/v1/skus/{code}/barcodes": {"code": "A1"},
    "/v1/lots/{sku}/{code}": {"sku": "A1", "code": "L1"},
}
"""What test_schemathesis puts there; any other code would be as good, and not found."""
DOCUMENTS = ("/v1/orders", "/v1/transfers", "/v1/stocktakes")
LOT_OF_SKU = {"/v1/movements", "/v1/reports/controlled"}
"""Where a lot is asked for only together with its SKU."""
ONE_WAY = {"q", "barcode", "unconfirmed"}
"""Ways to look for SKUs, of which a request takes one."""
_numbers = itertools.count()


@schemathesis.serializer("application/msgpack")
def to_msgpack(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    """MessagePack, or for a number beyond its 64 bits a float, which is as wrong."""
    return msgpack.packb(value, default=float)


@schemathesis.hook
def before_call(
    _context: schemathesis.HookContext, case: schemathesis.Case, _arguments: Any
) -> None:
    """Give a good request a key of its own, 5 for 5.0, a lot its SKU, and nothing that only this node can have given or
    declared: no cursor, no tag of a state, no attribute.
    """
    headers = case.headers
    if headers is not None and KEY.fullmatch(str(headers.get("Idempotency-Key", ""))):
        headers["Idempotency-Key"] += f"-{next(_numbers)}"
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    if headers is not None:
        headers.pop("If-Match", None)
    if case.path_parameters is not None:
        case.path_parameters.update(_there(case.path))
    case.body = _with_whole_numbers(case.body)
    if isinstance(case.body, dict):
        _make_acceptable(case.path, case.body)
    if case.query:
        case.query.pop("cursor", None)
        if "sku" not in case.query and case.path in LOT_OF_SKU:
            case.query.pop("lot", None)
        if case.path == "/v1/skus" and case.query.keys() & ONE_WAY:
            case.query = {"q": str(case.query.get("q") or "apple")}


@schemathesis.check
def bad_item_is_refused_in_its_place(
    _context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """Hold a batch to what stands there in place of the rejection of the whole: a bad item is answered as one."""
    is_bad = case.meta is not None and case.meta.generation.mode.is_negative
    if is_bad and case.path.endswith("/batch") and response.status_code == 200:
        results = response.json()["results"]
        assert any(result["status"] >= 400 for result in results), "all of a bad batch was taken"


def _there(path: str) -> dict[str, str]:
    if path.startswith("/v1/alerts/raised/{id}"):
        return {"id": os.environ["ALERT"]}
    if path.startswith("/v1/orders/{id}"):
        return {"id": os.environ["ORDER"]}
    if path.startswith("/v1/stocktakes/{id}"):
        return {"id": os.environ["STOCKTAKE"]}
    return THERE.get(path, {})


def _make_acceptable(path: str, body: dict[str, Any]) -> None:
    body.pop("attributes", None)
    if path in {"/v1/movements", "/v1/skus/{code}/barcodes"} or path.startswith(DOCUMENTS):
        _name_what_is_there(body)
    if path.startswith(DOCUMENTS):
        _name_each_thing_once(body)
    if path == "/v1/messages" and body.get("role") is not None:
        body.pop("person", None)  # to one or the other, which a schema of fields does not say


def _name_what_is_there(body: dict[str, Any]) -> None:
    lists = [body.get(name) for name in ("lines", "damaged")]
    lines = [line for each in lists if isinstance(each, list) for line in each]
    for said in [body, *lines]:
        if isinstance(said, dict):
            if said.get("barcode") is not None:
                said["barcode"] = "96385074"
            if said.get("pack") is not None:
                said["pack"] = "bag"
            if (said.get("barcode") or said.get("pack")) and "sku" in said:
                said["sku"] = "A1"


def _name_each_thing_once(body: dict[str, Any]) -> None:
    for one, other in (("location", "from_location"), ("source", "destination")):
        if body.get(one) is not None and body[one] == body.get(other):
            body[one] = "S02" if body[other] == "S01" else "S01"
    lines = body.get("lines")
    if isinstance(lines, list) and all(isinstance(line, dict) for line in lines):
        once = {(line.get("sku") or "A1", line.get("lot")): line for line in lines}
        body["lines"] = list(once.values())


def _with_whole_numbers(value: Any) -> Any:
    # To JSON Schema 5.0 is an integer.
    match value:
        case dict():
            return {name: _with_whole_numbers(inner) for name, inner in value.items()}
        case list():
            return [_with_whole_numbers(inner) for inner in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value
