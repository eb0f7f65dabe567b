"""Every cap of `limits` is hit by a test: at the cap it passes, one more is refused.

Caps that belong to another package (HTTP, timers, drivers) are listed in `caps_elsewhere`, with where they are
tested; a new name in `limits` that is in neither list fails here.
"""

from collections.abc import Callable
from typing import Any

import pytest

from protocol import documents, limits, operation, wire
from protocol.certificate import verify
from protocol.clock import Stamp, clamp
from protocol.codec import check_plain, pack, unpack
from protocol.documents import Document, FieldState, fields_from_wire, fields_to_wire
from protocol.effects import effects_from_wire, effects_to_wire, scopes_from_wire
from protocol.errors import Code, ProtocolError
from protocol.frames import feed, handshake, keys, log, repair
from protocol.ids import Location, OpId, Scope, check_code
from protocol.rows import CounterRow, DocumentRow, row_bytes, row_from_wire, row_to_wire
from protocol.sealed_keys import destroyed, record_key_from_wire
from protocol.session.node import fill_batch
from tests.protocol import examples
from tests.protocol.caps_elsewhere import TESTED_ELSEWHERE
from tests.protocol.examples import NOW, REPLICA


def decode_operation(**changes: Any) -> object:
    """Write an operation without the writer's checks, and read it."""
    fact = examples.fact(**changes)
    parts = [
        fact.op_id,
        fact.recorded_at,
        None,
        None,
        fact.actor,
        fact.device,
        fact.kind,
        fact.version,
        effects_to_wire(fact.effects),
        fact.details,
        *fact.tail,
    ]
    return operation.decode(pack(parts))


def through(frame: wire.Frame) -> wire.Frame:
    """Write a frame without the writer's checks, and read it."""
    return wire.decode(b"\0" + pack([frame.TYPE, frame.to_body()]), bytes_max=2**30)


def one_effect(**changes: Any) -> object:
    return effects_from_wire(effects_to_wire((examples.counter(**changes),)))


def one_edit(**changes: Any) -> object:
    return effects_from_wire(effects_to_wire((examples.field(**changes),)))


def names(count: int) -> list[Scope]:
    return [Scope(f"docs:{number:05}") for number in range(count)]


def fields(count: int, value: object = "") -> dict[str, FieldState]:
    stamp = Stamp(NOW, 0, REPLICA)
    return {f"f{number:05}": FieldState(0, 0, value, stamp) for number in range(count)}


def packing_to(size: int) -> bytes:
    """Bytes whose packed form, with its head of three or five, has this size."""
    return bytes(size - 3 if size - 3 < 2**16 else size - 5)


def operation_of(size: int) -> object:
    """An operation of exactly this size, most of it in a tail."""
    fact = examples.fact(tail=(b"\0" * 70_000,))
    fact = fact._replace(tail=(bytes(size - len(operation.encode(fact)) + 70_000),))
    body = operation.encode(fact)
    assert len(body) == size
    return operation.decode(body)


def document_of(size: int) -> Document:
    """A document that packs to exactly this size."""
    whole = Document(fields(13, bytes(15_000)), frozenset({Scope("catalogue")}))
    packed = len(pack([sorted(whole.scopes), fields_to_wire(whole.fields)]))
    last = FieldState(0, 0, bytes(15_000 - packed + size), Stamp(NOW, 0, REPLICA))
    return whole._replace(fields={**whole.fields, "f00012": last})


def check_size(document: Document) -> None:
    if fault := documents.size_fault(document):
        raise ProtocolError(Code.OUT_OF_RANGE, fault)


def scope_of_longest_location() -> None:
    longest = f"people:{'x' * limits.CODE_CHARS_MAX}"
    assert len(longest) <= limits.SCOPE_CHARS_MAX
    handshake.read_scope(longest)


def page(rows: int = 0, inside: int = 0) -> feed.Page:
    held = tuple(CounterRow("S01", f"A{at}", "", 0, at, 5) for at in range(1, rows + 1))
    return feed.Page(
        Scope("stock:S01"),
        0,
        rows,
        bytes(8),
        False,
        {at.to_bytes(16): 1 for at in range(1, inside + 1)},
        held,
    )


