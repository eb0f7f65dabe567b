"""How sessions end: at frames that are not due, at bytes that are no frames, and for good.

Invariant: whatever bytes come, a half acts or ends, and raises nothing but ProtocolError.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.chain import CHAIN_START
from protocol.errors import Code, ProtocolError
from protocol.frames import feed, fleet, handshake, keys, log, repair, witness
from protocol.frames.handshake import Close, Hello, Welcome
from protocol.frames.log import Acknowledge, Negative, Operations, Status, StatusEntry
from protocol.ids import Seq
from protocol.limits import (
    FRAME_BYTES_BEFORE_AUTHENTICATION_MAX,
)
from protocol.session import hub as hub_half
from protocol.session import node as node_half
from protocol.session.hub import HubSession
from protocol.wire import Frame, decode, encode
from tests.protocol import strategies, vector_page
from tests.protocol.examples import NOW
from tests.protocol.session_model import (
    HUB_IDENTITY,
    Connection,
    ModelHub,
    ModelNode,
    closes,
    live,
    sales,
)

# --- frames that are not due -------------------------------------------------------------------------------------

UPWARD = (
    handshake.Authenticate,
    Hello,
    Operations,
    log.Ping,
    repair.Claim,
    repair.AskDigests,
    repair.AskBuckets,
    repair.Fetch,
    repair.AskLedger,
    keys.KeepKeys,
    keys.AskKeys,
    fleet.Departures,
    witness.Checkpoints,
)
QUESTIONS: dict[type[Frame], type[Frame]] = {
    repair.Claimed: repair.Claim,
    repair.Digests: repair.AskDigests,
    repair.Buckets: repair.AskBuckets,
    feed.Page: repair.Fetch,
    repair.Ledger: repair.AskLedger,
    keys.KeysKept: keys.KeepKeys,
    keys.Keys: keys.AskKeys,
}
EXAMPLES = {type(frame): frame for frame in map(decode, vector_page.frame_bytes())}

HUB_DUE: dict[hub_half.State, set[type[Frame]]] = {
    hub_half.State.AUTHENTICATE: {handshake.Authenticate},
    hub_half.State.CHECKING_NODE: set(),
    hub_half.State.HELLO: {Hello},
    hub_half.State.OPENING: set(),
    hub_half.State.LIVE: set(UPWARD) - {handshake.Authenticate, Hello},
}
NODE_OPEN: set[type[Frame]] = {
    Acknowledge,
    Negative,
    feed.Page,
    feed.CaughtUp,
    feed.Scopes,
    Status,
    log.Grant,
    log.Pong,
    repair.Claimed,
    repair.Digests,
    repair.Buckets,
    repair.Ledger,
    keys.KeysKept,
    keys.Keys,
    fleet.Departures,
    witness.Checkpoints,
}
NODE_DUE: dict[node_half.State, set[type[Frame]]] = {
    node_half.State.CHALLENGE: {handshake.Challenge},
    node_half.State.PROOF: {handshake.Authenticated},
    node_half.State.WELCOME: {Welcome},
    node_half.State.COMPARING: NODE_OPEN,
    node_half.State.LIVE: NODE_OPEN,
}


def refusals(kind: type[Frame]) -> set[Code]:
    """The code of a frame that is not due; a large one is not even read before keys are proved."""
    return {Code.UNEXPECTED, Code.TOO_LARGE} if kind is repair.Buckets else {Code.UNEXPECTED}


@pytest.mark.parametrize("state", HUB_DUE, ids=lambda state: state.name)
def test_the_hub_ends_the_session_at_any_frame_that_is_not_due(state: hub_half.State) -> None:
    for kind, frame in EXAMPLES.items():
        session = HubSession(HUB_IDENTITY, b"\xa1" * 32, b"s" * 16)
        session.state = state
        actions = session.receive(encode(frame))
        if kind is Close:
            assert actions == [hub_half.End(frame.code)]
        elif kind in HUB_DUE[state]:
            assert hub_half.State.ENDED is not session.state
        else:
            assert isinstance(actions[-1], hub_half.End)
            assert actions[-1].code in refusals(kind), kind
            assert closes([actions[0].data]) == [actions[-1].code]  # type: ignore[union-attr]
            assert session.state is hub_half.State.ENDED


@pytest.mark.parametrize("state", NODE_DUE, ids=lambda state: state.name)
def test_the_node_ends_the_session_at_any_frame_that_is_not_due(state: node_half.State) -> None:
    for kind, frame in EXAMPLES.items():
        session = ModelNode().connect()
        session.state = state
        session.sent, session._unanswered, session._hub_nonce = Seq(300), 1, b"\xa1" * 32
        session._asked = EXAMPLES.get(QUESTIONS.get(kind))  # type: ignore[assignment, arg-type]
        if kind in NODE_DUE[state] | {Close}:
            assert session.receive(encode(frame), NOW)
        else:
            with pytest.raises(ProtocolError) as refused:
                session.receive(encode(frame), NOW)
            assert refused.value.code in refusals(kind), kind
            assert session.state is node_half.State.ENDED


def test_a_frame_too_large_for_a_stranger_ends_the_session_unread() -> None:
    large = b"\0" + b"\xc1" * FRAME_BYTES_BEFORE_AUTHENTICATION_MAX
    session = HubSession(HUB_IDENTITY, b"h" * 32, b"s" * 16)
    session.start()
    assert session.receive(large)[-1] == hub_half.End(Code.TOO_LARGE)
    node_session = ModelNode().connect()
    with pytest.raises(ProtocolError) as refused:
        node_session.receive(large, NOW)
    assert refused.value.code is Code.TOO_LARGE


def test_nothing_counts_after_the_end() -> None:
    connection = live()
    session = connection.hub_session
    assert session.end(Code.RESTARTING, "back soon", retry_ms=100)[-1] == hub_half.End(
        Code.RESTARTING
    )
    acknowledge = Acknowledge(Seq(0), CHAIN_START, NOW, Seq(0))
    entry = StatusEntry(Seq(1), "x", "y")
    after: list[list[hub_half.Action]] = [
        session.end(Code.BUSY, "again", retry_ms=0),
        session.receive(encode(log.Ping(NOW, 0))),
        session.receive(encode(Close(Code.BUSY, "", 0))),
        session.receive(b"garbage"),
        session.committed(acknowledge, [entry]),
        session.stepped_back(Negative(Code.GAP, Seq(0), CHAIN_START)),
        session.grant(b"newer"),
        session.pong(log.Ping(NOW, 0), now_ms=NOW, stable=Seq(0)),
        session.report([entry]),
    ]
    assert after == [[]] * len(after)
    node_session = connection.node_session
    assert node_session.receive(encode(Close(Code.RESTARTING, "back soon", 100)), NOW)
    for data in (b"garbage", encode(acknowledge), encode(Close(Code.BUSY, "", 0))):
        assert node_session.receive(data, NOW) == []


@pytest.mark.parametrize("stage", ["node", "replica", "open"])
def test_a_session_closed_while_its_driver_looks_something_up_stays_closed(stage: str) -> None:
    """A peer hangs up, or a newer session supersedes this one, between a question and its answer."""
    connection = Connection(ModelNode(), ModelHub())
    session, hub = connection.hub_session, connection.hub
    connection.step_down()
    actions = session.receive(connection.up.popleft())
    if stage != "node":
        connection.down += hub.drive(session, actions)
        connection.step_down()
        actions = session.receive(connection.up.popleft())
        if stage == "open":
            actions = hub._checked(session, actions[0].hello)  # type: ignore[union-attr]
    session.end(Code.SUPERSEDED, "a newer session was opened", retry_ms=60_000)
    assert hub.drive(session, actions) == []


def test_a_superseded_session_commits_nothing_and_is_told_to_wait() -> None:
    node, hub = ModelNode(), ModelHub()
    old = Connection(node, hub).settle()
    new = Connection(node, hub).settle()
    old.sell(*sales(2))
    old.settle()
    assert closes(old.heard) == [Code.SUPERSEDED]
    assert node.endings[-1].close.retry_ms == 60_000
    assert hub.replicas[node.replica].bodies == []
    new.up += node.push(new.node_session)
    new.settle()
    assert hub.replicas[node.replica].bodies == sales(2)
    assert hub.alarms == 0


def test_a_live_session_of_another_boot_raises_an_alarm() -> None:
    hub = ModelHub()
    Connection(ModelNode(), hub).settle()
    Connection(ModelNode(boot=b"\x44" * 16), hub).settle()
    assert hub.alarms == 1


def test_a_copied_folder_that_went_on_selling_becomes_a_second_replica() -> None:
    hub, node = ModelHub(), ModelNode()
    node.sells(*sales(4))
    Connection(node, hub).settle()
    clone = ModelNode(boot=b"\x44" * 16, bodies=list(node.bodies), acked_seen=4, epoch=node.epoch)
    node.sells(b"till 1")
    clone.sells(b"till 2")
    for _ in range(2):
        Connection(node, hub).settle()
        Connection(clone, hub).settle()
    assert len(clone.reincarnations) == 1
    assert node.reincarnations == []
    assert hub.replicas[node.replica].bodies == [*sales(4), b"till 1"]
    assert hub.replicas[clone.replica].bodies == [*sales(4), b"till 2"]


# --- any bytes at all --------------------------------------------------------------------------------------------

_noise = st.one_of(
    st.binary(max_size=80),
    st.sampled_from(vector_page.frame_bytes()),
    strategies.frames.map(encode),
)


@given(st.integers(0, 6), st.lists(_noise, min_size=1, max_size=6))
def test_whatever_a_node_says_the_hub_acts_or_ends(steps: int, noise: list[bytes]) -> None:
    connection = Connection(ModelNode(), ModelHub())
    for _ in range(steps):
        connection.step_down()
        connection.step_up()
    for data in noise:
        said = connection.hub.drive(connection.hub_session, connection.hub_session.receive(data))
        assert all(decode(answer) for answer in said)
    if connection.hub_session.state is hub_half.State.ENDED:
        assert connection.hub_session.receive(noise[0]) == []


@given(st.integers(0, 6), st.lists(_noise, min_size=1, max_size=6))
def test_whatever_a_hub_says_the_node_acts_or_ends(steps: int, noise: list[bytes]) -> None:
    connection = Connection(ModelNode(), ModelHub())
    for _ in range(steps):
        connection.step_down()
        connection.step_up()
    for data in noise:
        for answer in connection.node.receive(connection.node_session, data):
            decode(answer)
