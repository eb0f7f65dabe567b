"""Putting a bug into production code, and taking it out again.

Invariant: whatever ends the block, what was there before is there after. Only tests plant; the product has no switch.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

Plant = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Mutation:
    """One planted bug."""

    name: str
    breaks: str
    """Which promise it breaks, and which fault brings that to light."""
    plant: Plant
    suits: Mapping[str, Any] = field(default_factory=dict)
    """What a run should have so that the bug matters: values of `swarm.Options` that replace the drawn ones."""
    history: Callable[[], list[str]] | None = None
    """A scripted history that says what went wrong, where the simulator's workload does not reach the feature."""


@contextmanager
def replaced(*changes: tuple[object, str, object]) -> Iterator[None]:
    """Have attributes of modules or classes be others: `(where, name, value)`."""
    with ExitStack() as restored:
        for where, name, value in changes:
            # Looked up without the class's machinery: a static or class method has to come back as it was.
            before = vars(where)[name]
            restored.callback(setattr, where, name, before)
            setattr(where, name, value)
        yield


@contextmanager
def altered(
    module: ModuleType, query: str, old: str, new: str, *, named: str = "_SQL"
) -> Iterator[None]:
    """Have a module's query say something else; `old` must be in it, so that no plant rots unseen."""
    queries: Mapping[str, str] = getattr(module, named)
    assert old in queries[query], f"{module.__name__} has no longer {old!r} in {query!r}"
    sql = queries[query].replace(old, new)
    with replaced((module, named, {**queries, query: sql})):
        yield
