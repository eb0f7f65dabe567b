"""Three and a half years of 78 health sites at a node that is cut off from its hub, a month at a time.

Each month as people work: what was counted at the beginning, new minimums, what came and went, and a count at the end that
must find nothing. After each step the whole list of stock and the whole list of alerts is what arithmetic says of the
ledger; at the end the hub hears of all of it at once.

The reference counts states of single rows: what ended below its average consumption is what `below_minimum` lists. Alerts
begin and end, with a margin so that one is not told twice; so one that began stays raised at some month-ends at which the
row is no longer low, and what nobody consumes on average (minimum 0) is not kept on purpose, so it is never `out`. Who
wants to hear of the last unit all the same makes a rule with threshold 1, and such rules are here for every pair.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any, Final

from deploy.agreement import check_stock, settle
from deploy.client import Client
from deploy.local_chain import HUB, LocalChain
from deploy.process import run_command
from tests.data.asking import Asker, AskingError, Figures, Say
from tests.data.ledger import LAST_UNIT, Alert, Ledger, Month, Pair, Watch, add, read_ledger
from tests.data.movements import Movement

NODE: Final = "district"
OFFICE: Final = "office"
SEED: Final = 201601
ALERTS_S_MAX: Final = 60.0
POLL_S: Final = 0.1


async def replay_months(data: Path, folder: Path, say: Say) -> Figures:
    """Work through the ledger at one node, and compare after every step.

    Raises: AskingError, DataError, DisagreementError, ProcessError, RefusedError, TimeoutError.
    """
    ledger = read_ledger(data)
    pairs = sorted({pair for month in ledger.months for pair in month.reported})
    sites = list(dict.fromkeys(location for location, _ in pairs))
    async with LocalChain(folder) as chain:
        say("a hub, an office with the catalogue, and one node that writes all sites")
        await chain.start_hub()
        await chain.add_office(OFFICE)
        await chain.add_node(NODE, sites)
        await _import_catalogue(data, folder)
        await _read_to_the_end(chain, skus=len({sku for _, sku in pairs}))
        await chain.stop(OFFICE)
        await chain.stop(HUB)
        say(f"{len(ledger.months)} months without the hub")
        site = District(chain.operator(NODE), data, folder)
        started_s = time.monotonic()
        for month in ledger.months:
            await site.work(month)
        took_s = time.monotonic() - started_s
        site.check_counts(ledger)
        say("the hub comes back")
        await chain.start(HUB)
        await chain.start(OFFICE)
        await settle(chain, sites, say=say)
        await check_stock(chain, _by_location(site.stock))
        await chain.verify([HUB, OFFICE, NODE])
    return site.figures(took_s)


async def _import_catalogue(data: Path, folder: Path) -> None:
    office = ("--data", str(folder / OFFICE))
    products = ("--map", "product_code=id", "--map", "product_name=name")
    await run_command("node", "import", "skus", str(data / "products.csv"), *office, *products)
    sites = ("--map", "site_code=id", "--map", "site_district=name")
    await run_command("node", "import", "locations", str(data / "sites.csv"), *office, *sites)


async def _read_to_the_end(chain: LocalChain, skus: int) -> None:
    """Wait until the node has the catalogue: it raises nothing before it has read all there is."""
    node = chain.operator(NODE)
    async with asyncio.timeout(ALERTS_S_MAX):
        while True:
            found = len((await node.get("/v1/skus"))["items"])
            if found == skus and (await node.get("/v1/sync"))["caught_up"]:
                return
            await asyncio.sleep(POLL_S)


class District:
    """The people at the node: what they did so far, and what must be there by that."""

    def __init__(self, client: Client, data: Path, folder: Path) -> None:
        self.stock: dict[Pair, int] = {}
        self._client = client
        self._data = data
        self._folder = folder
        self._asker = Asker(client, Random(SEED))
        self._watch = Watch()
        self._counted = dict.fromkeys(
            ("low rows", "rows to zero", "low raised", "out begun", "last unit begun", "counts"), 0
        )

    async def work(self, month: Month) -> None:
        """One month, and everything compared.

        Raises: as `replay_months`.
        """
        await self._begin(month)
        await self._set_minimums(month)
        opened = await self._shown_stock()
        before = await self._numbers()
        await self._record(month.moved)
        await self._count(month)
        await self._compare_month(month, opened, before)

    async def _begin(self, month: Month) -> None:
        """What a site opens with, and what it counts that differs from the month before; the first month from the file."""
        if not self.stock:
            add(self.stock, month.first)
            options = ("--where", f"period={month.name}", "--where", "kind=opening")
            columns = ("site_code=location", "product_code=sku", "movement_no=reference", "period=")
            mapped = [part for column in columns for part in ("--map", column)]
            file, place = str(self._data / "movements.csv.gz"), str(self._folder / NODE)
            for _ in range(2):  # the second time changes nothing
                await run_command(
                    "node", "import", "movements", file, "--data", place, *options, *mapped
                )
        else:
            await self._record(month.first)
        self._watch.look(_pairs(month.first), self.stock)
        await self._alerts_are(f"{month.name}, at its beginning")

    async def _set_minimums(self, month: Month) -> None:
        wanted = {pair: row.minimum for pair, row in month.reported.items()}
        changed = [pair for pair in wanted if self._watch.minimum.get(pair) != wanted[pair]]
        new = [pair for pair in wanted if pair not in self._watch.has_rule]
        levels = [
            {"key": f"level-{month.name}-{location}-{sku}", "location": location, "sku": sku}
            | {"minimum": wanted[location, sku]}
            for location, sku in changed
        ]
        rules = [
            {"key": f"rule-{location}-{sku}", "location": location, "sku": sku}
            | {"threshold": LAST_UNIT}
            for location, sku in new
        ]
        for collection, rows in (("levels", levels), ("alerts", rules)):
            if rows:
                await self._asker.save(collection, rows)
        self._watch.minimum |= wanted
        self._watch.has_rule |= set(new)
        self._watch.look([*changed, *new], self.stock)
        await self._alerts_are(f"{month.name}, with its minimums")

    async def _record(self, movements: list[Movement]) -> None:
        """All in one transaction, so that nobody sees half a month; each answered with what is on hand by then."""
        bodies = []
        for movement in movements:
            add(self.stock, [movement])
            ((sku, _),) = movement.lines
            body = {"key": movement.key, **movement.body()}
            if movement.reason == "RECOUNTED":  # the site counted, so that is what it says
                counted = self.stock[movement.location, sku]
                body |= {"kind": "count", "lines": [{"sku": sku, "counted": counted}]}
            bodies.append(body)
        if not bodies:
            return
        for movement, told in zip(movements, await self._asker.record(bodies), strict=True):
            ((sku, delta),) = movement.lines
            (line,) = told["lines"]
            if (line["sku"], line["delta"]) != (sku, delta):
                raise AskingError(f"{movement.key}: {movement.lines}, answered {line}")

    async def _count(self, month: Month) -> None:
        """Count every shelf; the ledger's own counts differ from the books by nothing."""
        sheets: dict[str, list[dict[str, Any]]] = {}
        for (location, sku), row in month.reported.items():
            sheets.setdefault(location, []).append({"sku": sku, "counted": row.counted})
        bodies = [
            {"key": f"count-{month.name}-{location}", "kind": "count", "location": location}
            | {"lines": lines}
            for location, lines in sheets.items()
        ]
        for told in await self._asker.record(bodies):
            self._counted["counts"] += len(told["lines"])
            if any(line["delta"] for line in told["lines"]):
                raise AskingError(f"{month.name}: the count at its end found {told}")

    async def _compare_month(
        self, month: Month, opened: Mapping[Pair, int], before: Mapping[Alert, int]
    ) -> None:
        ended = await self._shown_stock()
        self._watch.look(_pairs(month.moved), self.stock)
        await self._alerts_are(f"{month.name}, at its end")
        low = {pair async for pair in self._rows(below_minimum="true")}
        if low != {p for p, least in self._watch.minimum.items() if self.stock[p] < least}:
            raise AskingError(f"{month.name}: below_minimum lists {len(low)} other pairs")
        now = await self._numbers()
        begun = {alert for alert, number in now.items() if number > before.get(alert, 0)}
        begun &= self._watch.raised
        rows = month.reported
        raised = {(at, sku) for kind, at, sku in self._watch.raised if kind == "low"}
        if not low <= raised:
            raise AskingError(f"{month.name}: {low - raised} are low and nobody is told")
        self._counted["low rows"] += len(low & rows.keys())
        self._counted["low raised"] += len(raised & rows.keys())
        self._counted["rows to zero"] += sum(opened[p] > 0 and not ended[p] for p in rows)
        self._counted["out begun"] += sum(("out", *pair) in begun for pair in rows)
        self._counted["last unit begun"] += sum(("threshold", *pair) in begun for pair in rows)

    async def _shown_stock(self) -> dict[Pair, int]:
        shown = {
            (row["location"], row["sku"]): row["on_hand"]
            async for row in self._client.rows("/v1/stock")
        }
        for pair in shown.keys() | self.stock.keys():
            if shown.get(pair) != self.stock.get(pair):
                raise AskingError(f"{pair}: {shown.get(pair)}, the ledger {self.stock.get(pair)}")
        return shown

    async def _rows(self, **parameters: str) -> Any:
        async for row in self._client.rows("/v1/stock", **parameters):
            yield row["location"], row["sku"]

    async def _numbers(self) -> dict[Alert, int]:
        return {
            (row["kind"], row["location"], row["sku"]): row["number"]
            async for row in self._client.rows("/v1/alerts/raised")
        }

    async def _alerts_are(self, when: str) -> None:
        """Wait until the node's whole list of alerts, with how often each began and ended, is the expected one."""
        numbers: dict[Alert, int] = {}
        try:
            async with asyncio.timeout(ALERTS_S_MAX):
                while True:
                    numbers = await self._numbers()
                    if numbers == self._watch.numbers:
                        return
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            expected = self._watch.numbers
            every = sorted(numbers.keys() | expected.keys())
            other = next(one for one in every if numbers.get(one) != expected.get(one))
            told = f"{other}: {numbers.get(other)}, expected {expected.get(other)}"
            raise AskingError(f"{when}: {told}") from None

    def check_counts(self, ledger: Ledger) -> None:
        """Compare with what the reference counts.

        Raises: AskingError.
        """
        rows = [row for month in ledger.months for row in month.reported.values()]
        kept = sum(row.went_to_zero and row.minimum > 0 for row in rows)
        expected = {"low rows": ledger.rows_below, "rows to zero": ledger.rows_to_zero}
        expected |= {"out begun": kept, "counts": len(rows)}
        for what, number in expected.items():
            if self._counted[what] != number:
                raise AskingError(f"{what}: {self._counted[what]}, expected {number}")

    def figures(self, took_s: float) -> Figures:
        """What was done and found."""
        counted = self._counted
        begun = sum((number + 1) // 2 for number in self._watch.numbers.values())
        return {
            "seconds for the months": f"{took_s:.1f}",
            "requests sent twice": f"{self._asker.repeats:,}",
            "lines of counts that found nothing": f"{counted['counts']:,}",
            "rows below their minimum": f"{counted['low rows']:,}",
            "low raised at those month-ends": f"{counted['low raised']:,}",
            "rows that went to zero": f"{counted['rows to zero']:,}",
            "out begun by them": f"{counted['out begun']:,}",
            "rules of one unit begun by them": f"{counted['last unit begun']:,}",
            "alerts begun, all": f"{begun:,}",
        }


def _pairs(movements: Iterable[Movement]) -> list[Pair]:
    return [(movement.location, sku) for movement in movements for sku, _ in movement.lines]


def _by_location(stock: Mapping[Pair, int]) -> dict[str, dict[str, int]]:
    shelves: dict[str, dict[str, int]] = {}
    for (location, sku), amount in stock.items():
        shelves.setdefault(location, {})[sku] = amount
    return shelves
