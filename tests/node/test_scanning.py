"""A node brought up from before there was an index: it sells at once, and finds its catalogue a moment later."""

import asyncio
import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from node.commands.requests import Authority, Caller, Line, Movement, Refusal, Said
from node.node import Node
from node.replica import search, verify, view
from protocol.clock import Stamp
from protocol.effects import FieldEffect, Join
from protocol.ids import NO_LOT, Location, Scope, Seq, Sku
from protocol.movements import MoveKind
from runtime.connection import connect_reader, connect_writer
from runtime.world import World
from tests.node.chain import ME
from tests.node.enrolled import Shop, enrolled_folder

TILL = Caller("till-1", Authority.TILL)
COUNT = 8 * search.PIECE_DOCUMENTS
AT = Stamp(1_700_000_000_000, 0, ME)
SCOPES = (Scope("catalogue"),)


def shop_without_an_index(path: Path) -> Shop:
    """A folder whose database has a catalogue and, as one just migrated, nothing of it in the index."""
    shop = enrolled_folder(path)
    with contextlib.closing(connect_writer(shop.database)) as db:
        db.execute("BEGIN")
        for number in range(COUNT):
            fields = {"name": f"Tea {number}", f"barcodes/T{number}": {}}
            effects = [
                FieldEffect("skus", f"TEA-{number:03}", name, int(Join.LWW), 0, value, AT, SCOPES)
                for name, value in fields.items()
            ]
            view.record(db, Seq(number + 1), effects)
        db.execute("DELETE FROM sku_text")
        db.execute("DELETE FROM sku_barcode")
        db.execute("INSERT INTO indexing (only, after) VALUES (1, '')")
        db.execute("COMMIT")
    return shop


def sale(*lines: Line) -> Movement:
    """A sale at the shop."""
    return Movement(MoveKind.SALE, Location("S01"), lines)


def index_problems(shop: Shop) -> list[str]:
    """What the index says otherwise than the documents."""
    with contextlib.closing(connect_reader(shop.database)) as db:
        db.row_factory = sqlite3.Row
        assert search.is_whole(db)
        return [*search.differing(db), *(p for p in verify.problems(db) if p.startswith("skus/"))]


async def test_tills_sell_while_an_old_catalogue_is_put_into_the_index(tmp_path: Path) -> None:
    shop = await asyncio.to_thread(shop_without_an_index, tmp_path / "S01")
    node = await Node.open(shop.folder, World())
    last = Line(Sku(""), NO_LOT, said=Said(barcode=f"T{COUNT - 1}"))
    try:
        # Nobody has begun yet: what is not in the index is not called unknown.
        with pytest.raises(Refusal, match="unavailable"):
            await node.record(TILL, sale(last), "too-early")
        await node.start()
        plain = await node.record(TILL, sale(Line(Sku("TEA-001"), NO_LOT, delta=-1)), "plain")
        assert plain.status == 201
        await _eventually_finds(node, f"tea {COUNT - 1}", 1)
        scanned = json.loads((await node.record(TILL, sale(last), "scanned")).body)
        assert scanned["lines"][0]["sku"] == f"TEA-{COUNT - 1:03}"
        await _eventually_finds(node, "tea", COUNT)
        unknown = Line(Sku(""), NO_LOT, said=Said(barcode="T-NEVER"))
        with pytest.raises(Refusal, match="unknown_barcode"):
            await node.record(TILL, sale(unknown), "unknown")
    finally:
        await node.close()
    assert await asyncio.to_thread(index_problems, shop) == []


async def _eventually_finds(node: Node, text: str, count: int) -> None:
    for _ in range(1_200):
        page = await node.scanning.search(TILL, text, archived=False, limit=1000, cursor=None)
        if len(json.loads(page)["items"]) == count:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{text} was not found {count} times in a minute")
