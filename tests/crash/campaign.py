"""All recordings, their checkers, and how many states each gets; by several processes when asked.

Invariant: shares of one recording together try exactly what one process would.
"""

import multiprocessing
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from tests.crash import chains, copies, offices, recording, shops
from tests.crash.copies import CopyChecker
from tests.crash.explore import Checker, Scratch, State, Summary, explore, image_of
from tests.crash.hubs import HubChecker
from tests.crash.joins import InitChecker, JoinChecker
from tests.crash.nodes import NodeChecker
from tests.crash.recording import Recording

Make = Callable[[Path], Awaitable[Recording | list[Recording]]]

SCENES: Final[Mapping[str, Make]] = {
    "day": shops.day,
    "paperwork": shops.paperwork,
    "receipts": shops.receipts,
    "upgrade": shops.upgrade,
    "pushes": offices.pushes,
    "flood": offices.flood,
    "founding": offices.founding,
    "morning": chains.morning,
    "copies": copies.copies,
}
_WEIGHTS: Final = {
    "node, a day": 30,
    "node, paperwork": 15,
    "node, checkpoint": 3,
    "node, upgrade": 15,
    "hub, pushes": 25,
    "hub, checkpoint": 2,
    "hub, init": 1,
    "hub, a morning": 10,
    "node, join": 1,
    "node, a morning": 13,
}
"""Those whose WAL grows to megabytes take twenty times as long a state, and have few moments of another kind."""


async def record(place: Path, scenes: Iterator[str] | tuple[str, ...]) -> list[Path]:
    """Make the recordings of some scenes, one file each in `place`."""
    files = []
    for scene in scenes:
        folder = place / scene
        folder.mkdir()
        made = await SCENES[scene](folder)
        for each in made if isinstance(made, list) else [made]:
            files.append(place / f"{each.title.replace(', ', '-').replace(' ', '-')}.recording")
            each.save(files[-1])
    return files


def checker_for(kept: Recording, folder: Path) -> Checker:
    """Who judges the states of a recording, laying them out in `folder`."""
    match kept.knowledge.get("checker"):
        case "node":
            return NodeChecker(folder, kept.knowledge)
        case "hub":
            return HubChecker(folder, kept.knowledge, kept.told)
        case "join":
            return JoinChecker(folder, kept.knowledge)
        case "copy" | "restored":
            return CopyChecker(folder, kept.knowledge)
        case "init":
            return InitChecker(folder, kept.knowledge)
        case unknown:
            raise ValueError(f"nobody judges {unknown!r}")


def states_of_each(files: list[Path], states: int) -> dict[Path, int]:
    """Share out `states` states."""
    weights = {file: _WEIGHTS.get(recording.load(file).title, 1) for file in files}
    total = sum(weights.values())
    return {file: -(-states * weight // total) for file, weight in weights.items()}


def try_one(
    file: Path,
    states: int,
    seed: int,
    share: tuple[int, int] = (0, 1),
    progress: Callable[[Summary], None] | None = None,
) -> Summary:
    """Try one process's share of a recording's states."""
    kept = recording.load(file)
    with Scratch() as folder:
        checker = checker_for(kept, folder)
        return explore(kept, checker, states=states, seed=seed, share=share, progress=progress)


def try_all(
    plan: Mapping[Path, int], seed: int, jobs: int, say: Callable[[str], None]
) -> Iterator[tuple[Path, Summary]]:
    """Try all states, one recording after another, each by `jobs` processes."""
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for file, states in plan.items():
            shares = [(number, jobs) for number in range(jobs)]
            total: Summary | None = None
            for share in pool.imap_unordered(partial(_share, file, states, seed), shares):
                if total is None:
                    total = share
                else:
                    total.add(share)
            assert total is not None
            say(f"{file.stem} done")
            yield file, total


def problems_of(file: Path, state: State, seed: int) -> list[str]:
    """Look at one state again."""
    kept = recording.load(file)
    with Scratch() as folder:
        checker = checker_for(kept, folder)
        return checker.problems(image_of(kept, checker, state, seed))


def _share(file: Path, states: int, seed: int, share: tuple[int, int]) -> Summary:
    return try_one(file, states, seed, share)
