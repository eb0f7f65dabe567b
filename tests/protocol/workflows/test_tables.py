"""Every table, cell by cell: what it allows happens and does no more than it says; what it does not is refused."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import pytest

from protocol.access import DeviceRights, device_may
from protocol.certificate import Role
from protocol.clock import Stamp
from protocol.documents import Document, size_fault
from protocol.effects import DocumentKey
from protocol.ids import ReplicaId, op_id
from protocol.operation import decode, encode, home_of
from protocol.workflows import order_table, orders, stocktakes, transfer_table, transfers
from protocol.workflows.acts import Act
from protocol.workflows.count_sheet import read as read_sheet
from protocol.workflows.progress import BOOKED, MOVED
from protocol.workflows.steps import (
    Fault,
    FieldWrite,
    Party,
    Step,
    StepRefused,
    Transition,
    pairs_of,
    step_effects,
    step_id,
)
from tests.protocol.examples import CHAIN, NOW, fact
from tests.protocol.workflows import order_cases, stocktake_cases, transfer_cases
from tests.protocol.workflows.shops import KEY, PLACES, SCOPES, Device, Ops, fold

REVERSALS = {f"reverse way{number}": "reverse" for number in range(6)}
Do = Callable[[Document, str, Party], Sequence[Step]]


class Paper:
    """A kind of document as the tests below need it: its table, its stages, and what may be tried."""

    def __init__(
        self,
        table: Iterable[Transition],
        reached: Iterable[tuple[str, Ops]],
        tries: Mapping[str, str],
        stage_of: Callable[[Document], str],
        do: Do,
    ) -> None:
        self.table = tuple(table)
        self.reached = tuple(reached)
        self.tries = tries
        self.stage_of = stage_of
        self.do = do


def _transfer(document: Document, name: str, party: Party) -> Sequence[Step]:
    return transfers.act(document, PLACES, {party}, transfer_cases.command(name, "event"))


def _order(kind: order_table.Kind) -> Do:
    def do(document: Document, name: str, party: Party) -> Sequence[Step]:
        return orders.act(document, kind, PLACES, {party}, order_cases.command(name, "event"))

    return do


def _stocktake(document: Document, name: str, party: Party) -> Sequence[Step]:
    command = stocktake_cases.command(name, "event")
    return stocktakes.act(document, PLACES, {party}, command, stocktake_cases.NONE)


PAPERS = {
    "transfer": Paper(
        transfer_table.TABLE,
        (
            *((stage, transfer_cases.reached(stage)) for stage in transfer_table.Stage),
            *((stage, transfer_cases.reached(stage, p)) for stage, p in transfer_cases.FURTHER),
        ),
        {name: one[0] for name, one in transfer_cases.TRIES.items()} | REVERSALS,
        lambda document: transfers.stage_of(transfers.read(document)),
        _transfer,
    ),
    **{
        str(kind): Paper(
            order_table.TABLES[kind],
            [
                *((stage, order_cases.reached(kind, stage)) for stage in order_cases.paths(kind)),
                *(
                    (orders.stage_of(orders.read(fold(ops))), ops)
                    for ops in order_cases.further(kind)
                ),
            ],
            {name: one[0] for name, one in order_cases.TRIES.items()} | REVERSALS,
            lambda document: orders.stage_of(orders.read(document)),
            _order(kind),
        )
        for kind in order_table.Kind
    },
    "stocktake": Paper(
        stocktakes.TABLE,
        [
            (stage, stocktake_cases.done(*path).ops)
            for base, path in stocktake_cases.BASES.items()
            for stage in ("review" if base.startswith("recount") else base,)
        ],
        {name: one[0] for name, one in stocktake_cases.TRIES.items()},
        lambda document: read_sheet(document).progress.stage,
        _stocktake,
    ),
}
ALL = pytest.mark.parametrize("paper", PAPERS.values(), ids=PAPERS)


def rows(paper: Paper, verb: str, stage: str) -> list[Transition]:
    """The rows that are about a verb in a stage."""
    return [row for row in paper.table if row.verb == verb and stage in row.sources]


def outcome(
    paper: Paper, document: Document, name: str, party: Party
) -> tuple[Sequence[Step], Fault | None]:
    """The steps, or why there are none."""
    try:
        return paper.do(document, name, party), None
    except StepRefused as refused:
        return (), refused.fault


def named(steps: Iterable[Step], prefix: str) -> set[str]:
    """The legs or books that steps write elements of."""
    fields = (write.field for step in steps for write in step.writes)
    return {f.removeprefix(prefix).split("/")[0] for f in fields if f.startswith(prefix)}


@ALL
def test_every_verb_in_every_stage_by_every_party_does_what_its_row_says_or_is_refused(
    paper: Paper,
) -> None:
    for stage, ops in paper.reached:
        for name, verb in paper.tries.items():
            for party in Party:
                allowed = rows(paper, verb, stage)
                mine = [row for row in allowed if party in row.parties]
                device = Device("one", frozenset({Party.OFFICE}), dict(ops))
                steps, fault = outcome(paper, device.document, name, party)
                by_table = fault in (Fault.WRONG_PARTY, Fault.WRONG_STAGE)
                assert by_table is not bool(mine), (stage, name, party)
                if by_table:
                    expected = Fault.WRONG_PARTY if allowed else Fault.WRONG_STAGE
                    assert fault is expected, (stage, name, party)
                if fault is not None:
                    continue
                device.record(steps)
                assert paper.stage_of(device.document) in mine[0].targets, (stage, name)
                assert named(steps, MOVED) <= mine[0].legs, (stage, name)
                assert named(steps, BOOKED) <= mine[0].books, (stage, name)
                assert len(mine) == 1, "one party has one row"


@ALL
def test_every_row_is_gone_through_to_each_stage_it_names(paper: Paper) -> None:
    """A row that nothing reaches is a promise that nobody tries."""
    gone = set()
    for stage, ops in paper.reached:
        for name, verb in paper.tries.items():
            for party in sorted(
                {party for row in rows(paper, verb, stage) for party in row.parties}
            ):
                device = Device("one", frozenset({Party.OFFICE}), dict(ops))
                try:
                    device.record(paper.do(device.document, name, party))
                except StepRefused:
                    continue
                gone.add((verb, stage, paper.stage_of(device.document)))
    told = {(row.verb, s, t) for row in paper.table for s in row.sources for t in row.targets}
    assert told == gone


@ALL
def test_of_an_act_at_most_one_operation_has_no_name_and_goods_come_first(paper: Paper) -> None:
    """One idempotency key can then name the whole act, and an operation's home is its first counter's location."""
    for _, ops in paper.reached:
        for name in paper.tries:
            for party in Party:
                device = Device("one", frozenset({Party.OFFICE}), dict(ops))
                try:
                    steps = paper.do(device.document, name, party)
                except StepRefused:
                    continue
                assert len([step for step in steps if step.name is None]) <= 1, name
                for step in steps:
                    assert not step.counters or step.counters[0].location == step.location
                    assert step.counters or step.writes, "nothing is recorded that says nothing"


@ALL
def test_a_document_at_rest_has_each_pair_in_the_table_turned_round(paper: Paper) -> None:
    pairs = pairs_of("kind", paper.table)
    told = {("kind", s, t) for row in paper.table for s in row.sources for t in row.targets}
    assert set(pairs) == told
    assert {row for found in pairs.values() for row in found} == set(paper.table)


@pytest.mark.parametrize("ranks", [transfer_table.RANKS, order_table.RANKS, stocktakes.RANKS])
def test_no_two_decisions_have_one_rank(ranks: Mapping[str, int]) -> None:
    assert len(set(ranks.values())) == len(ranks)
    assert min(ranks.values()) > 0, "an unranked stage of a draft loses to every decision"


@ALL
def test_every_step_is_an_operation_that_its_own_stores_device_may_record(paper: Paper) -> None:
    """Else the hub would set goods aside that somebody really moved."""
    for _, ops in paper.reached:
        for name in paper.tries:
            for party in Party:
                steps, _ = outcome(paper, fold(ops), name, party)
                for step in steps:
                    stamp = Stamp(NOW, 0, ReplicaId(b"r" * 16))
                    effects = step_effects(step, CHAIN, KEY, SCOPES, stamp)
                    recorded = fact(*effects, kind=step.kind)
                    assert decode(encode(recorded)).effects == effects
                    rights = DeviceRights(Role.STORE, {step.location})
                    assert device_may(rights, recorded, {KEY: SCOPES}), (name, step)
                    if step.counters:
                        assert home_of(recorded) == step.location


def test_a_named_step_is_the_same_operation_whoever_records_it_and_no_other_document_has_it() -> (
    None
):
    document = fold(transfer_cases.reached(transfer_table.Stage.DRAFT))
    act = transfer_cases.command("allocate", "event")
    entry = transfers.act(document, PLACES, {Party.SENDER}, act)[-1]
    assert entry.name is not None
    stamps = (Stamp(1, 2, ReplicaId(b"a" * 16)), Stamp(9, 0, ReplicaId(b"b" * 16)))
    one, other_body = (step_effects(entry, CHAIN, KEY, SCOPES, stamp) for stamp in stamps)
    assert one == other_body
    other = DocumentKey(KEY.collection, "another")
    ids = {step_id(CHAIN, KEY, entry.name), step_id(CHAIN, other, entry.name)}
    by_a_till = op_id(CHAIN, "S01", KEY.collection, KEY.id, "\0".join(entry.name))
    assert len(ids | {by_a_till}) == 3


def test_goods_stop_before_a_document_is_too_large_to_be_read_and_it_can_still_be_ended() -> None:
    device = Device("shop", frozenset({Party.OFFICE}), {})
    device.ops = dict(transfer_cases.reached(transfer_table.Stage.SHIPPED))
    filler = {"items": [["TEA", "", "", 1]]}
    writes = tuple(FieldWrite(f"moved/receive/{n}", filler) for n in range(880))
    device.record([Step("edit", PLACES[Party.RECEIVER], (), writes)])

    def receive(number: int) -> Fault | None:
        act = Act("receive", "ada", NOW, "", f"P{number}", items={transfer_cases.TEA: 1})
        try:
            device.record(transfers.act(device.document, PLACES, {Party.RECEIVER}, act))
        except StepRefused as refused:
            return refused.fault
        return None

    faults = [receive(number) for number in range(20)]
    assert faults[0] is None
    assert faults[-1] is Fault.DOCUMENT_FULL
    assert size_fault(device.document) is None
    close = Act("close", "ada", NOW)
    device.record(transfers.act(device.document, PLACES, {Party.RECEIVER}, close))
    assert size_fault(device.document) is None
    assert transfers.stage_of(transfers.read(device.document)) == transfer_table.Stage.CLOSED


def test_goods_of_a_location_do_not_move_to_itself() -> None:
    """Complaint 17 of the domain's list: shipments to self."""
    places = {**PLACES, Party.RECEIVER: PLACES[Party.SENDER]}
    document = fold(transfer_cases.reached(transfer_table.Stage.DRAFT))
    with pytest.raises(StepRefused) as refused:
        transfers.act(document, places, {Party.SENDER}, transfer_cases.command("ship all", "e"))
    assert refused.value.fault is Fault.SAME_PLACE
