"""The bodies of requests, as shapes: which fields there are and what each may hold.

Invariant: strict and closed. True is not 1, "5" and 5.0 are not 5, and an unknown field is refused rather than
ignored, so that a misspelt one is not a movement that was recorded without it. What depends on several fields at
once is in `translation`.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from node.api.amounts import NAMED, ways_to_say
from node.api.values import (
    KINDS_BY_HAND,
    Code,
    Currency,
    Date,
    Delta,
    DescribedAs,
    Details,
    Instant,
    KeyText,
    LetterText,
    Name,
    Note,
    PackCount,
    Quantity,
    Reason,
    RecordedKind,
    Reference,
    Role,
    Scan,
    UserId,
)
from node.commands.picking import PICKED
from protocol.limits import BATCH_MOVEMENTS_MAX, LINES_MAX
from protocol.movements import RULES, MoveKind, Sign


class Body(BaseModel):
    """What every body has in common."""

    # Built when the first of them is read: a node starts, and a command ends, without building those of every address.
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)


class UnitCost(Body):
    """Money: `amount` in the currency's minor unit."""

    amount: Quantity
    currency: Currency


class LineBody(Body):
    """One line of a movement: a signed `delta` in base units, or for a count what was `counted`.

    In their place `packs` says how many of a `pack` of the SKU, or of what the `barcode` is on; a barcode alone is one of
    it, where the kind says which way goods go. A GS1 code's lot, quantity and, of goods received, expiry are taken where
    the line does not say them.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": NAMED,
        }
    )

    sku: Annotated[
        Code | None, Field(description="With a barcode, which of those that it is on.")
    ] = None
    barcode: Annotated[Scan | None, Field(description="As it was scanned.")] = None
    lot: Code | None = None
    delta: Delta | None = None
    counted: Quantity | None = None
    pack: Annotated[Name | None, Field(description="The name of a pack; goes with `packs`.")] = None
    packs: Annotated[
        PackCount | None, Field(description="Signed as `delta` is; of a count, what was counted.")
    ] = None
    supplier: Name | None = None
    unit_cost: UnitCost | None = None
    expiry: Date | None = None


def _asked_of(kind: MoveKind) -> tuple[str, Sign, bool, bool]:
    """What JSON Schema can say of a kind: which amount its lines have, its sign, a reason, facts of goods in."""
    rule = RULES[kind]
    amount = "counted" if kind is MoveKind.COUNT else "delta"
    return amount, rule.sign, rule.needs_reason, kind is MoveKind.RECEIVE


_BOUNDS: Final = {Sign.IN: {"minimum": 0}, Sign.OUT: {"maximum": 0}, Sign.EITHER: {}}


def _line_of(amount: str, sign: Sign, absent: list[str]) -> dict[str, Any]:
    """How many of what a line may say: base units, packs, or nothing but a barcode."""
    bound = {"minimum": 0} if amount == "counted" else _BOUNDS[sign]
    number = {"type": "integer", **bound}
    ways = ways_to_say(amount, number, barcode_is_one=sign is not Sign.EITHER)
    return {"properties": {name: {"type": "null"} for name in absent}, "anyOf": ways}


def _by_kind() -> list[Any]:
    """What each kind asks of its lines and its reason, as `translation` checks it."""
    conditions = []
    for asked in dict.fromkeys(map(_asked_of, KINDS_BY_HAND)):
        amount, sign, needs_reason, goods_in = asked
        absent = ["delta" if amount == "counted" else "counted"]
        if not goods_in:
            absent += ["supplier", "unit_cost", "expiry"]
        then: dict[str, Any] = {"lines": {"items": _line_of(amount, sign, absent)}}
        if needs_reason:
            then["reason"] = {"type": "string", "pattern": r"\S"}
        kinds = [kind.value for kind in KINDS_BY_HAND if _asked_of(kind) == asked]
        conditions.append(
            {
                "if": {"properties": {"kind": {"enum": kinds}}},
                "then": {"properties": then, **({"required": ["reason"]} if needs_reason else {})},
            }
        )
    return [*conditions, _OVERRIDING]


_OVERRIDING: Final[dict[str, Any]] = {
    "if": {"properties": {"override_lot": {"const": True}}, "required": ["override_lot"]},
    "then": {
        "properties": {
            "kind": {"enum": sorted(kind.value for kind in PICKED)},
            "reason": {"type": "string", "pattern": r"\S"},
        },
        "required": ["reason"],
    },
}


SALE: Final[dict[str, Any]] = {
    "kind": "sale",
    "location": "S01",
    "reference": "receipt 536365",
    "occurred_at": "2010-12-01T08:26:00Z",
    "lines": [{"sku": "85123A", "delta": -6}],
}
RECEIPT: Final[dict[str, Any]] = {
    "kind": "receive",
    "location": "S01",
    "lines": [
        {
            "sku": "85123A",
            "lot": "L-2211",
            "delta": 144,
            "supplier": "Lakeside Wholesale",
            "unit_cost": {"amount": 255, "currency": "GBP"},
            "expiry": "2027-06-30",
        }
    ],
}
COUNT: Final[dict[str, Any]] = {
    "kind": "count",
    "location": "S01",
    "lines": [{"sku": "85123A", "counted": 94}],
}
WASTE: Final[dict[str, Any]] = {
    "kind": "waste",
    "location": "S01",
    "reason": "broken",
    "lines": [{"sku": "85123A", "delta": -1}],
}


class MovementBody(Body):
    """What happened to the goods."""

    model_config = ConfigDict(
        json_schema_extra={"allOf": _by_kind(), "examples": [SALE, RECEIPT, COUNT, WASTE]}
    )

    kind: RecordedKind
    location: Code
    lines: Annotated[list[LineBody], Field(min_length=1, max_length=LINES_MAX)]
    reference: Reference | None = None
    occurred_at: Instant | None = None
    reason: Reason | None = None
    note: Note | None = None
    details: Details = Field(default_factory=dict)
    override_lot: Annotated[
        bool,
        Field(
            description="Of a sale: take lots all the same that have expired, or are held, quarantined or recalled. "
            "The operator alone, with a reason; each such line keeps why."
        ),
    ] = False
    witness: Annotated[
        Name | None,
        Field(
            description="The second person who saw it. Of a SKU whose catalogue entry says `witness` none is sold, "
            "dispensed or thrown away without one, who is not the one who records it."
        ),
    ] = None


class BatchItem(MovementBody):
    """A movement and the key that it would have had as Idempotency-Key."""

    model_config = ConfigDict(
        json_schema_extra={"allOf": _by_kind(), "examples": [{"key": "receipt-536365", **SALE}]}
    )

    key: KeyText


class BatchBody(Body):
    """Several movements, recorded in order. Each is checked on its own: a bad one spoils no other."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"movements": [{"key": "receipt-536365", **SALE}, {"key": "count-7", **COUNT}]}
            ]
        }
    )

    movements: Annotated[
        list[Annotated[Any, DescribedAs(BatchItem)]], Field(max_length=BATCH_MOVEMENTS_MAX)
    ]


