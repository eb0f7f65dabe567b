"""S55 on another machine: an exported range of a node's log proves itself by its signatures alone, or names what is wrong.

S45 beside it: a node that rewrites what the hub has is not believed.
"""

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nacl.encoding import HexEncoder
from nacl.signing import SigningKey

from hub.store.interface import HubStore, SteppedBack
from hub.store.sqlite.store import SqliteHubStore
from node.commands.movements import Here
from node.commands.noting import Who, note
from node.joining import KEY_NAME
from node.replica import DATABASE_NAME, checkpoints, log
from protocol.certificate import issue
from protocol.chain import CHAIN_START, extend
from protocol.checkpoint import Checkpoint, Head, Signer, sign_checkpoint, sign_head
from protocol.errors import Code
from protocol.frames.log import Item
from protocol.ids import ChainHash, Epoch, Seq
from protocol.notes import Action, Entity, Note
from runtime.connection import connect_writer
from runtime.folder import Folder
from tests.node.chain import CHAIN, HUB_KEY, ME, NODE_KEY, certificate_of
from tests.node.processes import call
from tests.node.replica.conftest import joined
from tests.store.shop import CHAIN as HUB_CHAIN
from tests.store.shop import EPOCH, Shop

CERTIFICATE = certificate_of(writes=("S01",))
HERE = Here(CHAIN, ME, CERTIFICATE, None, 1_700_000_000_000)
MINUTE_MS = 60_000
STRANGER = SigningKey(b"s" * 32)
LATER = ("--from", "2023-11-14T22:15:20Z", "--to", "2023-11-14T22:20:20Z")
"""From the third minute on, without the eighth."""


def checkpoint(root: bytes) -> tuple[Checkpoint, bytes]:
    """What the hub signed about its history."""
    start = ChainHash(bytes(32))
    told = Checkpoint(CHAIN, Epoch(b"e" * 16), 1, 5, root, 0, start, bytes(32), 1_000)
    return told, sign_checkpoint(told, HUB_KEY)


def folder_of(path: Path, *, root: bytes = b"r" * 32) -> Path:
    """The folder of a node that noted ten things, a minute apart; the hub gave receipts for the fourth and the ninth."""
    folder = Folder(path)
    folder.write_private(KEY_NAME, NODE_KEY.encode(HexEncoder) + b"\n")
    with contextlib.closing(connect_writer(path / DATABASE_NAME)) as db:
        joined(db)
        for at in range(10):
            here = replace(HERE, now_ms=HERE.now_ms + at * MINUTE_MS)
            told = Note(Action.DETAIL_OPENED, Entity("movements", f"m{at}"), {"why": "recall"})
            note(db, here, Who("ada", "till-1"), told)
        for seq in (4, 9):
            hash_ = log.chain_at(db, Seq(seq))
            assert hash_ is not None
            head = Head(CHAIN, CERTIFICATE.node, ME, Seq(seq), hash_, 1_000)
            checkpoints.keep_head(db, Signer.HUB, head, sign_head(head, HUB_KEY, Signer.HUB))
        told_of, record = checkpoint(root)
        db.execute(
            "INSERT INTO hub_checkpoint (epoch, number, record) VALUES (?, ?, ?)",
            (told_of.epoch, told_of.number, record),
        )
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of operations three to seven."""
    path = tmp_path_factory.mktemp("export")
    file = path / "audit.jsonl"
    done = call(
        "export", "audit", "--data", str(folder_of(path / "S01")), *LATER, "--output", str(file)
    )
    assert done.returncode == 0, done.stderr
    assert "Operations 3 to 7" in done.stderr
    return file


def verified(file: Path, *more: str) -> dict[str, Any]:
    """What `verify --export` finds."""
    done = call("verify", "--export", str(file), "--json", *more)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if found["ok"] else 1)
    return found


def test_a_range_proves_itself_where_nobody_knows_the_node(exported: Path) -> None:
    found = verified(exported)
    assert (found["ok"], found["node"], found["first"], found["last"]) == (True, "S01", 3, 7)
    assert found["witnessed"] == 4
    assert found["hub_public_key"] == bytes(HUB_KEY.verify_key).hex()
    assert found["is_known"] is False
    assert [row["entity_id"] for row in found["items"]] == ["m2", "m3", "m4", "m5", "m6"]
    assert {row["action"] for row in found["items"]} == {"note.detail_opened"}
    words = call("verify", "--export", str(exported)).stdout
    assert "Operations 3 to 7 are what S01 recorded and signed." in words
    assert "receipt covers them up to 4" in words
    assert bytes(HUB_KEY.verify_key).hex() in words


def test_a_node_of_the_chain_says_that_it_is_of_its_hub(exported: Path, tmp_path: Path) -> None:
    other = folder_of(tmp_path / "S02")
    assert verified(exported, "--data", str(other))["is_known"] is True


def test_two_nodes_that_were_told_different_histories_find_out(
    exported: Path, tmp_path: Path
) -> None:
    """S56: what the hub signed for one comes to the other inside the file."""
    other = folder_of(tmp_path / "S02", root=b"q" * 32)
    found = verified(exported, "--data", str(other))
    assert found["ok"] is False
    assert "different histories" in found["problems"][0]


Lines = list[dict[str, Any]]


def _change(lines: Lines) -> None:
    body = bytes.fromhex(lines[2]["body"]).replace(b"recall", b"forget")
    lines[2]["body"] = body.hex()


def _rechain(lines: Lines) -> None:
    held = ChainHash(bytes.fromhex(lines[0]["before"]))
    for line in lines[1:-1]:
        held = extend(held, bytes.fromhex(line["body"]))
        line["hash"] = held.hex()


def _change_well(lines: Lines) -> None:
    _change(lines)
    _rechain(lines)


def _change_after_the_receipt(lines: Lines) -> None:
    lines[4]["body"] = bytes.fromhex(lines[4]["body"]).replace(b"recall", b"forget").hex()
    _rechain(lines)


def _remove(lines: Lines) -> None:
    del lines[3]


def _remove_well(lines: Lines) -> None:
    del lines[3]
    for seq, line in enumerate(lines[1:-1], start=3):
        line["seq"] = seq
    _rechain(lines)


def _swap(lines: Lines) -> None:
    lines[3]["body"], lines[4]["body"] = lines[4]["body"], lines[3]["body"]


def _truncate(lines: Lines) -> None:
    del lines[-2]


def _begin_later(lines: Lines) -> None:
    lines[0]["before"] = lines[1]["hash"]
    lines[0]["first"] = 4
    del lines[1]
    lines[-1]["receipt"] = None


def _sign_by_another(lines: Lines) -> None:
    _change_well(lines)
    last = Seq(lines[-2]["seq"])
    hash_ = ChainHash(bytes.fromhex(lines[-2]["hash"]))
    head = Head(CHAIN, CERTIFICATE.node, ME, last, hash_, 1_000)
    lines[-1]["head"] = sign_head(head, STRANGER, Signer.NODE).hex()


def _sign_by_the_node(lines: Lines) -> None:
    """The node's own key rewrites what the hub has given a receipt for."""
    _change_well(lines)
    last = Seq(lines[-2]["seq"])
    hash_ = ChainHash(bytes.fromhex(lines[-2]["hash"]))
    head = Head(CHAIN, CERTIFICATE.node, ME, last, hash_, 1_000)
    lines[-1]["head"] = sign_head(head, NODE_KEY, Signer.NODE).hex()


