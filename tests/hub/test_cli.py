"""The command `everstock-hub` in processes of its own, with a daemon and without one."""

import asyncio
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import aiohttp
import pytest

from hub.store.sqlite.store import SqliteHubStore
from protocol.enrolment import code_from_text
from protocol.session.node_actions import StoreCaughtUp
from runtime.version import VERSION
from tests.hub.command import EVERY_COMMAND, PATIENCE_S, daemon, environment, hub
from tests.hub.peer import Peer
from tests.store.shop import CHAIN, EPOCH, HUB_KEY, Shop


def test_init_prints_the_offices_code_alone(founded: tuple[Path, str]) -> None:
    data, printed = founded
    code_from_text(printed.strip())
    assert printed.count("\n") == 1
    assert {file.name for file in data.iterdir()} == {"hub.db", "hub.key", "lock", "operator.token"}
    assert data.stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o077 == 0 for file in data.iterdir())


def test_init_refuses_a_folder_that_holds_a_hub(data: Path) -> None:
    before = (data / "hub.key").read_bytes()
    done = hub("init", "--data", data)
    assert (done.returncode, done.stdout) == (2, "")
    assert (data / "hub.key").read_bytes() == before


def test_an_interrupted_init_can_be_run_again(data: Path) -> None:
    (data / "hub.db").rename(data / "hub.db.unfinished")
    done = hub("init", "--data", data)
    assert done.returncode == 0, done.stderr
    assert not (data / "hub.db.unfinished").exists()


def test_codes_are_made_with_the_daemon_and_without_it(data: Path) -> None:
    alone = hub("enrol", "--data", data, "--name", "S01", "--writes", "S01", "--writes", "S02")
    code_from_text(alone.stdout.strip())
    assert alone.stdout.count("\n") == 1
    with daemon(data):
        beside = hub("enrol", "--data", data, "--name", "S03", "--writes", "S03,S04")
        code_from_text(beside.stdout.strip())
        listed = hub("nodes", "--data", data, "--json")
        assert json.loads(listed.stdout) == {"items": []}
        token = (data / "operator.token").read_text().strip()
    assert token.startswith("operator_")


@pytest.mark.parametrize("beside", [True, False])
def test_a_refusal_is_a_sentence_with_and_without_a_daemon(data: Path, beside: bool) -> None:
    def attempt() -> subprocess.CompletedProcess[str]:
        return hub("access", "S09", "--data", data, "--reads", "*")

    if beside:
        with daemon(data):
            done = attempt()
    else:
        done = attempt()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.lower() == "everstock-hub: no node is called s09.\n"


def test_the_daemon_says_where_it_is_and_answers_the_operator(data: Path) -> None:
    with daemon(data) as url:
        token = (data / "operator.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"{url}/v1/status", headers=headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            status = json.load(answer)
        assert (status["hub_seq"], status["nodes"], status["codes_open"]) == (0, [], 1)
        second = hub("serve", "--data", data, "--listen", "127.0.0.1:0")
        assert second.returncode == 74
        assert "another process is using" in second.stderr


def test_backup_and_verify_work_beside_a_daemon(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    with daemon(data):
        assert hub("backup", "--data", data, target).returncode == 0
        verified = hub("verify", "--data", data, "--json")
    assert target.stat().st_mode & 0o777 == 0o600
    assert json.loads(verified.stdout) == {"ok": True, "problems": [], "operations": 0, "rows": 0}
    again = hub("backup", "--data", data, target)
    assert again.returncode == 74
    assert "exists" in again.stderr


def test_verify_without_a_daemon_says_that_all_is_sound(data: Path) -> None:
    done = hub("verify", "--data", data)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "Everything adds up: 0 operations, 0 rows.\n"


def test_verify_ends_with_1_when_something_is_wrong(data: Path) -> None:
    content = bytearray((data / "hub.db").read_bytes())
    content[4096 * 3 : 4096 * 5] = b"\xa5" * 8192
    (data / "hub.db").write_bytes(content)
    done = hub("verify", "--data", data)
    assert done.returncode == 1
    assert done.stdout.startswith("the database file:")
    assert done.stderr == "Something is wrong.\n"


def test_an_empty_quarantine_prints_nothing(data: Path) -> None:
    done = hub("quarantine", "--data", data, "--json")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nodes", "--data", "nowhere"], 78, "holds no hub"),
        (["serve", "--data", "nowhere"], 78, "holds no hub"),
        (["enrol"], 2, "Missing option"),
        (["unheard-of"], 2, "No such command"),
    ],
)
def test_what_cannot_be_done_has_its_exit_code(arguments: list[str], code: int, words: str) -> None:
    done = hub(*arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--listen", "0.0.0.0:0"], "tls_certificate"),
        (["--listen", "nowhere"], "HOST:PORT"),
        (["--config", "missing.toml"], "missing.toml"),
    ],
)
def test_a_bad_setting_ends_with_78_and_one_sentence(
    data: Path, options: list[str], words: str
) -> None:
    done = hub("serve", "--data", data, *options)
    assert (done.returncode, done.stderr.count("\n")) == (78, 1)
    assert words in done.stderr


