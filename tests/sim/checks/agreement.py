"""Everybody shows the same, and it is the sum of the ledger (I5, I6)."""

from collections import Counter

from protocol.ids import Scope
from tests.sim import reading
from tests.sim.chain import Chain
from tests.sim.machines import NodeMachine


def check(chain: Chain) -> None:
    """Compare sums, totals, views and digests."""
    db = chain.hub.disk.db
    totals = reading.hub_totals(db)
    _sums(chain, totals)
    digests = reading.digests(db)
    for machine in chain.staying:
        _digests(chain, machine, digests)
        _view(chain, machine, totals)


def _sums(chain: Chain, totals: dict[reading.Key, int]) -> None:
    sums: Counter[reading.Key] = Counter()
    for each in reading.hub_ledger(chain.hub.disk.db):
        if each.body is not None and each.code is None and each.repeats is None:
            for key, delta in reading.deltas(each.body):
                sums[key] += delta
    for key in sorted(sums.keys() | totals.keys()):
        if sums[key] != totals.get(key, 0):
            chain.complain(f"I6: the hub shows {totals.get(key)} of {key}; its ledger: {sums[key]}")


def _digests(chain: Chain, machine: NodeMachine, of_hub: dict[str, tuple[int, bytes]]) -> None:
    held = reading.digests(machine.disk.db, only_held=True)
    readable = {scope for scope in of_hub if machine.certificate.reads_scope(Scope(scope))}
    for scope in sorted(held.keys() | readable):
        if held.get(scope) != of_hub.get(scope):
            chain.complain(f"I5: {machine.name} has another digest of {scope} than the hub")


def _view(chain: Chain, machine: NodeMachine, totals: dict[reading.Key, int]) -> None:
    shown = reading.shown(machine.disk.db)
    for key in sorted(totals):
        if machine.reads(key[0]) and shown.get(key, 0) != totals[key]:
            chain.complain(
                f"I6: {machine.name} shows {shown.get(key, 0)} of {key}, the hub {totals[key]}"
            )
    for key, value in sorted(shown.items()):
        if key not in totals and value and not chain.is_unheard_of(key[0]):
            chain.complain(f"I6: {machine.name} shows {value} of {key}, unknown to the hub")
