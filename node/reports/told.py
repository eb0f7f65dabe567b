"""What rows of reports tell of a movement, whichever report they are in.

Invariant: what takes a movement back names it, whether it was taken back by itself or in the document that it is of.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from node.commands.answering import id_to_text
from protocol.ids import OpId
from protocol.movements import MOVE_PREFIX
from protocol.operation import Operation

TOLD: Final = ("kind", "reference", "reason", "actor", "device", "reverses")
"""What `told` gives."""
_TAKEN_BACK: Final = "~"
"""How the event of a document ends that takes one back."""
_ID_DIGITS: Final = 32


def told(operation: Operation) -> dict[str, object]:
    """What is told of it in every report."""
    details, back = operation.details, reverses(operation)
    return {
        "kind": operation.kind.removeprefix(MOVE_PREFIX),
        "reference": details.get("reference"),
        "reason": details.get("reason"),
        "actor": operation.actor,
        "device": operation.device,
        "reverses": None if back is None else id_to_text(back),
    }


def reverses(operation: Operation) -> OpId | None:
    """Which movement it takes back: as it says, or as the document does that it is of."""
    back = operation.details.get("reverses")
    if isinstance(back, bytes):
        return OpId(back)
    event = operation.details.get("event")
    if not isinstance(event, str) or not event.endswith(_TAKEN_BACK):
        return None
    stem = event.removesuffix(_TAKEN_BACK)
    is_id = len(stem) == _ID_DIGITS and all(char in "0123456789abcdef" for char in stem)
    return OpId(bytes.fromhex(stem)) if is_id else None


def reversals(operations: Iterable[Operation]) -> Mapping[OpId, OpId]:
    """By what was taken back, what takes it back; as far as both are among these."""
    found = ((reverses(operation), operation.op_id) for operation in operations)
    return {back: by for back, by in found if back is not None}
