"""Notes: what they hold, how they travel inside an operation, and that nothing of one that is foreign is lost."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codec import pack, unpack
from protocol.errors import ProtocolError
from protocol.limits import DOCUMENT_ID_CHARS_MAX, NOTE_PAYLOAD_BYTES_MAX
from protocol.notes import (
    NOTE_PREFIX,
    Action,
    Entity,
    Note,
    from_details,
    note_from_wire,
    note_to_wire,
    to_details,
)
from protocol.operation import decode, encode
from tests.protocol import examples

NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)
PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | NAMES | st.binary()
NOTES = st.builds(
    Note,
    st.sampled_from(list(Action)).map(str),
    st.none() | st.builds(Entity, NAMES, NAMES),
    st.dictionaries(NAMES, PLAIN, max_size=5),
)


@given(NOTES)
def test_a_note_comes_back_from_its_operation_as_it_was(note: Note) -> None:
    kind = NOTE_PREFIX + note.action
    fact = decode(encode(examples.fact(kind=kind, effects=(), details=to_details(note))))
    assert fact.kind == kind
    assert from_details(fact.kind, fact.details) == note


@given(NOTES)
def test_a_note_of_the_hub_comes_back_from_its_bytes(note: Note) -> None:
    assert note_from_wire(unpack(pack(note_to_wire(note)))) == note


def test_every_action_is_the_kind_of_an_operation() -> None:
    for action in Action:
        encode(examples.fact(kind=NOTE_PREFIX + action, effects=(), details={}))
        decode(encode(examples.fact(kind=NOTE_PREFIX + action, effects=(), details={})))


@pytest.mark.parametrize(
    "details",
    [{"on": 3, "what": "x"}, {"on": ["sku"], "what": "x"}, {"said": [1]}, {"on": ["a", 2]}],
    ids=str,
)
def test_all_is_shown_of_a_note_that_another_program_wrote(details: dict[str, Any]) -> None:
    assert from_details("note", details) == Note("note", None, details)


def test_a_note_of_a_newer_version_keeps_what_is_unknown_here() -> None:
    told = from_details("note.beamed_up", {"on": ["person", "p1"], "said": {"a": 1}, "b": 2})
    assert told == Note("beamed_up", Entity("person", "p1"), {"a": 1, "b": 2})


@pytest.mark.parametrize(
    "note",
    [
        Note("x", Entity("", "1")),
        Note("x", Entity("sku", "1" * (DOCUMENT_ID_CHARS_MAX + 1))),
        Note("x", None, {"share": 0.5}),
        Note("x", None, {"long": "x" * NOTE_PAYLOAD_BYTES_MAX}),
    ],
    ids=["no type", "long id", "a float", "too much"],
)
def test_what_is_no_note_is_refused(note: Note) -> None:
    with pytest.raises(ProtocolError):
        to_details(note)


def test_a_payload_as_large_as_may_be_is_noted() -> None:
    room = NOTE_PAYLOAD_BYTES_MAX - len(pack({"long": "x" * 300})) + 300
    to_details(Note("x", None, {"long": "x" * room}))
    with pytest.raises(ProtocolError):
        to_details(Note("x", None, {"long": "x" * (room + 1)}))


@pytest.mark.parametrize("value", [[1, {}], ["x"], ["x", []], {}], ids=str)
def test_bytes_that_are_no_note_are_refused(value: object) -> None:
    with pytest.raises(ProtocolError):
        note_from_wire(value)
