"""What a node takes for an answer: it is about what was asked, and where there is more of it the next question goes on."""

import pytest

from protocol.digest import EMPTY
from protocol.errors import ProtocolError
from protocol.frames import feed, keys, repair
from protocol.ids import NO_SALT, HubSeq, Location, OpId, Scope
from protocol.sealed_keys import destroyed
from protocol.session import node as node_half
from protocol.wire import Frame, encode
from tests.protocol.examples import NOW
from tests.protocol.session_model import live

S01, S02 = Scope("stock:S01"), Scope("stock:S02")
GONE = destroyed(OpId(bytes(16)))


def fetched(scope: Scope, to: int, *, more: bool, buckets: bytes = b"a") -> feed.Page:
    """What may answer a FETCH."""
    return feed.Page(scope, HubSeq(5), HubSeq(to), NO_SALT, more, {}, (), buckets)


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        (
            repair.Claim((OpId(bytes(16)),)),
            [repair.Claimed(HubSeq(1), b"\x80")],
            [repair.Digests(())],
        ),
        (
            repair.AskDigests((S01,)),
            [repair.Digests(()), repair.Digests((repair.DigestEntry(S01, HubSeq(1), EMPTY),))],
            [repair.Digests((repair.DigestEntry(S02, HubSeq(1), EMPTY),))],
        ),
        (
            repair.AskBuckets(S01),
            [repair.Buckets(S01, HubSeq(1), bytes(4096))],
            [repair.Buckets(S02, HubSeq(1), bytes(4096))],
        ),
        (
            repair.Fetch(S01, b"a", HubSeq(5)),
            [fetched(S01, 5, more=False), fetched(S01, 6, more=True)],
            [
                fetched(S01, 5, more=True),
                fetched(S02, 6, more=True),
                fetched(S01, 6, more=True, buckets=b"b"),
            ],
        ),
        (
            repair.AskLedger(Location("S01"), 7, 10),
            [
                repair.Ledger(Location("S01"), 7, False, ()),
                repair.Ledger(Location("S01"), 8, True, ()),
            ],
            [
                repair.Ledger(Location("S02"), 8, True, ()),
                repair.Ledger(Location("S01"), 7, True, ()),
            ],
        ),
        (
            keys.KeepKeys(b"", Location("S01"), (GONE,)),
            [keys.KeysKept(Location("S01"), 1)],
            [keys.KeysKept(Location("S02"), 1), keys.KeysKept(Location("S01"), 0)],
        ),
        (
            keys.AskKeys(Location("S01"), 7),
            [
                keys.Keys(Location("S01"), 7, False, (), ()),
                keys.Keys(Location("S01"), 8, True, (GONE,), ()),
            ],
            [
                keys.Keys(Location("S02"), 8, False, (), ()),
                keys.Keys(Location("S01"), 7, True, (), ()),
                keys.Keys(Location("S01"), 7, False, (GONE,), ()),
            ],
        ),
    ],
)
def test_only_an_answer_to_what_was_asked_is_taken_and_more_of_it_goes_on(
    question: repair.Question, right: list[Frame], wrong: list[Frame]
) -> None:
    for frame in right:
        session = live().node_session
        session.ask(question)
        assert session.receive(encode(frame), NOW) == [node_half.Answered(frame)]
        assert session.may_ask
    for frame in wrong:
        session = live().node_session
        session.ask(question)
        with pytest.raises(ProtocolError):
            session.receive(encode(frame), NOW)
