"""S55, somebody else's hand: whoever changes the files themselves is found out, and the first bad place is named.

The guards are taken away first, and all hashes that the database keeps are made again wherever that is possible: what is
left are the statements that were signed and are kept elsewhere.
"""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from hub.store.fleet import Access
from hub.store.sqlite.store import SqliteHubStore
from hub.verify import verify as verify_hub
from hub.witness import Witness, WitnessWriter, read_witness
from node.replica import checkpoints, log, verify
from node.replica.identity import save_acked, save_epoch
from protocol.certificate import issue
from protocol.chain import extend
from protocol.checkpoint import Checkpoint, Head, Signer, sign_checkpoint, sign_head
from protocol.ids import ChainHash, Location, Seq
from runtime.connection import connect_writer
from runtime.folder import Folder
from tests.damage import unguard
from tests.node.chain import CHAIN as NODE_CHAIN
from tests.node.chain import HUB_KEY as NODE_HUB_KEY
from tests.node.chain import ME, NODE_KEY, certificate_of, movement
from tests.node.replica.conftest import joined
from tests.node.replica.test_view import record
from tests.store.shop import CHAIN, EPOCH, HUB_KEY, NOW_MS, Shop

Damage = Callable[[sqlite3.Connection], object]


def head_of(db: sqlite3.Connection, key: SigningKey, signer: Signer, seq: int) -> bytes:
    """What the node or the hub signs about the node's log at a position."""
    hash_ = log.chain_at(db, Seq(seq))
    assert hash_ is not None
    head = Head(NODE_CHAIN, certificate_of(writes=("S01",)).node, ME, Seq(seq), hash_, 1_000)
    record_ = sign_head(head, key, signer)
    checkpoints.keep_head(db, signer, head, record_)
    return record_


def rechain(db: sqlite3.Connection) -> None:
    """Make every hash of a node's log again, as somebody would who knows how."""
    held = ChainHash(bytes(32))
    for seq, body in db.execute("SELECT seq, body FROM log ORDER BY seq").fetchall():
        held = extend(held, body)
        db.execute("UPDATE log SET chain = ? WHERE seq = ?", (held, seq))


def renumber(db: sqlite3.Connection) -> None:
    """Close the gaps in a node's log."""
    for new, (old,) in enumerate(
        db.execute("SELECT seq FROM log ORDER BY seq").fetchall(), start=1
    ):
        db.execute("UPDATE log SET seq = ? WHERE seq = ?", (new, old))


def smoothly(*statements: str) -> Damage:
    """Damage after which the log's own numbers and hashes fit again."""

    def do(db: sqlite3.Connection) -> None:
        for statement in statements:
            db.execute(statement)
        renumber(db)
        rechain(db)

    return do


def roughly(*statements: str) -> Damage:
    """Damage by somebody who does not know of hashes."""

    def do(db: sqlite3.Connection) -> None:
        for statement in statements:
            db.execute(statement)

    return do


CHANGE = "UPDATE log SET body = CAST(replace(body, 'till', 'tell') AS BLOB) WHERE seq = 4"
INSERT = (
    "UPDATE log SET seq = -seq - 1 WHERE seq >= 4",
    "UPDATE log SET seq = -seq WHERE seq < 0",
    "INSERT INTO log (seq, body, chain) SELECT 4, body, chain FROM log WHERE seq = 2",
)
SWAP = "UPDATE log SET body = (SELECT o.body FROM log AS o WHERE o.seq = 9 - log.seq) WHERE seq IN (4, 5)"
REORDER = (
    "UPDATE log SET seq = -100 WHERE seq = 4",
    "UPDATE log SET seq = seq - 1 WHERE seq IN (5, 6)",
    "UPDATE log SET seq = 6 WHERE seq = -100",
)
OF_A_NODE: dict[str, tuple[Damage, str]] = {
    "change": (roughly(CHANGE), "log 4"),
    "change, hashes made again": (smoothly(CHANGE), "log 6"),
    "delete": (roughly("DELETE FROM log WHERE seq = 4"), "log 5"),
    "delete, hashes made again": (smoothly("DELETE FROM log WHERE seq = 4"), "log 6"),
    "reorder": (roughly(*REORDER), "log 4"),
    "reorder, hashes made again": (smoothly(*REORDER), "log 6"),
    "insert": (roughly(*INSERT), "log 4"),
    "insert, hashes made again": (smoothly(*INSERT), "log 6"),
    "swap two": (roughly(SWAP), "log 4"),
    "swap two, hashes made again": (smoothly(SWAP), "log 6"),
    "truncate": (roughly("DELETE FROM log WHERE seq > 5"), "log 6"),
    "forge a signature": (
        roughly("UPDATE signed_head SET record = zeroblob(170)"),
        "log 8",
    ),
}


