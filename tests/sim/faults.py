"""The faults of lines, processes, disks and clocks; `disasters` has those that take data.

Each is a coroutine of the chain and a stream of random numbers; it does one thing and says so. What goes on for a while
ends by a timer, and at the latest when the chain is healed.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Final

from tests.sim import disasters, fleet, poison, rot
from tests.sim.chain import Chain
from tests.sim.lines import Connection
from tests.sim.machines import Machine, NodeMachine

Fault = Callable[[Chain, random.Random], Awaitable[None]]
YEAR_MS: Final = 365 * 24 * 3600 * 1000
LASTS_S_MAX: Final = 60.0


def _node(chain: Chain, rng: random.Random) -> NodeMachine:
    return rng.choice(list(chain.nodes.values()))


def _line(chain: Chain, rng: random.Random) -> Connection | None:
    lines = [each for each in chain.connections if each.is_open]
    return rng.choice(lines) if lines else None


def _later(chain: Chain, rng: random.Random, cure: Callable[[], object]) -> None:
    wait_s = LASTS_S_MAX * rng.random() ** 2
    chain.loop.call_later(wait_s, cure, context=Context())


# --- lines ---------------------------------------------------------------------------------------------------------


async def cut(chain: Chain, rng: random.Random) -> None:
    """A line breaks, with what is under way."""
    if (line := _line(chain, rng)) is not None:
        chain.fault("cut", line.node.process.name)
        line.cut()


async def silence(chain: Chain, rng: random.Random) -> None:
    """A line carries nothing more in one direction or both, and nobody is told."""
    if (line := _line(chain, rng)) is not None:
        up, down = rng.choice(((True, False), (False, True), (True, True)))
        chain.fault("half-open line", line.node.process.name, up, down)
        line.go_silent(up=up, down=down)


async def drain_late(chain: Chain, rng: random.Random) -> None:
    """A node loses its line; what it had sent arrives long after it has come back."""
    if (line := _line(chain, rng)) is not None:
        chain.fault("old session drains late", line.node.process.name, line.up.under_way)
        line.drain_late(rng.random() * 60)


async def clog(chain: Chain, rng: random.Random) -> None:
    """A line holds everything back for a while."""
    if (line := _line(chain, rng)) is not None:
        chain.fault("clogged line", line.node.process.name)
        for pipe in rng.choice(((line.up,), (line.down,), (line.up, line.down))):
            pipe.clogged = True
            _later(chain, rng, pipe.unclog)


async def line_down(chain: Chain, rng: random.Random) -> None:
    """A shop has no internet for a while."""
    machine = _node(chain, rng)
    chain.fault("shop cut off", machine.name)
    machine.weather.is_down = True
    for line in chain.lines_of(machine.process):
        line.cut()
    _later(chain, rng, lambda: setattr(machine.weather, "is_down", False))


async def line_silent(chain: Chain, rng: random.Random) -> None:
    """A shop's packets vanish for a while."""
    machine = _node(chain, rng)
    chain.fault("packets vanish", machine.name)
    machine.weather.is_silent = True
    for line in chain.lines_of(machine.process):
        line.go_silent(up=True, down=True)
    _later(chain, rng, lambda: setattr(machine.weather, "is_silent", False))


async def slow_line(chain: Chain, rng: random.Random) -> None:
    """A shop's line becomes slow, or fast again."""
    machine = _node(chain, rng)
    chain.fault("slow line", machine.name)
    machine.weather.latency_s = 10 ** rng.uniform(-3, 0.7)
    machine.weather.bytes_per_s = 10 ** rng.uniform(3, 6)


# --- processes -----------------------------------------------------------------------------------------------------


def _kill(chain: Chain, rng: random.Random, machine: Machine) -> None:
    silently = rng.random() < 0.4
    chain.fault("power cut" if silently else "kill", machine.name)
    machine.kill("fault", silently=silently)
    _later(chain, rng, machine.start)


def _crash(chain: Chain, rng: random.Random, machine: Machine) -> None:
    after = rng.random() < 0.5
    chain.fault(f"crash {'after' if after else 'before'} a commit", machine.name)
    machine.disk.crash_after_commit = after
    machine.disk.crash_in = rng.randint(1, 6)


async def kill_node(chain: Chain, rng: random.Random) -> None:
    """A node's process dies."""
    _kill(chain, rng, _node(chain, rng))


async def kill_hub(chain: Chain, rng: random.Random) -> None:
    """The hub's process dies."""
    _kill(chain, rng, chain.hub)


async def crash_node(chain: Chain, rng: random.Random) -> None:
    """A node's process dies at one of its next writes."""
    _crash(chain, rng, _node(chain, rng))


