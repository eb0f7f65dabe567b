"""Frames for the keys of sealed records, which are kept beside the logs so that they can be destroyed.

Invariant: the hub keeps what it cannot open. A node hands in keys, and is told keys, of locations that it writes and of
no others. They are questions like those of `frames.repair`, sent to a hub that named the feature `sealed`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from protocol.codec import read_blob, read_int, read_list, refuse
from protocol.ids import Location, check_code
from protocol.limits import RECORD_KEYS_PER_FRAME_MAX, SEALING_KEY_BYTES_MAX, WRAPS_MAX
from protocol.sealed_keys import (
    RecordKey,
    read_announced,
    record_key_from_wire,
    record_key_to_wire,
)

Body = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class KeepKeys:
    """Node → hub: keep my key, and these records' keys of a location."""

    TYPE: ClassVar = 40
    announcement: bytes
    """The node's word of its own key; empty when it has none."""
    location: Location
    keys: tuple[RecordKey, ...]

    def to_body(self) -> Body:
        """The map form."""
        keys = [record_key_to_wire(each) for each in self.keys]
        return {"announcement": self.announcement, "location": self.location, "keys": keys}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        announcement = body.get("announcement")
        return cls(
            read_blob(announcement, "a sealing key", bytes_max=SEALING_KEY_BYTES_MAX),
            Location(check_code(body.get("location"), "location")),
            _keys(body.get("keys")),
        )


@dataclass(frozen=True, slots=True)
class KeysKept:
    """Hub → node: they are durable here, or what stands in their place is."""

    TYPE: ClassVar = 41
    location: Location
    count: int
    """Of those handed in."""

    def to_body(self) -> Body:
        """The map form."""
        return {"location": self.location, "count": self.count}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        return cls(
            Location(check_code(body.get("location"), "location")),
            read_int(body.get("count"), "count", most=RECORD_KEYS_PER_FRAME_MAX),
        )


@dataclass(frozen=True, slots=True)
class AskKeys:
    """Node → hub: the keys of a location's records that changed after this point, and who seals there."""

    TYPE: ClassVar = 42
    location: Location
    after: int

    def to_body(self) -> Body:
        """The map form."""
        return {"location": self.location, "after": self.after}

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form."""
        return cls(
            Location(check_code(body.get("location"), "location")),
            read_int(body.get("after"), "after"),
        )


@dataclass(frozen=True, slots=True)
class Keys:
    """Hub → node: those keys, in the order of their changes."""

    TYPE: ClassVar = 43
    location: Location
    upto: int
    """Where to go on."""
    more: bool
    keys: tuple[RecordKey, ...]
    sealers: tuple[tuple[bytes, bytes], ...]
    """Certificate and announcement of each node that writes the location and has a key."""

    def to_body(self) -> Body:
        """The map form."""
        return {
            "location": self.location,
            "upto": self.upto,
            "more": self.more,
            "keys": [record_key_to_wire(each) for each in self.keys],
            "sealers": [list(each) for each in self.sealers],
        }

    @classmethod
    def from_body(cls, body: Body) -> Self:
        """Read the map form; no sealer is verified here."""
        more = body.get("more")
        if type(more) is not bool:
            refuse("more", "must be true or false")
        sealers = read_list(body.get("sealers"), "sealers", most=WRAPS_MAX)
        return cls(
            Location(check_code(body.get("location"), "location")),
            read_int(body.get("upto"), "upto"),
            more,
            _keys(body.get("keys")),
            tuple(map(read_announced, sealers)),
        )


def _keys(value: object) -> tuple[RecordKey, ...]:
    listed = read_list(value, "keys", most=RECORD_KEYS_PER_FRAME_MAX)
    return tuple(map(record_key_from_wire, listed))
