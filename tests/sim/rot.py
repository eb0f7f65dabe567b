"""Disks that rot: a row of a node's, or the sum that is kept of its rows, is no longer what the hub sent.

Invariant: a scope rots once in a run, since it is mended once an hour. What rotted is looked at again when it had time to
be mended: then it has to be, by the node itself.
"""

import asyncio
import random
import sqlite3
from typing import Final

from node.replica import scopes
from node.replica.stored import stored_counter
from protocol.effects import CounterKey
from protocol.ids import Location, Lot, Sku
from protocol.rows import CounterRow
from tests.sim import reading
from tests.sim.chain import Chain

OFF_MAX: Final = 9
STARTS_S: Final = 1.0


async def rot(chain: Chain, rng: random.Random) -> None:
    """Something of a scope that a node holds is other than it was."""
    machine = rng.choice(list(chain.nodes.values()))
    held = sorted(reading.digests(machine.disk.db, only_held=True).keys() - chain.rotten)
    found = [scope for scope in held if scope.startswith("stock:")]
    if not found or machine.order is not None:
        return
    scope, db = rng.choice(found), machine.disk.db
    kind, damage = rng.choice((("sum rotten", _rot_sum), ("row rotten", _rot_row)))
    db.execute("BEGIN")
    try:
        damage(db, scope, rng)
    except sqlite3.OperationalError:  # the disk is full
        db.execute("ROLLBACK")
        return
    db.execute("COMMIT")
    chain.rotten.add(scope)
    chain.fault(kind, machine.name, scope)


async def look_again(chain: Chain) -> None:
    """A cure: start every node anew. What rotted is found by the first comparison of a session."""
    if not chain.rotten:
        return
    for machine in chain.nodes.values():
        await machine.close()
        machine.start()
    await asyncio.sleep(STARTS_S)


def _rot_sum(db: reading.Database, scope: str, rng: random.Random) -> None:
    db.execute("UPDATE scope SET digest = ? WHERE scope = ?", (rng.randbytes(16), scope))


def _rot_row(db: reading.Database, scope: str, rng: random.Random) -> None:
    """As if it had come so: the sum is right, and says what the row says."""
    location = Location(scope.partition(":")[2])
    keys = db.execute(
        "SELECT sku, lot, account FROM counter WHERE location = ? AND hub_seq > 0"
        " ORDER BY sku, lot, account",
        (location,),
    ).fetchall()
    sku, lot, account = rng.choice(keys)
    key, off = CounterKey(location, Sku(sku), Lot(lot), account), rng.randint(1, OFF_MAX)
    held = db.execute(
        "SELECT * FROM counter"
        " WHERE location = :location AND sku = :sku AND lot = :lot AND account = :account",
        key._asdict(),
    ).fetchone()
    old = stored_counter(key, held)
    assert isinstance(old, CounterRow), "it was sent by the hub"
    new = old._replace(total=old.total + off)
    scopes.replace_row(db, old=old, new=new)
    db.execute(
        "UPDATE counter SET total = total + :off, value = value + :off"
        " WHERE location = :location AND sku = :sku AND lot = :lot AND account = :account",
        key._asdict() | {"off": off},
    )


def is_mended(chain: Chain, scope: str) -> bool:
    """Whether every node that stays has of this scope what the hub has."""
    there = reading.digests(chain.hub.disk.db).get(scope)
    held = [reading.digests(each.disk.db, only_held=True) for each in chain.staying]
    return all(each[scope] == there for each in held if scope in each)
