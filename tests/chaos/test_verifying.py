"""Daemons verify themselves: real processes, and databases damaged behind their backs."""

import contextlib
import fcntl
import json
import os
import sqlite3
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from runtime.verifier import LOCK_FILE
from tests.node.processes import Served, out, serving

SETTINGS = "verify_every_h = 0.0003\n"  # a second
PATIENCE_S = 60


class Chain(NamedTuple):
    """A hub and node S01, which has sold one A1 and told the hub."""

    hub: Served
    node: Served
    folder: Path

    def token(self, daemon: str) -> str:
        return (self.folder / daemon / "operator.token").read_text().strip()

    def metric(self, daemon: str, name: str) -> float:
        """One figure of a scrape; NaN while it is not known."""
        served = self.hub if daemon == "hub" else self.node
        headers = {"Authorization": f"Bearer {self.token(daemon)}"}
        request = urllib.request.Request(f"{served.url}/metrics", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    def status(self, daemon: str) -> dict[str, object]:
        served, path = (self.hub, "status") if daemon == "hub" else (self.node, "sync")
        answer: dict[str, object] = served.ask("GET", f"/v1/{path}", self.token(daemon))[1]
        return answer

    def log(self, daemon: str) -> list[dict[str, object]]:
        lines = (self.folder / f"{daemon}.log").read_text().splitlines()
        return [json.loads(line) for line in lines]


def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    give_up_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_s, f"not within {PATIENCE_S} seconds"
        time.sleep(0.1)


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    """Give a chain whose daemons verify every second."""
    config, hub_data, node_data = tmp_path / "often.toml", tmp_path / "hub", tmp_path / "S01"
    config.write_text(SETTINGS)
    out("init", "--data", str(hub_data), module="hub")
    options = ("--config", str(config))
    with serving(hub_data, *options, module="hub") as hub:
        enrolment = ("--data", str(hub_data), "--name", "S01", "--writes", "S01")
        code = out("enrol", *enrolment, module="hub")
        address = hub.url.replace("http", "ws")
        out("join", "--data", str(node_data), "--hub", address, "--code", code)
        with serving(node_data, *options) as node:
            found = Chain(hub, node, tmp_path)
            assert node.sell(found.token("S01"), "k1")[0] == 201
            until(lambda: found.metric("hub", "everstock_hub_operations_total") == 1)
            yield found


@pytest.mark.parametrize(("daemon", "database"), [("hub", "hub.db"), ("S01", "node.sqlite")])
def test_what_was_changed_behind_a_daemons_back_is_in_its_metrics_status_and_log(
    daemon: str, database: str, chain: Chain
) -> None:
    until(lambda: chain.metric(daemon, "everstock_verifier_problems") == 0)
    assert chain.metric(daemon, "everstock_verifier_age_seconds") < PATIENCE_S
    assert chain.metric(daemon, "everstock_verifier_failures_total") == 0
    assert chain.status(daemon)["verify_problems"] == 0
    with contextlib.closing(sqlite3.connect(chain.folder / daemon / database)) as db, db:
        db.execute("UPDATE counter SET total = total + 5")
    until(lambda: chain.metric(daemon, "everstock_verifier_problems") > 0)
    status = chain.status(daemon)
    assert status["verify_problems"]
    assert status["verified_at"]
    found = [line for line in chain.log(daemon) if "does not add up" in str(line["event"])]
    assert found[0]["level"] == "error"
    assert "A1" in str(found[0]["first"])
    assert chain.node.sell(chain.token("S01"), "k2")[0] == 201, "it sells on meanwhile"


def test_a_daemon_that_ends_takes_its_verification_along_and_its_outcome_stays(
    tmp_path: Path, chain: Chain
) -> None:
    until(lambda: chain.metric("S01", "everstock_verifier_problems") == 0)
    until(lambda: chain.metric("S01", "everstock_verifier_running") == 1)
    chain.node.child.terminate()
    assert chain.node.child.wait(20) == 0
    opened = os.open(tmp_path / "S01" / LOCK_FILE, os.O_RDWR)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the process would hold it
    finally:
        os.close(opened)
    shown = json.loads(out("status", "--data", str(tmp_path / "S01"), "--json"))
    assert shown["verify_problems"] == 0
    assert shown["verified_at"]
