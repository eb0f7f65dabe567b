"""Bugs on the way from the till into the ledger: answers too early, repeats taken for new, and what blocks the rest."""

import asyncio
import itertools
import sqlite3
from contextlib import AbstractContextManager
from typing import Any, Final

from hub.store.interface import Fenced, Push
from hub.store.sqlite import commit, store
from node.commands import movements
from node.commands.movements import Here
from node.commands.requests import Answer, Caller, Movement
from node.node import Node
from tests.sim.mutations.planting import Mutation, replaced

CRASHES: Final = {
    "weights": {"crash node": 2.0, "kill node": 1.0, "slow disk": 1.0},
    "disk_wait_s": 0.1,
}


def answered_before_commit() -> AbstractContextManager[None]:
    """A till is answered before its movement is durable.

    A node's process that dies in between: the till has an answer, and no disk has the sale (I2).
    """

    async def answer_first(self: Node, caller: Caller, movement: Movement, key: str) -> Answer:
        here = self._here()

        def try_out(db: sqlite3.Connection) -> Answer:
            db.execute("SAVEPOINT tried")
            try:
                return movements.record(db, here, caller, movement, key)
            finally:
                db.execute("ROLLBACK TO tried")
                db.execute("RELEASE tried")

        def store(db: sqlite3.Connection) -> Answer:
            return movements.record(db, here, caller, movement, key)

        answer = await self._store.write(try_out)
        storing = asyncio.create_task(self._write(store))
        storing.add_done_callback(lambda task: task.cancelled() or task.exception())
        return answer

    return replaced((Node, "record", answer_first))


def retried_under_a_new_key() -> AbstractContextManager[None]:
    """A request that is asked again is recorded under a key of its own.

    A till that did not hear the answer: its sale counts twice (I1, I3).
    """
    record, again = movements.record, itertools.count(1)

    def always_new(
        db: sqlite3.Connection, here: Here, caller: Caller, movement: Movement, key: str
    ) -> Answer:
        return record(db, here, caller, movement, f"{key} {next(again)}")

    return replaced((movements, "record", always_new))


def refused_is_not_acknowledged() -> AbstractContextManager[None]:
    """The hub does not take a batch with an operation in it that it cannot take, and ends the session.

    A movement that the device had no right to: it and everything behind it wait for ever (I13, I16).
    """
    take = commit.commit

    def take_whole_or_not(db: sqlite3.Connection, push: Push) -> Any:
        db.execute("SAVEPOINT whole")
        outcome = take(db, push)
        refused = getattr(outcome, "quarantined", ())
        if refused:
            db.execute("ROLLBACK TO whole")
        db.execute("RELEASE whole")
        return Fenced() if refused else outcome

    return replaced((store, "commit", take_whole_or_not))


def repeats_are_recorded() -> AbstractContextManager[None]:
    """Neither the node nor the hub remembers what it has taken: each repeat is a movement of its own.

    A till that asks again (I1, I3).
    """
    op_id, again = movements.op_id, itertools.count(1)

    def never_the_same(*names: Any) -> Any:
        return op_id(*names[:-1], f"{names[-1]} {next(again)}")

    def nothing(_db: sqlite3.Connection, _slot: Any) -> None:
        return None

    def keep(_db: sqlite3.Connection, *_answer: Any) -> None:
        pass

    return replaced(
        (movements, "op_id", never_the_same),
        (movements.answers, "find", nothing),
        (movements.answers, "keep", keep),
    )


MUTATIONS: Final = (
    Mutation(
        "answered before commit",
        "I2: a node's process dies between answer and commit",
        answered_before_commit,
        CRASHES,
    ),
    Mutation("retried under a new key", "I1: a till that asks again", retried_under_a_new_key),
    Mutation(
        "refused is not acknowledged",
        "I13, I16: a movement that the device had no right to",
        refused_is_not_acknowledged,
        {"weights": {"poison": 1.0}, "requests": 30},
    ),
    Mutation("repeats are recorded", "I1, I3: a till that asks again", repeats_are_recorded),
)
