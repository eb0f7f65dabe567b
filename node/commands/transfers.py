"""What people do with a transfer: allocate, ship, receive, call back, turn back, close, and take an event back.

Invariant: which of it is allowed, and to whom, is the table's alone (`protocol.workflows.transfers`); here the document and
the request are put into its words. Each node writes the stock of the locations that it writes: what an act asks of the
other end is done there, once its news arrives.
"""

import sqlite3
from typing import Final

from node.commands import acting
from node.commands.acting import Asked
from node.commands.courses import (
    Request,
    amounts,
    event_name,
    lines_or_rest,
    not_scanned_yet,
)
from node.commands.documents import Written
from node.commands.movements import Here
from node.commands.recording import Seen
from node.commands.requests import Authority, Caller
from protocol.declarations.paperwork import TRANSFERS
from protocol.ids import Location
from protocol.workflows import transfers
from protocol.workflows.bookkeeping import Places
from protocol.workflows.progress import Amounts, Progress, minus
from protocol.workflows.steps import Party, Step
from protocol.workflows.transfer_table import (
    DAMAGE,
    DAMAGE_BACK,
    RECEIVE,
    RECEIVE_BACK,
    SHIP,
    TURN_BACK,
    Verb,
)
from protocol.workflows.transfers import Act

_LEGS: Final = {
    Verb.SHIP: (SHIP,),
    Verb.RECEIVE: (RECEIVE, DAMAGE),
    Verb.TURN_BACK: (TURN_BACK,),
    Verb.RECEIVE_BACK: (RECEIVE_BACK, DAMAGE_BACK),
}
"""Of the verbs that move goods: those that are whole, and those that are damaged."""
_TILLS: Final = frozenset({*_LEGS, Verb.REVERSE})
"""What a till may do: the goods are in somebody's hands."""


def act(
    db: sqlite3.Connection, here: Here, caller: Caller, id_: str, request: Request, key: str
) -> Written:
    """Do what is asked with a transfer; see `acting.perform`. Durable with the transaction.

    Raises:
        Refusal: as `acting.perform`.
    """
    verb = Verb(request.verb)
    lowest = Authority.TILL if verb in _TILLS else Authority.OPERATOR
    asked = Asked(TRANSFERS, id_, verb, request.plain(), lowest, request.override)

    def decide(seen: Seen) -> tuple[Step, ...]:
        places = places_of(seen)
        command = _command(here, caller, seen, verb, request)
        if command is None:
            return ()
        parties = acting.parties_of(here, places)
        return transfers.act(seen.document, places, parties, command)

    return acting.perform(db, here, caller, asked, key, decide)


def places_of(seen: Seen) -> Places:
    """Which location each party of a transfer writes."""
    return {
        Party.SENDER: Location(str(seen.values["source"])),
        Party.RECEIVER: Location(str(seen.values["destination"])),
    }


def _command(here: Here, caller: Caller, seen: Seen, verb: Verb, request: Request) -> Act | None:
    """The act in the table's words; None when it names a parcel of which all was scanned before."""
    is_reversal = verb is Verb.REVERSE
    event = event_name(request.event) if is_reversal else seen.act_id.hex()
    if verb not in _LEGS:
        plan = dict(request.plan)
        return Act(verb, caller.name, here.now_ms, event=event, lines=plan)
    progress = transfers.read(seen.document)
    damaged = amounts(request.damaged, progress)
    items = lines_or_rest(request, progress, _rest(verb, progress), damaged)
    if request.parcel and (items or damaged):
        goods = dict(zip(_LEGS[verb], (items, damaged), strict=False))
        fresh = not_scanned_yet(seen, request.parcel, goods)
        if not any(fresh.values()):
            return None
        items, damaged, *_ = (*fresh.values(), {})
    return Act(
        verb,
        caller.name,
        here.now_ms,
        event=event,
        parcel=request.parcel,
        items=items,
        damaged=damaged,
    )


def _rest(verb: Verb, progress: Progress) -> Amounts:
    """All that the verb can still move."""
    goods = progress.goods
    match verb:
        case Verb.SHIP:
            return _unsent(progress)
        case Verb.RECEIVE | Verb.TURN_BACK:
            return transfers.incoming(progress)
        case _:
            return minus(goods(TURN_BACK), goods(RECEIVE_BACK), goods(DAMAGE_BACK))


def _unsent(progress: Progress) -> Amounts:
    """What is planned and was not sent, line by line, in whichever lot."""
    rest = dict(progress.planned())
    for item, amount in progress.goods(SHIP).items():
        line = item._replace(lot=item.planned)
        if line in rest:
            rest[line] -= amount
    return rest
