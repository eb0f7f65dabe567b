"""Case R: what it costs a sale to be asked from where it comes, whose it is, and whether they may.

Two nodes of one chain, their hub away, with the same tills in turn: one as it is, one that asks nobody (`unguarded`), which
is the floor. Judged is the share of the processor time, by which a busy machine misleads least; `questions` is the
same counted up from each question alone.
"""

from pathlib import Path
from statistics import median
from typing import Final

from deploy.local_chain import HUB, LocalChain
from tests.bench import load, questions
from tests.bench.children import Served, process_serving
from tests.bench.figures import Figure, Outcome
from tests.bench.scale import is_quick

CASE: Final = "R"
TITLE: Final = "what asking who and whether they may costs a sale; 1 and 16 clients"

_ASKED: Final = "S01"
_UNASKED: Final = "S02"
_ROUNDS: Final = 4
_MEASURED_S: Final = 2.0
_SHARE_MAX: Final = 15.0


async def run(folder: Path) -> Outcome:
    """One run."""
    seen = await _driven(folder / "chain")
    each_us = await questions.of_a_sale(folder)
    figures = [
        Figure(f"question: {name}", took_us / 1e3, "ms") for name, took_us in each_us.items()
    ]
    floor = []
    for clients in (1, 16):
        asked_ms, unasked_ms = (median(seen[name, clients]) for name in (_ASKED, _UNASKED))
        words = f"{clients} client{'s' if clients > 1 else ''}"
        figures += [
            Figure(f"{words}: processor a sale", asked_ms, "ms"),
            Figure(
                f"{words}: share, node beside node",
                _share(asked_ms - unasked_ms, asked_ms),
                "%",
                _SHARE_MAX,
            ),
            Figure(
                f"{words}: share, questions alone",
                _share(sum(each_us.values()) / 1e3, asked_ms),
                "%",
                _SHARE_MAX,
            ),
        ]
        floor.append(Figure(f"{words}: processor a sale", unasked_ms, "ms"))
    return Outcome(tuple(figures), tuple(floor))


def _share(part_ms: float, whole_ms: float) -> float:
    return 100 * part_ms / whole_ms


async def _driven(folder: Path) -> dict[tuple[str, int], list[float]]:
    """Processor time of a sale at either node, by how many tills there were; in turn."""
    seen: dict[tuple[str, int], list[float]] = {}
    async with LocalChain(folder) as chain:
        await chain.start_hub()
        for name in (_ASKED, _UNASKED):
            await chain.add_node(name, [name], serve="later")
            await chain.till(name)
        await chain.stop(HUB)
        await chain.start(_ASKED)
        data = str(chain.nodes[_UNASKED].daemon.data)
        serve = ("serve", "--data", data, "--listen", "127.0.0.1:0")
        log = folder / "unguarded.log"
        async with process_serving("tests.bench.unguarded", *serve, log=log) as unasked:
            asked = chain.nodes[_ASKED].daemon
            assert asked.pid is not None
            served = {_ASKED: Served(asked.port, asked.pid), _UNASKED: unasked}
            for round_ in range(1 if is_quick() else _ROUNDS):
                for clients in (1, 16):
                    # Who comes first changes, or the second would always find the machine warm.
                    for name in sorted(served, reverse=bool(round_ % 2)):
                        to, token = served[name], chain.nodes[name].till_tokens["till-1"]
                        seconds = 0.2 if is_quick() else _MEASURED_S
                        key = f"{round_}-{clients}"
                        order = load.Order(to.port, name, token, clients, seconds, key, to.pid)
                        found = await load.drive(order)
                        seen.setdefault((name, clients), []).append(found.cpu_ms)
    return seen
