"""Every planted bug changes what the product does while it is in, and nothing of it is left after."""

import sqlite3
import sys
from collections.abc import Callable
from typing import Any

import pytest

from hub.store.sqlite import commit, feed
from node.commands import movements
from node.commands.movements import Here
from node.commands.requests import Authority, Caller, Line, Movement
from node.replica import log, recovery, rows, view
from node.replica.identity import save_acked
from protocol.frames.feed import Page
from protocol.ids import HubSeq, Location, Lot, ReplicaId, Salt, Scope, Seq, Sku
from protocol.movements import MoveKind
from protocol.operation import decode
from protocol.rows import CounterRow
from protocol.session import hello as hello_table
from protocol.session.hello import HubStanding
from runtime.world import World
from tests.node.chain import CHAIN, ME, certificate_of, movement
from tests.node.replica.conftest import new_replica_database
from tests.protocol.examples import hello
from tests.sim.mutations import MECHANISMS, MUTATIONS, OF_DOCUMENTS, PLANTED, scripts
from tests.sim.mutations.planting import Mutation, altered, replaced
from tests.store.shop import EPOCH, Shop, counted

SHELF = Scope("stock:S01")
PRODUCT = ("protocol", "runtime", "node", "hub")


def all_of_the_product() -> dict[str, int]:
    """What every name in the product's modules and classes stands for."""
    found: dict[str, int] = {}
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in PRODUCT:
            for attribute, value in vars(module).items():
                found[f"{name}.{attribute}"] = id(value)
                if isinstance(value, type) and value.__module__ == name:
                    found |= {f"{name}.{attribute}.{k}": id(v) for k, v in vars(value).items()}
    return found


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_a_plant_changes_the_product_and_leaves_nothing_behind(mutation: Mutation) -> None:
    before = all_of_the_product()
    with mutation.plant():
        inside = all_of_the_product()
    assert inside != before
    assert all_of_the_product() == before


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_every_plant_says_what_it_breaks(mutation: Mutation) -> None:
    assert mutation.plant.__doc__
    assert mutation.breaks


def test_a_plant_is_taken_out_also_when_the_run_fails() -> None:
    before = log.head
    with pytest.raises(RuntimeError, match="a run"), replaced((log, "head", None)):
        raise RuntimeError("a run has failed")
    assert log.head is before


def test_a_query_that_no_longer_reads_as_expected_cannot_be_altered() -> None:
    with pytest.raises(AssertionError), altered(log, "head", "no such words", ""):
        pass


def test_every_mechanism_and_all_twenty_bugs_are_planted() -> None:
    assert len(MECHANISMS) == 6
    assert len(PLANTED) == 20
    assert {*MECHANISMS.values(), *PLANTED.values(), *OF_DOCUMENTS} == MUTATIONS.keys()


# --- what each of them does ------------------------------------------------------------------------------------------


def hub_after(*shops: Shop) -> sqlite3.Connection:
    """A hub that has taken in everything of these."""
    hub = scripts.new_hub()
    for shop in shops:
        scripts.push_all(hub, shop)
    return hub


def totals(hub: sqlite3.Connection) -> list[tuple[object, ...]]:
    """The counters, with who added what."""
    return [tuple(row) for row in hub.execute("SELECT sku, total FROM counter ORDER BY sku")]


def two_writers() -> object:
    """Two logs add to one counter."""
    shops = [Shop(name, writes=("S01",)) for name in ("S01", "its standby")]
    for shop, deltas in zip(shops, ((3, 4), (5, -1)), strict=True):
        for delta in deltas:
            shop.records(counted("S01", "a", delta))
    return totals(hub_after(*shops))


def fractions() -> object:
    """Small numbers added up and taken away."""
    shop = Shop("S01")
    for delta in (7, 1, -3, 2, 9, -5, 6, 3, -8, 4):
        shop.records(counted("S01", "a", delta))
    return totals(hub_after(shop))


def two_lines() -> object:
    """One operation of two lines."""
    shop = Shop("S01")
    shop.records(counted("S01", "a", 1), counted("S01", "b", 2))
    return totals(hub_after(shop))


def one_id_twice() -> object:
    """The same operation in two logs."""
    shops = [Shop(name, writes=("S01",)) for name in ("S01", "its copy")]
    for shop in shops:
        shop.sells("a", 1, key="one")
    return totals(hub_after(*shops))


def another_history() -> object:
    """A batch on top of a hash that the hub has not."""
    shop = Shop("S01")
    shop.sells("a", 1)
    return commit._step_back(shop.push(), Seq(0), b"another" * 4)  # type: ignore[arg-type]


