"""Serves a node or a hub with a clock of its own, or without patience: `python -m tests.chaos.other_world serve --data DIR ...`.

Everything is the product's, its command line too, but for what it is given for a world (`runtime.world.World`, the one
place where it asks the machine for time and chance). DIR.world.json says which daemon it is, by how much its clock is
wrong, and whether every wait that is drawn between nothing and a bound is drawn as nothing.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import hub.__main__
import node.__main__
from deploy.process import Daemon
from runtime.world import World

PROGRAM: Final = "tests.chaos.other_world"
YEAR_MS: Final = 365 * 24 * 3600 * 1000

Patience = Literal["drawn", "none"]


@dataclass(frozen=True, slots=True)
class Impatient(World):
    """A world in which every draw of a wait comes out as the shortest there is."""

    def jitter_ms(self, most: int) -> int:
        """Zero, which the product's own draw may be as well."""
        return 0 * most


def in_other_world(
    daemon: Daemon, *, clock_off_ms: int = 0, patience: Patience = "drawn"
) -> Daemon:
    """The same folder, port and log, in another world from its next start on."""
    said = {"daemon": daemon.module, "clock_off_ms": clock_off_ms, "patience": patience}
    _world_file(daemon.data).write_text(json.dumps(said))
    return Daemon(
        daemon.module,
        daemon.data,
        daemon.log,
        port=daemon.port,
        options=daemon.options,
        program=PROGRAM,
    )


def _world_file(data: Path) -> Path:
    return data.with_name(f"{data.name}.world.json")


def _main() -> None:
    said: dict[str, Any] = json.loads(_world_file(Path(sys.argv[3])).read_text())
    kind = Impatient if said["patience"] == "none" else World
    off_ms = said["clock_off_ms"]

    def world() -> World:
        return kind(now_ms=lambda: time.time_ns() // 1_000_000 + off_ms)

    served = hub.__main__ if said["daemon"] == "hub" else node.__main__
    served.World = world  # type: ignore[attr-defined]
    served.main()


if __name__ == "__main__":
    _main()
