"""`/v1/audit`: who did what to what, and when, as far as it is recorded at this node.

Rule: what stands in the audit is recorded by what it tells of; here nothing is written, but that a table was taken out.
Who may read that of some locations names one of them, and is shown what was done there.
"""

from typing import Annotated, Final

from aiohttp import web
from pydantic import Field

from node.api.reports.frame import ReportAsked, Reported, Sheet, is_table, report_model, send
from node.api.shown import Count, Id, Shown, Time
from node.api.typed import Route
from node.api.values import Code, Instant
from node.commands.requests import Caller
from node.node import Node
from node.reports.audit import Audit
from protocol.access.table import action
from protocol.audit import Wanted, entity_wanted
from protocol.limits import DOCUMENT_ID_CHARS_MAX, NAME_CHARS_MAX
from protocol.notes import Action, Entity, Note

_ENTITY_CHARS_MAX: Final = NAME_CHARS_MAX + 1 + DOCUMENT_ID_CHARS_MAX


class AuditAsked(ReportAsked):
    """Which records; what is not given does not restrict."""

    since: Annotated[Instant | None, Field(description="By when it was recorded.")] = None
    until: Annotated[Instant | None, Field(description="Not included.")] = None
    location: Annotated[
        Code | None,
        Field(description="Only what names this location; whoever may not see all names one."),
    ] = None
    actor: Annotated[
        str | None,
        Field(max_length=NAME_CHARS_MAX, description="The person, or the till or screen."),
    ] = None
    action: Annotated[
        str | None,
        Field(
            max_length=NAME_CHARS_MAX,
            description="As in `note.sign_in_refused`; `note` for all notes, `move` for all movements.",
        ),
    ] = None
    entity: Annotated[
        str | None,
        Field(
            max_length=_ENTITY_CHARS_MAX,
            description="`TYPE` or `TYPE/ID`, as in `skus/A-100`: all records that name it.",
        ),
    ] = None


class AuditRow(Shown):
    """One record, newest first."""

    recorded_at: Time
    """By the clock of the device that recorded it."""
    occurred_at: Time
    actor: str
    """The person, or the till where no person is known."""
    device: str
    action: str
    """`move.sale` and the like, `edit`, `note.signed_in` and the like."""
    entity_type: str | None
    """What it is about: a collection, `movements`, `person`, `token` and so on."""
    entity_id: str | None
    location: str | None
    payload: str
    """JSON in one line: what was changed, or what a note says. Sealed values are bytes, in hexadecimal."""
    replica: str | None
    """The log that it stands in, in hexadecimal."""
    seq: Count | None
    """Its place there; null of an edit or a note that has left the log and is kept beside it."""
    id: Id | None


_Audit = report_model("Audit", AuditRow, None, "What was recorded at this node, newest first.")
_SHEET: Final = Sheet("audit", AuditRow)


async def show_audit(
    node: Node, caller: Caller, request: web.Request, asked: AuditAsked
) -> Annotated[web.Response, Reported(_Audit)]:
    """Show the audit.

    Everything that was recorded at this node: movements, edits, and notes of what changed nothing, such as a refused sign-in or
    a sealed detail that was opened. A page may be short where few records are wanted; `next` goes on.
    """
    wanted = Wanted(
        asked.since,
        asked.until,
        asked.actor,
        asked.action,
        None if asked.entity is None else entity_wanted(asked.entity),
        asked.location,
    )
    if is_table(request, asked) and asked.cursor is None:
        said = {name: value for name, value in request.query.items() if name != "limit"}
        await node.note(caller, Note(Action.EXPORTED, Entity("audit", "table"), said))
    return await send(node, caller, request, asked, Audit(wanted), _SHEET)


AUDIT_ROUTES: Final = (
    Route(
        "GET",
        "/v1/audit",
        show_audit,
        ("too_large", "disk_full"),
        action("audit.read"),
        tag="audit",
    ),
)
