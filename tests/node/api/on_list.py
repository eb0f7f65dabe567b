"""Whoever works through the list of exceptions over HTTP."""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Final

from node.api.routes import routes
from node.node import Node
from tests.node.alerting.shop import mark_read
from tests.node.api.caller import ApiCaller, JsonObject, Reply
from tests.node.api.test_documents import fits

SCOPES: Final = ("catalogue", "directory", "stock:S01", "docs:S01", "stock:S02", "docs:S02")
_ADDRESS: Final = re.compile(r"(GET|POST|PATCH) (/v1/[^\s,;:]+[^\s,;:.])")
_SERVED: Final = [
    (route.method, re.compile(re.sub(r"\\\{[a-z]+\\\}", "[^/]+", re.escape(route.path))))
    for route in routes()
]


@dataclass
class Desk:
    """An operator at a node whose rows were all read from the hub once."""

    operator: ApiCaller
    _keys: int = 0

    async def does(self, method: str, path: str, body: object = None) -> Reply:
        """Do something under a key of its own; it must be taken."""
        reply = await self.asks(method, path, body)
        assert reply.status < 300, reply
        return reply

    async def asks(
        self,
        method: str,
        path: str,
        body: object = None,
        key: str = "",
        by: ApiCaller | None = None,
    ) -> Reply:
        """Ask for something."""
        self._keys += 1
        headers = {"Idempotency-Key": key or f"k{self._keys}", "Content-Type": "application/json"}
        content = json.dumps({} if body is None else body).encode()
        return await (by or self.operator).ask(method, path, data=content, headers=headers)

    async def moves(self, kind: str, sku: str, delta: int, **others: object) -> Reply:
        """Record a movement of one line at S01; `lot` and `expiry` are the line's."""
        named = {name: others.pop(name) for name in ("lot", "expiry") if name in others}
        line = {"sku": sku, "delta": delta, **named}
        body = {"kind": kind, "location": "S01", "lines": [line], **others}
        return await self.does("POST", "/v1/movements", body)

    async def lists(self, state: str = "", **asked: str) -> list[JsonObject]:
        """The list, each of which must be described and say what can be done."""
        given = {"state": state, **asked} if state else asked
        page = await self.operator.get("/v1/exceptions", **given)
        fits(page, "ExceptionPage")
        for one in page["items"]:
            fits(one, "ExceptionShown")
            says_what_can_be_done(one)
        found: list[JsonObject] = page["items"]
        return found

    async def sees(self, state: str, *codes: str) -> list[JsonObject]:
        """Wait until these are all that is in a state, in order of code; those."""
        for _ in range(400):
            found = sorted(await self.lists(state), key=lambda one: str(one["code"]))
            if [one["code"] for one in found] == sorted(codes):
                return found
            await asyncio.sleep(0.02)
        raise AssertionError(f"{state}: {[(one['code'], one['sentence']) for one in found]}")

    async def sees_one(self, state: str, code: str) -> JsonObject:
        """Wait until it is the only one in a state."""
        (found,) = await self.sees(state, code)
        return found

    async def resolves(self, one: JsonObject, note: str = "looked into") -> JsonObject:
        """Say what became of it."""
        reply = await self.does("POST", f"/v1/exceptions/{one['id']}/resolve", {"note": note})
        found: JsonObject = reply.json()
        fits(found, "ExceptionShown")
        return found


def says_what_can_be_done(one: JsonObject) -> None:
    """It is a sentence, and every address that it names is served."""
    assert one["sentence"].endswith((".", ")")), one["sentence"]
    named = _ADDRESS.findall(one["what_to_do"])
    assert named, one["what_to_do"]
    for method, path in named:
        assert any(method == served and pattern.fullmatch(path) for served, pattern in _SERVED), (
            f"nothing is served at {method} {path}"
        )


async def all_was_read(node: Node) -> None:
    """Leave the database as a session does in which everything was read to its end."""
    await node._store.write(lambda db: mark_read(db, *SCOPES))
