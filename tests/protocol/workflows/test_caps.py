"""Each cap of a document with a course: what is at it is taken, one more is refused, and both can be sent."""

import pytest

from protocol.documents import size_fault
from protocol.ids import Lot, Sku
from protocol.limits import (
    COUNT_ROUNDS_MAX,
    DELTA_MAX,
    DOCUMENT_EVENT_ITEMS_MAX,
    DOCUMENT_LINES_MAX,
    FIELD_VALUE_BYTES_MAX,
)
from protocol.operation import decode, encode
from protocol.workflows import order_table, orders, stocktakes, transfer_table, transfers
from protocol.workflows.acts import Act
from protocol.workflows.count_sheet import read as read_sheet
from protocol.workflows.progress import Item, LineKey, pieces, plus, read_progress
from protocol.workflows.steps import Fault, Step, StepRefused
from tests.protocol.examples import NOW, fact
from tests.protocol.workflows.shops import OFFICE, OWNER, PLACES, RECEIVER, Device, drafted, fold
from tests.protocol.workflows.stocktake_cases import NONE, REVIEW, TEA, done
from tests.protocol.workflows.transfer_cases import reached


def fault_of(act: Act) -> Fault | None:
    """Why a draft of an order refuses the act; None when it takes it."""
    document = fold(drafted({("TEA", ""): 1}, "draft"))
    try:
        orders.act(document, order_table.Kind.PURCHASE, PLACES, {OFFICE}, act)
    except StepRefused as refused:
        return refused.fault
    return None


def amend(count: int, quantity: int = 1) -> Act:
    """Lines of so many further SKUs."""
    lines = {LineKey(Sku(f"SKU-{n}"), Lot("")): quantity for n in range(count)}
    return Act("amend", "ada", NOW, lines=lines)


def test_a_document_has_so_many_lines() -> None:
    assert fault_of(amend(DOCUMENT_LINES_MAX - 1)) is None
    assert fault_of(amend(DOCUMENT_LINES_MAX)) is Fault.TOO_MANY_LINES


def test_a_line_has_so_many_units() -> None:
    assert fault_of(amend(1, DELTA_MAX)) is None
    assert fault_of(amend(1, DELTA_MAX + 1)) is fault_of(amend(1, -1)) is Fault.BAD_QUANTITY


@pytest.mark.parametrize("key", [("", ""), ("A\n", ""), ("A" * 65, ""), ("A", "\n")])
def test_a_line_names_codes(key: tuple[str, str]) -> None:
    lines = {LineKey(Sku(key[0]), Lot(key[1])): 1}
    assert fault_of(Act("amend", "ada", NOW, lines=lines)) is Fault.BAD_CODE


def receive(items: dict[Item, int], parcel: str = "") -> tuple[Step, ...]:
    """Goods received on a transfer that was shipped."""
    document = fold(reached(transfer_table.Stage.SHIPPED))
    act = Act("receive", "ada", NOW, "event", parcel, items=items)
    return transfers.act(document, PLACES, {RECEIVER}, act)


def refusal(items: dict[Item, int], parcel: str = "") -> Fault:
    """Why such goods are refused."""
    with pytest.raises(StepRefused) as refused:
        receive(items, parcel)
    return refused.value.fault


def test_one_event_has_so_many_items_and_is_one_operation_that_can_be_sent() -> None:
    items = {Item(Sku(f"SKU-{n:05}"), Lot(f"lot {n}")): DELTA_MAX for n in range(501)}
    assert refusal(items) is Fault.TOO_MANY_LINES
    items.popitem()
    assert len(items) == DOCUMENT_EVENT_ITEMS_MAX
    device = Device("receiver", frozenset({RECEIVER}), dict(reached(transfer_table.Stage.SHIPPED)))
    (op_id,) = device.record(receive(items))
    assert decode(encode(fact(*device.ops[op_id]))).effects == device.ops[op_id]
    assert transfers.read(device.document).goods("receive") == items


