"""An import: the whole file is checked before its first row is recorded, and a repeat changes nothing.

Invariant: a movement's idempotency key is the digest of the file's bytes and the line its row begins on. The
same file, under any name, interrupted anywhere and sent again, through the daemon or without it, records each row once.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from node import upkeep
from node.commands.movements import Here, check_may_write
from node.exchange.mapping import Plan, Wishes, plan_of
from node.exchange.reading import Garbled, NotReadable, Reading, Record, Seal, SourceFile
from node.exchange.rows import Bad, Fault, Good, LeftOut, movements
from node.exchange.sending import BATCH_JSON_BYTES_MAX, Door, Item, Outcome, Recorded, Refused
from node.replica import identity
from protocol.limits import REMEMBERED_ANSWER_DAYS
from protocol.movements import MoveKind
from runtime.folder import Folder

_REUSED: Final = "idempotency_key_reused"


class Watcher(Protocol):
    """Who is told how it goes."""

    def phase(self, name: str, bytes_total: int) -> None:
        """A pass over the file begins."""

    def progress(self, bytes_read: int, rows: int) -> None:
        """The pass is so far."""

    def fault(self, fault: Fault) -> None:
        """A row is bad."""

    def refused(self, line: int, code: str, detail: str) -> None:
        """The node would not record this row."""


@dataclass(slots=True)
class Tally:
    """Rows of the file, by what became of them."""

    rows: int = 0
    left_out: int = 0
    bad: int = 0
    recorded: int = 0
    already_there: int = 0
    refused: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    """Refused rows by code."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the first pass found."""

    plan: Plan
    seal: Seal
    tally: Tally
    complete: bool
    """Whether the file could be read to its end."""


class Rights:
    """What this node may record where, as its certificate says."""

    def __init__(self, folder: Folder) -> None:
        self._here = upkeep.read(
            folder,
            lambda db: Here(
                (who := identity.read_identity(db)).chain,
                identity.read_position(db).replica,
                who.certificate,
                None,
                0,
            ),
        )
        self._allowed: set[tuple[str, MoveKind]] = set()

    @property
    def only_location(self) -> str | None:
        """The location that a file means that names none."""
        writes = self._here.certificate.writes
        return writes[0] if len(writes) == 1 else None

    def check(self, location: str, kind: MoveKind) -> None:
        """Raises: Refusal `forbidden`."""
        if (location, kind) not in self._allowed:
            check_may_write(self._here, location, kind)
            self._allowed.add((location, kind))


def check(source: SourceFile, wishes: Wishes, rights: Rights, watcher: Watcher) -> Checked:
    """Read the whole file and record nothing.

    Raises: Refusal when the columns do not fit the wishes; NotReadable; OSError.
    """
    watcher.phase("checking", source.size)
    reading = source.read()
    plan, records = _begin(reading, wishes)
    tally, complete = Tally(), True
    for found in movements(plan, records, rights.check):
        match found:
            case Good():
                tally.rows += 1
            case Bad(faults=faults, ends=ends):
                tally.rows += 1
                tally.bad += 1
                complete = complete and not ends
                for fault in faults:
                    watcher.fault(fault)
            case LeftOut():
                tally.rows += 1
                tally.left_out += 1
        watcher.progress(reading.bytes_read, tally.rows)
    return Checked(plan, reading.seal(), tally, complete)


def record(
    source: SourceFile, checked: Checked, rights: Rights, door: Door, watcher: Watcher, tally: Tally
) -> None:
    """Record every good movement of a checked file, in order. `tally` counts as it goes, also when this raises.

    Raises: FileChanged before anything of a changed block is recorded; SendingStopped; OSError.
    """
    watcher.phase("recording", source.size)
    reading = source.read(checked.seal)
    _, records = _begin(reading, checked.plan.wishes)
    batch = _Batch(door, watcher, tally)
    for found in movements(checked.plan, records, rights.check):
        match found:
            case Good(line=line, body=body, movement=movement):
                key = f"import-{checked.seal.digest}-{line}"
                batch.add(Item(line, key, body, movement))
            case Bad():
                tally.rows += 1
                tally.bad += 1
            case LeftOut():
                tally.rows += 1
                tally.left_out += 1
        watcher.progress(reading.bytes_read, tally.rows)
    batch.send()
    reading.seal()  # compares what may be left after the last row


class _Batch:
    """What is sent together."""

    def __init__(self, door: Door, watcher: Watcher, tally: Tally) -> None:
        self._door = door
        self._watcher = watcher
        self._tally = tally
        self._items: list[Item] = []
        self._json_bytes = 0

    def add(self, item: Item) -> None:
        """Take it, and send what is full."""
        size = item.json_bytes
        if self._json_bytes + size > BATCH_JSON_BYTES_MAX:
            self.send()
        self._items.append(item)
        self._json_bytes += size
        if len(self._items) >= self._door.batch_movements:
            self.send()

    def send(self) -> None:
        """Send what there is."""
        if not self._items:
            return
        for outcome, item in zip(self._door.record(self._items), self._items, strict=True):
            self._count(outcome, item.line)
        self._items, self._json_bytes = [], 0

    def _count(self, outcome: Outcome, line: int) -> None:
        self._tally.rows += 1
        match outcome:
            case Recorded(earlier=True):
                self._tally.already_there += 1
            case Recorded():
                self._tally.recorded += 1
            case Refused(code=code, detail=detail):
                self._tally.refused += 1
                self._tally.refusals[code] += 1
                self._watcher.refused(line, code, _explained(code, detail))


def _begin(reading: Reading, wishes: Wishes) -> tuple[Plan, Iterator[Record | Garbled]]:
    records = reading.records(delimiter=wishes.delimiter, encoding=wishes.encoding)
    match next(records, None):
        case None:
            raise NotReadable("the file is empty")
        case Garbled(line=line, problem=problem):
            raise NotReadable(f"line {line}, where the columns are named, {problem}")
        case Record(cells=header):
            return plan_of(header, wishes), records


def _explained(code: str, detail: str) -> str:
    if code == _REUSED:
        return (
            "was imported before from this very file, with other options or more than "
            f"{REMEMBERED_ANSWER_DAYS} days ago"
        )
    return detail
