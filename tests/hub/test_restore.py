"""A hub comes back from a backup, and finds out when a database was put back without a word."""

import shutil
from functools import partial
from pathlib import Path

import pytest

from hub import verify
from hub.backup import take
from hub.datafolder import DATABASE, FolderTaken, HubFolder, NoHub
from hub.restore import Restored, begin_again_if_put_back, read_mark, restore
from hub.shortfall import Shortfall
from hub.store.interface import Refused
from hub.store.records import KnownDeparture
from hub.store.sqlite.store import SqliteHubStore
from hub.witness import Witness, read_witness, write_witness
from protocol.departure import Departure, Reason, sign
from protocol.errors import Code
from runtime.errors import StoreUnavailable
from runtime.folder import Folder
from runtime.world import World
from tests.hub.lives import KEY_OF_THE_HUB, found, sell, within
from tests.store.shop import CHAIN, EPOCH, NOW_MS, Shop

WORLD = World(now_ms=lambda: NOW_MS + 1000)


@pytest.fixture
def shop() -> Shop:
    """A shop whose log goes on over the hub's lives."""
    return Shop("S01")


@pytest.fixture
def hub(tmp_path: Path, shop: Shop) -> HubFolder:
    """A hub that has three of the shop's sales."""
    hub_folder = found(tmp_path / "hub")
    sell(tmp_path / "hub", shop, 3)
    return hub_folder


@pytest.fixture
def file(hub: HubFolder, tmp_path: Path) -> Path:
    """A backup of it."""
    take(hub, tmp_path / "backup.db", World(now_ms=lambda: NOW_MS), show_progress=False)
    return tmp_path / "backup.db"


def put_back(file: Path, data: Path, *, move_aside: bool = False) -> Restored:
    """Restore."""
    return restore(file, data, WORLD, move_aside=move_aside, show=False)


def witness_of(data: Path) -> Witness:
    """What a hub that serves would write beside its database."""

    async def read(store: SqliteHubStore) -> Witness:
        history = await store.history()
        departures = await store.departures()
        return Witness(history.chain, history.head, tuple(departures.values()))

    witness = within(data, read)
    write_witness(Folder(data), witness)
    return witness


def revoked(shop: Shop) -> KnownDeparture:
    """The hub's word that the shop's node is out."""
    record = sign(Departure(CHAIN, shop.node, Reason.REVOKED, NOW_MS), KEY_OF_THE_HUB)
    return KnownDeparture(shop.node, Reason.REVOKED, record)


def test_a_restored_hub_is_the_same_hub_in_a_new_epoch(file: Path, tmp_path: Path) -> None:
    data = tmp_path / "machine" / "hub"
    data.parent.mkdir()
    done = put_back(file, data)
    assert (done.taken_at_ms, done.operations, done.nodes) == (NOW_MS, 3, 1)
    assert (done.moved_aside, done.has_new_token) == (None, True)
    assert verify.verify(data / DATABASE, show_progress=False).problems == ()
    again = HubFolder(data)
    assert again.signing_key() == KEY_OF_THE_HUB
    assert read_mark(again.database) is None
    assert bytes(KEY_OF_THE_HUB) not in again.database.read_bytes()
    history = within(data, SqliteHubStore.history)
    assert history.chain == CHAIN
    assert history.epoch != EPOCH
    assert {each.stat().st_mode & 0o777 for each in data.iterdir()} == {0o600}


def test_the_shop_goes_on_where_the_backup_stands(file: Path, tmp_path: Path, shop: Shop) -> None:
    put_back(file, tmp_path / "new")
    sell(tmp_path / "new", shop)
    assert verify.verify(tmp_path / "new" / DATABASE, show_progress=False).problems == ()


def test_a_folder_with_a_hub_is_left_alone(file: Path, hub: HubFolder) -> None:
    before = hub.database.read_bytes()
    with pytest.raises(FolderTaken, match="--move-aside"):
        put_back(file, hub.folder.path)
    assert hub.database.read_bytes() == before


