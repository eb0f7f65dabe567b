"""Nothing is lost, nothing counts twice, nothing is made up (I1, I2, I3, I10, I11, I12).

Invariant: decided by the oracle's book and the bytes in the hub's ledger, not by what the product says of itself.
"""

from collections import defaultdict

from protocol.departure import Reason
from protocol.ids import OpId
from protocol.notes import NOTE_PREFIX
from protocol.operation import Operation
from tests.sim import reading
from tests.sim.chain import Chain
from tests.sim.checks.naming import is_named_by_what_it_does
from tests.sim.ledger import Fate, Ledger


def check(chain: Chain, ledger: Ledger) -> None:
    """Compare the book with the hub's ledger."""
    held = reading.hub_ledger(chain.hub.disk.db)
    counted: dict[OpId, bytes] = {}
    for each in held:
        if each.body is None or each.code is not None or each.repeats is not None:
            continue
        id_ = reading.operation(each.body).op_id
        if id_ in counted:
            chain.complain(f"I3: operation {id_.hex()} counts twice")
        counted[id_] = each.body
    _made_up(chain, ledger, counted)
    chain.custody.close_books()
    for id_, machine in ledger.answered.items():
        if id_ not in counted and not chain.custody.is_excused(id_):
            key = ledger.requests[id_].key
            chain.complain(f"I2: {machine} answered {key} ({id_.hex()}), and the hub has it not")
    _two_bodies(chain, held)


def _made_up(chain: Chain, ledger: Ledger, counted: dict[OpId, bytes]) -> None:
    for id_, body in counted.items():
        request = ledger.requests.get(id_)
        if request is None:
            operation = reading.operation(body)
            if not (
                _is_note(operation) or is_named_by_what_it_does(chain.hub.identity.chain, operation)
            ):
                chain.complain(f"I1: operation {id_.hex()} was never asked for")
            continue
        if request.fate is Fate.REFUSED and not request.was_uncertain:
            chain.complain(f"I1: {request.key} was refused, and counts")
        if request.is_act:
            continue
        lines = [(sku, lot, delta) for (_, sku, lot, _), delta in reading.deltas(body)]
        if not any(_fits(lines, asked) for asked in request.allowed):
            chain.complain(f"I12: {request.key} asked for {request.allowed}, and {lines} count")


def _is_note(operation: Operation) -> bool:
    """Whether a node wrote it of its own accord, about nothing that counts."""
    return operation.kind.startswith(NOTE_PREFIX) and not operation.effects


def _fits(
    lines: list[tuple[str, str, int]], asked: tuple[tuple[str, str, int | None], ...]
) -> bool:
    return len(lines) == len(asked) and all(
        (sku, lot) == (wanted_sku, wanted_lot) and wanted in {None, delta}
        for (sku, lot, delta), (wanted_sku, wanted_lot, wanted) in zip(lines, asked, strict=True)
    )


def _two_bodies(chain: Chain, held: list[reading.Held]) -> None:
    """No position of a log has two bodies anywhere."""
    bodies: dict[tuple[bytes, int], bytes] = {}
    by_position = {each.position: each.body for each in held}
    for each in held:
        body = by_position[each.repeats] if each.body is None and each.repeats else each.body
        if body is not None:
            bodies[each.replica, each.seq] = body
    found: dict[bytes, list[str]] = defaultdict(list)
    for machine in chain.nodes.values():
        if machine.order is not None and machine.order.reason is Reason.REVOKED:
            continue  # what it does since is not taken, and it is not told where it went wrong
        replica = bytes(reading.position(machine.disk.db)["id"])
        found[replica].append(machine.name)
        for seq, body, _ in reading.log_bodies(machine.disk.db):
            if bodies.setdefault((replica, seq), body) != body:
                chain.complain(f"I10: {machine.name} has another operation {seq} than the hub")
    for replica, names in found.items():
        if len(names) > 1:
            chain.complain(f"I10: {' and '.join(names)} continue one log, {replica.hex()}")