def foreign_cursor() -> object:
    """A cursor under another salt."""
    said = hello(epoch=EPOCH, exceptions={SHELF: (HubSeq(3), Salt(b"theirs.."))})
    hub = HubStanding(EPOCH, HubSeq(9), HubSeq(0), {HubSeq(3): Salt(b"the hubs")})
    return hello_table._history(said, Seq(0), hub, [])


def foreign_epoch() -> object:
    """A node of another epoch."""
    said = hello(epoch=b"another epoch 16", exceptions={SHELF: (HubSeq(3), Salt(b"the hubs"))})
    hub = HubStanding(EPOCH, HubSeq(9), HubSeq(0), {HubSeq(3): Salt(b"the hubs")})
    return hello_table._history(said, Seq(0), hub, [])


def node_with(count: int) -> sqlite3.Connection:
    """A node that has recorded so many movements."""
    db = new_replica_database()
    for number in range(1, count + 1):
        body = movement(number, ("a", number))
        log.append(db, log.head(db), body)
        view.record(db, Seq(number), decode(body).effects)
    return db


def acknowledged() -> object:
    """Two of three operations are acknowledged."""
    db = node_with(4)
    log.acknowledge(db, Seq(2), 1_000)
    return [row[0] for row in db.execute("SELECT seq FROM log ORDER BY seq")]


def new_replica() -> object:
    """A log, half of it acknowledged, goes on under a new replica."""
    db = node_with(4)
    save_acked(db, Seq(2), Seq(0), 1_000)
    recovery.begin_replica(db, ReplicaId(b"another replica!"))
    return log.head(db).seq


def first_page() -> object:
    """The rows of a page from the beginning."""
    shop = Shop("S01")
    shop.records(counted("S01", "a", 1), counted("S01", "b", 2))
    return len(feed.read_page(hub_after(shop), SHELF, HubSeq(0)).rows)


def page_over_outbox() -> object:
    """A row that arrives while something waits to be sent."""
    db = node_with(1)
    row = CounterRow(Location("S01"), Sku("a"), Lot(""), 0, HubSeq(1), 7)
    page = Page(SHELF, HubSeq(0), HubSeq(1), Salt(b"saltsalt"), False, {}, (row,))
    rows.take_in(db, page, page.rows, ME, finish=True)
    return db.execute("SELECT value FROM counter").fetchone()[0]


def asked_twice() -> object:
    """One request under one key, twice."""
    db = new_replica_database()
    here = Here(CHAIN, ME, certificate_of(writes=("S01",)), None, 1_000)
    asked = Movement(MoveKind.RECEIVE, Location("S01"), (Line(Sku("a"), Lot(""), delta=1),))
    for _ in range(2):
        movements.record(db, here, Caller("till", Authority.TILL), asked, "one key")
    return log.head(db).seq


def not_taken() -> object:
    """A batch whose operation the device had no right to."""
    from hub.store.sqlite import store  # noqa: PLC0415 - by the name that the store calls it

    hub, shop = scripts.new_hub(), Shop("S01")
    scripts.push_all(hub, shop)
    shop.records(counted("nobody's", "a", 1))
    return type(store.commit(hub, shop.push()))


def a_wait() -> object:
    """A wait of at most a second, by a coin that always falls low."""
    return World(random_bytes=bytes).jitter_ms(1_000)


DOES: dict[str, Callable[[], Any]] = {
    "fork check off": another_history,
    "op_id counts again": one_id_twice,
    "salt check off": foreign_cursor,
    "epoch check off": foreign_epoch,
    "salt at commit ends only": scripts.lost_in_the_middle_of_a_commit,
    "new replica drops known operations": new_replica,
    "acknowledged operations are deleted": acknowledged,
    "pruned before acknowledged": acknowledged,
    "largest instead of sum": two_writers,
    "counter overwritten": two_writers,
    "float quantities": fractions,
    "lines land apart": two_lines,
    "ties by arrival": scripts.edits_of_one_moment,
    "clock forgets what it saw": scripts.a_correction_under_a_slow_clock,
    "one row is skipped": first_page,
    "page covers the outbox": page_over_outbox,
    "retried under a new key": asked_twice,
    "repeats are recorded": asked_twice,
    "refused is not acknowledged": not_taken,
    "back-off without jitter": a_wait,
}
"""Those that change what a function returns; the others are seen by what a whole run does."""


@pytest.mark.parametrize("name", DOES)
def test_a_plant_changes_what_the_product_does(name: str) -> None:
    does = DOES[name]
    before = does()
    with MUTATIONS[name].plant():
        assert does() != before
    assert does() == before