def test_what_was_there_is_moved_aside_and_never_deleted(
    file: Path, hub: HubFolder, shop: Shop
) -> None:
    data = hub.folder.path
    sell(data, shop, 2)
    before, token = hub.database.read_bytes(), (data / "operator.token").read_bytes()
    done = put_back(file, data, move_aside=True)
    assert done.moved_aside is not None
    assert done.moved_aside.read_bytes() == before
    assert (data / "operator.token").read_bytes() == token
    assert within(data, lambda store: store.standing(shop.replica, [])).acked == 3


def test_an_older_backup_is_found_out_before_the_newer_database_is_moved(
    file: Path, hub: HubFolder, shop: Shop
) -> None:
    sell(hub.folder.path, shop, 4)
    with pytest.raises(FolderTaken, match=f"with 4 operations that {file} does not hold"):
        put_back(file, hub.folder.path)


def test_what_an_older_backup_lacks_is_told_and_who_will_not_send_it_again(
    file: Path, hub: HubFolder, tmp_path: Path, shop: Shop
) -> None:
    """Nodes that work send again what is missing; one that left is let in no more, and a later backup is named."""
    data, gone = hub.folder.path, Shop("S02")
    sell(data, shop, 4)
    sell(data, gone, 2)
    later = take(hub, tmp_path / "later.db", WORLD, show_progress=False)
    within(data, partial(SqliteHubStore.record_backup, backup=later))
    sell(data, gone, 1)
    within(data, lambda store: store.keep_departures([revoked(gone)], NOW_MS))
    witness_of(data)
    lacks = put_back(file, data, move_aside=True).lacks
    assert lacks == Shortfall(7, 0, (gone.name,), str(tmp_path / "later.db"))


def test_a_backup_of_all_there_is_lacks_nothing(file: Path, hub: HubFolder) -> None:
    witness_of(hub.folder.path)
    assert put_back(file, hub.folder.path, move_aside=True).lacks == Shortfall()


@pytest.mark.parametrize("damage", ["gone", "no database", "cut short"])
def test_the_witness_speaks_for_a_database_that_cannot(
    file: Path, hub: HubFolder, shop: Shop, damage: str
) -> None:
    data = hub.folder.path
    for _ in range(3):
        sell(data, shop)
    witness_of(data)
    match damage:
        case "gone":
            hub.database.unlink()
        case "no database":
            hub.database.write_bytes(b"years of work")
        case _:
            hub.database.write_bytes(hub.database.read_bytes()[:5_000])
    assert put_back(file, data, move_aside=True).lacks == Shortfall(row_changes=3)


