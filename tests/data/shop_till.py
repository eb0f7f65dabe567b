"""One till: sends a node's movements in order, one request in five twice, and checks every answer.

The oracle is plain addition. Only this till writes the node's locations, so after each movement the answer's
`on_hand` must be the running sum to the unit, whatever the hub, the line and the node itself go through.
A repeat must be the first answer again, byte for byte, and say so.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from deploy.client import Answer, Client
from tests.data.movements import Movement

REPEAT_CHANCE: Final = 0.2
BATCH_MOVEMENTS_MAX: Final = 50
LATE_REPEATS_MAX: Final = 50
"""How many repeats are kept back at once: they are sent long after, often to a node that was restarted."""


class ReplayError(Exception):
    """The chain did something else than the data says."""


@dataclass(slots=True)
class Tally:
    """What all tills have done so far."""

    movement_total: int
    movements: int = 0
    lines: int = 0
    repeats: int = 0
    unanswered: int = 0
    _waiting: list[tuple[float, asyncio.Event]] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The share of all movements that is answered, 0 to 1."""
        return self.movements / self.movement_total

    def recorded(self, line_count: int) -> None:
        """Count one movement that was answered for the first time."""
        self.movements += 1
        self.lines += line_count
        for share, reached in self._waiting:
            if self.share >= share:
                reached.set()

    async def reached(self, share: float) -> None:
        """Return when `share` of all movements is answered."""
        reached = asyncio.Event()
        self._waiting.append((share, reached))
        if self.share < share:
            await reached.wait()


class ShopTill:
    """Sends the movements of one node; nobody else writes its locations."""

    def __init__(self, client: Client, rng: Random, tally: Tally, *, batch_chance: float) -> None:
        self._client = client
        self._rng = rng
        self._tally = tally
        self._batch_chance = batch_chance
        self._on_hand: Counter[tuple[str, str]] = Counter()
        self._late: list[tuple[Movement, Answer]] = []

    async def send_all(self, movements: Sequence[Movement]) -> None:
        """Return once every movement was answered and every repeat was too.

        Raises:
            ReplayError: an answer was wrong.
            RefusedError: a movement was refused.
            TimeoutError: one was not answered within the client's patience.
        """
        for chunk in self._chunks(movements):
            repeat = self._rng.random() < REPEAT_CHANCE
            match chunk:
                case [movement]:
                    await (self._send_twice(movement) if repeat else self._send(movement))
                case _:
                    await self._send_batch(chunk, repeat=repeat)
            if len(self._late) > self._rng.randrange(LATE_REPEATS_MAX):
                await self._repeat(*self._late.pop(self._rng.randrange(len(self._late))))
        for movement, first in self._late:
            await self._repeat(movement, first)

    def _chunks(self, movements: Sequence[Movement]) -> Iterator[Sequence[Movement]]:
        start = 0
        while start < len(movements):
            batched = self._rng.random() < self._batch_chance
            size = self._rng.randint(2, BATCH_MOVEMENTS_MAX) if batched else 1
            yield movements[start : start + size]
            start += size

    async def _send(self, movement: Movement) -> Answer:
        answer = await self._client.record(movement.key, movement.body())
        if answer.attempts == 1 and answer.replayed:
            raise ReplayError(f"{movement.key}: answered as a repeat when it was first sent")
        self._recorded(movement, answer.json(), answer)
        return answer

    async def _send_twice(self, movement: Movement) -> None:
        match self._rng.choice(("at once", "together", "late")):
            case "at once":
                await self._repeat(movement, await self._send(movement))
            case "together":
                await self._send_together(movement)
            case _:
                self._late.append((movement, await self._send(movement)))

    async def _send_together(self, movement: Movement) -> None:
        body = movement.body()
        answers = await asyncio.gather(
            self._client.record(movement.key, body), self._client.record(movement.key, body)
        )
        fresh = sum(not answer.replayed for answer in answers)
        # When a request had to be sent again, the one that recorded it may be the one whose answer was lost.
        expected = {1} if all(answer.attempts == 1 for answer in answers) else {0, 1}
        if answers[0].body != answers[1].body or fresh not in expected:
            raise ReplayError(f"{movement.key}: two at a time, answered {answers}")
        self._tally.repeats += 1
        self._recorded(movement, answers[0].json(), *answers)

    async def _repeat(self, movement: Movement, first: Answer) -> None:
        again = await self._client.record(movement.key, movement.body())
        if not again.replayed or again.body != first.body:
            raise ReplayError(f"{movement.key}: first {first}, repeated {again}")
        self._tally.repeats += 1
        self._tally.unanswered += again.attempts - 1

    async def _send_batch(self, chunk: Sequence[Movement], *, repeat: bool) -> None:
        body = {"movements": [{"key": movement.key, **movement.body()} for movement in chunk]}
        answer = await self._client.record_batch(body)
        first = _batch_results(chunk, answer)
        for movement, recorded in zip(chunk, first, strict=True):
            self._recorded(movement, recorded)
        self._tally.unanswered += answer.attempts - 1
        if repeat and self._rng.random() < 0.5:
            if _batch_results(chunk, await self._client.record_batch(body)) != first:
                raise ReplayError(f"the batch from {chunk[0].key} on: repeated, answered otherwise")
            self._tally.repeats += 1
        elif repeat:
            await self._repeat_single(chunk, first)

    async def _repeat_single(self, chunk: Sequence[Movement], first: Sequence[Any]) -> None:
        """A key that was first sent in a batch is remembered like any other."""
        place = self._rng.randrange(len(chunk))
        movement = chunk[place]
        again = await self._client.record(movement.key, movement.body())
        if not again.replayed or again.json() != first[place]:
            raise ReplayError(f"{movement.key}: in a batch {first[place]}, then alone {again}")
        self._tally.repeats += 1

    def _recorded(self, movement: Movement, recorded: dict[str, Any], *answers: Answer) -> None:
        """Check what was recorded against what was sent and what was there before it."""
        for sku, delta in movement.lines:
            self._on_hand[movement.location, sku] += delta
        named = Counter(sku for sku, _ in movement.lines)
        sent = [
            # A SKU named twice has two right answers on the way; what is left after both is one.
            (sku, delta, self._on_hand[movement.location, sku] if named[sku] == 1 else None)
            for sku, delta in movement.lines
        ]
        answered = [
            (line["sku"], line["delta"], line["on_hand"] if named[line["sku"]] == 1 else None)
            for line in recorded["lines"]
        ]
        if sent != answered or recorded["location"] != movement.location:
            raise ReplayError(f"{movement.key}: expected {sent}, answered {recorded}")
        self._tally.recorded(len(movement.lines))
        self._tally.unanswered += sum(answer.attempts - 1 for answer in answers)


def _batch_results(chunk: Sequence[Movement], answer: Answer) -> list[dict[str, Any]]:
    results = answer.json()["results"]
    refused = [result for result in results if result["status"] != 201]
    if refused or len(results) != len(chunk):
        raise ReplayError(
            f"the batch from {chunk[0].key} on: {len(results)} results, {refused[:1]}"
        )
    return [result["movement"] for result in results]
