"""Both halves of a session back to back, over a line that is cut and replayed.

Invariant: every operation reaches the hub once and in order, whatever was lost on the way.
"""

import random
from collections.abc import Callable
from typing import Any

import pytest

from protocol.chain import CHAIN_START, extend_all
from protocol.errors import Code, ProtocolError
from protocol.frames import feed, handshake, log, repair
from protocol.frames.log import Acknowledge, Item, Negative, Operations, Status, StatusEntry
from protocol.ids import NO_SALT, HubSeq, ReplicaId, Scope, Seq
from protocol.limits import (
    BATCHES_IN_FLIGHT_MAX,
    STATUS_ENTRIES_MAX,
)
from protocol.session import hub as hub_half
from protocol.session import node as node_half
from protocol.session.hello import LocalLog, NodeStanding
from protocol.session.hub import HubSession
from protocol.session.node import NodeSession
from protocol.wire import Frame, decode, encode
from tests.protocol import examples
from tests.protocol.examples import CHAIN, NOW
from tests.protocol.session_model import (
    HUB_IDENTITY,
    Connection,
    ModelHub,
    ModelNode,
    live,
    node_identity,
    sales,
)

# --- the good way ------------------------------------------------------------------------------------------------


def test_a_first_session_carries_the_whole_log_up() -> None:
    node, hub = ModelNode(), ModelHub()
    node.sells(*sales(25))
    connection = Connection(node, hub).settle()
    held = hub.replicas[node.replica]
    assert held.bodies == node.bodies
    assert held.chain == extend_all(CHAIN_START, node.bodies)
    assert node.acked_seen == 25
    assert connection.node_session.acked == connection.node_session.sent == 25
    assert set(node.accepted) == set(range(1, 26))


def test_what_is_sold_during_a_session_goes_up_at_once() -> None:
    connection = live()
    connection.sell(*sales(3))
    connection.settle()
    assert connection.hub.replicas[connection.node.replica].bodies == sales(3)


def test_welcome_and_the_frames_behind_it_reach_the_node() -> None:
    connection = live()
    session, node = connection.hub_session, connection.node
    page = feed.Page(Scope("stock:S01"), HubSeq(0), HubSeq(0), NO_SALT, False, {}, ())
    caught_up = feed.CaughtUp(HubSeq(0), NO_SALT)
    scopes = feed.Scopes((Scope("stock:S02"),), ())
    claimed = repair.Claimed(HubSeq(0), b"\x80")
    connection.node_session.ask(repair.Claim((bytes(16),)))
    connection.down += map(encode, (page, caught_up, scopes, claimed))
    connection.down += connection.hub.drive(session, session.grant(b"newer"))
    connection.up += [action.data for action in connection.node_session.ping(NOW - 80, 7)]
    connection.settle()
    assert node.pages == [
        node_half.StorePage(page),
        node_half.StoreCaughtUp(caught_up),
        node_half.StoreScopes(scopes),
        node_half.Answered(claimed),
    ]
    assert node.certificate == b"newer"
    assert node.offsets == [40]


def test_the_hub_hands_questions_and_pings_to_its_driver() -> None:
    session = live().hub_session
    for question in (repair.Claim((bytes(16),)), repair.AskBuckets(Scope("catalogue"))):
        assert session.receive(encode(question)) == [hub_half.Answer(question)]
    ping = log.Ping(NOW, 7)
    assert session.receive(encode(ping)) == [hub_half.Note(ping)]


def test_a_node_has_one_question_unanswered_at_a_time() -> None:
    session = live().node_session
    assert session.may_ask
    session.ask(repair.AskBuckets(Scope("catalogue")))
    assert not session.may_ask
    answer = repair.Buckets(Scope("catalogue"), HubSeq(7), bytes(4096))
    assert session.receive(encode(answer), NOW) == [node_half.Answered(answer)]
    assert session.may_ask


@pytest.mark.parametrize(
    "answer",
    [
        repair.Claimed(HubSeq(7), b"\x80"),
        feed.Page(Scope("catalogue"), HubSeq(0), HubSeq(0), NO_SALT, False, {}, (), b"\x01"),
    ],
)
@pytest.mark.parametrize("asked", [None, repair.AskBuckets(Scope("catalogue"))])
def test_an_answer_to_no_question_or_another_ends_the_session(
    answer: Frame, asked: repair.Question | None
) -> None:
    session = live().node_session
    if asked is not None:
        session.ask(asked)
    with pytest.raises(ProtocolError) as refused:
        session.receive(encode(answer), NOW)
    assert refused.value.code is Code.UNEXPECTED


def test_a_newer_certificate_comes_with_the_hubs_proof() -> None:
    node, hub = ModelNode(), ModelHub(newer_certificate=b"newer")
    Connection(node, hub).settle()
    assert node.certificate == b"newer"


