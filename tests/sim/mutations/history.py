"""Bugs of identity: which history a log, a cursor or a hub is of.

The class that faults of the network alone never show (SYNC, section 2.6): a disk has to be rolled back or copied.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, Final

from hub.store.interface import Push
from hub.store.sqlite import commit, feed
from node.replica import recovery
from protocol.errors import Code
from protocol.frames.handshake import Hello
from protocol.ids import NO_SALT, ChainHash, Seq
from protocol.session import hello as hello_table
from protocol.session import node as node_half
from protocol.session.hello import HubStanding, LocalLog, NewReplica
from protocol.session.hello import Push as GoOn
from tests.sim.mutations import scripts
from tests.sim.mutations.planting import Mutation, altered, replaced

RESTORES: Final = {"back node up": 2.0, "restore node": 1.0, "clone node": 0.5, "cut": 0.5}
HUB_RESTORES: Final = {"back hub up": 2.0, "restore hub": 1.0, "cut": 1.0, "kill node": 0.5}


def fork_check_off() -> AbstractContextManager[None]:
    """Nobody compares hashes: the hub takes a batch on top of another history, and the node goes on under one.

    A node restored from a backup, or copied, that has sold as many again: its new sales are taken for the old ones (I2).
    """
    step_back, decides = commit._step_back, node_half.node_decides

    def believe(push: Push, acked: Seq, held: ChainHash) -> Code | None:
        code = step_back(push, acked, held)
        return None if code is Code.FORK else code

    def trust(acked: Seq, held: ChainHash, ours: LocalLog) -> GoOn | NewReplica:
        decision = decides(acked, held, ours)
        is_fork = isinstance(decision, NewReplica) and decision.rows == (7,)
        return GoOn((), Seq(acked + 1)) if is_fork else decision

    return replaced((commit, "_step_back", believe), (node_half, "node_decides", trust))


def op_id_counts_again() -> AbstractContextManager[None]:
    """An operation that came before, under another replica, counts again.

    A node that continues under a new replica and pushes its whole log: every operation the hub had counts twice (I3).
    """
    claim = commit._Batch._claim

    def forget(self: commit._Batch, readable: list[Any]) -> bool:
        claim(self, readable)
        return False

    return replaced((commit._Batch, "_claim", forget))


def salt_check_off() -> AbstractContextManager[None]:
    """Cursors are taken as they are, of whatever history.

    A hub put back to an older image while nobody is told, and others' new rows under the numbers a reader has behind
    it: it never gets them (I5, I6).
    """
    history = hello_table._history

    def believe(hello: Hello, acked: Seq, hub: HubStanding, rows: list[int]) -> Any:
        at_head = {scope: (min(at, hub.head), b"") for scope, (at, _) in hello.exceptions.items()}
        salts = {at: b"" for at, _ in at_head.values()}
        blind: Any = {"exceptions": at_head, "cursor": (0, b""), "head": None}
        return history(replace(hello, **blind), acked, replace(hub, salts=salts), rows)  # type: ignore[arg-type]

    return replaced((hello_table, "_history", believe))


def epoch_check_off() -> AbstractContextManager[None]:
    """A new epoch is taken for the old one: nothing is read again.

    A declared restore of the hub, and rows written since under the old numbers: a reader keeps what it had (I5, I6).
    """
    history = hello_table._history

    def same(hello: Hello, acked: Seq, hub: HubStanding, rows: list[int]) -> Any:
        hello = replace(hello, epoch=None if hello.epoch is None else hub.epoch)
        history(hello, acked, hub, rows)
        return False, False, ()

    def nothing(_db: sqlite3.Connection, _acked: Seq | None) -> None:
        pass

    return replaced((hello_table, "_history", same), (recovery, "begin_epoch", nothing))


def salt_at_commit_ends() -> AbstractContextManager[None]:
    """Only the last hub_seq of a commit has a salt, and a cursor without one passes.

    A reader that stops inside a commit which the hub then loses: it misses what is written under those numbers (I5).
    """
    history = hello_table._history

    def pass_over(hello: Hello, acked: Seq, hub: HubStanding, rows: list[int]) -> Any:
        known = {
            scope: cursor for scope, cursor in hello.exceptions.items() if cursor[1] != NO_SALT
        }
        return history(replace(hello, exceptions=known, head=None), acked, hub, rows)

    @contextmanager
    def both() -> Iterator[None]:
        ends = altered(
            feed, "salt", "last_hub_seq >= :hub_seq", "last_hub_seq = :hub_seq", named="SQL"
        )
        with ends, replaced((hello_table, "_history", pass_over)):
            yield

    return both()


MUTATIONS: Final = (
    Mutation(
        "fork check off",
        "I2: a copied node, or one restored from a backup that has sold as many again",
        fork_check_off,
        {"weights": {**RESTORES, "clone node": 2.0}, "requests": 80},
    ),
    Mutation(
        "op_id counts again",
        "I3: a restored or copied node pushes its whole log under a new replica",
        op_id_counts_again,
        {"weights": RESTORES},
    ),
    Mutation(
        "salt check off",
        "I5: the hub put back without a word, and rows written under numbers that readers have behind them",
        salt_check_off,
        {"weights": HUB_RESTORES},
    ),
    Mutation(
        "epoch check off",
        "I5: the hub put back, and a reader that keeps its old rows",
        epoch_check_off,
        {"weights": {"back hub up": 2.0, "restore hub declared": 1.0, "cut": 1.0}},
    ),
    Mutation(
        "salt at commit ends only",
        "I5: a cursor inside a commit that the hub lost",
        salt_at_commit_ends,
        history=scripts.lost_in_the_middle_of_a_commit,
    ),
)
