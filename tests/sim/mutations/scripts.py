"""Written histories for what the simulator's tills never do: edits of documents, pages of one row, a herd of a hundred.

Each runs production functions and returns what went wrong, nothing when all is well.
"""

import asyncio
import random
import sqlite3
from collections import Counter
from typing import Final
from unittest.mock import patch

from hub.store.sqlite import commit, feed, sessions
from hub.store.sqlite.store import SCHEMA as HUB_SCHEMA
from hub.store.sqlite.store import SQL as STORE_SQL
from node.replica import SCHEMA as NODE_SCHEMA
from node.replica import recovery, rows, scopes
from node.replica.identity import read_head_seen
from node.uplink import Uplink
from protocol import clock
from protocol.clock import Stamp
from protocol.codec import unpack
from protocol.documents import fields_from_wire
from protocol.effects import FieldEffect
from protocol.errors import Code
from protocol.frames.handshake import Close
from protocol.ids import HubSeq, ReplicaId, Scope
from protocol.session.hello import Accept, HubStanding, NodeStanding, ReplicaStanding, hub_decides
from runtime.world import World
from tests.protocol.examples import hello
from tests.sim.disks import connect, empty
from tests.sim.loop import SimLoop
from tests.store.shop import CHAIN, EPOCH, NOW_MS, Shop, committed, counted, edited

SHELF: Final = Scope("stock:S01")
ME: Final = ReplicaId(b"a reader's log ,")
HERD: Final = 100
AT_ONCE_MAX: Final = HERD // 2
WINDOW_S: Final = 0.1
YEAR_2099: Final = 4_070_908_800_000


def new_hub() -> sqlite3.Connection:
    """A hub's database that nobody has written to."""
    db = connect(empty(HUB_SCHEMA))
    for key, value in (("chain", CHAIN), ("epoch", EPOCH)):
        db.execute(STORE_SQL["found"], {"key": key, "value": value})
    return db


def push_all(db: sqlite3.Connection, shop: Shop) -> None:
    """Open a session for a shop, and take in what it has recorded, if it has."""
    sessions.open_session(db, shop.opening())
    if shop.pushed < len(shop.log):
        committed(commit.commit(db, shop.push()))


# --- a cursor inside a commit that the hub then loses ----------------------------------------------------------------


def lost_in_the_middle_of_a_commit() -> list[str]:
    """A reader stops between two rows of a commit; the hub is put back to before it, and others write on."""
    hub, reader = new_hub(), connect(empty(NODE_SCHEMA))
    recovery.begin_replica(reader, ME)
    scopes.begin(reader, [SHELF])
    backup = hub.serialize()
    lost = Shop("S01")
    lost.records(counted("S01", "b", 7), counted("S01", "c", 7))
    push_all(hub, lost)
    with patch.object(feed, "PAGE_ROWS_MAX", 1):
        read_on(hub, reader)
    hub = connect(backup)
    other = Shop("another till of S01", writes=("S01",))
    other.records(counted("S01", "a", 5))
    push_all(hub, other)
    come_back(hub, reader)
    shown = dict(reader.execute("SELECT sku, value FROM counter WHERE value <> 0").fetchall())
    return [] if shown == {"a": 5} else [f"I5: the hub has 5 of a, the reader shows {shown}"]


def read_on(hub: sqlite3.Connection, reader: sqlite3.Connection) -> None:
    """Take in the next page of the shelf."""
    cursor, _ = scopes.held(reader)[SHELF]
    page = feed.read_page(hub, SHELF, cursor)
    rows.take_in(reader, page, page.rows, ME, finish=True)


def come_back(hub: sqlite3.Connection, reader: sqlite3.Connection) -> None:
    """The hello table by what both have stored, and what follows from it."""
    said = hello(
        replica=ME, epoch=EPOCH, exceptions=scopes.held(reader), head=read_head_seen(reader)
    )
    standing = sessions.read_standing(hub, ME, {at for at, _ in said.positions})
    node = Shop("reader", writes=("S02",)).node
    decision = hub_decides(
        said,
        node=node,
        standing=NodeStanding.ACTIVE,
        replica=ReplicaStanding(node, standing.acked, None),
        hub=HubStanding(standing.epoch, standing.head, HubSeq(0), standing.salts),
    )
    assert isinstance(decision, Accept), decision
    if decision.reset_all:
        recovery.begin_epoch(reader, standing.acked)
    read_on(hub, reader)


# --- documents -------------------------------------------------------------------------------------------------------


def _field(db: sqlite3.Connection) -> object:
    (fields,) = db.execute("SELECT fields FROM document").fetchone()
    return fields_from_wire(unpack(fields))["name"].value


def edits_of_one_moment() -> list[str]:
    """Two edits under one stamp but for its author, in either order: as before and after a restore of the hub."""
    ended = []
    for order in ((0, 1), (1, 0)):
        shops = [Shop(name, writes=("S01",)) for name in ("S01", "its standby")]
        for shop in shops:
            edit = edited("A", "name", f"of {shop.name}", at=NOW_MS, scopes=("docs:S01",))
            stamp = Stamp(NOW_MS, 0, shop.replica)
            shop.records(edit._replace(stamp=stamp), kind="edit")
        hub = new_hub()
        for at in order:
            push_all(hub, shops[at])
        ended.append(_field(hub))
    return [] if ended[0] == ended[1] else [f"I5: the order decides between {ended}"]


def a_correction_under_a_slow_clock() -> list[str]:
    """A fast clock's author writes; whoever has read that corrects it under a clock that shows 1970."""
    hub = new_hub()
    fast, slow = (Shop(f"S0{number}", writes=("S01",)) for number in (1, 2))
    seen: Stamp | None = None
    for shop, wall_ms, value in ((fast, YEAR_2099, "wrong"), (slow, 0, "right")):
        seen = clock.next_stamp(seen, wall_ms, shop.replica)
        edit: FieldEffect = edited("A", "name", value, at=0, scopes=("docs:S01",))
        shop.records(edit._replace(stamp=seen), kind="edit")
        push_all(hub, shop)
        (fields,) = hub.execute("SELECT fields FROM document").fetchone()
        seen = fields_from_wire(unpack(fields))["name"].stamp
    stands = _field(hub)
    return [] if stands == "right" else [f"G16: {stands!r} stands, and was corrected"]


# --- a herd ----------------------------------------------------------------------------------------------------------


class _Knocking(Uplink):
    """An uplink whose hub is away, which is all its loop asks of a node."""

    def __init__(self, world: World, knocks: Counter[int]) -> None:
        self._world = world
        self._hub_is_there = False
        self._knocks = knocks

    async def _try(self, *_: object) -> Close:
        self._knocks[int(self._world.monotonic_s() / WINDOW_S)] += 1
        return Close(Code.UNREACHABLE, "nobody answers", 0)


def a_herd_comes_back() -> list[str]:
    """A hundred nodes lose a hub in one moment; how many knock within a tenth of a second, from their second try on."""
    loop = SimLoop(random.Random(1))
    knocks: Counter[int] = Counter()

    async def knock() -> None:
        worlds = (
            World(monotonic_s=loop.time, random_bytes=random.Random(number).randbytes)
            for number in range(HERD)
        )
        tasks = [asyncio.create_task(_Knocking(world, knocks)._run()) for world in worlds]
        await asyncio.sleep(60)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    loop.run_until_complete(knock())
    loop.finish()
    del knocks[0]  # losing the line is one moment for all; coming back must not be
    most = max(knocks.values())
    return [] if most <= AT_ONCE_MAX else [f"G18: {most} of {HERD} knock within {WINDOW_S} s"]
