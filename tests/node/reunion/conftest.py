"""A hub that runs, and nodes that are stopped in the end."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node import uplink
from tests.node.reunion.here import Here


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Here]:
    """A hub without nodes yet. Nodes come back soon."""
    monkeypatch.setattr(uplink, "RETRY_FIRST_S", 0.05)
    made = Here(tmp_path)
    await made.hub.start()
    yield made
    await made.close()
