"""A document that is taken through its course over HTTP, a verb at a time."""

import json
from typing import Any

from tests.node.api.caller import ApiCaller, JsonObject, Reply
from tests.node.api.test_documents import fits


class OnCourse:
    """Asks verbs of one document, as the operator unless somebody else is named."""

    shape = ""
    """The name that the description gives what its verbs answer."""

    def __init__(self, operator: ApiCaller) -> None:
        self._operator = operator
        self._keys = 0
        self.address = ""

    async def asks(
        self, verb: str, body: object = None, *, caller: ApiCaller | None = None, key: str = ""
    ) -> Reply:
        """Give a verb; without a body an empty one."""
        self._keys += 1
        headers = {"Idempotency-Key": key or f"k{self._keys}", "Content-Type": "application/json"}
        content = json.dumps({} if body is None else body).encode()
        return await (caller or self._operator).ask(
            "POST", f"{self.address}/{verb}", data=content, headers=headers
        )

    async def does(self, verb: str, body: object = None, **others: Any) -> JsonObject:
        """What is answered, which must be what the document shows from then on."""
        reply = await self.asks(verb, body, **others)
        assert reply.status == 200, reply
        answer: JsonObject = reply.json()
        fits(answer, self.shape)
        found = await self._operator.ask("GET", self.address)
        warnings = answer.pop("warnings")
        assert (found.json(), found.headers["ETag"]) == (answer, reply.headers["ETag"])
        return {**answer, "warnings": warnings}
