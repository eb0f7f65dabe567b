"""What the hub's metrics say of the fleet as a whole."""

from dataclasses import replace

from tests.hub.conftest import Running
from tests.hub.peer import eventually
from tests.store.shop import NOW_MS, Shop


async def figures(running: Running) -> dict[str, float]:
    """Every sample of a scrape that belongs to the hub alone."""
    text = await (await running.get("/metrics")).text()
    lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith("everstock_hub"))
    return {name.removeprefix("everstock_hub_"): float(value) for name, _, value in lines}


async def push(running: Running, shop: Shop) -> None:
    """Have a node send all it has, and go without a word."""
    async with running.peer(shop) as peer:
        await peer.opens()
        await peer.pushes()
        await peer.acknowledged()


async def test_the_fleet_is_counted_and_its_longest_silence_told(running: Running) -> None:
    running.clock.now_ms = NOW_MS
    away, here = await running.enrol(Shop("S01")), await running.enrol(Shop("S02"))
    running.clock.now_ms = NOW_MS + 3_600_000
    async with running.peer(here) as peer:
        await peer.opens()
        found = await figures(running)
    assert (found["nodes"], found["nodes_connected"], found["nodes_lagging"]) == (2, 1, 0)
    assert found["node_silence_seconds"] == 3_600
    assert not any(away.name in name for name in found), "nodes have no labels"


async def test_what_came_again_is_counted_beside_what_was_taken_in(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    shop.sells("apple", 1)
    shop.sells("pear", 1)
    await push(running, shop)
    reborn = replace(shop, incarnation=2, pushed=0)
    await push(running, reborn)
    found = await figures(running)
    assert (found["operations_total"], found["repeats_total"]) == (4, 2)
    assert found["batch_operations_sum"] == 4


async def test_how_a_session_of_a_known_node_ended_is_counted(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    async with running.peer(shop) as peer:
        await peer.opens()
        await peer.line.send_str("frames are binary")
        await peer.closed()
    async with running.peer(shop) as peer:
        await peer.opens()

    async def ended() -> dict[str, float]:
        found = await figures(running)
        return {
            name: value for name, value in found.items() if "session_ends_total" in name and value
        }

    expected = {'session_ends_total{code="bad_frame"}': 1.0, 'session_ends_total{code="gone"}': 1.0}
    await eventually(ended, expected)
