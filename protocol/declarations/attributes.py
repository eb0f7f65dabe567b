"""What the office declares of an attribute, as a type.

Invariant: an attribute that nobody declared takes no value; one whose type was changed keeps what documents hold of it,
and asks the new type of what is written from then on.
"""

from protocol.declarations.catalogue import ATTRIBUTES
from protocol.declarations.kinds import Choice, Day, Flag, Kind, Text, Whole
from protocol.declarations.reading import Values, entries_of
from protocol.limits import ATTRIBUTE_CHARS_MAX, DELTA_MAX


def attribute_fault(declared: Values | None, value: object) -> str | None:
    """Why a value cannot be that of an attribute whose declaration has these fields; None when it can."""
    kind = None if declared is None else kind_of(declared)
    if kind is None:
        return "attributes has one that the office has not declared for this collection"
    fault = kind.fault(value)
    return None if fault is None else f"attributes has one that {fault}"


def kind_of(declared: Values) -> Kind | None:
    """The type that a declaration with these fields gives its attribute; None for one of a newer version."""
    match declared.get("type"):
        case "text":
            return Text(ATTRIBUTE_CHARS_MAX)
        case "whole_number":
            return Whole(-DELTA_MAX, DELTA_MAX)
        case "yes_no":
            return Flag()
        case "date":
            return Day()
        case "choice":
            choices = next(one for one in ATTRIBUTES.entries if one.name == "choices")
            return Choice(tuple(entries_of(choices, declared)))
        case _:
            return None
