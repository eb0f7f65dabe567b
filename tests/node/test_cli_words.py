"""What the command line says of folders that are no node's, of damage, and of what it cannot have."""

import contextlib
import json
import socket
import sqlite3
from pathlib import Path

import pytest

from runtime.version import SOFTWARE
from tests.node.enrolled import Shop, enrolled_folder
from tests.node.processes import call, out, run, serving


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of node S01."""
    return enrolled_folder(tmp_path / "S01")


@pytest.fixture
def data(shop: Shop) -> str:
    """Give the same as an argument."""
    return str(shop.folder.path)


def others(command: str, tmp_path: Path) -> tuple[str, ...]:
    """The arguments that a command needs beside its folder."""
    return {"token": ("--name", "till-1"), "backup": (str(tmp_path / "copy"),)}.get(command, ())


@pytest.mark.parametrize("offset", range(0, 97, 16))
def test_verify_tells_damage_of_any_kind_and_never_crashes(
    data: str, shop: Shop, offset: int
) -> None:
    content = bytearray(shop.database.read_bytes())
    for place in range(100 + offset, len(content), 97):
        content[place] ^= 0xFF
    shop.database.write_bytes(content)
    done = call("verify", "--data", data)
    assert done.returncode == 1, done
    assert done.stdout.splitlines()[0]
    shown = call("verify", "--data", data, "--json")
    assert (shown.returncode, json.loads(shown.stdout)["ok"]) == (1, False)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE identity SET certificate = x'00'",
        "UPDATE log SET body = x'c1'",
        "UPDATE counter SET location = CAST(x'ff' AS TEXT)",
        "DROP TABLE scope",
        "DROP TABLE log",
    ],
)
def test_verify_tells_what_sqlite_finds_sound_and_cannot_be_read(
    data: str, shop: Shop, damage: str
) -> None:
    with serving(shop.folder.path) as daemon:
        daemon.sell(shop.operator_token, "k")
    with contextlib.closing(sqlite3.connect(shop.database)) as db, db:
        db.execute("DROP TRIGGER log_is_never_changed")
        db.execute(damage)
    done = call("verify", "--data", data)
    assert done.returncode == 1, done
    assert done.stdout.splitlines()[0]
    assert "SELECT" not in done.stdout


@pytest.mark.parametrize("command", ["serve", "status", "verify", "token", "backup"])
def test_a_folder_that_is_not_there_is_78_and_says_what_to_do(command: str, tmp_path: Path) -> None:
    folder = tmp_path / "none"
    done = call(command, "--data", str(folder), *others(command, tmp_path))
    assert (done.returncode, done.stdout) == (78, ""), done
    assert "`everstock-node join` comes first" in done.stderr
    assert not folder.exists()


@pytest.mark.parametrize("command", ["serve", "status", "verify", "token", "backup"])
@pytest.mark.parametrize("content", [None, "notes.txt", "node.sqlite", "sqlite"])
def test_a_folder_that_is_no_node_stays_as_it_is(
    command: str, content: str | None, tmp_path: Path
) -> None:
    folder = tmp_path / "foreign"
    folder.mkdir(mode=0o700)
    if content == "sqlite":
        with contextlib.closing(sqlite3.connect(folder / "node.sqlite")) as db:
            db.execute("CREATE TABLE other (a)")
    elif content:
        (folder / content).touch()
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    done = call(command, "--data", str(folder), *others(command, tmp_path))
    assert (done.returncode, done.stdout) == (78, ""), done
    assert "has not joined" in done.stderr
    assert "no such table" not in done.stderr
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


@pytest.mark.parametrize("command", ["serve", "status", "verify", "token", "backup"])
def test_a_hubs_folder_is_called_one(command: str, tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    out("init", "--data", str(folder), module="hub")
    before = sorted(file.name for file in folder.iterdir())
    done = call(command, "--data", str(folder), *others(command, tmp_path))
    assert (done.returncode, done.stdout) == (78, ""), done
    assert "is a hub's folder" in done.stderr
    assert sorted(file.name for file in folder.iterdir()) == before


def test_an_address_in_use_is_said_in_words(data: str, shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("serve", "--data", data, "--listen", address)
    assert (done.returncode, done.stdout) == (74, "")
    assert f"everstock-node: {address} is in use.\n" in done.stderr


def test_a_backup_into_a_folder_that_is_missing_says_which(data: str, tmp_path: Path) -> None:
    target = tmp_path / "none" / "copy.sqlite"
    done = call("backup", "--data", data, str(target))
    assert done.returncode == 74
    assert done.stderr == f"everstock-node: the folder {target.parent} is missing.\n"


def test_the_version_is_on_stdout() -> None:
    done = call("--version")
    assert (done.returncode, done.stdout) == (0, f"{SOFTWARE}\n")


def test_a_second_token_says_that_the_first_one_works_still(data: str, shop: Shop) -> None:
    first = call("token", "--data", data, "--name", "till-1")
    assert first.stderr == ""
    second = call("token", "--data", data, "--name", "till-1")
    assert second.stdout.startswith("till_")
    assert "still works" in second.stderr
    assert "--revoke" in second.stderr
    with serving(shop.folder.path):
        assert "still work" in call("token", "--data", data, "--name", "till-1").stderr
