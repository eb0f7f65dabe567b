"""Case S: what a till waits for when it searches the catalogue or scans: by name, by code, by barcode.

The real drug catalogue where it is beside the checkout, else as many made-up ones. One caller, over HTTP, the whole answer
of at most a hundred SKUs read. What is typed is what a person would: the first word of a name, then a second.
"""

import asyncio
import contextlib
import csv
import gzip
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import quantiles
from typing import Final, NamedTuple

import aiohttp

from deploy.process import Daemon
from node.replica import view
from protocol.clock import Stamp
from protocol.effects import FieldEffect, Join
from protocol.ids import ReplicaId, Scope, Seq
from protocol.limits import NAME_CHARS_MAX
from runtime.connection import connect_writer
from tests.bench.figures import Figure, Outcome
from tests.bench.scale import scaled
from tests.data.movements import data_folder
from tests.node.enrolled import Shop, enrolled_folder

CASE: Final = "S"
TITLE: Final = "searching and scanning in a catalogue of 20,747"

_SKUS: Final = 20_747
_ASKED: Final = 500
_WITHIN_MS: Final = 20.0
_SCOPES: Final = (Scope("catalogue"),)
_AT: Final = Stamp(1_700_000_000_000, 0, ReplicaId(b"r" * 16))
_MADE_UP: Final = [
    "amo",
    "cilli",
    "para",
    "ceta",
    "ibu",
    "pro",
    "lora",
    "ta",
    "sol",
    "meto",
    "clo",
    "ven",
    "dia",
    "ze",
    "tri",
    "rami",
]


class _Drug(NamedTuple):
    sku: str
    name: str
    form: str
    barcode: str


async def run(folder: Path) -> Outcome:
    """One run, each question asked 500 times."""
    drugs = list(_drugs())[: scaled(_SKUS)]
    shop = await asyncio.to_thread(_described, folder / "S01", drugs)
    chance = random.Random(1)
    some = [chance.choice(drugs) for _ in range(scaled(_ASKED))]
    daemon = Daemon("node", shop.folder.path, folder / "node.log")
    await daemon.start()
    try:
        headers = {"Authorization": f"Bearer {shop.operator_token}"}
        base = f"http://127.0.0.1:{daemon.port}"
        async with aiohttp.ClientSession(base, headers=headers) as session:
            figures: list[Figure] = []
            for said, asked in (
                ("name, a word", [{"q": one.name.split()[0]} for one in some]),
                ("name, two words", [{"q": " ".join(one.name.split()[:2])} for one in some]),
                ("name, three letters", [{"q": one.name[:3]} for one in some]),
                ("code", [{"q": one.sku} for one in some]),
                ("barcode", [{"barcode": one.barcode} for one in some]),
            ):
                figures += await _measured(session, said, asked)
            floor = await _measured(session, "one by id", [{"limit": "1"}] * len(some))
    finally:
        await daemon.kill()
    least = [Figure(one.name, floor[at % 2].value, "ms") for at, one in enumerate(figures)]
    return Outcome(tuple(figures), tuple(least))


async def _measured(
    session: aiohttp.ClientSession, said: str, asked: Sequence[dict[str, str]]
) -> list[Figure]:
    took_ms: list[float] = []
    for parameters in asked:
        began_s = time.perf_counter()
        async with session.get("/v1/skus", params=parameters) as answer:
            answer.raise_for_status()
            await answer.read()
        took_ms.append((time.perf_counter() - began_s) * 1e3)
    cut = quantiles(took_ms, n=100)
    return [
        Figure(f"{said}: p50", cut[49], "ms"),
        Figure(f"{said}: p99", cut[98], "ms", _WITHIN_MS),
    ]


def _described(path: Path, drugs: Sequence[_Drug]) -> Shop:
    """A node that has them all, each an edit of its own."""
    shop = enrolled_folder(path)
    with contextlib.closing(connect_writer(shop.database)) as db:
        db.execute("BEGIN")
        for number, drug in enumerate(drugs, start=1):
            fields = {"name": drug.name, "dosage_form": drug.form, f"barcodes/{drug.barcode}": {}}
            effects = [
                FieldEffect("skus", drug.sku, name, int(Join.LWW), 0, value, _AT, _SCOPES)
                for name, value in fields.items()
            ]
            view.record(db, Seq(number), effects)
        db.execute("COMMIT")
    return shop


def _drugs() -> Iterator[_Drug]:
    folder = data_folder()
    if folder is None:
        yield from _made_up()
        return
    file = folder / "drug_catalogue" / "drugs_2022.csv.gz"
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            name = (row["name"] or row["package_label"])[:NAME_CHARS_MAX].strip()
            yield _Drug(row["cip7"] or row["cip13"], name, row["dosage_form"] or "-", row["cip13"])


def _made_up() -> Iterator[_Drug]:
    chance = random.Random(1)
    for number in range(_SKUS):
        name = "".join(chance.choices(_MADE_UP, k=3)).upper()
        strength = chance.choice((5, 10, 20, 50, 100, 250, 500))
        form = chance.choice(("tablet", "capsule", "syrup"))
        yield _Drug(f"{number:07}", f"{name} {strength} mg, {form}", form, f"34009{number:07}")
