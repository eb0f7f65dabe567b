"""S31: the folder of a shop's node, all of it, while it runs, after it ended, and its backup, holds nothing of what is others'.

Two shops and head office as real processes, S01 with leave to see every shelf. What must not be there is looked for in every
form that a disk could have it in; what may be there is found by the same look, or the look would be blind.
"""

import contextlib
import json
import sqlite3
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from node.replica import DATABASE_NAME
from tests.node.processes import Served, call, out, serving
from tests.security.test_s31_sealed_details import forms, text_of

OURS, THEIRS, OFFICES = "Ours-7714", "Theirs-8825", "Offices-9936"
PASSWORD = "Marked-Password-5503"
COST = 777_123_987
PERSON = {"role": "cashier", "password": PASSWORD}
SEALED = {"patient": "Sealed-Patient-6647"}


class Chain(NamedTuple):
    """Three nodes that run, and what opens each."""

    nodes: dict[str, Served]
    tokens: dict[str, str]
    """The operators'."""
    tills: dict[str, str]


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a node: its folder with database, WAL and keys, its log and its backups, which lie beside it."""
    beside = [folder, *folder.parent.glob(f"{folder.name}*")]
    files = {file for path in beside for file in (path, *path.rglob("*")) if file.is_file()}
    return {file.name: file.read_bytes() for file in files}


def found_in(files: dict[str, bytes], mark: str | bytes) -> set[str]:
    """The files with a mark in them, in any form."""
    looks = [mark, mark.hex().encode()] if isinstance(mark, bytes) else list(forms(mark))
    return {name for name, content in files.items() if any(look in content for look in looks)}


@pytest.mark.slow
@pytest.mark.timeout(900)  # four daemons are started, which takes a while where others work too
def test_s31_s64_everything_that_a_node_leaves_on_its_disk_is_its_own(tmp_path: Path) -> None:
    with chain_of(tmp_path) as chain:
        sessions = [live(chain, "S01", OURS), live(chain, "S02", THEIRS)]
        at_head_office(chain)
        until_known(chain)
        done = call("backup", "--data", str(tmp_path / "S01"), str(tmp_path / "S01.backup"))
        assert done.returncode == 0, done
        metrics = text_of(f"{chain.nodes['S01'].url}/metrics", chain.tokens["S01"])
        running = files_of(tmp_path / "S01")
        theirs = files_of(tmp_path / "S02")
        office = files_of(tmp_path / "office")
    ended = files_of(tmp_path / "S01")
    assert {"S01.log", "S01.backup", DATABASE_NAME, f"{DATABASE_NAME}-wal"} <= set(running)

    cost = b"\xce" + struct.pack(">I", COST)
    others = [THEIRS, OFFICES, cost, str(COST), *SEALED.values(), PASSWORD]
    own = verifiers(tmp_path, "S01")
    assert len(own) == 1, "of whoever works there"
    others += (verifiers(tmp_path, "S02") | verifiers(tmp_path, "office")) - own
    others += keys(tmp_path)
    others += [chain.tokens["S02"], chain.tokens["office"], *chain.tills.values(), *sessions]
    for files in (running, ended):
        assert {str(mark): found for mark in others if (found := found_in(files, mark))} == {}
        # Its operator's own token is a file of its own, and is nowhere else.
        assert found_in(files, chain.tokens["S01"]) == {"operator.token"}

    # The same look finds what may be there, also in the backup, and finds all of the above where it may be.
    assert "S01.backup" in found_in(running, OURS)
    assert DATABASE_NAME in found_in(ended, OURS)
    assert all(found_in(theirs, mark) for mark in (THEIRS, *verifiers(tmp_path, "S02")))
    assert all(found_in(office, mark) for mark in (OFFICES, THEIRS, cost))
    # Of its own people and what they wrote, nothing is said where others read.
    assert "S01.log" not in found_in(running, OURS) | found_in(ended, OURS)
    assert found_in({"metrics": metrics}, OURS) == set()


# --- private ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def chain_of(path: Path) -> Iterator[Chain]:
    hub = path / "hub"
    key_file = path / "away" / "key.txt"
    key_file.parent.mkdir()
    out("init", "--data", str(hub), "--recovery-key-file", str(key_file), module="hub")
    with ExitStack() as running:
        served = running.enter_context(serving(hub, module="hub"))
        chain = Chain({}, {}, {})
        rights = {name: ("--writes", name, "--reads", "*") for name in ("S01", "S02")}
        for name, asked in {**rights, "office": ("--role", "office")}.items():
            code = out("enrol", "--data", str(hub), "--name", name, *asked, module="hub")
            data, url = str(path / name), served.url.replace("http", "ws")
            joined = call("join", "--data", data, "--hub", url, "--code", code)
            assert joined.returncode == 0, joined
            chain.tokens[name] = (path / name / "operator.token").read_text().strip()
            chain.tills[name] = call(
                "token", "--data", data, "--name", f"till-of-{name}"
            ).stdout.strip()
            chain.nodes[name] = running.enter_context(serving(path / name))
        yield chain


def said(chain: Chain, name: str, path: str, body: dict[str, Any], token: str = "") -> Any:
    """What a node answers to a write that it makes."""
    key = f"{path}-{json.dumps(body)}"[:100].replace(" ", "")
    key = "".join(each for each in key if each.isalnum() or each == "-")
    token = token or chain.tokens[name]
    status, answer, _ = chain.nodes[name].ask(
        "POST", f"/v1/{path}", token, body, Idempotency_Key=key
    )
    assert status in {200, 201}, (path, answer)
    return answer


def live(chain: Chain, name: str, mark: str) -> str:
    """A day at a shop, with a mark in whatever its people write; the token of one who signed in."""
    here = {"location": name, "note": f"{mark} note"}
    lines = {"lines": [{"sku": "tea", "quantity": 3}]}
    order = {"kind": "purchase", **here, **lines, "reference": f"{mark} order"}
    said(chain, name, "orders", order)
    said(chain, name, "stocktakes", {**here, "name": f"{mark} aisle"})
    said(chain, name, "alerts", {**here, "sku": "tea", "threshold": 900})
    about = {"reference": f"{mark} receipt", "note": f"{mark} note", "details": {"of": mark}}
    goods = {"sku": "tea", "delta": 50, "supplier": f"{mark} supplier"}
    received = {"kind": "receive", "location": name, "lines": [goods], **about}
    said(chain, name, "movements", received, chain.tills[name])
    dispensed = {"kind": "dispense", "location": name, "lines": [{"sku": "tea", "delta": -1}]}
    dispensed["details"] = {"sealed": SEALED}
    said(chain, name, "movements", dispensed, chain.tills[name])
    email = f"{mark.lower()}@shop.example"
    username = f"ann-{name.lower()}"
    person = {**PERSON, "username": username, "location": name, "email": email}
    said(chain, name, "users", person)
    credentials = {"username": username, "password": PASSWORD}
    return str(said(chain, name, "login", credentials)["token"])


def at_head_office(chain: Chain) -> None:
    """What the office alone knows: its people, what goods cost, its papers."""
    cost = {"amount": COST, "currency": "GBP"}
    said(chain, "office", "skus", {"id": "tea", "name": "Tea", "cost": cost})
    boss = {**PERSON, "role": "hq_admin", "username": "boss", "location": "*"}
    said(chain, "office", "users", {**boss, "email": f"{OFFICES.lower()}@office.example"})
    order = {"kind": "purchase", "location": "S02", "note": f"{OFFICES} note"}
    said(chain, "office", "orders", {**order, "lines": [{"sku": "tea", "quantity": 9}]})
    said(chain, "office", "skus", {"id": "last", "name": "What came last"})


def until_known(chain: Chain) -> None:
    """Wait until everything that goes anywhere has got there."""

    def shown(name: str, path: str) -> Any:
        return chain.nodes[name].ask("GET", f"/v1/{path}", chain.tokens[name])

    def is_there() -> bool:
        seen = [shown(name, "skus/last")[0] == 200 for name in chain.nodes]
        rows = [
            row["on_hand"]
            for name in chain.nodes
            for at in ("S01", "S02")
            for row in shown(name, f"stock?location={at}")[1]["items"]
        ]
        orders = shown("office", "orders")[1]["items"]
        calm = [shown(name, "sync")[1] for name in chain.nodes]
        quiet = all(one["caught_up"] and not one["pending"] for one in calm)
        return all(seen) and rows == [49] * 6 and len(orders) == 3 and quiet

    until_s = time.monotonic() + 30
    while not is_there():
        assert time.monotonic() < until_s
        time.sleep(0.1)


def verifiers(path: Path, name: str) -> set[str]:
    """What proves somebody at a node."""
    with contextlib.closing(sqlite3.connect(path / name / DATABASE_NAME)) as db:
        content = b"".join(
            row[0]
            for row in db.execute("SELECT fields FROM document WHERE collection = 'credentials'")
        )
    found = content.split(b"$argon2id$")[1:]
    return {part[:80].decode("ascii") for part in found}


def keys(path: Path) -> list[str]:
    """What only the hub, other nodes and the chain's owner may have, as it stands in their files."""
    files = [path / "away" / "key.txt", path / "S02" / "node.key", path / "office" / "node.key"]
    files += [file for file in (path / "hub").iterdir() if file.suffix in {".key", ".token"}]
    assert len(files) > 3
    return [file.read_text().strip() for file in files]
