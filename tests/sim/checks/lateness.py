"""What a finalised stocktake says of movements that its counts did not know of (`late/`) is what they did not know of.

Invariant: worked out here from the ledger, from what was expected and from the clocks of the simulation, without the marks
that the product keeps of what was inside the stock at that moment. What was expected is the sum of the counting log's own
movements before the count and of those of others that were inside; so others' movements of before, less that, are what
came later. Asked only where clocks were right and no disk was lost or put back: elsewhere nobody can say what was known.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from protocol.effects import Account, FieldEffect
from protocol.operation import Operation
from tests.shopwork.papers import Paper
from tests.sim import filing, reading
from tests.sim.chain import Chain
from tests.sim.machines import NodeMachine

LINE_S: Final = 10.0
"""How far what nodes take for the hub's clock may differ, by lines that are slower in one direction than in the other."""
AT_ONE_MOMENT_MAX: Final = 6
"""Movements so soon after a count that they may be inside it all the same; of more nothing is concluded."""
_UNCLEAR: Final = ("clock", "poison", "access changed", "node ", "hub restored")
"""Kinds of faults after which there is nothing to compare with."""


class Counted(NamedTuple):
    """The count that stands of one line, and the operation that it came by."""

    paper: Paper
    shelf: reading.Key
    name: str
    """Of the line and the round: `<line>/<round>`."""
    expected: int
    replica: bytes
    seq: int
    at_ms: int
    """By the hub's clock, as its node knew it; so of all that is compared with it."""

    @property
    def said(self) -> int:
        """What the stocktake says that it did not know of."""
        begin = f"late/{self.name}/"
        found = (value for name, (_, value) in self.paper.fields.items() if name.startswith(begin))
        return sum(int(value["delta"]) for value in found if isinstance(value, Mapping))


def unsaid(chain: Chain) -> str | None:
    """What somebody has still to say; None when nothing is left that anybody could."""
    for counted, machine, others in _judged(chain):
        listed = {bytes(id_) for (id_,) in machine.disk.db.execute("SELECT op_id FROM movement")}
        if any(reading.identity_of(each) not in listed for each in others):
            return f"{machine.name} has still to list what others did with {counted.shelf}"
        waiting = "SELECT 1 FROM late_movement WHERE stocktake = ?"
        if machine.disk.db.execute(waiting, (counted.paper.id,)).fetchone():
            return f"{machine.name} has still to say what came late for {counted.paper.id}"
    return None


def check(chain: Chain) -> None:
    """Compare what is said of each line with what its count cannot have known of."""
    for counted, _, others in _judged(chain):
        due, near = _due(chain, counted)
        if len(near) > AT_ONE_MOMENT_MAX:
            chain.probe("too much happened at the moment of a count")
        elif counted.said - due not in _sums(near):
            chain.complain(
                f"I6: {counted.paper.id} says that {counted.said} of {counted.shelf} came after its"
                f" count, and {due} did, or some of {sorted(near)} more"
            )
        elif counted.said:
            chain.probe("a count did not know of what others had done before")
        elif others:
            chain.probe("a count knew of what others had done before")


def _due(chain: Chain, counted: Counted) -> tuple[int, list[int]]:
    """What came after a count of before it, and what others did so soon after it that it may be inside."""
    due, near = -counted.expected, []
    for each in reading.hub_ledger(chain.hub.disk.db):
        if each.body is None or not (delta := _delta(each.body, counted.shelf)):
            continue
        after_ms = _at_ms(reading.operation(each.body)) - counted.at_ms
        if each.replica == counted.replica:
            due += delta if each.seq < counted.seq else 0
        elif after_ms <= 0:
            due += delta
        elif after_ms <= 1000 * LINE_S:
            near.append(delta)
    return due, near


