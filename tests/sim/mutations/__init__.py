"""The mutation list: planted bugs that the simulator has to find. If it does not, it is blind.

    planting     what a planted bug is, and how it is put in and taken out
    history      bugs of identity: fork, epoch, salt
    keeping      bugs of what is kept
    merging      bugs of arithmetic
    feeding      bugs of the feed
    recording    bugs between till and ledger
    booking      bugs of documents' books
    timers       bugs of time
    scripts      written histories for what no simulated till does

Invariant: every mechanism of SYNC 2.6 and each of the twenty bugs of FAULTS 3.6 is in `MECHANISMS` or `PLANTED`; those of the
shops' work with documents are in `OF_DOCUMENTS`.
"""

from collections.abc import Mapping
from typing import Final

from tests.sim.mutations import booking, feeding, history, keeping, merging, recording, timers
from tests.sim.mutations.planting import Mutation

__all__ = ["MECHANISMS", "MUTATIONS", "OF_DOCUMENTS", "PLANTED", "Mutation"]

MUTATIONS: Final[Mapping[str, Mutation]] = {
    mutation.name: mutation
    for module in (history, keeping, merging, feeding, recording, timers, booking)
    for mutation in module.MUTATIONS
}

MECHANISMS: Final[Mapping[str, str]] = {
    "no chain check": "fork check off",
    "no op_id uniqueness": "op_id counts again",
    "no salt": "salt check off",
    "node deletes acked ops": "acknowledged operations are deleted",
    "anchor only at commit end": "salt at commit ends only",
    "re-incarnation drops known ops": "new replica drops known operations",
}
"""Of SYNC 2.6, by the mutation that takes it away."""

PLANTED: Final[Mapping[str, str]] = {
    "no dedup": "repeats are recorded",
    "ack before commit": "answered before commit",
    "prune before ack": "pruned before acknowledged",
    "seq reuse after restart": "positions used again after a restart",
    "fork check off": "fork check off",
    "epoch check off": "epoch check off",
    "feed > vs >=": "one row is skipped",
    "coalescer drops last": "last change is lost",
    "LWW tie-break non-deterministic": "ties by arrival",
    "HLC not persisted": "clock forgets what it saw",
    "scope filter at subscribe time only": "rights of the beginning",
    "transfer not atomic": "lines land apart",
    "snapshot without outbox replay": "page covers the outbox",
    "retry with new idem": "retried under a new key",
    "float quantity": "float quantities",
    "max() instead of sum in PN merge": "largest instead of sum",
    "counter merge by overwrite": "counter overwritten",
    "reject not acked": "refused is not acknowledged",
    "timer leak": "timer leaks",
    "back-off without jitter": "back-off without jitter",
}
"""The twenty of FAULTS 3.6."""

OF_DOCUMENTS: Final = tuple(mutation.name for mutation in booking.MUTATIONS)
"""What shops do with orders, transfers and stocktakes, and what may go wrong with their books."""
