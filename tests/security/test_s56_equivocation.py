"""S56: a hub that tells two histories is found out as soon as what it signed comes together.

The hub's key is in the hands of whoever forges here; what they cannot take back is what nodes keep already.
"""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from hub.store.sqlite import witness
from node.replica import DATABASE_NAME
from protocol.checkpoint import (
    Signer,
    contradiction,
    read_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
    verify_head,
)
from protocol.frames.witness import Checkpoints
from protocol.notes import Action, from_details
from protocol.operation import decode
from tests.damage import unguard
from tests.node.reunion.conftest import here  # noqa: F401 - a fixture
from tests.node.reunion.here import Here, NodeHere, eventually, settled
from tests.store.shop import CHAIN, HUB_KEY

HUB_PUBLIC = bytes(HUB_KEY.verify_key)


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    """What a file holds."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        return [tuple(row) for row in db.execute(sql)]


async def kept_by(node: NodeHere) -> list[bytes]:
    """The checkpoints that a node keeps, by rising number."""
    sql = "SELECT record FROM hub_checkpoint ORDER BY number"
    found = await asyncio.to_thread(rows, node.path / DATABASE_NAME, sql)
    return [bytes(record) for (record,) in found]  # type: ignore[arg-type]


async def come_back(node: NodeHere) -> None:
    """Have another session, which begins with what was signed."""
    await node.stop()
    await node.start()
    await settled(node)


async def exchanged(node: NodeHere) -> None:
    """Wait until the hub has answered what the node told of its log, and the node keeps the answer."""

    async def has_stored() -> bool:
        frames = [frame for frame in node.heard if isinstance(frame, Checkpoints)]
        kept = await kept_by(node)
        return bool(frames) and set(frames[-1].checkpoints) <= set(kept)

    await eventually(has_stored, True)


def forge(path: Path) -> None:
    """Tell another history from now on: the newest checkpoint is signed anew over a ledger that never was."""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        unguard(db)
        number, record = db.execute(
            "SELECT number, record FROM checkpoint ORDER BY number DESC LIMIT 1"
        ).fetchone()
        other = sign_checkpoint(read_checkpoint(record)._replace(root=b"f" * 32), HUB_KEY)
        db.execute("UPDATE checkpoint SET record = ? WHERE number = ?", (other, number))


async def test_both_sides_keep_what_the_other_signed(here: Here) -> None:  # noqa: F811
    shop = await here.node("S01")
    await shop.sells("apple", 1, key="first")
    await settled(shop)
    await come_back(shop)
    await exchanged(shop)
    await shop.stop()
    replica = (await asyncio.to_thread(rows, shop.path / DATABASE_NAME, "SELECT id FROM replica"))[
        0
    ][0]
    [checkpoint] = await kept_by(shop)
    assert verify_checkpoint(checkpoint, HUB_PUBLIC, CHAIN).operations >= 0
    heads = await asyncio.to_thread(
        rows, shop.path / DATABASE_NAME, "SELECT signer, seq, record FROM signed_head"
    )
    by_signer = {signer: (seq, record) for signer, seq, record in heads}
    seq, receipt = by_signer["hub"]
    assert isinstance(receipt, bytes)
    told = verify_head(receipt, HUB_PUBLIC, CHAIN, Signer.HUB)
    assert (told.replica, told.seq) == (replica, seq) == (replica, 1)
    await here.hub.stop()
    kept = await asyncio.to_thread(
        rows, here.hub.path / "hub.db", "SELECT seq, record FROM signed_head"
    )
    assert kept == [by_signer["node"]]
    assert by_signer["node"][0] == 1


async def test_two_histories_are_found_when_a_node_hands_back_what_it_was_told(here: Here) -> None:  # noqa: F811
    first = await here.node("S01")
    await first.sells("apple", 1, key="first")
    await settled(first)
    await exchanged(first)
    await first.stop()
    await here.hub.stop()
    await asyncio.to_thread(forge, here.hub.path / "hub.db")
    await here.hub.start()
    # A node that comes for the first time believes what it is told: it knows no other.
    second = await here.node("S02")
    await exchanged(second)
    assert (await second.status())["incidents"] == []
    await second.stop()
    one, other = (await kept_by(first))[-1], (await kept_by(second))[-1]
    # Two people who compare what their nodes keep have the proof.
    told = contradiction(one, other, HUB_PUBLIC, CHAIN)
    assert told is not None
    assert "signed two checkpoints under number" in told
    # And so has whoever is told both.
    await first.start()
    await settled(first)

    async def noticed() -> list[str]:
        return [each["code"] for each in (await first.status())["incidents"]]

    await eventually(noticed, ["history_differs"])
    assert here.hub.running.metrics.histories_differ._value.get() == 1
    await settled(first)
    await first.stop()
    await here.hub.stop()
    notes = await asyncio.to_thread(rows, here.hub.path / "hub.db", "SELECT body FROM note")
    of_hub = [witness.read_note(bytes(body)).note for (body,) in notes]  # type: ignore[arg-type]
    [of_hub_one] = [each for each in of_hub if each.action == Action.HISTORY_DIFFERS]
    assert (of_hub_one.payload["theirs"], of_hub_one.payload["ours"]) == (one, other)
    bodies = await asyncio.to_thread(
        rows, first.path / DATABASE_NAME, "SELECT body FROM log ORDER BY seq"
    )
    operations = [decode(bytes(body)) for (body,) in bodies]  # type: ignore[arg-type]
    [noted] = [each for each in operations if each.kind == "note.history_differs"]
    proof = from_details(noted.kind, noted.details).payload
    assert (proof["kept"], proof["told"]) == (one, other)


async def test_a_hub_that_was_put_back_and_says_so_is_not_suspected(here: Here) -> None:  # noqa: F811
    shop = await here.node("S01")
    await shop.sells("apple", 1, key="first")
    await settled(shop)
    await exchanged(shop)
    await here.hub.back_up("old.db")
    await shop.sells("apple", 1, key="second")
    await settled(shop)
    await here.hub.running.store.make_checkpoint(
        lambda told: sign_checkpoint(told, HUB_KEY), 2_000_000_000_000, 0
    )
    await come_back(shop)
    await exchanged(shop)
    await here.hub.put_back("old.db")
    await settled(shop)
    await come_back(shop)
    await exchanged(shop)
    assert (await shop.status())["incidents"] == []
    assert here.hub.running.metrics.histories_differ._value.get() == 0
    assert await shop.problems() == []


def damage(path: Path) -> None:
    """Flip a bit of every statement that a node keeps."""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        unguard(db)
        for record, changed in (
            (
                "SELECT record FROM signed_head",
                "UPDATE signed_head SET record = ? WHERE record = ?",
            ),
            (
                "SELECT record FROM hub_checkpoint",
                "UPDATE hub_checkpoint SET record = ? WHERE record = ?",
            ),
        ):
            for (kept,) in db.execute(record).fetchall():
                db.execute(changed, (kept[:-1] + bytes([kept[-1] ^ 1]), kept))


async def test_statements_that_a_disk_has_damaged_keep_no_node_from_the_hub(here: Here) -> None:  # noqa: F811
    shop = await here.node("S01")
    await shop.sells("apple", 1, key="first")
    await settled(shop)
    await exchanged(shop)
    await shop.stop()
    await asyncio.to_thread(damage, shop.path / DATABASE_NAME)
    await here.hub.running.store.make_checkpoint(
        lambda told: sign_checkpoint(told, HUB_KEY), 2_000_000_000_000, 0
    )
    await shop.start()
    await shop.sells("apple", 1, key="second")
    await settled(shop)
    await shop.hears(Checkpoints)
    await settled(shop)
    assert (await shop.status())["incidents"] == []
    assert len(await shop.problems()) >= 2, "verification tells of it"
