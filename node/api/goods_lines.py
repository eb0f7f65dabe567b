"""The lines of goods that orders, transfers and stocktakes take: what moves, what a plan asks for, what was counted.

Invariant: as in a movement's lines, what the line says itself stands over its barcode, and what a code does not say changes
nothing; see `amounts`.
"""

from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from node.api.amounts import NAMED, Amount, faults_of_amount, ways_to_say
from node.api.models import Body, UnitCost
from node.api.values import Code, Date, Name, Reason, Scan
from node.commands.requests import Said
from protocol.limits import DELTA_MAX, LINE_PACKS_MAX

TEA: Final = {"sku": "PARACETAMOL-500-TAB", "lot": "L-2211", "quantity": 200}
_Moved = Annotated[int, Field(ge=1, le=DELTA_MAX)]
_MovedPacks = Annotated[int, Field(ge=1, le=LINE_PACKS_MAX)]
_Set = Annotated[int, Field(ge=0, le=DELTA_MAX)]
_SetPacks = Annotated[int, Field(ge=0, le=LINE_PACKS_MAX)]
_Sku = Annotated[Code | None, Field(description="With a barcode, which of those that it is on.")]
_Barcode = Annotated[
    Scan | None, Field(description="As it was scanned; without packs and quantity, one of it.")
]
_BarcodeOfSome = Annotated[Scan | None, Field(description="As it was scanned.")]
_Pack = Annotated[Name | None, Field(description="The name of a pack; goes with `packs`.")]
_Planned = Annotated[
    Code | Literal[""] | None,
    Field(
        description="The lot of the line that they are for; empty for the line that leaves the lot open. Not given: the "
        "line of this lot if there is one, else the line that leaves the lot open."
    ),
]
_PlannedLot = Annotated[
    Code | None,
    Field(
        description="Which lot; null leaves it to whoever picks. Of a transfer a barcode says it, too."
    ),
]


def _rules(amount: str, number_min: int, *, barcode_is_one: bool, **more: Any) -> ConfigDict:
    number = {"type": "integer", "minimum": number_min}
    ways = ways_to_say(amount, number, barcode_is_one=barcode_is_one)
    return ConfigDict(json_schema_extra={"allOf": [{"anyOf": NAMED}, {"anyOf": ways}], **more})


class _Line(Body):
    """What every line of goods may say in place of its SKU and of base units."""

    amount: ClassVar[str] = "quantity"
    barcode_is_one: ClassVar[bool] = False

    sku: _Sku = None
    barcode: _BarcodeOfSome = None
    lot: Code | None = None
    pack: _Pack = None

    @property
    def units(self) -> int | None:
        """Base units, where it says so itself."""
        found: int | None = getattr(self, self.amount)
        return found

    @property
    def said(self) -> Said | None:
        """What it says in their place; None for nothing."""
        said = Said(self.barcode, self.pack, getattr(self, "packs", None))
        return None if said == Said() else said

    @model_validator(mode="after")
    def _says_enough(self) -> Self:
        if self.sku is None and self.barcode is None:
            raise PydanticCustomError("missing", "sku is required, or a barcode")
        said = Amount(self.units, self.pack, getattr(self, "packs", None), self.barcode)
        for name, kind, message in faults_of_amount(
            said, self.amount, barcode_is_one=self.barcode_is_one
        ):
            raise PydanticCustomError(
                kind,
                "{name} {message}",
                {"name": name, "message": message},
            )
        return self


class GoodsLine(_Line):
    """Some of one lot: `quantity` base units, `packs` of a pack, or what a barcode is on.

    A GS1 code's lot and quantity are taken where the line does not say them.
    """

    model_config = _rules("quantity", 1, barcode_is_one=True)
    barcode_is_one = True

    barcode: _Barcode = None
    quantity: Annotated[_Moved | None, Field(description="Base units.")] = None
    packs: _MovedPacks | None = None
    planned_lot: _Planned = None


class DeliveredLine(GoodsLine):
    """Some of one lot, and what is known of it when it comes from a supplier.

    Of what a supplier delivers a GS1 code's expiry is taken, too.
    """

    unit_cost: UnitCost | None = None
    expiry: Date | None = None


class PlanLine(_Line):
    """A line to add or change."""

    model_config = _rules("quantity", 0, barcode_is_one=False)

    lot: _PlannedLot = None
    quantity: Annotated[
        _Set | None, Field(description="Base units; 0 takes the line out, as 0 packs do.")
    ] = None
    packs: _SetPacks | None = None


class DraftLine(_Line):
    """A line of a draft: so many base units, or packs; kept in base units."""

    model_config = _rules("quantity", 1, barcode_is_one=False)

    lot: _PlannedLot = None
    quantity: Annotated[_Moved | None, Field(description="Base units.")] = None
    packs: _MovedPacks | None = None
    note: Annotated[Reason | None, Field(description="About this line.")] = None


class CountBody(_Line):
    """What is on the shelf of a SKU, or of one lot of it, in base units or in packs."""

    model_config = _rules(
        "counted",
        0,
        barcode_is_one=False,
        examples=[
            {"sku": "85123A", "lot": "L-2211", "counted": 94},
            {"sku": "85123A", "pack": "box of 20", "packs": 4},
        ],
    )
    amount = "counted"

    counted: Annotated[_Set | None, Field(description="Base units.")] = None
    packs: _SetPacks | None = None
