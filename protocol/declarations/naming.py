"""What a document is called and which scopes it is in, both worked out from what it says.

Invariant: an id made of codes is read back as exactly those codes, and the scopes follow from fields that are set once,
at creation. So whoever knows an id and those fields names the same scopes, and no edit moves a document to new readers.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from protocol.declarations.vocabulary import OFFICE_SUFFIX, Collection, Place
from protocol.effects import DocumentKey, FieldEffect
from protocol.ids import Scope
from protocol.limits import DOCUMENT_ID_CHARS_MAX

OFFICE_SCOPE: Final = Scope("docs:*")
"""What only offices read: no store may ever be enrolled to write a location of this code."""
CATALOGUE_SCOPE: Final = Scope("catalogue")
DIRECTORY_SCOPE: Final = Scope("directory")
EVERY_LOCATION: Final = "*"
"""In the place of a location's code: what somebody is in the whole chain. Only offices read and write it."""


def id_of(codes: Sequence[str]) -> str:
    """Name a document by one code, which is its id, or by two: joined by `/`, with a `/` inside a code as `~1` and a `~` as
    `~0` (RFC 6901).
    """
    if len(codes) == 1:
        return codes[0]
    return "/".join(code.replace("~", "~0").replace("/", "~1") for code in codes)


def codes_of(collection: Collection, id_: str) -> dict[str, str]:
    """The fields that an id says; {} for a drawn one."""
    if len(collection.identity) < 2:
        return dict.fromkeys(collection.identity, id_)
    codes = (code.replace("~1", "/").replace("~0", "~") for code in id_.split("/"))
    return dict(zip(collection.identity, codes, strict=False))


def id_fault(id_: str) -> str | None:
    """Why codes, each short enough, cannot name a document together; None when they can."""
    if len(id_) > DOCUMENT_ID_CHARS_MAX:
        return (
            f"its codes must have at most {DOCUMENT_ID_CHARS_MAX} characters together, "
            "where `~` and `/` count twice"
        )
    return None


def scopes_of(collection: Collection, values: Mapping[str, object]) -> tuple[Scope, ...]:
    """The scopes of a document that holds these values, sorted."""
    match collection.place:
        case Place.CATALOGUE:
            return (CATALOGUE_SCOPE,)
        case Place.DIRECTORY:
            return (DIRECTORY_SCOPE,)
        case Place.DIRECTORY_AND_PEOPLE:
            places = locations_of(collection, values)
            return (DIRECTORY_SCOPE, *(people_scope(code) for code in sorted(places)))
        case Place.PEOPLE:
            return tuple(people_scope(code) for code in sorted(locations_of(collection, values)))
        case Place.LOCATIONS | Place.LOCATION_OR_CATALOGUE:
            places = locations_of(collection, values)
            return tuple(Scope(f"docs:{code}") for code in sorted(places)) or (CATALOGUE_SCOPE,)


def people_scope(location: str) -> Scope:
    """The scope of a location's people."""
    return Scope(f"people:{location}")


def locations_of(collection: Collection, values: Mapping[str, object]) -> frozenset[str]:
    """The locations that a document holding these values is of."""
    named = (values.get(name) for name in collection.locations)
    return frozenset(value for value in named if isinstance(value, str))


def shown_as(collections: Mapping[str, Collection], key: DocumentKey) -> DocumentKey:
    """The document as a part of which a row is shown: of the office's part that which it is a part of, else itself."""
    main = collections.get(key.collection.removesuffix(OFFICE_SUFFIX))
    return key if main is None else DocumentKey(main.name, key.id)


def is_well_placed(collections: Mapping[str, Collection], effect: FieldEffect) -> bool:
    """Whether a document may be in the scopes that an edit names, as far as its key tells.

    Scopes only grow: whoever may name any scope on a document whose id can be guessed (the office's part of a SKU,
    another shop's level) could put it into one of their own before it exists, and read all that is written there later.
    A collection that this version does not know may be anywhere.
    """
    main = collections.get(effect.collection.removesuffix(OFFICE_SUFFIX))
    if main is None:
        return True
    if effect.collection != main.name:
        return main.has_office_part and effect.scopes == (OFFICE_SCOPE,)
    match main.place:
        case Place.CATALOGUE:
            return effect.scopes == (CATALOGUE_SCOPE,)
        case Place.DIRECTORY:
            return effect.scopes == (DIRECTORY_SCOPE,)
        case Place.DIRECTORY_AND_PEOPLE:
            directory, *people = effect.scopes or (Scope(""),)
            # One shop at most: whoever is in the scope of two could be written by either.
            return directory == DIRECTORY_SCOPE and (
                not people or (len(people) == 1 and people[0].startswith("people:"))
            )
        case Place.LOCATIONS | Place.LOCATION_OR_CATALOGUE | Place.PEOPLE if main.identity:
            return effect.scopes == scopes_of(main, codes_of(main, effect.id))
        case Place.LOCATIONS | Place.PEOPLE:
            return all(scope.startswith("docs:") for scope in effect.scopes)
        case Place.LOCATION_OR_CATALOGUE:
            return effect.scopes == (CATALOGUE_SCOPE,) or all(
                scope.startswith("docs:") for scope in effect.scopes
            )
