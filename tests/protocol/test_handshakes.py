"""Handshakes that fail: nothing is said or believed before both keys are proved."""

import pytest
from nacl.signing import SigningKey

from protocol.errors import Code, ProtocolError
from protocol.frames import handshake
from protocol.frames.handshake import Close
from protocol.ids import ChainId, Seq
from protocol.session import hub as hub_half
from protocol.session import node as node_half
from protocol.session.hello import NodeStanding
from protocol.session.hub import HubIdentity, HubSession
from protocol.wire import decode, encode
from tests.protocol import examples
from tests.protocol.examples import CHAIN, HUB_KEY, NODE_KEY, NOW, REPLICA
from tests.protocol.session_model import (
    HUB_IDENTITY,
    Connection,
    ModelHub,
    ModelNode,
    Replica,
    closes,
    node_identity,
    sales,
)


def dial(
    node: ModelNode | None = None, hub: ModelHub | None = None, identity: HubIdentity = HUB_IDENTITY
) -> Connection:
    """A connection to a hub of this identity, settled."""
    connection = Connection(node or ModelNode(), hub or ModelHub())
    connection.hub_session = HubSession(identity, b"h" * 32, b"s" * 16)
    start = connection.hub_session.start()
    connection.down.clear()
    connection.down += connection.hub.drive(connection.hub_session, start)
    return connection.settle()


def test_a_hub_with_another_key_learns_nothing_and_is_not_believed() -> None:
    impostor = HubIdentity(CHAIN, SigningKey(b"\x66" * 32))
    connection = dial(identity=impostor)
    # It cannot even check the certificate; if it claims it could, its own signature gives it away.
    assert closes(connection.heard) == [Code.AUTHENTICATION_FAILED]
    assert connection.node.welcomes == []


def test_a_hub_that_cannot_sign_with_its_key_is_left_before_hello() -> None:
    node = ModelNode()
    session = node.connect()
    session.receive(encode(handshake.Challenge(CHAIN, b"a" * 32, (1, 1))), NOW)
    message = handshake.hub_signature_input(b"a" * 32, b"\xb2" * 32, CHAIN)
    forged = SigningKey(b"\x66" * 32).sign(message).signature
    with pytest.raises(ProtocolError) as refused:
        session.receive(encode(handshake.Authenticated(forged, None)), NOW)
    assert refused.value.code is Code.AUTHENTICATION_FAILED
    assert session.state is node_half.State.ENDED


@pytest.mark.parametrize("nonces", [(b"b" * 32, b"\xb2" * 32), (b"a" * 32, b"c" * 32)])
def test_a_hub_signature_of_another_session_is_not_taken(nonces: tuple[bytes, bytes]) -> None:
    session = ModelNode().connect()
    session.receive(encode(handshake.Challenge(CHAIN, b"a" * 32, (1, 1))), NOW)
    signature = HUB_KEY.sign(handshake.hub_signature_input(*nonces, CHAIN)).signature
    with pytest.raises(ProtocolError):
        session.receive(encode(handshake.Authenticated(signature, None)), NOW)


def test_a_node_signature_does_not_pass_for_the_hubs() -> None:
    """The purposes differ, so a hub cannot be played by reflecting what a node signed."""
    session = ModelNode(identity=node_identity(hub_public_key=bytes(NODE_KEY.verify_key))).connect()
    session.receive(encode(handshake.Challenge(CHAIN, b"a" * 32, (1, 1))), NOW)
    reflected = NODE_KEY.sign(
        handshake.node_signature_input(b"a" * 32, b"\xb2" * 32, CHAIN)
    ).signature
    with pytest.raises(ProtocolError):
        session.receive(encode(handshake.Authenticated(reflected, None)), NOW)


def test_a_hub_of_another_chain_is_left_at_its_first_word() -> None:
    other = HubIdentity(ChainId(b"\xdd" * 16), HUB_KEY)
    assert closes(dial(identity=other).heard) == [Code.WRONG_HUB]


def test_versions_that_do_not_meet_end_the_session_on_either_side() -> None:
    session = ModelNode().connect()
    with pytest.raises(ProtocolError) as refused:
        session.receive(encode(handshake.Challenge(CHAIN, b"a" * 32, (2, 3))), NOW)
    assert refused.value.code is Code.UPGRADE_REQUIRED
    hub_session = HubSession(HUB_IDENTITY, b"h" * 32, b"s" * 16)
    hub_session.state = hub_half.State.HELLO
    hub_session.certificate = examples.credentials()
    hub_session.receive(encode(examples.hello(versions=(2, 3))))
    said = ModelHub()._checked(hub_session, examples.hello(versions=(2, 3)))
    assert said[-1] == hub_half.End(Code.UPGRADE_REQUIRED)


