"""Barcodes and lots as people typed them, malformed ones too: each is stored as it is, scanned, sold and found again.

Barcodes: nine of ten come with the catalogue; the tenth is unknown at the till, which is told so and links it on the spot.
Lots: those that a GS1 code can hold are scanned as one, with the article's number before them; the others are typed. Upper
and lower case, signs and spaces make another lot, also where it is the same box: nobody here can know.
"""

import asyncio
import csv
import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import quote

from deploy.agreement import check_stock, settle
from deploy.client import Client, RefusedError
from deploy.local_chain import HUB, LocalChain
from deploy.process import run_command
from tests.data.asking import Asker, AskingError, Figures, Say
from tests.data.movements import DataError

SHOP: Final = "shop"
OFFICE: Final = "office"
SEED: Final = 2019
UNKNOWN_EVERY: Final = 10
BATCH_MOVEMENTS: Final = 500
PATIENCE_S: Final = 120.0
POLL_S: Final = 0.2
OF_GS1: Final = frozenset(
    "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
)
"""Character set 82 of the GS1 General Specifications."""

Row = dict[str, str]


async def replay_barcodes(data: Path, folder: Path, say: Say) -> Figures:
    """Scan every barcode at a shop, sell by it, and link those that nobody knew.

    Raises: AskingError, DataError, DisagreementError, ProcessError, RefusedError, TimeoutError.
    """
    with gzip.open(data / "products.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        codes = {f"P-{n}": row["barcode"] for n, row in enumerate(csv.DictReader(lines), start=1)}
    _check_count(codes, 3_633)
    unknown = {sku for n, sku in enumerate(codes) if n % UNKNOWN_EVERY == 0}
    sheet = [("id", "name", "barcodes")]
    sheet += [(sku, sku, "" if sku in unknown else code) for sku, code in codes.items()]
    async with LocalChain(folder) as chain:
        asker = await _open_shop(chain, folder, sheet, codes)
        say(f"{len(unknown)} of {len(codes)} barcodes are unknown at the till, which links them")
        for sku in sorted(unknown):
            await _link(asker, sku, codes[sku])
        say("scanning every barcode")
        malformed = sum([await _scan(asker.client, sku, code) for sku, code in codes.items()])
        say("selling by every barcode")
        sales = [_sale(f"sale-{sku}", {"barcode": code}) for sku, code in codes.items()]
        for sku, line in zip(codes, await _record(asker, sales), strict=True):
            if (line["sku"], line["delta"]) != (sku, -1):
                raise AskingError(f"{sku}: sold by {codes[sku]}, answered {line}")
        await _end(chain, {SHOP: dict.fromkeys(codes, -1)}, say)
    return {"barcodes": f"{len(codes):,}", "malformed": str(malformed), "linked": str(len(unknown))}


async def replay_lots(data: Path, folder: Path, say: Say) -> Figures:
    """Receive and sell every lot, by scan where it can be one, and find each again.

    Raises: as `replay_barcodes`.
    """
    with (data / "vaccine_lots.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    _check_count(rows, 3_126)
    names = dict.fromkeys(map(_product, rows))
    skus = {name: f"V-{n:02}" for n, name in enumerate(names, start=1)}
    lots = {(skus[_product(row)], row["lot"]): int(row["reports"]) for row in rows}
    _check_count(lots, len(rows))
    sheet = [("id", "name", "barcodes")]
    sheet += [(sku, " ".join(name), gtin_of(sku)) for name, sku in skus.items()]
    scanned = {one for one in lots if OF_GS1.issuperset(one[1])}
    async with LocalChain(folder) as chain:
        asker = await _open_shop(chain, folder, sheet, skus.values())
        say(f"receiving and selling {len(lots)} lots, {len(scanned)} of them by scan")
        for kind, amounts in (("receive", lots), ("sale", dict.fromkeys(lots, 1))):
            bodies = [
                _sale(
                    f"{kind}-{sku}-{n}",
                    lot_line(sku, lot, amount, kind, is_scanned=(sku, lot) in scanned),
                )
                | {"kind": kind}
                for n, ((sku, lot), amount) in enumerate(amounts.items())
            ]
            for (sku, lot), line in zip(lots, await _record(asker, bodies), strict=True):
                if (line["sku"], line["lot"]) != (sku, lot):
                    raise AskingError(f"{kind} of {lot!r} of {sku}: answered {line}")
        say("finding every lot again")
        await _check_lots(asker.client, lots)
        stock: dict[str, int] = {}
        for (sku, _), amount in lots.items():
            stock[sku] = stock.get(sku, 0) + amount - 1
        await _end(chain, {SHOP: stock}, say)
    return {"lots": f"{len(lots):,}", "by scan": f"{len(scanned):,}", "articles": str(len(skus))}


async def _open_shop(
    chain: LocalChain, folder: Path, sheet: Sequence[Sequence[str]], skus: Iterable[str]
) -> Asker:
    """A hub, an office with the catalogue, and a shop that has read it."""
    await chain.start_hub()
    await chain.add_office(OFFICE)
    await chain.add_node(SHOP, [SHOP])
    file = folder / "articles.csv"
    with file.open("w", encoding="utf-8", newline="") as written:
        csv.writer(written).writerows(sheet)
    await run_command("node", "import", "skus", str(file), "--data", str(folder / OFFICE))
    client, wanted = chain.operator(SHOP), set(skus)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if {one["id"] async for one in client.rows("/v1/skus")} == wanted:
                return Asker(await chain.till(SHOP), Random(SEED))
            await asyncio.sleep(POLL_S)


async def _link(asker: Asker, sku: str, code: str) -> None:
    try:
        await asker.post("/v1/movements", _sale(None, {"barcode": code}), f"try-{sku}", status=201)
    except RefusedError as refused:
        if refused.answer.json()["code"] != "unknown_barcode":
            raise
    else:
        raise AskingError(f"{code}: sold, and nobody had said what it is")
    await asker.post(f"/v1/skus/{sku}/barcodes", {"barcode": code}, f"link-{sku}")


async def _scan(client: Client, sku: str, code: str) -> bool:
    """Whether it is malformed; found it must be all the same."""
    found = await client.get("/v1/skus", barcode=code)
    shown = [one for one in found["items"] if one["id"] == sku]
    if not shown or code not in shown[0]["barcodes"]:
        raise AskingError(f"{code!r} of {sku}: found {[one['id'] for one in found['items']]}")
    return bool(found["scanned"]["gtin"] is None)


async def _check_lots(client: Client, lots: dict[tuple[str, str], int]) -> None:
    by_sku: dict[str, dict[str, int]] = {}
    for (sku, lot), amount in lots.items():
        by_sku.setdefault(sku, {})[lot] = amount - 1
    for sku, expected in by_sku.items():
        row = await client.get(f"/v1/stock/{SHOP}/{sku}")
        shown = {one["lot"]: one["on_hand"] for one in row["lots"] if one["lot"]}
        if shown != expected:
            raise AskingError(f"{sku}: lots {shown}, expected {expected}")
    for (sku, lot), amount in lots.items():
        trace = await client.get(f"/v1/lots/{sku}/{quote(lot, safe='')}/trace")
        held = [(one["location"], one["on_hand"]) for one in trace["locations"]]
        if (trace["code"], held, len(trace["items"])) != (lot, [(SHOP, amount - 1)], 1):
            raise AskingError(f"{lot!r} of {sku}: {trace}")


async def _record(asker: Asker, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Record movements of one line, and give the line that each was answered with."""
    lines: list[dict[str, Any]] = []
    for start in range(0, len(bodies), BATCH_MOVEMENTS):
        told = await asker.record(list(bodies[start : start + BATCH_MOVEMENTS]))
        lines += [line for one in told for line in one["lines"]]
    return lines


async def _end(chain: LocalChain, stock: dict[str, dict[str, int]], say: Say) -> None:
    await settle(chain, [SHOP], say=say)
    await check_stock(chain, stock)
    await chain.verify([HUB, OFFICE, SHOP])


def _sale(key: str | None, line: dict[str, Any]) -> dict[str, Any]:
    body = {"kind": "sale", "location": SHOP, "lines": [line]}
    return body if key is None else {"key": key, **body}


def lot_line(sku: str, lot: str, amount: int, kind: str, *, is_scanned: bool) -> dict[str, Any]:
    sign = 1 if kind == "receive" else -1
    if is_scanned:
        return {"barcode": f"]C101{gtin_of(sku)}10{lot}", "packs": sign * amount}
    return {"sku": sku, "lot": lot, "delta": sign * amount}


def gtin_of(sku: str) -> str:
    """14 digits of a company that numbers its articles as we do."""
    body = f"0200000000{int(sku.removeprefix('V-')):03}"
    odd, even = (sum(map(int, body[-n::-2])) for n in (1, 2))
    return f"{body}{-(3 * odd + even) % 10}"


def _product(row: Row) -> tuple[str, str, str]:
    return row["manufacturer"], row["vaccine_type"], row["vaccine_name"]


def _check_count(found: Sequence[object] | dict[Any, Any], expected: int) -> None:
    if len(found) != expected:
        raise DataError(f"{len(found)} where the reference has {expected}")
