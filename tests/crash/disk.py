"""A disk that is about to lose power: what is certainly on it, and what may be.

Invariant: content and size of a file are certain as of its last sync, names as of the folder's; everything since is on the disk,
or not, in any combination: each 512-byte sector of a write for itself, whole or torn, each size, each name. That is weaker
than what ext4 or xfs promise, so a program that is right here is right there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal

from tests.crash.recording import (
    Create,
    Event,
    Remove,
    Rename,
    Resize,
    Sync,
    SyncFolder,
    Told,
    Write,
)

SECTOR_BYTES: Final = 512
_TORN_CHANCE: Final = 0.04
_GARBAGE_CHANCE: Final = 0.02
_KEPT_CHANCES: Final = (0.05, 0.3, 0.5, 0.7, 0.95)

Loss = Literal["kill", "nothing more", "cut", "any"]
"""Everything is there, as after kill -9; only what was synced; a beginning of the rest; any part of it."""


@dataclass(slots=True)
class Losses:
    """What a crash took, counted."""

    sectors: int = 0
    torn: int = 0
    sizes: int = 0
    names: int = 0

    def add(self, other: "Losses") -> None:
        """Sum up."""
        self.sectors += other.sectors
        self.torn += other.torn
        self.sizes += other.sizes
        self.names += other.names


@dataclass(slots=True)
class _File:
    content: bytearray
    """What is certain."""
    pending: list[tuple[int, Write | Resize]] = field(default_factory=list)


class Disk:
    """One folder on it; `apply` events in order, `crash` at any time."""

    def __init__(self, before: Mapping[str, bytes]) -> None:
        self._files = {at: _File(bytearray(each)) for at, each in enumerate(before.values(), 1)}
        self._names = {name: at for at, name in enumerate(before, 1)}
        self._pending_names: list[tuple[int, Create | Remove | Rename]] = []

    def apply(self, number: int, event: Event) -> None:
        """Do one event, `number` being its place in the recording."""
        match event:
            case Create():
                self._files[event.inode] = _File(bytearray())
                self._pending_names.append((number, event))
            case Remove() | Rename():
                self._pending_names.append((number, event))
            case Write() | Resize():
                self._files[event.inode].pending.append((number, event))
            case Sync():
                file = self._files[event.inode]
                for _, each in (held for held in file.pending if held[0] < event.began):
                    _carry_out(file.content, each)
                file.pending = [held for held in file.pending if held[0] >= event.began]
            case SyncFolder():
                for _, change in (held for held in self._pending_names if held[0] < event.began):
                    _rename(self._names, change)
                self._pending_names = [
                    held for held in self._pending_names if held[0] >= event.began
                ]
                self._forget_nameless()
            case Told():
                pass

    @property
    def is_certain(self) -> bool:
        """Whether a crash now leaves one folder only."""
        return not self._pending_names and not any(file.pending for file in self._files.values())

    def crash(self, rng: Random, loss: Loss) -> tuple[dict[str, bytes], Losses]:
        """A folder that the power cut may leave, by name."""
        losses = Losses()
        names = dict(self._names)
        for change in _surviving(rng, loss, [each for _, each in self._pending_names], losses):
            _rename(names, change)
        kept_chance = rng.choice(_KEPT_CHANCES)
        contents: dict[int, bytes] = {}
        for inode in set(names.values()):
            contents[inode] = _crashed(self._files[inode], rng, loss, kept_chance, losses)
        return {name: contents[inode] for name, inode in sorted(names.items())}, losses

    def _forget_nameless(self) -> None:
        named = set(self._names.values()) | {
            each.inode for _, each in self._pending_names if not isinstance(each, Remove)
        }
        for inode in set(self._files) - named:
            # Still open perhaps, and written; but no crash brings it back.
            self._files[inode].pending.clear()
            self._files[inode].content.clear()


def _surviving(
    rng: Random, loss: Loss, changes: list[Create | Remove | Rename], losses: Losses
) -> list[Create | Remove | Rename]:
    match loss:
        case "kill":
            kept = changes
        case "nothing more":
            kept = []
        case "cut":
            kept = changes[: rng.randint(0, len(changes))]
        case "any":
            kept = [change for change in changes if rng.random() < 0.5]
    losses.names += len(changes) - len(kept)
    return kept


def _rename(names: dict[str, int], change: Create | Remove | Rename) -> None:
    match change:
        case Create():
            names[change.name] = change.inode
        case Remove():
            names.pop(change.name, None)
        case Rename():
            names.pop(change.old, None)
            names[change.new] = change.inode


def _crashed(file: _File, rng: Random, loss: Loss, kept_chance: float, losses: Losses) -> bytes:
    if not file.pending or loss == "nothing more":
        losses.sectors += sum(
            _sector_count(each) for _, each in file.pending if isinstance(each, Write)
        )
        return bytes(file.content)
    content = bytearray(file.content)
    changes = [each for _, each in file.pending]
    if loss == "kill":
        for change in changes:
            _carry_out(content, change)
        return bytes(content)
    if loss == "cut":
        whole = rng.randrange(len(changes))
        for change in changes[:whole]:
            _carry_out(content, change)
        losses.sectors += sum(_sector_count(each) for each in changes[whole:])
        if isinstance(last := changes[whole], Write):
            losses.torn += 1
            _put(content, last.offset, last.content[: rng.randint(0, len(last.content))])
        return bytes(content)
    return _scattered(content, changes, rng, kept_chance, losses)


def _scattered(
    content: bytearray,
    changes: list[Write | Resize],
    rng: Random,
    kept_chance: float,
    losses: Losses,
) -> bytes:
    sizes, size = [len(content)], len(content)
    for change in changes:
        match change:
            case Resize():
                size = change.size_bytes
            case Write():
                size = max(size, change.offset + len(change.content))
                _scatter(content, change, rng, kept_chance, losses)
        if size != sizes[-1]:
            sizes.append(size)
    chosen = rng.choice(sizes)
    losses.sizes += chosen != size
    # What is beyond the size that was noted is not in the file; what was never written is zeros.
    content[chosen:] = b""
    content.extend(bytes(chosen - len(content)))
    return bytes(content)


def _scatter(
    content: bytearray, write: Write, rng: Random, kept_chance: float, losses: Losses
) -> None:
    at, end = 0, len(write.content)
    while at < end:
        to = min(end, at + SECTOR_BYTES - (write.offset + at) % SECTOR_BYTES)
        piece, where, drawn = write.content[at:to], write.offset + at, rng.random()
        if drawn < kept_chance:
            _put(content, where, piece)
        elif drawn < kept_chance + _TORN_CHANCE:
            losses.torn += 1
            _put(content, where, piece[: rng.randrange(len(piece))])
        elif drawn < kept_chance + _TORN_CHANCE + _GARBAGE_CHANCE:
            losses.torn += 1
            _put(content, where, rng.randbytes(len(piece)))
        else:
            losses.sectors += 1
        at = to


def _carry_out(content: bytearray, change: Write | Resize) -> None:
    match change:
        case Write():
            _put(content, change.offset, change.content)
        case Resize():
            content[change.size_bytes :] = b""
            content.extend(bytes(change.size_bytes - len(content)))


def _put(content: bytearray, offset: int, piece: bytes) -> None:
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(piece)] = piece


def _sector_count(change: Write | Resize) -> int:
    return -(-len(change.content) // SECTOR_BYTES) if isinstance(change, Write) else 0
