"""Orders, transfers, counts and recalls at machines that are put back and copied: nothing of them is lost, doubled or owed to nobody.

Method: clerks at two shops and an office draft, act and decide both ways, as in the simulator; something happens to a
folder; they go on. The oracle is the HTTP interface of every node. Killed machines are in `test_kill_nine`, cut lines
in `test_storm` and `test_every_cut`.
"""

from pathlib import Path

import pytest

from deploy.agreement import settle
from deploy.local_chain import HUB, LocalChain
from tests.chaos.copies import Told, clone_node, copy_hub, copy_node, put_hub_back, put_node_back
from tests.chaos.paperwork import Paperwork
from tests.chaos.sales import sell_many, shelf

SHOPS = ("S01", "S02")
HANDLED = tuple(f"A{number:02d}" for number in range(8))
"""The SKUs that `sales` sells."""
ACTS = 25
SETTLED_S = 200
"""The older of two sessions of one log is sent away for a minute, and the next of them too."""
NAMED = frozenset({"parcel", "reverse"})
"""What two machines of a shop record under one id. Told of it otherwise by each, the hub sets one aside, and says so: `sim`."""


async def _open(chain: LocalChain) -> None:
    await chain.start_hub()
    for name in SHOPS:
        await chain.add_node(name, [name])
        await sell_many(await chain.till(name), name, range(100))
    await chain.add_office()


async def _settled(
    chain: LocalChain, paperwork: Paperwork, sales: int = 100, *, has_all_logs: bool = True
) -> None:
    await settle(chain, SHOPS, patience_s=SETTLED_S)
    sold = {name: shelf(range(sales)) for name in SHOPS}
    print(await paperwork.reckon(sold, patience_s=SETTLED_S, has_all_logs=has_all_logs))


@pytest.mark.slow
@pytest.mark.parametrize("told", ["told nothing", "restored", "in silence"])
@pytest.mark.timeout(600)
async def test_documents_survive_a_hub_that_is_put_back_twice(
    tmp_path: Path, told: Told, seed: int
) -> None:
    """What the hub forgets the nodes show it again, while people go on with the same documents."""
    async with LocalChain(tmp_path) as chain:
        await _open(chain)
        paperwork, copies = Paperwork(chain, HANDLED, f"{seed}"), []
        for age in range(2):
            await paperwork.act(ACTS)
            await settle(chain, SHOPS, patience_s=SETTLED_S)
            copies.append(await copy_hub(chain, tmp_path / f"copy-{age}.db", "backup command"))
        await paperwork.act(ACTS)
        await settle(chain, SHOPS, patience_s=SETTLED_S)
        for copy in reversed(copies):
            await put_hub_back(chain, copy, told=told)
            await paperwork.act(ACTS)
            await chain.start(HUB)
            await paperwork.act(ACTS)
            await _settled(chain, paperwork)
        await chain.verify([HUB, *chain.nodes])


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_documents_survive_a_node_that_is_put_back(tmp_path: Path, seed: int) -> None:
    """It wakes up in the middle of yesterday's paperwork, and its clerk goes on at once with what is shown."""
    async with LocalChain(tmp_path) as chain:
        await _open(chain)
        paperwork = Paperwork(chain, HANDLED, f"{seed}")
        await paperwork.act(ACTS)
        await settle(chain, SHOPS, patience_s=SETTLED_S)
        copy = await copy_node(chain, "S01", tmp_path / "copy")
        for _ in range(2):
            await paperwork.act(ACTS)
            await settle(chain, SHOPS, patience_s=SETTLED_S)
            await chain.kill(HUB)
            await put_node_back(chain, "S01", copy)
            paperwork.forget("S01")
            await chain.start("S01")
            await paperwork.act(ACTS)
            await chain.start(HUB)
            await paperwork.act(ACTS)
            await _settled(chain, paperwork, has_all_logs=False)
        await chain.verify([HUB, *chain.nodes])


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_two_copies_of_one_folder_both_do_the_paperwork_of_a_shop(
    tmp_path: Path, seed: int
) -> None:
    """Both act on the same documents at once, online and cut off; of one shop there is one outcome."""
    async with LocalChain(tmp_path) as chain:
        await _open(chain)
        paperwork = Paperwork(chain, HANDLED, f"{seed}", avoids=NAMED)
        await paperwork.act(ACTS)
        await settle(chain, SHOPS, patience_s=SETTLED_S)
        await clone_node(chain, "S01", "S01-copied")
        for name in ("S01", "S01-copied"):
            await chain.start(name)
        paperwork.open_desk(chain, "S01-copied")
        await paperwork.act(ACTS)
        await chain.kill(HUB)
        await paperwork.act(ACTS)
        await chain.start(HUB)
        await _settled(chain, paperwork)
        await chain.verify([HUB, *chain.nodes])
