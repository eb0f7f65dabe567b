"""Rows as CSV (RFC 4180): a header, CR LF, every text in quotes, every number without.

Invariant: a text that a spreadsheet would run is neutralised (see `cells`); a number of ours never needs it.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import IO

from node.exchange.cells import neutralised


class Table:
    """Rows as mappings; columns that a row lacks are empty, members that are no column are left out."""

    def __init__(self, out: IO[str], columns: Sequence[str]) -> None:
        """Write the header."""
        self._columns = columns
        self._csv = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
        self._csv.writerow(columns)

    def writerows(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Write each."""
        for row in rows:
            self._csv.writerow([_cell(row.get(name)) for name in self._columns])


def table_bytes(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> bytes:
    """A table that fits in memory, in UTF-8."""
    out = io.StringIO(newline="")
    Table(out, columns).writerows(rows)
    return out.getvalue().encode()


def _cell(value: object) -> str | int:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return value
        case _:
            return neutralised(str(value))
