"""What one process did to one folder, in order, and what it told others meanwhile.

Invariant: a write stands where its call began, a sync where it returned and covers only what had begun before it did: the
worst that the order of the calls allows. Nothing in the folder changes but by these events; a shared writable
mapping of a file, which no trace shows being written, ends the reading. `-shm` files are left out: SQLite makes
its index of the WAL anew after a crash.
"""

import gzip
import pickle
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from tests.crash import streams
from tests.crash.streams import Fact
from tests.crash.tracing import Call, TraceError, calls, hexed, text_of

_INDEX: Final = "-shm"


class Create(NamedTuple):
    """A name for a new, empty file."""

    inode: int
    name: str


class Write(NamedTuple):
    """Bytes at an offset."""

    inode: int
    offset: int
    content: bytes


class Resize(NamedTuple):
    """A file cut or grown to a size."""

    inode: int
    size_bytes: int


class Sync(NamedTuple):
    """A file's content and size are on the disk, as of all events before number `began`."""

    inode: int
    began: int


class SyncFolder(NamedTuple):
    """The folder's names are on the disk, as of all events before number `began`."""

    began: int


class Remove(NamedTuple):
    """A name is gone."""

    name: str


class Rename(NamedTuple):
    """A file has another name, and what had that name is gone."""

    inode: int
    old: str
    new: str


class Told(NamedTuple):
    """Something left the process: from now on others rely on it."""

    fact: Fact


Event = Create | Write | Resize | Sync | SyncFolder | Remove | Rename | Told


@dataclass(frozen=True, slots=True)
class Recording:
    """A process's life as events; all that a replay needs, also another day."""

    title: str
    before: Mapping[str, bytes]
    """The folder's files before the process started; durable."""
    events: tuple[Event, ...]
    knowledge: Mapping[str, object] = field(default_factory=dict)
    """What the checks have to know besides, by name."""

    def save(self, file: Path) -> None:
        """Keep it for a replay."""
        with gzip.open(file, "wb", compresslevel=1) as stream:
            pickle.dump(self, stream)

    @property
    def told(self) -> list[Fact]:
        """Everything that left the process."""
        return [event.fact for event in self.events if isinstance(event, Told)]


def load(file: Path) -> Recording:
    """Read what `save` kept; only from files of one's own."""
    with gzip.open(file, "rb") as stream:
        recording = pickle.load(stream)
    assert isinstance(recording, Recording)
    return recording


def snapshot(folder: Path) -> dict[str, bytes]:
    """A folder's files, before a process is started on it."""
    if not folder.is_dir():
        return {}
    return {
        each.name: each.read_bytes()
        for each in sorted(folder.iterdir())
        if each.is_file() and not each.name.endswith(_INDEX)
    }


def read(
    trace: Path,
    folder: Path,
    *,
    title: str,
    before: Mapping[str, bytes],
    knowledge: Mapping[str, object] | None = None,
) -> Recording:
    """Make the recording of one process from its trace."""
    reading = _Reading(folder, before)
    concerns = (hexed(str(folder)), "TCP:[", " write(1<", " write(2<")
    for call in calls(trace, concerns):
        reading.take(call)
    return Recording(title, dict(before), tuple(reading.events()), dict(knowledge or {}))