@pytest.fixture
def node_file(tmp_path: Path) -> Path:
    """A node that recorded eight sales; the hub gave a receipt for six, and the node signed all eight."""
    path = tmp_path / "node.db"
    with contextlib.closing(connect_writer(path)) as db:
        joined(db)
        for number in range(1, 9):
            record(db, movement(number, ("apple", 1)))
        head_of(db, NODE_HUB_KEY, Signer.HUB, 6)
        head_of(db, NODE_KEY, Signer.NODE, 8)
        assert verify.problems(db) == []
    return path


def log_faults(db: sqlite3.Connection) -> list[str]:
    """What is found in the log itself; not that the list of movements does not fit any more."""
    return [
        each
        for each in verify.problems(db)
        if each.startswith("log") and "list of movements" not in each and "found by" not in each
    ]


@pytest.mark.parametrize(("damage", "place"), OF_A_NODE.values(), ids=OF_A_NODE)
def test_a_nodes_file_that_was_tampered_with_is_found_and_the_place_named(
    node_file: Path, damage: Damage, place: str
) -> None:
    with contextlib.closing(connect_writer(node_file)) as db:
        unguard(db)
        damage(db)
        assert log_faults(db)[0].startswith(f"{place}:")


def test_a_nodes_file_in_place_of_which_an_older_copy_was_put_is_found(
    node_file: Path, tmp_path: Path
) -> None:
    older = shutil.copy(node_file, tmp_path / "older.db")
    with contextlib.closing(connect_writer(node_file)) as db:
        record(db, movement(9, ("apple", 1)))
        outside = head_of(db, NODE_KEY, Signer.NODE, 9)
        assert list(verify.outside_faults(db, outside)) == []
    with contextlib.closing(connect_writer(Path(older))) as db:
        assert verify.problems(db) == []  # by itself it is as sound as it ever was
        [fault] = verify.outside_faults(db, outside)
        assert fault.place == "log 9"
        assert "older copy" in fault.detail


def test_a_log_shorter_than_the_hub_acknowledged_is_found(node_file: Path) -> None:
    with contextlib.closing(connect_writer(node_file)) as db:
        save_acked(db, Seq(9), Seq(0), 1_000)
        assert log_faults(db)[0].startswith("log 9: the log ends before it")


def test_checkpoints_of_the_hub_that_were_tampered_with_are_found(node_file: Path) -> None:
    first = Checkpoint(
        NODE_CHAIN, EPOCH, 1, 3, bytes(32), 0, ChainHash(bytes(32)), bytes(32), 1_000
    )
    other = first._replace(number=2, operations=2)
    with contextlib.closing(connect_writer(node_file)) as db:
        for told in (first, other):
            db.execute(
                "INSERT INTO hub_checkpoint (epoch, number, record) VALUES (?, ?, ?)",
                (told.epoch, told.number, sign_checkpoint(told, NODE_HUB_KEY)),
            )
        save_epoch(db, EPOCH, 0, 1_000)
        [fault] = [each for each in verify.problems(db) if "what the hub signed" in each]
        assert "does not follow checkpoint 1" in fault
        unguard(db)
        db.execute("UPDATE hub_checkpoint SET record = zeroblob(100) WHERE number = 1")
        assert any(
            "checkpoint 1 is not as the hub signed it" in each for each in verify.problems(db)
        )


# --- the hub ------------------------------------------------------------------------------------------------------

