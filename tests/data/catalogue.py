"""Real catalogues through the command line, beside a running office: every row in, every row found, and a repeat nothing.

Two files of strangers: a country's packages of medicines, by code and barcode with prices in its currency, and the
suppliers of a column that names each of them hundreds of times.
"""

import asyncio
import csv
import gzip
import json
import resource
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.client import Client
from deploy.local_chain import HUB, LocalChain
from deploy.process import run_command
from tests.data.asking import Say
from tests.data.movements import DataError
from tests.soak.samples import read_process

OFFICE: Final = "office"
UNNAMED: Final = "unnamed"
"""What packages are called whose product is missing in the source."""
ASKING_AT_ONCE: Final = 4


class CatalogueError(Exception):
    """What is there after an import is not what the file says."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What one green import did."""

    rows: int
    documents: int
    import_s: float
    import_cpu_s: float
    """Of the command and of the office's daemon, which share the work; on a busy machine the one figure to compare."""
    repeat_s: float
    look_up_ms: Sequence[float]
    """Of each look-up, sorted."""


def rows_of(file: Path) -> list[dict[str, str]]:
    """The rows of a gzipped file."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


async def import_drugs(data: Path, folder: Path, say: Say) -> Imported:
    """Import the packages, and look each up by its code and by its barcode.

    Raises: DataError, CatalogueError, ProcessError.
    """
    file = data / "drugs_2022.csv.gz"
    rows = rows_of(file)
    expected = json.loads((data / "reference.json").read_text("utf-8"))["presentations"]
    if len(rows) != expected or len({row["cip7"] for row in rows}) != expected:
        raise DataError("drug_catalogue: not the number of packages that the reference has")
    options = [
        *("--map", "cip7=id", "--map", "cip13=barcodes", "--map", "package_label=description"),
        *("--map", "price_eur=price", "--currency", "EUR", "--set", f"name={UNNAMED}"),
    ]

    async def find(office: Client, row: dict[str, str]) -> None:
        sku = await office.get(f"/v1/skus/{row['cip7']}")
        if shown_as_row(sku) != expected_of(row):
            raise CatalogueError(
                f"{row['cip7']}: expected {expected_of(row)}, shown {shown_as_row(sku)}"
            )
        scanned = await office.get("/v1/skus", barcode=row["cip13"])
        if row["cip7"] not in [one["id"] for one in scanned["items"]]:
            raise CatalogueError(f"{row['cip13']}: not found, but {scanned['items']}")

    return await _import("skus", file, options, rows, expected, find, folder, say)


async def import_suppliers(data: Path, folder: Path, say: Say) -> Imported:
    """Import the suppliers of the deliveries, each named by many rows, and find each once.

    Raises: CatalogueError, ProcessError.
    """
    file = data / "deliveries.csv.gz"
    rows = rows_of(file)
    names = {row["supplier"] for row in rows}

    async def find(office: Client, row: dict[str, str]) -> None:
        shown = [one["name"] for one in (await office.get("/v1/suppliers", limit=1_000))["items"]]
        if sorted(shown) != sorted(names) or row["supplier"] not in shown:
            raise CatalogueError(f"{len(shown)} suppliers, expected {len(names)}")

    options = ["--map", "supplier=name", "--map", "id="]
    return await _import("suppliers", file, options, rows[:1], len(names), find, folder, say)


async def _import(
    collection: str,
    file: Path,
    options: Sequence[str],
    rows: Sequence[dict[str, str]],
    documents: int,
    find: Callable[[Client, dict[str, str]], Awaitable[None]],
    folder: Path,
    say: Say,
) -> Imported:
    async with LocalChain(folder) as chain:
        await chain.start_hub()
        await chain.add_office(OFFICE)
        command = ["import", collection, str(file), "--data", str(folder / OFFICE), "--json"]
        say(f"importing {collection}")
        office_pid, used_s = chain.nodes[OFFICE].daemon.pid, processor_s()
        office_s = _processor_s_of(office_pid)
        first, import_s = await _run(*command, *options)
        import_cpu_s = processor_s() - used_s + _processor_s_of(office_pid) - office_s
        say(f"importing {collection} again")
        again, repeat_s = await _run(*command, *options)
        office = chain.operator(OFFICE)
        check_summaries(first, again)
        found = sum([1 async for _ in office.rows(f"/v1/{collection}")])
        if found != documents:
            raise CatalogueError(f"{found} {collection}, expected {documents}")
        say(f"looking up {len(rows):,} of {documents:,}")
        look_up_ms = await _look_up(office, rows, find)
        await chain.verify([HUB, OFFICE])
    return Imported(first["rows"], documents, import_s, import_cpu_s, repeat_s, look_up_ms)


def processor_s() -> float:
    """What this process and all its children that ended have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _processor_s_of(pid: int | None) -> float:
    seen = None if pid is None else read_process(pid)
    return 0.0 if seen is None else seen.cpu_s


async def _run(*command: str) -> tuple[dict[str, Any], float]:
    started_s = time.monotonic()
    told = await run_command("node", *command)
    summary: dict[str, Any] = json.loads(told.splitlines()[-1])
    return summary, time.monotonic() - started_s


def check_summaries(first: dict[str, Any], again: dict[str, Any]) -> None:
    """What an import and its repeat must have said.

    Raises: CatalogueError.
    """
    for summary in (first, again):
        if summary["bad"] or summary["refused"] or summary["ended"] != "recorded":
            raise CatalogueError(f"not every row was taken: {summary}")
    if first["recorded"] + first["unchanged"] != first["rows"]:
        raise CatalogueError(f"the first time: {first}")
    if again["already_there"] != again["rows"]:
        raise CatalogueError(f"a repeat is to change nothing: {again}")


async def _look_up(
    office: Client,
    rows: Sequence[dict[str, str]],
    find: Callable[[Client, dict[str, str]], Awaitable[None]],
) -> list[float]:
    took_ms: list[float] = []
    waiting = iter(rows)

    async def ask() -> None:
        for row in waiting:
            started_s = time.monotonic()
            await find(office, row)
            took_ms.append((time.monotonic() - started_s) * 1_000)

    async with asyncio.TaskGroup() as asking:
        for _ in range(ASKING_AT_ONCE):
            asking.create_task(ask())
    return sorted(took_ms)


def expected_of(row: dict[str, str]) -> dict[str, object]:
    """A package as the file says it; no part of the product has read it."""
    euros, _, cents = row["price_eur"].partition(".")
    price = {"amount": int(euros + cents.ljust(2, "0")), "currency": "EUR"}
    return {
        "name": row["name"] or UNNAMED,
        "description": row["package_label"] or None,
        "dosage_form": row["dosage_form"] or None,
        "strength": row["strength"] or None,
        "price": price if row["price_eur"] else None,
        "barcodes": [row["cip13"]],
    }


def shown_as_row(sku: dict[str, Any]) -> dict[str, object]:
    """What a node shows of a package, in the same form."""
    named = ("name", "description", "dosage_form", "strength", "price")
    return {**{name: sku[name] for name in named}, "barcodes": list(sku["barcodes"])}
