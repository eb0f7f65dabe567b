"""Whoever calls the node in these tests: a token and a socket."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient

JsonObject = dict[str, Any]
Http = TestClient[web.Request, web.Application]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    async def read(cls, response: ClientResponse) -> "Reply":
        """Read an answer."""
        return cls(response.status, response.headers, await response.read())

    def json(self) -> Any:
        """The body, which must say that it is JSON."""
        assert self.headers["Content-Type"].partition(";")[0] in {
            "application/json",
            "application/problem+json",
        }
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem answer, whose shape is checked on the way."""
        assert self.headers["Content-Type"].startswith("application/problem+json"), self
        problem = self.json()
        assert set(problem) == {"type", "title", "status", "code", "detail", "errors"}
        assert problem["status"] == self.status
        assert all(set(error) == {"loc", "msg", "type"} for error in problem["errors"])
        return str(problem["code"])


@dataclass(frozen=True, slots=True)
class ApiCaller:
    """One token's holder."""

    http: Http
    token: str

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> Reply:
        """Send any request with this caller's token."""
        given = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        async with self.http.request(method, path, headers=given, **kwargs) as response:
            return await Reply.read(response)

    async def get(self, path: str, **parameters: str | int) -> Any:
        """Read one thing that must be there."""
        reply = await self.ask("GET", path, params=parameters)
        assert reply.status == 200, reply
        return reply.json()

    async def record(self, key: str, movement: object) -> Reply:
        """`POST /v1/movements`."""
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        content = json.dumps(movement).encode()
        return await self.ask("POST", "/v1/movements", data=content, headers=headers)

    async def record_batch(self, movements: object) -> Reply:
        """`POST /v1/movements/batch`."""
        return await self.ask("POST", "/v1/movements/batch", json={"movements": movements})

    async def on_hand(self, sku: str, location: str = "S01") -> int:
        """What is on the shelf."""
        row = await self.get(f"/v1/stock/{location}/{sku}")
        found: int = row["on_hand"]
        return found

    async def books(self) -> tuple[list[JsonObject], list[JsonObject]]:
        """Every movement and every row of stock, which tests compare before and after."""
        listed = await self.get("/v1/movements", limit=1000)
        rows = await self.get("/v1/stock", limit=1000)
        assert listed["next"] is rows["next"] is None, "more than these tests record"
        return listed["items"], rows["items"]


def movement(kind: str, *lines: tuple[str, int], **others: object) -> JsonObject:
    """A movement at S01."""
    body = [{"sku": sku, "delta": delta} for sku, delta in lines]
    return {"kind": kind, "location": "S01", "lines": body, **others}


def sale(*lines: tuple[str, int], **others: object) -> JsonObject:
    """A sale at S01."""
    return movement("sale", *lines, **others)