class Nothing(Body):
    """A body that says nothing: `{}`, or none at all."""


class ReversalBody(Nothing):
    """Who saw it, where somebody did; none at all is sent otherwise."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"witness": "pharmacist"}, {}]})

    witness: Annotated[
        Name | None, Field(description="The second person who saw it, not the one who records it.")
    ] = None


class AboutBody(Body):
    """The document that a message points at."""

    collection: Literal["skus", "orders", "transfers"]
    id: Code


class MessageBody(Body):
    """A message from a location of this node to another, to those of a role there, or to one person there."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "origin": "S01",
                    "to": "S02",
                    "role": "pharmacist",
                    "text": "Have you any of it left?",
                    "about": {"collection": "skus", "id": "PARACETAMOL-500-TAB"},
                }
            ]
        }
    )

    origin: Annotated[Code, Field(description="Where it is sent from.")]
    to: Annotated[Code, Field(description="The location it is for.")]
    role: Annotated[
        Role | None, Field(description="Only those of this role there; without one, everybody.")
    ] = None
    person: Annotated[
        UserId | None,
        Field(description="Only this user there, by their id; not together with a role."),
    ] = None
    text: LetterText
    about: AboutBody | None = None


class RecoveryBody(Body):
    """The chain's recovery key, as it was printed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"recovery_key": "RECOVERY-AAAAAAAA-BBBBBBBB"}]}
    )

    recovery_key: Annotated[str, Field(min_length=1, max_length=1_000)]


class NamedTill(Body):
    """Whose tokens: a till's name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "till-1"}]})

    name: Name


class TokenBody(NamedTill):
    """Whose token it is, and where it counts."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "till-1"}, {"name": "till-2", "lan": True}]}
    )

    lan: bool = False
    """Whether it counts when it comes from another machine, and only then; see `everstock-node lan`."""
