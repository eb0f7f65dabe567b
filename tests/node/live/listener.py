"""A client of the live stream as one would be written elsewhere: it keeps a mirror of what it was told.

Knows the interface only: both ways to listen, the ids, and what each event does to a mirror.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import aiohttp

JsonObject = dict[str, Any]
Way = Literal["/v1/events", "/v1/live"]
WAYS: Final[tuple[Way, ...]] = ("/v1/events", "/v1/live")
PATIENCE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Told:
    """One event."""

    id: str
    event: str
    data: JsonObject

    @property
    def n(self) -> int:
        """The number in its id."""
        return int(self.id.partition(".")[2])


async def listen(
    http: aiohttp.ClientSession,
    url: str,
    way: Way,
    token: str,
    **asked: str,
) -> AsyncIterator[Told]:
    """Every event, until the stream ends; what is not an event is skipped."""
    headers = {"Authorization": f"Bearer {token}"}
    if way == "/v1/live":
        async with http.ws_connect(url + way, headers=headers, params=asked) as socket:
            async for message in socket:
                assert message.type is aiohttp.WSMsgType.TEXT
                content = json.loads(message.data)
                assert set(content) == {"id", "event", "data"}
                yield Told(**content)
        return
    timeout = aiohttp.ClientTimeout(total=None)
    async with http.get(url + way, headers=headers, params=asked, timeout=timeout) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        fields: dict[str, str] = {}
        async for line in answer.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                yield Told(fields["id"], fields["event"], json.loads(fields["data"]))
                fields.clear()


@dataclass
class Mirror:
    """What a client holds: rows of stock and of documents, movements, and the id to resume by."""

    id: str = "0"
    stock: dict[tuple[str, str], JsonObject] = field(default_factory=dict)
    documents: dict[tuple[str, str], JsonObject] = field(default_factory=dict)
    movements: list[str] = field(default_factory=list)
    sync: JsonObject = field(default_factory=dict)
    events: list[Told] = field(default_factory=list)

    def take(self, told: Told) -> None:
        """Do what the event says."""
        life, _, _ = self.id.partition(".")
        if told.event == "resync":
            self.stock.clear()
            self.documents.clear()
        elif self.id != "0" and told.n > 0:
            assert told.id.startswith(life), "another life without a resync"
            assert told.n >= int(self.id.partition(".")[2]), "an id fell back"
        self.id = told.id
        self.events.append(told)
        data: Mapping[str, Any] = told.data
        match told.event:
            case "stock":
                self.stock[data["location"], data["sku"]] = dict(data)
            case "document":
                self.documents[data["collection"], data["id"]] = dict(data)
            case "movement":
                self.movements.append(data["id"])
            case "sync":
                self.sync = dict(data)
            case "removed" if "sku" in data:
                self.stock.pop((data["location"], data["sku"]), None)
            case "removed" if "collection" in data:
                self.documents.pop((data["collection"], data["id"]), None)

    def rows(self) -> list[JsonObject]:
        """Stock as `GET /v1/stock` lists it."""
        return [self.stock[key] for key in sorted(self.stock)]

    def names(self) -> list[str]:
        """The kinds of the events taken, in order."""
        return [told.event for told in self.events]


class Listener:
    """`async with Listener(...)`: a mirror that is kept while the block runs."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        token: str,
        *,
        way: Way = "/v1/events",
        mirror: Mirror | None = None,
        scopes: str | None = None,
        since: str | None = None,
    ) -> None:
        self.mirror = Mirror() if mirror is None else mirror
        self._asked = {"scopes": scopes, "since": since}
        self._call = (http, url, way, token)
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Listener":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def ended(self) -> None:
        """Wait until the stream has ended from the other side.

        Raises: what ended it, if it was cut.
        """
        assert self._task is not None
        await asyncio.wait_for(asyncio.shield(self._task), PATIENCE_S)

    async def until(self, name: str, count: int = 1) -> Told:
        """Wait for an event of this kind; returns the last."""
        return await self.until_true(
            lambda: (
                self.mirror.names().count(name) >= count
                and next(one for one in reversed(self.mirror.events) if one.event == name)
            )
        )

    async def until_count(self, count: int) -> None:
        """Wait until so many events were taken in all, by this listener and those before."""
        await self.until_true(lambda: len(self.mirror.events) >= count)

    async def until_true(self, question: Any) -> Any:
        """Wait until `question()` is answered with something true, and return that."""
        async with asyncio.timeout(PATIENCE_S):
            while not (answer := question()):
                self._changed.clear()
                if self._task is not None and self._task.done():
                    self._task.result()
                    raise AssertionError("the stream ended first")
                await self._changed.wait()
            return answer

    async def _run(self) -> None:
        http, url, way, token = self._call
        asked = {name: value for name, value in self._asked.items() if value is not None}
        try:
            async with contextlib.aclosing(listen(http, url, way, token, **asked)) as events:  # type: ignore[type-var]
                async for told in events:
                    self.mirror.take(told)
                    self._changed.set()
        finally:
            self._changed.set()
