"""The hello table, exhaustively: every combination of what it looks at has exactly one outcome.

The oracle is the table of PROTOCOL.md written as one predicate a row; the code is nested decisions.
Both must name the same rows for all 155,520 combinations, and no row may lose an operation.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest

from protocol.errors import Code
from protocol.frames.handshake import Cursor, Hello
from protocol.ids import NO_SALT, ChainHash, Epoch, HubSeq, NodeId, Salt, Scope, Seq
from protocol.limits import FLIPS_MAX
from protocol.session.hello import (
    Accept,
    HubStanding,
    LocalLog,
    NewReplica,
    NodeStanding,
    Push,
    Refuse,
    ReplicaStanding,
    hub_decides,
    node_decides,
)
from tests.protocol.examples import EPOCH, NODE, hello

HORIZON, HEAD = HubSeq(10), HubSeq(20)
SALT, OTHER_SALT = Salt(b"salted!!"), Salt(b"of-other")
BOOT, OTHER_BOOT = b"\x33" * 16, b"\x44" * 16
OTHER_EPOCH = Epoch(b"\xee" * 16)
OTHER_NODE = NodeId(b"\x99" * 16)
AWAY = Scope("stock:S02")

CURSORS: dict[str, Cursor] = {
    "unread": (HubSeq(0), NO_SALT),
    "ok": (HubSeq(15), SALT),
    "beyond": (HubSeq(21), SALT),
    "wrong salt": (HubSeq(15), OTHER_SALT),
    "below horizon": (HubSeq(9), SALT),
}
HUB_ROWS = {1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15}
NODE_ROWS = {6, 7, 8}


@dataclass(frozen=True, slots=True)
class Case:
    """One combination, in words."""

    versions: tuple[int, int]
    standing: NodeStanding
    busy: bool
    replica: str
    log_base: int
    acked: int
    acked_seen: int
    epoch: str
    cursor: str
    exception: str | None
    live: str

    @property
    def hello(self) -> Hello:
        exceptions = {} if self.exception is None else {AWAY: CURSORS[self.exception]}
        return hello(
            boot=BOOT,
            versions=self.versions,
            last_seq=9,
            log_base=self.log_base,
            acked_seen=self.acked_seen,
            epoch={"none": None, "same": EPOCH, "other": OTHER_EPOCH}[self.epoch],
            cursor=CURSORS[self.cursor],
            exceptions=exceptions,
        )

    @property
    def known(self) -> ReplicaStanding | None:
        boots = {"none": None, "same boot": BOOT}
        flips = {"other boot": FLIPS_MAX - 1, "third flip": FLIPS_MAX}
        if self.replica == "none":
            return None
        node = NODE if self.replica == "same node" else OTHER_NODE
        return ReplicaStanding(
            node, Seq(self.acked), boots.get(self.live, OTHER_BOOT), flips.get(self.live, 0)
        )

    @property
    def hub(self) -> HubStanding:
        salts = {HubSeq(15): SALT}
        return HubStanding(EPOCH, HEAD, HORIZON, salts, 4_000 if self.busy else None)

    def outcome(self) -> Refuse | Accept:
        return hub_decides(
            self.hello, node=NODE, standing=self.standing, replica=self.known, hub=self.hub
        )

    # What the table's conditions say, for the oracle.

    @property
    def hub_acked(self) -> int:
        return 0 if self.replica == "none" else self.acked

    @property
    def cursors(self) -> list[str]:
        return [self.cursor] if self.exception is None else [self.cursor, self.exception]

    @property
    def lost(self) -> bool:
        return self.hub_acked < self.acked_seen

    @property
    def foreign(self) -> bool:
        forgotten = self.epoch == "none" and (self.lost or set(self.cursors) != {"unread"})
        return self.epoch == "other" or forgotten

    @property
    def rolled_back(self) -> bool:
        strange = {"beyond", "wrong salt"} & set(self.cursors)
        return self.epoch == "same" and not self.lost and bool(strange)

    @property
    def stale(self) -> bool:
        trusted = self.epoch == "same" and not self.lost and not self.rolled_back
        return trusted and "below horizon" in self.cursors


def cases() -> Iterator[Case]:
    found = product(
        [(1, 1), (1, 7), (2, 3)],
        NodeStanding,
        [False, True],
        ["none", "same node", "other node"],
        [1, 4],
        [3],
        [2, 3, 4],
        ["none", "same", "other"],
        CURSORS,
        [None, *CURSORS],
        ["none", "same boot", "other boot", "third flip"],
    )
    return (Case(*parts) for parts in found)


# The first of these that holds refuses.
REFUSALS: dict[int, tuple[Callable[[Case], bool], set[Code]]] = {
    1: (lambda c: c.versions[0] > 1, {Code.UPGRADE_REQUIRED}),
    2: (
        lambda c: c.standing in {NodeStanding.REVOKED, NodeStanding.RETIRED},
        {Code.REVOKED, Code.RETIRED},
    ),
    14: (lambda c: c.busy, {Code.BUSY}),
    3: (lambda c: c.replica == "other node", {Code.NEW_REPLICA_REQUIRED}),
    5: (lambda c: c.replica == "none" and c.log_base > 1, {Code.NEW_REPLICA_REQUIRED}),
    13: (
        lambda c: c.replica == "same node" and c.live == "third flip",
        {Code.NEW_REPLICA_REQUIRED},
    ),
}
# All of these that hold are carried out.
GRANTS: dict[int, Callable[[Case], bool]] = {
    4: lambda c: c.replica == "none",
    8: lambda c: c.lost,
    9: lambda c: c.foreign,
    10: lambda c: c.rolled_back,
    11: lambda c: c.stale,
    12: lambda c: c.replica != "none" and c.live == "same boot",
    13: lambda c: c.replica != "none" and c.live == "other boot",
    15: lambda c: c.standing is NodeStanding.UNKNOWN,
}


def check_refusal(case: Case, outcome: Refuse, row: int) -> None:
    assert outcome.rows == (row,)
    assert outcome.code in REFUSALS[row][1]
    assert outcome.detail
    assert outcome.retry_ms == {14: 4_000, 1: 60_000, 2: 60_000}.get(row, 0)


def check_grant(case: Case, outcome: Accept, rows: set[int]) -> None:
    assert set(outcome.rows) == rows
    assert outcome.rows == tuple(sorted(rows))
    assert outcome.acked == case.hub_acked
    assert outcome.register_node is (15 in rows)
    assert outcome.register_replica is (4 in rows)
    assert outcome.supersede is bool({12, 13} & rows)
    assert outcome.alarm_duplicate is (13 in rows)
    assert outcome.mint_epoch is (case.epoch == "same" and bool({8, 10} & rows))
    common_is_stale = case.stale and case.cursor == "below horizon"
    assert outcome.reset_all is (case.foreign or outcome.mint_epoch or common_is_stale)
    only_away = case.stale and not common_is_stale
    assert outcome.reset == ((AWAY,) if only_away else ())


def test_every_combination_has_the_one_outcome_that_the_table_names() -> None:
    reached: set[int] = set()
    count = 0
    for case in cases():
        outcome = case.outcome()
        row = next((row for row, (holds, _) in REFUSALS.items() if holds(case)), None)
        if row is not None:
            assert isinstance(outcome, Refuse), case
            check_refusal(case, outcome, row)
        else:
            assert isinstance(outcome, Accept), case
            check_grant(case, outcome, {row for row, holds in GRANTS.items() if holds(case)})
        reached.update(outcome.rows)
        count += 1
    assert reached == HUB_ROWS
    assert count == 3 * 4 * 2 * 3 * 2 * 3 * 3 * 5 * 6 * 4


@pytest.mark.parametrize(
    ("cursor", "known", "rows"),
    [
        ((HORIZON, SALT), {HORIZON: SALT}, ()),
        ((HEAD, SALT), {HEAD: SALT}, ()),
        ((HubSeq(HEAD + 1), SALT), {HEAD: SALT}, (10,)),
        ((HubSeq(HORIZON - 1), SALT), {}, (11,)),
        ((HubSeq(12), SALT), {}, (10,)),
        ((HubSeq(0), OTHER_SALT), {}, ()),
        ((HubSeq(1), SALT), {}, (11,)),
    ],
)
def test_a_cursor_is_good_from_the_horizon_to_the_head(
    cursor: Cursor, known: dict[HubSeq, Salt], rows: tuple[int, ...]
) -> None:
    outcome = hub_decides(
        hello(epoch=EPOCH, cursor=cursor),
        node=NODE,
        standing=NodeStanding.ACTIVE,
        replica=ReplicaStanding(NODE, Seq(0), None),
        hub=HubStanding(EPOCH, HEAD, HORIZON, known),
    )
    assert outcome.rows == rows


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        (None, ()),
        ((HubSeq(0), NO_SALT), ()),
        ((HubSeq(17), SALT), ()),
        ((HubSeq(17), OTHER_SALT), (10,)),
        ((HubSeq(HEAD + 1), SALT), (10,)),
    ],
)
def test_a_good_cursor_is_not_enough_where_rows_were_read_in_a_state_that_is_gone(
    head: Cursor | None, rows: tuple[int, ...]
) -> None:
    outcome = hub_decides(
        hello(epoch=EPOCH, exceptions={AWAY: (HubSeq(15), SALT)}, head=head),
        node=NODE,
        standing=NodeStanding.ACTIVE,
        replica=ReplicaStanding(NODE, Seq(0), None),
        hub=HubStanding(EPOCH, HEAD, HORIZON, {HubSeq(15): SALT, HubSeq(17): SALT}),
    )
    assert isinstance(outcome, Accept)
    assert (outcome.rows, outcome.mint_epoch) == (rows, bool(rows))


def test_of_many_scopes_only_those_below_the_horizon_are_read_again() -> None:
    exceptions = {
        Scope("stock:S03"): (HubSeq(3), SALT),
        Scope("stock:S02"): (HubSeq(15), SALT),
        Scope("stock:S01"): (HubSeq(9), SALT),
        Scope("stock:S04"): (HubSeq(0), NO_SALT),
    }
    outcome = hub_decides(
        hello(epoch=EPOCH, cursor=(HubSeq(15), SALT), exceptions=exceptions),
        node=NODE,
        standing=NodeStanding.ACTIVE,
        replica=ReplicaStanding(NODE, Seq(0), None),
        hub=HubStanding(EPOCH, HEAD, HORIZON, {HubSeq(15): SALT}),
    )
    assert isinstance(outcome, Accept)
    assert outcome.reset == ("stock:S01", "stock:S03")


def test_a_cursor_is_looked_up_by_scope_and_else_common() -> None:
    said = hello(cursor=(HubSeq(15), SALT), exceptions={AWAY: (HubSeq(3), OTHER_SALT)})
    assert said.cursor_of(AWAY) == (3, OTHER_SALT)
    assert said.cursor_of(Scope("catalogue")) == (15, SALT)


# --- what the node makes of WELCOME ------------------------------------------------------------------------------

HASH, OTHER_HASH = ChainHash(b"h" * 32), ChainHash(b"o" * 32)


def logs() -> Iterator[tuple[Seq, LocalLog]]:
    """Every position of the hub against every small log, whose hash there is equal, other or gone."""
    for acked, last, base, seen in product(range(7), range(7), range(1, 8), range(7)):
        if base > last + 1:
            continue
        for held in (HASH, OTHER_HASH, None):
            yield Seq(acked), LocalLog(Seq(last), Seq(base), Seq(seen), held)


def test_a_node_pushes_what_follows_acked_or_starts_a_new_replica() -> None:
    reached: set[int] = set()
    for acked, log in logs():
        decision = node_decides(acked, HASH, log)
        reached.update(decision.rows)
        match decision:
            case Push(rows=rows, first=first):
                # Nothing is skipped, nothing is asked for that was pruned, no fork is continued.
                assert first == acked + 1
                assert first <= log.last_seq + 1
                assert rows == ((8,) if acked < log.acked_seen else ())
                assert log.chain_at_acked in {HASH, None}
                if log.chain_at_acked is None:
                    assert acked < log.acked_seen
                    assert first >= log.log_base
            case NewReplica(rows=rows, detail=detail, history_gap=history_gap):
                assert rows == (expected_row(acked, log),)
                assert detail
                assert history_gap is (rows == (8,))
    assert reached == NODE_ROWS


def expected_row(acked: Seq, log: LocalLog) -> int | None:
    """Which row makes a new replica, as the table words it; None when none does."""
    if log.last_seq < acked:
        return 6
    if log.chain_at_acked == OTHER_HASH:
        return 7
    if acked < log.acked_seen and acked + 1 < log.log_base:
        return 8
    return 7 if log.chain_at_acked is None and acked >= log.acked_seen else None


def test_a_new_replica_is_started_only_where_the_table_says() -> None:
    for acked, log in logs():
        started = isinstance(node_decides(acked, HASH, log), NewReplica)
        assert started is (expected_row(acked, log) is not None), (acked, log)


def test_a_hub_that_lost_what_was_pruned_does_not_make_the_node_push_into_a_gap_for_ever() -> None:
    log = LocalLog(last_seq=Seq(90), log_base=Seq(50), acked_seen=Seq(80), chain_at_acked=None)
    decision = node_decides(Seq(20), HASH, log)
    assert isinstance(decision, NewReplica)
    assert decision.history_gap


def test_both_halves_of_the_table_together_reach_all_fifteen_rows() -> None:
    assert set(range(1, 16)) == HUB_ROWS | NODE_ROWS


def test_a_repeated_hello_after_row_8_is_a_plain_one() -> None:
    """The node that remembered WELCOME's epoch and acked does not make the hub mint again."""
    first = decide(acked=3, acked_seen=5, epoch=EPOCH)
    assert first.mint_epoch
    minted = Epoch(b"\xef" * 16)
    again = decide(acked=3, acked_seen=3, epoch=minted, hub_epoch=minted)
    assert again == Accept((), Seq(3))


def decide(*, acked: int, acked_seen: int, epoch: Epoch, hub_epoch: Epoch = EPOCH) -> Accept:
    said: dict[str, Any] = {"acked_seen": acked_seen, "epoch": epoch, "last_seq": 9}
    outcome = hub_decides(
        hello(**said),
        node=NODE,
        standing=NodeStanding.ACTIVE,
        replica=ReplicaStanding(NODE, Seq(acked), None),
        hub=HubStanding(hub_epoch, HEAD, HORIZON, {}),
    )
    assert isinstance(outcome, Accept)
    return outcome
