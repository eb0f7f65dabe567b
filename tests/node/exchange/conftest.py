"""A shop that nobody serves yet."""

from pathlib import Path

import pytest

from protocol.certificate import Role
from tests.node.enrolled import Shop, enrolled_folder


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give the folder of node S01."""
    return enrolled_folder(tmp_path / "S01")


@pytest.fixture
def office(tmp_path: Path) -> Shop:
    """Give the folder of a node that may write everything."""
    return enrolled_folder(tmp_path / "office", name="office", writes=(), role=Role.OFFICE)
