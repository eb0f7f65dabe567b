"""A daemon that is killed in the middle of acts: each is there whole, or not at all, and a repeat makes it whole."""

import contextlib
import random
import signal
import threading
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from node.replica import verify
from runtime.connection import connect_reader
from tests.node.enrolled import Shop, enrolled_folder
from tests.node.processes import Served, serving

UNITS, SHELF = 60, 100
ONE = {"lines": [{"sku": "tea", "quantity": 1}]}


def record(node: Served, shop: Shop, path: str, body: object, key: str) -> Any:
    """Something that must be taken."""
    status, answer, _ = node.ask("POST", path, shop.operator_token, body, Idempotency_Key=key)
    assert status in {200, 201}, answer
    return answer


def fulfil_all(node: Served, shop: Shop, order: str, answered: set[str]) -> None:
    """Fulfil unit by unit, each under its key, until nobody answers any more."""
    with contextlib.suppress(OSError, HTTPException):
        for unit in range(UNITS):
            record(node, shop, f"/v1/orders/{order}/fulfil", ONE, f"unit-{unit}")
            answered.add(f"unit-{unit}")


def standing(node: Served, shop: Shop, order: str) -> tuple[int, dict[str, Any]]:
    """How many units went out, by everything that says so, and the order."""
    _, row, _ = node.ask("GET", "/v1/stock/S01/tea", shop.operator_token)
    _, shown, _ = node.ask("GET", f"/v1/orders/{order}", shop.operator_token)
    path = f"/v1/movements?reference={order}&limit=1000"
    _, listed, _ = node.ask("GET", path, shop.operator_token)
    kinds = [one["kind"] for one in listed["items"]]
    sold = SHELF - row["on_hand"]
    assert row["reserved"] == UNITS - sold == shown["progress"][0]["owed"]
    assert kinds.count("sale") == kinds.count("release") == sold
    assert len(shown["events"]) == sold
    return sold, shown


@pytest.mark.timeout(120)
def test_an_act_of_several_operations_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    shop = enrolled_folder(tmp_path / "S01")
    answered: set[str] = set()
    with serving(shop.folder.path, end=signal.SIGKILL) as node:
        line = {"sku": "tea", "delta": SHELF}
        opening = {"kind": "opening", "location": "S01", "lines": [line]}
        record(node, shop, "/v1/movements", opening, "opening")
        ordered = [{"sku": "tea", "quantity": UNITS}]
        asked = {"kind": "customer", "location": "S01", "lines": ordered}
        order = record(node, shop, "/v1/orders", asked, "draft")["id"]
        record(node, shop, f"/v1/orders/{order}/place", {}, "place")
        clerk = threading.Thread(target=fulfil_all, args=(node, shop, order, answered))
        clerk.start()
        time.sleep(rng.uniform(0.02, 0.4))
    clerk.join(30)
    with contextlib.closing(connect_reader(shop.database)) as db:
        assert verify.problems(db) == []
    with serving(shop.folder.path) as node:
        sold, _ = standing(node, shop, order)
        assert sold >= len(answered)
        fulfil_all(node, shop, order, answered)
        sold, shown = standing(node, shop, order)
    assert (len(answered), sold, shown["status"]) == (UNITS, UNITS, "fulfilled")
