"""No promise outlives what it was for: all is booked that documents owe, and `reserved` and what is under way are that (I6, I16).

Invariant: what is owed is worked out here, from what moved and what was decided. It is asked for wherever somebody is
there to book it: a node that writes the location, or an office, that has heard everything the hub has.
"""

from collections import Counter
from functools import lru_cache

from protocol.certificate import Role
from protocol.effects import Account
from tests.shopwork import dues
from tests.shopwork.papers import Paper
from tests.sim import filing, reading
from tests.sim.chain import Chain
from tests.sim.machines import NodeMachine


def unbooked(chain: Chain) -> str | None:
    """What somebody has still to book; None when nothing is left that anybody could."""
    db = chain.hub.disk.db
    for paper, book, location in _missing(db, db.total_changes):
        if _bookers(chain, location):
            return f"{paper.collection}/{paper.id} has still to have {book} booked at {location}"
    return None


def check(chain: Chain) -> None:
    """Look at the books of every document, and at what every node shows to be promised and to be under way."""
    unkept = set()
    db = chain.hub.disk.db
    for paper, book, location in _missing(db, db.total_changes):
        unkept.add(location)
        if _bookers(chain, location):
            left = paper.missing()[book, location]
            chain.complain(f"I16: {paper.collection}/{paper.id} still owes {book} of {dict(left)}")
        else:
            chain.probe("nobody is there to book what a document owes")
    shown = filing.of_hub(db)
    _accounts(chain, "the hub", list(shown.values()), reading.hub_totals(db), unkept)
    for machine in chain.staying:
        certificate = machine.certificate
        elsewhere = {
            location
            for each in chain.nodes.values()
            for location in each.locations
            if certificate.role is not Role.OFFICE and location not in certificate.writes
        }
        shown = filing.of_node(machine.disk.db)
        counters = reading.shown(machine.disk.db)
        _accounts(chain, machine.name, list(shown.values()), counters, unkept | elsewhere)


def _accounts(
    chain: Chain,
    name: str,
    shown: list[Paper],
    counters: dict[reading.Key, int],
    unkept: set[str],
) -> None:
    """Compare the accounts of those locations where all is booked with what the documents there owe."""
    if not all(paper.is_whole for paper in shown):
        chain.probe("a document is not whole: what created it is gone")
        return
    due: Counter[reading.Key] = Counter()
    for paper in shown:
        due.update(dues.promised(paper))
        due.update(dues.under_way(paper))
    for key in sorted(due.keys() | counters.keys()):
        location, _, _, account = key
        if account not in {Account.RESERVED, Account.IN_TRANSIT} or location in unkept:
            continue
        if counters.get(key, 0) != due[key]:
            what = Account(account).name.lower()
            chain.complain(
                f"I6: {name} shows {counters.get(key, 0)} {what} of {key}, its documents {due[key]}"
            )


@lru_cache(maxsize=2)
def _missing(db: reading.Database, _changes: int) -> list[tuple[Paper, str, str]]:
    """Worked out anew when something was written: rest is waited for by looking again and again."""
    return [
        (paper, book, location)
        for paper in filing.of_hub(db).values()
        if paper.is_whole
        for book, location in paper.missing()
    ]


def _bookers(chain: Chain, location: str) -> list[NodeMachine]:
    return [
        each
        for each in chain.staying
        if (each.is_office or location in each.locations) and _has_heard_all(each)
    ]


def _has_heard_all(machine: NodeMachine) -> bool:
    """Not while the hub has never heard of a shelf that it holds; see `Chain.is_unheard_of`."""
    unread = machine.disk.db.execute("SELECT 1 FROM scope WHERE held AND NOT caught_up").fetchone()
    return unread is None
