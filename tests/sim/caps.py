"""The product's caps made small for one run, so that a handful of rows takes many pages and many pieces of pages.

Invariant: only numbers are changed, where the product looks them up, and whatever ends the run puts them back.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from hub.store.sqlite import feed, questions
from node.replica import mending, rows
from tests.sim.swarm import Options


@contextmanager
def capped(options: Options) -> Iterator[None]:
    """Have pages and what is stored at once be as small as the options say."""
    places = [(module, "PAGE_ROWS_MAX", options.page_rows) for module in (feed, questions)]
    places += [(module, "PIECE_ROWS", options.piece_rows) for module in (rows, mending)]
    before = [getattr(module, name) for module, name, _ in places]
    try:
        for module, name, value in places:
            if value is not None:
                setattr(module, name, value)
        yield
    finally:
        for (module, name, _), value in zip(places, before, strict=True):
            setattr(module, name, value)
