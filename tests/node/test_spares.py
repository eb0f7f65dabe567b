"""Two devices for one shop, as real processes: a spare that takes over, and one that stands by."""

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from tests.node.processes import Served, out, run, serving

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub that serves."""

    data: Path
    served: Served

    def join(self, name: str, *options: str) -> tuple[Path, str]:
        """Enrol and join a device that writes S01: its folder, and what `join` said."""
        enrolment = ("--data", str(self.data), "--name", name, "--writes", "S01", *options)
        code = out("enrol", *enrolment, module="hub")
        folder = self.data.parent / name
        address = self.served.url.replace("http", "ws")
        done = run("join", "--data", str(folder), "--hub", address, "--code", code)
        assert done.returncode == 0, done
        return folder, done.stderr


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A new hub's folder."""
    out("init", "--data", str(tmp_path / "hub"), module="hub")
    return tmp_path / "hub"


@contextlib.contextmanager
def hub_of(data: Path) -> Iterator[Hub]:
    with serving(data, module="hub") as served:
        yield Hub(data, served)


def till(folder: Path) -> str:
    return out("token", "--data", str(folder), "--name", "till-1")


def sync(node: Served, token: str) -> dict[str, object]:
    answer: dict[str, object] = node.ask("GET", "/v1/sync", token)[1]
    return answer


def on_hand(node: Served, token: str) -> int:
    status, row, _ = node.ask("GET", "/v1/stock/S01/A1", token)
    return int(row["on_hand"]) if status == 200 else 0


def until(condition: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_s, f"not within {PATIENCE_S} seconds"
        time.sleep(0.1)


@pytest.mark.slow
def test_a_spare_sells_at_once_with_the_hub_dead_and_says_what_may_be_missing(data: Path) -> None:
    """The old PC had sent three receipts and kept two when it burnt; the hub goes down right after the spare joined."""
    with hub_of(data) as hub:
        old, _ = hub.join("S01")
        token = till(old)
        with serving(old) as node:
            for number in range(3):
                assert node.sell(token, f"sent{number}")[0] == 201
            until(lambda: sync(node, token)["pending"] == 0)
            newest = node.ask("GET", "/v1/movements?limit=1", token)[1]["items"][0]["recorded_at"]
        spare, words = hub.join("S01-spare", "--replaces", "S01")
        assert "It replaces S01; what was recorded there after" in words
    token = till(spare)
    with serving(spare) as node:
        # The hub is dead, and no page ever came.
        assert node.sell(token, "first")[0] == 201
        assert on_hand(node, token) == -1
        told = sync(node, token)["replaces"]
        assert isinstance(told, dict)
        assert told["name"] == "S01"
        since = datetime.fromisoformat(told["receipts_missing_since"])
        assert abs((since - datetime.fromisoformat(newest)).total_seconds()) < 2
        assert json.loads(out("status", "--data", str(spare), "--json"))["replaces"] == told
        assert "receipts_missing_since" in out("status", "--data", str(spare))


def test_a_spare_of_a_node_that_never_sent_anything_says_so(data: Path) -> None:
    with hub_of(data) as hub:
        hub.join("S01")
        spare, words = hub.join("S01-spare", "--replaces", "S01")
        assert "enter again whatever was sold there" in words
        with serving(spare) as node:
            told = sync(node, till(spare))["replaces"]
            assert told == {"name": "S01", "receipts_missing_since": None}


def test_what_the_replaced_node_had_kept_still_counts_when_it_comes_back(data: Path) -> None:
    with hub_of(data) as hub:
        old, _ = hub.join("S01")
        token = till(old)
        hub.served.child.send_signal(signal.SIGSTOP)  # what is sold now stays here
        try:
            with serving(old) as node:
                for number in range(2):
                    assert node.sell(token, f"kept{number}")[0] == 201
        finally:
            hub.served.child.send_signal(signal.SIGCONT)
        spare, _ = hub.join("S01-spare", "--replaces", "S01")
        spare_token = till(spare)
        with serving(spare) as node:
            assert node.sell(spare_token, "k")[0] == 201
            with serving(old) as back:
                until(lambda: sync(back, token)["pending"] == 0)
            until(lambda: on_hand(node, spare_token) == -3)
            assert sync(node, spare_token)["quarantined"] == 0
    assert out("verify", "--data", str(data), module="hub") == ""


def test_a_node_that_replaces_nobody_says_nothing(data: Path) -> None:
    with hub_of(data) as hub:
        alone, words = hub.join("S01")
        assert "replaces" not in words
        assert json.loads(out("status", "--data", str(alone), "--json"))["replaces"] is None


@pytest.mark.slow
def test_two_nodes_of_one_location_sell_cut_off_and_all_of_it_adds_up(data: Path) -> None:
    """`--standby`: the second till has a node of its own; for an hour neither reaches the hub or the other."""
    with hub_of(data) as hub:
        one, _ = hub.join("one")
        two, _ = hub.join("two", "--standby")
        listen = hub.served.url.removeprefix("http://")
    tokens = [till(one), till(two)]
    with serving(one) as first, serving(two) as second:
        nodes = list(zip((first, second), tokens, strict=True))
        for number in range(7):
            assert first.sell(tokens[0], f"a{number}")[0] == 201
        for number in range(5):
            assert second.sell(tokens[1], f"b{number}")[0] == 201
        assert [on_hand(node, token) for node, token in nodes] == [-7, -5]
        with serving(data, "--listen", listen, module="hub"):
            until(lambda: all(on_hand(node, token) == -12 for node, token in nodes))
            until(lambda: all(sync(node, token)["pending"] == 0 for node, token in nodes))
            assert second.sell(tokens[1], "c")[0] == 201
            until(lambda: all(on_hand(node, token) == -13 for node, token in nodes))
            digests = [
                node.ask("GET", "/v1/digest?scope=stock:S01", token)[1] for node, token in nodes
            ]
            assert digests[0]["digest"] == digests[1]["digest"]
    for folder in (one, two):
        assert out("verify", "--data", str(folder)) == ""
    assert out("verify", "--data", str(data), module="hub") == ""
