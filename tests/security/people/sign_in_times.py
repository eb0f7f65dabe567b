"""`python -m tests.security.people.sign_in_times [--tries 200]`: whether the time of a refused sign-in tells who exists.

A node in this process is asked over its own HTTP, with the parameters that a real one has, in an order drawn by lot. For
each kind of refusal the table says the times, and how often one of it took longer than one of an unknown name: 50 % is
what nobody can tell anything by. It judges nothing; S23 holds that the work is the same.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from aiohttp.test_utils import TestClient, TestServer

from node.app import make_app
from node.config import NodeSettings
from node.node import Node
from runtime.world import World
from tests.node.api.caller import ApiCaller, Http
from tests.node.enrolled import enrolled_folder
from tests.security.people.staff import PASSWORD, hire, log_in

_OTHER: Final = "another long enough secret"
_UNKNOWN: Final = "unknown"
_KINDS: Final = {
    _UNKNOWN: ("nobody", _OTHER),
    "wrong": ("ann", _OTHER),
    "disabled": ("bob", PASSWORD),
    "pending": ("cleo", _OTHER),
}
"""Who tries with what."""


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=200, help="of each kind (200)")
    parser.add_argument("--seed", type=int, default=1, help="of their order (1)")
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        took_ms = asyncio.run(_measured(Path(folder), wish.tries, random.Random(wish.seed)))
    sys.stdout.write("\n".join(_table(took_ms)) + "\n")


async def _measured(folder: Path, tries: int, chance: random.Random) -> dict[str, list[float]]:
    shop = enrolled_folder(folder / "S01")
    node = await Node.open(shop.folder, World())
    async with TestClient(TestServer(make_app(node, NodeSettings()))) as http:
        await _staff(ApiCaller(http, shop.operator_token), http)
        took_ms: dict[str, list[float]] = {kind: [] for kind in _KINDS}
        order = list(_KINDS) * tries
        chance.shuffle(order)
        for kind in [
            *_KINDS,
            *order,
        ]:  # each once before, so that nothing is done for the first time
            username, password = _KINDS[kind]
            began_s = time.perf_counter()
            reply = await log_in(http, username, password)
            took_ms[kind].append((time.perf_counter() - began_s) * 1e3)
            assert reply.status == 401, reply
            await node.people.sign_ins.forgive(username)
    return {kind: found[1:] for kind, found in took_ms.items()}


async def _staff(operator: ApiCaller, http: Http) -> None:
    await hire(operator, "ann", "cashier")
    bob = await hire(operator, "bob", "cashier")
    body = {"location": "S01"}
    assert (await operator.ask("POST", f"/v1/users/{bob}/disable", json=body)).status == 200
    asked = {"username": "cleo", "password": PASSWORD}
    async with http.post("/v1/signup", json=asked) as response:
        assert response.status < 300, response


def _table(took_ms: dict[str, list[float]]) -> list[str]:
    lines = [
        f"{'':<10} {'tries':>6} {'p10':>9} {'median':>9} {'p90':>9}  longer than an unknown one"
    ]
    for kind, found in took_ms.items():
        cut = quantiles(found, n=10)
        share, error = longer(found, took_ms[_UNKNOWN])
        told = "" if kind == _UNKNOWN else f"{share:.1%}, standard error {error:.1%}"
        times = " ".join(f"{value:>6.2f} ms" for value in (cut[0], median(found), cut[-1]))
        lines.append(f"{kind:<10} {len(found):>6} {times}  {told}".rstrip())
    return lines


def longer(some: list[float], others: list[float]) -> tuple[float, float]:
    """How often one of some is longer than one of others (Mann-Whitney), and the standard error if they were alike."""
    wins = sum((a > b) + (a == b) / 2 for a in some for b in others)
    pairs = len(some) * len(others)
    return wins / pairs, ((len(some) + len(others) + 1) / (12 * pairs)) ** 0.5


if __name__ == "__main__":
    main()
