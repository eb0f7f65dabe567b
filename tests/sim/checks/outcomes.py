"""One document has one outcome, everywhere (I5): the same fields, hence the same stage, and both decisions where both were taken.

Invariant: what a document came to is worked out here, from what the hub holds of it; what nodes show is read the way
their surfaces do.
"""

from collections.abc import Mapping
from typing import Final

from node.commands.depicting import document_json
from node.replica import documents
from protocol.declarations import COLLECTIONS
from protocol.ids import Scope
from tests.shopwork.outcomes import STATUS, is_decided_both_ways, stage_of
from tests.shopwork.papers import COURSES, Paper
from tests.sim import filing
from tests.sim.chain import Chain
from tests.sim.machines import NodeMachine

CONFLICT: Final = "conflicting_status"


def check(chain: Chain) -> None:
    """Compare what every node holds and shows with what the hub holds."""
    db = chain.hub.disk.db
    of_hub = {
        (collection, id_): filing.fields_of(bytes(fields))
        for collection, id_, fields in db.execute(
            "SELECT collection, document_id, fields FROM document"
        )
    }
    scopes: dict[tuple[str, str], list[Scope]] = {}
    for collection, id_, scope in db.execute(
        "SELECT d.collection, d.document_id, s.scope FROM document_scope s"
        " JOIN document d ON d.id = s.document ORDER BY 1, 2, 3"
    ):
        scopes.setdefault((collection, id_), []).append(Scope(scope))
    for machine in chain.staying:
        reads = machine.certificate.reads_scope
        shown = {
            (collection, id_): filing.fields_of(bytes(fields))
            for collection, id_, fields in machine.disk.db.execute(
                "SELECT collection, id, shown FROM document"
            )
        }
        for key, fields in of_hub.items():
            if not any(map(reads, scopes[key])):
                continue
            if shown.get(key) != fields:
                told = _difference(fields, shown.get(key))
                chain.complain(f"I5: {machine.name} shows {key} otherwise than the hub: {told}")
            if key[0] in COURSES:
                _course(chain, machine, Paper(*key, fields))


def _course(chain: Chain, machine: NodeMachine, paper: Paper) -> None:
    """What is shown of its course follows from its fields."""
    declared = COLLECTIONS[paper.collection]
    held = documents.one(machine.disk.db, declared, paper.id)
    if held is None or not paper.is_whole:
        return
    shown = document_json(declared, held, for_office=False)
    stage = stage_of(paper)
    expected: dict[str, object] = {"stage": stage}
    if paper.collection == "orders":
        expected["status"] = STATUS.get(stage, "pending")
    for name, value in expected.items():
        if shown[name] != value:
            told = f"{name} {shown[name]}, and it is {value}"
            chain.complain(f"I5: {machine.name} shows {paper.collection}/{paper.id}: {told}")
    if paper.collection == "stocktakes":
        return
    differences = shown["differences"]
    assert isinstance(differences, list), "they are rows"
    is_told = any(row["matter"] == CONFLICT for row in differences)
    if is_told != is_decided_both_ways(paper):
        told = "tells" if is_told else "does not tell"
        chain.complain(f"I5: {machine.name} {told} of two decisions on {paper.id}")


def _difference(
    hub: Mapping[str, object], node: Mapping[str, object] | None
) -> dict[str, tuple[object, object]] | str:
    if node is None:
        return "it has none"
    names = sorted(hub.keys() | node.keys())
    return {
        name: (hub.get(name), node.get(name)) for name in names if hub.get(name) != node.get(name)
    }
