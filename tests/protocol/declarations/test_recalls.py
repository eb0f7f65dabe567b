"""What locations answer to the recall of a lot: an entry of each one's own, in its document."""

from protocol.declarations.catalogue import LOTS
from protocol.declarations.editing import Author, Change, changes_of, effects_of, entries_fault
from protocol.declarations.reading import entries_of
from protocol.declarations.vocabulary import Rule
from protocol.documents import Document, apply, size_fault
from protocol.effects import DocumentKey, Join
from protocol.ids import ReplicaId, Scope
from protocol.limits import ACKNOWLEDGEMENTS_MAX

ANSWER = {"by": "operator", "at": 1_764_072_000_000, "recall": 1_764_000_000_000, "set_aside": 40}
KEY, SCOPES = DocumentKey("lots", "pills/L1"), (Scope("catalogue"),)
SHOP = Author(ReplicaId(b"the replica of 1"), 1_764_072_000_000, is_office=False)


def fields_of(answers: int) -> dict[str, object]:
    """A lot that so many locations have answered for."""
    return {f"acknowledged/S{number:04}": ANSWER for number in range(answers)}


def test_as_many_locations_answer_as_a_document_has_room_for() -> None:
    (entries,) = (one for one in LOTS.entries if one.of_locations)
    fields = fields_of(ACKNOWLEDGEMENTS_MAX)
    assert entries_fault(LOTS, [], fields) is None
    assert len(entries_of(entries, fields)) == ACKNOWLEDGEMENTS_MAX
    assert entries_fault(LOTS, [Change("acknowledged/last", ANSWER)], fields) is not None
    changes = [Change(name, value) for name, value in fields.items()]
    held = Document({}, frozenset())
    assert size_fault(apply(held, effects_of(LOTS, KEY, SCOPES, changes, held, SHOP))) is None


def test_an_answer_is_the_shops_word_and_no_office_outranks_it() -> None:
    asked = {"acknowledged": {"S01": ANSWER}}
    changes = changes_of(LOTS, asked, {})
    assert [one.field for one in changes] == ["acknowledged/S01"]
    assert LOTS.rule("acknowledged/S01") is Rule.LAST
    held = Document({}, frozenset())
    (effect,) = effects_of(LOTS, KEY, SCOPES, changes, held, SHOP._replace(is_office=True))
    assert (effect.join, effect.rank) == (Join.LWW, 0)
