"""Who has to say that they have seen something, by when, and who has not: orders at a supplier, recalls at the shops.

Invariant: one element for each who is asked and one for each who answered, so answers given apart all count and nobody
who answered is asked again.

    asked/<who>           {until}: instant in UTC milliseconds, or null
    acknowledged/<who>    {by, at}
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from protocol.documents import Document
from protocol.ids import check_code
from protocol.workflows.steps import FieldWrite, field_value

ASKED: Final = "asked/"
ACKNOWLEDGED: Final = "acknowledged/"


class Awaited(NamedTuple):
    """Somebody who has not answered."""

    who: str
    """A location's code, or what the document's kind calls the other side."""
    until_ms: int | None
    is_late: bool


def ask(who: str, until_ms: int | None) -> FieldWrite:
    """Ask somebody, or move the date.

    Raises:
        ProtocolError: `bad_value`: `who` is not a code.
    """
    return FieldWrite(f"{ASKED}{check_code(who, 'who is asked')}", {"until": until_ms})


def acknowledge(who: str, by: str, at_ms: int) -> FieldWrite:
    """Answer for somebody who was asked, or who was not.

    Raises:
        ProtocolError: `bad_value`: `who` is not a code.
    """
    return FieldWrite(
        f"{ACKNOWLEDGED}{check_code(who, 'who acknowledges')}", {"by": by, "at": at_ms}
    )


def awaited(document: Document, now_ms: int) -> tuple[Awaited, ...]:
    """Who was asked and has not answered: the late ones first, then by date, those without one last."""
    found = []
    for name, state in document.fields.items():
        who = name.removeprefix(ASKED)
        if not name.startswith(ASKED) or field_value(document, f"{ACKNOWLEDGED}{who}") is not None:
            continue
        until = state.value.get("until") if isinstance(state.value, Mapping) else None
        until_ms = until if type(until) is int else None
        found.append(Awaited(who, until_ms, until_ms is not None and until_ms < now_ms))
    return tuple(sorted(found, key=lambda one: (one.until_ms is None, one.until_ms or 0, one.who)))
