"""`/v1/reports/controlled`: the controlled-drug register of a shop.

Rule: the register is read and never written here; what stands in it is recorded and taken back as any movement is.
"""

from typing import Annotated, Final, Literal, Self

from aiohttp import web
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from node.api.reports.frame import ReportAsked, Reported, Sheet, report_model, send
from node.api.shown import Count, Id, Shown, Time
from node.api.values import Code, Instant
from node.commands.requests import Caller
from node.node import Node
from node.reports.register import ControlledRegister


class RegisterAsked(ReportAsked):
    """Which entries; what is not given does not restrict."""

    location: Annotated[
        Code | None, Field(description="Left out where this node writes only one.")
    ] = None
    sku: Annotated[Code | None, Field(description="One that is not controlled has no entries.")] = (
        None
    )
    lot: Annotated[
        Code | Literal[""] | None,
        Field(description="Only together with `sku`; empty for goods without a lot."),
    ] = None
    since: Annotated[
        Instant | None,
        Field(
            description="By when an entry was recorded; what was left before it is brought forward."
        ),
    ] = None
    until: Annotated[Instant | None, Field(description="Not included.")] = None

    @model_validator(mode="after")
    def _lot_is_of_a_sku(self) -> Self:
        if self.lot is not None and self.sku is None:
            raise PydanticCustomError("lot", "a lot is asked for together with its sku")
        return self


class RegisterRow(Shown):
    """An entry of the register: what one movement did to one lot. Entries are never edited or removed."""

    location: str
    sku: str
    name: str | None
    lot: str | None
    row: Literal["brought_forward", "entry"]
    """`brought_forward`: what was left before the first entry that is shown, or that this node holds."""
    id: Id | None
    """The movement; null of what is brought forward, as is all that only an entry has."""
    recorded_at: Time | None
    """When it was entered; entries stand in the order in which they came."""
    occurred_at: Time | None
    kind: str | None
    """Of the movement."""
    quantity_in: Count | None
    """Base units."""
    quantity_out: Count | None
    counted: Count | None
    """Of a count: what was on the shelf."""
    balance: int
    """What was left of the lot after it; after the last one, what is on hand."""
    reference: str | None
    reason: str | None
    actor: str | None
    """Who recorded it."""
    device: str | None
    witness: str | None
    """Who saw it."""
    witness_missing: bool
    """Whether the catalogue asks for a witness, and none was named."""
    reverses: Id | None
    """The entry that this one corrects; both stay."""
    reversed_by: Id | None
    """The entry that corrects this one."""
    is_direct: bool
    """Whether it changed the balance by word alone, and names no entry that it corrects: an adjustment or a count."""
    is_set_aside: bool
    """Whether the hub could not take it; then it changes no balance."""


class RegisterTotals(Shown):
    """Whose register."""

    location: str
    controlled_skus: Count
    """How many SKUs it is about."""


Register = report_model(
    "ControlledRegister", RegisterRow, RegisterTotals, "The controlled-drug register of a shop."
)
_SHEET: Final = Sheet("controlled", RegisterRow)


async def show_controlled(
    node: Node, caller: Caller, request: web.Request, asked: RegisterAsked
) -> Annotated[web.Response, Reported(Register)]:
    """Show the controlled-drug register.

    Every entry of every SKU that the catalogue says is controlled, lot by lot, with who recorded and who saw it and the
    balance after it. A correction is an entry that names the one which it takes back; changes that name none are marked.
    """
    made = ControlledRegister(asked.location, asked.sku, asked.lot, asked.since, asked.until)
    return await send(node, caller, request, asked, made, _SHEET)
