"""Nodes as lines for people: a table on a terminal, whole lines separated by tabs anywhere else.

Rule: nothing is cut short. What is not known is "-".
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

TABLE_CHARS: Final = 200
_HEADS: Final = {
    "name": "name",
    "role": "role",
    "writes": "writes",
    "reads": "reads",
    "status": "status",
    "connected": "connected",
    "lag": "lag",
    "pending": "pending",
    "acked": "acked",
    "last_seen_at": "last seen",
    "replica": "replica",
    "version": "version",
}
_SECONDS_CHARS: Final = len("2030-01-31T09:00:00")


def print_nodes(nodes: Sequence[Mapping[str, object]]) -> None:
    """Print a head and a line for each node, in their order."""
    lines = [[_cell(column, node[column]) for column in _HEADS] for node in nodes]
    if not sys.stdout.isatty():
        for line in (list(_HEADS.values()), *lines):
            sys.stdout.write("\t".join(line) + "\n")
        return
    table = Table(box=None)
    for head in _HEADS.values():
        table.add_column(head, overflow="fold")
    for line in lines:
        table.add_row(*line)
    # A narrow terminal breaks a line better than columns of five characters do.
    width = max(Console().width, TABLE_CHARS)
    Console(markup=False, highlight=False, width=width).print(table)


def _cell(column: str, value: object) -> str:
    match value:
        case None | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value))
        case str() if column == "last_seen_at":
            return f"{value[:_SECONDS_CHARS]}Z"
        case _:
            return str(value)
