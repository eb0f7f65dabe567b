"""What nodes, metrics and status are told of verified backups."""

from hub.recording import TakenBackup
from hub.store.records import VerifiedBackup
from protocol.ids import Salt, Seq
from protocol.session.node_actions import StoreAcknowledged
from tests.hub.conftest import Running
from tests.hub.peer import eventually
from tests.store.shop import NOW_MS, Shop


async def count_backup(
    running: Running, shop: Shop, acked: int, *, salt: Salt | None = None
) -> int:
    """Tell the hub of a verified backup with so much of the shop's log; the status."""
    head = (await running.hub.store.history()).head
    backup = VerifiedBackup(
        f"{acked}.db",
        NOW_MS,
        NOW_MS,
        head.hub_seq,
        salt or head.salt,
        acked,
        {shop.replica: Seq(acked)},
    )
    body = TakenBackup.of(backup).model_dump(mode="json")
    return (await running.post("/v1/operator/backup", body)).status


async def test_a_node_hears_with_every_answer_how_far_its_log_is_stable(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    async with running.peer(shop) as peer:
        assert (await peer.opens()).stable == 0
        for expected in (0, 0, 1, 2):
            shop.sells("apple", 1)
            await peer.pushes()
            await peer.acknowledged()
            heard = [each for each in peer.heard if isinstance(each, StoreAcknowledged)][-1]
            assert heard.stable == expected
            assert await count_backup(running, shop, len(shop.log)) == 200
        await peer.reconnect()
        assert (await peer.opens()).stable == 3


async def test_a_backup_of_another_history_is_refused(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))
    shop.sells("apple", 1)
    await shop.pushes(running.hub.store)
    assert await count_backup(running, shop, 1, salt=Salt(b"8 others")) == 422
    status = await (await running.get("/v1/status")).json()
    assert status["backup"] is None


async def test_the_age_of_the_newest_backup_is_in_status_and_metrics(running: Running) -> None:
    shop = await running.enrol(Shop("S01"))

    async def shown() -> str:
        page = await (await running.get("/metrics")).text()
        [line] = [each for each in page.splitlines() if each.startswith("everstock_hub_backup_age")]
        return line.partition(" ")[2]

    assert await shown() == "NaN"
    assert await count_backup(running, shop, 0) == 200
    running.clock.now_ms = NOW_MS + 3_600_000
    await eventually(shown, "3600.0")
    status = await (await running.get("/v1/status")).json()
    assert status["backup"]["file"] == "0.db"


async def test_a_backup_taken_while_the_clock_was_ahead_has_no_age(running: Running) -> None:
    """An age of 0 would say for years that all is well, whether or not another one is ever taken."""
    shop = await running.enrol(Shop("S01"))
    assert await count_backup(running, shop, 0) == 200
    running.clock.now_ms = NOW_MS - 1
    assert running.hub.stable.age_s is None
    page = await (await running.get("/metrics")).text()
    assert "everstock_hub_backup_age_seconds NaN" in page.splitlines()
    running.clock.now_ms = NOW_MS
    assert running.hub.stable.age_s == 0
