"""What is written is read back the same, for every form there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from protocol import certificate, operation, rows
from protocol.clock import Stamp, stamp_from_wire, stamp_to_wire
from protocol.codec import pack, unpack
from protocol.documents import FieldState, fields_from_wire, fields_to_wire
from protocol.effects import Effect, effects_from_wire, effects_to_wire
from protocol.enrolment import EnrolmentCode, code_from_text, code_to_text
from protocol.operation import Operation
from protocol.rows import Row
from protocol.wire import Frame, decode, encode
from tests.protocol import strategies

HUB_KEY = SigningKey(b"\x07" * 32)


def test_every_frame_type_has_a_strategy_and_its_own_number() -> None:
    assert set(strategies.FRAMES) == set(Frame.__args__)
    assert len({frame.TYPE for frame in strategies.FRAMES}) == len(strategies.FRAMES)


@pytest.mark.parametrize("kind", strategies.FRAMES, ids=lambda kind: kind.__name__)
def test_a_frame_is_read_back_as_it_was_written(kind: type[Frame]) -> None:
    @given(strategies.FRAMES[kind])
    def check(frame: Frame) -> None:
        data = encode(frame)
        assert decode(data) == frame
        assert encode(decode(data)) == data

    check()


@given(strategies.operations)
def test_an_operation_is_read_back_as_it_was_written(fact: Operation) -> None:
    body = operation.encode(fact)
    assert operation.decode(body) == fact
    assert operation.encode(operation.decode(body)) == body
    assert operation.op_id_of(body) == fact.op_id


@given(strategies.rows)
def test_a_row_has_one_canonical_form(row: Row) -> None:
    data = rows.row_bytes(row)
    read = rows.row_from_wire(unpack(data))
    assert read == row
    assert rows.row_bytes(read) == data


@given(st.lists(strategies.effects, max_size=6).map(tuple))
def test_effects_keep_their_order(effects: tuple[Effect, ...]) -> None:
    assert effects_from_wire(unpack(pack(effects_to_wire(effects)))) == effects


@given(st.dictionaries(strategies.codes(100), strategies.field_states, max_size=6))
def test_fields_are_written_in_one_order_however_they_were_collected(
    fields: dict[str, FieldState],
) -> None:
    backwards = dict(reversed(fields.items()))
    assert fields_to_wire(fields) == fields_to_wire(backwards)
    assert fields_from_wire(unpack(pack(fields_to_wire(fields)))) == fields


@given(strategies.stamps)
def test_a_stamp_is_read_back_as_it_was_written(stamp: Stamp) -> None:
    assert stamp_from_wire(unpack(pack(stamp_to_wire(stamp)))) == stamp


@given(strategies.certificates)
def test_a_certificate_is_read_back_as_it_was_issued(held: certificate.Certificate) -> None:
    data = certificate.issue(held, HUB_KEY)
    assert certificate.verify(data, bytes(HUB_KEY.verify_key)) == held
    assert certificate.issue(held, HUB_KEY) == data


@given(st.builds(EnrolmentCode, strategies.blob(5), strategies.blob(15), strategies.blob(15)))
def test_an_enrolment_code_is_read_back_as_it_was_printed(code: EnrolmentCode) -> None:
    assert code_from_text(code_to_text(code)) == code
