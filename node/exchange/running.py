"""One run of an import, from the check to the sentence it ends with.

Rule: nothing is recorded of a file that was not read to its end, or, unless asked for, that has a bad row; however it
ends, the user reads how many rows count and whether the same command goes on.
"""

from contextlib import AbstractContextManager
from typing import Final, Protocol

from node.exchange import importing
from node.exchange.importing import Subject, Tally
from node.exchange.reading import NotReadable, SourceFile
from node.exchange.reporting import Report
from node.exchange.sending import Door, Errand, SendingStopped, open_door
from runtime.folder import Folder
from runtime.service import EXIT_FOUND_WRONG, EXIT_IO, EXIT_OK

EXIT_INTERRUPTED: Final = 130
"""What a shell says of a program that Ctrl-C ended."""


class File(Subject, Errand, Protocol):
    """What a file is about, and where that goes."""

    @property
    def about_skipped(self) -> str:
        """What to do with rows that were skipped as bad: a sentence after a space."""

    def try_out(self) -> AbstractContextManager[Door] | None:
        """A door that only says what would become of rows; None where a good row is always taken."""


class ImportRun:
    """One run of the command; answers its exit code."""

    def __init__(
        self,
        folder: Folder,
        source: SourceFile,
        file: File,
        report: Report,
        *,
        dry_run: bool,
        skip_bad: bool,
    ) -> None:
        self._folder = folder
        self._source = source
        self._file = file
        self._report = report
        self._dry_run = dry_run
        self._skip_bad = skip_bad
        self._digest = ""

    def carry_out(self) -> int:
        """Check, then record; says how it ended."""
        try:
            checked = importing.check(self._source, self._file, self._report)
        except NotReadable as error:
            return self._end(
                Tally(), "unreadable", f"Nothing was recorded: {error}.", EXIT_FOUND_WRONG
            )
        except KeyboardInterrupt:
            words = "Interrupted. Nothing was recorded."
            return self._end(Tally(), "interrupted", words, EXIT_INTERRUPTED)
        tally, self._digest = checked.tally, checked.seal.digest
        self._report.done(tally.rows)
        if checked.unused:
            self._report.say(f"Columns that are not used: {', '.join(checked.unused)}.")
        words = f"{tally.rows:,} rows: {tally.rows - tally.bad - tally.left_out:,} good, {tally.bad:,} bad"
        if tally.left_out:
            words += f", {tally.left_out:,} left out by --where"
        found = EXIT_FOUND_WRONG if tally.bad else EXIT_OK
        if self._dry_run:
            return self._try_out(checked, words, found)
        if not checked.complete:
            return self._end(
                tally,
                "refused",
                f"{words}, and the end of the file cannot be read. Nothing was recorded.",
                found,
            )
        if tally.bad and not self._skip_bad:
            words += ". Nothing was recorded; --skip-bad records the good ones."
            return self._end(tally, "refused", words, found)
        return self._record(checked)

    def _try_out(self, checked: importing.Checked, words: str, found: int) -> int:
        """Say what would become of the good rows, where that depends on what the node holds."""
        tally, trial = checked.tally, self._file.try_out()
        if trial is None or not checked.complete:
            return self._end(tally, "checked", f"{words}. Nothing was recorded.", found)
        tried = Tally()
        try:
            with trial as door:
                importing.record(self._source, checked, self._file, door, self._report, tried)
        except NotReadable as error:
            return self._end(tally, "unreadable", f"{words}. {error}.", EXIT_FOUND_WRONG)
        except KeyboardInterrupt:
            words = "Interrupted. Nothing was recorded."
            return self._end(tally, "interrupted", words, EXIT_INTERRUPTED)
        words += (
            f". Of the good ones {tried.recorded:,} would be recorded, {tried.unchanged:,} say what is there,"
            f" {tried.already_there:,} were imported before, {tried.refused:,} would be refused."
            " Nothing was recorded."
        )
        code = EXIT_FOUND_WRONG if tried.refused else found
        return self._end(tried, "checked", words, code)

    def _record(self, checked: importing.Checked) -> int:
        tally = Tally()
        again = "Run the same command again to go on"
        try:
            with open_door(self._folder, self._file) as door:
                importing.record(self._source, checked, self._file, door, self._report, tally)
        except SendingStopped as error:
            words = f"Stopped: {error}. {_counted(tally)}. {again}."
            return self._end(tally, "stopped", words, EXIT_IO)
        except NotReadable as error:
            words = f"Stopped: {error}. {_counted(tally)}."
            return self._end(tally, "stopped", words, EXIT_FOUND_WRONG)
        except KeyboardInterrupt:
            words = f"Interrupted. {_counted(tally)}. {again}."
            return self._end(tally, "interrupted", words, EXIT_INTERRUPTED)
        self._report.done(tally.rows)
        words = f"{_counted(tally)}."
        if tally.bad:
            words += self._file.about_skipped
        code = EXIT_FOUND_WRONG if tally.bad or tally.refused else EXIT_OK
        return self._end(tally, "recorded", words, code)

    def _end(self, tally: Tally, ended: str, words: str, code: int) -> int:
        self._report.end()
        self._report.summary(tally, digest=self._digest, dry_run=self._dry_run, ended=ended)
        self._report.say(words)
        return code


def _counted(tally: Tally) -> str:
    parts = [f"Recorded {tally.recorded:,}", f"already there {tally.already_there:,}"]
    for name, count in (
        ("unchanged", tally.unchanged),
        ("refused", tally.refused),
        ("skipped as bad", tally.bad),
    ):
        if count:
            parts.append(f"{name} {count:,}")
    if tally.left_out:
        parts.append(f"left out by --where {tally.left_out:,}")
    return ", ".join(parts) + " rows"