class _Reading:
    """Follows names, descriptors and sockets through a trace."""

    def __init__(self, folder: Path, before: Mapping[str, bytes]) -> None:
        self._folder = str(folder)
        self._in_folder = hexed(self._folder)
        self._inodes = {name: number for number, name in enumerate(before, start=1)}
        self._last_inode = len(before)
        self._open: dict[int, int] = {}  # descriptor to inode; -1 is the folder itself
        self._at: dict[int, int] = {}  # where a descriptor's next write goes
        self._began: list[tuple[int, Event]] = []  # with the number of the call that did it
        self._synced: list[tuple[int, Event]] = []  # with the number of the last call begun before
        self._sent: dict[str, list[tuple[int, bytes]]] = {}

    def take(self, call: Call) -> None:
        """Note what one call did."""
        if call.result < 0:
            return
        match call.name:
            case "openat":
                self._opened(call)
            case "close":
                self._open.pop(_descriptor(call.arguments[0]), None)
            case "mmap":
                self._mapped(call)
            case "write" | "writev" | "sendto" | "sendmsg":
                self._written(call)
            case "rename" | "renameat" | "renameat2" | "unlink" | "unlinkat":
                self._renamed(call)
            case _ if (inode := self._inode(call)) is not None:
                self._changed(call, inode)

    def _changed(self, call: Call, inode: int) -> None:
        match call.name:
            case "pwrite64":
                self._note(call, Write(inode, int(call.arguments[3]), _content(call)))
            case "ftruncate":
                self._note(call, Resize(inode, int(call.arguments[1])))
            case "fsync" | "fdatasync":
                folder = SyncFolder(call.began) if inode < 0 else Sync(inode, call.began)
                self._synced.append((call.ended_after, folder))
            case _:
                raise TraceError(f"{call.name} in {self._folder} is not understood")

    def events(self) -> Iterator[Event]:
        """All events in their order; answers where their first byte left."""
        told = [(left.call, Told(left.fact)) for left in streams.facts(self._sent)]
        # A sync that returned after an answer began to leave comes after it.
        keyed = [(call, 0, event) for call, event in (*self._began, *told)]
        keyed += [(call, 1, event) for call, event in self._synced]
        keyed.sort(key=lambda each: each[:2])
        numbers = [call for call, _, _ in keyed]
        for _, _, event in keyed:
            if isinstance(event, Sync | SyncFolder):
                yield event._replace(began=bisect_left(numbers, event.began))
            else:
                yield event

    def _note(self, call: Call, event: Event) -> None:
        self._began.append((call.began, event))

    def _opened(self, call: Call) -> None:
        path = text_of(call.arguments[1]).decode()
        if path == self._folder:
            self._open[call.result] = -1
        if not path.startswith(f"{self._folder}/"):
            return
        name = path.removeprefix(f"{self._folder}/")
        flags = call.arguments[2]
        if name.endswith(_INDEX) or "/" in name:
            return
        if name not in self._inodes:
            self._last_inode += 1
            self._inodes[name] = self._last_inode
            self._note(call, Create(self._last_inode, name))
        inode = self._inodes[name]
        if "O_TRUNC" in flags:
            self._note(call, Resize(inode, 0))
        if "O_APPEND" in flags and "O_RDONLY" not in flags:
            raise TraceError(f"{name} is appended to")
        self._open[call.result] = inode
        self._at[call.result] = 0

    def _mapped(self, call: Call) -> None:
        _, _, protection, kind, where, *_ = call.arguments
        inode = self._open.get(_descriptor(where)) if self._in_folder in where else None
        if inode is not None and "MAP_SHARED" in kind and "PROT_WRITE" in protection:
            raise TraceError(f"a file is written through memory, unseen: {where}")

    def _written(self, call: Call) -> None:
        where, content = call.arguments[0], _content(call)
        inode = self._inode(call)
        if inode is not None:
            at = self._at[_descriptor(where)]
            self._at[_descriptor(where)] = at + len(content)
            self._note(call, Write(inode, at, content))
        elif "TCP:[" in where or _descriptor(where) in {1, 2}:
            self._sent.setdefault(where, []).append((call.began, content))

    def _renamed(self, call: Call) -> None:
        quoted = [argument for argument in call.arguments if argument.startswith('"')]
        names = [text_of(path).decode() for path in quoted]
        if not any(name.startswith(f"{self._folder}/") for name in names):
            return
        old, *new = [name.removeprefix(f"{self._folder}/") for name in names]
        inode = self._inodes.pop(old, None)
        if inode is None:
            return  # an index, or a file from elsewhere
        if new:
            self._inodes[new[0]] = inode
            self._note(call, Rename(inode, old, new[0]))
        else:
            self._note(call, Remove(old))

    def _inode(self, call: Call) -> int | None:
        where = call.arguments[0]
        return self._open.get(_descriptor(where)) if self._in_folder in where else None


def _descriptor(argument: str) -> int:
    digits = argument.partition("<")[0].strip()
    return int(digits) if digits.lstrip("-").isdigit() else -1


def _content(call: Call) -> bytes:
    """The bytes that were written, of those that were given."""
    quoted = [part for part in call.arguments if '"' in part]
    return b"".join(map(text_of, quoted))[: call.result]
