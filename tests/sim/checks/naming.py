"""What nobody asked for by a key has the name of what it does (I1): a booking of its document, or a taking back.

Or it only says in a stocktake which movements its counts did not know of, and moves nothing.

Invariant: such an operation counts once whoever records it, because its id is made of the document and of that name alone.
"""

from collections.abc import Iterator

from protocol.effects import DocumentKey, FieldEffect
from protocol.ids import ChainId
from protocol.operation import Operation
from protocol.workflows.steps import step_id


def is_named_by_what_it_does(chain: ChainId, operation: Operation) -> bool:
    """Whether an operation's id is that of a step of its document which its own fields name."""
    key = DocumentKey(str(operation.details.get("collection")), str(operation.details.get("id")))
    fields = [e.field for e in operation.effects if isinstance(e, FieldEffect) and e.key == key]
    moves_nothing = len(fields) == len(operation.effects)
    if fields and moves_nothing and all(field.startswith("late/") for field in fields):
        return True
    return any(operation.op_id == step_id(chain, key, name) for name in _names(fields))


def _names(fields: list[str]) -> Iterator[tuple[str, str]]:
    for field in fields:
        what, _, rest = field.partition("/")
        group, _, element = rest.partition("/")
        element = element.partition("+")[0]
        if what == "booked":
            yield group, element
        elif what == "moved" and element.partition("+")[0].endswith("~"):
            yield "", f"reverse:{group}:{element.removesuffix('~')}"