OF_A_HUB = {
    "change": (
        [
            "UPDATE ledger SET body = CAST(replace(body, 'till-1', 'till-9') AS BLOB) WHERE position = 4"
        ],
        "ledger positions 1 to 5",
    ),
    "change late": (
        [
            "UPDATE ledger SET body = CAST(replace(body, 'till-1', 'till-9') AS BLOB) WHERE position = 7"
        ],
        "ledger positions 6 to 8",
    ),
    "delete": (["DELETE FROM ledger WHERE position = 4"], "ledger position 4: is missing"),
    "delete, positions closed": (
        [
            "DELETE FROM ledger WHERE position = 4",
            "UPDATE ledger SET position = position - 1 WHERE position > 4",
        ],
        "operation 5 of a log follows 3",
    ),
    "delete, positions and numbers closed": (
        [
            "DELETE FROM ledger WHERE position = 4",
            "UPDATE ledger SET position = position - 1, seq = seq - 1 WHERE position > 4",
            "UPDATE replica SET acked = 7",
        ],
        "ledger positions 1 to 5",
    ),
    "insert": (
        [
            """INSERT INTO ledger (position, replica, seq, accepted_at, body)
            SELECT 9, replica, 9, accepted_at, body FROM ledger WHERE position = 2"""
        ],
        "ledger position 9",
    ),
    "reorder": (
        [
            "UPDATE ledger SET position = -4 WHERE position = 4",
            "UPDATE ledger SET position = position - 1 WHERE position IN (5, 6)",
            "UPDATE ledger SET position = 6 WHERE position = -4",
        ],
        "ledger positions 1 to 5",
    ),
    "swap two": (
        [
            """UPDATE ledger SET body = (SELECT o.body FROM ledger AS o WHERE o.position = 9 - ledger.position)
            WHERE position IN (4, 5)"""
        ],
        "ledger positions 1 to 5",
    ),
    "truncate": (
        ["DELETE FROM ledger WHERE position > 6", "UPDATE replica SET acked = 6"],
        "ledger position 7: is missing, and checkpoint 2",
    ),
    "drop a checkpoint": (["DELETE FROM checkpoint WHERE number = 1"], "checkpoint 1: is missing"),
    "change a note": (["UPDATE note SET body = x'00' WHERE position = 1"], "note 1: "),
    "drop the newest note": (
        ["DELETE FROM note WHERE position = (SELECT max(position) FROM note)"],
        "note 1: is missing",
    ),
    "forge what a node signed": (
        ["UPDATE signed_head SET record = zeroblob(100)"],
        "what its node signed was changed",
    ),
}


@pytest.fixture
async def hub_file(tmp_path: Path) -> Path:
    """A hub with eight operations of one log, a checkpoint after five and one after eight; the node signed all eight."""
    path = tmp_path / "hub.db"
    store = await SqliteHubStore.open(path)
    await store.found(CHAIN, EPOCH)
    shop = Shop("S01")
    await shop.opens(store)
    for at in range(5):
        shop.sells("sku", 1, key=f"key {at}")
    await shop.pushes(store)

    def sign(told: Checkpoint) -> bytes:
        return sign_checkpoint(told, HUB_KEY)

    assert await store.make_checkpoint(sign, NOW_MS, 0)
    for at in range(5, 8):
        shop.sells("sku", 1, key=f"key {at}")
    await shop.pushes(store)
    writes = (Location("S01"), Location("S09"))
    more = Access("S01", writes, None, lambda each: issue(each, HUB_KEY), CHAIN, NOW_MS)
    await store.change_access(more)
    assert await store.make_checkpoint(sign, NOW_MS + 1, 0)
    seq, hash_ = await store.log_end(shop.replica)
    head = Head(CHAIN, shop.certificate.node, shop.replica, seq, hash_, NOW_MS)
    await store.keep_head(shop.replica, seq, sign_head(head, NODE_KEY, Signer.NODE))
    await WitnessWriter(await asyncio.to_thread(Folder, tmp_path), store).write()
    await store.close()
    return path


def hub_problems(path: Path, witness: Witness | None = None) -> tuple[str, ...]:
    """What `verify` says."""
    return verify_hub(path, show_progress=False, witness=witness).problems


@pytest.mark.parametrize(("statements", "told"), OF_A_HUB.values(), ids=OF_A_HUB)
def test_a_hubs_file_that_was_tampered_with_is_found_and_the_place_named(
    hub_file: Path, statements: list[str], told: str
) -> None:
    assert hub_problems(hub_file, read_witness(Folder(hub_file.parent))) == ()
    with contextlib.closing(sqlite3.connect(hub_file)) as db, db:
        unguard(db)
        for statement in statements:
            assert db.execute(statement).rowcount >= 1
    found = hub_problems(hub_file)
    assert any(told in each for each in found), "\n".join(found)


async def test_a_hubs_file_in_place_of_which_an_older_copy_was_put_is_found(
    hub_file: Path, tmp_path: Path
) -> None:
    older = tmp_path / "older.db"
    shutil.copy(hub_file, older)
    store = await SqliteHubStore.open(hub_file)
    shop = Shop("S02")
    await shop.opens(store)
    shop.sells("sku", 1)
    await shop.pushes(store)
    await WitnessWriter(await asyncio.to_thread(Folder, tmp_path), store).write()
    await store.close()

    def check() -> None:
        witness = read_witness(Folder(tmp_path))
        assert hub_problems(hub_file, witness) == ()
        assert hub_problems(older) == ()  # by itself it is as sound as it ever was
        [told] = hub_problems(older, witness)
        assert "older copy was put in its place" in told

    await asyncio.to_thread(check)
