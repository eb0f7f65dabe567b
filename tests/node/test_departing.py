"""A node keeps the hub's word that others left, and hands it back to a hub that forgot."""

from pathlib import Path

import pytest

from node import departing
from node.replica import SCHEMA, departures
from node.replica.identity import NodeIdentity
from protocol.certificate import issue
from protocol.departure import Departure, Reason, digest, sign
from protocol.errors import ProtocolError
from protocol.ids import NodeId
from runtime.store import Store
from tests.node.chain import CHAIN, HUB_KEY, NODE_KEY, certificate_of

WHO = NodeIdentity(
    CHAIN,
    "ws://127.0.0.1:1",
    bytes(HUB_KEY.verify_key),
    issue(certificate_of(writes=("S01",)), HUB_KEY),
    certificate_of(writes=("S01",)),
)
THIEF, OTHER = NodeId(b"t" * 16), NodeId(b"o" * 16)


def record(node: NodeId, *, reason: Reason = Reason.REVOKED, by_hub: bool = True) -> bytes:
    """What the hub says of a node, or somebody who is not the hub."""
    return sign(Departure(CHAIN, node, reason, 1_000), HUB_KEY if by_hub else NODE_KEY)


async def test_what_the_hub_said_is_kept_and_handed_to_a_hub_that_forgot(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "node.sqlite", SCHEMA)
    await departing.keep(store, WHO, [record(THIEF), record(OTHER, reason=Reason.RETIRED)])
    await store.close()
    store = await Store.open(tmp_path / "node.sqlite", SCHEMA)
    kept = [record(OTHER, reason=Reason.RETIRED), record(THIEF)]
    assert await departing.unknown_to(store, digest([])) == kept
    assert await departing.unknown_to(store, digest(kept)) == []
    assert await departing.unknown_to(store, None) == [], "an older hub would not understand it"
    await store.close()


async def test_of_two_words_about_one_node_the_graver_is_kept(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "node.sqlite", SCHEMA)
    for reason in (Reason.RETIRED, Reason.REVOKED, Reason.RETIRED):
        await departing.keep(store, WHO, [record(THIEF, reason=reason)])
    assert await store.read(departures.read_all) == {THIEF: record(THIEF)}
    await store.close()


async def test_a_word_that_is_not_the_hubs_is_not_kept_nor_what_came_with_it(
    tmp_path: Path,
) -> None:
    store = await Store.open(tmp_path / "node.sqlite", SCHEMA)
    with pytest.raises(ProtocolError):
        await departing.keep(store, WHO, [record(OTHER), record(THIEF, by_hub=False)])
    assert await store.read(departures.read_all) == {}
    await store.close()