def test_a_folder_with_other_things_is_left_alone(file: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"miaow")
    with pytest.raises(FolderTaken):
        put_back(file, tmp_path / "photos")
    assert [each.name for each in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


def test_the_folder_of_a_hub_that_crashed_and_lost_its_database_takes_a_backup(
    file: Path, hub: HubFolder
) -> None:
    data = hub.folder.path
    hub.database.unlink()
    for name in ("daemon.json", "running", "verifier.lock", "verified.json", "lock"):
        (data / name).touch(mode=0o600)
    assert put_back(file, data).operations == 3


def test_what_was_restored_is_not_taken_for_put_back_by_hand(file: Path, hub: HubFolder) -> None:
    """Neither epoch nor codes made since would last: the witness was of the database that was moved aside."""
    data = hub.folder.path
    sell(data, Shop("S02"))
    within(data, lambda store: store.keep_departures([revoked(Shop("S03"))], NOW_MS))
    before = witness_of(data)
    put_back(file, data, move_aside=True)
    witness = read_witness(Folder(data))
    assert begin_again_if_put_back(Folder(data), witness, WORLD) is None
    assert (witness.head != before.head, witness.departures) == (True, before.departures)


def test_a_backup_of_another_hub_is_refused(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    folder = Folder(other)
    folder.write_private("hub.key", bytes(64).replace(b"\0", b"1"))
    with pytest.raises(NoHub, match="another hub"):
        put_back(file, other)
    assert {each.name for each in other.iterdir()} == {"hub.key", "lock"}


def test_a_damaged_backup_is_refused_before_anything_is_made(file: Path, tmp_path: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2 :] = b"\xa5" * (len(content) - len(content) // 2)
    file.write_bytes(content)
    with pytest.raises(StoreUnavailable):
        put_back(file, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_database_that_is_no_backup_is_refused(hub: HubFolder, tmp_path: Path) -> None:
    with pytest.raises(NoHub, match="no backup"):
        put_back(hub.database, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_interrupted_restore_can_be_run_again(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "new"
    rename = Path.rename

    def stopped(self: Path, target: Path) -> Path:
        if target == data / DATABASE:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", stopped)
        with pytest.raises(KeyboardInterrupt):
            put_back(file, data)
    assert not (data / DATABASE).exists()
    assert put_back(file, data).operations == 3


@pytest.mark.parametrize("told_by", ["witness", "database moved aside"])
def test_who_was_revoked_since_stays_out_of_the_same_folder(
    file: Path, hub: HubFolder, shop: Shop, told_by: str
) -> None:
    data = hub.folder.path
    within(data, lambda store: store.keep_departures([revoked(shop)], NOW_MS))
    if told_by == "witness":
        witness_of(data)
        hub.database.unlink()
    put_back(file, data, move_aside=True)
    with pytest.raises(Refused) as refused:
        within(data, shop.opens)
    assert refused.value.code is Code.REVOKED


def test_a_backup_put_in_place_by_hand_is_found_out(file: Path, tmp_path: Path) -> None:
    data = tmp_path / "by hand"
    data.mkdir(mode=0o700)
    shutil.copy(file, data / DATABASE)
    why = begin_again_if_put_back(Folder(data), Witness(), WORLD)
    assert why == "a backup was put in its place"
    assert HubFolder(data).signing_key() == KEY_OF_THE_HUB
    assert len(HubFolder(data).token_digest()) == 32, "a new one: none is in a backup"
    assert within(data, SqliteHubStore.history).epoch != EPOCH
    assert begin_again_if_put_back(Folder(data), witness_of(data), WORLD) is None


@pytest.mark.parametrize("sold_since", [0, 2, 7])
def test_an_older_database_put_in_place_is_found_out_by_the_witness(
    hub: HubFolder, tmp_path: Path, shop: Shop, sold_since: int
) -> None:
    """However much was sold into the older one before anybody looked."""
    data = hub.folder.path
    shutil.copy(hub.database, tmp_path / "older.db")
    other = Shop("S02")
    sell(data, shop, 4)
    within(data, lambda store: store.keep_departures([revoked(Shop("S03"))], NOW_MS))
    witness = witness_of(data)
    shutil.copy(tmp_path / "older.db", hub.database)
    if sold_since:
        sell(data, other, sold_since)
    why = begin_again_if_put_back(Folder(data), read_witness(Folder(data)), WORLD)
    assert why == "it does not hold what this hub has committed before"
    assert within(data, SqliteHubStore.history).epoch != EPOCH
    kept = within(data, SqliteHubStore.departures)
    assert tuple(kept.values()) == witness.departures


def test_the_database_that_was_here_is_no_rollback(hub: HubFolder, shop: Shop) -> None:
    data = hub.folder.path
    witness = witness_of(data)
    sell(data, shop, 2)
    assert begin_again_if_put_back(Folder(data), witness, WORLD) is None
    assert begin_again_if_put_back(Folder(data), Witness(), WORLD) is None
    assert within(data, SqliteHubStore.history).epoch == EPOCH


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"chain": "zz"}'])
def test_a_witness_that_cannot_be_read_witnesses_nothing(tmp_path: Path, content: bytes) -> None:
    folder = Folder(tmp_path / "hub")
    assert read_witness(folder) == Witness()
    folder.write_private("hub.witness", content)
    assert read_witness(folder) == Witness()


def test_what_is_stable_after_a_restore_is_in_a_backup_older_than_it(
    file: Path, hub: HubFolder, tmp_path: Path, shop: Shop
) -> None:
    data = hub.folder.path
    for name in ("second.db", "third.db"):
        sell(data, shop)
        taken = take(hub, tmp_path / name, WORLD, show_progress=False)
        within(data, partial(SqliteHubStore.record_backup, backup=taken))
    assert within(data, SqliteHubStore.stable) == {shop.replica: 4}
    put_back(tmp_path / "third.db", tmp_path / "new")
    assert within(tmp_path / "new", SqliteHubStore.stable) == {}
