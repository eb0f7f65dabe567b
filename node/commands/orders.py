"""What people do with an order: submit, approve, place, fulfil, dispense, cancel, close, acknowledge, take an event back.

Invariant: which of it is allowed, and to whom, is the table's alone (`protocol.workflows.orders`); here the document and the
request are put into its words. That somebody was asked to answer, or did, changes no stage and is allowed in every one.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from node.commands import acting
from node.commands.acting import Asked
from node.commands.courses import (
    Request,
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
from node.commands.requests import Caller, Refusal
from node.commands.scanned_goods import in_base_units
from protocol.declarations.paperwork import ORDERS
from protocol.ids import Location
from protocol.workflows import orders
from protocol.workflows.acknowledgement import acknowledge, ask
from protocol.workflows.bookkeeping import Places
from protocol.workflows.order_table import DISPENSE, SUPPLY, Kind, Verb
from protocol.workflows.orders import Act
from protocol.workflows.steps import EDIT, FieldWrite, Party, Step

ACKNOWLEDGE: Final = "acknowledge"
SUPPLIER: Final = "supplier"
CUSTOMER: Final = "customer"
_LEGS: Final = {Verb.FULFIL: SUPPLY, Verb.DISPENSE: DISPENSE}


def act(
    db: sqlite3.Connection, here: Here, caller: Caller, id_: str, request: Request, key: str
) -> Written:
    """Do what is asked with an order; see `acting.perform`. Durable with the transaction.

    Raises:
        Refusal: as `acting.perform`.
    """
    asked = Asked(ORDERS, id_, request.verb, request.plain(), request.override, request.witness)

    def decide(seen: Seen) -> Iterable[Step]:
        kind, places = Kind(str(seen.values["kind"])), places_of(seen)
        if request.verb == ACKNOWLEDGE:
            said = acknowledge(request.who or other_side(seen), caller.by, here.now_ms)
            return (Step(EDIT, places[Party.OWNER], (), (said,)),)
        verb = Verb(request.verb)
        takes_goods_in = kind is Kind.PURCHASE
        meant = in_base_units(db, request, ORDERS, here.now_ms, takes_goods_in=takes_goods_in)
        command = _command(db, here, caller, seen, kind, verb, meant)
        if command is None:
            return ()
        parties = acting.parties_of(here, caller, places)
        steps = orders.act(seen.document, kind, places, parties, command)
        if request.until_ms is None:
            return steps
        return _also(steps, ask(request.who or other_side(seen), request.until_ms))

    return acting.perform(db, here, caller, asked, key, decide)


def places_of(seen: Seen) -> Places:
    """Which location each party of an order writes: a supplier and a customer write none."""
    places = {Party.OWNER: Location(str(seen.values["location"]))}
    sender = seen.values["from_location"]
    return places if sender is None else {**places, Party.SENDER: Location(str(sender))}


def other_side(seen: Seen) -> str:
    """Who is asked to answer, where nobody is named: the location that is to deliver, or the supplier or customer."""
    match seen.values["kind"]:
        case Kind.INTERNAL:
            return str(seen.values["from_location"])
        case Kind.PURCHASE:
            return SUPPLIER
        case _:
            return CUSTOMER


def _also(steps: Iterable[Step], write: FieldWrite) -> tuple[Step, ...]:
    """Have the act itself say this too."""
    return tuple(
        replace(step, writes=(*step.writes, write)) if step.name is None else step for step in steps
    )


def _command(
    db: sqlite3.Connection,
    here: Here,
    caller: Caller,
    seen: Seen,
    kind: Kind,
    verb: Verb,
    request: Request,
) -> Act | None:
    """The act in the table's words; None when it names a parcel of which all was scanned before."""
    event = seen.act_id.hex()
    if verb is Verb.REVERSE or (verb is Verb.FULFIL and request.event):
        event = event_name(request.event)
    if verb not in _LEGS:
        return Act(verb, caller.by, here.now_ms, event=event, lines=plan_of(request))
    if request.event and kind is not Kind.INTERNAL:
        raise Refusal("conflict", "only an internal order is delivered by a transfer")
    progress = orders.read(seen.document)
    items = lines_or_rest(request, progress, orders.owed(progress), {})
    note_facts(seen, request)
    if request.parcel and items:
        items = not_scanned_yet(seen, request.parcel, {_LEGS[verb]: items})[_LEGS[verb]]
        if not items:
            return None
    if kind is Kind.CUSTOMER and not request.parcel:
        # Whoever scans a parcel a second time would find other lots on the shelf, and it would count again.
        home = places_of(seen)[Party.OWNER]
        items = pick_items(db, seen, home, here.now_ms, items)
    return Act(verb, caller.by, here.now_ms, event=event, parcel=request.parcel, items=items)