def operations(count: int, body: bytes = b"x") -> log.Operations:
    return log.Operations(1, bytes(32), tuple(log.Item(body, None) for _ in range(count)))


def ledger(count: int) -> repair.Ledger:
    item = repair.LedgerItem(1, REPLICA, 1, NOW, b"x")
    return repair.Ledger("S01", 1, False, (item,) * count)


def status(count: int = 1, code: str = "x", detail: str = "x") -> log.Status:
    return log.Status((log.StatusEntry(1, code, detail),) * count)


def signed(writes: int) -> object:
    held = examples.certificate_bytes(writes=tuple(f"{at:x}" for at in range(writes)))
    return verify(held, examples.HUB_PUBLIC)


def row_parts(count: int) -> object:
    return row_from_wire([0, "S01", "A", "", 0, 1, 5, *([0] * (count - 7))])


def clamped(ahead_ms: int) -> None:
    held = clamp(Stamp(NOW + ahead_ms, 0, REPLICA), now_ms=NOW, accepted_at_ms=None)
    if held.wall_ms != NOW + ahead_ms:
        raise ProtocolError(Code.BAD_VALUE, "clamped")


# name of the cap: what is done with a size, and passes at the cap and is refused one above it
CAPS: dict[str, Callable[[int], object]] = {
    "CODE_CHARS_MAX": lambda n: check_code("é" * n, "sku"),
    "NAME_CHARS_MAX": lambda n: decode_operation(actor="a" * n),
    "DOCUMENT_ID_CHARS_MAX": lambda n: one_edit(id="i" * n),
    "DELTA_MAX": lambda n: (one_effect(delta=n), one_effect(delta=-n)),
    "RANK_MAX": lambda n: one_edit(join=1, rank=n),
    "TIME_MS_MAX": lambda n: decode_operation(recorded_at=n),
    "INT_MAX": lambda n: check_plain(unpack(pack([n])), "details"),
    "EFFECTS_MAX": lambda n: effects_from_wire(effects_to_wire((examples.counter(),) * n)),
    "OPERATION_DETAILS_BYTES_MAX": lambda n: decode_operation(details={"a": packing_to(n - 3)}),
    "FIELD_VALUE_BYTES_MAX": lambda n: one_edit(value=packing_to(n)),
    "FIELDS_PER_DOCUMENT_MAX": lambda n: fields_from_wire(fields_to_wire(fields(n))),
    "SCOPES_PER_DOCUMENT_MAX": lambda n: scopes_from_wire(names(n)),
    "DOCUMENT_BYTES_MAX": lambda n: check_size(document_of(n)),
    "OPERATION_BYTES_MAX": operation_of,
    "STAMP_AHEAD_MS_MAX": clamped,
    "FRAME_BYTES_MAX": lambda n: wire.decode(frame_of(n)),
    "BATCH_OPERATIONS_MAX": lambda n: through(operations(n)),
    "PAGE_ROWS_MAX": lambda n: through(page(rows=n)),
    "INSIDE_REPLICAS_MAX": lambda n: through(page(inside=n)),
    "DIGEST_SCOPES_MAX": lambda n: through(repair.AskDigests((Scope("catalogue"),) * n)),
    "CLAIM_IDS_MAX": lambda n: through(repair.Claim((bytes(16),) * n)),
    "STATUS_ENTRIES_MAX": lambda n: through(status(n)),
    "STATUS_CODE_CHARS_MAX": lambda n: through(status(code="c" * n)),
    "DETAIL_CHARS_MAX": lambda n: (
        through(status(detail="d" * n)),
        through(handshake.Close(Code.BUSY, "d" * n, 0)),
    ),
    "RETRY_MS_MAX": lambda n: through(handshake.Close(Code.BUSY, "", n)),
    "FEATURES_MAX": lambda n: through(examples.hello(features=("f",) * n)),
    "PARTS_MAX": lambda n: (row_parts(n), decode_operation(tail=(0,) * (n - 10))),
    "SCOPES_MAX": lambda n: (
        through(feed.Scopes(tuple(names(n)), ())),
        through(examples.hello(exceptions={scope: (0, bytes(8)) for scope in names(n)})),
    ),
    "LOCATIONS_PER_NODE_MAX": signed,
    "CERTIFICATE_BYTES_MAX": lambda n: through(log.Grant(bytes(n))),
    "WRAPS_MAX": lambda n: record_key_from_wire(
        [bytes(16), bytes(16), 1, [[bytes([each]) * 8, bytes(112)] for each in range(n)]]
    ),
    "RECORD_KEYS_PER_FRAME_MAX": lambda n: through(
        keys.KeepKeys(b"", Location("S01"), (destroyed(OpId(bytes(16))),) * n)
    ),
    "SEALING_KEY_BYTES_MAX": lambda n: through(keys.KeepKeys(bytes(n), Location("S01"), ())),
    "LIST_LIMIT_MAX": lambda n: (
        through(repair.AskLedger("S01", 0, n)),
        through(ledger(n)),
    ),
}


