"""How an exception looks: in lists and live."""

import sqlite3

from node.commands.answering import id_to_text, time_to_text
from node.exceptions import listed, wording
from node.exceptions.listed import Listed
from protocol.ids import OpId, Scope


def exception_json(db: sqlite3.Connection, row: Listed) -> dict[str, object]:
    """An exception as REST shows it, with what people said of it, oldest first."""
    said = sorted(listed.said_of(db, row.id).items(), key=lambda one: (one[1]["at"], one[0]))
    operation = id_to_text(OpId(bytes.fromhex(row.operation))) if row.operation else None
    quantity = row.facts.get("quantity")
    return {
        "id": row.id,
        "code": row.code.value,
        "state": _state(row),
        "version": row.version,
        "matter": row.matter or None,
        "location": row.location or None,
        "other_location": row.other_location or None,
        "sku": row.sku or None,
        "lot": row.lot or None,
        "collection": row.collection or None,
        "document": row.document or None,
        "operation": operation,
        "quantity": quantity if isinstance(quantity, int) else None,
        "sentence": wording.sentence(row),
        "what_to_do": wording.what_to_do(row),
        "since": time_to_text(row.since_ms),
        "mended_at": None if row.ended_ms is None else time_to_text(row.ended_ms),
        "resolutions": [{**one, "at": time_to_text(one["at"])} for _, one in said],
    }


def scopes_of(row: Listed) -> tuple[Scope, ...]:
    """Who follows it live: those who read the papers of its locations; what is about the chain is everybody's."""
    places = [one for one in (row.location, row.other_location) if one]
    return tuple(Scope(f"docs:{one}") for one in places) or (Scope("catalogue"),)


def _state(row: Listed) -> str:
    if row.ended_ms is not None:
        return "mended"
    return "resolved" if row.resolved else "open"