def _judged(chain: Chain) -> list[tuple[Counted, NodeMachine, list[bytes]]]:
    """Counts that can be judged, by whom they were taken, with what others recorded of their shelves."""
    # In the middle of a page a shelf may know more than is kept of it (`note_count`): of the product's own 200 rows for a few
    # milliseconds, of one row nearly always.
    if chain.is_read_in_pieces:
        return []
    if (
        chain.custody.disasters
        or chain.rotten
        or any(kind.startswith(_UNCLEAR) for kind in chain.faults)
    ):
        return []
    db = chain.hub.disk.db
    return [
        (counted, machine, others)
        for counted, others in _counts(db, db.total_changes)
        if (machine := _taken_by(chain, counted)) is not None
    ]


@lru_cache(maxsize=2)
def _counts(db: reading.Database, _changes: int) -> list[tuple[Counted, list[bytes]]]:
    """Worked out anew when something was written: rest is waited for by looking again and again."""
    found = []
    final = [
        paper
        for paper in filing.of_hub(db).values()
        if paper.kind == "stocktake" and paper.is_whole and paper.stage == "finalised"
    ]
    ledger = reading.hub_ledger(db) if final else []
    for paper in final:
        for counted in _standing(paper, ledger):
            on_shelf = [
                each
                for each in ledger
                if each.body is not None and _delta(each.body, counted.shelf)
            ]
            # Of what was set aside, or came twice, some was shown for a while where it was recorded.
            if all(each.code is None and each.repeats is None for each in on_shelf):
                others = [
                    each.body
                    for each in on_shelf
                    if each.body is not None and each.replica != counted.replica
                ]
                found.append((counted, others))
    return found


def _standing(paper: Paper, ledger: Iterable[reading.Held]) -> Iterator[Counted]:
    """The count of the latest round of each line, where it is known whose it was."""
    newest: dict[str, tuple[int, Mapping[str, object]]] = {}
    for name, (_, value) in paper.fields.items():
        if name.startswith("counts/") and isinstance(value, Mapping):
            _, line, round_ = name.split("/")
            newest[line] = max(newest.get(line, (0, value)), (int(round_), value), key=_round)
    for line, (number, value) in newest.items():
        writers = [
            each for each in ledger if _writes(each, paper, f"counts/{line}/{number}", value)
        ]
        if len(writers) == 1:
            (by,) = writers
            shelf = (str(paper.value("location")), str(value["sku"]), str(value.get("lot") or ""))
            expected = int(str(value["counted"])) - int(str(value["delta"]))
            at_ms = _at_ms(reading.operation(by.body or b""))
            key = (*shelf, int(Account.ON_HAND))
            yield Counted(paper, key, f"{line}/{number}", expected, by.replica, by.seq, at_ms)


def _round(count: tuple[int, Mapping[str, object]]) -> int:
    return count[0]


def _writes(each: reading.Held, paper: Paper, name: str, value: object) -> bool:
    return each.body is not None and any(
        isinstance(effect, FieldEffect)
        and (effect.collection, effect.id, effect.field) == (paper.collection, paper.id, name)
        and effect.value == value
        for effect in reading.operation(each.body).effects
    )


def _at_ms(operation: Operation) -> int:
    return operation.occurred_at + (operation.clock_offset_ms or 0)


def _delta(body: bytes, shelf: reading.Key) -> int:
    return sum(delta for key, delta in reading.deltas(body) if key == shelf)


def _taken_by(chain: Chain, counted: Counted) -> NodeMachine | None:
    """The machine that took a count, if it writes there and so hears what others recorded."""
    for machine in chain.staying:
        position = reading.position(machine.disk.db)
        if bytes(position["id"]) == counted.replica:
            return machine if counted.shelf[0] in machine.certificate.writes else None
    return None


def _sums(amounts: list[int]) -> set[int]:
    """What some of them come to, whichever."""
    total: Counter[int] = Counter([0])
    for amount in amounts:
        total.update([each + amount for each in total])
    return set(total)
