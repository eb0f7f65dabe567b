"""The frame by which the two sides keep signed statements about each other's history.

Invariant: it is sent only to a peer that named the feature `checkpoints`; the hub answers each with one. What it holds
counts by its signatures, not by who brought it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from protocol.codec import read_blob, read_list
from protocol.limits import CHECKPOINT_BYTES_MAX, CHECKPOINTS_PER_FRAME_MAX


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Either way; see `protocol.checkpoint`. Of a node: the newest checkpoint that it keeps. Of the hub: those after it."""

    TYPE: ClassVar = 24
    checkpoints: tuple[bytes, ...]
    """Signed by the hub, by rising number."""
    head: bytes | None
    """Of the session's log, signed by the sender."""

    def to_body(self) -> Mapping[str, object]:
        """The map form."""
        return {"checkpoints": list(self.checkpoints), "head": self.head}

    @classmethod
    def from_body(cls, body: Mapping[str, object]) -> Self:
        """Read the map form; nothing is verified here."""
        records = read_list(body.get("checkpoints"), "checkpoints", most=CHECKPOINTS_PER_FRAME_MAX)
        head = body.get("head")
        return cls(
            tuple(
                read_blob(each, "a checkpoint", bytes_max=CHECKPOINT_BYTES_MAX) for each in records
            ),
            None if head is None else read_blob(head, "a head", bytes_max=CHECKPOINT_BYTES_MAX),
        )
