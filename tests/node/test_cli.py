"""The command line, as real processes: what is on stdout, what the exit code is, with a daemon and without one."""

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from protocol.enrolment import EnrolmentCode, code_to_text
from tests.node.enrolled import Shop, enrolled_folder
from tests.node.processes import CHECKOUT, SALE, TLS, Served, call, out, run, serving

CODE = code_to_text(EnrolmentCode(b"code1", b"s" * 15, b"f" * 15))
COMMANDS = ("join", "serve", "status", "token", "verify", "backup", "restore")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of node S01."""
    return enrolled_folder(tmp_path / "S01")


@pytest.fixture
def data(shop: Shop) -> str:
    """Give the same as an argument."""
    return str(shop.folder.path)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    help_text = call(command, "--help").stdout
    assert f"Example: everstock-node {command} " in help_text
    assert "--data" in help_text


def test_the_help_names_every_command() -> None:
    help_text = call("--help").stdout
    assert all(f"  {command} " in help_text for command in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("sell",),
        ("serve",),
        ("serve", "--data", "x", "--fast"),
        ("token", "--data", "x"),
        ("join", "--data", "x", "--hub", "ws://127.0.0.1:1"),
        ("join", "--data", "x", "--hub", "ws://hub.example", "--code", CODE),
        ("join", "--data", "x", "--hub", "ws://127.0.0.1:1", "--code", "AAAA-BBBB"),
        ("join", "--data", "x", "--hub", "ws://127.0.0.1:1", "--code", CODE[:-1] + "A"),
        ("token", "--data", "x", "--name", "two\nlines"),
        ("token", "--data", "x", "--name", ""),
    ],
)
def test_a_mistake_on_the_command_line_is_2_and_touches_nothing(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    folder = tmp_path / "x"
    done = call(*(str(folder) if argument == "x" else argument for argument in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
    assert not folder.exists()


@pytest.mark.parametrize(
    ("settings", "env", "named"),
    [
        ("listne = 'x'", {}, "listne"),
        ("listen = 7310", {}, "listen"),
        ("listen = '0.0.0.0:0'", {}, "tls_certificate"),
        ("listen = 'nonsense'", {}, "HOST:PORT"),
        ("tls_certificate = 'x.pem'", {}, "belong together"),
        ("tls_certificate = '/nowhere/x'\ntls_key = '/nowhere/y'", {}, "cannot be used"),
        ("hub_ca = '/nowhere/ca.pem'", {}, "hub_ca"),
        ("log_level = 'loud'", {}, "log_level"),
        ("retain_days = 6", {}, "retain_days"),
        ("retain_days = 100\nretain_days_without_backup = 99", {}, "less than retain_days"),
        ("retain_days_without_backup = 30", {}, "retain_days_without_backup"),
        ("not toml", {}, "TOML"),
        ("", {"EVERSTOCK_NODE_LISTNE": "x"}, "EVERSTOCK_NODE_LISTNE"),
        ("", {"EVERSTOCK_NODE_LOG_LEVEL": "loud"}, "EVERSTOCK_NODE_LOG_LEVEL"),
    ],
)
def test_a_wrong_setting_is_78_and_one_sentence(
    settings: str,
    env: dict[str, str],
    named: str,
    data: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tmp_path / "node.toml"
    config.write_text(settings)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    done = call("serve", "--data", data, "--config", str(config))
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith("everstock-node: ")
    assert named in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "status", "verify", "token"])
def test_a_folder_that_has_not_joined_is_78_and_says_what_to_do(
    command: str, tmp_path: Path
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir(mode=0o700)
    name = ("--name", "till-1") if command == "token" else ()
    done = run(command, "--data", str(folder), *name)
    assert (done.returncode, done.stdout) == (78, ""), done
    assert "`everstock-node join` comes first" in done.stderr


def test_a_hub_that_is_away_is_69(tmp_path: Path) -> None:
    data = str(tmp_path / "new")
    done = call("join", "--data", data, "--hub", "ws://127.0.0.1:1", "--code", CODE)
    assert (done.returncode, done.stdout) == (69, "")
    assert "does not answer" in done.stderr


def test_a_folder_that_is_not_ours_alone_is_74(data: str, shop: Shop) -> None:
    shop.folder.path.chmod(0o777)
    for command in (("serve",), ("status",), ("token", "--name", "till-1")):
        done = run(*command, "--data", data)
        assert (done.returncode, done.stdout) == (74, ""), done
        assert "chmod 700" in done.stderr


def test_one_folder_has_one_daemon(data: str, shop: Shop) -> None:
    with serving(shop.folder.path):
        done = run("serve", "--data", data, "--listen", "127.0.0.1:0")
    assert (done.returncode, done.stdout) == (74, "")
    assert "another process is using" in done.stderr


def test_an_address_in_use_is_74(data: str, shop: Shop, tmp_path: Path) -> None:
    other = enrolled_folder(tmp_path / "S02")
    with serving(other.folder.path) as taken:
        done = run("serve", "--data", data, "--listen", taken.url.removeprefix("http://"))
    assert (done.returncode, done.stdout) == (74, "")
    assert "Traceback" not in done.stderr


def test_a_token_made_before_the_first_serve_works_and_survives_kill_9(
    data: str, shop: Shop
) -> None:
    token = out("token", "--data", data, "--name", "till-1")
    assert token.startswith("till_")
    assert len(token.split()) == 1
    with serving(shop.folder.path, end=signal.SIGKILL) as daemon:
        status, first, _ = daemon.sell(token, "k")
        assert (status, first["actor"]) == (201, "till-1")
    with serving(shop.folder.path) as daemon:
        status, again, headers = daemon.sell(token, "k")
        assert (status, again, headers["Idempotency-Replayed"]) == (201, first, "true")


def test_a_token_made_beside_a_daemon_works_at_once_until_it_is_ended(
    data: str, shop: Shop
) -> None:
    with serving(shop.folder.path) as daemon:
        token = out("token", "--data", data, "--name", "till-1")
        assert daemon.sell(token, "k")[0] == 201
        assert out("token", "--data", data, "--name", "till-1", "--revoke") == ""
        assert daemon.sell(token, "k")[0] == 401
    kept = out("token", "--data", data, "--name", "till-2")
    out("token", "--data", data, "--name", "till-2", "--revoke")
    with serving(shop.folder.path) as daemon:
        assert daemon.sell(kept, "k")[0] == 401
        _, audit, _ = daemon.ask("GET", "/v1/audit?action=note", shop.operator_token)
    noted = [(one["action"], one["actor"], one["entity_id"]) for one in audit["items"]]
    assert noted == [
        (f"note.token_{verb}", "operator", till)
        for till in ("till-2", "till-1")
        for verb in ("revoked", "made")
    ]


def test_tokens_made_at_once_without_a_daemon_are_all_made(data: str, shop: Shop) -> None:
    command = [sys.executable, "-m", "node", "token", "--data", data, "--name"]
    children = [
        subprocess.Popen([*command, f"till-{n}"], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
        for n in range(6)
    ]
    tokens = [child.communicate(timeout=60)[0].strip() for child in children]
    assert [child.returncode for child in children] == [0] * 6
    with serving(shop.folder.path) as daemon:
        assert [daemon.ask("GET", "/v1/sync", token)[0] for token in tokens] == [200] * 6


def test_the_operators_name_is_not_a_tills(data: str, shop: Shop) -> None:
    alone = run("token", "--data", data, "--name", "operator")
    with serving(shop.folder.path):
        beside = run("token", "--data", data, "--name", "operator")
    for done in (alone, beside):
        assert (done.returncode, done.stdout) == (2, "")
        assert "operator's" in done.stderr


def test_status_is_the_same_with_the_daemon_and_without(data: str, shop: Shop) -> None:
    with serving(shop.folder.path) as daemon:
        assert daemon.sell(shop.operator_token, "k")[0] == 201
        beside = json.loads(out("status", "--data", data, "--json"))
        words = out("status", "--data", data)
    alone = json.loads(out("status", "--data", data, "--json"))
    for shown in (beside, alone):
        assert (shown["connected"], shown["pending"], shown["name"]) == (False, 1, "S01")
    assert beside.keys() == alone.keys()
    assert "pending" in words
    assert "ws://127.0.0.1:1" in words


def test_verify_finds_a_changed_operation(data: str, shop: Shop) -> None:
    with serving(shop.folder.path) as daemon:
        for number in range(5):
            daemon.sell(shop.operator_token, f"k{number}")
        assert out("verify", "--data", data) == ""
    assert json.loads(out("verify", "--data", data, "--json")) == {"ok": True, "problems": []}
    with contextlib.closing(sqlite3.connect(shop.database)) as db, db:
        db.execute("DROP TRIGGER log_is_never_changed")
        (body,) = db.execute("SELECT body FROM log WHERE seq = 3").fetchone()
        changed = body.replace(b"A1", b"A2")
        db.execute("UPDATE log SET body = ? WHERE seq = 3", (changed,))
    done = run("verify", "--data", data)
    assert done.returncode == 1
    assert "log 3" in done.stdout.splitlines()[0]
    shown = run("verify", "--data", data, "--json")
    assert (shown.returncode, json.loads(shown.stdout)["ok"]) == (1, False)


def test_verify_finds_a_damaged_file(data: str, shop: Shop) -> None:
    with shop.database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 4096 * 4)
    done = run("verify", "--data", data)
    assert done.returncode == 1
    assert done.stdout
    assert "Traceback" not in done.stderr


def test_a_backup_beside_a_daemon_is_whole(data: str, shop: Shop, tmp_path: Path) -> None:
    target = tmp_path / "copy.sqlite"
    with serving(shop.folder.path) as daemon:
        daemon.sell(shop.operator_token, "k")
        assert out("backup", "--data", data, str(target)) == ""
    with contextlib.closing(sqlite3.connect(target)) as db:
        assert db.execute("SELECT count(*) FROM log").fetchone() == (1,)
    again = run("backup", "--data", data, str(target))
    assert (again.returncode, again.stdout) == (74, "")
    assert "exists" in again.stderr


def test_a_daemon_opens_no_compressed_body(shop: Shop) -> None:
    with serving(shop.folder.path) as daemon:
        for encoding in ("gzip", "br", "deflate", "gzip, gzip", "x-unheard-of"):
            status, problem, _ = daemon.ask(
                *("POST", "/v1/movements", shop.operator_token, SALE),
                Idempotency_Key="k",
                Content_Encoding=encoding,
            )
            assert (status, problem["code"]) == (415, "unsupported_media_type"), encoding
        assert daemon.ask("GET", "/v1/movements", shop.operator_token)[1]["items"] == []


def test_a_daemon_with_a_certificate_serves_https_and_its_own_commands(
    data: str, shop: Shop, tmp_path: Path
) -> None:
    config = tmp_path / "node.toml"
    config.write_text(f"tls_certificate = '{TLS}/localhost.pem'\ntls_key = '{TLS}/localhost.key'\n")
    with serving(shop.folder.path, "--config", str(config)) as daemon:
        assert daemon.url.startswith("https://127.0.0.1:")
        token = out("token", "--data", data, "--name", "till-1")
        assert daemon.sell(token, "k")[0] == 201


def test_a_real_hub_is_joined_and_gets_the_first_sale(tmp_path: Path) -> None:
    hub, shop = tmp_path / "hub", tmp_path / "shop"
    assert len(out("init", "--data", str(hub), module="hub").split()) == 1
    with serving(hub, module="hub") as serving_hub:
        code = out(*("enrol", "--data", str(hub), "--name", "S01", "--writes", "S01"), module="hub")
        address = serving_hub.url.replace("http", "ws")
        joined = run("join", "--data", str(shop), "--hub", address, "--code", code)
        assert (joined.returncode, joined.stdout) == (0, ""), joined
        assert "node S01" in joined.stderr
        used = run("join", "--data", str(tmp_path / "two"), "--hub", address, "--code", code)
        assert (used.returncode, used.stdout) == (2, ""), used
        assert "used" in used.stderr
        token = out("token", "--data", str(shop), "--name", "till-1")
        with serving(shop) as node:
            assert node.sell(token, "k")[0] == 201
            _wait_until_sent(node, token)
    assert out("verify", "--data", str(shop)) == ""


def _wait_until_sent(node: Served, token: str) -> None:
    deadline_s = time.monotonic() + 20
    while True:
        sync = node.ask("GET", "/v1/sync", token)[1]
        if sync["connected"] and sync["acked"] == 2 and sync["pending"] == 0:
            return
        assert time.monotonic() < deadline_s, sync
        time.sleep(0.05)