def test_quarantined_operations_are_told_before_the_acknowledgement_and_again_after_a_loss() -> (
    None
):
    entry = StatusEntry(Seq(2), "undecodable", "no")
    node, hub = ModelNode(), ModelHub(quarantined=[entry])
    connection = Connection(node, hub).settle()
    connection.heard.clear()
    connection.sell(*sales(2))
    connection.settle()
    told = [type(frame) for frame in map(decode, connection.heard)]
    assert told == [Operations, Status, Acknowledge]
    node.quarantined.clear()  # as if the message and what followed it had been lost
    Connection(node, hub).settle()
    assert node.quarantined == {2}
    again = Connection(node, hub).settle()
    assert Status not in {type(frame) for frame in map(decode, again.heard)}


def test_many_quarantined_operations_are_told_in_full_frames() -> None:
    count = 2 * STATUS_ENTRIES_MAX + 1
    hub = ModelHub(quarantined=[StatusEntry(Seq(at), "x", "y") for at in range(1, count + 1)])
    node = ModelNode()
    Connection(node, hub).settle()
    assert node.quarantined == set(range(1, count + 1))


def test_the_version_spoken_is_the_least_of_both_most() -> None:
    session = HubSession(HUB_IDENTITY, b"h" * 32, b"s" * 16)
    session.state = hub_half.State.HELLO
    session.receive(encode(examples.hello(versions=(1, 9))))
    assert session._version == 1
    connection = live()
    assert connection.node.welcomes[0].version == 1


# --- the window --------------------------------------------------------------------------------------------------


def test_at_most_four_batches_are_unanswered() -> None:
    connection = live()
    connection.sell(*sales(40))
    in_flight = [decode(data) for data in connection.up]
    assert [type(frame) for frame in in_flight] == [Operations] * BATCHES_IN_FLIGHT_MAX
    assert not connection.node_session.wants_operations
    connection.step_up()
    connection.step_down()
    assert len(connection.up) == BATCHES_IN_FLIGHT_MAX
    connection.settle()
    assert connection.hub.replicas[connection.node.replica].bodies == sales(40)


def test_batches_continue_each_other_by_position_and_hash() -> None:
    connection = live()
    connection.sell(*sales(8))
    at = 0
    for data in connection.up:
        frame = decode(data)
        assert isinstance(frame, Operations)
        assert frame.first == at + 1
        assert frame.prev == connection.node.hash_at(at)
        at += len(frame.items)


# --- stepping back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [Code.GAP, Code.REWIND, Code.FORK])
def test_a_refused_batch_makes_the_node_wait_for_those_behind_it_and_compare_its_log(
    code: Code,
) -> None:
    connection = live()
    connection.sell(*sales(40))
    session = connection.node_session
    negative = encode(Negative(code, Seq(0), CHAIN_START))
    for _ in range(BATCHES_IN_FLIGHT_MAX - 1):
        assert session.receive(negative, NOW) == []
        assert not session.wants_operations
    assert session.receive(negative, NOW) == [node_half.CompareLog(Seq(0), CHAIN_START)]
    assert session.state is node_half.State.COMPARING
    assert session.log_compared(CHAIN_START, connection.node._log(0)) == []
    assert session.sent == 0
    assert session.wants_operations


def test_a_hub_that_lost_batches_gets_them_again_in_the_same_session() -> None:
    connection = live()
    node, hub = connection.node, connection.hub
    connection.sell(*sales(6))
    connection.settle()
    # An undeclared loss: the hub's last two operations are gone.
    held = hub.replicas[node.replica]
    del held.bodies[4:]
    held.chain = extend_all(CHAIN_START, held.bodies)
    connection.sell(*sales(9, start=6))
    connection.settle()
    assert held.bodies == node.bodies == sales(15)
    assert node.reincarnations == []


def test_another_history_at_the_hub_starts_a_new_replica() -> None:
    connection = live()
    held = connection.hub.replicas[connection.node.replica]
    held.bodies, held.chain = [b"other"], extend_all(CHAIN_START, [b"other"])
    connection.sell(*sales(1))
    connection.settle()
    assert connection.node_session.state is node_half.State.ENDED
    assert len(connection.node.reincarnations) == 1
    Connection(connection.node, connection.hub).settle()
    assert connection.hub.replicas[connection.node.replica].bodies == sales(1)


def test_pages_and_pongs_are_taken_while_the_log_is_compared() -> None:
    connection = live()
    connection.sell(*sales(1))
    session = connection.node_session
    session.receive(encode(Negative(Code.GAP, Seq(0), CHAIN_START)), NOW)
    caught_up = feed.CaughtUp(HubSeq(0), NO_SALT)
    assert session.receive(encode(caught_up), NOW) == [node_half.StoreCaughtUp(caught_up)]