def frame_of(size: int) -> bytes:
    """A frame of exactly this size, as it stands on the wire."""
    empty = b"\0" + pack([12, {"sent": 1, "pending": 1, "later": bytes(65_536)}])
    return b"\0" + pack([12, {"sent": 1, "pending": 1, "later": bytes(65_536 + size - len(empty))}])


@pytest.mark.parametrize("name", CAPS)
def test_a_cap_is_reached_and_not_passed(name: str) -> None:
    cap = getattr(limits, name)
    CAPS[name](cap)
    with pytest.raises(ProtocolError):
        CAPS[name](cap + 1)


@pytest.mark.parametrize(
    "too_much",
    [
        lambda: one_effect(location="x" * (limits.CODE_CHARS_MAX + 1)),
        lambda: one_effect(sku="x" * (limits.CODE_CHARS_MAX + 1)),
        lambda: one_effect(lot="x" * (limits.CODE_CHARS_MAX + 1)),
        lambda: one_effect(account=256),
        lambda: one_effect(delta=-limits.DELTA_MAX - 1),
        lambda: one_edit(collection="x" * (limits.NAME_CHARS_MAX + 1)),
        lambda: one_edit(field="x" * (limits.NAME_CHARS_MAX + limits.CODE_CHARS_MAX + 1)),
        lambda: one_edit(stamp=Stamp(limits.TIME_MS_MAX + 1, 0, REPLICA)),
        lambda: decode_operation(device="x" * (limits.NAME_CHARS_MAX + 1)),
        lambda: decode_operation(kind="move." + "x" * 41),
        lambda: decode_operation(version=10_001),
        lambda: through(repair.Claimed(0, bytes(limits.CLAIM_IDS_MAX // 8 + 1))),
        lambda: through(operations(1, bytes(limits.OPERATION_BYTES_MAX + 1))),
        lambda: operation.encode(
            examples.fact(details={"a": bytes(limits.OPERATION_DETAILS_BYTES_MAX)})
        ),
        lambda: operation.encode(examples.fact(tail=(bytes(limits.OPERATION_BYTES_MAX),))),
        lambda: examples.certificate_bytes(writes=("x" * 60,) * 60),
    ],
)
def test_the_same_cap_holds_in_its_other_places(too_much: Callable[[], object]) -> None:
    with pytest.raises(ProtocolError):
        too_much()


def test_the_longest_scope_is_within_its_cap() -> None:
    scope_of_longest_location()
    with pytest.raises(ProtocolError):
        handshake.read_scope(f"people:{'x' * (limits.CODE_CHARS_MAX + 1)}")


def test_a_batch_is_filled_to_its_cap_and_no_further() -> None:
    half = log.Item(bytes(limits.BATCH_BYTES_MAX // 2 - 16), None)
    assert len(fill_batch([half] * 3)) == 2
    assert len(fill_batch([log.Item(bytes(limits.BATCH_BYTES_MAX // 2), None)] * 3)) == 1
    small = [log.Item(b"x", None)] * (limits.BATCH_OPERATIONS_MAX + 1)
    assert len(fill_batch(small)) == limits.BATCH_OPERATIONS_MAX
    largest = log.Item(bytes(limits.OPERATION_BYTES_MAX), None)
    assert len(fill_batch([largest])) == 1
    assert fill_batch([]) == []


@pytest.mark.parametrize(
    "frame",
    [
        operations(limits.BATCH_OPERATIONS_MAX, bytes(limits.BATCH_BYTES_MAX // 500 - 16)),
        operations(1, bytes(limits.OPERATION_BYTES_MAX)),
        repair.Claim(tuple(at.to_bytes(16) for at in range(limits.CLAIM_IDS_MAX))),
        status(limits.STATUS_ENTRIES_MAX, "\U0001f600" * 100, "\U0001f600" * 500),
        log.Grant(bytes(limits.CERTIFICATE_BYTES_MAX)),
        page(rows=limits.PAGE_ROWS_MAX, inside=limits.INSIDE_REPLICAS_MAX),
    ],
    ids=lambda frame: type(frame).__name__,
)
def test_a_frame_that_is_full_by_its_caps_fits(frame: wire.Frame) -> None:
    assert wire.decode(wire.encode(frame)) == frame


def test_the_first_frame_of_a_node_fits_before_authentication() -> None:
    frame = handshake.Authenticate(
        bytes(range(250)) * (limits.CERTIFICATE_BYTES_MAX // 250), bytes(32), bytes(64)
    )
    raw = b"\0" + pack([frame.TYPE, frame.to_body()])
    assert wire.decode(raw, bytes_max=limits.FRAME_BYTES_BEFORE_AUTHENTICATION_MAX) == frame


def test_only_what_is_long_enough_is_compressed() -> None:
    def written(size: int) -> bytes:
        body = b"\0" + pack([11, {"certificate": bytes(size)}])
        short = limits.COMPRESS_ABOVE_BYTES - (len(body) - 1 - size)
        return wire.encode(log.Grant(bytes(short + (size - 1000))))

    assert written(1000)[0] == 0
    assert len(written(1000)) == limits.COMPRESS_ABOVE_BYTES + 1
    assert written(1001)[0] == 1


def test_the_largest_document_fits_a_page() -> None:
    document = document_of(limits.DOCUMENT_BYTES_MAX)
    row = DocumentRow("c" * 100, "i" * 200, limits.INT_MAX, document)
    assert len(row_bytes(row)) <= limits.PAGE_BYTES_MAX
    held = page(inside=limits.INSIDE_REPLICAS_MAX)
    full = feed.Page(Scope("catalogue"), 0, limits.INT_MAX, bytes(8), False, held.inside, (row,))
    assert wire.decode(wire.encode(full)) == full
    assert row_from_wire(row_to_wire(row)) == row


def test_edits_that_are_small_each_cannot_grow_a_document_past_what_a_page_carries() -> None:
    base = Document(fields(999), frozenset(names(16)))
    edit = examples.field(scopes=("docs:00001",))
    assert documents.size_fault(documents.apply(base, [edit])) is None
    more = [edit, edit._replace(field="another")]
    assert "fields" in (documents.size_fault(documents.apply(base, more)) or "")
    elsewhere = documents.apply(base, [edit._replace(scopes=("docs:99999",))])
    assert "scopes" in (documents.size_fault(elsewhere) or "")
    heavy = Document(fields(13, bytes(16_000)), frozenset(names(1)))
    assert "bytes" in (documents.size_fault(heavy) or "")


def test_every_cap_has_a_test() -> None:
    caps = {name for name in vars(limits) if name.isupper()}
    here = {*CAPS, "SCOPE_CHARS_MAX", "BATCH_BYTES_MAX", "COMPRESS_ABOVE_BYTES"}
    assert here | TESTED_ELSEWHERE == caps
    assert here.isdisjoint(TESTED_ELSEWHERE)