def test_a_missing_key_is_not_made_anew(data: Path) -> None:
    (data / "hub.key").unlink()
    done = hub("serve", "--data", data, "--listen", "127.0.0.1:0")
    assert done.returncode == 78
    assert "bring it back from a backup" in done.stderr


@pytest.mark.parametrize("expires", ["0h", "24", "soon", "1000d"])
def test_a_code_that_never_or_always_works_is_refused(data: Path, expires: str) -> None:
    done = hub("enrol", "--data", data, "--name", "S01", "--writes", "S01", "--expires", expires)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["access", "S01", "--writes", ""], "a shop's node writes at least one location"),
        (["access", "S01"], "say --writes or --reads"),
        (["access", "S01", "--writes", "*"], "a node writes named locations"),
        (["enrol", "--name", "S02", "--writes", "*"], "a node writes named locations"),
        (["enrol", "--name", "S02", "--writes", "S02,*"], "a node writes named locations"),
    ],
)
async def test_rights_that_make_no_sense_are_refused(
    data: Path, arguments: list[str], words: str
) -> None:
    store = await SqliteHubStore.open(data / "hub.db")
    await Shop("S01").opens(store)
    await store.close()
    done = await asyncio.to_thread(hub, *arguments, "--data", data)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"everstock-hub: {words}.\n"


async def _with_a_shop(data: Path) -> Shop:
    """A hub of the tests' own key in `data`, with one node."""
    store = await SqliteHubStore.open(data / "known.db")
    await store.found(CHAIN, EPOCH)
    shop = Shop("S01")
    await shop.opens(store)
    await store.close()
    (data / "known.db").replace(data / "hub.db")
    (data / "hub.key").write_bytes(bytes(HUB_KEY).hex().encode())
    return shop


async def test_nodes_without_a_daemon_do_not_know_the_lag(data: Path) -> None:
    shop = await _with_a_shop(data)
    done = await asyncio.to_thread(hub, "nodes", "--data", data, "--json")
    (node,) = json.loads(done.stdout)["items"]
    assert (node["connected"], node["lag"], node["replica"]) == (False, None, shop.replica.hex())


@pytest.mark.blocking("the daemon is started and ended by ordinary calls")
async def test_nodes_beside_a_daemon_are_as_it_sees_them(data: Path) -> None:
    shop = await _with_a_shop(data)
    with daemon(data) as url:
        async with aiohttp.ClientSession() as http, Peer(http, f"{url}/v1/session", shop) as peer:
            await peer.opens()
            await peer.hears(StoreCaughtUp)
            done = await asyncio.to_thread(hub, "nodes", "--data", data, "--json")
    (node,) = json.loads(done.stdout)["items"]
    assert (node["name"], node["connected"], node["lag"]) == ("S01", True, 0)


async def test_without_a_terminal_nodes_are_whole_lines_separated_by_tabs(data: Path) -> None:
    shop = await _with_a_shop(data)
    done = await asyncio.to_thread(hub, "nodes", "--data", data)
    heads, node = (line.split("\t") for line in done.stdout.splitlines())
    shown = dict(zip(heads, node, strict=True))
    assert (shown["name"], shown["connected"], shown["lag"]) == ("S01", "no", "-")
    assert shown["replica"] == shop.replica.hex()
    assert re.fullmatch(r"[0-9-]{10}T[0-9:]{8}Z", shown["last seen"])


async def test_a_terminal_of_80_characters_shows_a_replica_in_one_piece(data: Path) -> None:
    shop = await _with_a_shop(data)
    shown = await asyncio.to_thread(_on_a_terminal, "nodes", "--data", str(data))
    assert shop.replica.hex() in shown


def _on_a_terminal(*arguments: str) -> str:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "hub", *arguments]
    variables = environment() | {"COLUMNS": "80", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=theirs, env=variables) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal says that nobody writes any more
            while piece := os.read(ours, 4096):
                shown += piece
        os.close(ours)
        assert process.wait(PATIENCE_S) == 0
    return shown.decode()


def test_a_port_in_use_is_said_in_one_sentence(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = hub("serve", "--data", data, "--listen", address)
    assert (done.returncode, done.stdout) == (74, "")
    assert done.stderr.splitlines()[-1] == f"everstock-hub: {address} is in use."


def test_the_version_is_printed_alone() -> None:
    done = hub("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{VERSION}\n", "")


@pytest.mark.parametrize("command", ["", "init", *(command[0] for command in EVERY_COMMAND)])
def test_help_has_whole_sentences_and_no_names_of_types(command: str) -> None:
    done = hub(*command.split(), "--help")
    assert done.returncode == 0
    lines = done.stdout.splitlines()[1:]
    assert not [line for line in lines if line.endswith("...")]
    types = ("<str>", "<path>", "<list", "<bool>")
    options = [line for line in lines if line.startswith("  --")]
    assert options
    assert not [line for line in options if any(each in line for each in types)]
