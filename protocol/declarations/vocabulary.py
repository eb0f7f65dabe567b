"""The words in which a collection is declared.

Invariant: a declaration is data. What follows from it (effects, scopes, models, documents about it) is worked out
elsewhere by functions that take any declaration, so a new collection needs no code of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from protocol.declarations.kinds import Code, Flag, Instant, Kind, Scalar, Text
from protocol.limits import ATTRIBUTES_PER_DOCUMENT_MAX


class Rule(StrEnum):
    """Which of two edits of one field stands, when neither author knew of the other's."""

    LAST = "the later"
    OFFICE = "the office's, then the later"
    EARLIEST = "the earlier date, unless whoever wrote the later one had seen it"
    FIRST = "the first"
    FURTHEST = "the one further on in its states, then the later"


class Set(Enum):
    """When a field gets its value."""

    ANY_TIME = "at any time"
    AT_CREATION = "at creation, for good"
    BY_STEPS = "by the steps of its workflow"
    BY_NODE = "by the node"


class Scanned(Enum):
    """What a line of a plan takes from a barcode that a body names it by."""

    SKU = "which SKU, and how many"
    """Its lot stays open: what is ordered comes in whichever."""
    LOT = "which SKU and lot, and how many"


class Audience(Enum):
    """Which nodes hold a field."""

    READERS = "whoever reads the document"
    OFFICE = "the office"
    """Kept in a document of its own, in a scope that no store reads: it never reaches a store's disk."""


class Writers(Enum):
    """Whose nodes may write a document. The office may write all."""

    OFFICE = "the office"
    CREATED_BY_STORES = "the office; stores create, and change what is marked"
    OF_ITS_LOCATIONS = "the office and the stores of its locations"
    ITS_CREATOR = "the office; at the stores of its location, whoever created it"


class Place(Enum):
    """Which scope a document is in."""

    CATALOGUE = "catalogue"
    DIRECTORY = "directory"
    DIRECTORY_AND_PEOPLE = "directory, and people of its location"
    """Every node reads it; the location is there so that its shop may write it."""
    PEOPLE = "people of its location"
    LOCATIONS = "docs of its locations"
    LOCATION_OR_CATALOGUE = "docs of its location; without one, catalogue"


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a document, which joins on its own."""

    name: str
    kind: Kind
    meaning: str
    rule: Rule = Rule.LAST
    set: Set = Set.ANY_TIME
    required: bool = False
    """Asked for at creation, and never cleared."""
    default: object = None
    """What is shown while nothing is written."""
    audience: Audience = Audience.READERS
    stores_change: bool = False
    """Whether stores may change it where they otherwise only create."""
    is_secret: bool = False
    """Whether it proves somebody: shown to nobody, also not in the audit."""


@dataclass(frozen=True, slots=True)
class Entries:
    """A map or list of which each entry joins on its own, as the field `<name>/<key>`; a removed one is null."""

    name: str
    key: Text | Code
    value: Kind
    meaning: str
    entries_max: int
    """Of those shown and those removed together: the fields of a document never become fewer."""
    stores_change: bool = False
    set: Set = Set.ANY_TIME
    """`BY_STEPS` is never in a body."""
    of_locations: bool = False
    """Whether each entry is its location's own, whose code is its key: no other store writes it."""
    named_by: tuple[str, str] | None = None
    """Of a list of records: the members that name each, so that two people who add the same one make one entry."""
    scanned: Scanned | None = None
    """Of a list of goods: a body may name them by a scan, or count them in packs; they are kept in base units."""


@dataclass(frozen=True, slots=True)
class Only:
    """A field that goes with one value of another."""

    field: str
    other: str
    value: str
    required: bool = False
    """Whether that value also asks for it."""


@dataclass(frozen=True, slots=True)
class Collection:
    """All documents of one sort."""

    name: str
    one: str
    """One of them, in a sentence."""
    model: str
    """How the types of its requests and answers are called."""
    meaning: str
    identity: tuple[str, ...]
    """The fields that name a document; () for a drawn id."""
    place: Place
    writers: Writers
    fields: tuple[Field, ...]
    entries: tuple[Entries, ...]
    example: Mapping[str, object]
    """What creates one."""
    locations: tuple[str, ...] = ()
    """The fields that hold its locations."""
    filters: tuple[str, ...] = ()
    """Fields by whose value lists can be asked for."""
    only: tuple[Only, ...] = ()
    distinct: tuple[str, ...] = ()
    """Fields that may not hold the same."""
    derived: Callable[[Mapping[str, object]], Mapping[str, object]] | None = None
    """What its workflow makes of a document's fields: the values of the fields that are set by steps."""
    told: Callable[[Mapping[str, object]], Mapping[str, object]] | None = None
    """The same, and the values of fields that only whoever is shown the document asks for: no list is filtered by them."""
    open_while: tuple[str, ...] = ()
    """The stages in which it may be edited by hand; () for always."""
    by_acts_alone: bool = False
    """Whether nobody makes or changes its documents by hand: they are shown and listed, and written by acts of their own."""

    def rule(self, name: str) -> Rule:
        """How the field of a name joins, also that of an entry, `<name>/<key>`.

        Where stores create what the office changes, one that was cut off must not undo what the office wrote meanwhile.
        """
        of, slash, _ = name.partition("/")
        found = next((one for one in self.entries if slash and one.name == of), None)
        declared = self.field(name) if found is None else found
        rule = declared.rule if isinstance(declared, Field) else Rule.LAST
        shared = self.writers is Writers.CREATED_BY_STORES
        if rule is Rule.LAST and shared and declared is not None and not declared.stores_change:
            return Rule.OFFICE
        return rule

    def field(self, name: str) -> Field | None:
        """The field of a name, also one that every document has; None for what is none."""
        found = (one for one in (*self.fields, *EVERY_DOCUMENT) if one.name == name)
        return next(found, None)

    @property
    def has_office_part(self) -> bool:
        """Whether some of its fields are the office's alone."""
        return any(one.audience is Audience.OFFICE for one in self.fields)

    @property
    def office_part(self) -> str:
        """The collection that keeps those."""
        return f"{self.name}{OFFICE_SUFFIX}"


OFFICE_SUFFIX: Final = ".office"
ARCHIVED: Final = "archived"
STAGE: Final = "stage"
NUMBER: Final = "number"
CREATED_AT: Final = "created_at"
CREATED_BY: Final = "created_by"
CREATED_AT_NODE: Final = "created_at_node"
ATTRIBUTES: Final = "attributes"

EVERY_DOCUMENT: Final = (
    Field(
        ARCHIVED,
        Flag(),
        "Whether it was deleted; setting it to false takes that back.",
        default=False,
    ),
    Field(
        CREATED_AT,
        Instant(),
        "When it was first created, by the clock of the node.",
        rule=Rule.FIRST,
        set=Set.BY_NODE,
    ),
    Field(CREATED_BY, Text(), "Whose token created it.", rule=Rule.FIRST, set=Set.BY_NODE),
    Field(
        CREATED_AT_NODE,
        Text(),
        "The name of the node where it was created.",
        rule=Rule.FIRST,
        set=Set.BY_NODE,
    ),
)
"""What every document has beside the fields of its collection."""

OWN_ATTRIBUTES: Final = Entries(
    ATTRIBUTES,
    Code(),
    Scalar(),
    "Fields that the office has declared for this collection, by name; see `attributes`.",
    entries_max=ATTRIBUTES_PER_DOCUMENT_MAX,
)
