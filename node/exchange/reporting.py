"""What an import tells people and programs while it runs and when it ends.

Rule: what was found in the file goes to stdout, at most a hundred lines of it for people and all of it as JSON
lines for programs; how it goes is words on stderr, a bar when that is a terminal.
"""

import json
import time
from dataclasses import asdict
from types import TracebackType
from typing import Final, Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from node.exchange.importing import Tally
from node.exchange.rows import Fault

SHOWN_MAX: Final = 100
_WORDS_EVERY_S: Final = 5.0
_BAR_EVERY_S: Final = 0.1


class Report:
    """The one place that writes during an import."""

    def __init__(self, file: str, *, as_json: bool, out: TextIO, err: TextIO) -> None:
        self._file = file
        self._as_json = as_json
        self._out = out
        self._err = err
        self._findings = 0
        self._phase = ""
        self._bytes_total = 0
        self._began_s = 0.0
        self._told_s = 0.0
        self._task: TaskID | None = None
        self._bar: Progress | None = None
        if err.isatty():
            # What a file says is no markup, and ":100:" is a line.
            console = Console(file=err, markup=False, emoji=False, highlight=False)
            self._bar = Progress(
                TextColumn("{task.description:>9}", markup=False),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[rows]:,} rows, {task.fields[speed]:,}/s", markup=False),
                TimeRemainingColumn(),
                console=console,
                # Or rich would take what goes into a pipe or file for words on the terminal.
                redirect_stdout=False,
            )

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """Leave the bar as it is; what is said from now on stands under it."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def phase(self, name: str, bytes_total: int) -> None:
        """See Watcher."""
        self._phase, self._bytes_total = name, bytes_total
        self._began_s = self._told_s = time.monotonic()
        if self._bar is not None:
            self._task = self._bar.add_task(name, total=bytes_total or None, rows=0, speed=0)

    def progress(self, bytes_read: int, rows: int) -> None:
        """See Watcher; cheap, for it is told of every row."""
        now_s = time.monotonic()
        if now_s - self._told_s < (_WORDS_EVERY_S if self._bar is None else _BAR_EVERY_S):
            return
        self._told_s = now_s
        speed = int(rows / max(now_s - self._began_s, 0.001))
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=bytes_read, rows=rows, speed=speed)
        else:
            percent = 100 * bytes_read // max(self._bytes_total, 1)
            self.say(f"{self._phase}: {rows:,} rows, {speed:,}/s, {percent} % of the file")

    def done(self, rows: int) -> None:
        """The phase has come to its end."""
        speed = int(rows / max(time.monotonic() - self._began_s, 0.001))
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._bytes_total, rows=rows, speed=speed)

    def fault(self, fault: Fault) -> None:
        """See Watcher."""
        found = {"type": "bad", **fault._asdict()}
        where = f" {fault.column}:" if fault.column else ""
        self._found(found, f"{self._file}:{fault.line}:{where} {fault.problem}")

    def refused(self, line: int, code: str, detail: str) -> None:
        """See Watcher."""
        found = {"type": "refused", "line": line, "code": code, "problem": detail}
        self._found(found, f"{self._file}:{line}: {detail} ({code})")

    def summary(self, tally: Tally, *, digest: str, dry_run: bool, ended: str) -> None:
        """The last line for programs."""
        if self._as_json:
            counts = {**asdict(tally), "refusals": dict(tally.refusals)}
            self._write(
                {"type": "summary", "ended": ended, "dry_run": dry_run, "digest": digest, **counts}
            )

    def say(self, words: str) -> None:
        """A line for people."""
        if self._bar is not None:
            self._bar.console.print(words)
        else:
            self._err.write(f"{words}\n")
            self._err.flush()

    def _found(self, found: dict[str, object], words: str) -> None:
        self._findings += 1
        if self._as_json:
            self._write(found)
        elif self._findings <= SHOWN_MAX:
            self._out_line(words)
        elif self._findings == SHOWN_MAX + 1:
            self._out_line("... and more; --json shows all of them")

    def _write(self, value: dict[str, object]) -> None:
        self._out_line(json.dumps(value, ensure_ascii=False))

    def _out_line(self, line: str) -> None:
        if self._bar is not None and self._out.isatty():
            self._bar.console.print(line, soft_wrap=True)  # above the bar, on the same terminal
        else:
            self._out.write(f"{line}\n")
