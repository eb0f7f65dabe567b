"""What POS software is to a node: an HTTP client that keeps a request until it is answered.

Invariant: a movement is only ever repeated with the key it was first sent with, so however often the node,
the hub or this side is killed, it is recorded at most once, and exactly once when `record` returns.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

PATIENCE_S: Final = 90.0
REQUEST_S_MAX: Final = 30.0
RETRY_S: Final = 0.05
PAGE_ROWS: Final = 1_000
BUSY_STATUSES: Final = frozenset({429, 503})

Json = Mapping[str, Any]


class NoAnswerError(Exception):
    """The request was sent, or not, and may have been recorded, or not: nobody here can tell."""


class RefusedError(Exception):
    """The node answered with a problem."""

    def __init__(self, answer: "Answer", request: str) -> None:
        super().__init__(f"{request}: {answer.status} {answer.body.decode(errors='replace')[:500]}")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, and how many times the request was sent to get it."""

    status: int
    body: bytes
    replayed: bool
    attempts: int = 1

    def json(self) -> dict[str, Any]:
        """The body, which every answer of ours has as a JSON object."""
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded


class Client:
    """One caller of one daemon: its address and its token."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self.url = url
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"}

    async def record(self, key: str, movement: Json, *, patience_s: float = PATIENCE_S) -> Answer:
        """Send one movement until it is recorded, always with the same key.

        Raises:
            RefusedError: the answer was another than 201.
            TimeoutError: no answer within `patience_s`.
        """
        return await self._until_answered("/v1/movements", movement, key, 201, patience_s)

    async def record_batch(self, movements: Json, *, patience_s: float = PATIENCE_S) -> Answer:
        """Send one batch, whose movements carry their keys, until it is answered with 200.

        Raises:
            RefusedError, TimeoutError: as `record`.
        """
        return await self._until_answered("/v1/movements/batch", movements, None, 200, patience_s)

    async def send(self, path: str, body: Json, key: str | None, *, timeout_s: float) -> Answer:
        """Send one request once.

        Raises:
            NoAnswerError: the connection broke, the time ran out, or the node was too busy to decide.
        """
        headers = self._headers | ({"Idempotency-Key": key} if key is not None else {})
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._http.post(
                self.url + path, json=body, headers=headers, timeout=timeout
            ) as response:
                replayed = response.headers.get("Idempotency-Replayed") == "true"
                answer = Answer(response.status, await response.read(), replayed)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as lost:
            raise NoAnswerError(f"POST {path}: {lost!r}") from lost
        if answer.status in BUSY_STATUSES:
            raise NoAnswerError(f"POST {path}: {answer.status}")
        return answer

    async def get(self, path: str, **parameters: str | int) -> dict[str, Any]:
        """Read one JSON answer.

        Raises:
            RefusedError: the answer was another than 200.
            NoAnswerError: there was none.
        """
        return (await self._read(path, parameters)).json()

    async def text(self, path: str, **parameters: str | int) -> str:
        """Read one answer that is text, such as `/metrics`.

        Raises:
            RefusedError, NoAnswerError: as `get`.
        """
        return (await self._read(path, parameters)).body.decode()

    async def _read(self, path: str, parameters: Mapping[str, str | int]) -> Answer:
        timeout = aiohttp.ClientTimeout(total=REQUEST_S_MAX)
        try:
            async with self._http.get(
                self.url + path, params=parameters, headers=self._headers, timeout=timeout
            ) as response:
                answer = Answer(response.status, await response.read(), replayed=False)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as lost:
            raise NoAnswerError(f"GET {path}: {lost!r}") from lost
        if answer.status != 200:
            raise RefusedError(answer, f"GET {path} {parameters}")
        return answer

    async def rows(self, path: str, **parameters: str | int) -> AsyncIterator[dict[str, Any]]:
        """Yield every row of a list, in its order, page by page."""
        cursor: str | None = None
        while True:
            resume = {} if cursor is None else {"cursor": cursor}
            page = await self.get(path, limit=PAGE_ROWS, **parameters, **resume)
            for row in page["items"]:
                yield row
            cursor = page["next"]
            if cursor is None:
                return

    async def _until_answered(
        self, path: str, body: Json, key: str | None, expected: int, patience_s: float
    ) -> Answer:
        attempts = 0
        async with asyncio.timeout(patience_s):
            while True:
                attempts += 1
                try:
                    answer = await self.send(path, body, key, timeout_s=REQUEST_S_MAX)
                except NoAnswerError:
                    await asyncio.sleep(RETRY_S)
                    continue
                if answer.status != expected:
                    raise RefusedError(answer, f"POST {path} with key {key}")
                return Answer(answer.status, answer.body, answer.replayed, attempts)
