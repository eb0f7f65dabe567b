"""What each exception says, and what to do about it: one sentence, and the act or address that mends it.

Rule: whoever reads it has never seen this program's source. Every kind has words, every address named exists (a test asks
the table of routes), and codes that others chose are given as they are, in quotes.
"""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

from node.commands.answering import id_to_text
from node.exceptions.listed import Listed
from protocol.findings.finding import Code
from protocol.ids import OpId
from protocol.limits import NOTE_CHARS_MAX
from protocol.workflows.differences import Matter

_ONE: Final = {"orders": "order", "transfers": "transfer", "stocktakes": "stocktake"}


def sentence(row: Listed) -> str:
    """What was found."""
    return _SENTENCES[row.code](row)[:NOTE_CHARS_MAX]


def what_to_do(row: Listed) -> str:
    """What mends it, or whom to ask."""
    return _ACTS[row.code](row)


# --- what was found -------------------------------------------------------------------------------------------


def _below_zero(row: Listed) -> str:
    return f"{_goods(row)} at {_q(row.location)} shows {-_number(row, 'quantity')}: more left than was ever there."


def _late_movement(row: Listed) -> str:
    moved, movements = _number(row, "quantity"), _number(row, "movements")
    return (
        f"{_goods(row)} at {_q(row.location)} was counted as {_number(row, 'counted')} and corrected; then {movements} "
        f"movement{'s' * (movements != 1)} of before the count arrived, {moved:+} in all, of which the count did not know."
    )


def _transfer_difference(row: Listed) -> str:
    amount = f"{_number(row, 'quantity')} of {_goods(row)}"
    way = f"from {_q(row.location)} to {_q(row.other_location)}"
    match row.matter:
        case Matter.SHORT:
            return f"{amount} sent {way} did not arrive, and counts as lost."
        case Matter.OVER:
            return f"{amount} more arrived than was sent {way}."
        case Matter.DAMAGED:
            return f"{amount} arrived damaged on the way {way}, and counts as lost."
        case Matter.UNANNOUNCED:
            return f"{amount} arrived {way}, and nobody has said that it was sent."
        case Matter.CALLED_BACK:
            return f"{_q(row.location)} wants back what it sent to {_q(row.other_location)}."
        case _:
            return f"A transfer {way} differs from what was said: {row.matter}."


def _order_difference(row: Listed) -> str:
    return f"{_number(row, 'quantity')} more of {_goods(row)} was delivered for an order of {_q(row.location)} than it asks for."


def _conflicting_status(row: Listed) -> str:
    decisions = row.facts.get("decisions")
    told = ", ".join(decisions) if isinstance(decisions, list | tuple) else ""
    moved = _number(row, "moved")
    goods = f", while {moved} in all moved for it" if moved else ""
    return f"This {_ONE.get(row.collection, row.collection)} was decided in ways that cannot all be ({told}){goods}."


def _quarantined(row: Listed) -> str:
    return (
        f"The hub could not take an operation that was recorded here (`{row.facts.get('kind')}`), so it counts nowhere: "
        f"{_reason(row)}"
    )


def _repeat_differs(row: Listed) -> str:
    return (
        f"One id was used for two different operations (`{row.facts.get('kind')}`): the first counts, and this one counts "
        f"nowhere. {_reason(row)}"
    )


def _unknown_sku(row: Listed) -> str:
    return (
        f"{_q(row.sku)} moved at {_q(row.location)}, and nobody has described it in the catalogue."
    )


def _two_expiries(row: Listed) -> str:
    days = row.facts.get("days")
    told = " and ".join(days) if isinstance(days, list | tuple) else ""
    stands = row.facts.get("stands")
    return f"Different last days were given for {_goods(row)}: {told}; {stands} stands."


def _unconfirmed_barcode(row: Listed) -> str:
    return f"{_q(row.location)} linked the barcode {_q(row.matter)} to {_q(row.sku)}, and the office has not looked at it."


# --- what to do -----------------------------------------------------------------------------------------------


def _count_it(row: Listed) -> str:
    return (
        "Count the shelf: POST /v1/stocktakes, then POST /v1/stocktakes/{id}/lines. If goods came that nobody booked, "
        "POST /v1/movements with the kind `receive`."
    )


def _look_at_the_shelf(row: Listed) -> str:
    back = -_number(row, "quantity")
    return (
        "If those goods had moved before the shelf was counted, the count has them already: POST /v1/movements with the kind "
        f"`adjust`, a reason and a delta of {back:+}. If they had not, nothing is to be done. Then resolve this."
    )


