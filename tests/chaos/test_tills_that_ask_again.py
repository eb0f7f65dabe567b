"""Tills that ask again and again, and nodes that die between the commit and the answer: one sale, one answer."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from deploy.agreement import check_stock, settle
from deploy.client import Answer, Client, NoAnswerError
from deploy.local_chain import HUB, LocalChain
from tests.chaos.asking import until

KEYS = 60
CRASHES = 3
CUTS = 4
ANSWERED_PER_CUT = 10


def sale(number: int) -> dict[str, object]:
    """One A1."""
    lines = [{"sku": "A1", "delta": -1}]
    return {"kind": "sale", "location": "S01", "reference": f"k{number}", "lines": lines}


@pytest.mark.timeout(240)
async def test_pos_retry_storm(tmp_path: Path) -> None:
    """Each key is sent three times at once, before, in and after a crash; every answer to it names one movement."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"])
        till, rng = await chain.till("S01"), Random(4)
        told: dict[str, set[str]] = {f"k{number}": set() for number in range(KEYS)}
        unanswered: list[int] = []

        async def send_once(number: int) -> None:
            await asyncio.sleep(rng.uniform(0, 0.15))
            try:
                answer = await till.send("/v1/movements", sale(number), f"k{number}", timeout_s=10)
            except NoAnswerError:
                unanswered.append(number)
                return
            assert answer.status == 201, answer
            told[f"k{number}"].add(answer.json()["id"])

        for crash in range(CRASHES):
            some = range(crash * KEYS // CRASHES, (crash + 1) * KEYS // CRASHES)
            storm = [asyncio.create_task(send_once(n)) for n in some for _ in range(3)]
            await asyncio.sleep(rng.uniform(0.02, 0.12))
            await chain.kill("S01")
            await asyncio.gather(*storm)
            await chain.start("S01")
            again = [till.record(f"k{n}", sale(n)) for n in some for _ in range(3)]
            for number, answers in zip(some, _by_three(await asyncio.gather(*again)), strict=True):
                told[f"k{number}"] |= {answer.json()["id"] for answer in answers}
        assert 0 < len(unanswered) < 3 * KEYS, "the crashes struck amid the sales"
        assert {len(ids) for ids in told.values()} == {1}
        listed = [row["id"] async for row in chain.operator("S01").rows("/v1/movements")]
        assert sorted(listed) == sorted(movement for ids in told.values() for movement in ids)
        await settle(chain, ["S01"], patience_s=90)
        await check_stock(chain, {"S01": {"A1": -KEYS}})
        await chain.verify([HUB, "S01"])


def _by_three(answers: list[Answer]) -> list[list[Answer]]:
    return [answers[first : first + 3] for first in range(0, len(answers), 3)]


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_power_cut_the_moment_after_an_answer_keeps_the_sale(tmp_path: Path) -> None:
    """Node and hub die while the answer is still on the wire. What a disk loses beside is for tests/crash."""
    async with LocalChain(tmp_path) as chain:
        await chain.start_hub()
        await chain.add_node("S01", ["S01"])
        answered: set[str] = set()
        for cut in range(CUTS):
            till = await chain.till("S01")
            enough = len(answered) + ANSWERED_PER_CUT

            async def is_enough(enough: int = enough) -> bool:
                return len(answered) >= enough

            async with asyncio.TaskGroup() as trade:
                trade.create_task(_sell_until_cut(till, cut, answered))
                await until(is_enough, poll_s=0)
                await asyncio.gather(chain.kill("S01"), chain.kill(HUB))
            await chain.start(HUB)
            await chain.start("S01")
        listed = {row["id"] async for row in chain.operator("S01").rows("/v1/movements")}
        assert len(answered) >= CUTS * ANSWERED_PER_CUT
        assert answered <= listed
        assert len(listed) - len(answered) <= CUTS, "at most the one on the wire, each time"
        await settle(chain, ["S01"], patience_s=90)
        await check_stock(chain, {"S01": {"A1": -len(listed)}})


async def _sell_until_cut(till: Client, cut: int, answered: set[str]) -> None:
    for number in range(100_000):
        try:
            answer = await till.send("/v1/movements", sale(number), f"{cut}-{number}", timeout_s=10)
        except NoAnswerError:
            return
        assert answer.status == 201, answer
        answered.add(answer.json()["id"])
