"""What a program does at a node's interface besides selling: documents, verbs and batches, each under a key.

Invariant: every request is sent until it is answered, and one in ten once more with the same key: the second answer has the
first one's bytes and says that it is a repeat, or `AskingError` ends the replay.
"""

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from deploy.client import Answer, Client, NoAnswerError, RefusedError

PATIENCE_S: Final = 90.0
REQUEST_S_MAX: Final = 60.0
RETRY_S: Final = 0.05
REPEAT_CHANCE: Final = 0.1

Say = Callable[[str], None]
Figures = dict[str, str]
"""What a replay tells of itself at its end: what was counted, and how many."""


class AskingError(Exception):
    """A node did something else than the data says."""


class Asker:
    """One caller of one node."""

    def __init__(self, client: Client, rng: Random) -> None:
        self.client = client
        self.sent = 0
        self.repeats = 0
        self._rng = rng

    async def post(
        self, path: str, body: Mapping[str, Any], key: str | None, *, status: int = 200
    ) -> dict[str, Any]:
        """Send until it is answered with `status`, and give the answer.

        Raises:
            RefusedError: it was answered with another status.
            AskingError: a repeat was answered otherwise.
            TimeoutError: no answer in time.
        """
        first = await self._send(path, body, key, status)
        self.sent += 1
        if key is not None and self._rng.random() < REPEAT_CHANCE:
            again = await self._send(path, body, key, status)
            self.repeats += 1
            if not again.replayed or again.body != first.body:
                raise AskingError(f"{path} {key}: first {first}, repeated {again}")
        return first.json()

    async def record(self, movements: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Record movements with their keys in one transaction, and give what each was answered.

        Raises: as `post`; AskingError where one was refused.
        """
        return await self._each("/v1/movements/batch", {"movements": movements}, "movement")

    async def save(self, collection: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Create or change documents, a row with its key for each, and give which they are.

        Raises: as `record`.
        """
        return await self._each(f"/v1/{collection}/batch", {"documents": rows}, "document")

    async def _each(self, path: str, body: dict[str, Any], member: str) -> list[dict[str, Any]]:
        results = (await self.post(path, body, None))["results"]
        if bad := [one for one in results if "problem" in one]:
            raise AskingError(f"{path}: {bad[0]}")
        if self._rng.random() < REPEAT_CHANCE:
            again = (await self.post(path, body, None))["results"]
            self.repeats += 1
            if [one[member] for one in again] != [one[member] for one in results]:
                raise AskingError(f"{path}: repeated, and answered otherwise")
        return [one[member] for one in results]

    async def _send(
        self, path: str, body: Mapping[str, Any], key: str | None, status: int
    ) -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    answer = await self.client.send(path, body, key, timeout_s=REQUEST_S_MAX)
                except NoAnswerError:
                    await asyncio.sleep(RETRY_S)
                    continue
                if answer.status != status:
                    raise RefusedError(answer, f"POST {path} with key {key}")
                return answer