def test_goods_are_whole_units_of_something() -> None:
    assert refusal({}) is Fault.NOTHING_TO_DO
    for amount in (0, -1, DELTA_MAX + 1):
        assert refusal({Item(Sku("TEA")): amount}) is Fault.BAD_QUANTITY
    for item in (Item(Sku("")), Item(Sku("A"), Lot("\n")), Item(Sku("A"), Lot(""), Lot("\n"))):
        assert refusal({item: 1}) is Fault.BAD_CODE
    for parcel in ("P" * 65, "P\n"):
        assert refusal({Item(Sku("TEA")): 1}, parcel) is Fault.BAD_CODE
    assert receive({Item(Sku("TEA")): 1}, "P" * 64)


def test_items_of_the_longest_codes_are_cut_into_pieces_that_fit_a_field() -> None:
    wide = "\U0001f48a" * 60
    items = {Item(Sku(f"{wide}{n:04}"), Lot(wide), Lot(wide)): 1 for n in range(60)}
    parts = list(pieces(items))
    assert [name for name, _ in parts] == ["", "+1", "+2"]
    device = Device("receiver", frozenset({RECEIVER}), dict(reached(transfer_table.Stage.SHIPPED)))
    (op_id,) = device.record(receive(items))
    assert decode(encode(fact(*device.ops[op_id])))
    assert transfers.read(device.document).goods("receive") == plus(items)
    assert len(str(parts).encode()) > FIELD_VALUE_BYTES_MAX, "one field could not hold them"


def test_a_line_is_counted_so_many_times() -> None:
    device = done(*REVIEW)
    for number in range(COUNT_ROUNDS_MAX - 1):
        for act in (
            stocktakes.Act("recount", "boss", NOW, TEA),
            stocktakes.Act("count", "ada", NOW, TEA, number, 100),
        ):
            device.record(stocktakes.act(device.document, PLACES, {OWNER}, act, NONE))
    assert read_sheet(device.document).lines[TEA].standing.round == COUNT_ROUNDS_MAX
    act = stocktakes.Act("recount", "boss", NOW, TEA)
    with pytest.raises(StepRefused):
        stocktakes.act(device.document, PLACES, {OWNER}, act, NONE)


def test_a_stocktake_has_so_many_lines() -> None:
    device = done("start")

    def count(number: int) -> tuple[Step, ...]:
        key = LineKey(Sku(f"SKU-{number}"), Lot(""))
        act = stocktakes.Act("count", "ada", NOW, key, 1, 1)
        return stocktakes.act(device.document, PLACES, {OWNER}, act, NONE)

    steps = [step for number in range(DOCUMENT_LINES_MAX) for step in count(number)]
    device.record(steps)
    with pytest.raises(StepRefused) as refused:
        count(DOCUMENT_LINES_MAX)
    assert refused.value.fault is Fault.TOO_MANY_LINES
    assert count(0), "a line that is there may be counted anew"


def test_what_a_stocktake_takes_of_counts_it_can_also_correct() -> None:
    """Of the longest codes fewer lines fit; the last that does leaves room for the correction of all of them."""
    device = done("start")
    wide = "\U0001f48a" * 58

    taken: list[LineKey] = []

    def count_all() -> None:
        for number in range(DOCUMENT_LINES_MAX):
            key = LineKey(Sku(f"{wide}{number:06}"), Lot(wide))
            act = stocktakes.Act("count", "ada", NOW, key, 1, 0)
            device.record(stocktakes.act(device.document, PLACES, {OWNER}, act, NONE))
            taken.append(key)

    with pytest.raises(StepRefused) as refused:
        count_all()
    assert refused.value.fault is Fault.DOCUMENT_FULL
    for verb in ("submit", "finalise"):
        last = stocktakes.Act(verb, "eve", NOW, reason="RECOUNTED")
        device.record(stocktakes.act(device.document, PLACES, {OWNER}, last, NONE))
    assert len(read_sheet(device.document).progress.booked["counted"]) == len(taken)
    assert size_fault(device.document) is None
    assert all(decode(encode(fact(*effects))) for effects in device.ops.values())


def test_what_nobody_wrote_yet_reads_as_a_draft_of_nothing() -> None:
    progress = read_progress(fold({}), "draft")
    assert (progress.stage, progress.lines, progress.moved) == ("draft", {}, {})
