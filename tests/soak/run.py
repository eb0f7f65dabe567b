"""One soak from start to end: a chain, its trade, its restarts, its samples, and the reckoning.

Invariant: whatever ends it, every process it started is gone afterwards, and every sample taken until then is in the
file: one JSON object a line, written and flushed as it is taken.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any, Final, TextIO

from deploy.agreement import settle
from deploy.local_chain import HUB, LocalChain
from deploy.process import Daemon, ProcessError
from tests.shopwork.clerk import WorkError
from tests.soak import report
from tests.soak.http_line import HttpLine, LineLost
from tests.soak.paperwork import OFFICE, Paperwork
from tests.soak.samples import Sample, database_mb, quantile, read_process, tasks_of
from tests.soak.tills import LiveReader, SoakError, SoakTill, Trade, has_live_stream, watch_stock

SAMPLE_S: Final = 10.0
PROGRESS_S: Final = 60.0
TILLS_PER_NODE: Final = 2
HUB_AWAY_S: Final = 3.0
"""Long enough for every node to notice and to fail once."""
SETTLE_S_MAX: Final = 900.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run."""

    minutes: float
    sales_per_s: float
    node_count: int
    hub_restart_every_min: float
    seed: int
    acts_per_s: float
    """What clerks do beside the sales, at all nodes and the office together."""

    @property
    def sample_s(self) -> float:
        return min(SAMPLE_S, self.minutes * 60 / 12)


