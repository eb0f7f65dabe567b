"""What `everstock-hub` does to folders that hold a hub, none, or a damaged one."""

from pathlib import Path

import pytest

from tests.hub.command import EVERY_COMMAND, daemon, hub


@pytest.mark.parametrize("beside", [True, False])
def test_init_where_a_hub_is_says_so(data: Path, beside: bool) -> None:
    if beside:
        with daemon(data):
            done = hub("init", "--data", data)
    else:
        done = hub("init", "--data", data)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"everstock-hub: There is a hub in {data} already.\n"


def test_init_refuses_a_folder_with_other_things_in_it(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    tmp_path.chmod(0o755)
    done = hub("init", "--data", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"everstock-hub: {tmp_path} holds other things and no hub; "
        "name a new folder or an empty one.\n"
    )
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_init_takes_an_empty_folder(tmp_path: Path) -> None:
    done = hub("init", "--data", tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=lambda command: command[0])
def test_nothing_is_left_in_a_folder_that_is_no_hub(tmp_path: Path, command: list[str]) -> None:
    done = hub(*command, "--data", tmp_path)
    assert (done.returncode, done.stdout) == (78, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", EVERY_COMMAND[:5], ids=lambda command: command[0])
@pytest.mark.parametrize("content", [b"no database at all" * 300, b""])
def test_a_damaged_database_is_named_with_what_to_do(
    data: Path, command: list[str], content: bytes
) -> None:
    (data / "hub.db").write_bytes(content)
    done = hub(*command, "--data", data)
    assert (done.returncode, done.stdout) == (74, "")
    assert done.stderr.startswith(f"everstock-hub: {data / 'hub.db'}: ")
    assert "everstock-hub verify" in done.stderr
    assert "backup" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (data / "hub.db").read_bytes() == content


@pytest.mark.parametrize(
    "command", [*EVERY_COMMAND[:5], ["backup", "copy.db"]], ids=lambda command: command[0]
)
def test_damage_inside_the_file_is_told_the_same_way(data: Path, command: list[str]) -> None:
    content = bytearray((data / "hub.db").read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    (data / "hub.db").write_bytes(content)
    done = hub(*command, "--data", data)
    assert (done.returncode, done.stdout) == (74, "")
    assert done.stderr.startswith(f"everstock-hub: {data / 'hub.db'}: the database is damaged; `")


def test_a_missing_operator_token_is_said_to_be_missing(data: Path) -> None:
    with daemon(data):
        (data / "operator.token").unlink()
        beside = hub("enrol", "--data", data, "--name", "S01", "--writes", "S01")
    alone = hub("serve", "--data", data, "--listen", "127.0.0.1:0")
    assert (beside.returncode, alone.returncode) == (74, 78)
    for done in (beside, alone):
        assert f"{data / 'operator.token'} is missing" in done.stderr