def _certify_by_another(lines: Lines) -> None:
    lines[0]["certificate"] = issue(CERTIFICATE, STRANGER).hex()


def _of_another_log(lines: Lines) -> None:
    lines[0]["replica"] = (b"x" * 16).hex()


WRONG: dict[str, tuple[Callable[[Lines], None], str]] = {
    "change": (_change, "operation 4: the hash chain breaks here"),
    "change, hashes made again": (_change_well, "operation 7: the node signed another log"),
    "change after the receipt": (_change_after_the_receipt, "operation 7: the node signed"),
    "remove": (_remove, "operation 5: is missing"),
    "remove, hashes made again": (_remove_well, "operation 6: the node signed another log"),
    "swap": (_swap, "operation 5: the hash chain breaks here"),
    "truncate": (_truncate, "operation 6: the node signed another log up to 7"),
    "signed by a stranger": (_sign_by_another, "what was signed"),
    "rewritten by the node itself": (_sign_by_the_node, "operation 4: the hub signed another log"),
    "certified by a stranger": (_certify_by_another, "the certificate"),
    "another log": (_of_another_log, "about another log"),
}


@pytest.mark.parametrize(("tamper", "told"), WRONG.values(), ids=WRONG)
def test_a_file_that_was_tampered_with_is_found_and_the_place_named(
    exported: Path, tmp_path: Path, tamper: Callable[[Lines], None], told: str
) -> None:
    lines = [json.loads(line) for line in exported.read_text().splitlines()]
    tamper(lines)
    file = tmp_path / "tampered.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = verified(file)
    assert found["ok"] is False
    assert told in found["problems"][0]


def test_a_shorter_piece_of_a_file_proves_what_it_holds(exported: Path, tmp_path: Path) -> None:
    """That nothing stood before it is not proved, and not said."""
    lines = [json.loads(line) for line in exported.read_text().splitlines()]
    _begin_later(lines)
    file = tmp_path / "shorter.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert (verified(file)["first"], verified(file)["witnessed"]) == (4, None)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}\n", "no json\n", "{}", '{"everstock_audit": 2}\n', "[" * 60_000 + "\n"),
        *('{"head": 5, "receipt": null, "checkpoint": null}\n', '{"head": null}\n'),
        '{"head": "", "receipt": {}, "checkpoint": []}\n',
    ],
)
def test_what_is_no_such_file_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.jsonl"
    file.write_text(text)
    assert verified(file)["ok"] is False


def test_nothing_is_exported_of_a_time_in_which_nothing_was_recorded(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    folder = str(folder_of(tmp_path / "S01"))
    done = call(
        "export", "audit", "--data", folder, "--from", "2030-01-01T00:00:00Z", "--output", str(file)
    )
    assert done.returncode == 2
    assert not file.exists()


# --- S45 ----------------------------------------------------------------------------------------------------------


async def test_s45_a_node_that_rewrites_its_own_operation_is_a_fork_and_nothing_of_it_is_taken(
    tmp_path: Path,
) -> None:
    store = await SqliteHubStore.open(tmp_path / "hub.db")
    await store.found(HUB_CHAIN, EPOCH)
    shop = Shop("S01")
    await shop.opens(store)
    for at in range(4):
        shop.sells("sku", 1, key=at)
    await shop.pushes(store)
    before = await state_of(store)
    shop.log[1] = Item(shop.log[1].body.replace(b"till-1", b"till-9"), None)
    shop.sells("sku", 100, key="on top of another past")
    outcome = await store.commit(shop.push())
    assert isinstance(outcome, SteppedBack)
    assert (outcome.code, outcome.acked) == (Code.FORK, 4)
    assert await state_of(store) == before
    kept, seq = (await store.log_end(shop.replica))[::-1]
    assert seq == 4
    assert kept != CHAIN_START
    await store.close()


async def state_of(store: HubStore) -> object:
    """How much there is, and of what the rows consist."""
    return (await store.history()).head, (await store.counts(0)).ledger
