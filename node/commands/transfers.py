"""What people do with a transfer: allocate, ship, receive, call back, turn back, close, and take an event back.

Invariant: which of it is allowed, and to whom, is the table's alone (`protocol.workflows.transfers`); here the document and
the request are put into its words. Each node writes the stock of the locations that it writes: what an act asks of the
other end is done there, once its news arrives.

Goods of a SKU whose lots are tracked are shipped from those that expire first where no lot is named, as they are sold; and
what arrives without one is taken to be of the lots that are on their way. The lots of a numbered parcel stay as they were
said: whoever scans it again, or at another till, would find others, and it would count twice.
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
    note_facts,
    plan_of,
)
from node.commands.documents import Written
from node.commands.lots_leaving import pick_items
from node.commands.movements import Here
from node.commands.recording import Seen
from node.commands.requests import Caller
from node.commands.scanned_goods import in_base_units
from protocol.declarations.paperwork import TRANSFERS
from protocol.ids import Location
from protocol.workflows import transfers
from protocol.workflows.bookkeeping import Places
from protocol.workflows.progress import Amounts, Item, Progress, minus
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
from protocol.workflows.transfers import Act, in_lots_of, matched

_LEGS: Final = {
    Verb.SHIP: (SHIP,),
    Verb.RECEIVE: (RECEIVE, DAMAGE),
    Verb.TURN_BACK: (TURN_BACK,),
    Verb.RECEIVE_BACK: (RECEIVE_BACK, DAMAGE_BACK),
}
"""Of the verbs that move goods: those that are whole, and those that are damaged."""


def act(
    db: sqlite3.Connection, here: Here, caller: Caller, id_: str, request: Request, key: str
) -> Written:
    """Do what is asked with a transfer; see `acting.perform`. Durable with the transaction.

    Raises:
        Refusal: as `acting.perform`.
    """
    verb = Verb(request.verb)
    asked = Asked(TRANSFERS, id_, verb, request.plain(), request.override, request.witness)

    def decide(seen: Seen) -> tuple[Step, ...]:
        places = places_of(seen)
        meant = in_base_units(db, request, TRANSFERS, here.now_ms)
        command = _command(db, here, caller, seen, verb, meant)
        if command is None:
            return ()
        parties = acting.parties_of(here, caller, places)
        return transfers.act(seen.document, places, parties, command)

    return acting.perform(db, here, caller, asked, key, decide)


def places_of(seen: Seen) -> Places:
    """Which location each party of a transfer writes."""
    return {
        Party.SENDER: Location(str(seen.values["source"])),
        Party.RECEIVER: Location(str(seen.values["destination"])),
    }


def _command(
    db: sqlite3.Connection, here: Here, caller: Caller, seen: Seen, verb: Verb, request: Request
) -> Act | None:
    """The act in the table's words; None when it names a parcel of which all was scanned before."""
    is_reversal = verb is Verb.REVERSE
    event = event_name(request.event) if is_reversal else seen.act_id.hex()
    if verb not in _LEGS:
        return Act(verb, caller.by, here.now_ms, event=event, lines=plan_of(request))
    note_facts(seen, request)
    items, damaged = _goods(seen, verb, request)
    if verb is Verb.SHIP and not request.parcel:
        items = pick_items(db, seen, places_of(seen)[Party.SENDER], here.now_ms, items)
    if request.parcel and (items or damaged):
        goods = dict(zip(_LEGS[verb], (items, damaged), strict=False))
        fresh = not_scanned_yet(seen, request.parcel, goods)
        if not any(fresh.values()):
            return None
        items, damaged, *_ = (*fresh.values(), {})
    return Act(
        verb,
        caller.by,
        here.now_ms,
        event=event,
        parcel=request.parcel,
        items=items,
        damaged=damaged,
    )


def _goods(seen: Seen, verb: Verb, request: Request) -> tuple[dict[Item, int], dict[Item, int]]:
    """What is moved whole, and what is damaged."""
    progress = transfers.read(seen.document)
    damaged = amounts(request.damaged, progress)
    rest = _rest(verb, progress)
    if verb is Verb.SHIP or request.parcel:
        return lines_or_rest(request, progress, rest, damaged), damaged
    damaged = in_lots_of(damaged, rest)
    items = lines_or_rest(request, progress, rest, damaged)
    return in_lots_of(items, minus(rest, damaged)), damaged


def _rest(verb: Verb, progress: Progress) -> Amounts:
    """All that the verb can still move."""
    goods = progress.goods
    match verb:
        case Verb.SHIP:
            return _unsent(progress)
        case Verb.RECEIVE | Verb.TURN_BACK:
            return matched(transfers.incoming(progress))
        case _:
            return matched(minus(goods(TURN_BACK), goods(RECEIVE_BACK), goods(DAMAGE_BACK)))


def _unsent(progress: Progress) -> Amounts:
    """What is planned and was not sent, line by line, in whichever lot."""
    rest = dict(progress.planned())
    for item, amount in progress.goods(SHIP).items():
        line = item._replace(lot=item.planned)
        if line in rest:
            rest[line] -= amount
    return rest
