"""How a run begins: a hub, its nodes, enrolled as an operator would."""

import asyncio

from hub.fleet import Enrolment
from protocol.certificate import ALL, Role
from tests.sim.chain import Chain
from tests.sim.swarm import Options


async def build(chain: Chain, options: Options) -> None:
    """Found the chain, enrol its nodes and start everything."""
    await chain.hub.found()
    chain.hub.start()
    await asyncio.sleep(1.0)
    for number in range(options.nodes):
        name = f"S{number + 1:02}"
        wish = Enrolment(name=name, writes=(name, f"{name}-back"))
        if options.office and number == options.nodes - 1:
            wish = Enrolment(name="office", role=Role.OFFICE, reads=(ALL,))
        elif options.standby and number == 1:
            wish = Enrolment(name=name, writes=("S01",), standby=True)
        elif options.narrow and number == 0:
            wish = Enrolment(name=name, writes=(name, f"{name}-back"), reads=(name,))
        machine = chain.node(wish.name)
        machine.weather.latency_s = options.latency_s
        machine.disk.wait_s_usual = machine.disk.wait_s_max = options.disk_wait_s
        await machine.join(wish)
        machine.start()
