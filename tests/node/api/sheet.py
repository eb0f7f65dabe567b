"""A stocktake over HTTP, with a till that counts and an operator who reviews."""

import json

import jsonschema

from node.api.openapi import document
from node.api.routes import routes
from tests.node.api.caller import ApiCaller, JsonObject, Reply, movement

DOCUMENT = document(routes())
VERBS = ("start", "lines", "submit", "recount", "verify", "explain", "finalise", "cancel")
TEA = {"sku": "TEA"}
COUNT = {**TEA, "counted": 95}
BODIES: dict[str, JsonObject] = {
    "lines": COUNT,
    "recount": TEA,
    "verify": TEA,
    "explain": {**TEA, "reason": "DAMAGED"},
    "finalise": {"reason": "RECOUNTED"},
}


async def post(caller: ApiCaller, path: str, body: object, key: str) -> Reply:
    """Something recorded under a key."""
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    return await caller.ask("POST", path, data=json.dumps(body).encode(), headers=headers)


class Sheet:
    """A stocktake of S01 with 100 of TEA and 5 of PILLS in lot L7 on hand."""

    def __init__(self, operator: ApiCaller, till: ApiCaller, address: str) -> None:
        self.operator = operator
        self.till = till
        self.address = address
        self._keys = 0

    async def does(
        self, verb: str, body: JsonObject | None = None, *, till: bool = False, key: str = ""
    ) -> Reply:
        """Ask for a verb, with the body that it usually has."""
        self._keys += 1
        caller = self.till if till else self.operator
        given = BODIES.get(verb, {}) if body is None else body
        return await post(caller, f"{self.address}/{verb}", given, key or f"{self._keys}")

    async def must(self, *verbs: str) -> Reply:
        """The same in turn, each of which must be taken."""
        for verb in verbs:
            reply = await self.does(verb)
            assert reply.status == 200, reply
        return reply

    async def counts(self, sku: str, counted: int, lot: str | None = None) -> Reply:
        """A till counts a line."""
        return await self.does("lines", {"sku": sku, "lot": lot, "counted": counted}, till=True)

    async def variance(self, caller: ApiCaller | None = None) -> JsonObject:
        """The report, which must be as it is described."""
        report = await (caller or self.operator).get(f"{self.address}/variance")
        fits(report, "Variance")
        found: JsonObject = report
        return found


async def opened(operator: ApiCaller, till: ApiCaller, **fields: object) -> Sheet:
    """One with further fields."""
    goods = movement("opening", ("TEA", 100))
    goods["lines"].append({"sku": "PILLS", "lot": "L7", "delta": 5})
    await till.record("goods", goods)
    made = await post(operator, "/v1/stocktakes", {"location": "S01", **fields}, "sheet")
    assert made.status == 201, made
    return Sheet(operator, till, made.headers["Location"])


def fits(value: object, model: str) -> None:
    """Hold an answer against its description, without allowing more than that."""
    schema = {**DOCUMENT["components"]["schemas"][model], "additionalProperties": False}
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(
        value
    )
