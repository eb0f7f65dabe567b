"""`/readyz`: whether what is sent now can be recorded, and if not, why not.

Rule: it says no before the first caller is refused wherever that can be known, and yes again by itself. Whoever it
tells no gets status 503 whatever the reason, since that is what load balancers and supervisors look at.
"""

import asyncio
import os
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

from runtime.problems import Problem
from runtime.service import STOP


async def refuse_unless_ready(
    app: web.Application, folder: Path, *, takes_writes: bool, is_broken: bool
) -> None:
    """Return when the daemon is ready.

    Args:
        app: the daemon's.
        folder: its data folder.
        takes_writes: as `Store.takes_writes` answered just now.
        is_broken: whether the store has ended writing until restart.

    Raises:
        Problem: `unavailable` or `disk_full`, both with status 503.
    """
    if app[STOP].is_set():
        raise Problem("unavailable", "This daemon is ending.")
    if is_broken:
        detail = (
            "The disk has failed or the database is damaged: nothing is recorded until restart."
        )
        raise Problem("unavailable", detail)
    if not takes_writes:
        detail = "There is no room on the disk: nothing is recorded until there is."
        raise Problem("disk_full", detail, status=HTTPStatus.SERVICE_UNAVAILABLE)
    # SQLite goes on with files it has open, but may soon need others; a file system goes read-only when its disk fails.
    if not await asyncio.to_thread(os.access, folder, os.W_OK | os.X_OK):
        raise Problem("unavailable", "The data folder cannot be written.")
