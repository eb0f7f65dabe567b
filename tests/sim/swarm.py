"""What may go wrong in a run, and how often: drawn for each seed, so that no fault hides behind another.

Invariant: `Options` says everything that a run does not draw from its seed's streams. A kind of fault is off in about
half of the runs; the rates of the others are log-uniform over two decades.
"""

import asyncio
import dataclasses
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from tests.sim.chain import Chain
from tests.sim.clients import Rates
from tests.sim.faults import CURES, KINDS

WEIGHT_DECADES: Final = 2.0
CLERKS_SHARE: Final = 0.2
"""Of the runs: those in which people work with documents too."""
CLERK_ACTS: Final = 20
LINE_DOWN: Final = 0.3
"""What cuts shops off for a while is at least so frequent where people are to decide apart."""
_RARE: Final = {
    "clone node": 0.05,
    "reformat node": 0.05,
    "restore node": 0.3,
    "restore hub": 0.1,
    "restore hub declared": 0.1,
    "kill hub": 0.3,
    "crash hub": 0.3,
    "back hub up": 0.5,
    "back node up": 0.5,
    "open shop": 0.2,
    "retire node": 0.1,
    "revoke node": 0.1,
    "rot": 0.3,
    "restore hub far back": 0.4,
}
"""Disasters are rarer than bad lines also where they are common."""
_NEEDS: Final = {
    "restore node": ("back node up",),
    "restore hub": ("back hub up",),
    "restore hub declared": ("back hub up",),
    "restore hub far back": ("prune logs",),
}
"""What has no occasion without another kind, or shows nothing, brings that along."""


@dataclass(frozen=True, slots=True)
class Options:
    """One run's shape."""

    nodes: int = 2
    tills: int = 4
    requests: int = 80
    fault_every_s: float = 2.0
    """On average."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """How often each kind of fault comes, against the others; those left out never."""
    office: bool = False
    standby: bool = False
    narrow: bool = False
    """The first shop does not see the others' shelves."""
    latency_s: float = 0.02
    window_bytes: int = 256 * 1024
    retention_days: int = 30
    disk_wait_s: float = 0.004
    page_rows: int | None = None
    """The hub's cap of a page; the product's own where there is none."""
    piece_rows: int | None = None
    """How many rows a node stores in one transaction, likewise."""
    rates: Rates = field(default_factory=Rates)
    acts: int = 0
    """How much each node's clerk does with documents; without any there are no clerks."""

    @classmethod
    def draw(cls, rng: random.Random) -> Self:
        """Draw a run's options."""
        # Clerks after all else, so that the runs of seeds without them are what they were before there were any.
        options = cls.draw_without_clerks(rng)
        return options._with_clerks() if rng.random() < CLERKS_SHARE else options

    @classmethod
    def draw_without_clerks(cls, rng: random.Random) -> Self:
        """Draw the options of a run in which there are tills and nobody else."""
        drawn = {
            kind: 10 ** (-WEIGHT_DECADES * rng.random()) * _RARE.get(kind, 1.0) for kind in KINDS
        }
        is_on = {kind for kind in KINDS if rng.random() < 0.5}
        is_on |= {needed for kind in is_on for needed in _NEEDS.get(kind, ())}
        weights = {kind: weight for kind, weight in drawn.items() if kind in is_on}
        nodes = rng.choice((2, 2, 3, 3, 4))
        return cls(
            nodes=nodes,
            tills=rng.randint(nodes, 2 * nodes),
            requests=rng.randint(42, 98),
            fault_every_s=10 ** rng.uniform(-0.13, 0.87),
            weights=weights,
            office=rng.random() < 0.4,
            standby=rng.random() < 0.3,
            narrow=rng.random() < 0.3,
            latency_s=10 ** rng.uniform(-3, 0.3),
            window_bytes=int(10 ** rng.uniform(3, 5.5)),
            retention_days=rng.choice((0, 0, 0, 30)),
            disk_wait_s=10 ** rng.uniform(-4, -1),
            page_rows=rng.choice((None, None, None, 1, 3)),
            piece_rows=rng.choice((None, None, 1, 3)),
            rates=Rates(
                pause_s=10 ** rng.uniform(0.3, 1.6),
                lose_answer=rng.choice((0.0, 0.05, 0.3)),
                lines_max=rng.choice((1, 3, 6)),
            ),
        )

    def _with_clerks(self) -> Self:
        """The same with somebody else who decides about what a shop decides about, and lines that break."""
        return dataclasses.replace(
            self,
            acts=CLERK_ACTS,
            standby=self.standby or not self.office,
            weights={**self.weights, "line down": max(LINE_DOWN, self.weights.get("line down", 0))},
        )

    def shortened(self) -> Self:
        """Half of the work, and so about half of the time in which things go wrong."""
        return dataclasses.replace(self, requests=self.requests // 2, acts=self.acts // 2)

    def to_json(self) -> dict[str, Any]:
        """For the bug base."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**{**data, "rates": Rates(**data["rates"])})


class Faults:
    """Does one thing after another to the chain until it is enough."""

    def __init__(self, chain: Chain, options: Options) -> None:
        self._chain = chain
        self._options = options
        self._rng = random.Random(f"{chain.seed} faults")
        self._enough = asyncio.Event()

    def enough(self) -> None:
        """No more from now on."""
        self._enough.set()

    async def go_on(self) -> None:
        """Draw a fault, wait, and again."""
        kinds, weights = list(self._options.weights), list(self._options.weights.values())
        while kinds and not self._enough.is_set():
            wait_s = -math.log(1 - self._rng.random()) * self._options.fault_every_s
            try:
                async with asyncio.timeout(wait_s):
                    await self._enough.wait()
                return
            except TimeoutError:
                pass
            (kind,) = self._rng.choices(kinds, weights)
            await KINDS[kind](self._chain, self._rng)

    async def heal(self) -> None:
        """End every fault that goes on, and start what is down."""
        for cure in CURES:
            await cure(self._chain)
