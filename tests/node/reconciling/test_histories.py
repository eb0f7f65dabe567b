"""Whatever cut-off nodes do to the same orders, transfers and stocktakes: once all is merged the books are right."""

import asyncio
from pathlib import Path

import pytest

from tests.node.reconciling.chain_life import ChainLife


async def live(folder: Path, seed: int, steps: int) -> ChainLife:
    """One life, looked at when everything is merged: halfway and at the end."""
    await asyncio.to_thread(folder.mkdir)
    life = await ChainLife.begin(folder, seed)
    try:
        for part in range(2):
            for _ in range(steps // 2):
                await life.live_on()
            await life.settle()
            found = life.faults_of_transfers() + life.faults_of_stocktakes()
            found += await life.differences()
            if life.reserved() != life.owed():
                found.append(f"{life.reserved()} is reserved where {life.owed()} is owed")
            assert not found, f"seed {seed}, part {part}: {found}"
    finally:
        await life.close()
    return life


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(6))
async def test_any_history_leaves_reserved_what_open_documents_owe(
    seed: int, tmp_path: Path
) -> None:
    """Complaint 23: reservations that leak."""
    life = await live(tmp_path / "chain", seed, 120)
    assert sum(life.acts.values()) > 30, life.acts


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(3))
async def test_nodes_that_answer_each_other_in_step_come_to_an_end(
    seed: int, tmp_path: Path
) -> None:
    life = await ChainLife.begin(tmp_path, seed)
    for _ in range(100):
        await life.live_on()
    await life.settle_in_step()
    assert life.reserved() == life.owed()
    entries = [
        sum("/reconcile:" in name for name in document.fields)
        for document in life.hub.documents.values()
    ]
    assert 0 < max(entries) < 30, "each takes room in the document for ever"
    await life.close()


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_any_of_very_many_histories_leaves_reserved_what_open_documents_owe(
    tmp_path: Path,
) -> None:
    for seed in range(100, 140):
        await live(tmp_path / f"{seed}", seed, 200)
