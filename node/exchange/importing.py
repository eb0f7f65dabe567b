"""An import: the whole file is checked before its first row is recorded, and a repeat changes nothing.

Invariant: a row's idempotency key holds the digest of the file's bytes and the line that it begins on. The same file,
under any name, interrupted anywhere and sent again, through the daemon or without it, records each row once.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol, Self

from node.exchange.reading import Garbled, NotReadable, Reading, Record, Seal, SourceFile
from node.exchange.rows import Bad, Fault, Good, LeftOut
from node.exchange.sending import (
    BATCH_JSON_BYTES_MAX,
    Door,
    Item,
    Outcome,
    Recorded,
    Refused,
    SendingStopped,
    Unchanged,
)
from protocol.limits import REMEMBERED_ANSWER_DAYS

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


class Subject(Protocol):
    """What the rows of a file are about."""

    @property
    def delimiter(self) -> str | None:
        """What separates cells; None leaves it to the header."""

    @property
    def encoding(self) -> str:
        """How the file's letters are written."""

    def begin(self, header: Sequence[str]) -> Sequence[str]:
        """Find the columns; answers the names of those that are not used, fit for a terminal.

        Raises: Refusal when they do not fit what the caller said.
        """

    def rows(self, records: Iterable[Record | Garbled]) -> Iterator[Good | Bad | LeftOut]:
        """Every row's fate, in the order of the file; the same in both passes."""

    def item(self, digest: str, good: Good) -> Item | Refused:
        """A good row of the file with this digest as it is sent, under its key."""


@dataclass(slots=True)
class Tally:
    """Rows of the file, by what became of them."""

    rows: int = 0
    left_out: int = 0
    bad: int = 0
    recorded: int = 0
    already_there: int = 0
    unchanged: int = 0
    """Rows of this import that say what was there already."""
    refused: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    """Refused rows by code."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the first pass found."""

    unused: Sequence[str]
    """Columns that are left out."""
    seal: Seal
    tally: Tally
    complete: bool
    """Whether the file could be read to its end."""


def check(source: SourceFile, subject: Subject, watcher: Watcher) -> Checked:
    """Read the whole file and record nothing.

    Raises: Refusal when the columns do not fit the wishes; NotReadable; OSError.
    """
    watcher.phase("checking", source.size)
    reading = source.read()
    unused, records = _begin(reading, subject)
    tally, complete = Tally(), True
    for found in subject.rows(records):
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
    return Checked(unused, reading.seal(), tally, complete)


def record(
    source: SourceFile,
    checked: Checked,
    subject: Subject,
    door: Door,
    watcher: Watcher,
    tally: Tally,
) -> None:
    """Record every good row of a checked file, in order. `tally` counts as it goes, also when this raises.

    Raises: FileChanged before anything of a changed block is recorded; SendingStopped; OSError.
    """
    watcher.phase(door.doing, source.size)
    reading = source.read(checked.seal)
    _, records = _begin(reading, subject)
    with _Batch(door, watcher, tally) as batch:
        for found in subject.rows(records):
            match found:
                case Good(line=line):
                    match subject.item(checked.seal.digest, found):
                        case Refused() as refused:
                            batch.count(refused, line)
                        case Item() as item:
                            batch.add(item)
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
    """What is sent together. A daemon has one at a time, and the rows of the next are read meanwhile.

    On leaving the block what was sent is answered and counted, whatever ended it.
    """

    def __init__(self, door: Door, watcher: Watcher, tally: Tally) -> None:
        self._door = door
        self._watcher = watcher
        self._tally = tally
        self._items: list[Item] = []
        self._json_bytes = 0
        self._sender = ThreadPoolExecutor(1, "sending")
        self._sent: tuple[list[Item], Future[list[Outcome]]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._take_answer()
        except SendingStopped:
            if error is None:
                raise
        finally:
            self._sender.shutdown()

    def add(self, item: Item) -> None:
        """Take it, and send what is full."""
        size = item.json_bytes
        if self._json_bytes + size > BATCH_JSON_BYTES_MAX:
            self.send()
        self._items.append(item)
        self._json_bytes += size
        if len(self._items) >= self._door.batch_rows:
            self.send()

    def send(self) -> None:
        """Send what there is, once what was sent before is answered."""
        self._take_answer()
        if not self._items:
            return
        items, self._items, self._json_bytes = self._items, [], 0
        if self._door.is_elsewhere:
            self._sent = items, self._sender.submit(self._door.record, items)
        else:
            self._count_all(items, self._door.record(items))

    def _take_answer(self) -> None:
        sent, self._sent = self._sent, None
        if sent is not None:
            items, answer = sent
            self._count_all(items, answer.result())

    def _count_all(self, items: list[Item], outcomes: list[Outcome]) -> None:
        for outcome, item in zip(outcomes, items, strict=True):
            self.count(outcome, item.line)

    def count(self, outcome: Outcome, line: int) -> None:
        """Say what became of a row."""
        self._tally.rows += 1
        match outcome:
            case Recorded(earlier=True):
                self._tally.already_there += 1
            case Recorded():
                self._tally.recorded += 1
            case Unchanged():
                self._tally.unchanged += 1
            case Refused(code=code, detail=detail):
                self._tally.refused += 1
                self._tally.refusals[code] += 1
                self._watcher.refused(line, code, _explained(code, detail))


def _begin(reading: Reading, subject: Subject) -> tuple[Sequence[str], Iterator[Record | Garbled]]:
    records = reading.records(delimiter=subject.delimiter, encoding=subject.encoding)
    match next(records, None):
        case None:
            raise NotReadable("the file is empty")
        case Garbled(line=line, problem=problem):
            raise NotReadable(f"line {line}, where the columns are named, {problem}")
        case Record(cells=header):
            return subject.begin(header), records


def _explained(code: str, detail: str) -> str:
    if code == _REUSED:
        return (
            "was imported before from this very file, with other options or more than "
            f"{REMEMBERED_ANSWER_DAYS} days ago"
        )
    return detail
