"""How a line of any body names its goods and says how many: by SKU or barcode; in base units, in packs, or by the scan alone.

Invariant: one rule for the lines of movements, orders, transfers and counts, as words for people and as JSON Schema.
`amount` is the member that holds base units: `delta`, `counted`, `quantity`. A barcode alone is one of what it is on where
goods move one way; it is not enough where an amount is set, as in a plan or a count.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

_NOTHING: Final[dict[str, Any]] = {"type": "null"}
_TEXT: Final[dict[str, Any]] = {"type": "string"}
NAMED: Final[list[Any]] = [
    {"required": [name], "properties": {name: _TEXT}} for name in ("sku", "barcode")
]
"""Of which at least one must fit a line."""


class Amount(NamedTuple):
    """What a line says of how many."""

    units: int | None
    pack: str | None
    packs: int | None
    barcode: str | None


def faults_of_amount(
    said: Amount, amount: str, *, barcode_is_one: bool
) -> Iterator[tuple[str, str, str]]:
    """Yield (field, type, message) for each fault."""
    if said.packs is None:
        if said.pack is not None:
            yield "packs", "missing", "is required: how many of the pack"
        if said.units is None and not (barcode_is_one and said.barcode is not None):
            yield amount, "missing", "is required, or packs"
        return
    if said.pack is None and said.barcode is None:
        yield "pack", "missing", "is required: of what, unless a barcode says it"
    if said.units is not None:
        yield amount, "kind", "is worked out from packs"


def ways_to_say(amount: str, number: dict[str, Any], *, barcode_is_one: bool) -> list[Any]:
    """The same as JSON Schema: of these at least one must fit a line. `number` is what base units and packs may be."""
    in_units = {"properties": {amount: number, "pack": _NOTHING, "packs": _NOTHING}}
    in_packs = {
        "properties": {amount: _NOTHING, "packs": number},
        "anyOf": [
            {"properties": {"pack": _TEXT}, "required": ["pack"]},
            {"properties": {"barcode": _TEXT}, "required": ["barcode"]},
        ],
    }
    ways: list[Any] = [{**in_units, "required": [amount]}, {**in_packs, "required": ["packs"]}]
    if barcode_is_one:
        alone = {"barcode": _TEXT, amount: _NOTHING, "pack": _NOTHING, "packs": _NOTHING}
        ways.append({"properties": alone, "required": ["barcode"]})
    return ways
