"""S40, S53, S54: what daemons leave on the disk, in the log and in the process table, whatever the umask they were started with."""

import asyncio
import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.node import Node
from runtime.errors import StoreError
from runtime.folder import Folder, FolderError
from runtime.world import World
from tests.node.enrolled import Shop, enrolled_folder
from tests.node.processes import Served, call, out, serving
from tests.security.test_tls import until_listening

HOSTILE = "x\r\nFORGED line\x1b[31m\x1b]0;title\x07\u202egnp.exe\u2028\u0000"


@dataclass(frozen=True, slots=True)
class Left:
    """What a hub and a node left behind on a day on which everything was done that writes a file."""

    folders: list[Path]
    files: list[Path]
    """Written elsewhere because somebody asked for it."""
    logs: list[Path]
    arguments: str
    limits: str
    secrets: list[str]


def said(*arguments: str) -> str:
    """What a command of a node that succeeds printed."""
    done = call(*arguments)
    assert done.returncode == 0, done
    return done.stdout.strip()


def seen(served: Served, name: str) -> str:
    """What every user of the machine sees of a process."""
    return Path(f"/proc/{served.child.pid}/{name}").read_text().replace("\0", " ")


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    """Live the day under a umask that would let everybody write."""
    at = tmp_path_factory.mktemp("day")
    before = os.umask(0)
    try:
        yield _lived(at)
    finally:
        os.umask(before)


def _lived(at: Path) -> Left:
    hub, shop = at / "hub", at / "S01"
    made = enrolled_folder(shop)
    hub_code = out("init", "--data", str(hub), module="hub")
    data = ("--data", str(shop))
    assert call("lan", "on", *data, "--listen", "127.0.0.1:0").returncode == 0
    with serving(hub, module="hub") as office, serving(shop) as daemon:
        till = said("token", *data, "--name", "till-1")
        far = said("token", *data, "--name", "till-2", "--lan")
        assert daemon.sell(till, "k")[0] == 201
        hostile = {"kind": "sale", "location": HOSTILE, "lines": []}
        assert daemon.ask("POST", "/v1/movements", till, hostile, Idempotency_Key="k2")[0] == 422
        daemon.ask(
            "GET", "/v1/stock", till, User_Agent="x\x1b[31m\u202e".encode().decode("latin-1")
        )
        said("backup", *data, str(at / "node-copy"))
        said("export", "stock", *data, "--output", str(at / "stock.csv"))
        out("backup", "--data", str(hub), str(at / "hub-copy"), module="hub")
        until_listening(shop)
        arguments = seen(daemon, "cmdline") + seen(office, "cmdline")
        limits = seen(daemon, "limits") + seen(office, "limits")
    secrets = [hub_code, till, far, made.operator_token, (shop / "node.key").read_text().strip()]
    secrets += [(hub / name).read_text().strip() for name in ("hub.key", "operator.token")]
    return Left(
        [hub, shop],
        [at / "node-copy", at / "hub-copy", at / "stock.csv"],
        [at / "hub.log", at / "S01.log"],
        arguments,
        limits,
        secrets,
    )


def test_s53_nothing_in_a_folder_is_anybody_elses_to_read(left: Left) -> None:
    found = [each for folder in left.folders for each in (folder, *folder.rglob("*"))]
    names = {each.name for each in found}
    assert {"node.sqlite", "node.key", "operator.token", "hub.db", "hub.key", "lock"} <= names
    assert {"ca.key", "ca.pem", "server.pem", "lan.json"} <= names
    for each in found:
        mode = stat.S_IMODE(each.lstat().st_mode)
        assert mode == (0o700 if each.is_dir() else 0o600), (each, oct(mode))
        assert not each.is_symlink()


def test_s53_nor_is_what_was_written_elsewhere(left: Left) -> None:
    for each in left.files:
        assert stat.S_IMODE(each.stat().st_mode) == 0o600, each


def test_s54_no_secret_is_seen_in_the_process_table_or_the_log(left: Left) -> None:
    assert all(len(secret) > 15 for secret in left.secrets)
    told = left.arguments + "".join(log.read_text() for log in left.logs)
    assert [secret for secret in left.secrets if secret in told] == []


def test_s54_a_daemon_that_crashes_dumps_no_core(left: Left) -> None:
    lines = [line for line in left.limits.splitlines() if line.startswith("Max core file size")]
    assert [line.split()[4] for line in lines] == ["0", "0"]


def test_s40_whatever_was_sent_a_log_is_lines_of_printable_ascii(left: Left) -> None:
    for log in left.logs:
        content = log.read_bytes()
        assert content
        assert all(byte == 0x0A or 0x20 <= byte < 0x7F for byte in content), log
        assert all("event" in json.loads(line) for line in content.splitlines())


def linked(shop: Shop, name: str, elsewhere: Path) -> bytes:
    """Put a link in the place of a file; answers what is there now."""
    real = shop.folder.path / name
    shutil.move(real, elsewhere)
    real.symlink_to(elsewhere)
    return elsewhere.read_bytes()


@pytest.mark.parametrize("name", ["node.sqlite", "node.key"])
async def test_s53_a_link_in_the_place_of_a_file_of_ours_is_not_followed(
    name: str, tmp_path: Path
) -> None:
    shop = await asyncio.to_thread(enrolled_folder, tmp_path / "S01")
    elsewhere = tmp_path / "elsewhere"
    before = await asyncio.to_thread(linked, shop, name, elsewhere)
    with pytest.raises((StoreError, FolderError, OSError)):
        await Node.open(shop.folder, World())
    assert await asyncio.to_thread(elsewhere.read_bytes) == before


def test_s53_a_link_in_the_place_of_the_lock_or_a_token_is_not_followed(tmp_path: Path) -> None:
    shop = enrolled_folder(tmp_path / "S01")
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (shop.folder.path / "lock").symlink_to(victim)
    with pytest.raises(OSError, match=r"symbolic link|Too many levels"), shop.folder.lock():
        pass
    linked(shop, "operator.token", tmp_path / "token")
    with pytest.raises(OSError, match=r"symbolic link|Too many levels"):
        shop.folder.read("operator.token")
    assert victim.read_text() == "untouched"


def test_s53_a_folder_that_others_may_write_in_is_refused(tmp_path: Path) -> None:
    shop = enrolled_folder(tmp_path / "S01")
    for path in (shop.folder.path, shop.folder.path / "lan"):
        path.mkdir(exist_ok=True)
        (path / "something").touch()  # an empty one is closed to others and used
        path.chmod(0o777)
        with pytest.raises(FolderError, match="others may write"):
            Folder(path)
        path.chmod(0o700)
