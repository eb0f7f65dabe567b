"""Why a daemon is not ready, worst reason first."""

from pathlib import Path

import pytest

from runtime.metrics import new_registry
from runtime.problems import Problem
from runtime.readiness import refuse_unless_ready
from runtime.service import STOP, new_app


async def _reason(
    folder: Path, *, takes_writes: bool = True, is_broken: bool = False, is_ending: bool = False
) -> tuple[str, int] | None:
    app = new_app(list, new_registry())
    if is_ending:
        app[STOP].set()
    try:
        await refuse_unless_ready(app, folder, takes_writes=takes_writes, is_broken=is_broken)
    except Problem as problem:
        return problem.code, problem.status
    return None


async def test_a_daemon_that_can_record_is_ready(tmp_path: Path) -> None:
    assert await _reason(tmp_path) is None


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ({"is_ending": True, "takes_writes": False}, "unavailable"),
        ({"is_broken": True, "takes_writes": False}, "unavailable"),
        ({"takes_writes": False}, "disk_full"),
    ],
)
async def test_each_reason_has_its_code_and_the_same_status(
    state: dict[str, bool], code: str, tmp_path: Path
) -> None:
    assert await _reason(tmp_path, **state) == (code, 503)


async def test_a_folder_that_has_gone_is_a_reason(tmp_path: Path) -> None:
    assert await _reason(tmp_path / "gone") == ("unavailable", 503)
