"""`everstock-node user`, as real processes: before the first serve, beside a daemon, and what it refuses."""

import json
from pathlib import Path

from protocol.certificate import Role
from tests.node.enrolled import enrolled_folder
from tests.node.processes import out, run, serving


def test_the_first_admin_is_made_on_the_office_node_before_it_serves_and_another_beside_it(
    tmp_path: Path,
) -> None:
    office = enrolled_folder(tmp_path / "office", name="office", writes=(), role=Role.OFFICE)
    data = str(office.folder.path)
    password = out("user", "create", "--data", data, "--username", "ann", "--role", "hq_admin")
    assert len(password.split()) == 1
    with serving(office.folder.path):
        run("user", "create", "--data", data, "--username", "bob", "--role", "buyer")
        twice = run("user", "create", "--data", data, "--username", "ann", "--role", "buyer")
        assert (twice.returncode, twice.stdout) == (74, "")
        assert "has this name" in twice.stderr
        run("user", "disable", "--data", data, "--username", "bob")
    shown = json.loads(out("user", "list", "--data", data, "--json"))["items"]
    assert [
        (one["username"], one["posts"][0]["role"], one["posts"][0]["disabled"]) for one in shown
    ] == [("ann", "hq_admin", False), ("bob", "buyer", True)]
    assert password not in json.dumps(shown)


def test_a_mistake_is_2_and_one_sentence(tmp_path: Path) -> None:
    shop = enrolled_folder(tmp_path / "S01")
    data = str(shop.folder.path)
    for arguments, words in (
        (("create", "--username", "boss", "--role", "hq_admin"), "does not write"),
        (("grant", "--username", "nobody", "--role", "clerk"), "nobody here is called"),
    ):
        done = run("user", arguments[0], "--data", data, *arguments[1:])
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert words in done.stderr
