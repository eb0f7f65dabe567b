"""Edits of declared documents by people who know of each other or not, without a node."""

from collections.abc import Mapping
from typing import Any

from protocol.declarations import COLLECTIONS
from protocol.declarations.editing import Author, changes_of, effects_of
from protocol.declarations.naming import scopes_of
from protocol.declarations.vocabulary import Collection
from protocol.documents import EMPTY, Document, apply
from protocol.effects import DocumentKey, FieldEffect
from protocol.ids import ReplicaId

SKUS, LOTS, ORDERS = COLLECTIONS["skus"], COLLECTIONS["lots"], COLLECTIONS["orders"]
HERE, THERE = ReplicaId(b"the shop's node."), ReplicaId(b"the office node.")


def values(document: Document) -> dict[str, Any]:
    """What the fields hold."""
    return {name: state.value for name, state in document.fields.items()}


def edit(
    collection: Collection,
    seen: Document,
    asked: Mapping[str, object],
    *,
    at_ms: int = 1_000,
    by: ReplicaId = HERE,
    is_office: bool = False,
) -> tuple[FieldEffect, ...]:
    """The effects of a wish of somebody who sees a document so."""
    changes = changes_of(collection, asked, values(seen))
    key = DocumentKey(collection.name, "one")
    places = {"location": "S01"} if collection.locations else {}
    return effects_of(
        collection, key, scopes_of(collection, places), changes, seen, Author(by, at_ms, is_office)
    )


def after(
    collection: Collection, seen: Document, asked: Mapping[str, object], **how: Any
) -> Document:
    """The document once that edit is in it."""
    return apply(seen, edit(collection, seen, asked, **how))


__all__ = ["EMPTY", "HERE", "LOTS", "ORDERS", "SKUS", "THERE", "after", "apply", "edit", "values"]