def test_a_version_that_the_node_did_not_offer_ends_the_session() -> None:
    connection = Connection(ModelNode(), ModelHub())
    connection.hub_session._version = 2
    connection.step_down()
    connection.step_up()
    connection.step_down()
    connection.hub_session.state = hub_half.State.HELLO
    connection.hub_session.receive(connection.up.popleft())
    connection.hub_session._version = 2
    welcome = ModelHub()._opened(
        connection.hub_session, examples.hello(), hub_half.Accept((), Seq(0))
    )
    data = welcome[0].data  # type: ignore[union-attr]
    with pytest.raises(ProtocolError) as refused:
        connection.node_session.receive(data, NOW)
    assert refused.value.code is Code.UPGRADE_REQUIRED


@pytest.mark.parametrize(
    "certificate",
    [
        examples.certificate_bytes(chain=ChainId(b"\xdd" * 16)),
        examples.certificate_bytes(public_key=bytes(SigningKey(b"\x66" * 32).verify_key)),
        examples.certificate_bytes()[:-1] + b"\0",
        b"",
        b"\x92\xc4\x00\xc4\x00",
    ],
    ids=["another chain's", "a stolen one without its key", "forged", "none", "empty parts"],
)
def test_a_certificate_that_proves_nothing_is_refused(certificate: bytes) -> None:
    node = ModelNode(identity=node_identity(certificate=certificate))
    hub = ModelHub()
    connection = dial(node, hub)
    assert closes(connection.heard)[0] in {
        Code.AUTHENTICATION_FAILED,
        Code.BAD_VALUE,
        Code.BAD_FRAME,
    }
    assert hub.replicas == {}


def test_an_authenticate_of_an_earlier_session_does_not_open_another() -> None:
    first = Connection(ModelNode(), ModelHub()).settle()
    recorded = next(
        data for data in first.heard if isinstance(decode(data), handshake.Authenticate)
    )
    second = HubSession(HUB_IDENTITY, b"another challenge" + bytes(15), b"s" * 16)
    second.start()
    said = second.receive(recorded)
    assert said[-1] == hub_half.End(Code.AUTHENTICATION_FAILED)


def test_a_revoked_node_is_told_so_before_anything_else() -> None:
    connection = Connection(ModelNode(), ModelHub(standing=NodeStanding.REVOKED)).settle()
    assert closes(connection.heard) == [Code.REVOKED]
    assert connection.node.endings[0].close.retry_ms > 0


@pytest.mark.parametrize(
    ("hub", "code"),
    [
        (ModelHub(standing=NodeStanding.RETIRED), Code.RETIRED),
        (ModelHub(busy_retry_ms=4_000), Code.BUSY),
    ],
)
def test_a_refusal_by_the_table_reaches_the_node_with_its_code(hub: ModelHub, code: Code) -> None:
    connection = Connection(ModelNode(), hub).settle()
    assert [ending.close.code for ending in connection.node.endings] == [code]
    assert hub.replicas == {}


def test_a_log_of_another_node_continues_as_a_new_replica() -> None:
    hub = ModelHub(replicas={REPLICA: Replica(node=b"\x99" * 16)})  # type: ignore[arg-type]
    node = ModelNode()
    node.sells(*sales(3))
    Connection(node, hub).settle()
    assert len(node.reincarnations) == 1
    assert node.replica != REPLICA
    Connection(node, hub).settle()
    assert hub.replicas[node.replica].bodies == sales(3)


def test_an_unproved_hub_cannot_make_a_node_change_its_replica() -> None:
    """Anybody can answer a connection; a log that is copied at a stranger's word fills the disk."""
    close = encode(Close(Code.NEW_REPLICA_REQUIRED, "trust me", 0))
    for before in ([], [encode(handshake.Challenge(CHAIN, b"a" * 32, (1, 1)))]):
        node = ModelNode()
        session = node.connect()
        for data in [*before, close]:
            node.receive(session, data)
        assert node.reincarnations == []
        # Not even the code comes through, so that no driver goes by it.
        assert [ending.close.code for ending in node.endings] == [Code.UNEXPECTED]
        assert session.state is node_half.State.ENDED
