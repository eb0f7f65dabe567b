"""The paperwork of a recorded morning: what is asked, and what an answer promises to be in the folder after any crash.

Invariant: an act is there whole or not at all, with what was booked for it. What an answer showed of a document (its lines,
decisions, goods and counts) is in the document from then on.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from deploy.client import Client
from protocol.effects import CounterEffect, FieldEffect
from protocol.operation import decode
from tests.shopwork.papers import Key, Paper
from tests.sim import filing

TEA, RICE = "TEA", "RICE"
_ANSWER_S_MAX: Final = 30.0
_PLAN: Final = [{"sku": TEA, "quantity": 9}, {"sku": RICE, "lot": "A", "quantity": 6}]
_PARCEL: Final = [{"sku": TEA, "quantity": 5}, {"sku": RICE, "lot": "A", "quantity": 6}]

Act = tuple[str, str, dict[str, Any], bytes]
"""Address, key, body, and what was answered."""


class Clerk:
    """Asks for one act after another, and keeps what was answered."""

    def __init__(self, client: Client, name: str) -> None:
        self.acts: list[Act] = []
        self._client = client
        self._name = name

    async def asks(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask once; it has to be done."""
        key = f"{self._name}-{len(self.acts)}"
        answer = await self._client.send(path, body, key, timeout_s=_ANSWER_S_MAX)
        assert answer.status in {200, 201}, answer
        self.acts.append((path, key, body, answer.body))
        return answer.json()


async def morning(client: Client, here: str, there: str) -> list[Act]:
    """A customer's order reserved and fulfilled, a transfer allocated and shipped by parcel, a count, an edit."""
    clerk = Clerk(client, f"clerk-{here}")
    order = await _drafts(clerk, "orders", kind="customer", location=here, lines=_PLAN)
    await clerk.asks(f"{order}/place", {})
    await clerk.asks(f"{order}/fulfil", {"lines": [{"sku": TEA, "quantity": 4}]})
    transfer = await _drafts(clerk, "transfers", source=here, destination=there, lines=_PLAN)
    await clerk.asks(f"{transfer}/allocate", {})
    await clerk.asks(f"{transfer}/ship", {"lines": _PARCEL, "parcel": "P1"})
    stocktake = await _drafts(clerk, "stocktakes", location=here)
    for line in ({"sku": TEA, "counted": 40}, {"sku": RICE, "lot": "A", "counted": 12}):
        await clerk.asks(f"{stocktake}/lines", line)
    await clerk.asks(f"{stocktake}/submit", {})
    await clerk.asks(f"{stocktake}/finalise", {"reason": "counted"})
    await clerk.asks(f"{order}/fulfil", {})
    await _drafts(clerk, "levels", location=here, sku=TEA, minimum=7)
    cancelled = await _drafts(clerk, "orders", kind="customer", location=here, lines=_PLAN)
    await clerk.asks(f"{cancelled}/place", {})
    await clerk.asks(f"{cancelled}/cancel", {})
    return clerk.acts


async def _drafts(clerk: Clerk, collection: str, **fields: Any) -> str:
    document = await clerk.asks(f"/v1/{collection}", fields)
    return f"/v1/{collection}/{document['id']}"


class Promises:
    """What was answered of documents so far, and which parts of them belong together."""

    def __init__(self, acts: Sequence[Act] = ()) -> None:
        """`acts` are all of a recording, in their order, also those not answered yet."""
        self._answered: dict[str, set[str]] = defaultdict(set)
        self._whole: dict[str, list[frozenset[str]]] = defaultdict(list)
        self._requests = {answer: (path, key, body) for path, key, body, answer in acts}
        self.repeatable: list[tuple[str, str, dict[str, Any], bytes]] = []
        """Those answered by now."""
        before: dict[str, set[str]] = defaultdict(set)
        for *_, answer in acts:
            said = json.loads(answer)
            names = _names(said)
            if new := names - before[said["id"]]:
                self._whole[said["id"]].append(frozenset(new))
            before[said["id"]] |= names

    def note(self, body: bytes, said: Mapping[str, Any]) -> None:
        """A document was answered: from now on what it shows is a promise."""
        self._answered[said["id"]] |= _names(said)
        if body in self._requests:
            self.repeatable.append((*self._requests[body], body))

    def broken(self, held: Mapping[str, frozenset[str]]) -> Iterator[str]:
        """What is missing of documents that hold these fields, by id."""
        for id_, names in self._answered.items():
            if lost := {each for each in names if not _is_in(each, held.get(id_, frozenset()))}:
                yield f"lost: {sorted(lost)[:3]} of document {id_} was answered"
        for id_, groups in self._whole.items():
            fields = held.get(id_, frozenset())
            for group in groups:
                found = {each for each in group if _is_in(each, fields)}
                if found and found != group:
                    yield f"part of an act: {sorted(group - found)[:3]} of {id_} is missing"


def fields_held(db: sqlite3.Connection) -> dict[str, frozenset[str]]:
    """The names of the fields of each document in a node's database."""
    return {
        row["id"]: frozenset(filing.fields_of(bytes(row["shown"])))
        for row in db.execute("SELECT id, shown FROM document")
    }


def unbalanced(db: sqlite3.Connection) -> Iterator[str]:
    """Documents whose books are not right, or whose operations in this log did not move what they say they moved."""
    moved: dict[str, Counter[Key]] = defaultdict(Counter)
    written: dict[str, set[str]] = defaultdict(set)
    for row in db.execute("SELECT body FROM log"):
        operation = decode(row["body"])
        id_ = str(operation.details.get("id"))
        for effect in operation.effects:
            if isinstance(effect, CounterEffect):
                key = effect.location, effect.sku, effect.lot, int(effect.account)
                moved[id_][key] += effect.delta
            elif isinstance(effect, FieldEffect):
                written[effect.id].add(effect.field)
    for paper in filing.of_node(db).values():
        if not paper.is_whole:
            yield f"only a part of {paper.collection}/{paper.id} is there"
        elif missing := paper.missing():
            yield f"part of an act: {paper.collection}/{paper.id} has still to have booked {missing}"
        elif _is_written_here(paper, written[paper.id]):
            says = {key: n for key, n in paper.accounts().items() if n}
            did = {key: n for key, n in moved[paper.id].items() if n}
            if says != did:
                yield f"{paper.collection}/{paper.id} says {says}, and moved {did}"


def _is_written_here(paper: Paper, names: set[str]) -> bool:
    """Whether all that moved or was booked for it is in this log."""
    return all(name in names for name in paper.fields if name.startswith(("moved/", "booked/")))


def _names(said: Mapping[str, Any]) -> set[str]:
    """The fields that an answered document must have; a name that ends in / is of any field under it."""
    found = {f"lines/{line['id']}" for line in said.get("lines", ())}
    found |= {f"decided/{each['decision']}" for each in said.get("decisions", ())}
    found |= {f"moved/{each['leg']}/{each['event']}" for each in said.get("events", ())}
    if "line" in said:
        found.add(f"counts/{said['line']['line']}/")
    if said.get("stage") in {"review", "finalised"}:
        found.add(f"decided/{said['stage']}")
    return found | ({"minimum"} if said.get("minimum") is not None else set())


def _is_in(name: str, fields: frozenset[str]) -> bool:
    return name in fields or (name.endswith("/") and any(each.startswith(name) for each in fields))