@pytest.mark.parametrize(
    "answer",
    [
        Acknowledge(Seq(0), CHAIN_START, NOW, Seq(0)),
        Negative(Code.GAP, Seq(0), CHAIN_START),
    ],
)
def test_an_answer_that_nothing_asked_for_ends_the_session(answer: Frame) -> None:
    session = live().node_session
    with pytest.raises(ProtocolError) as refused:
        session.receive(encode(answer), NOW)
    assert refused.value.code is Code.UNEXPECTED
    assert session.state is node_half.State.ENDED


@pytest.mark.parametrize("acked", [3, 99])
def test_an_acknowledgement_of_what_was_never_sent_ends_the_session(acked: int) -> None:
    connection = live()
    connection.sell(*sales(2))
    with pytest.raises(ProtocolError):
        connection.node_session.receive(
            encode(Acknowledge(Seq(acked), CHAIN_START, NOW, Seq(0))), NOW
        )


def test_an_acknowledgement_never_goes_back() -> None:
    connection = live()
    connection.sell(*sales(2))
    connection.settle()
    connection.sell(*sales(2))
    with pytest.raises(ProtocolError):
        connection.node_session.receive(encode(Acknowledge(Seq(1), CHAIN_START, NOW, Seq(0))), NOW)


# --- a bad line --------------------------------------------------------------------------------------------------


def weather(seed: int, rounds: int = 40) -> None:
    """Sell through a line that is cut at any moment and on which old bytes come again."""
    chance = random.Random(seed)
    node, hub = ModelNode(batch=chance.randint(1, 3)), ModelHub()
    replay: list[bytes] = []
    sold = 0
    connection = Connection(node, hub)
    for _ in range(rounds):
        for _ in range(chance.randint(0, 12)):
            step: Callable[[], Any] = chance.choice([connection.step_up, connection.step_down])
            step()
            if chance.random() < 0.2:
                connection.sell(*sales(1, start=sold))
                sold += 1
            if replay and chance.random() < 0.03:
                direction = chance.choice([connection.up, connection.down])
                direction.insert(chance.randint(0, len(direction)), chance.choice(replay))
            check_prefix(node, hub)
        if chance.random() < 0.4:
            replay = (replay + connection.heard)[-40:]
            connection = Connection(node, hub)
    for _ in range(4):  # the line is good again
        connection = Connection(node, hub).settle()
    assert hub.replicas[node.replica].bodies == node.bodies == sales(sold)
    assert node.acked_seen == sold


def check_prefix(node: ModelNode, hub: ModelHub) -> None:
    held = hub.replicas.get(node.replica)
    bodies = [] if held is None else held.bodies
    assert node.bodies[: len(bodies)] == bodies
    assert node.acked_seen <= len(bodies)
    assert node.reincarnations == []


def test_every_sale_arrives_once_over_a_line_that_is_cut_and_replayed() -> None:
    for seed in range(150):
        weather(seed)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_sale_arrives_once_over_a_great_many_bad_lines() -> None:
    for seed in range(1_000, 6_000):
        weather(seed)


def test_a_lost_acknowledgement_is_made_up_for_at_the_next_welcome() -> None:
    connection = live()
    node, hub = connection.node, connection.hub
    connection.sell(*sales(2))
    connection.step_up()
    connection.down.clear()
    assert node.acked_seen == 0
    after = Connection(node, hub).settle()
    assert node.acked_seen == 2
    assert not any(isinstance(decode(data), Operations) for data in after.heard)


def test_what_was_acknowledged_once_is_pushed_again_with_its_time() -> None:
    connection = live()
    node = connection.node
    connection.sell(*sales(2))
    connection.settle()
    restored = ModelHub(epoch=connection.hub.epoch)
    again = Connection(node, restored).settle()
    pushed = [frame for frame in map(decode, again.heard) if isinstance(frame, Operations)]
    assert [item for frame in pushed for item in frame.items] == [
        Item(body, NOW) for body in sales(2)
    ]
    assert restored.minted == 1
    assert Connection(node, restored).settle().hub.minted == 1


def test_a_driver_that_pushes_out_of_turn_is_a_bug() -> None:
    session = ModelNode().connect()
    with pytest.raises(AssertionError):
        session.push(CHAIN_START, [Item(b"x", None)])
    with pytest.raises(AssertionError):
        live().node_session.push(CHAIN_START, [])
    with pytest.raises(AssertionError):
        session.log_compared(CHAIN_START, LocalLog(Seq(0), Seq(1), Seq(0), CHAIN_START))
    with pytest.raises(AssertionError):
        live().hub_session.node_checked(NodeStanding.ACTIVE, None)


def test_a_node_and_its_copy_are_told_apart_by_their_session_objects_only() -> None:
    """The halves keep positions only: two sessions built alike behave alike."""
    identity = node_identity()
    first, second = (
        NodeSession(identity, examples.hello(replica=ReplicaId(b"r" * 16)), b"n" * 32)
        for _ in range(2)
    )
    challenge = encode(handshake.Challenge(CHAIN, b"a" * 32, (1, 1)))
    assert first.receive(challenge, NOW) == second.receive(challenge, NOW)
