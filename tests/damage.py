"""Files damaged on purpose, a bit or a page at a time, and how much of it a verification finds.

What counts is whether a value that anybody can read has changed: of free pages nobody reads anything.
"""

import contextlib
import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from runtime.connection import connect_reader
from runtime.errors import StoreError

_EVERYTHING = 'SELECT * FROM "?" NOT INDEXED'
_UNGUARD = 'DROP TRIGGER "?"'
Values = dict[str, list[tuple[object, ...]]]


def unguard(db: sqlite3.Connection) -> None:
    """Take away the triggers that refuse, as whoever holds the file can; what verification finds must not rest on them."""
    guards = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%RAISE(ABORT%'"
    for (name,) in db.execute(guards).fetchall():
        db.execute(_UNGUARD.replace("?", name))


@dataclass
class Tally:
    """What became of the trials, by the tables whose values they changed."""

    changed: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    """Each trial that changed a checked value, or made the file unreadable, and was not found."""

    @property
    def share(self) -> float:
        """Of the trials that changed any value at all, how many were found."""
        return self.found["all"] / self.changed["all"]

    def text(self) -> str:
        """A line for each table."""
        return "\n".join(
            f"{name:16} {self.found[name]:6} of {self.changed[name]:6} found, "
            f"{self.found[name] / self.changed[name]:6.1%}"
            for name in sorted(self.changed)
        )


@dataclass
class Sound:
    """A database that is closed and adds up, `verify` that finds what is wrong with it, and what of it is `checked`."""

    path: Path
    verify: Callable[[], bool]
    """Whether it finds anything."""
    checked: frozenset[str]
    """Tables whose every value follows from another one; but those of `unchecked`, as `ledger.accepted_at`."""
    unchecked: frozenset[str] = frozenset()
    content: bytes = b""
    values: Values = field(default_factory=dict)
    page_bytes: int = 0

    def __post_init__(self) -> None:
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            db.execute("PRAGMA journal_mode=DELETE").fetchall()
            (self.page_bytes,) = db.execute("PRAGMA page_size").fetchone()
            self.values = self._read_values(db)
        self.content = self.path.read_bytes()
        assert not self.verify(), "it adds up before it is damaged"

    def flip_bits(self, count: int, rng: random.Random) -> Tally:
        """Flip single bits anywhere in the file, each in a copy of its own."""
        tally = Tally()
        for _ in range(count):
            damaged = bytearray(self.content)
            at, bit = rng.randrange(len(damaged)), rng.randrange(8)
            damaged[at] ^= 1 << bit
            self._try(bytes(damaged), f"byte {at} bit {bit}", tally)
        return tally

    def lose_pages(self) -> Tally:
        """Zero each page of the file, one at a time."""
        tally = Tally()
        for page in range(len(self.content) // self.page_bytes):
            damaged = bytearray(self.content)
            start = page * self.page_bytes
            damaged[start : start + self.page_bytes] = bytes(self.page_bytes)
            self._try(bytes(damaged), f"page {page + 1}", tally)
        return tally

    def _try(self, damaged: bytes, what: str, tally: Tally) -> None:
        self.path.write_bytes(damaged)
        found = self.verify()
        tables = self._changed()
        for name in {*tables, "all"} if tables else {"nothing live"}:
            tally.changed[name] += 1
            tally.found[name] += found
        if not found and (wrong := sorted(tables & {*self.checked, "file"})):
            tally.missed.append(f"{what}: {', '.join(wrong)}")

    def _changed(self) -> set[str]:
        """Which tables hold other values; `file` when it cannot even be read."""
        try:
            # As the product reads it: a CHECK that names no column any more does not stop an untrusting reader.
            with contextlib.closing(connect_reader(self.path)) as db:
                after = self._read_values(db)
        except (
            sqlite3.Error,
            StoreError,
            UnicodeDecodeError,
        ):  # SQLite's words may quote what is damaged
            return {"file"}
        if self.values.keys() != after.keys():
            return {"file"}
        return {name for name, rows in self.values.items() if after[name] != rows}

    def _read_values(self, db: sqlite3.Connection) -> Values:
        db.text_factory = bytes  # a damaged text is any bytes at all
        query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        names = [name.decode("utf-8", "replace") for (name,) in db.execute(query)]
        values: Values = {}
        for name in names:
            found = db.execute(_EVERYTHING.replace("?", name))  # a table's name is no parameter
            apart = [f"{name}.{column[0]}" in self.unchecked for column in found.description]
            rows = found.fetchall()
            values[name] = [
                tuple(v for v, is_apart in zip(row, apart, strict=True) if not is_apart)
                for row in rows
            ]
            if any(apart):
                values[f"{name}, unchecked"] = [
                    tuple(v for v, is_apart in zip(row, apart, strict=True) if is_apart)
                    for row in rows
                ]
        return values
