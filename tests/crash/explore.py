"""Crash states of a recording, drawn from a seed, and the verdict on each.

Invariant: a state is its recording, the seed, the number of events before the crash and the draw; nothing else decides it, so that it can be looked
at again, alone. Facts told before the crash are the ones it is held to.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, NamedTuple, Protocol

from tests.crash.disk import Disk, Loss, Losses
from tests.crash.recording import Recording, Told
from tests.crash.streams import Fact

PROBLEMS_KEPT: Final = 20
_IN_MEMORY: Final = Path(
    "/dev/shm"
)  # opening a state syncs, and on a disk that is most of the time


class Checker(Protocol):
    """What holds a folder to what was told; made for one recording."""

    def note(self, fact: Fact) -> None:
        """From now on this was told."""

    def problems(self, image: Mapping[str, bytes]) -> list[str]:
        """What is wrong in a folder of these files, [] when nothing is."""

    @property
    def contents(self) -> int:
        """How many different databases came out of the crashes."""


class State(NamedTuple):
    """One crash: after so many events, the draw of this number."""

    events: int
    draw: int

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"{self.events}.{self.draw}"


@dataclass(slots=True)
class Summary:
    """What was tried, and what came of it."""

    title: str
    states: int = 0
    contents: int = 0
    """Different databases after recovery; the others differ in what recovery threw away."""
    took_s: float = 0.0
    processor_s: float = 0.0
    losses: Losses = field(default_factory=Losses)
    violations: int = 0
    first: dict[str, State] = field(default_factory=dict)
    """The first state of each problem: a common one must not hide a rare one."""

    def add(self, other: "Summary") -> None:
        """Add another share of the same recording."""
        self.states += other.states
        self.contents = max(self.contents, other.contents)
        self.took_s = max(self.took_s, other.took_s)
        self.processor_s += other.processor_s
        self.losses.add(other.losses)
        self.violations += other.violations
        for problem, state in other.first.items():
            self.keep(problem, state)

    def keep(self, problem: str, state: State) -> None:
        """Remember the state, unless an earlier one has the same problem or there are `PROBLEMS_KEPT`."""
        if problem in self.first or len(self.first) < PROBLEMS_KEPT:
            self.first[problem] = min(state, self.first.get(problem, state))


def explore(
    recording: Recording,
    checker: Checker,
    *,
    states: int,
    seed: int,
    share: tuple[int, int] = (0, 1),
    progress: Callable[[Summary], None] | None = None,
) -> Summary:
    """Try about `states` states, spread over all moments; of several processes, the share (number, of)."""
    summary = Summary(recording.title)
    began_s, began_processor_s = time.perf_counter(), time.process_time()
    plan = planned(recording, states, seed)
    disk = Disk(recording.before)
    for number, event in enumerate(recording.events):
        disk.apply(number, event)
        if isinstance(event, Told):
            checker.note(event.fact)
        if number % share[1] != share[0]:
            continue
        for draw in range(plan.get(number, 0)):
            state = State(number + 1, draw)
            image, losses = disk.crash(*drawn(seed, state))
            summary.states += 1
            summary.losses.add(losses)
            for problem in checker.problems(image)[:1]:
                summary.violations += 1
                summary.keep(problem, state)
            if progress is not None and summary.states % 1_000 == 0:
                progress(summary)
    summary.contents = checker.contents
    summary.took_s = time.perf_counter() - began_s
    summary.processor_s = time.process_time() - began_processor_s
    return summary


def image_of(recording: Recording, checker: Checker, state: State, seed: int) -> dict[str, bytes]:
    """The folder of one state; the checker knows what was told before it."""
    disk = Disk(recording.before)
    for number, event in enumerate(recording.events[: state.events]):
        disk.apply(number, event)
        if isinstance(event, Told):
            checker.note(event.fact)
    return disk.crash(*drawn(seed, state))[0]


def drawn(seed: int, state: State) -> tuple[Random, Loss]:
    """What decides a state."""
    rng = Random(f"{seed}/{state.events}/{state.draw}")
    losses: tuple[Loss, ...] = ("kill", "nothing more", "cut", "any")
    return rng, rng.choices(losses, (1, 1, 3, 7))[0]


def planned(recording: Recording, states: int, seed: int) -> dict[int, int]:
    """How many states to draw after each event; a moment at which all is certain has one."""
    disk = Disk(recording.before)
    uncertain, certain = [], []
    for number, event in enumerate(recording.events):
        disk.apply(number, event)
        if not disk.is_certain:
            uncertain.append(number)
        else:
            certain.append(number)
    plan = dict.fromkeys(certain, 1) if states > 2 * len(certain) else {}
    left = max(1, states - len(plan))
    each, more = divmod(left, len(uncertain))
    plan |= dict.fromkeys(uncertain, each)
    for number in Random(seed).sample(uncertain, more):
        plan[number] += 1
    return plan


class Scratch:
    """A folder in memory to lay states out in; gone when its block ends."""

    def __init__(self) -> None:
        """Make it."""
        parent = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
        self.path = Path(tempfile.mkdtemp(prefix="everstock-crash-", dir=parent))

    def __enter__(self) -> Path:
        """Give its path."""
        return self.path

    def __exit__(self, *_: object) -> None:
        """Delete it."""
        shutil.rmtree(self.path, ignore_errors=True)


class Layout:
    """A folder that holds one state after another."""

    def __init__(self, folder: Path, *, opened: str) -> None:
        """Make it; files whose names begin with `opened` change when a state is looked at, others do not."""
        self.folder = folder
        self._opened = opened
        self._held: dict[str, bytes] = {}
        folder.mkdir(mode=0o700, exist_ok=True)

    def lay(self, image: Mapping[str, bytes]) -> None:
        """Make the folder hold exactly these files."""
        for name in os.listdir(self.folder):
            if name not in image:
                os.unlink(f"{self.folder}/{name}")
                self._held.pop(name, None)
        for name, content in image.items():
            if self._held.get(name) == content and not name.startswith(self._opened):
                continue
            self._held[name] = content
            opened = os.open(f"{self.folder}/{name}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            try:
                os.write(opened, content)
            finally:
                os.close(opened)

    def forget(self) -> None:
        """Any file may have been changed meanwhile."""
        self._held.clear()


def lines(summaries: Sequence[Summary]) -> Iterator[str]:
    """For people."""
    for each in summaries:
        losses = each.losses
        yield (
            f"{each.title}: {each.states} states in {each.took_s:.1f} s ({_per_s(each)}/s of processor), "
            f"{each.contents} databases, lost {losses.sectors} sectors, {losses.sizes} sizes, {losses.names} names, "
            f"torn {losses.torn}, violations {each.violations}"
        )


def _per_s(summary: Summary) -> int:
    return round(summary.states / max(summary.processor_s, 1e-9))
