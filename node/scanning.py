"""The SKUs of one node as tills and screens find them: by words, by a scan, by their code; and the index kept whole.

Invariant: a search and a scan are of one snapshot and wait for nobody. A link is durable before its answer leaves.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Final

import orjson
import structlog

from node.commands import linking
from node.commands.depicting import document_body, document_json, sees_office_part
from node.commands.documents import Written
from node.commands.linking import Link
from node.commands.movements import Here
from node.commands.requests import Caller
from node.commands.scanning import read_scan, units_of
from node.documents import Write
from node.live.events import id_of
from node.replica import documents, search, skus, stock
from node.replica.documents import Held, Page
from protocol.barcodes import Barcode
from protocol.declarations.catalogue import SKUS
from runtime.store import Store, StoreError

BREATH_S: Final = 0.005
"""Between two pieces of the index: a catalogue of 20,000 is in it after some seconds, and no till waits for more than one."""
AGAIN_S: Final = 60.0
_PLACEHOLDER: Final = {"created_at": None, "updated_at": None, "placeholder": True}

_log = structlog.get_logger(__name__)


class Scanning:
    """Those that one node shows. `write` runs a transaction and wakes the uplink, `here` is what recording needs to know."""

    def __init__(self, store: Store, write: Write, here: Callable[[], Here]) -> None:
        self._store = store
        self._write = write
        self._here = here

    async def search(
        self, caller: Caller, text: str, *, archived: bool | None, limit: int, cursor: str | None
    ) -> bytes:
        """A page of the SKUs that have every word of `text`, the best first, as JSON.

        Raises:
            Refusal: `validation_failed` for a foreign cursor.
        """
        return await self._list(
            caller,
            lambda db: skus.matching(db, text, archived=archived, limit=limit, cursor=cursor),
        )

    async def to_confirm(self, caller: Caller, *, limit: int, cursor: str | None) -> bytes:
        """A page of the SKUs with a barcode that waits for the office, by code, as JSON.

        Raises:
            Refusal: `validation_failed` for a foreign cursor.
        """
        return await self._list(caller, lambda db: skus.to_confirm(db, limit=limit, cursor=cursor))

    async def scan(self, caller: Caller, scanned: str) -> bytes:
        """The SKUs that a scan is on, and what else the code says, as JSON; an empty list where it is on none."""
        now_ms, for_office = self._here().now_ms, sees_office_part(caller)
        return await self._store.read(
            lambda db: _scanned(db, read_scan(scanned, now_ms), for_office=for_office)
        )

    async def one(self, caller: Caller, sku: str) -> bytes | None:
        """A SKU as JSON, or what stands for one that nobody has described and that stock knows; None for neither."""
        return await self._store.read(lambda db: _one(db, caller, sku))

    async def link(self, caller: Caller, sku: str, asked: Link, key: str) -> Written:
        """Link a barcode; see `commands.linking.link`. Durable on return."""
        return await self._write(lambda db: linking.link(db, self._here(), caller, sku, asked, key))

    async def keep_whole(self) -> None:
        """Put into the index what a start finds missing; a task that its owner cancels. What fails is tried again."""
        while True:
            try:
                if not await self._store.read(search.lacks_some):
                    return
                await self._store.write(search.begin_if_missing, background=True)
                pieces = 0
                while await self._store.write(search.index_piece, background=True):
                    pieces += 1
                    await asyncio.sleep(BREATH_S)
                if pieces:
                    _log.info("the index of SKUs was made", pieces=pieces)
                return
            except StoreError as error:
                _log.warning("the index of SKUs was put off", reason=str(error))
                await asyncio.sleep(AGAIN_S)

    async def _list(self, caller: Caller, find: Callable[[sqlite3.Connection], Page]) -> bytes:
        for_office = sees_office_part(caller)
        # Written by the reader's thread, as every page of documents is.
        return await self._store.read(lambda db: _page_body(find(db), for_office=for_office))


def _one(db: sqlite3.Connection, caller: Caller, sku: str) -> bytes | None:
    held = documents.one(db, SKUS, sku)
    if held is not None:
        return document_body(SKUS, held, caller)
    if not stock.sku_is_known(db, sku):
        return None
    nothing = document_json(SKUS, Held(sku, {}, None, 0), for_office=False)
    return orjson.dumps({**nothing, **_PLACEHOLDER})


def _scanned(db: sqlite3.Connection, barcode: Barcode, *, for_office: bool) -> bytes:
    choices = skus.choices(db, barcode)
    page = Page([one.held for one in choices], None, *skus.seen(db))
    scanned = {
        "form": barcode.form,
        "text": barcode.text,
        "gtin": barcode.gtin,
        "lot": barcode.lot,
        "serial": barcode.serial,
        "expiry": barcode.expiry,
        "best_before": barcode.best_before,
        "quantity": barcode.quantity,
        "weight_g": barcode.weight_g,
        "sscc": barcode.sscc,
        "fault": barcode.fault,
        "choices": [
            {
                "sku": one.held.id,
                "pack": one.pack,
                "units": units_of(one, barcode),
                "replaces": one.replaces,
            }
            for one in choices
        ],
    }
    return orjson.dumps({**_page_json(page, for_office=for_office), "scanned": scanned})


def _page_body(page: Page, *, for_office: bool) -> bytes:
    return orjson.dumps(_page_json(page, for_office=for_office))


def _page_json(page: Page, *, for_office: bool) -> dict[str, object]:
    items = [document_json(SKUS, held, for_office=for_office) for held in page.items]
    return {"items": items, "next": page.following, "changes": id_of(page.life, page.head)}
