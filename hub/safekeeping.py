"""What a serving hub does so that it can come back: scheduled backups, and the witness beside its database.

Invariant: the witness is written when the hub starts and when it stops, after the last session has ended.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from hub.backup_schedule import BackupSchedule
from hub.config import HubSettings
from hub.datafolder import HubFolder
from hub.opening import Hub
from hub.witness import WitnessWriter


def keep_safe(
    app: web.Application,
    hub: Hub,
    folder: HubFolder,
    witness: WitnessWriter,
    settings: HubSettings,
) -> None:
    """Run both while the application does."""

    async def witnessing(_app: web.Application) -> AsyncIterator[None]:
        hub.departures.listen(witness.write_soon)
        task = asyncio.create_task(witness.run(), name="witness")
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await witness.write()

    app.cleanup_ctx.append(witnessing)
    if settings.backup_to is not None:
        schedule = BackupSchedule(
            folder.folder.path,
            settings.backup_to,
            every_h=settings.backup_every_h,
            keep=settings.backup_keep,
            stable=hub.stable,
            world=hub.world,
        )
        schedule.on_failure(hub.metrics.backup_failures.inc)
        hub.metrics.watch_backups(lambda: schedule.failed)
        app.cleanup_ctx.append(_taking(schedule))


def _taking(
    schedule: BackupSchedule,
) -> Callable[[web.Application], AsyncIterator[None]]:
    async def run(_app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(schedule.run(), name="backups")
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    return run