@dataclass(slots=True)
class Soak:
    """Everything of one run; `samples` in order of time."""

    chain: LocalChain
    plan: Plan
    file: TextIO | None
    say: Callable[[object], None]
    trades: dict[str, Trade] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    readers: list[LiveReader] = field(default_factory=list)
    paperwork: Paperwork | None = None
    """Once the shops are open."""
    hub_ends: list[str] = field(default_factory=list)
    """How each life of the hub ended: `SIGTERM` or `kill -9`."""
    began_s: float = field(default_factory=time.monotonic)
    hub_began_s: float = 0.0
    _lines: dict[str, HttpLine] = field(default_factory=dict)

    @property
    def at_s(self) -> float:
        return time.monotonic() - self.began_s

    @property
    def answered(self) -> int:
        return sum(trade.answered for trade in self.trades.values())

    async def run(self) -> None:
        """Trade for the planned time, settle, and compare what is there with what was sold.

        Raises:
            SoakError, DisagreementError, ProcessError: what went wrong, in one sentence and a log's end.
        """
        tills = await self._open_shops()
        closing_time = asyncio.Event()
        self.began_s = self.hub_began_s = time.monotonic()
        per_till_s = self.plan.sales_per_s / len(tills)
        try:
            async with asyncio.TaskGroup() as group:
                for till in tills:
                    group.create_task(till.sell(per_till_s, closing_time))
                for work in self._paperwork.work(self.plan.acts_per_s, closing_time):
                    group.create_task(work)
                lookers = [group.create_task(each) for each in (self._watch(), *self._readers())]
                lookers += [
                    group.create_task(self._sample_on()),
                    group.create_task(self._report_on()),
                ]
                await self._restart_hub_until_the_end()
                closing_time.set()
                for looker in lookers:
                    looker.cancel()
        except* (
            SoakError,
            WorkError,
            LineLost,
            ProcessError,
            ValueError,
            TimeoutError,
        ) as failures:
            raise SoakError(str(failures.exceptions[0])) from failures
        await self._sample()

    async def reckon(self) -> None:
        """Wait until all replicas agree, and compare them with the tills' own sums.

        Raises: as `run`.
        """
        locations = [trade.location for trade in self.trades.values()]
        began_s = time.monotonic()
        await settle(self.chain, locations, patience_s=SETTLE_S_MAX)
        self.say(f"all replicas agree {time.monotonic() - began_s:.1f} s after the last sale")
        self.say(await self._paperwork.reckon(self.trades.values(), patience_s=SETTLE_S_MAX))
        for name, trade in self.trades.items():
            recorded = await self._sales_recorded(name, trade.location)
            if recorded != trade.answered:
                raise SoakError(f"{name}: {trade.answered} sales answered, {recorded} in its log")
        self.say(f"{self.answered} sales answered, each is there once at every replica")

    async def _sales_recorded(self, name: str, location: str) -> int:
        """How many sales of tills a node has in its log; a till gives each its key as reference.

        Raises:
            SoakError: one is there twice.
        """
        rows = self.chain.operator(name).rows("/v1/movements", kind="sale", location=location)
        references = [str(row["reference"]) async for row in rows if not row.get("document")]
        of_tills = [each for each in references if each.startswith(f"{name}-till")]
        if len(set(of_tills)) != len(of_tills):
            raise SoakError(f"{name}: a sale is there twice")
        return len(of_tills)

    async def verify(self) -> list[str]:
        """Run `verify` on every folder, one after another; what was found wrong."""
        wrong = []
        for name in (HUB, *self.chain.nodes):
            began_s = time.monotonic()
            try:
                await self.chain.verify([name])
            except ProcessError as failure:
                wrong.append(f"verify {name}: {failure}")
            else:
                self.say(f"verify {name}: sound, {time.monotonic() - began_s:.0f} s")
        return wrong

    def note(self, kind: str, values: dict[str, Any]) -> None:
        """Write one line of the file."""
        if self.file is not None:
            self.file.write(json.dumps({"what": kind, **values}) + "\n")
            self.file.flush()

    async def _open_shops(self) -> list[SoakTill]:
        chain, plan = self.chain, self.plan
        await chain.start_hub()
        names = [f"shop{number}" for number in range(1, plan.node_count + 1)]
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(chain.add_node(name, [f"L-{name}"]))
        await chain.add_office(OFFICE)
        self.paperwork = await Paperwork.opened(chain, plan.seed)
        tills = []
        for number, name in enumerate(names):
            trade = self.trades[name] = Trade(f"L-{name}")
            self._lines[name] = self._operator_line(name)
            for place in range(TILLS_PER_NODE):
                await chain.till(name, f"till-{place}")
                token = chain.nodes[name].till_tokens[f"till-{place}"]
                rng = Random(plan.seed * 1_000 + number * TILLS_PER_NODE + place)
                till_name = f"{name}-till{place}"
                tills.append(SoakTill(till_name, self._line(name, token), trade, rng))
        for name in (OFFICE, HUB):
            self._lines[name] = self._operator_line(name)
        await self._open_streams()
        return tills

    @property
    def _paperwork(self) -> Paperwork:
        assert self.paperwork is not None, "the shops are opened first"
        return self.paperwork

    async def _open_streams(self) -> None:
        first = next(iter(self.trades))
        if not await has_live_stream(self._lines[first], self.trades[first].location):
            self.say("no live stream in this build: none is read")
            return
        for name, trade in self.trades.items():
            port = self.chain.nodes[name].daemon.port
            self.readers.append(LiveReader(self._operator_line(name), port, trade.location))

    def _daemon(self, name: str) -> Daemon:
        return self.chain.hub if name == HUB else self.chain.nodes[name].daemon

    def _line(self, name: str, token: str) -> HttpLine:
        return HttpLine(self._daemon(name).port, token)

    def _operator_line(self, name: str) -> HttpLine:
        return self._line(name, (self._daemon(name).data / "operator.token").read_text().strip())

    def _readers(self) -> list[Any]:
        return [reader.read() for reader in self.readers]

    async def _watch(self) -> None:
        lines = [self._operator_line(name) for name in self.trades]
        await watch_stock(lines, [trade.location for trade in self.trades.values()])

    async def _restart_hub_until_the_end(self) -> None:
        every_s = self.plan.hub_restart_every_min * 60
        ends_s = self.plan.minutes * 60
        while (left_s := ends_s - self.at_s) > 0:
            await asyncio.sleep(min(every_s, left_s))
            # The last life gets a whole interval or none: a restart at the very end tests nothing.
            if ends_s - self.at_s < every_s / 2:
                await asyncio.sleep(max(0.0, ends_s - self.at_s))
                return
            await self._restart_hub()

    async def _restart_hub(self) -> None:
        by = "SIGTERM" if len(self.hub_ends) % 2 == 0 else "kill -9"
        self._lines[HUB].close()
        await (self.chain.stop(HUB) if by == "SIGTERM" else self.chain.kill(HUB))
        self.hub_ends.append(by)
        self.hub_began_s = (
            time.monotonic()
        )  # until it serves: a look at a starting process is of the next life
        self.note("hub ended", {"at_s": self.at_s, "by": by})
        await asyncio.sleep(HUB_AWAY_S)
        await self.chain.start(HUB)
        self.hub_began_s = time.monotonic()
        self.note("hub started", {"at_s": self.at_s})

    async def _sample_on(self) -> None:
        due_s = 0.0
        while True:
            self.chain.check_running()
            await self._sample()
            due_s += self.plan.sample_s
            await asyncio.sleep(max(0.0, due_s - self.at_s))

    async def _sample(self) -> None:
        for name in (*self.trades, OFFICE, HUB):
            sample = await self._look_at(name)
            if sample is not None:
                self.samples.append(sample)
                self.note("sample", asdict(sample))

    async def _look_at(self, name: str) -> Sample | None:
        daemon = self._daemon(name)
        used = read_process(daemon.pid) if daemon.pid is not None else None
        if used is None:
            return None
        latencies = self.trades[name].take_interval() if name in self.trades else ()
        database, wal = database_mb(daemon.data)
        return Sample(
            at_s=self.at_s,
            daemon=name,
            life=1 + (len(self.hub_ends) if name == HUB else 0),
            life_s=time.monotonic() - (self.hub_began_s if name == HUB else self.began_s),
            **asdict(used),
            database_mb=database,
            wal_mb=wal,
            tasks=tasks_of((await self._ask(name, "/metrics")).decode()),
            pending=await self._pending(name),
            sales=len(latencies),
            p50_ms=quantile(latencies, 0.5),
            p99_ms=quantile(latencies, 0.99),
            max_ms=max(latencies, default=None),
        )

    async def _pending(self, name: str) -> int | None:
        if name == HUB:
            return None
        text = await self._ask(name, "/v1/sync")
        return int(json.loads(text)["pending"]) if text else None

    async def _ask(self, name: str, target: str) -> bytes:
        try:
            answer = await self._lines[name].get(target)
        except LineLost:
            return b""  # between two lives
        return answer.body if answer.status == 200 else b""

    async def _report_on(self) -> None:
        while True:
            await asyncio.sleep(min(PROGRESS_S, self.plan.minutes * 60 / 4))
            latest = {sample.daemon: sample for sample in self.samples}
            worst = max((s.p99_ms or 0.0 for s in latest.values()), default=0.0)
            self.say(
                f"{self.at_s / 60:5.1f} min: {self.answered} sales answered, "
                f"{self._paperwork.staff.asked} acts asked for, "
                f"{sum(s.pending or 0 for s in latest.values())} pending, "
                f"worst p99 {worst:.1f} ms, {len(self.hub_ends)} restarts"
            )
            self.say(report.processes(latest.values()))