def _mend_transfer(row: Listed) -> str:
    at = f"/v1/transfers/{row.document}"
    match row.matter:
        case Matter.SHORT:
            return (
                f"If the goods turn up, POST {at}/receive; what was typed wrongly is taken back by POST {at}/reverse. "
                "Otherwise resolve this and say what became of them."
            )
        case Matter.OVER:
            return (
                f"If more was sent than was said, the sender does POST {at}/ship for the rest; if it was scanned wrongly, the "
                f"receiver does POST {at}/reverse. Otherwise resolve this."
            )
        case Matter.UNANNOUNCED:
            return (
                f"The sender's news may still come. If it was never recorded there, the sender does POST {at}/ship; if it "
                f"was scanned wrongly, the receiver does POST {at}/reverse."
            )
        case Matter.CALLED_BACK:
            return (
                f"The receiver sends back what has not arrived: POST {at}/turn_back. What it keeps it takes in: POST "
                f"{at}/receive."
            )
        case _:
            return (
                f"Settle with the carrier or the sender who pays for it, and resolve this; if it was scanned wrongly, POST "
                f"{at}/reverse."
            )


def _mend_order(row: Listed) -> str:
    return (
        f"If it was typed wrongly, POST /v1/orders/{row.document}/reverse. If the goods go back, POST /v1/movements with the "
        "kind `supplier_return` or `customer_return`; if they are kept, resolve this."
    )


def _say_which(row: Listed) -> str:
    address = f"/v1/{row.collection}/{row.document}"
    if row.collection == "stocktakes":
        return (
            "The count was finalised, and its corrections stand. If they should not, POST /v1/movements with the kind "
            f"`adjust` for what GET {address}/variance shows. Then resolve this."
        )
    return (
        f"The goods count as they moved. If they should not have, take them back: POST {address}/reverse, with the event "
        f"that GET {address} shows. Then resolve this and say what stands."
    )


def _record_again(row: Listed) -> str:
    if row.collection:
        return (
            "Make the edit again where it may be made, at the office if this node may not: PATCH "
            f"/v1/{row.collection}/{_in_address(row.document)}. Then resolve this."
        )
    told = id_to_text(OpId(bytes.fromhex(row.operation)))
    return (
        f"If the goods did move, record it again, at the office if this node may not: GET /v1/movements/{told} shows it, and "
        "POST /v1/movements with a new Idempotency-Key records it. Then resolve this."
    )


def _describe_it(row: Listed) -> str:
    return f"Describe it: POST /v1/skus with the id {_q(row.sku)}. If it is another SKU's barcode that was typed, move the goods over by two lines of POST /v1/movements with the kind `adjust`."


def _read_the_pack(row: Listed) -> str:
    address = f"/v1/lots/{quote(row.sku, safe='')}/{quote(row.lot, safe='')}"
    return (
        f"Read the day on the packs. If it is another one, the office does PATCH {address} with the `expiry`; if the one "
        "that stands is right, or two lots have the same code, resolve this and say so."
    )


def _confirm_barcode(row: Listed) -> str:
    return (
        f"The office confirms it: PATCH /v1/skus/{quote(row.sku, safe='')} with `unconfirmed_barcodes` "
        f"{{{_q(row.matter)}: null}}. If it is wrong, `barcodes` {{{_q(row.matter)}: null}} as well takes it off."
    )


_SENTENCES: Final[Mapping[Code, Callable[[Listed], str]]] = {
    Code.BELOW_ZERO: _below_zero,
    Code.LATE_MOVEMENT: _late_movement,
    Code.TRANSFER_DIFFERENCE: _transfer_difference,
    Code.ORDER_DIFFERENCE: _order_difference,
    Code.CONFLICTING_STATUS: _conflicting_status,
    Code.QUARANTINED: _quarantined,
    Code.REPEAT_DIFFERS: _repeat_differs,
    Code.UNKNOWN_SKU: _unknown_sku,
    Code.TWO_EXPIRIES: _two_expiries,
    Code.UNCONFIRMED_BARCODE: _unconfirmed_barcode,
}
_ACTS: Final[Mapping[Code, Callable[[Listed], str]]] = {
    Code.BELOW_ZERO: _count_it,
    Code.LATE_MOVEMENT: _look_at_the_shelf,
    Code.TRANSFER_DIFFERENCE: _mend_transfer,
    Code.ORDER_DIFFERENCE: _mend_order,
    Code.CONFLICTING_STATUS: _say_which,
    Code.QUARANTINED: _record_again,
    Code.REPEAT_DIFFERS: _record_again,
    Code.UNKNOWN_SKU: _describe_it,
    Code.TWO_EXPIRIES: _read_the_pack,
    Code.UNCONFIRMED_BARCODE: _confirm_barcode,
}
assert set(_SENTENCES) == set(_ACTS) == set(Code), "every kind has words"


def _goods(row: Listed) -> str:
    return f"{_q(row.sku)}, lot {_q(row.lot)}," if row.lot else _q(row.sku)


def _q(code: str) -> str:
    return f'"{code}"'


def _number(row: Listed, name: str) -> int:
    value = row.facts.get(name)
    return value if isinstance(value, int) else 0


def _reason(row: Listed) -> str:
    return f"{row.facts.get('detail')} ({row.facts.get('reason')})"


def _in_address(document: str) -> str:
    """An id of two codes is two segments, each as it is in an address."""
    codes = (part.replace("~1", "/").replace("~0", "~") for part in document.split("/"))
    return "/".join(quote(code, safe="") for code in codes)
