"""The frame that tells which nodes were revoked or retired, either way.

Invariant: it is sent only to a peer whose HELLO or WELCOME named another digest than one's own; what it holds counts
by the hub's signature on each record, not by who brought it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from protocol.codec import read_blob, read_list
from protocol.limits import DEPARTURE_BYTES_MAX, DEPARTURES_PER_FRAME_MAX


@dataclass(frozen=True, slots=True)
class Departures:
    """Either way: signed departures; see `protocol.departure`."""

    TYPE: ClassVar = 23
    records: tuple[bytes, ...]

    def to_body(self) -> Mapping[str, object]:
        """The map form."""
        return {"records": list(self.records)}

    @classmethod
    def from_body(cls, body: Mapping[str, object]) -> Self:
        """Read the map form; no record is verified here."""
        records = read_list(body.get("records"), "records", most=DEPARTURES_PER_FRAME_MAX)
        return cls(
            tuple(read_blob(each, "a departure", bytes_max=DEPARTURE_BYTES_MAX) for each in records)
        )


def in_frames(records: Sequence[bytes]) -> list[Departures]:
    """As many frames as it takes."""
    pieces = range(0, len(records), DEPARTURES_PER_FRAME_MAX)
    return [Departures(tuple(records[at : at + DEPARTURES_PER_FRAME_MAX])) for at in pieces]
