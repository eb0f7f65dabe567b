"""The chain's recovery key and sealed records at the hub: made once, kept nowhere, opened elsewhere."""

from pathlib import Path

import pytest

from hub.fleet import Fleet
from hub.store.interface import Refused
from protocol.certificate import verify
from protocol.frames.keys import AskKeys, KeepKeys, Keys, KeysKept
from protocol.ids import Location, OpId
from protocol.sealed_keys import RecordKey, Wrap, destroyed
from protocol.sealing import KEY_ID_BYTES, WRAPPED_BYTES, recovery_from_text, recovery_pair
from protocol.session.node_actions import StoreCertificate
from tests.hub.command import daemon, hub
from tests.hub.conftest import Running
from tests.hub.test_questions import answer_to
from tests.store.shop import Shop

S01, S02 = Location("S01"), Location("S02")
KEY = RecordKey(
    OpId(b"\x5a" * 16), b"x" * 16, 1, (Wrap(b"i" * KEY_ID_BYTES, b"w" * WRAPPED_BYTES),)
)
PUBLIC, OTHER = (recovery_pair(bytes([n]) * 32).public for n in (1, 2))


def test_init_tells_the_recovery_key_once_and_keeps_it_nowhere(tmp_path: Path) -> None:
    data, file = tmp_path / "hub", tmp_path / "key.txt"
    done = hub("init", "--data", data, "--recovery-key-file", file)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text().strip()
    recovery_from_text(text)
    assert text not in done.stdout + done.stderr
    assert not [each for each in data.iterdir() if text.encode() in each.read_bytes()]
    again = hub("init", "--data", tmp_path / "another", "--recovery-key-file", file)
    assert (again.returncode, again.stdout) == (74, "")
    assert file.read_text().strip() == text
    assert not (tmp_path / "another").exists()


def test_init_without_a_file_says_it_in_words_beside_the_code(tmp_path: Path) -> None:
    done = hub("init", "--data", tmp_path / "hub")
    said = next(word for word in done.stderr.split() if word.startswith("RECOVERY-"))
    recovery_from_text(said)
    assert "RECOVERY" not in done.stdout


@pytest.mark.parametrize("beside", [True, False])
def test_another_recovery_key_is_made_only_when_it_is_meant(data: Path, beside: bool) -> None:
    def attempts() -> None:
        refused = hub("recovery-key", "--data", data)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "--replace" in refused.stderr
        made = hub("recovery-key", "--data", data, "--replace")
        assert made.returncode == 0, made.stderr
        recovery_from_text(made.stdout)

    if beside:
        with daemon(data):
            attempts()
    else:
        attempts()


async def test_every_nodes_certificate_names_the_recovery_key_from_then_on(
    running: Running,
) -> None:
    shop = await running.enrol(Shop("S01"))
    async with running.peer(shop) as peer:
        await peer.opens()
        answer = await running.post("/v1/operator/recovery-key", {"public": PUBLIC.hex()})
        assert answer.status == 200
        granted = await peer.hears(StoreCertificate)
        assert isinstance(granted, StoreCertificate)
        assert verify(granted.certificate, peer.hub_key).recovery == PUBLIC
    again = await running.post("/v1/operator/recovery-key", {"public": OTHER.hex()})
    assert again.status == 422
    await running.post("/v1/operator/access", {"name": "S01", "reads": ["S01"]})
    record = await running.hub.store.node(shop.node)
    assert record is not None
    assert verify(record.certificate, running.hub.identity.public_key).recovery == PUBLIC


async def test_a_point_that_is_no_key_is_refused(running: Running) -> None:
    answer = await running.post("/v1/operator/recovery-key", {"public": "00" * 32})
    assert answer.status == 422
    for public in ("zz" * 32, "00" * 31, PUBLIC.hex().upper()):
        answer = await running.post("/v1/operator/recovery-key", {"public": public})
        assert answer.status == 422


async def test_keys_are_kept_and_told_where_a_node_writes_and_nowhere_else(
    running: Running,
) -> None:
    shop, other = await running.enrol(Shop("S01")), await running.enrol(Shop("S02"))
    async with running.peer(shop) as peer:
        await peer.opens()
        assert await answer_to(peer, KeepKeys(b"word", S01, (KEY,))) == KeysKept(S01, 1)
        assert await answer_to(peer, KeepKeys(b"", S02, (KEY,))) == KeysKept(S02, 1)
        told = await answer_to(peer, AskKeys(S01, 0))
        assert isinstance(told, Keys)
        assert told.keys == (KEY,)
        assert [word for _, word in told.sealers] == [b"word"]
    async with running.peer(other) as peer:
        await peer.opens()
        told = await answer_to(peer, AskKeys(S01, 0))
        assert isinstance(told, Keys)
        assert (told.keys, told.more, told.upto) == ((), False, 0)
        assert [word for _, word in told.sealers] == [b"word"], "whom to write to is no secret"
        nothing = await answer_to(peer, AskKeys(S02, 0))
        assert nothing == Keys(S02, 0, False, (), ()), "a foreign node put a key there"
        gone = KeepKeys(b"", S01, (destroyed(KEY.op_id),))
        assert await answer_to(peer, gone) == KeysKept(S01, 1)
    assert (await running.hub.store.keys(S01, 0)).keys == (KEY,), "nor did it destroy one"


async def test_a_recovery_key_is_taken_by_the_fleet_once(running: Running) -> None:
    fleet = Fleet(running.hub.store, running.hub.identity, running.hub.world)
    assert await fleet.take_recovery_key(PUBLIC, replaces=False) == []
    with pytest.raises(Refused):
        await fleet.take_recovery_key(OTHER, replaces=False)
    await fleet.take_recovery_key(OTHER, replaces=True)
    assert (await running.hub.store.history()).recovery == OTHER


def test_an_export_that_is_none_is_refused_in_a_sentence(tmp_path: Path) -> None:
    key = tmp_path / "key.txt"
    hub("init", "--data", tmp_path / "hub", "--recovery-key-file", key)
    for content in (b"{}", b"not json", b'{"chain": "00"}', b"[" * 60_000, b"\xff\xfe{}"):
        export = tmp_path / "export.jsonl"
        export.write_bytes(content)
        done = hub("open-sealed", "--recovery-key-file", key, export)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert "no export" in done.stderr
    export.write_text("")
    wrong = hub("open-sealed", "--recovery-key-file", export, export)
    assert (wrong.returncode, wrong.stdout) == (2, "")
