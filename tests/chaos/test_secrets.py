"""Secrets stay where they belong: not in logs, answers, metrics, process arguments or what objects say of themselves.

A hub and a node live a bad day at the most talkative log level; then everything they said is searched for every
secret that was made.
"""

import base64
import contextlib
import sqlite3
import urllib.request
from pathlib import Path
from typing import NamedTuple

import pytest
from nacl.signing import SigningKey

from hub.config import HubSettings
from node.config import NodeSettings
from protocol.ids import ChainId
from protocol.session.hub import HubIdentity
from protocol.session.node import Identity
from runtime.logs import render
from runtime.verifier import Outcome
from tests.node.processes import Served, out, run, serving

TALKATIVE = 'log_level = "debug"\nverify_every_h = 0.0003\n'
FORGED = "till_this-is-nobodys-but-looks-like-one-0123456789"


class Day(NamedTuple):
    """What was said, by whom, and what nobody may have said."""

    said: dict[str, str]
    secrets: dict[str, list[str]]


def spelt(key: bytes) -> list[str]:
    """The ways in which a key could be written down."""
    return [
        key.hex(),
        base64.b64encode(key).decode().rstrip("="),
        base64.urlsafe_b64encode(key).decode().rstrip("="),
        repr(key)[2:-1],
        key.decode("latin-1"),
    ]


def key_in(file: Path) -> bytes:
    """The key that a file holds in hexadecimal."""
    key = bytes.fromhex(file.read_text())
    assert len(key) == 32
    return key


def cmdline(served: Served) -> str:
    """The arguments of a daemon, as every user of the machine sees them."""
    return Path(f"/proc/{served.child.pid}/cmdline").read_text().replace("\0", " ")


def metrics(served: Served, token: str) -> str:
    """A scrape."""
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{served.url}/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def take_away(database: Path, statement: str) -> None:
    """Take away a table, so that the next handler that needs it fails as a bug would."""
    with contextlib.closing(sqlite3.connect(database)) as db, db:
        db.execute(statement)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Live the day."""
    folder = tmp_path_factory.mktemp("day")
    config, hub_data, node_data = folder / "talk.toml", folder / "hub", folder / "S01"
    config.write_text(TALKATIVE)
    said: dict[str, str] = {}
    office = out("init", "--data", str(hub_data), module="hub")
    options = ("--config", str(config))
    with serving(hub_data, *options, module="hub") as hub:
        enrol = ("enrol", "--data", str(hub_data), "--name", "S01", "--writes", "S01")
        void, code = out(*enrol, module="hub"), out(*enrol, module="hub")
        join = ("join", "--data", str(node_data), "--hub", hub.url.replace("http", "ws"))
        refused, joined = run(*join, "--code", void), run(*join, "--code", code)
        assert (refused.returncode, joined.returncode) == (2, 0), (refused, joined)
        said["join"] = refused.stderr + refused.stdout + joined.stderr + joined.stdout
        hub_token = (hub_data / "operator.token").read_text().strip()
        with serving(node_data, *options) as node:
            operator = (node_data / "operator.token").read_text().strip()
            till = out("token", "--data", str(node_data), "--name", "till-1")
            said["answers"] = str(
                [
                    node.sell(till, "k1"),
                    node.sell(FORGED, "k2"),
                    node.ask("GET", "/v1/sync", till),
                    hub.ask("GET", "/v1/status", hub_token),
                    hub.ask("GET", "/v1/status", FORGED),
                    hub.ask("POST", "/v1/operator/enrol", hub_token, {"name": office}),
                ]
            )
            said["metrics"] = metrics(node, till) + metrics(hub, hub_token)
            said["status"] = out("status", "--data", str(node_data), "--json")
            said["nodes"] = out("nodes", "--data", str(hub_data), "--json", module="hub")
            said["versions"] = out("--version") + out("--version", module="hub")
            said["arguments"] = cmdline(node) + cmdline(hub)
            take_away(node_data / "node.sqlite", "ALTER TABLE movement RENAME TO gone")
            take_away(hub_data / "hub.db", "ALTER TABLE enrolment_code RENAME TO gone")
            wish = {"name": "S02", "role": "store", "writes": ["S02"], "reads": ["*"]}
            crashed = [
                node.ask("GET", "/v1/movements", till),
                hub.ask("POST", "/v1/operator/enrol", hub_token, wish | {"expires_s": 60}),
                hub.ask("GET", "/v1/status", hub_token),
            ]
            said["crashes"] = str(crashed)
            assert [status for status, _, _ in crashed] == [500, 500, 500], crashed
    said["node log"] = (folder / "S01.log").read_text()
    said["hub log"] = (folder / "hub.log").read_text()
    secrets = {
        "the office's code": [office],
        "a code that became void": [void],
        "the node's code": [code],
        "the hub operator's token": [hub_token],
        "the node operator's token": [operator],
        "the till's token": [till],
        "a token that somebody tried": [FORGED],
        "the hub's key": spelt(key_in(hub_data / "hub.key")),
        "the node's key": spelt(key_in(node_data / "node.key")),
    }
    return Day(said, secrets)


def test_nothing_that_was_said_holds_a_secret(day: Day) -> None:
    assert all(len(text) > 15 for texts in day.secrets.values() for text in texts), "too short"
    found = [
        (secret, place)
        for secret, texts in day.secrets.items()
        for place, words in day.said.items()
        if any(text in words for text in texts)
    ]
    assert found == []


def test_the_logs_tell_the_day(day: Day) -> None:
    """So that the search above looked at something: starts, sessions by name, a crash with its traceback."""
    for words in ("the node starts", "a session with the hub opened", "unforeseen error"):
        assert words in day.said["node log"]
    for words in ("the hub starts", "a session opened", "an enrolment was refused", "Traceback"):
        assert words in day.said["hub log"]
    ends = [line for line in day.said["hub log"].splitlines() if '"a session ended"' in line]
    assert ends
    assert all('"node": "S01"' in line and '"why": ' in line for line in ends)


def test_what_holds_a_secret_does_not_say_it() -> None:
    key = SigningKey(b"not to be seen by any human eye!")
    holders = [
        key,
        HubIdentity(ChainId(bytes(16)), key),
        Identity(b"certificate", key, ChainId(bytes(16)), bytes(key.verify_key)),
        HubSettings(),
        NodeSettings(),
        Outcome(0, 0),
    ]
    for holder in holders:
        words = repr(holder) + render(None, "info", {"event": "held", "holder": holder})
        assert not any(text in words for text in spelt(bytes(key))), type(holder)