async def crash_hub(chain: Chain, rng: random.Random) -> None:
    """The hub's process dies at one of its next writes."""
    _crash(chain, rng, chain.hub)


async def restart(chain: Chain, rng: random.Random) -> None:
    """An operator restarts somebody's daemon."""
    machine = rng.choice([chain.hub, *chain.nodes.values()])
    if machine.is_up:
        chain.fault("restart", machine.name)
        await machine.close()
        _later(chain, rng, machine.start)


async def stop_for_a_while(chain: Chain, rng: random.Random) -> None:
    """A machine sleeps and wakes up: its timers come up together."""
    machine = rng.choice([chain.hub, *chain.nodes.values()])
    process = machine.process
    if process is not None:
        chain.fault("asleep", machine.name)
        chain.loop.stop_process(process)
        _later(chain, rng, lambda: chain.loop.continue_process(process))


# --- disks and clocks ----------------------------------------------------------------------------------------------


def _fill(chain: Chain, rng: random.Random, machine: Machine) -> None:
    chain.fault("disk full", machine.name)
    machine.disk.fill(rng.choice((0, 0, 1, 3)))
    _later(chain, rng, machine.disk.empty)


async def fill_node(chain: Chain, rng: random.Random) -> None:
    """A node's disk is full for a while."""
    _fill(chain, rng, _node(chain, rng))


async def fill_hub(chain: Chain, rng: random.Random) -> None:
    """The hub's disk is full for a while."""
    _fill(chain, rng, chain.hub)


async def slow_disk(chain: Chain, rng: random.Random) -> None:
    """Somebody's disk takes its time."""
    machine = rng.choice([chain.hub, *chain.nodes.values()])
    chain.fault("slow disk", machine.name)
    machine.disk.wait_s_max = 10 ** rng.uniform(-3, 0.5)
    _later(chain, rng, lambda: setattr(machine.disk, "wait_s_max", machine.disk.wait_s_usual))


async def set_clock(chain: Chain, rng: random.Random) -> None:
    """Somebody's clock is set, by seconds or years, forwards or backwards, or runs wrong."""
    machine = rng.choice([chain.hub, *chain.nodes.values()])
    kind = rng.choice(("step", "years", "drift", "right"))
    chain.fault(f"clock: {kind}", machine.name)
    match kind:
        case "step":
            machine.clock.offset_ms += rng.randint(-3_600_000, 3_600_000)
        case "years":
            machine.clock.offset_ms = rng.randint(-10, 10) * YEAR_MS
        case "drift":
            machine.clock.drift = rng.uniform(-0.1, 0.1)
        case _:
            machine.clock.offset_ms, machine.clock.drift = 0, 0.0


KINDS: Final[dict[str, Fault]] = {
    "cut": cut,
    "half-open line": silence,
    "drain late": drain_late,
    "clog": clog,
    "line down": line_down,
    "line silent": line_silent,
    "slow line": slow_line,
    "kill node": kill_node,
    "kill hub": kill_hub,
    "crash node": crash_node,
    "crash hub": crash_hub,
    "restart": restart,
    "sleep": stop_for_a_while,
    "fill node": fill_node,
    "fill hub": fill_hub,
    "slow disk": slow_disk,
    "clock": set_clock,
    "back node up": disasters.back_node_up,
    "restore node": disasters.restore_node,
    "clone node": disasters.clone_node,
    "reformat node": disasters.reformat_node,
    "back hub up": disasters.back_hub_up,
    "prune logs": disasters.prune_logs,
    "restore hub": disasters.restore_hub,
    "restore hub declared": disasters.restore_hub_declared,
    "change access": disasters.change_access,
    "poison": poison.record_elsewhere,
    "open shop": fleet.open_shop,
    "retire node": fleet.retire_node,
    "revoke node": fleet.revoke_node,
    "rot": rot.rot,
    "restore hub far back": disasters.restore_hub_far_back,
}


# --- healing -------------------------------------------------------------------------------------------------------


async def _mend_lines(chain: Chain) -> None:
    for machine in chain.nodes.values():
        machine.weather.is_down = machine.weather.is_silent = False
        machine.weather.latency_s, machine.weather.bytes_per_s = 0.05, 1_000_000.0
    for line in chain.connections:
        line.up.unclog()
        line.down.unclog()


async def _mend_machines(chain: Chain) -> None:
    for machine in (chain.hub, *chain.nodes.values()):
        machine.disk.empty()
        machine.disk.wait_s_max = machine.disk.wait_s_usual
        machine.disk.crash_in = None
        if machine.process is not None:
            chain.loop.continue_process(machine.process)
        machine.start()
    await asyncio.sleep(1.0)


CURES: Final = (_mend_lines, _mend_machines, fleet.order_again, rot.look_again)
