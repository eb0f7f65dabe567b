"""Nothing had to be mended but what had rotted (G6): any other digest that ever differed is a row that the feed got wrong.

Invariant: repair is for disks that rot. Were it at work elsewhere, it would hide what this suite is to find.
"""

from tests.sim.chain import Chain


def check(chain: Chain) -> None:
    """Look for scopes that a node has found to differ from the hub's."""
    for machine in chain.nodes.values():
        for (scope,) in machine.disk.db.execute("SELECT scope FROM repair ORDER BY scope"):
            if scope not in chain.rotten:
                chain.complain(f"G6: {machine.name} had to have {scope} mended")
