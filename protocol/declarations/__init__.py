"""Every collection of documents, declared once: fields, types, joins, scopes and who may write.

Invariant: what a surface takes and shows, what the data dictionary says and what rights allow is read from these
declarations; nothing else lists a collection's fields. A field that this version does not know is kept and never shown.

    kinds        the types of values: what fits, what JSON Schema says
    vocabulary   the words in which a collection is declared
    naming       ids, and the scopes that a document is in
    attributes   what the office declares of an attribute, as a type
    editing      from what somebody wants to what each field's effect is
    reading      from a document's fields to what is shown of it
    catalogue, shops, paperwork, resolutions     the collections themselves
    people       those that no surface shows as they are
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from protocol.declarations import catalogue, paperwork, people, resolutions, shops
from protocol.declarations.vocabulary import Collection

COLLECTIONS: Final[Mapping[str, Collection]] = MappingProxyType(
    {
        one.name: one
        for one in (
            *catalogue.COLLECTIONS,
            *shops.COLLECTIONS,
            *paperwork.COLLECTIONS,
            *resolutions.COLLECTIONS,
        )
    }
)
"""By name, in the order in which the data dictionary has them: those that surfaces show."""
PEOPLE: Final[Mapping[str, Collection]] = MappingProxyType(
    {one.name: one for one in people.COLLECTIONS}
)
"""Those of people, which `node.people` alone reads and writes: no list, stream or export has them."""
DECLARED: Final[Mapping[str, Collection]] = MappingProxyType({**COLLECTIONS, **PEOPLE})
"""All: what rights are decided by."""
