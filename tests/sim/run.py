"""One run: set the chain up, let everything go wrong for a while, heal it, and wait until all is well again.

Invariant: `run_seed` is a function of its arguments. It runs on a loop of its own, leaves nothing behind, and reports
instead of raising: what the product raised is a violation like any other.
"""

import asyncio
import gc
import random
import traceback
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from node.replica.retention import Retention
from protocol.limits import REPAIR_PAUSE_S
from tests.sim import checks
from tests.sim.caps import capped
from tests.sim.chain import Chain
from tests.sim.ledger import Ledger
from tests.sim.loop import SimLoop
from tests.sim.machines import NodeMachine
from tests.sim.swarm import Faults, Options
from tests.sim.workload import Staff
from tests.sim.world import build

HEAL_S_MAX: Final = 600.0
"""Virtual time in which a healed chain has to come to rest: some longest retries, one after another."""
MENDED_S_MAX: Final = 2 * REPAIR_PAUSE_S
"""The same where a disk has rotted: a repair that was cut off is begun again an hour later."""
POLL_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one seed."""

    seed: int
    violations: list[str]
    event_hash: str
    faults: Counter[str]
    probes: Counter[str]
    requests: int = 0
    answered: int = 0
    excused: int = 0
    """Answered by a node whose only disk was then rolled back or destroyed, before the hub had it."""
    frames: int = 0
    virtual_s: float = 0.0
    notes: dict[str, object] = field(default_factory=dict)


def options_of(seed: int) -> Options:
    """The options that are drawn from a seed."""
    return Options.draw(random.Random(f"{seed} options"))


def run_short(seed: int, *, verbose: bool = False) -> Report:
    """Simulate one seed with half of its work."""
    return run_seed(seed, options_of(seed).shortened(), verbose=verbose)


def run_seed(seed: int, options: Options | None = None, *, verbose: bool = False) -> Report:
    """Simulate one seed; options are drawn from it unless given."""
    options = options_of(seed) if options is None else options
    loop = SimLoop(random.Random(f"{seed} schedule"))
    chain = Chain(loop, seed, verbose=verbose)
    ledger = Ledger()
    was_enabled = gc.isenabled()
    gc.disable()  # a collection runs finalisers at a moment that depends on the interpreter's past
    try:
        with checks.Ears(chain), capped(options):
            try:
                loop.run_until_complete(_simulate(chain, ledger, options))
            except Exception as error:
                chain.complain(f"the run ended with {error!r}: {_places(error)}")
            frames, virtual_s, end = chain.frames, loop.time(), chain.event_hash
            loop.finish()
        for complaint in loop.complaints:
            chain.complain(f"I18: {complaint}")
    finally:
        chain.close()
        if was_enabled:
            gc.enable()
    return Report(
        seed,
        chain.violations,
        end,
        chain.faults,
        chain.probes,
        len(ledger),
        len(ledger.answered),
        len(chain.custody.excused),
        frames,
        virtual_s,
    )


async def _simulate(chain: Chain, ledger: Ledger, options: Options) -> None:
    chain.window_bytes, chain.retention = options.window_bytes, Retention(options.retention_days)
    chain.is_read_in_pieces = not (options.page_rows is None and options.piece_rows is None)
    await build(chain, options)
    chain.custody.watch(ledger)
    watching = asyncio.create_task(checks.Watch(chain).go_on())
    staff = Staff(chain, ledger, options.rates, options.acts)
    rng, share = random.Random(f"{chain.seed} workload"), options.requests // options.tills
    machines = list(chain.nodes.values())
    for number in range(options.tills):
        machine = machines[number % len(machines)]
        staff.employ(machine, rng.randint(share // 2, share + share // 2))
    for machine in machines:
        staff.employ_clerk(machine)

    def welcome(machine: NodeMachine) -> None:
        staff.employ(machine, share // 2)
        staff.employ_clerk(machine)

    chain.on_joined = welcome
    faults = Faults(chain, options)
    doing = asyncio.create_task(faults.go_on())
    await staff.go_home()
    faults.enough()
    await doing
    chain.note("HEAL")
    await faults.heal()
    # A copy that has sold nothing since it was made is the same log as its original, and cannot be told apart.
    for machine in chain.nodes.values():
        staff.employ(machine, 2)
    await staff.go_home()
    await _settle(chain)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    checks.at_the_end(chain, ledger)


async def _settle(chain: Chain) -> None:
    """Wait until everybody is connected and nothing is left to be sent, in either direction."""
    within_s = MENDED_S_MAX if chain.rotten else HEAL_S_MAX
    until_s = chain.loop.time() + within_s
    still = "nothing was looked at"
    while chain.loop.time() < until_s:
        await asyncio.sleep(POLL_S)
        still_ = checks.unrest(chain)
        if still_ is None:
            chain.note("REST")
            return
        still = still_
    chain.complain(f"no rest after {within_s:.0f} s: {still}")


def _places(error: BaseException) -> str:
    return " < ".join(
        f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"
        for frame in reversed(traceback.extract_tb(error.__traceback__)[-6:])
    )
