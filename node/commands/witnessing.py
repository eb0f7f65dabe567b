"""Whether a second person saw goods leave of which the catalogue says that one must.

Invariant: asked of what was read for the lines anyway, so that a movement of anything else costs no statement here; and
asked before anything is written, as of what this node knows of the catalogue in that transaction.
"""

import sqlite3
from collections.abc import Iterator
from typing import Final

from node.commands.requests import Movement, Refusal
from node.commands.shelves import Shelves
from protocol.effects import Account, CounterEffect
from protocol.movements import MoveKind
from protocol.operation import Operation
from protocol.witness import WITNESSED, witness_fault

_TO_CUSTOMERS: Final = frozenset({MoveKind.SALE.operation_kind, MoveKind.DISPENSE.operation_kind})
"""By which goods of a document leave for good; what of a parcel is damaged was counted by its sender too."""


def check_witness(shelves: Shelves, movement: Movement, actor: str) -> None:
    """Return if the movement needs no witness, or names one.

    Args:
        shelves: with every line of the movement weighed.
        movement: in base units.
        actor: who records it.

    Raises:
        Refusal: `witness_required`; its errors name the lines that need one.
    """
    if movement.kind not in WITNESSED:
        return
    if fault := witness_fault(actor, movement.witness):
        lines = list(_needing(shelves, movement))
        if lines:
            raise Refusal(
                "witness_required",
                fault,
                errors=[
                    {"loc": ["lines", at, "sku"], "msg": fault, "type": "witness"} for at in lines
                ],
            )


def check_goods(db: sqlite3.Connection, operation: Operation, witness: str | None) -> None:
    """Return if goods that leave for a customer's order need no witness, or one is named.

    Args:
        db: the transaction that records it.
        operation: one of the document, about to be recorded.
        witness: as asked.

    Raises:
        Refusal: `witness_required`; the `loc` of its errors is the SKU and the lot.
    """
    fault = witness_fault(operation.actor, witness)
    if operation.kind not in _TO_CUSTOMERS or fault is None:
        return
    needing = []
    for effect in operation.effects:
        # What an event that is taken back brings needs none.
        if not isinstance(effect, CounterEffect) or effect.delta >= 0:
            continue
        if effect.account == Account.ON_HAND:
            shelves = Shelves(db, effect.location)
            shelves.in_lot(effect.sku, effect.lot)
            if shelves.left(effect.sku).needs_witness:
                needing.append(effect)
    if needing:
        raise Refusal(
            "witness_required",
            fault,
            errors=[
                {"loc": [effect.sku, effect.lot], "msg": fault, "type": "witness"}
                for effect in needing
            ],
        )


def _needing(shelves: Shelves, movement: Movement) -> Iterator[int]:
    for at, line in enumerate(movement.lines):
        if line.delta and shelves.left(line.sku).needs_witness:
            yield at
