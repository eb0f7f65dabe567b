"""How many notes there were within this hour of what anybody can bring about.

Invariant: one row for each action; a clock that is set otherwise begins another hour, and that is all.
"""

import sqlite3
from typing import Final

from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "tallies.sql")


def count(db: sqlite3.Connection, action: str, hour: int, *, most: int) -> int | None:
    """Count one more within `hour`, whole hours since 1970.

    Returns: how many the hour counted before had beyond `most`, for the first of another hour, and 0 for the next ones;
    None for one beyond `most`.
    """
    row = db.execute(_SQL["tally"], {"action": action}).fetchone()
    left_out, counted = 0, 0
    if row is not None and row["hour"] == hour:
        counted = row["counted"]
    elif row is not None:
        left_out = max(0, row["counted"] - most)
    db.execute(_SQL["save"], {"action": action, "hour": hour, "counted": counted + 1})
    return None if counted >= most else left_out
