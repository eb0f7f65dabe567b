"""Lots at goods-in: a last day that is read off a parcel goes into the lot's document, with the goods.

Invariants:
- Of two last days the earlier stands, whoever read the later one, and it is said that they differ; both are kept for
  people to look at. What is not read changes nothing.
- Goods that came are recorded whatever becomes of what is known of their lots: a delivery of so many new lots that one
  operation cannot describe them is recorded without, and that is said too.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from node.commands.answering import Warned, warned
from node.commands.requests import Line
from node.replica import documents
from protocol.declarations.catalogue import LOTS
from protocol.declarations.editing import Author, Change, contradicting, effects_of
from protocol.declarations.naming import CATALOGUE_SCOPE, id_fault, id_of
from protocol.declarations.vocabulary import CREATED_AT, CREATED_AT_NODE, CREATED_BY
from protocol.documents import Document
from protocol.effects import DocumentKey, FieldEffect
from protocol.errors import ProtocolError
from protocol.ids import NO_LOT, Lot, Sku
from protocol.operation import Operation, encode


class Receiver(NamedTuple):
    """Who takes goods in, and where."""

    author: Author
    by: str
    """Whose token it is."""
    node: str
    """The node's name."""


class Described(NamedTuple):
    """What a delivery says of its lots."""

    effects: tuple[FieldEffect, ...]
    warnings: list[Warned]


def describe(db: sqlite3.Connection, receiver: Receiver, lines: Iterable[Line]) -> Described:
    """The effects on the documents of the lots that are named with a last day, and what is to be said of them."""
    effects: list[FieldEffect] = []
    warnings: list[Warned] = []
    for (sku, lot), day in _earliest(lines).items():
        key = DocumentKey(LOTS.name, id_of([sku, lot]))
        if id_fault(key.id):
            continue  # two codes that are too long together name no document
        held = documents.states(db, key)
        state = held.fields.get("expiry")
        stands = state.value if state is not None and isinstance(state.value, str) else None
        if stands is not None and stands != day:
            earlier = min(stands, day)
            warnings.append(warned("expiry_differs", sku, lot=lot, expiry=earlier))
            change = Change("expiry", day)
            effects += contradicting(LOTS, key, (CATALOGUE_SCOPE,), change, held, receiver.author)
        elif stands is None:
            changes = _changes(receiver, held, day)
            effects += effects_of(LOTS, key, (CATALOGUE_SCOPE,), changes, held, receiver.author)
    return Described(tuple(effects), warnings)


def with_lots_described(operation: Operation, described: Described) -> tuple[Operation, bool]:
    """The operation with those effects, and whether they fit; without them where they do not."""
    if not described.effects:
        return operation, True
    whole = operation._replace(effects=(*operation.effects, *described.effects))
    try:
        encode(whole)
    except ProtocolError:
        return operation, False
    return whole, True


def _earliest(lines: Iterable[Line]) -> dict[tuple[Sku, Lot], str]:
    """The first last day that is given for each lot."""
    found: dict[tuple[Sku, Lot], str] = {}
    for line in lines:
        day = line.facts.get("expiry")
        if line.lot != NO_LOT and isinstance(day, str):
            lot = (line.sku, line.lot)
            found[lot] = min(day, found.get(lot, day))
    return found


def _changes(receiver: Receiver, held: Document, day: str) -> Sequence[Change]:
    expiry = Change("expiry", day)
    if held.fields:
        return [expiry]
    return [
        expiry,
        Change(CREATED_AT, receiver.author.wall_ms),
        Change(CREATED_BY, receiver.by),
        Change(CREATED_AT_NODE, receiver.node),
    ]
