"""Linking a barcode to a SKU where it came up: at a shop, offline, also by a till.

Invariants:
- A link is one edit of the SKU's document, so it is found by the next scan here at once and everywhere with the catalogue.
- What a shop linked is marked in `unconfirmed_barcodes` until the office confirms it: by linking the same, by taking the mark
  out, by taking the barcode out, or by merging the SKU into another with `replaced_by`. It counts meanwhile.
- A shop never changes what the office has linked.
"""

import sqlite3
from dataclasses import dataclass

from node.commands.documents import Written, answer, op_id_of, repeat, write_changes
from node.commands.editable import Work
from node.commands.movements import Here
from node.commands.requests import Caller, Refusal
from node.commands.rights import check
from node.commands.scanning import read_scan
from node.replica import answers, documents, skus
from node.replica.answers import Slot
from node.replica.documents import Held
from protocol.access.table import action
from protocol.barcodes import Barcode, Form
from protocol.certificate import Role
from protocol.declarations.catalogue import SKUS


@dataclass(frozen=True, slots=True)
class Link:
    """What is to be linked to a SKU."""

    barcode: str
    """As it was scanned: of a GS1 code its article is linked, without the lot and the date that this one piece has."""
    pack: str | None = None
    """Of the SKU's; None for its base unit."""


def link(
    db: sqlite3.Connection, here: Here, caller: Caller, sku: str, asked: Link, key: str
) -> Written:
    """Link a barcode to a SKU, or answer again what was answered to this key. Durable with the transaction.

    By the office it also confirms what a shop has linked. What is linked already is answered and not recorded.

    Raises:
        Refusal: `not_found` for a SKU that nobody has described; `conflict` where the office has it on another pack;
            `validation_failed` for a code that names nothing, or a pack that the SKU has not; `forbidden`,
            `idempotency_key_reused`.
    """
    slot = Slot(caller.name, f"skus/{sku}/barcodes", key)
    request = answers.request_digest([asked.barcode, asked.pack])
    if (kept := answers.find(db, slot)) is not None:
        return repeat(kept, request)
    check(caller, action("skus.link"))
    held = documents.one(db, SKUS, sku)
    if held is None:
        raise Refusal("not_found", "nobody has described this SKU; create it with its barcode")
    if skus.multiple_of(held, asked.pack) is None:
        raise Refusal("validation_failed", "this SKU has no pack of this name")
    barcode = read_scan(asked.barcode, here.now_ms)
    text = skus.stored_as(held, barcode) or _text_of(barcode)
    work = Work(db, here, caller, SKUS)
    write_changes(work, op_id_of(here, slot), held, _changes(here, held, text, asked.pack))
    return answer(work, slot, request, sku, 200)


def _text_of(barcode: Barcode) -> str:
    if not barcode.text or (barcode.form is Form.GS1 and barcode.gtin is None and not barcode.sscc):
        raise Refusal("validation_failed", "this code names no article")
    return barcode.lookup_keys()[0]


def _changes(here: Here, held: Held, text: str, pack: str | None) -> dict[str, object]:
    """What to write: the barcode, and whether the office must still look at it."""
    linked = {"barcodes": {text: {"pack": pack}}}
    if here.certificate.role is Role.OFFICE:
        return {**linked, "unconfirmed_barcodes": {text: None}}
    before = held.fields.get(f"barcodes/{text}")
    if isinstance(before, dict) and f"unconfirmed_barcodes/{text}" not in _marks(held):
        if before.get("pack") != pack:
            raise Refusal("conflict", "the office has linked it to another pack of this SKU")
        return {}
    if not here.certificate.writes:
        raise Refusal("forbidden", "this node keeps no shop")
    return {**linked, "unconfirmed_barcodes": {text: str(here.certificate.writes[0])}}


def _marks(held: Held) -> set[str]:
    return {name for name, value in held.fields.items() if value is not None}
